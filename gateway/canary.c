/* canary.c - see canary.h. In the order things happen:
 *   on_timer > begin_round (client > worker) > on_client > post (sender > front) > on_sender,
 *   on_client > end_round > on_timer ... */
#include "canary.h"

#include "clock.h"
#include "config_canary.h"
#include "frame.h"
#include "log.h"
#include "mem.h"
#include "ws_accept.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOK_MS    1000 /* while there is nothing to do, the configuration is looked at so often */
#define IN_MAX     65536
#define READ_BYTES 4096
#define WS_KEY     "cmVnY2FzdC1jYW5hcnktMQ=="
#define DIGEST     "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HEAD_END   "\r\n\r\n"

#define STATUS_LINE_LEN 13 /* "HTTP/1.1 202 " at least */

/* Our end of a socket pair. */
struct canary_side {
    uv_pipe_t pipe;
    struct canary *canary; /* NULL: the round is over */
    void (*on_bytes)(struct canary *c);
    struct buf in;
    size_t at; /* CLIENT: where the next frame begins in `in`; 0: the answer has not come */
    uint8_t room[READ_BYTES];
};

static void on_timer(uv_timer_t *timer);

/* --- the end of a round --- */

static void on_closed(uv_handle_t *handle)
{
    struct canary_side *side = handle->data;
    buf_fini(&side->in);
    free(side);
}

static void drop(struct canary_side **place)
{
    struct canary_side *side = *place;
    *place = NULL;
    if (side == NULL)
        return;
    side->canary = NULL;
    uv_close((uv_handle_t *) &side->pipe, on_closed);
}

static void rest(struct canary *c, uint64_t ms)
{
    drop(&c->client);
    drop(&c->sender);
    c->stage = CANARY_RESTS;
    if (!c->stopped)
        (void) uv_timer_start(&c->timer, on_timer, ms, 0); /* 0 with a callback */
}

static void end_round(struct canary *c)
{
    uint64_t interval = c->shared->cfg->canary.interval_ms, spent = clock_mono_ms() - c->began_ms;
    rest(c, interval == 0 ? LOOK_MS : spent < interval ? interval - spent : 1);
}

/* The first of several is logged, and the end of them. */
static void log_lost(const struct canary *c, const char *why, const char *detail)
{
    struct log_line l;
    log_open(&l, c->lost > 1 ? LOG_DEBUG : LOG_WARN, "canary", "lost");
    log_str(&l, "reason", why);
    if (detail != NULL)
        log_str(&l, "detail", detail);
    log_str(&l, "trace_id", c->trace_id);
    log_u64(&l, "worker", c->rounds % c->shared->n_workers);
    log_u64(&l, "after_ms", clock_mono_ms() - c->began_ms);
    log_close(&l);
}

/* A server that is handed over does not take in events for a moment. */
static bool is_quiet(const struct canary *c)
{
    const struct shared *s = c->shared;
    return !atomic_load(&s->ready) || atomic_load(&s->quiet) || atomic_load(&s->draining);
}

static void lose(struct canary *c, enum metric reason, const char *why, const char *detail)
{
    if (!is_quiet(c)) {
        c->lost++;
        metrics_add(&c->shared->front->metrics, reason, 1);
        log_lost(c, why, detail);
    }
    end_round(c);
}

static void lose_late(struct canary *c)
{
    if (c->stage == CANARY_CONNECTS)
        lose(c, M_CANARY_CONNECT, "connect", "no answer");
    else if (!c->answered)
        lose(c, M_CANARY_WEBHOOK, "webhook", "no answer");
    else
        lose(c, M_CANARY_MESSAGE, "message", "it did not come in time");
}

static void land(struct canary *c)
{
    if (!c->answered || !c->arrived)
        return;
    metrics_add(&c->shared->front->metrics, M_CANARY_OK, 1);
    c->shared->canary_ok_s = clock_wall_ms() / 1000;
    if (c->lost > 0) {
        struct log_line l;
        log_open(&l, LOG_INFO, "canary", "arrives again");
        log_u64(&l, "lost", c->lost);
        log_close(&l);
    }
    c->lost = 0;
    end_round(c);
}

/* --- socket pairs --- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct canary_side *side = handle->data;
    (void) suggested;
    *buf = uv_buf_init((char *) side->room, sizeof(side->room));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct canary_side *side = stream->data;
    struct canary *c = side->canary;
    if (c == NULL || n == 0)
        return;
    if (n < 0 && side == c->sender && c->answered)
        (void) uv_read_stop(stream); /* it has had its answer; always 0 */
    else if (n < 0 || buf_append(&side->in, slice_of(buf->base, (size_t) n)) < 0)
        lose(c, side == c->sender ? M_CANARY_WEBHOOK : M_CANARY_MESSAGE,
             side == c->sender ? "webhook" : "message", n < 0 ? "closed" : "too long");
    else
        side->on_bytes(c);
}

/* Makes one, with *ret_fd for a worker, and sends the request. */
static int open_side(struct canary *c, struct slice request, void (*on_bytes)(struct canary *c),
                     struct canary_side **ret, int *ret_fd)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
        return -errno;
    struct canary_side *side = xcalloc(1, sizeof(*side));
    *side = (struct canary_side){.canary = c, .on_bytes = on_bytes};
    buf_init(&side->in, IN_MAX);
    side->pipe.data = side;
    int r = uv_pipe_init(c->timer.loop, &side->pipe, 0);
    ASSERT(r == 0); /* makes no socket yet */
    r = uv_pipe_open(&side->pipe, fds[0]);
    if (r < 0)
        (void) close(fds[0]);
    uv_buf_t out = uv_buf_init((char *) (uintptr_t) request.data, (unsigned) request.len);
    if (r == 0)
        r = uv_try_write((uv_stream_t *) &side->pipe, &out, 1); /* an empty socket takes all */
    if (r >= 0)
        r = uv_read_start((uv_stream_t *) &side->pipe, on_alloc, on_read);
    *ret = side;
    if (r < 0) {
        drop(ret);
        (void) close(fds[1]);
        return r;
    }
    *ret_fd = fds[1];
    return 0;
}

/* The line of an answer whose head has come whole, *ret_end being where that ends; else NULL. */
static const char *answer_of(const struct canary_side *side, size_t *ret_end)
{
    const uint8_t *end =
        side->in.len == 0 ? NULL : memmem(side->in.data, side->in.len, HEAD_END, strlen(HEAD_END));
    if (end == NULL || end - side->in.data < STATUS_LINE_LEN)
        return NULL;
    *ret_end = (size_t) (end - side->in.data) + strlen(HEAD_END);
    return (const char *) side->in.data;
}

/* --- the sender --- */

static void on_sender(struct canary *c)
{
    static const char ACCEPTED[] = "HTTP/1.1 202 ";
    size_t end;
    char status[4];
    const char *line = answer_of(c->sender, &end);
    if (line == NULL || c->answered)
        return;
    if (strncmp(line, ACCEPTED, strlen(ACCEPTED)) != 0) {
        (void) snprintf(status, sizeof(status), "%.3s", line + strlen("HTTP/1.1 "));
        lose(c, M_CANARY_REFUSED, "refused", status);
        return;
    }
    c->answered = true;
    land(c);
}

/* A push of an image and its delete. Without ids: nothing is to be remembered of it. */
static void print_events(char *ret, size_t size)
{
    char pushed[CLOCK_RFC3339_SIZE], deleted[CLOCK_RFC3339_SIZE];
    uint64_t now = clock_wall_ms();
    clock_rfc3339(now, pushed);
    clock_rfc3339(now + 1, deleted);
    (void) snprintf(ret, size,
                    "{\"events\":[{\"timestamp\":\"%s\",\"action\":\"push\",\"target\":{"
                    "\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
                    "\"repository\":\"canary\",\"digest\":\"" DIGEST "\"}},"
                    "{\"timestamp\":\"%s\",\"action\":\"delete\",\"target\":{"
                    "\"repository\":\"canary\",\"digest\":\"" DIGEST "\"}}]}",
                    pushed, deleted);
}

static void post(struct canary *c)
{
    char events[1024], request[2048];
    struct worker *front = c->shared->front;
    print_events(events, sizeof(events));
    (void) snprintf(request, sizeof(request),
                    "POST /registries/" CANARY_NAME "/events HTTP/1.1\r\n"
                    "Host: " CANARY_NAME "\r\n"
                    "Content-Type: application/vnd.docker.distribution.events.v1+json\r\n"
                    "Content-Length: %zu\r\n"
                    "traceparent: 00-%s-%.16s-01\r\n"
                    "Connection: close\r\n\r\n%s",
                    strlen(events), c->trace_id, c->trace_id, events);
    c->posted_us = clock_mono_us();
    int fd, r = open_side(c, slice_str(request), on_sender, &c->sender, &fd);
    if (r < 0) {
        lose(c, M_CANARY_WEBHOOK, "webhook", err_str(r));
        return;
    }
    c->stage = CANARY_FLIES;
    conn_accept_own(front, LISTENER_WEBHOOKS, fd);
}

/* --- the client --- */

static void on_message(struct canary *c, struct slice message)
{
    if (c->arrived || message.len == 0 ||
        memmem(message.data, message.len, c->trace_id, strlen(c->trace_id)) == NULL)
        return; /* of an earlier round, which was late */
    c->arrived = true;
    metrics_observe(&c->shared->front->metrics, H_CANARY, clock_mono_us() - c->posted_us);
    land(c);
}

/* Length of the unmasked frame's head; 0: it has not come whole. */
static size_t read_head(struct slice in, uint64_t *ret_payload)
{
    size_t extra = in.len < 2 ? 0 : in.data[1] == 126 ? 2 : in.data[1] == 127 ? 8 : 0;
    if (in.len < 2 + extra)
        return 0;
    *ret_payload = extra == 0 ? in.data[1] : 0;
    for (size_t i = 0; i < extra; i++)
        *ret_payload = *ret_payload << 8 | in.data[2 + i];
    return 2 + extra;
}

static void read_frames(struct canary *c)
{
    struct canary_side *side = c->client;
    while (c->client == side) { /* a message may end the round, and the next one is another's */
        struct slice in = slice_from(buf_slice(&side->in), side->at);
        uint64_t payload;
        size_t head = read_head(in, &payload);
        if (head == 0 || payload > in.len - head)
            return; /* one that is too long never fits: on_read() */
        side->at += head + (size_t) payload;
        if ((in.data[0] & 0x0f) == FRAME_CLOSE) {
            lose(c, M_CANARY_MESSAGE, "message", "closed");
            return;
        }
        if ((in.data[0] & 0x0f) == FRAME_TEXT)
            on_message(c, slice_sub(in, head, head + (size_t) payload));
    }
}

static void on_client(struct canary *c)
{
    static const char SWITCHING[] = "HTTP/1.1 101 ";
    struct canary_side *side = c->client;
    char accept[WS_ACCEPT_SIZE], status[4];
    if (side->at == 0) {
        const char *line = answer_of(side, &side->at);
        if (line == NULL)
            return;
        ws_accept(SLICE_LIT(WS_KEY), accept);
        if (strncmp(line, SWITCHING, strlen(SWITCHING)) != 0 ||
            memmem(line, side->at, accept, strlen(accept)) == NULL) {
            (void) snprintf(status, sizeof(status), "%.3s", line + strlen("HTTP/1.1 "));
            lose(c, M_CANARY_CONNECT, "connect", status);
            return;
        }
        post(c);
    }
    if (c->client == side)
        read_frames(c);
}

/* To the client's worker. */
struct invitation {
    struct mail mail;
    struct worker *worker;
    int fd;
};

static void on_invitation(struct mail *m) /* the worker's thread */
{
    struct invitation *i = LIST_ENTRY(m, struct invitation, mail);
    if (i->worker->draining)
        (void) close(i->fd);
    else
        conn_accept_own(i->worker, LISTENER_GATEWAY, i->fd);
    free(i);
}

static void connect_to(struct canary *c, struct worker *w)
{
    static const char REQUEST[] = "GET " CANARY_PATH " HTTP/1.1\r\n"
                                  "Host: " CANARY_NAME "\r\n"
                                  "Upgrade: websocket\r\n"
                                  "Connection: Upgrade\r\n"
                                  "Sec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Key: " WS_KEY "\r\n\r\n";
    int fd, r = open_side(c, slice_str(REQUEST), on_client, &c->client, &fd);
    if (r < 0) {
        lose(c, M_CANARY_CONNECT, "connect", err_str(r));
        return;
    }
    struct invitation *i = xmalloc(sizeof(*i));
    *i = (struct invitation){.mail = {.run = on_invitation}, .worker = w, .fd = fd};
    mailbox_post(&w->mailbox, &i->mail);
}

/* --- rounds --- */

static void begin_round(struct canary *c)
{
    struct shared *s = c->shared;
    c->began_ms = clock_mono_ms();
    c->stage = CANARY_CONNECTS;
    c->answered = c->arrived = false;
    c->rounds++;
    (void) snprintf(c->trace_id, sizeof(c->trace_id), "%016" PRIx64 "%016" PRIx64,
                    worker_random(s->front) | 1, worker_random(s->front)); /* not all zero */
    (void) uv_timer_start(&c->timer, on_timer, s->cfg->canary.timeout_ms, 0);
    connect_to(c, &s->workers[c->rounds % s->n_workers]);
}

static void on_timer(uv_timer_t *timer)
{
    struct canary *c = timer->data;
    if (c->stage != CANARY_RESTS)
        lose_late(c);
    else if (is_quiet(c) || !config_has_canary(c->shared->cfg))
        rest(c, LOOK_MS);
    else
        begin_round(c);
}

int canary_start(struct canary *c, struct shared *s, uv_loop_t *loop)
{
    *c = (struct canary){.shared = s};
    c->timer.data = c;
    int r = uv_timer_init(loop, &c->timer);
    return r < 0 ? r : uv_timer_start(&c->timer, on_timer, 0, 0);
}

void canary_stop(struct canary *c)
{
    c->stopped = true;
    rest(c, 0);
    (void) uv_timer_stop(&c->timer); /* always 0 */
}

void canary_close(struct canary *c)
{
    canary_stop(c);
    uv_close((uv_handle_t *) &c->timer, NULL);
}
