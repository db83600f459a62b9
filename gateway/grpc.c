/* grpc.c - see grpc.h. In the order things happen:
 *   grpc_received > h2_receive > GRPC_CALLS (grpc_call.c) ... flush > conn_send
 * h2 is told everything and asked for what to send; it never sees the connection. */
#include "grpc.h"

#include "grpc_private.h"
#include "mem.h"
#include "request.h"
#include "worker.h"

#include <stdlib.h>

#define LINGER_MS 1000 /* for the peer to read our last frames */
#define LOOK_MS   1000 /* how often streams are looked at for what time does */

static uint64_t now_of(const struct conn *c)
{
    return uv_now(&c->worker->loop);
}

/* --- what it holds of answers --- */

static void count_answers(struct grpc_session *g, size_t waiting)
{
    struct caps *caps = &g->c->worker->shared->caps[LISTENER_GRPC];
    caps_leave(&caps->answer_bytes, g->counted);
    g->counted = waiting;
    (void) caps_enter(&caps->answer_bytes, UINT64_MAX, waiting); /* who adds to it has looked */
}

void grpc_session_count(struct grpc_session *g)
{
    count_answers(g, h2_waiting(g->h2));
}

/* --- the end --- */

void grpc_drop(struct conn *c)
{
    struct grpc_session *g = c->grpc;
    if (g == NULL)
        return;
    c->grpc = NULL;
    g->busy = true; /* nothing leaves any more */
    h2_free(g->h2); /* ends the calls */
    ASSERT(list_empty(&g->calls));
    count_answers(g, 0);
    free(g);
}

/* --- sending --- */

/* False: the connection has ended. */
static bool send_all(struct conn *c)
{
    while (!conn_blocked(c)) {
        struct slice out;
        c->grpc->busy = true;
        int r = h2_take(c->grpc->h2, &out);
        c->grpc->busy = false;
        if (r < 0) {
            conn_reset(c, END_LOST);
            return false;
        }
        if (out.len == 0)
            return true;
        conn_send(c, out);
        if (c->grpc == NULL)
            return false;
    }
    conn_pause(c); /* who does not read is not read from: what he asks for would only pile up */
    return true;
}

void grpc_session_flush(struct grpc_session *g)
{
    struct conn *c = g->c;
    if (g->busy || !send_all(c))
        return;
    grpc_session_count(g);
    enum refuse why = h2_refusal(g->h2);
    if (why != REFUSE_NONE) {
        conn_log_refusal(c, why);
        conn_linger(c, END_REFUSED, LINGER_MS);
    } else if (h2_is_over(g->h2)) {
        conn_linger(c, END_DONE, LINGER_MS);
    }
}

void grpc_writable(struct conn *c)
{
    if (c->grpc == NULL)
        return;
    grpc_session_flush(c->grpc);
    if (c->grpc != NULL && !conn_blocked(c))
        conn_resume(c);
}

/* --- receiving --- */

/* NULL: there is no memory. */
static struct grpc_session *session_new(struct conn *c)
{
    struct grpc_session *g = try_calloc(1, sizeof(*g));
    if (g == NULL)
        return NULL;
    g->c = c;
    g->idle_ms = g->look_ms = g->heard_ms = now_of(c);
    list_init(&g->calls);
    g->h2 = h2_new(&GRPC_CALLS, g, now_of(c));
    if (g->h2 == NULL) {
        free(g);
        return NULL;
    }
    return g;
}

void grpc_received(struct conn *c, struct slice in)
{
    if (c->grpc == NULL)
        c->grpc = session_new(c);
    if (c->grpc == NULL) {
        request_refuse(c, REFUSE_MEMORY, NULL);
        return;
    }
    struct grpc_session *g = c->grpc;
    g->busy = true;
    g->heard_ms = now_of(c);
    int r = h2_receive(g->h2, in, now_of(c));
    (void) r; /* flushing sees to what is refused */
    if (c->state == CONN_REQUEST && h2_started(g->h2))
        conn_set_state(c, CONN_SERVING);
    if (c->state == CONN_SERVING)
        conn_due(c, grpc_deadline(c));
    g->busy = false;
    grpc_session_flush(g);
}

/* --- time --- */

uint64_t grpc_deadline(const struct conn *c)
{
    const struct grpc_session *g = c->grpc;
    if (h2_open_streams(g->h2) == 0 && !conn_blocked(c) && !g->draining)
        return g->idle_ms + c->worker->shared->cfg->management.keepalive_timeout_ms;
    uint64_t due = grpc_call_due(g), look = g->look_ms + LOOK_MS;
    return due < look ? due : look;
}

static void look_around(struct grpc_session *g, uint64_t now_ms)
{
    g->busy = true;
    g->look_ms = now_ms;
    grpc_call_tick(g, now_ms);
    int r = h2_tick(g->h2, now_ms);
    (void) r; /* as above */
    g->busy = false;
    grpc_session_flush(g);
}

static void drain(struct grpc_session *g)
{
    g->draining = true;
    h2_drain(g->h2);
}

/* False: a peer that waits for answers has long said nothing, not even to a ping. */
static bool is_there(struct grpc_session *g, uint64_t now_ms)
{
    uint64_t patience = g->c->worker->shared->cfg->management.keepalive_timeout_ms;
    if (h2_open_streams(g->h2) == 0 || now_ms - g->heard_ms < patience)
        return true;
    if (g->asked_ms > g->heard_ms)
        return now_ms - g->asked_ms < patience;
    g->asked_ms = now_ms;
    h2_ping(g->h2);
    return true;
}

void grpc_on_deadline(struct conn *c, uint64_t now_ms)
{
    struct grpc_session *g = c->grpc;
    if (conn_blocked(c) && now_ms - c->rest->since_ms >= H2_STALL_MS) {
        request_refuse(c, REFUSE_WRITE_STALL, NULL);
        return;
    }
    if (!conn_blocked(c) && !is_there(g, now_ms)) { /* else it is not read from */
        conn_reset(c, END_PONG);
        return;
    }
    if (h2_open_streams(g->h2) == 0 && now_ms >= grpc_deadline(c))
        drain(g); /* it has been idle; calls that cross this on their way are served */
    look_around(g, now_ms);
}

void grpc_drain(struct conn *c)
{
    drain(c->grpc);
    look_around(c->grpc, now_of(c));
    if (c->state == CONN_SERVING)
        conn_due(c, grpc_deadline(c));
}
