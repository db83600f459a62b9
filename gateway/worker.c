/* worker.c - see worker.h. */
#include "worker.h"

#include "departures.h"
#include "dialog.h"
#include "fanout.h"
#include "gate.h"
#include "grpc.h"
#include "log.h"
#include "mem.h"
#include "session.h"
#include "tls.h"
#include "tls_buffers.h"

#include <stdlib.h>
#include <unistd.h>

#define SLOTS_MAX      (1u << 24) /* what a connection id can carry */
#define DRAIN_GRACE_MS 5000       /* for requests in progress when a listener goes down */
#define DRAIN_LOOK_MS  100        /* how often is looked whether its time is over */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* --- random numbers and slots --- */

uint64_t worker_random(struct worker *w)
{
    uint64_t n;
    if (w->random_left < sizeof(n)) {
        int r = uv_random(NULL, NULL, w->random, sizeof(w->random), 0, NULL);
        ASSERT(r == 0); /* the kernel's generator is there from boot on */
        w->random_left = sizeof(w->random);
    }
    w->random_left -= sizeof(n);
    memcpy(&n, w->random + w->random_left, sizeof(n));
    return n;
}

static int grow_slots(struct worker *w)
{
    uint32_t n = w->n_slots == 0 ? 64 : w->n_slots * 2;
    ASSERT(n <= SLOTS_MAX); /* max_connections is far below */
    struct conn **slots = try_realloc(w->slots, n * sizeof(struct conn *));
    if (slots == NULL)
        return -ENOMEM;
    w->slots = slots;
    uint32_t *free_slots = try_realloc(w->free_slots, n * sizeof(*w->free_slots));
    if (free_slots == NULL)
        return -ENOMEM; /* n_slots says how many there are of both */
    w->free_slots = free_slots;
    for (uint32_t i = n; i > w->n_slots; i--) {
        w->slots[i - 1] = NULL;
        w->free_slots[w->n_free_slots++] = i - 1;
    }
    w->n_slots = n;
    return 0;
}

int worker_slot(struct worker *w, struct conn *c, uint32_t *ret)
{
    int r = w->n_free_slots == 0 ? grow_slots(w) : 0;
    if (r < 0)
        return r;
    *ret = w->free_slots[--w->n_free_slots];
    w->slots[*ret] = c;
    return 0;
}

void worker_unslot(struct worker *w, uint32_t slot)
{
    w->slots[slot] = NULL;
    w->free_slots[w->n_free_slots++] = slot;
}

/* --- drain and stop --- */

static void stop(struct worker *w)
{
    if (w->stopped)
        return;
    w->stopped = true;
    for (size_t i = 0; i < w->n_listeners; i++)
        listener_fini(&w->listeners[i]);
    dialogs_close(w);
    mailbox_fini(&w->mailbox);
    wheel_fini(&w->wheel);
    uv_close((uv_handle_t *) &w->dirty_wake, NULL);
    uv_close((uv_handle_t *) &w->turn, NULL);
    uv_close((uv_handle_t *) &w->before_wait, NULL);
    uv_close((uv_handle_t *) &w->check, NULL);
    uv_close((uv_handle_t *) &w->drain_end, NULL);
    if (w->on_stopped != NULL)
        w->on_stopped(w);
}

static void stop_if_done(struct worker *w)
{
    if (w->draining && w->n_conns == 0 && w->n_asked == 0)
        stop(w);
}

void worker_conn_gone(struct worker *w)
{
    w->n_conns--;
    stop_if_done(w);
}

void worker_ask(struct worker *w, struct history_request *request)
{
    w->n_asked++;
    request->answer_to = &w->mailbox;
    history_ask(w->shared->history, request);
}

void worker_answered(struct worker *w)
{
    w->n_asked--;
    stop_if_done(w);
}

void worker_close_all(struct worker *w)
{
    for (int state = 0; state < CONN_CLOSED; state++) {
        while (!list_empty(&w->by_state[state]))
            conn_reset(LIST_ENTRY(w->by_state[state].next, struct conn, in_state), END_DRAIN);
    }
}

static void drain_sessions(struct worker *w);

/* Nobody sends what is new any more: it is missed by who stays. */
static void look_hurry(struct worker *w, uint64_t now)
{
    uint64_t close_ms = w->shared->cfg->gateway.close_timeout_ms;
    if (!atomic_load(&w->shared->hurry) || now + WORKER_HURRY_MS >= w->drain_end_ms)
        return;
    w->drain_end_ms = now + WORKER_HURRY_MS;
    w->close_all_ms = w->drain_end_ms + close_ms;
    drain_sessions(w);
}

static void look_revoked(struct worker *w)
{
    uint64_t revoked = atomic_load(&w->shared->revoked);
    if (revoked == w->revoked)
        return;
    w->revoked = revoked;
    LIST_FOREACH_SAFE (it, &w->by_state[CONN_OPEN]) {
        struct conn *c = LIST_ENTRY(it, struct conn, in_state);
        if (c->pass != NULL && gate_revoked(w->shared->gate, c->pass))
            session_refuse(c, REFUSE_TOKEN_REVOKED);
    }
}

static void on_drain_look(uv_timer_t *timer)
{
    struct worker *w = timer->data;
    uint64_t now = uv_now(&w->loop);
    look_hurry(w, now);
    look_revoked(w);
    if (now >= w->close_all_ms)
        worker_close_all(w);
    if (now >= w->close_all_ms + DIALOGS_END_MS)
        dialogs_abandon(w);
}

void worker_drain_session(struct conn *c)
{
    struct worker *w = c->worker;
    uint64_t now = uv_now(&w->loop);
    uint64_t left = w->drain_end_ms > now ? w->drain_end_ms - now : 0;
    session_drain(c, left == 0 ? now : now + worker_random(w) % left);
}

/* Close times are drawn at random, so the closes spread evenly over the drain time and clients that
 * connect again at once do not come as one wave. */
static void drain_sessions(struct worker *w)
{
    LIST_FOREACH_SAFE (it, &w->by_state[CONN_OPEN]) {
        worker_drain_session(LIST_ENTRY(it, struct conn, in_state));
    }
}

static void drain_connections(struct worker *w)
{
    drain_sessions(w);
    if (atomic_load(&w->shared->handed_over) && !w->is_front)
        return; /* who has come before goes on here: worker_drain_session() when it has got in */
    LIST_FOREACH_SAFE (it, &w->by_state[CONN_SERVING]) {
        grpc_drain(LIST_ENTRY(it, struct conn, in_state));
    }
    LIST_FOREACH_SAFE (it, &w->by_state[CONN_KEEPALIVE]) {
        conn_close(LIST_ENTRY(it, struct conn, in_state), END_DRAIN);
    }
    LIST_FOREACH_SAFE (it, &w->by_state[CONN_PROXY]) {
        conn_close(LIST_ENTRY(it, struct conn, in_state), END_DRAIN);
    }
    LIST_FOREACH_SAFE (it, &w->by_state[CONN_TLS]) {
        conn_close(LIST_ENTRY(it, struct conn, in_state), END_DRAIN);
    }
    LIST_FOREACH_SAFE (it, &w->by_state[CONN_REQUEST]) {
        struct conn *c = LIST_ENTRY(it, struct conn, in_state);
        if (c->http == NULL || !http_started(c->http))
            conn_close(c, END_DRAIN);
    }
}

static void on_drain(struct mail *m)
{
    struct worker *w = LIST_ENTRY(m, struct worker, drain_mail);
    if (w->draining)
        return;
    uv_update_time(&w->loop);
    uint64_t now = uv_now(&w->loop);
    w->draining = true;
    w->drain_end_ms = now + (w->is_front ? 0 : w->shared->drain_spread_ms);
    for (size_t i = 0; i < w->n_listeners; i++)
        listener_fini(&w->listeners[i]);
    drain_connections(w);
    uint64_t left = w->is_front
                        ? DRAIN_GRACE_MS
                        : w->shared->drain_spread_ms + w->shared->cfg->gateway.close_timeout_ms;
    w->close_all_ms = now + left;
    (void) uv_timer_start(&w->drain_end, on_drain_look, least(left, DRAIN_LOOK_MS), DRAIN_LOOK_MS);
    stop_if_done(w);
}

void worker_drain(struct worker *w)
{
    mailbox_post(&w->mailbox, &w->drain_mail);
}

/* --- hand-over --- */

static void on_hold(struct mail *m)
{
    struct worker *w = LIST_ENTRY(m, struct worker, hold_mail);
    bool hold = atomic_load(&w->shared->quiet);
    for (size_t i = 0; i < w->n_listeners && !w->draining; i++) {
        if (hold)
            listener_hold(&w->listeners[i]);
        else
            listener_go_on(&w->listeners[i]);
    }
    atomic_store(&w->holding, false);
    if (hold != atomic_load(&w->shared->quiet))
        worker_hold(w); /* it has changed its mind meanwhile */
}

void worker_hold(struct worker *w)
{
    if (!atomic_exchange(&w->holding, true))
        mailbox_post(&w->mailbox, &w->hold_mail);
}

static void on_shed(struct mail *m)
{
    struct worker *w = LIST_ENTRY(m, struct worker, shed_mail);
    atomic_store_explicit(&w->shedding, false, memory_order_release);
    if (!w->draining)
        shed_connections(w);
}

/* --- init and fini --- */

static void on_dirty(uv_async_t *wake)
{
    group_take_dirty(wake->data);
}

static void on_before_wait(uv_prepare_t *before_wait)
{
    dialogs_publish(before_wait->data);
    log_flush();
}

static int init_handles(struct worker *w)
{
    int r = mailbox_init(&w->mailbox, &w->loop);
    if (r == 0)
        r = wheel_init(&w->wheel, &w->loop, conn_on_deadline);
    if (r == 0)
        r = uv_async_init(&w->loop, &w->dirty_wake, on_dirty);
    if (r == 0)
        r = uv_idle_init(&w->loop, &w->turn);
    if (r == 0)
        r = uv_prepare_init(&w->loop, &w->before_wait);
    if (r == 0)
        r = uv_prepare_start(&w->before_wait, on_before_wait);
    if (r == 0)
        r = uv_timer_init(&w->loop, &w->check);
    if (r == 0)
        r = uv_timer_init(&w->loop, &w->drain_end);
    w->before_wait.data = w->dirty_wake.data = w->turn.data = w->check.data = w->drain_end.data = w;
    return r;
}

/* Twice the room each time: all that were too small are together no longer than the last, so they
 * wait for the end. */
static void grow_groups(struct worker *w, size_t n)
{
    size_t room = w->groups_room == 0 ? n : 2 * n;
    struct group **groups = xcalloc(room + 1, sizeof(struct group *)), **before = w->groups;
    if (w->n_groups > 0)
        memcpy(groups, before, w->n_groups * sizeof(struct group *));
    ASSERT(w->n_former_groups < WORKER_FORMER);
    w->former_groups[w->n_former_groups++] = before;
    w->groups_room = room;
    w->groups = groups;
}

int worker_add_groups(struct worker *w, struct path_table *paths)
{
    size_t n = w->is_front ? 0 : path_table_n_known(paths);
    if (w->groups == NULL || n > w->groups_room)
        grow_groups(w, n);
    for (size_t i = w->n_groups; i < n; i++) {
        int r = group_new(w, path_table_known(paths, i), &w->groups[i]);
        if (r < 0)
            return r;
        w->n_groups = i + 1;
    }
    return 0;
}

int worker_add_group(struct worker *front, struct path *p, struct group **ret)
{
    ASSERT(front->is_front && front->n_groups == 0); /* there is room: see grow_groups() */
    int r = group_new(front, p, &front->groups[0]);
    if (r < 0)
        return r;
    front->n_groups = 1;
    *ret = front->groups[0];
    return 0;
}

static int init_listeners(struct worker *w, const struct worker_sockets *sockets)
{
    int r = 0;
    for (size_t i = 0; i < sockets->n; i++) {
        if (sockets->fds[i] < 0)
            continue;
        if (r < 0) { /* the sockets are ours, also when we fail */
            (void) close(sockets->fds[i]);
            continue;
        }
        r = listener_init(&w->listeners[w->n_listeners++], w, sockets->role, sockets->fds[i]);
    }
    return r;
}

static int init_all_listeners(struct worker *w, const struct worker_sockets *sockets, size_t n)
{
    size_t n_fds = 0;
    int r = 0;
    for (size_t i = 0; i < n; i++)
        n_fds += sockets[i].n;
    w->listeners = xcalloc(n_fds + 1, sizeof(*w->listeners)); /* their handles may not move */
    for (size_t i = 0; r == 0 && i < n; i++)
        r = init_listeners(w, &sockets[i]);
    return r;
}

int worker_init(struct worker *w, struct shared *s, unsigned index,
                const struct worker_sockets *sockets, size_t n_sockets)
{
    w->shared = s;
    w->index = index;
    w->is_front = index >= s->n_workers;
    w->drain_mail.run = on_drain;
    w->shed_mail.run = on_shed;
    w->hold_mail.run = on_hold;
    list_init(&w->active);
    list_init(&w->replaying);
    for (size_t i = 0; i < ARRAY_LEN(w->by_state); i++)
        list_init(&w->by_state[i]);
    route_metrics_init(&w->routes, &s->routes);
    w->ws_pool = ws_pool_new();
    w->tls_buffers = tls_buffers_new();
    int r = uv_loop_init(&w->loop);
    if (r < 0)
        return r;
    r = init_handles(w);
    if (r == 0)
        r = worker_add_groups(w, w->shared->paths);
    if (r == 0)
        r = init_all_listeners(w, sockets, n_sockets);
    return r; /* a half-made worker is never undone: the process ends */
}

void worker_run(struct worker *w)
{
    log_gather(true);
    (void) uv_run(&w->loop, UV_RUN_DEFAULT); /* ends when stop() has closed the last handle */
    log_gather(false);
}

void worker_fini(struct worker *w)
{
    int r = uv_loop_close(&w->loop);
    ASSERT(r == 0); /* UV_EBUSY would mean a handle was forgotten */
    for (size_t i = 0; i < w->n_groups; i++)
        group_free(w->groups[i]);
    free(w->groups);
    for (size_t i = 0; i < w->n_former_groups; i++)
        free(w->former_groups[i]);
    free(w->listeners);
    free(w->slots);
    free(w->free_slots);
    departures_free(w->departures);
    dialogs_free(w);
    ws_pool_free(w->ws_pool);
    sse_text_drop(&w->sse_text);
    for (size_t i = 0; i < LISTENER_N; i++)
        tls_unref(w->tls[i]);
    tls_buffers_free(w->tls_buffers);
    route_metrics_fini(&w->routes);
}
