/* cmd_explain.c - regcast explain: what became of an event. */
#include "commands.h"

#include "call.h"
#include "event_view.h"
#include "mem.h"
#include "print.h"

#include <stdlib.h>

#define CELL_SIZE 24
#define COLUMNS   10
#define MAX_TEXT  (64u << 20)

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* "2024-06-21T10:56:42.123456Z" as "2024-06-21 10:56:42.123". */
static const char *time_text(const char *time, char ret[CELL_SIZE])
{
    (void) snprintf(ret, CELL_SIZE, "%.23s", time);
    if (strlen(ret) > 10)
        ret[10] = ' ';
    return ret;
}

/* --- the event --- */

/* What a webhook says may be anything: no controls reach the terminal. Nothing when it is empty. */
static int put_line(struct buf *out, const char *name, const char *value)
{
    if (value[0] == '\0')
        return 0;
    int r = buf_printf(out, "%-12s ", name);
    if (r == 0)
        r = event_view_clean(slice_str(value), out);
    return r == 0 ? buf_append_str(out, "\n") : r;
}

static int put_time(struct buf *out, const char *name, const char *time)
{
    char text[CELL_SIZE];
    return put_line(out, name, time_text(time, text));
}

static int put_received(struct buf *out, const cJSON *received)
{
    char last[CELL_SIZE];
    const char *n = call_member(received, "duplicates");
    int r = put_time(out, "received", call_member(received, "at"));
    if (r == 0)
        r = put_line(out, "from", call_member(received, "peer"));
    if (r == 0)
        r = put_line(out, "kind", call_member(received, "kind"));
    if (r == 0)
        r = put_line(out, "sender id", call_member(received, "senderEventId"));
    if (r == 0)
        r = put_line(out, "traceparent", call_member(received, "traceparent"));
    if (r == 0 && strtoull(n, NULL, 10) > 0)
        r = buf_printf(out, "%-12s %s, the last at %s\n", "duplicates", n,
                       time_text(call_member(received, "lastDuplicateAt"), last));
    return r;
}

static int put_event(struct buf *out, const cJSON *answer)
{
    static const struct {
        const char *name, *from;
    } FIELDS[] = {{"event", "eventId"},
                  {"type", "eventType"},
                  {"registry", "registryId"},
                  {"repository", "repository"},
                  {"tag", "tag"},
                  {"digest", "digest"},
                  {"actor", "actor"}};
    int r = 0;
    for (size_t i = 0; i < ARRAY_LEN(FIELDS) && r == 0; i++)
        r = put_line(out, FIELDS[i].name, call_member(answer, FIELDS[i].from));
    if (r == 0)
        r = put_time(out, "created at", call_member(answer, "createdAt"));
    if (r == 0)
        r = put_received(out, member(answer, "received"));
    return r == 0 ? put_line(out, "known from", call_member(answer, "from")) : r;
}

static int put_verdicts(struct buf *out, const cJSON *verdicts)
{
    const cJSON *v;
    int r = cJSON_GetArraySize(verdicts) > 0 ? buf_append_str(out, "triggers\n") : 0;
    cJSON_ArrayForEach(v, verdicts)
    {
        bool taken = cJSON_IsTrue(member(v, "taken"));
        if (r == 0)
            r = buf_append_str(out, taken ? "    taken by " : "    not by ");
        if (r == 0)
            r = event_view_clean(slice_str(call_member(v, "triggerName")), out);
        if (r == 0 && !taken)
            r = buf_printf(out, ": %s", call_member(v, "reason"));
        if (r == 0 && cJSON_IsTrue(member(v, "changedSince")))
            r = buf_append_str(out, " (it has been changed since)");
        if (r == 0)
            r = buf_append_str(out, "\n");
    }
    return r;
}

/* --- its batches --- */

static const char *delivered_cell(const cJSON *batch, char ret[CELL_SIZE])
{
    if (!cJSON_IsTrue(member(batch, "delivered")))
        return "not yet";
    return time_text(call_member(batch, "deliveredAt"), ret);
}

static const char *name_cell(const cJSON *batch)
{
    const char *name = call_member(batch, "triggerName");
    return name[0] == '\0' && call_member(batch, "replayId")[0] != '\0' ? "(replay)" : name;
}

static int put_batches(struct buf *out, const cJSON *batches)
{
    static const char *const HEADERS[COLUMNS] = {
        "TRIGGER",      "ID",          "PATH",    "BATCH",   "FLUSHED BY",
        "DELIVERED AT", "CONNECTIONS", "WRITTEN", "PENDING", "DROPPED"};
    size_t rows = (size_t) cJSON_GetArraySize(batches), at = 0, time = 0;
    const char **cells = xcalloc(rows * COLUMNS + 1, sizeof(*cells));
    char(*times)[CELL_SIZE] = xcalloc(rows + 1, sizeof(*times));
    const cJSON *batch;
    cJSON_ArrayForEach(batch, batches)
    {
        cells[at++] = name_cell(batch);
        cells[at++] = call_member(batch, "triggerId");
        cells[at++] = call_member(batch, "path");
        cells[at++] = call_member(batch, "size");
        cells[at++] = call_member(batch, "flush");
        cells[at++] = delivered_cell(batch, times[time++]);
        cells[at++] = call_member(batch, "connections");
        cells[at++] = call_member(batch, "written");
        cells[at++] = call_member(batch, "pending");
        cells[at++] = call_member(batch, "dropped");
    }
    int r = print_table(HEADERS, COLUMNS, cells, rows, out);
    free(times);
    free(cells);
    return r;
}

/* Who has not got it, or not yet. */
static int put_missing(struct buf *out, const cJSON *batches)
{
    const cJSON *batch, *one;
    int r = 0;
    cJSON_ArrayForEach(batch, batches)
    {
        cJSON_ArrayForEach(one, member(batch, "recipients"))
        {
            const char *outcome = call_member(one, "outcome"), *why = call_member(one, "reason");
            if (r == 0 && strcmp(outcome, "written") != 0)
                r = buf_printf(out, "%s %s on %s%s%s\n", outcome, call_member(one, "connectionId"),
                               call_member(batch, "path"), why[0] == '\0' ? "" : ": ", why);
        }
    }
    return r;
}

static int print_answer(const cJSON *answer)
{
    const cJSON *batches = member(answer, "batches");
    struct buf text;
    buf_init(&text, MAX_TEXT);
    int r = put_event(&text, answer);
    if (r == 0)
        r = put_verdicts(&text, member(answer, "verdicts"));
    if (r == 0 && cJSON_GetArraySize(batches) > 0)
        r = put_batches(&text, batches);
    if (r == 0)
        r = put_missing(&text, batches);
    return call_write(&text, r);
}

static int run_explain(struct call *c)
{
    struct buf path;
    cJSON *answer = NULL;
    if (c->args.n_arguments != 1)
        return call_usage(c, "expected <EVENT-ID>");
    path_begin(&path, "/gateway/v1/events/");
    path_segment(&path, c->args.arguments[0]);
    int r = call_rest(c, "GET", &path, NULL, &answer);
    buf_fini(&path);
    if (r < 0)
        return EXIT_FAILED;
    if (c->format != FORMAT_TEXT)
        return call_print(c, answer, &SHAPE_SECRET);
    int code = print_answer(answer);
    cJSON_Delete(answer);
    return code;
}

static const struct flag NONE[] = {FLAGS_END};
const struct command CMD_EXPLAIN = {
    "explain",
    NULL,
    "<EVENT-ID>",
    1,
    "Show where an event went: from whom it came, which triggers took it and why others did not, "
    "into which batch, and which connections got it.",
    NONE,
    run_explain};
