/* conn.c - see conn.h. In the order things happen:
 *   conn_accept (conn_accept.c) > on_alloc > on_read > request_received | session_received |
 *   grpc_received ...
 *   conn_linger > conn_close > on_closed > free */
#include "conn.h"

#include "clock.h"
#include "crash.h"
#include "dialog.h"
#include "fanout.h"
#include "feed.h"
#include "gate.h"
#include "grpc.h"
#include "log.h"
#include "mem.h"
#include "replay.h"
#include "request.h"
#include "resume.h"
#include "session.h"
#include "worker.h"

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_RETRY_MS 500

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);
static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf);
static void on_closed(uv_handle_t *handle);

/* States: what may follow, and the longest stay by listener. */
#define TO(s)  (1u << (s))
#define CFG(m) (offsetof(struct config, m) + 1) /* 0: no limit here */
static const struct {
    const char *name;
    unsigned next;
    size_t limit[LISTENER_N];
} STATES[CONN_N_STATES] = {
    [CONN_PROXY] = {"proxy",
                    TO(CONN_TLS) | TO(CONN_REQUEST) | TO(CONN_CLOSING) | TO(CONN_CLOSED),
                    {CFG(gateway.handshake_timeout_ms), CFG(webhooks.header_timeout_ms),
                     CFG(management.header_timeout_ms), CFG(management.header_timeout_ms)}},
    [CONN_TLS] = {"tls",
                  TO(CONN_REQUEST) | TO(CONN_CLOSING) | TO(CONN_CLOSED),
                  {CFG(gateway.handshake_timeout_ms), CFG(webhooks.header_timeout_ms),
                   CFG(management.header_timeout_ms), CFG(management.header_timeout_ms)}},
    [CONN_REQUEST] = {"request",
                      TO(CONN_BODY) | TO(CONN_HANDLING) | TO(CONN_KEEPALIVE) | TO(CONN_OPEN) |
                          TO(CONN_SERVING) | TO(CONN_CLOSING) | TO(CONN_CLOSED),
                      {CFG(gateway.handshake_timeout_ms), CFG(webhooks.header_timeout_ms),
                       CFG(management.header_timeout_ms), CFG(management.header_timeout_ms)}},
    [CONN_BODY] = {"body",
                   TO(CONN_HANDLING) | TO(CONN_CLOSING) | TO(CONN_CLOSED),
                   {0, CFG(webhooks.body_timeout_ms), CFG(management.body_timeout_ms)}},
    [CONN_HANDLING] = {"handling", /* a handshake's backend is asked, and then history */
                       TO(CONN_HANDLING) | TO(CONN_KEEPALIVE) | TO(CONN_OPEN) | TO(CONN_CLOSING) |
                           TO(CONN_CLOSED),
                       {CFG(gateway.handshake_timeout_ms), CFG(webhooks.header_timeout_ms),
                        CFG(management.header_timeout_ms)}},
    [CONN_KEEPALIVE] = {"keepalive",
                        TO(CONN_REQUEST) | TO(CONN_CLOSING) | TO(CONN_CLOSED),
                        {0, CFG(webhooks.keepalive_timeout_ms),
                         CFG(management.keepalive_timeout_ms)}},
    [CONN_OPEN] = {"open", TO(CONN_CLOSING) | TO(CONN_CLOSED), {0, 0}}, /* session_deadline() */
    [CONN_SERVING] = {"serving", TO(CONN_CLOSING) | TO(CONN_CLOSED), {0, 0}}, /* grpc_deadline() */
    [CONN_CLOSING] = {"closing", TO(CONN_CLOSED), {0, 0}},                    /* close_ms */
    [CONN_CLOSED] = {"closed", 0, {0, 0}},
};

static const enum metric END_METRICS[] = {
    [END_NONE] = M_CLOSED_LOST, [END_PEER] = M_CLOSED_PEER,         [END_LOST] = M_CLOSED_LOST,
    [END_IDLE] = M_CLOSED_IDLE, [END_LIFETIME] = M_CLOSED_LIFETIME, [END_PONG] = M_CLOSED_PONG,
    [END_SLOW] = M_CLOSED_SLOW, [END_REFUSED] = M_CLOSED_REFUSED,   [END_DRAIN] = M_CLOSED_DRAIN,
    [END_DONE] = M_CLOSED_PEER, [END_API] = M_CLOSED_API,           [END_PATH] = M_CLOSED_PATH,
};

static struct caps *caps_of(const struct conn *c)
{
    return &c->worker->shared->caps[c->role];
}

static uint64_t now_of(const struct conn *c)
{
    return uv_now(&c->worker->loop);
}

/* --- states --- */

const char *conn_state_name(enum conn_state s)
{
    return STATES[s].name;
}

static bool is_unacknowledged(const struct conn *c)
{
    int bytes = 0;
    return ioctl(c->fd, SIOCOUTQ, &bytes) == 0 && bytes > 0;
}

/* An answer may be megabytes (/metrics): as long as some of it has not arrived, the peer has the
 * time of any other answer. */
static bool answer_under_way(const struct conn *c)
{
    if (c->was_open ||
        now_of(c) - c->since_ms >= c->worker->shared->cfg->webhooks.header_timeout_ms)
        return false;
    return c->rest != NULL || is_unacknowledged(c);
}

void conn_arm(struct conn *c)
{
    uint64_t due = UINT64_MAX;
    size_t limit = STATES[c->state].limit[c->role];
    if (c->state == CONN_OPEN)
        due = session_deadline(c);
    else if (c->state == CONN_SERVING)
        due = grpc_deadline(c);
    else if (c->state == CONN_CLOSING)
        due = c->close_ms;
    else if (limit != 0) {
        uint64_t stay =
            *(const uint64_t *) (const void *) ((const char *) c->worker->shared->cfg + limit - 1);
        due = c->since_ms + (c->state == CONN_TLS ? stay / 2 : stay); /* the rest: its request */
    }
    wheel_set(&c->worker->wheel, &c->timer, due);
}

void conn_set_state(struct conn *c, enum conn_state next) /* the only writer of c->state */
{
    ASSERT(STATES[c->state].next & TO(next));
    /* one time and count for all three */
    bool goes_on = c->state < CONN_REQUEST && next <= CONN_REQUEST;
    conn_log_state(c, next);
    if (c->half_open && !goes_on) {
        c->half_open = false;
        caps_leave(&caps_of(c)->half_open, 1);
    }
    list_move(&c->worker->by_state[next], &c->in_state);
    c->state = (uint8_t) next;
    if (!goes_on)
        c->since_ms = now_of(c);
    conn_arm(c);
}

void conn_due(struct conn *c, uint64_t due_ms)
{
    if (!wheel_is_set(&c->timer) || due_ms < c->timer.due_ms)
        wheel_set(&c->worker->wheel, &c->timer, due_ms);
}

void conn_on_deadline(struct wheel_entry *entry)
{
    struct conn *c = LIST_ENTRY(entry, struct conn, timer);
    switch ((enum conn_state) c->state) {
    case CONN_OPEN:
        session_on_deadline(c, now_of(c));
        if (c->state == CONN_OPEN)
            conn_arm(c);
        break;
    case CONN_SERVING:
        grpc_on_deadline(c, now_of(c));
        if (c->state == CONN_SERVING)
            conn_arm(c);
        break;
    case CONN_CLOSING:
        if (answer_under_way(c)) {
            c->close_ms = now_of(c) + ANSWER_RETRY_MS;
            conn_arm(c);
            break;
        }
        conn_reset(c, END_NONE);
        break;
    case CONN_PROXY:
    case CONN_TLS:
        conn_log_refusal(c, c->state == CONN_TLS ? REFUSE_TLS_SLOW : REFUSE_PROXY_SLOW);
        conn_reset(c, END_REFUSED);
        break;
    default:
        request_timeout(c);
    }
}

uint64_t conn_silent_ms(const struct conn *c)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    if (!is_unacknowledged(c))
        return 0;
    if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
        return UINT64_MAX;
    return info.tcpi_last_ack_recv;
}

/* --- reading --- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct conn *c = handle->data;
    (void) suggested;
    *buf = uv_buf_init((char *) c->worker->rbuf,
                       sizeof(c->worker->rbuf)); /* idle connections cost none */
}

static void on_end_of_input(struct conn *c, ssize_t nread)
{
    c->peer_done = true;
    bool owed = c->state == CONN_HANDLING || (c->state == CONN_CLOSING && c->rest != NULL);
    if (owed && nread == UV_EOF) {
        conn_pause(c); /* it waits for its answer, or for the rest of it */
        return;
    }
    if (c->state == CONN_OPEN &&
        !(c->sse && nread == UV_EOF)) /* who reads events has no other way */
        conn_close(c, END_LOST);      /* without a close frame: 1006 in the field's terms */
    else
        conn_close(c, nread == UV_EOF ? END_PEER : END_LOST);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct conn *c = stream->data;
    if (nread < 0) {
        on_end_of_input(c, nread);
        return;
    }
    if (nread > 0 && c->state == CONN_PROXY)
        conn_read_proxy(c, slice_of(buf->base, (size_t) nread));
    else if (nread > 0 && c->state != CONN_CLOSING) /* 0 is "try again"; what a closing connection
                                                  still gets is thrown away */
        c->transport->received(c, slice_of(buf->base, (size_t) nread));
}

void conn_ended(struct conn *c)
{
    on_end_of_input(c, UV_EOF);
}

void conn_received(struct conn *c, struct slice in)
{
    if (c->state == CONN_OPEN)
        session_received(c, in);
    else if (c->role == LISTENER_GRPC)
        grpc_received(c, in);
    else
        request_received(c, in);
}

void conn_pause(struct conn *c)
{
    if (!c->paused && c->state != CONN_CLOSED)
        (void) uv_read_stop((uv_stream_t *) &c->tcp); /* always 0 */
    c->paused = true;
}

int conn_start_reading(struct conn *c)
{
    return uv_read_start((uv_stream_t *) &c->tcp, on_alloc, on_read);
}

void conn_resume(struct conn *c)
{
    if (!c->paused || c->held || c->state == CONN_CLOSED)
        return;
    c->paused = false;
    if (conn_start_reading(c) < 0)
        conn_close(c, END_LOST);
}

/* --- writing --- */

void conn_queue(struct conn *c, struct slice bytes, struct segment *seg)
{
    ASSERT(c->rest == NULL);
    struct rest *r = try_calloc(1, sizeof(*r));
    if (r == NULL) {
        segment_unref(seg);
        conn_close(c, END_LOST); /* in the middle of a frame: nothing can be said any more */
        return;
    }
    r->conn = c;
    r->seg = seg;
    r->since_ms = now_of(c);
    list_init(&r->in_group);
    int err = 0;
    if (seg == NULL) {
        buf_init(&r->own, bytes.len);
        err = buf_append(&r->own, bytes);
        bytes = buf_slice(&r->own);
    }
    if (err == 0) {
        c->rest = r;
        err = c->transport->queue(c, r, bytes);
        if (err == 0) {
            if (c->group != NULL)
                fanout_blocked(c->group, r);
            return;
        }
        c->rest = NULL;
    }
    buf_fini(&r->own);
    segment_unref(seg);
    free(r);
    conn_close(c, END_LOST);
}

/* NULL: there is no memory. */
static struct out *out_of(struct conn *c)
{
    if (c->out == NULL) {
        c->out = try_calloc(1, sizeof(*c->out));
        if (c->out == NULL)
            return NULL;
        buf_init(&c->out->bytes,
                 OUT_LIMIT + (c->group == NULL ? 0 : c->group->path->cfg->max_message_bytes));
    }
    return c->out;
}

void conn_send(struct conn *c, struct slice bytes)
{
    if (c->state == CONN_CLOSED)
        return;
    if (c->rest == NULL) {
        ssize_t n = c->transport->send(c, bytes);
        if (n < 0)
            conn_close(c, END_LOST);
        else if ((size_t) n < bytes.len)
            conn_queue(c, slice_from(bytes, (size_t) n), NULL);
        return;
    }
    struct out *out = out_of(c);
    if (out == NULL || buf_append(&out->bytes, bytes) < 0)
        conn_reset(c, END_SLOW);
}

void conn_send_pong(struct conn *c, struct slice frame)
{
    if (c->rest == NULL) {
        conn_send(c, frame);
        return;
    }
    struct out *out = out_of(c);
    if (out == NULL) {
        conn_reset(c, END_LOST);
        return;
    }
    memcpy(out->pong, frame.data, frame.len);
    out->pong_len = (uint8_t) frame.len;
}

bool conn_has_room(const struct conn *c, size_t len)
{
    return c->rest == NULL || len + (c->out == NULL ? 0 : c->out->bytes.len) <= OUT_LIMIT;
}

static void flush_out(struct conn *c)
{
    struct out *out = c->out;
    if (out == NULL)
        return;
    c->out = NULL;
    if (out->pong_len > 0)
        conn_send(c, slice_of(out->pong, out->pong_len));
    if (out->bytes.len > 0)
        conn_send(c, buf_slice(&out->bytes));
    buf_fini(&out->bytes);
    free(out);
}

void conn_rest_done(struct rest *r, int status)
{
    struct conn *c = r->conn;
    list_remove(&r->in_group);
    segment_unref(r->seg);
    buf_fini(&r->own);
    free(r);
    c->rest = NULL;
    if (c->state == CONN_CLOSED)
        return;
    if (status < 0) {
        conn_close(c, END_LOST);
        return;
    }
    flush_out(c);
    if (c->rest != NULL || c->state == CONN_CLOSED)
        return;
    if (c->state == CONN_OPEN) {
        fanout_unblocked(c->group, c);
        if (!conn_blocked(c))
            conn_resume(c);
        if (!conn_blocked(c) && c->dialog != NULL)
            dialog_writable(c->dialog);
    } else if (c->state != CONN_CLOSING && c->role == LISTENER_GRPC) {
        grpc_writable(c);
    } else if (c->state != CONN_CLOSING) {
        request_writable(c);
    } else if (c->peer_done) {
        conn_close(c, END_NONE);
    } else if (c->finish) {
        c->transport->finish(c);
    }
}

/* --- the end --- */

static void set_end(struct conn *c, enum conn_end end)
{
    if (c->end != END_NONE)
        return;
    c->end = (uint8_t) end;
    if (!c->was_open || c->own)
        return;
    if (c->role == LISTENER_GATEWAY) { /* as handshakes are */
        metrics_add(&c->worker->metrics, END_METRICS[end], 1);
        metrics_close(&c->worker->metrics, conn_close_code(c));
        if (c->routed)
            route_metrics_closed(&c->worker->routes, c->group->path->name, conn_close_code(c));
    }
    conn_log_closed(c);
}

/* What a connection only needs while it is being served. */
static void drop_service(struct conn *c)
{
    request_drop(c);
    grpc_drop(c);
    resume_drop(c);
    replay_drop(c);
    dialog_left(c);
    http_free(c->http);
    c->http = NULL;
    ws_drop(c->worker->ws_pool, &c->ws);
    if (c->group != NULL && c->role == LISTENER_MANAGEMENT)
        feed_left(c);
    if (c->group != NULL)
        group_leave(c->group, c);
    c->group = NULL;
}

void conn_linger(struct conn *c, enum conn_end end, uint64_t linger_ms)
{
    if (c->state >= CONN_CLOSING)
        return;
    set_end(c, end);
    drop_service(c);
    c->close_ms = now_of(c) + linger_ms;
    conn_set_state(c, CONN_CLOSING);
    c->finish = true;
    if (c->peer_done && c->rest == NULL) {
        conn_close(c, end);
        return;
    }
    if (c->rest == NULL)
        c->transport->finish(c);
    conn_resume(c);
}

void conn_close(struct conn *c, enum conn_end end)
{
    if (c->state == CONN_CLOSED)
        return;
    set_end(c, end);
    drop_service(c);
    conn_set_state(c, CONN_CLOSED);
    caps_leave(&caps_of(c)->connections, 1);
    door_leave(&c->worker->shared->doors[c->role], c->address, clock_mono_us());
    c->address = NULL;
    uv_close((uv_handle_t *) &c->tcp, on_closed);
}

void conn_reset(struct conn *c, enum conn_end end)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (c->state != CONN_CLOSED)
        (void) setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now,
                          sizeof(now)); /* else it just closes */
    conn_close(c, end);
}

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data; /* a queued write has had its UV_ECANCELED callback by now */
    struct worker *w = c->worker;
    list_remove(&c->in_state);
    worker_unslot(w, c->slot);
    if (c->out != NULL)
        buf_fini(&c->out->bytes);
    free(c->out);
    if (c->unread != NULL)
        buf_fini(c->unread);
    free(c->unread);
    free(c->user_agent);
    free(c->hop);
    gate_pass_free(c->pass);
    transport_tls_free(c->tls);
    free(c);
    worker_conn_gone(w);
}
