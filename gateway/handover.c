/* handover.c - see handover.h. In the order things happen:
 *   on_come > on_talk > on_hello > on_path ... > on_go > on_look ... > settle > on_settled >
 * release > on_closed > on_serving > on_batch ... > lose and before release() always: undo */
#include "handover.h"

#include "crash.h"
#include "gate.h"
#include "grpc.h"
#include "handover_wire.h"
#include "log.h"
#include "mem.h"
#include "pipeline.h"
#include "request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define GREETING_MS   2000
#define OFFERING_MS   30000 /* for the other one's check of files and ports */
#define QUIET_MS      5000  /* for requests under way */
#define LOOK_MS       5
#define SETTLING_MS   5000 /* for what was accepted to become safe */
#define CLOSING_MS    8000 /* for data_dir to be closed; a disk that hangs ends us */
#define RELEASED_MS   120000
#define MOVING_MS     5000 /* for him to take the connections */
#define LINGER_MS     1000
#define EXIT_JOURNAL  74 /* EX_IOERR */
#define MESSAGE_NO_FD (-1)
#define REASON_MAX    256

struct handover_peer {
    uv_poll_t talk;
    struct courier courier;
    struct handover *h;
    int64_t pid;
};

static void on_talk(uv_poll_t *talk, int status, int events);

static const char *const STATES[HANDOVER_N_STATES] = {
    [HANDOVER_OFF] = "off",           [HANDOVER_WAITING] = "waiting",
    [HANDOVER_GREETING] = "greeting", [HANDOVER_OFFERING] = "offering",
    [HANDOVER_QUIET] = "quiet",       [HANDOVER_SETTLING] = "settling",
    [HANDOVER_CLOSING] = "closing",   [HANDOVER_RELEASED] = "released",
    [HANDOVER_RELAYING] = "relaying",
};

static void on_limit(uv_timer_t *timer);

/* The only writer of h->state. `limit_ms`: how long it may last; 0: as long as it likes. */
static void set_state(struct handover *h, enum handover_state next, uint64_t limit_ms)
{
    struct log_line l;
    log_open(&l, LOG_DEBUG, "handover", "state");
    log_str(&l, "from", STATES[h->state]);
    log_str(&l, "to", STATES[next]);
    log_close(&l);
    h->state = next;
    (void) uv_timer_stop(&h->limit); /* always 0, as the next */
    if (limit_ms > 0)
        (void) uv_timer_start(&h->limit, on_limit, limit_ms, 0);
}

static bool can_undo(const struct handover *h)
{
    return h->state < HANDOVER_CLOSING;
}

/* --- the peer --- */

static void on_peer_closed(uv_handle_t *talk)
{
    free(talk->data);
}

/* The connections are on their way, as far as they will be: the front may end. */
static void end_moving(struct handover *h)
{
    if (!h->moving)
        return;
    h->moving = false;
    (void) uv_timer_stop(&h->limit); /* always 0 */
    worker_answered(h->shared->front);
}

static void drop_peer(struct handover *h)
{
    struct handover_peer *p = h->peer;
    if (p == NULL)
        return;
    h->peer = NULL;
    uv_close((uv_handle_t *) &p->talk, on_peer_closed);
    courier_fini(&p->courier);
    end_moving(h);
}

static void watch_peer(struct handover_peer *p, bool writes)
{
    (void) uv_poll_start(&p->talk, writes ? UV_READABLE | UV_WRITABLE : UV_READABLE, on_talk);
}

/* A failure is found by reading. */
static void send_to_peer(struct handover_peer *p)
{
    bool more = courier_send(&p->courier) == -EAGAIN;
    watch_peer(p, more);
    if (!more)
        end_moving(p->h);
}

static int put(struct handover_peer *p, enum handover_kind kind, uint64_t number)
{
    const struct handover_message m = {.kind = kind, .number = number, .file = MESSAGE_NO_FD};
    return handover_put(&p->courier, &m);
}

static void accept_again(struct handover *h)
{
    struct shared *s = h->shared;
    if (!atomic_exchange(&s->quiet, false))
        return;
    (void) uv_timer_stop(&h->look);
    for (size_t i = 0; i < s->n_workers; i++)
        worker_hold(&s->workers[i]);
    worker_hold(s->front);
    static const enum conn_state PAUSED[] = {CONN_PROXY, CONN_REQUEST, CONN_KEEPALIVE};
    for (size_t i = 0; i < ARRAY_LEN(PAUSED); i++) {
        LIST_FOREACH_SAFE (it, &s->front->by_state[PAUSED[i]]) {
            conn_resume(LIST_ENTRY(it, struct conn, in_state));
        }
    }
}

/* As if nothing had been. */
static void undo(struct handover *h, const char *why)
{
    struct log_line l;
    log_open(&l, LOG_WARN, "handover", "nobody takes over: going on");
    log_str(&l, "why", why);
    log_str(&l, "state", STATES[h->state]);
    log_i64(&l, "pid", h->peer == NULL ? 0 : h->peer->pid);
    log_close(&l);
    h->attempt++;
    bool drained = h->state == HANDOVER_SETTLING;
    drop_peer(h);
    set_state(h, HANDOVER_WAITING, 0);
    if (drained)
        pipeline_resume(h->pipeline);
    accept_again(h);
}

static void refuse(struct handover *h, const char *why)
{
    const struct handover_message m = {
        .kind = WIRE_REFUSED, .text = slice_str(why), .file = MESSAGE_NO_FD};
    int r = handover_put(&h->peer->courier, &m);
    if (r == 0)
        r = courier_send(&h->peer->courier);
    (void) r; /* what does not fit is not said: it just ends */
    undo(h, why);
}

static void log_lost(const struct handover *h, enum log_level level, const char *msg, int err)
{
    struct log_line l;
    log_open(&l, level, "handover", msg);
    log_i64(&l, "pid", h->peer->pid);
    log_str(&l, "error", err_str(err));
    log_close(&l);
}

/* The peer has ended, or says what it should not. */
static void lose(struct handover *h, int err)
{
    if (can_undo(h)) {
        refuse(h, err == -EPIPE ? "the process has ended" : err_str(err));
        return;
    }
    bool serves = h->state == HANDOVER_RELAYING;
    log_lost(h, serves ? LOG_WARN : LOG_ERROR,
             serves ? "no batch is relayed any more: sending the clients away at once"
                    : "who took over has ended before it served: nobody does, leaving",
             err);
    drop_peer(h);
    set_state(h, HANDOVER_OFF, 0);
    atomic_store(&h->shared->hurry, true);
    if (!serves)
        h->gone(h->ctx, err);
}

static void on_limit(uv_timer_t *timer)
{
    struct handover *h = timer->data;
    if (can_undo(h))
        refuse(h, h->state == HANDOVER_SETTLING ? "the journal does not settle: its disk hangs"
                                                : "it took too long");
    else
        lose(h, -ETIMEDOUT);
}

/* --- greeting and offer --- */

static int put_socket(struct handover *h, size_t listener, size_t k)
{
    const struct addresses *at = h->addresses;
    const struct handover_message m = {
        .kind = WIRE_SOCKET,
        .number = listener,
        .file = at->fds[listener][k],
    };
    return m.file < 0 ? 0 : handover_put(&h->peer->courier, &m);
}

static int offer(struct handover *h)
{
    const struct addresses *at = h->addresses;
    const struct handover_message welcome = {
        .kind = WIRE_WELCOME,
        .number = HANDOVER_VERSION,
        .text = slice_str(h->supervisor->name),
        .other = h->supervisor->watchdog_ms,
        .file = MESSAGE_NO_FD,
    };
    int r = handover_put(&h->peer->courier, &welcome);
    for (size_t i = 0; i < LISTENER_N; i++)
        for (size_t k = 0; r == 0 && k < at->per_worker[i] * at->n_workers[i]; k++)
            r = put_socket(h, i, k);
    return r == 0 ? put(h->peer, WIRE_OFFERED, 0) : r;
}

static void on_hello(struct handover *h, const struct handover_message *m)
{
    char why[REASON_MAX];
    if (m->number != HANDOVER_VERSION) {
        (void) snprintf(why, sizeof(why),
                        "version %" PRIu64 " of the hand-over is not spoken, only %d", m->number,
                        HANDOVER_VERSION);
        refuse(h, why);
        return;
    }
    int r = offer(h);
    if (r < 0) {
        refuse(h, err_str(r));
        return;
    }
    CRASH_POINT("handover.offer");
    set_state(h, HANDOVER_OFFERING, OFFERING_MS);
    send_to_peer(h->peer);
}

/* Positions are the same in both processes only where segments are. */
static void on_path(struct handover *h, const struct handover_message *m)
{
    char why[REASON_MAX];
    char *name = xslicedup(m->text);
    struct path *p = path_by_name(h->shared->paths, name);
    bool same = p == NULL || pathlog_span_bits(p->log) == m->number;
    (void) snprintf(why, sizeof(why), "another max_message_bytes of %s takes a restart", name);
    free(name);
    if (!same)
        refuse(h, why);
}

/* --- standing still --- */

static bool is_busy(struct conn *c)
{
    if (c->role == LISTENER_GRPC)
        return false; /* its calls end when we have handed over */
    if (request_can_move(c)) {
        conn_pause(c);
        return false;
    }
    if (c->state == CONN_REQUEST || c->state == CONN_BODY)
        conn_resume(c);                /* half of it had been read */
    return c->state != CONN_KEEPALIVE; /* one that cannot move is closed when we have handed over */
}

/* Goes over the connections on the front: those between two requests are left where they are.
 * Returns how many have one under way. */
static size_t count_busy(struct worker *front)
{
    static const enum conn_state LOOKED_AT[] = {CONN_PROXY, CONN_TLS,      CONN_REQUEST,
                                                CONN_BODY,  CONN_HANDLING, CONN_KEEPALIVE};
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(LOOKED_AT); i++) {
        LIST_FOREACH_SAFE (it, &front->by_state[LOOKED_AT[i]]) {
            n += is_busy(LIST_ENTRY(it, struct conn, in_state));
        }
    }
    return n;
}

static void settle(struct handover *h);

static void on_look(uv_timer_t *timer)
{
    struct handover *h = timer->data;
    if (count_busy(h->shared->front) == 0 || uv_now(timer->loop) >= h->quiet_end_ms)
        settle(h);
}

static void on_go(struct handover *h)
{
    struct shared *s = h->shared;
    CRASH_POINT("handover.go");
    struct log_line l;
    log_open(&l, LOG_INFO, "handover", "another process takes over");
    log_i64(&l, "pid", h->peer->pid);
    log_close(&l);
    set_state(h, HANDOVER_QUIET, 0);
    atomic_store(&s->quiet, true);
    for (size_t i = 0; i < s->n_workers; i++)
        worker_hold(&s->workers[i]);
    worker_hold(s->front);
    h->quiet_end_ms = uv_now(h->look.loop) + QUIET_MS;
    (void) uv_timer_start(&h->look, on_look, LOOK_MS, LOOK_MS);
}

/* --- making safe --- */

struct settling { /* lives until the engine answers, which may be after we have given up */
    struct handover *h;
    uint64_t attempt;
};

static void release(uv_timer_t *timer);

static void on_settled(void *arg)
{
    struct settling *s = arg;
    struct handover *h = s->h;
    bool current = s->attempt == h->attempt && h->state == HANDOVER_SETTLING;
    free(s);
    if (!current)
        return;
    CRASH_POINT("handover.settled");
    (void) uv_timer_start(&h->look, release, 0, 0); /* not from inside the engine */
}

static void settle(struct handover *h)
{
    (void) uv_timer_stop(&h->look);
    set_state(h, HANDOVER_SETTLING, SETTLING_MS);
    struct settling *s = xmalloc(sizeof(*s));
    *s = (struct settling){.h = h, .attempt = h->attempt};
    pipeline_drain(h->pipeline, on_settled, s);
}

static bool peer_is_there(const struct handover_peer *p)
{
    uint8_t byte;
    return recv(p->courier.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
}

static void release(uv_timer_t *timer)
{
    struct handover *h = timer->data;
    if (!peer_is_there(h->peer)) {
        lose(h, -EPIPE);
        return;
    }
    set_state(h, HANDOVER_CLOSING, 0);
    handover_door_close(&h->door);
    int r = deadline_start(&h->deadline, CLOSING_MS, EXIT_JOURNAL);
    pipeline_stop(h->pipeline);
    if (r == 0)
        deadline_met(&h->deadline);
    CRASH_POINT("handover.closed");
    mailbox_post(&h->shared->front->mailbox, &h->closed); /* behind the engine's last reports */
}

static void on_closed(struct mail *m)
{
    struct handover *h = LIST_ENTRY(m, struct handover, closed);
    int r = put(h->peer, WIRE_RELEASED, 0);
    if (r < 0) {
        lose(h, r);
        return;
    }
    set_state(h, HANDOVER_RELEASED, RELEASED_MS);
    send_to_peer(h->peer);
    CRASH_POINT("handover.released");
}

/* --- he serves --- */

/* Who is between two requests goes along; who cannot is told that this was the last. */
static void move_connections(struct handover *h, enum conn_state state)
{
    LIST_FOREACH_SAFE (it, &h->shared->front->by_state[state]) {
        struct conn *c = LIST_ENTRY(it, struct conn, in_state);
        const struct handover_message m = {
            .kind = WIRE_CONNECTION, .number = c->role, .file = c->fd};
        if (request_can_move(c) && handover_put(&h->peer->courier, &m) == 0)
            conn_close(c, END_DRAIN); /* our descriptor of it: the peer sees nothing */
        else if (state == CONN_KEEPALIVE)
            conn_linger(c, END_DRAIN, LINGER_MS);
    }
}

/* What is asked for here from now on is not for us. */
static void close_front(struct worker *front)
{
    for (size_t i = 0; i < front->n_listeners; i++)
        listener_fini(&front->listeners[i]);
    LIST_FOREACH_SAFE (it, &front->by_state[CONN_SERVING]) {
        grpc_drain(LIST_ENTRY(it, struct conn, in_state));
    }
}

static void on_serving(struct handover *h)
{
    CRASH_POINT("handover.serving");
    struct log_line l;
    log_open(&l, LOG_INFO, "handover", "handed over: sending the clients away");
    log_i64(&l, "pid", h->peer->pid);
    log_close(&l);
    supervisor_hand_over(h->supervisor, h->peer->pid);
    if (put(h->peer, WIRE_MOVED, h->shared->reload_ms) < 0) {
        lose(h, -ENOMEM);
        return;
    }
    set_state(h, HANDOVER_RELAYING, MOVING_MS);
    h->moving = true;
    h->shared->front->n_asked++; /* else it ends with the last client, and they with it */
    move_connections(h, CONN_PROXY);
    move_connections(h, CONN_REQUEST);
    move_connections(h, CONN_KEEPALIVE);
    send_to_peer(h->peer);
    atomic_store(&h->shared->handed_over, true);
    h->gone(h->ctx, 0);
    close_front(h->shared->front);
}

static void on_batch(struct handover *h, const struct handover_message *m)
{
    char *name = xslicedup(m->text);
    struct path *path = path_by_name(h->shared->paths, name);
    free(name);
    CRASH_POINT("handover.batch");
    if (path == NULL)
        return; /* new there */
    /* A path that he was not asked about in on_path() may have come by a reload since. */
    int r = m->number < pathlog_tail(path->log) || m->other != pathlog_span_bits(path->log)
                ? -EBADMSG
                : pipeline_relay(h->pipeline, path, m->number, m->bytes);
    if (r < 0)
        lose(h, r);
}

static void on_revoked(struct handover *h, const struct handover_message *m)
{
    int r = gate_revoke_too(h->shared->gate, m->number, m->text, m->other);
    if (r < 0)
        lose(h, r);
    atomic_fetch_add(&h->shared->revoked, 1);
}

/* --- what is said --- */

static void on_message(struct handover *h, const struct handover_message *m)
{
    if (h->state == HANDOVER_GREETING && m->kind == WIRE_HELLO)
        on_hello(h, m);
    else if (h->state == HANDOVER_OFFERING && m->kind == WIRE_PATH)
        on_path(h, m);
    else if (h->state == HANDOVER_OFFERING && m->kind == WIRE_GO)
        on_go(h);
    else if (h->state == HANDOVER_RELEASED && m->kind == WIRE_SERVING)
        on_serving(h);
    else if (h->state == HANDOVER_RELAYING && m->kind == WIRE_BATCH)
        on_batch(h, m);
    else if (h->state == HANDOVER_RELAYING && m->kind == WIRE_REVOKED)
        on_revoked(h, m);
    else
        lose(h, -EBADMSG);
}

/* 0, or why nothing more can be taken now. */
static int take_messages(struct handover *h, struct handover_peer *p)
{
    struct handover_message m;
    int r = courier_read(&p->courier), read = r;
    while (h->peer == p && (r = handover_take(&p->courier, &m)) == 1) {
        if (m.file >= 0)
            (void) close(m.file); /* there are none that he should send */
        on_message(h, &m);
    }
    return r < 0 ? r : read;
}

static void on_talk(uv_poll_t *talk, int status, int events)
{
    struct handover_peer *p = talk->data;
    struct handover *h = p->h;
    int r = 0;
    if (status == 0 && (events & UV_WRITABLE) != 0)
        send_to_peer(p);
    while (r == 0 && h->peer == p)
        r = take_messages(h, p); /* with any status: what had been sent before is still there */
    if (r == -EAGAIN)
        r = status;
    if (h->peer == p && r != 0)
        lose(h, r);
}

/* --- the door --- */

static struct handover_peer *peer_new(struct handover *h, int fd, int64_t pid)
{
    struct handover_peer *p = xcalloc(1, sizeof(*p));
    p->h = h;
    p->pid = pid;
    p->talk.data = p;
    if (uv_poll_init(h->look.loop, &p->talk, fd) < 0) {
        free(p);
        return NULL;
    }
    courier_init(&p->courier, fd, HANDOVER_MAX_BODY);
    return p;
}

static void turn_away(int fd)
{
    struct courier c;
    courier_init(&c, fd, 0);
    const struct handover_message m = {.kind = WIRE_REFUSED,
                                       .text = SLICE_LIT("another process is about to take over"),
                                       .file = MESSAGE_NO_FD};
    int r = handover_put(&c, &m);
    if (r == 0)
        r = courier_send(&c);
    (void) r; /* as above */
    courier_fini(&c);
}

static void on_come(void *ctx, int fd, int64_t pid)
{
    struct handover *h = ctx;
    if (h->state != HANDOVER_WAITING) {
        turn_away(fd);
        return;
    }
    h->peer = peer_new(h, fd, pid);
    if (h->peer == NULL) {
        (void) close(fd);
        return;
    }
    set_state(h, HANDOVER_GREETING, GREETING_MS);
    watch_peer(h->peer, false);
}

/* --- life --- */

int handover_start(struct handover *h, uv_loop_t *loop)
{
    const struct config *cfg = h->shared->cfg;
    h->state = HANDOVER_OFF;
    h->closed.run = on_closed;
    h->limit.data = h->look.data = h;
    h->door.come = on_come;
    h->door.ctx = h;
    int r = uv_timer_init(loop, &h->limit);
    if (r == 0)
        r = uv_timer_init(loop, &h->look);
    h->has_handles = r == 0;
    if (r < 0 || strcmp(cfg->engine, "memory") == 0 || strcmp(cfg->engine, "nats") == 0)
        return r;
    int door = handover_door_open(&h->door, loop, cfg->data_dir);
    if (door == 0)
        h->state = HANDOVER_WAITING;
    else
        log_error("handover", "nobody can take over: the socket cannot be made", door);
    return 0;
}

bool handover_cancel(struct handover *h, const char *why)
{
    if (!can_undo(h))
        return false;
    if (h->peer != NULL)
        refuse(h, why);
    handover_door_close(&h->door);
    h->state = HANDOVER_OFF;
    return true;
}

void handover_close(struct handover *h)
{
    if (!h->has_handles)
        return;
    drop_peer(h);
    handover_door_close(&h->door);
    uv_close((uv_handle_t *) &h->limit, NULL);
    uv_close((uv_handle_t *) &h->look, NULL);
}
