/* listen.c - follows a path of the gateway. In the order things happen:
 *   connect_now > on_open > on_message > work > (handler) > unit_done ... on_end > wait >
 * connect_now */
#include "listen.h"

#include "backoff.h"
#include "call.h"
#include "clock.h"
#include "handler.h"
#include "inbox.h"
#include "mem.h"
#include "position.h"
#include "uuid.h"
#include "ws_client.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define PROTOCOL "regcast.v1"
/* More than this waits in the kernel, and in the end at the gateway. */
#define INBOX_MAX    (8u << 20)
#define STABLE_MS    10000 /* a connection that lived so long makes up for earlier failures */
#define UNITS_A_TURN 64
#define CLOSE_LOST   4009

struct listener {
    const struct listen_options *options;
    struct ws_client *ws;
    struct backoff backoff, exec_backoff;
    uint64_t connect_ms, opened_ms, run_ms; /* when to connect and to run; opened_ms 0: not open */
    char received[ID_SIZE];                 /* where to go on; "": nowhere yet */
    bool earliest;                          /* what comes first is the oldest that is kept */
    bool gap_told;                          /* the loss was reported before the close came */
    struct inbox inbox;
    struct handler handler;
    struct buf out;
    size_t unit_len; /* of the lines that are being handled */
    size_t unit_events;
    char unit_last[ID_SIZE];
    int64_t failures, handled;
    int signals;                 /* a descriptor */
    bool stopping, ending, done; /* asked to; after what is there; now */
    int code;
};

static void say(const struct listener *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void say(const struct listener *l, const char *fmt, ...)
{
    va_list list;
    if (!l->options->talk)
        return;
    va_start(list, fmt);
    (void) vfprintf(stderr, fmt, list);
    va_end(list);
    (void) fputc('\n', stderr);
}

static void finish(struct listener *l, int code)
{
    if (!l->done)
        l->code = code;
    l->done = true;
}

/* --- messages of the gateway --- */

/* What is lost stays lost: everything that came is handled, and then it ends. */
static void on_loss(struct listener *l)
{
    l->gap_told = true;
    if (!l->options->strict)
        return;
    l->ending = true;
    l->code = EXIT_FAILED;
}

static void on_gap(struct listener *l, const cJSON *gap)
{
    const char *reason = call_member(gap, "reason"), *since = call_member(gap, "since"),
               *oldest = call_member(gap, "oldest");
    if (strcmp(reason, "slow") == 0)
        (void) call_failed("gap: events were left out, since they were not read fast enough");
    else
        (void) call_failed(
            "gap: the events after %s are lost%s%s", since[0] != '\0' ? since : "the last",
            oldest[0] != '\0' ? "; the oldest that is kept is " : "; none is kept", oldest);
    on_loss(l);
}

static void on_control(struct listener *l, struct slice text)
{
    struct buf clean;
    buf_init(&clean, 4096);
    cJSON *notice = cJSON_ParseWithLength((const char *) text.data, text.len);
    const char *what = call_member(notice, "control");
    if (strcmp(what, "gap") == 0)
        on_gap(l, notice);
    else if (strcmp(what, "recovered") == 0)
        say(l, "resumed after %s", call_member(notice, "since"));
    else if (strcmp(what, "draining") == 0)
        say(l, "the server is going down");
    else if (event_view_clean(text, &clean) == 0)
        say(l, "notice: %.*s", (int) clean.len, (const char *) clean.data);
    cJSON_Delete(notice);
    buf_fini(&clean);
}

/* Sent to this connection alone, by the API: no event. */
static void on_other(struct slice text)
{
    struct buf clean;
    buf_init(&clean, 4 * WS_CLIENT_MAX_MESSAGE);
    if (event_view_clean(text, &clean) == 0)
        (void) fprintf(stderr, "message: %.*s\n", (int) clean.len, (const char *) clean.data);
    buf_fini(&clean);
}

/* Whoever reads what is printed sees that it is one; commands have run for these events before. */
static bool takes_replays(const struct listener *l)
{
    return l->options->replays || (l->options->exec == NULL && !l->options->json);
}

/* False: it is no message with events. */
static bool take_events(struct listener *l, struct slice text, struct slice events)
{
    struct message_replay replay;
    char last[ID_SIZE] = "";
    message_replay(text, &replay);
    bool marked = replay.id[0] != '\0';
    if (marked && !takes_replays(l))
        say(l, "left out: a message of replay %s", replay.id);
    else if (inbox_add(&l->inbox, events, last) < 0)
        return false;
    if (marked && last[0] != '\0')
        inbox_mark(&l->inbox, &replay);
    const char *id = marked ? replay.resume : last; /* its events say where they came first */
    if (id[0] != '\0')
        (void) snprintf(l->received, sizeof(l->received), "%s", id);
    return true;
}

static void on_message(void *arg, struct slice text)
{
    struct listener *l = arg;
    struct slice events;
    l->backoff.failures = 0;
    if (l->done || l->ending)
        return;
    switch (message_kind(text, &events)) {
    case MESSAGE_EVENTS:
        if (take_events(l, text, events))
            break;
        (void) call_failed("%s: a message that has no events of regcastd", l->options->url);
        finish(l, EXIT_FAILED);
        break;
    case MESSAGE_CONTROL:
        on_control(l, text);
        break;
    case MESSAGE_OTHER:
        on_other(text);
        break;
    }
}

static void on_open(void *arg, const struct ws_answer *answer)
{
    struct listener *l = arg;
    l->opened_ms = clock_mono_ms();
    say(l, "connected to %s as %s", l->options->url, answer->connection_id);
}

/* --- the connection --- */

static void connect_now(struct listener *l)
{
    struct ws_client_options options = {.trust = l->options->trust,
                                        .headers = l->options->headers,
                                        .protocol = PROTOCOL,
                                        .on_open = on_open,
                                        .on_message = on_message,
                                        .arg = l};
    struct ws_url url = l->options->where;
    const char *since = l->received[0] != '\0' ? l->received : l->earliest ? LISTEN_EARLIEST : NULL;
    int r = since == NULL ? 0 : ws_url_query(&url, "since", since);
    if (r == 0 && since != NULL && l->options->strict)
        r = ws_url_query(&url, "strict", "1");
    if (r < 0) {
        finish(l, call_failed("%s: the URL is too long", l->options->url));
        return;
    }
    options.url = &url;
    l->opened_ms = 0;
    l->gap_told = false;
    l->ws = ws_client_new(&options);
}

/* What was received and not handled is not asked for again. */
static void start_over(struct listener *l)
{
    if (!l->gap_told) {
        (void) call_failed("gap: the events after %s are lost",
                           l->received[0] != '\0' ? l->received : "the last");
        on_loss(l);
    }
    if (l->options->strict)
        return;
    l->received[0] = '\0';
    l->earliest = true;
    say(l, "going on with the oldest that is kept");
}

static bool may_pass(unsigned status)
{
    return status == 408 || status == 425 || status == 429 || status >= 500;
}

static void plan(struct listener *l, const struct ws_client_end *end)
{
    bool first = l->backoff.failures == 0;
    if (l->opened_ms != 0 && clock_mono_ms() - l->opened_ms >= STABLE_MS)
        l->backoff.failures = 0;
    uint64_t ms = backoff_next(&l->backoff, uuid_random(), end->retry_after_ms);
    l->connect_ms = clock_mono_ms() + ms;
    if (!l->options->talk && !first)
        return; /* a log needs to know once */
    (void) fprintf(stderr, "%s: %s", l->options->url,
                   end->how == WS_CLOSED ? "the connection was closed" : end->text);
    if (end->how == WS_CLOSED)
        (void) fprintf(stderr, ", %u%s%s", end->status, end->text[0] == '\0' ? "" : " ", end->text);
    (void) fprintf(stderr, "; again in %.1f s\n", (double) ms / 1000);
}

static void on_end(struct listener *l, const struct ws_client_end *end)
{
    ws_client_free(l->ws);
    l->ws = NULL;
    if (l->ending || l->done)
        return;
    bool lost = (end->how == WS_CLOSED && end->status == CLOSE_LOST) ||
                (end->how == WS_REFUSED && end->status == 410);
    if (lost)
        start_over(l);
    else if (end->how == WS_REFUSED && !may_pass(end->status))
        finish(l, call_failed("%s: the server refused it: %s", l->options->url, end->text));
    else if (end->how == WS_HOPELESS)
        finish(l, call_failed("%s: %s", l->options->url, end->text));
    if (!l->done && !l->ending)
        plan(l, end);
}

/* --- events --- */

/* `regcast listen ... | head` ends quietly, as others do. */
static void end_quietly(void)
{
    (void) signal(SIGPIPE, SIG_DFL);
    (void) raise(SIGPIPE);
}

static void write_out(struct listener *l)
{
    if (fwrite(l->out.data, 1, l->out.len, stdout) == l->out.len && fflush(stdout) == 0)
        return;
    if (errno == EPIPE)
        end_quietly();
    finish(l, call_failed("standard output: %s", err_str(-errno)));
}

static int print_unit(struct listener *l, struct slice lines)
{
    struct slice line;
    if (l->options->json && !l->options->batches)
        return buf_append(&l->out, lines);
    if (l->options->json) {
        int r = inbox_join(lines, &l->out);
        return r == 0 ? buf_append_str(&l->out, "\n") : r;
    }
    int r = 0;
    while (r == 0 && position_next(&lines, &line)) {
        struct event_view event;
        r = event_view_parse(line, &event);
        if (r == 0)
            r = event_view_line(&event, l->options->color, &l->out);
        if (r == 0 && inbox_replay(&l->inbox)->id[0] != '\0') {
            l->out.len--; /* the newline */
            r = buf_append_str(&l->out, "  (replay)\n");
        }
        event_view_fini(&event);
    }
    return r;
}

/* A replay has an id of its own to go on behind; one for this connection alone has none, and the
 * position stays, with nothing of it to be gone on with. */
static int save(struct listener *l, struct slice rest)
{
    const struct message_replay *replay = inbox_replay(&l->inbox);
    bool marked = replay->id[0] != '\0';
    if (marked && replay->resume[0] == '\0')
        return 0;
    return position_save(l->options->resume_file, marked ? replay->resume : l->unit_last, rest);
}

/* The position moves only when the handler has succeeded, and before the next one begins. */
static void unit_done(struct listener *l)
{
    struct slice lines;
    l->failures = 0;
    l->exec_backoff.failures = 0;
    l->run_ms = 0;
    bool any = inbox_front(&l->inbox, &lines);
    ASSERT(any);
    int r = 0;
    if (l->options->resume_file != NULL)
        r = save(l, slice_from(lines, l->unit_len));
    if (r < 0)
        finish(l, call_failed("%s: %s", l->options->resume_file, err_str(r)));
    inbox_drop(&l->inbox, l->unit_len);
    l->unit_len = 0;
    l->handled += (int64_t) l->unit_events;
    if (l->options->count > 0 && l->handled >= l->options->count)
        finish(l, EXIT_FINE);
}

static void on_handler_end(struct listener *l, int code)
{
    if (code == 0) {
        unit_done(l);
    } else if (l->stopping || l->failures >= l->options->exec_retries) {
        finish(l, code);
        (void) call_failed("the command failed for event %s, exit code %d", l->unit_last, code);
    } else {
        l->failures++;
        uint64_t ms = backoff_next(&l->exec_backoff, uuid_random(), 0);
        l->run_ms = clock_mono_ms() + ms;
        (void) fprintf(stderr, "the command failed for event %s, exit code %d; again in %.1f s\n",
                       l->unit_last, code, (double) ms / 1000);
    }
}

static void run_handler(struct listener *l, const struct event_view *event, struct slice lines)
{
    int r = l->options->batches ? inbox_join(lines, &l->out)
                                : buf_append(&l->out, slice_of(lines.data, lines.len - 1));
    if (r == 0)
        r = handler_start(&l->handler, l->options->exec, event, l->options->batches,
                          buf_slice(&l->out));
    if (r < 0)
        finish(l, call_failed("the command cannot be run: %s", err_str(r)));
}

/* The next event or batch: prints it, or gives it to a handler that will tell. */
static void begin_unit(struct listener *l, struct slice lines)
{
    struct slice rest = lines, line = lines;
    struct event_view event;
    l->unit_events = 0;
    while (position_next(&rest, &line)) {
        l->unit_events++;
        if (!l->options->batches)
            break;
    }
    l->unit_len = lines.len - rest.len;
    int r = event_view_parse(line, &event);
    ASSERT(r == 0); /* checked when it was received */
    event.replay = inbox_replay(&l->inbox)->id;
    (void) snprintf(l->unit_last, sizeof(l->unit_last), "%s", event.id);
    buf_clear(&l->out);
    lines = slice_sub(lines, 0, l->unit_len);
    if (l->options->exec != NULL) {
        run_handler(l, &event, lines);
    } else {
        r = print_unit(l, lines);
        if (r < 0)
            finish(l, call_failed("%s", err_str(r)));
        else
            write_out(l);
        if (!l->done)
            unit_done(l);
    }
    event_view_fini(&event);
}

static bool may_work(const struct listener *l)
{
    return !l->done && !l->stopping && l->handler.pid == 0 && l->inbox.first != NULL;
}

static void work(struct listener *l)
{
    struct slice lines;
    for (unsigned i = 0; i < UNITS_A_TURN && may_work(l) && clock_mono_ms() >= l->run_ms; i++)
        if (inbox_front(&l->inbox, &lines))
            begin_unit(l, lines);
    bool idle = l->handler.pid == 0;
    if ((l->stopping && idle) || (l->ending && idle && l->inbox.first == NULL))
        finish(l, l->ending ? l->code : EXIT_FINE);
}

/* --- the loop --- */

static int least(int timeout, uint64_t at, uint64_t now)
{
    uint64_t left = at > now ? at - now : 0;
    return timeout < 0 || left < (uint64_t) timeout ? (int) (left < 1000 ? left : 1000) : timeout;
}

static void on_signal(struct listener *l)
{
    struct signalfd_siginfo info;
    if (read(l->signals, &info, sizeof(info)) != (ssize_t) sizeof(info))
        return;
    if (l->stopping)
        handler_kill(&l->handler);
    else if (l->handler.pid != 0)
        say(l, "stopping after this command; once more to interrupt it");
    l->stopping = true;
}

/* Who is behind reads on when half of it is done. */
static bool has_room(const struct listener *l)
{
    return l->inbox.bytes < (l->ws != NULL ? INBOX_MAX : INBOX_MAX / 2);
}

static void turn(struct listener *l)
{
    /* A pipe that nobody reads any more says so by itself, maybe long before the next event. */
    struct pollfd fds[3 + HANDLER_POLLS] = {{.fd = l->signals, .events = POLLIN},
                                            {.fd = -1},
                                            {.fd = l->options->exec == NULL ? STDOUT_FILENO : -1}};
    struct ws_client_end end;
    uint64_t now = clock_mono_ms();
    int timeout = -1, code;
    if (l->ws == NULL && !l->ending && !l->stopping && has_room(l) && now >= l->connect_ms)
        connect_now(l);
    if (l->ws != NULL)
        timeout = ws_client_poll(l->ws, has_room(l), &fds[1]);
    else if (!l->ending && !l->stopping && has_room(l))
        timeout = least(timeout, l->connect_ms, now);
    if (may_work(l))
        timeout = least(timeout, l->run_ms, now);
    handler_poll(&l->handler, fds + 3);
    if ((!l->done || l->handler.pid != 0) && poll(fds, ARRAY_LEN(fds), timeout) < 0 &&
        errno != EINTR)
        finish(l, call_failed("poll: %s", err_str(-errno)));
    if (fds[0].revents != 0)
        on_signal(l);
    if ((fds[2].revents & POLLERR) != 0)
        end_quietly();
    if (l->ws != NULL && ws_client_step(l->ws, fds[1].revents, &end) != 0)
        on_end(l, &end);
    if (handler_step(&l->handler, &code))
        on_handler_end(l, code);
    work(l);
}

static int take_signals(void)
{
    sigset_t set;
    (void) signal(SIGPIPE, SIG_IGN); /* a command may end without reading its input */
    (void) sigemptyset(&set);
    (void) sigaddset(&set, SIGINT);
    (void) sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

/* What the file has of a message behind its id is later than that, but for a replay: its own id is
 * later than its events'. */
static void mark_rest(struct listener *l, const struct position *p)
{
    struct message_replay replay = {.id = "unknown"};
    struct slice rest = buf_slice(&p->rest), line;
    struct event_view event;
    if (!position_next(&rest, &line))
        return;
    int r = event_view_parse(line, &event);
    memcpy(replay.resume, p->id, ID_SIZE);
    if (r == 0 && strcmp(event.id, p->id) < 0)
        inbox_mark(&l->inbox, &replay);
    event_view_fini(&event);
}

/* Where the last run came to; a file says more than --since. */
static int load(struct listener *l)
{
    const char *since = l->options->since, *file = l->options->resume_file;
    struct position p;
    position_init(&p);
    int r = file == NULL ? 0 : position_load(file, &p);
    if (r == 0)
        r = inbox_add_lines(&l->inbox, buf_slice(&p.rest));
    if (r == 0)
        mark_rest(l, &p);
    if (p.id[0] == '\0' && since != NULL && strcmp(since, LISTEN_EARLIEST) == 0)
        l->earliest = true;
    else
        (void) snprintf(l->received, sizeof(l->received), "%s",
                        p.id[0] != '\0' ? p.id
                        : since != NULL ? since
                                        : "");
    position_fini(&p);
    if (r == -EBADMSG)
        return call_failed("%s: this is no file of --resume-file", file);
    return r == 0 ? EXIT_FINE : call_failed("%s: %s", file, err_str(r));
}

int listen_run(const struct listen_options *options)
{
    struct listener l = {.options = options, .signals = take_signals()};
    if (l.signals < 0)
        return call_failed("%s", err_str(l.signals));
    inbox_init(&l.inbox);
    handler_init(&l.handler);
    buf_init(&l.out, 2 * POSITION_MAX_BYTES);
    int code = load(&l);
    while (code == EXIT_FINE && (!l.done || l.handler.pid != 0))
        turn(&l);
    if (l.ws != NULL)
        ws_client_close(l.ws, 1000);
    ws_client_free(l.ws);
    buf_fini(&l.out);
    handler_fini(&l.handler);
    inbox_fini(&l.inbox);
    (void) close(l.signals);
    return code != EXIT_FINE ? code : l.code;
}
