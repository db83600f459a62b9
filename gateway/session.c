/* session.c - see session.h. */
#include "session.h"

#include "clock.h"
#include "deflate_offer.h"
#include "dialog.h"
#include "fanout.h"
#include "feed.h"
#include "frame.h"
#include "gate.h"
#include "log.h"
#include "mem.h"
#include "notice.h"
#include "request.h"
#include "sse.h"
#include "worker.h"

#include <stdlib.h>

#define CONTROL_WINDOW_MS 3000 /* a burst is fine, a stream is not (security list FR-15) */
#define MESSAGE_WINDOW_MS 1000
#define BEHIND_RETRY_MS   100
#define STUCK_LINGER_MS   1000
#define UNREAD_MAX        (2u * WORKER_READ_BYTES) /* TLS may have as much again */

static const struct config *cfg_of(const struct conn *c)
{
    return c->worker->shared->cfg;
}

static bool is_console(const struct conn *c)
{
    return c->role == LISTENER_MANAGEMENT;
}

/* One whose path is of a specification now has never had the handshake that this asks for. */
static bool has_path(const struct conn *c)
{
    const struct config_path *path = c->group->path->cfg;
    return !path_is_gone(c->group->path) && (path->route == NULL || c->dialog != NULL || c->own);
}

/* It was sent away because of its path, not because we go down. */
static bool loses_path(const struct conn *c)
{
    return !c->worker->draining && !has_path(c);
}

static uint64_t now_of(const struct conn *c)
{
    return uv_now(&c->worker->loop);
}

/* --- notices --- */

static size_t max_frame_of(const struct conn *c)
{
    return c->sse ? NOTICE_EVENT : c->group->path->cfg->max_frame_bytes;
}

/* Sends what a notice function has written with result `r`, and frees it. */
static void notify(struct conn *c, struct buf *frame, int r)
{
    bool told = c->v1 || c->sse;
    if (told && c->state == CONN_OPEN && r == 0)
        conn_send(c, buf_slice(frame));
    else if (told && r < 0)
        conn_close(c, END_LOST);
    buf_fini(frame);
}

void session_recovered(struct conn *c, const char *since)
{
    struct buf frame;
    buf_init(&frame, NOTICE_MAX);
    notify(c, &frame, notice_recovered(&frame, since, max_frame_of(c)));
}

void session_gap(struct conn *c, const char *reason, const char *since, const char *oldest)
{
    if (is_console(c)) {
        feed_gap(c);
        return;
    }
    struct buf frame;
    buf_init(&frame, NOTICE_MAX);
    notify(c, &frame, notice_gap(&frame, reason, since, oldest, max_frame_of(c)));
}

/* --- deadlines --- */

static uint64_t in(uint64_t now, uint64_t ms) /* 0: never */
{
    return ms == 0 ? UINT64_MAX : now + ms;
}

/* `ms` less up to a tenth, so that connections opened together do not act together. */
static uint64_t jitter(struct conn *c, uint64_t ms)
{
    return ms - (ms < 10 ? 0 : worker_random(c->worker) % (ms / 10));
}

static uint64_t idle_due(const struct conn *c)
{
    if (is_console(c) || c->sse) /* nothing may happen for long; it has no way to be busy */
        return UINT64_MAX;
    return in(c->active_ms, cfg_of(c)->gateway.idle_timeout_ms);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t session_deadline(const struct conn *c)
{
    uint64_t due = least(c->lifetime_ms, idle_due(c));
    due = least(due, c->message_ms);
    due = least(due, c->awaiting_pong ? c->pong_ms : c->ping_ms);
    if (c->pass != NULL)
        due = least(due, least(c->pass->expires_ms, c->pass->notice_ms));
    return c->draining ? least(due, c->drain_ms) : due;
}

static void rearm_if_earlier(struct conn *c, uint64_t due)
{
    if (!wheel_is_set(&c->timer) || due < c->timer.due_ms)
        wheel_set(&c->worker->wheel, &c->timer, due);
}

static void send_ping(struct conn *c, uint64_t now)
{
    const struct config *cfg = cfg_of(c);
    c->ping_ms = in(now, jitter(c, cfg->gateway.ping_interval_ms));
    if (c->sse) {
        uint64_t pong = cfg->gateway.pong_timeout_ms;
        sse_beat(c, pong == 0 ? 0 : cfg->gateway.ping_interval_ms + pong);
        return;
    }
    if (conn_blocked(c)) { /* a ping would wait behind what the peer does not read */
        uint64_t patience = cfg->gateway.ping_interval_ms + cfg->gateway.pong_timeout_ms;
        if (now - c->rest->since_ms >= patience && conn_silent_ms(c) >= patience)
            conn_reset(c, END_PONG); /* who still takes bytes is slow, not dead: fanout_check() */
        return;
    }
    uint8_t ping[FRAME_MAX_CONTROL];
    conn_send(c, slice_of(ping, frame_control(ping, FRAME_PING, SLICE_LIT(""))));
    metrics_add(&c->worker->metrics, M_PINGS_SENT, 1);
    c->awaiting_pong = cfg->gateway.pong_timeout_ms > 0;
    c->pong_ms = in(now, cfg->gateway.pong_timeout_ms);
}

static void listen_later(struct conn *c, uint64_t now)
{
    c->awaiting_pong = false;
    c->active_ms = now;
    c->ping_ms = in(now, jitter(c, cfg_of(c)->gateway.ping_interval_ms));
}

static bool caught_up(const struct conn *c)
{
    return !conn_blocked(c) &&
           c->group->members[c->member].cursor == pathlog_tail(c->group->path->log);
}

static bool catching_up(const struct conn *c) /* it can go on so from another connection */
{
    return c->group->members[c->member].catching;
}

/* A client that is told in time can come back with a new token before it is sent away. */
static void tell_expiring(struct conn *c, uint64_t now)
{
    struct pass *p = c->pass;
    if (p == NULL || now < p->notice_ms || now >= p->expires_ms)
        return;
    p->notice_ms = UINT64_MAX;
    struct buf frame;
    buf_init(&frame, NOTICE_MAX);
    notify(c, &frame, notice_token_expiring(&frame, p->expires_ms - now, max_frame_of(c)));
}

void session_on_deadline(struct conn *c, uint64_t now)
{
    tell_expiring(c, now);
    if (c->state != CONN_OPEN)
        return;
    uint64_t cursor = c->group->members[c->member].cursor;
    /* What we send is activity too, without a store per message, and so is waiting for it. */
    if (cursor != c->idle_cursor || c->replay != NULL) {
        c->idle_cursor = cursor;
        c->active_ms = now;
    }
    if (c->pass != NULL && now >= c->pass->expires_ms)
        session_refuse(c, REFUSE_TOKEN_EXPIRED);
    else if (c->draining && now >= c->drain_ms && !caught_up(c) && now < c->worker->drain_end_ms)
        c->drain_ms = now + BEHIND_RETRY_MS; /* it still gets what was broadcast before */
    else if (c->draining && now >= c->drain_ms && loses_path(c))
        session_close(c, END_PATH, 1001, "path removed");
    else if (c->draining && now >= c->drain_ms)
        session_close(c, END_DRAIN, c->worker->shared->drain_code, "server is going down");
    else if (now >= c->lifetime_ms && (caught_up(c) || catching_up(c) ||
                                       now - c->lifetime_ms >= cfg_of(c)->gateway.close_timeout_ms))
        session_close(c, END_LIFETIME, 1001, "lifetime");
    else if (now >= idle_due(c))
        session_close(c, END_IDLE, 1001, "idle");
    else if (now >= c->message_ms)
        session_refuse(c, REFUSE_MSG_TIMEOUT);
    else if (c->held) /* what it answers is not read: its backend has times of its own */
        listen_later(c, now);
    else if (c->awaiting_pong && now >= c->pong_ms)
        conn_reset(c, END_PONG);
    else if (!c->awaiting_pong && now >= c->ping_ms)
        send_ping(c, now);
}

void session_drain(struct conn *c, uint64_t due_ms)
{
    uint64_t now = now_of(c);
    uint16_t code = loses_path(c) ? 1001 : c->worker->shared->drain_code;
    c->draining = true;
    c->drain_ms = due_ms;
    rearm_if_earlier(c, due_ms);
    struct buf frame;
    buf_init(&frame, NOTICE_MAX);
    notify(c, &frame,
           notice_draining(&frame, code, due_ms > now ? due_ms - now : 0, max_frame_of(c)));
}

/* --- a changed configuration --- */

static void shorten_deadlines(struct conn *c, uint64_t now)
{
    const struct config *cfg = cfg_of(c);
    uint64_t ping = cfg->gateway.ping_interval_ms, lifetime = cfg->gateway.max_lifetime_ms;
    if (c->ping_ms > in(now, ping))
        c->ping_ms = now + jitter(c, ping);
    if (c->lifetime_ms > in(c->opened_ms, lifetime))
        c->lifetime_ms = c->opened_ms + jitter(c, lifetime);
    rearm_if_earlier(c, session_deadline(c));
}

void session_follow(struct conn *c)
{
    struct gate *gate = c->worker->shared->gate;
    uint64_t now = now_of(c), spread = cfg_of(c)->gateway.drain_timeout_ms;
    const struct path *path = c->group->path;
    if (c->worker->draining)
        return; /* all go */
    if (!has_path(c)) {
        if (!c->draining)
            session_drain(c, spread == 0 ? now : now + worker_random(c->worker) % spread);
        return;
    }
    c->draining = false; /* its path is back */
    if ((gate != NULL && gate_recheck(gate, c, path->cfg) != REFUSE_NONE) ||
        (c->dialog != NULL && dialog_follow(c->dialog) != REFUSE_NONE))
        session_refuse(c, REFUSE_ACCESS_LOST);
    else
        shorten_deadlines(c, now);
}

/* --- opening and closing --- */

static void log_open_session(struct conn *c)
{
    char id[ID_SIZE], peer[INET6_ADDRSTRLEN + 8];
    conn_id(c, id);
    conn_peer_name(c, peer);
    struct log_line l;
    log_open(&l, LOG_INFO, c->sse ? "sse" : "ws", "open");
    log_str(&l, "conn", id);
    log_str(&l, "path", c->group->path->name);
    if (c->pass != NULL)
        log_str(&l, "subject", c->pass->access.subject);
    log_str(&l, "peer", peer);
    log_u64(&l, "worker", c->worker->index);
    log_close(&l);
}

void session_open(struct conn *c, struct group *g, struct slice answer, uint64_t position)
{
    const struct config *cfg = cfg_of(c);
    uint64_t now = now_of(c);
    int r = group_join(g, c, position);
    if (r == -EBUSY)
        request_refuse(c, REFUSE_PATH_CAP, NULL);
    else if (r < 0)
        request_refuse(c, REFUSE_MEMORY, NULL);
    if (r < 0)
        return;
    conn_send(c, answer);
    if (c->state >= CONN_CLOSING)
        return;
    c->was_open = true;
    c->opened_ms = c->active_ms = now;
    c->opened_wall_ms = clock_wall_ms();
    c->message_ms = UINT64_MAX;
    c->idle_cursor = g->members[c->member].cursor;
    c->ping_ms = in(now, jitter(c, cfg->gateway.ping_interval_ms));
    c->lifetime_ms = in(now, jitter(c, cfg->gateway.max_lifetime_ms));
    if (!c->own) {
        if (!is_console(c))
            metrics_add(&c->worker->metrics, c->sse ? M_SSE_STREAMS : M_HANDSHAKES, 1);
        c->routed = !c->sse && g->path->cfg->route != NULL;
        if (c->routed)
            route_metrics_opened(&c->worker->routes, g->path->name);
        log_open_session(c);
    }
    conn_set_state(c, CONN_OPEN);
    if (c->dialog != NULL)
        dialog_opened(c->dialog);
    if (c->worker->draining) /* it had begun to come in before a hand-over */
        worker_drain_session(c);
}

/* A client that was stuck while it caught up keeps a segment of history from the others, and one
 * that has to go for want of memory keeps some: it has just the time to read why. */
static uint64_t linger_ms(const struct conn *c, enum conn_end end)
{
    uint64_t ms = cfg_of(c)->gateway.close_timeout_ms;
    bool stuck = (end == END_SLOW && catching_up(c)) || c->why == REFUSE_SHED || is_console(c);
    return stuck ? least(ms, STUCK_LINGER_MS) : ms;
}

static void send_close_frame(struct conn *c, uint16_t code, const char *reason)
{
    uint8_t frame[FRAME_MAX_CONTROL];
    size_t len = code == 1005 ? frame_control(frame, FRAME_CLOSE, SLICE_LIT(""))
                              : frame_close(frame, code, reason);
    conn_send(c, slice_of(frame, len));
}

void session_close(struct conn *c, enum conn_end end, uint16_t code, const char *reason)
{
    if (c->state != CONN_OPEN)
        return;
    /* What was broadcast before belongs before the close frame, but for what is in the store only:
     * that takes its time. Who has lost history must not be sent what came after the gap, and who
     * goes because it cannot be sent gets nothing more. */
    bool cannot = c->why == REFUSE_SHED || c->why == REFUSE_HISTORY_FAILED;
    bool flush = end != END_SLOW && c->why != REFUSE_HISTORY && !cannot;
    while (flush && c->state == CONN_OPEN && !caught_up(c) && !conn_blocked(c) && c->replay == NULL)
        fanout_flush(c->group, c);
    if (c->state != CONN_OPEN)
        return;
    c->close_code = code;
    dialog_reason(c->dialog, slice_str(reason));
    uint64_t linger = linger_ms(c, end);
    if (c->sse)
        sse_send_close(c, end, code, reason);
    else
        send_close_frame(c, code, reason);
    conn_linger(c, end, linger);
}

static void refuse_with(struct conn *c, enum refuse why, uint16_t code)
{
    if (c->state != CONN_OPEN)
        return;
    conn_log_refusal(c, why);
    session_close(c, why == REFUSE_SLOW ? END_SLOW : END_REFUSED, code, refuse_info(why)->name);
}

void session_refuse(struct conn *c, enum refuse why)
{
    refuse_with(c, why, refuse_info(why)->answer);
}

/* --- what the client sends --- */

static void count_message(struct conn *c, enum route_direction direction, enum frame_opcode opcode,
                          uint64_t len)
{
    if (c->routed)
        route_metrics_message(&c->worker->routes, c->group->path->name, direction,
                              opcode == FRAME_BINARY, len);
}

void session_send_message(struct conn *c, enum frame_opcode opcode, struct slice payload)
{
    struct buf frames;
    size_t max_frame = c->group->path->cfg->max_frame_bytes;
    buf_init(&frames, frame_message_size(payload.len, max_frame));
    int r = frame_message(&frames, opcode, payload, max_frame);
    if (r == 0)
        conn_send(c, buf_slice(&frames));
    buf_fini(&frames);
    if (r < 0)
        conn_close(c, END_LOST);
}

/* Stops reading until the dialog has room for another one. */
static bool pass_on(struct conn *c, enum frame_opcode opcode, struct slice payload)
{
    if (dialog_message(c->dialog, opcode, payload))
        return c->state == CONN_OPEN;
    if (c->state == CONN_OPEN) {
        conn_pause(c);
        c->held = true;
    }
    return false;
}

static bool on_message(void *ctx, enum frame_opcode opcode, struct slice payload, uint64_t len)
{
    struct conn *c = ctx;
    const struct config *cfg = cfg_of(c);
    uint64_t now = now_of(c);
    c->active_ms = now;
    c->message_ms = UINT64_MAX;
    metrics_add(&c->worker->metrics, M_INBOUND_MESSAGES, 1);
    metrics_add(&c->worker->metrics, M_INBOUND_BYTES, len);
    count_message(c, ROUTE_INCOMING, opcode, len);
    if (c->dialog != NULL)
        return pass_on(c, opcode, payload);
    switch (c->group->path->cfg->inbound) {
    case INBOUND_ECHO:
        count_message(c, ROUTE_OUTCOMING, opcode, len);
        session_send_message(c, opcode, payload);
        break;
    case INBOUND_REJECT:
        /* 1003: a type of data that is not accepted; 1008: a breach of the path's policy */
        refuse_with(c, REFUSE_INBOUND, opcode == FRAME_BINARY ? 1003 : 1008);
        break;
    case INBOUND_IGNORE:
        if (!rate_ok(&c->messages, now, MESSAGE_WINDOW_MS, cfg->gateway.max_message_rate, 1))
            session_refuse(c, REFUSE_RATE);
    }
    return c->state == CONN_OPEN;
}

/* One more control frame; false when the connection has been failed for too many. */
static bool count_control(struct conn *c)
{
    uint64_t most = cfg_of(c)->gateway.max_control_rate * CONTROL_WINDOW_MS / 1000;
    if (!rate_ok(&c->control, now_of(c), CONTROL_WINDOW_MS, most, 1))
        session_refuse(c, REFUSE_CTRL_RATE);
    return c->state == CONN_OPEN;
}

static bool on_ping(void *ctx, struct slice payload)
{
    struct conn *c = ctx;
    if (!count_control(c))
        return false;
    c->active_ms = now_of(c);
    uint8_t pong[FRAME_MAX_CONTROL];
    size_t len = frame_control(pong, FRAME_PONG, payload);
    metrics_add(&c->worker->metrics, M_PONGS_SENT, 1);
    conn_send_pong(c, slice_of(pong, len));
    return c->state == CONN_OPEN;
}

static bool on_pong(void *ctx, struct slice payload)
{
    (void) payload;
    return count_control(ctx);
}

static bool on_close_frame(void *ctx, uint16_t code, struct slice reason)
{
    struct conn *c = ctx;
    dialog_reason(c->dialog, reason);
    session_close(c, END_PEER, code, "");
    return false;
}

static const struct ws_events EVENTS = {on_message, on_ping, on_pong, on_close_frame};

static uint8_t inflate_bits(const struct conn *c)
{
    if (!c->deflate)
        return 0;
    return c->small_window ? DEFLATE_CLIENT_BITS : DEFLATE_SERVER_BITS;
}

/* What came in one read, and was not looked at since the connection's dialog is full. */
static void keep_unread(struct conn *c, struct slice bytes)
{
    if (bytes.len == 0)
        return;
    if (c->unread == NULL) {
        c->unread = try_calloc(1, sizeof(*c->unread));
        if (c->unread != NULL)
            buf_init(c->unread, UNREAD_MAX);
    }
    if (c->unread == NULL || buf_append(c->unread, bytes) < 0)
        session_refuse(c, REFUSE_BACKLOG);
}

void session_received(struct conn *c, struct slice bytes)
{
    if (c->sse) {
        sse_received(c, bytes);
        return;
    }
    if (c->held) {
        keep_unread(c, bytes);
        return;
    }
    const struct config *cfg = cfg_of(c);
    const struct config_path *path = c->group->path->cfg;
    struct ws_limits limits = {
        .max_frame = path->max_frame_bytes,
        .max_message = path->max_message_bytes,
        .max_fragments = (uint32_t) cfg->gateway.max_fragments,
        .inflate_bits = inflate_bits(c),
        .collect = path->inbound == INBOUND_ECHO || c->dialog != NULL,
    };
    struct ws_counts counts;
    if (c->awaiting_pong) { /* any byte proves that the peer lives */
        c->awaiting_pong = false;
        rearm_if_earlier(c, c->ping_ms);
    }
    enum refuse why = ws_feed(c->worker->ws_pool, &c->ws, &limits, &EVENTS, c, bytes, &counts);
    metrics_add(&c->worker->metrics, M_INFLATED_MESSAGES, counts.inflated);
    if (c->state != CONN_OPEN)
        return;
    uint64_t now = now_of(c);
    if (why != REFUSE_NONE) {
        session_refuse(c, why);
        return;
    }
    if (!ws_midmessage(c->ws)) {
        c->message_ms = UINT64_MAX;
    } else if (c->message_ms == UINT64_MAX || (counts.control > 0 && !ws_in_message(c->ws))) {
        /* the second: what is half received now began after a control frame that was whole */
        c->message_ms = in(now, cfg->gateway.message_timeout_ms);
        rearm_if_earlier(c, c->message_ms);
    }
    if (c->held)
        keep_unread(c, slice_from(bytes, bytes.len - counts.left));
    else if (path->inbound == INBOUND_ECHO && conn_blocked(c))
        conn_pause(c); /* its own echoes wait: it reads before it may go on */
}

void session_go_on(struct conn *c)
{
    while (c->state == CONN_OPEN && c->held && !dialog_is_full(c->dialog)) {
        struct buf *unread = c->unread;
        c->unread = NULL;
        c->held = false;
        if (unread == NULL)
            break;
        session_received(c, buf_slice(unread));
        buf_fini(unread);
        free(unread);
    }
    if (c->state == CONN_OPEN)
        conn_resume(c);
}
