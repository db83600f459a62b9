/* cmd_status.c - regcast status: how regcastd is, on one screen. */
#include "commands.h"

#include "call.h"
#include "clock.h"
#include "fetch.h"
#include "mem.h"
#include "metrics_text.h"
#include "pause.h"
#include "print.h"

#include <stdlib.h>
#include <unistd.h>

#define DEFAULT_INTERVAL 1000
#define LEAST_INTERVAL   100
#define MOST_LISTED      "1000"
#define MAX_TEXT         (16u << 20)

/* What one look found. */
struct look {
    uint64_t at_ms;
    bool ready;
    char version[64];
    double connections, events, messages, frames; /* the last three: since the start */
    double journal, queued_bytes, dead_letters;
};

/* --- looking --- */

static int get(const struct call *c, const char *base, const char *path, struct fetch_answer *ret)
{
    struct buf url;
    buf_init(&url, 8192);
    int r = fetch_url(base, path, &url);
    if (r < 0)
        r = call_failed("--url: expected host:port or a URL, got \"%s\"", base);
    else if (fetch(&(struct fetch_request){.url = (const char *) url.data, .trust = &c->trust},
                   ret) < 0)
        r = call_failed("cannot reach %s: %s", base, ret->error);
    buf_fini(&url);
    return r;
}

static void read_metrics(struct slice text, struct look *ret)
{
    struct slice version = metrics_text_label(text, "regcast_build_info", "version");
    (void) snprintf(ret->version, sizeof(ret->version), "%.*s", (int) version.len,
                    (const char *) version.data);
    (void) metrics_text_sum(text, "regcast_connections", NULL, &ret->connections);
    (void) metrics_text_sum(text, "regcast_webhook_events_total", "outcome=\"accepted\"",
                            &ret->events);
    (void) metrics_text_sum(text, "regcast_batches_total", NULL, &ret->messages);
    (void) metrics_text_sum(text, "regcast_frames_sent_total", NULL, &ret->frames);
    if (!metrics_text_sum(text, "regcast_journal_state", NULL, &ret->journal))
        ret->journal = -1;
    (void) metrics_text_sum(text, "regcast_journal_queued_bytes", NULL, &ret->queued_bytes);
    (void) metrics_text_sum(text, "regcast_dead_letters", NULL, &ret->dead_letters);
}

static int look_at(const struct call *c, const char *base, struct look *ret)
{
    struct fetch_answer answer;
    *ret = (struct look){.at_ms = clock_mono_ms()};
    fetch_answer_init(&answer);
    int code = get(c, base, "/readyz", &answer);
    ret->ready = answer.status == 200;
    if (code == EXIT_FINE)
        code = get(c, base, "/metrics", &answer);
    if (code == EXIT_FINE && answer.status != 200)
        code = call_failed("%s: /metrics was answered with HTTP status %u", base, answer.status);
    if (code == EXIT_FINE)
        read_metrics(buf_slice(&answer.body), ret);
    fetch_answer_fini(&answer);
    return code;
}

/* --- the report --- */

static double rate(double before, double now, uint64_t ms)
{
    double per_second = ms == 0 ? 0 : (now - before) * 1000 / (double) ms;
    return per_second < 0 ? 0 : (double) (uint64_t) (per_second * 10 + 0.5) / 10; /* a restart */
}

static void put_number(cJSON *object, const char *name, double value)
{
    call_put(object, name, cJSON_CreateNumber(value));
}

static const char *journal_name(double state)
{
    return state == 1 ? "works" : state == 2 ? "disk full" : state == 0 ? "failed" : "none";
}

static double member_number(const cJSON *object, const char *name)
{
    return strtod(call_member(object, name), NULL);
}

/* Of the slowest: they are listed first. */
static void put_lag(cJSON *report, const cJSON *connections)
{
    double most = 0, behind = 0;
    const cJSON *one;
    cJSON_ArrayForEach(one, connections)
    {
        double ms = member_number(one, "lagMs");
        most = ms > most ? ms : most;
        behind += member_number(one, "lagMessages") > 0;
    }
    cJSON *lag = call_object();
    put_number(lag, "connections_seen", cJSON_GetArraySize(connections));
    put_number(lag, "connections_behind", behind);
    put_number(lag, "largest_ms", most);
    call_put(report, "lag", lag);
}

static void put_paths(cJSON *report, const cJSON *paths)
{
    static const struct {
        const char *name, *from;
    } NUMBERS[] = {{"connections", "connections"},          {"triggers", "triggers"},
                   {"sent_frames", "sentFrames"},           {"slow_consumers", "slowConsumers"},
                   {"history_messages", "historyMessages"}, {"history_bytes", "historyBytes"}};
    cJSON *list = cJSON_CreateArray();
    ASSERT(list != NULL);
    const cJSON *path;
    cJSON_ArrayForEach(path, paths)
    {
        cJSON *one = call_object();
        call_put_text(one, "path", call_member(path, "path"));
        for (size_t i = 0; i < ARRAY_LEN(NUMBERS); i++)
            put_number(one, NUMBERS[i].name, member_number(path, NUMBERS[i].from));
        (void) cJSON_AddItemToArray(list, one);
    }
    call_put(report, "paths", list);
}

static int ask(struct call *c, const char *text, bool page, cJSON **ret)
{
    struct buf path;
    path_begin(&path, text);
    if (page) {
        path_query(&path, true, "pageSize", MOST_LISTED);
        path_query(&path, false, "orderBy", "lag");
    }
    int r = call_rest(c, "GET", &path, NULL, ret);
    buf_fini(&path);
    return r;
}

/* What only management knows. */
static int put_managed(struct call *c, cJSON *report)
{
    cJSON *paths = NULL, *connections = NULL;
    int r = ask(c, "/gateway/v1/paths", false, &paths);
    if (r == 0)
        r = ask(c, "/gateway/v1/connections", true, &connections);
    if (r == 0) {
        put_lag(report, cJSON_GetObjectItemCaseSensitive(connections, "connections"));
        put_paths(report, cJSON_GetObjectItemCaseSensitive(paths, "paths"));
    }
    cJSON_Delete(paths);
    cJSON_Delete(connections);
    return r < 0 ? EXIT_FAILED : EXIT_FINE;
}

static cJSON *make_report(const char *base, const struct look *before, const struct look *now)
{
    uint64_t ms = now->at_ms - before->at_ms;
    cJSON *report = call_object(), *journal = call_object(), *rates = call_object();
    call_put_text(report, "address", base);
    call_put_text(report, "version", now->version);
    call_put(report, "ready", cJSON_CreateBool(now->ready));
    put_number(report, "connections", now->connections);
    put_number(rates, "events", rate(before->events, now->events, ms));
    put_number(rates, "messages", rate(before->messages, now->messages, ms));
    put_number(rates, "frames", rate(before->frames, now->frames, ms));
    call_put(report, "per_second", rates);
    call_put_text(journal, "state", journal_name(now->journal));
    put_number(journal, "queued_bytes", now->queued_bytes);
    call_put(report, "journal", journal);
    put_number(report, "dead_letters", now->dead_letters);
    return report;
}

/* --- printing --- */

static double number(const cJSON *object, const char *name)
{
    return cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static int print_path_table(const cJSON *paths, struct buf *out)
{
    static const char *const HEADERS[] = {"PATH",        "CONNECTIONS",    "TRIGGERS",
                                          "FRAMES SENT", "SLOW CONSUMERS", "HISTORY"};
    static const char *const KEYS[] = {"connections", "triggers", "sent_frames", "slow_consumers",
                                       "history_messages"};
    enum { CELL = 24, N = ARRAY_LEN(HEADERS) };
    size_t rows = (size_t) cJSON_GetArraySize(paths), at = 0, row = 0;
    const char **cells = xcalloc(rows * N + 1, sizeof(*cells));
    char(*numbers)[N][CELL] = xcalloc(rows + 1, sizeof(*numbers));
    const cJSON *path;
    cJSON_ArrayForEach(path, paths)
    {
        cells[at++] = call_member(path, "path");
        for (size_t i = 0; i < ARRAY_LEN(KEYS); i++) {
            (void) snprintf(numbers[row][i], CELL, "%.0f", number(path, KEYS[i]));
            cells[at++] = numbers[row][i];
        }
        row++;
    }
    int r = print_table(HEADERS, N, cells, rows, out);
    free(numbers);
    free(cells);
    return r;
}

static int print_screen(const cJSON *report, struct buf *out)
{
    const cJSON *rates = cJSON_GetObjectItemCaseSensitive(report, "per_second"),
                *journal = cJSON_GetObjectItemCaseSensitive(report, "journal"),
                *lag = cJSON_GetObjectItemCaseSensitive(report, "lag");
    bool ready = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(report, "ready"));
    int r = buf_printf(out,
                       "regcastd      %s at %s, %s\n"
                       "connections   %.0f\n"
                       "per second    %.1f events in, %.1f messages, %.1f frames out\n"
                       "journal       %s, %.0f bytes on their way\n"
                       "dead letters  %.0f\n",
                       call_member(report, "version"), call_member(report, "address"),
                       ready ? "ready" : "not ready", number(report, "connections"),
                       number(rates, "events"), number(rates, "messages"), number(rates, "frames"),
                       call_member(journal, "state"), number(journal, "queued_bytes"),
                       number(report, "dead_letters"));
    if (r == 0 && lag != NULL)
        r = buf_printf(out, "lag           %.0f of %.0f connections are behind, %.0f ms at most\n",
                       number(lag, "connections_behind"), number(lag, "connections_seen"),
                       number(lag, "largest_ms"));
    return r == 0 ? print_path_table(cJSON_GetObjectItemCaseSensitive(report, "paths"), out) : r;
}

static int print_report(const struct call *c, const cJSON *report, bool again)
{
    struct buf text;
    if (c->format != FORMAT_TEXT)
        return call_print_as_is(c, report);
    buf_init(&text, MAX_TEXT);
    int r = again ? buf_append_str(&text, isatty(STDOUT_FILENO) ? "\033[H\033[2J" : "\n") : 0;
    return call_write(&text, r == 0 ? print_screen(report, &text) : r);
}

static int run_status(struct call *c)
{
    const char *base = args_text(&c->args, "url");
    uint64_t interval = DEFAULT_INTERVAL;
    struct look before, now;
    base = base == NULL ? FETCH_WEBHOOKS : base;
    if (args_duration_ms(&c->args, "interval", &interval) && interval < LEAST_INTERVAL)
        return call_usage(c, "--interval: expected at least %d ms", LEAST_INTERVAL);
    bool watch = args_switch(&c->args, "watch");
    int code = look_at(c, base, &before);
    for (bool again = false; code == EXIT_FINE && (!again || watch); again = true) {
        pause_ms(interval);
        code = look_at(c, base, &now);
        if (code != EXIT_FINE)
            break;
        cJSON *report = make_report(base, &before, &now);
        code = put_managed(c, report);
        if (code == EXIT_FINE)
            code = print_report(c, report, again);
        cJSON_Delete(report);
        before = now;
    }
    return code;
}

static const struct flag FLAGS[] = {
    {"url", '\0', NULL, FLAG_TEXT, "ADDRESS", NULL,
     "Webhooks listener of regcastd, where /readyz and /metrics are, host:port or URL "
     "(" FETCH_WEBHOOKS ")."},
    {"watch", '\0', NULL, FLAG_SWITCH, NULL, NULL, "Go on until it is interrupted."},
    {"interval", '\0', NULL, FLAG_DURATION, "DURATION", NULL,
     "Time between two looks, from which rates are made (1s)."},
    FLAGS_END,
};

const struct command CMD_STATUS = {
    "status",
    NULL,
    "",
    0,
    "Show how regcastd is: readiness, connections, rates, journal, paths.",
    FLAGS,
    run_status};
