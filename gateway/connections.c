/* connections.c - see connections.h. In the order things happen:
 *   connections_ask > (the worker's thread) on_asked > (front's thread) on_answered > done */
#include "connections.h"

#include "dialog.h"
#include "gate.h"
#include "outcomes.h"
#include "session.h"
#include "sse_form.h"

#include <arpa/inet.h>
#include <stdio.h>

/* --- on the worker's thread --- */

static uint64_t wall_of(const struct conn *c, uint64_t loop_ms)
{
    return c->opened_wall_ms + (loop_ms - c->opened_ms);
}

/* Counting is a step per segment: a reader's window is a few of them. */
static void measure_lag(struct conn *c, struct connection_info *ret)
{
    struct group *g = c->group;
    uint64_t cursor = g->members[c->member].cursor, tail = pathlog_tail(g->path->log), since;
    uint64_t now = uv_now(&c->worker->loop);
    struct segment_span span;
    if (cursor >= tail)
        return;
    ret->lag_bytes = tail - cursor;
    pathlog_enter(g->reader);
    if (pathlog_appended_ms(g->reader, cursor, &since) == 0 && since < now)
        ret->lag_ms = now - since;
    while (pathlog_read(g->reader, cursor, &span) == 0 && span.bytes.len > 0 && span.start < tail) {
        ret->lag_messages += span.n_messages;
        cursor = span.start + span.bytes.len;
    }
    pathlog_leave(g->reader);
}

static void describe(struct conn *c, struct connection_info *ret)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(&c->peer);
    uint64_t cursor = c->group->members[c->member].cursor;
    *ret = (struct connection_info){.path = c->group->path->name,
                                    .port = c->peer_port,
                                    .connected_ms = c->opened_wall_ms,
                                    .v1 = c->v1,
                                    .deflate = c->deflate,
                                    .sse = c->sse};
    conn_id(c, ret->id);
    if (inet_ntop(v4 ? AF_INET : AF_INET6,
                  v4 ? (const void *) &c->peer.s6_addr[12] : (const void *) &c->peer, ret->address,
                  sizeof(ret->address)) == NULL)
        ret->address[0] = '\0';
    if (c->user_agent != NULL)
        (void) snprintf(ret->user_agent, sizeof(ret->user_agent), "%s", c->user_agent);
    if (cursor != c->idle_cursor) { /* was sent something since somebody looked */
        c->idle_cursor = cursor;
        c->active_ms = uv_now(&c->worker->loop);
    }
    ret->active_ms = wall_of(c, c->active_ms);
    measure_lag(c, ret);
}

static int send_message(struct conn *c, const struct connections_ask *ask)
{
    const struct config_path *path = c->group->path->cfg;
    if (ask->data.len > path->max_message_bytes)
        return -EMSGSIZE;
    if (c->sse && ask->opcode != FRAME_TEXT)
        return -EPROTOTYPE;
    struct buf bytes;
    buf_init(&bytes, SIZE_MAX / 2);
    int r = c->sse ? sse_form_event(&bytes, NULL, ask->data)
                   : frame_message(&bytes, ask->opcode, ask->data, path->max_frame_bytes);
    if (r == 0 && !conn_has_room(c, bytes.len))
        r = -ENOBUFS;
    if (r == 0) {
        c->active_ms = uv_now(&c->worker->loop);
        metrics_add(&c->worker->metrics, M_API_SENT, 1);
        if (c->routed)
            route_metrics_message(&c->worker->routes, c->group->path->name, ROUTE_OUTCOMING,
                                  ask->opcode == FRAME_BINARY, ask->data.len);
        conn_send(c, buf_slice(&bytes));
        r = c->state == CONN_OPEN ? 0 : -ENOENT;
    }
    buf_fini(&bytes);
    return r;
}

/* In the order of slots: a connection keeps its own, so that paging neither skips nor repeats one
 * that stays, whoever comes and goes. Some at a time: broadcasts wait meanwhile. */
static void list(struct worker *w, struct connections_ask *ask)
{
    uint32_t slot = ask->from;
    size_t most = ask->most < CONNECTIONS_AT_ONCE ? ask->most : CONNECTIONS_AT_ONCE;
    for (uint32_t looked = 0; slot < w->n_slots && looked < CONNECTIONS_LOOK && ask->n < most;
         slot++, looked++) {
        struct conn *c = w->slots[slot];
        if (c != NULL && c->state == CONN_OPEN &&
            (ask->path == NULL || c->group->path->name == ask->path))
            describe(c, &ask->at[ask->n++]);
    }
    ask->next = slot < w->n_slots ? slot : 0;
}

/* --- the first in an order: a heap with the last of them on top --- */

static bool is_before(const struct connection_info *a, const struct connection_info *b,
                      enum connections_order order)
{
    if (order == CONNECTIONS_BY_LAG && a->lag_bytes != b->lag_bytes)
        return a->lag_bytes > b->lag_bytes;
    return a->connected_ms < b->connected_ms;
}

static void swap(struct connection_info *a, struct connection_info *b)
{
    struct connection_info was = *a;
    *a = *b;
    *b = was;
}

static void sift_up(struct connections_ask *ask, size_t i)
{
    for (size_t up; i > 0 && is_before(&ask->at[up = (i - 1) / 2], &ask->at[i], ask->order); i = up)
        swap(&ask->at[up], &ask->at[i]);
}

static void sift_down(struct connections_ask *ask, size_t n)
{
    for (size_t i = 0, last; (last = 2 * i + 1) < n; i = last) {
        if (last + 1 < n && is_before(&ask->at[last], &ask->at[last + 1], ask->order))
            last++;
        if (!is_before(&ask->at[i], &ask->at[last], ask->order))
            return;
        swap(&ask->at[i], &ask->at[last]);
    }
}

/* What it is compared by; describing it all costs much more. */
static struct connection_info key_of(const struct conn *c)
{
    uint64_t cursor = c->group->members[c->member].cursor, tail = pathlog_tail(c->group->path->log);
    return (struct connection_info){.connected_ms = c->opened_wall_ms,
                                    .lag_bytes = tail > cursor ? tail - cursor : 0};
}

/* Whether it was described. */
static bool rank_one(struct connections_ask *ask, struct conn *c)
{
    const struct connection_info key = key_of(c);
    if (ask->n == ask->most && !is_before(&key, &ask->at[0], ask->order))
        return false;
    if (ask->n < ask->most) {
        describe(c, &ask->at[ask->n++]);
        sift_up(ask, ask->n - 1);
    } else {
        describe(c, &ask->at[0]);
        sift_down(ask, ask->n);
    }
    return true;
}

static void rank(struct worker *w, struct connections_ask *ask)
{
    uint32_t slot = ask->from;
    size_t described = 0;
    for (uint32_t looked = 0;
         slot < w->n_slots && looked < CONNECTIONS_LOOK && described < CONNECTIONS_AT_ONCE;
         slot++, looked++) {
        struct conn *c = w->slots[slot];
        if (c != NULL && c->state == CONN_OPEN &&
            (ask->path == NULL || c->group->path->name == ask->path))
            described += rank_one(ask, c);
    }
    ask->next = slot < w->n_slots ? slot : 0;
}

void connections_ranked(struct connections_ask *ask)
{
    for (size_t n = ask->n; n > 1; n--) {
        swap(&ask->at[0], &ask->at[n - 1]);
        sift_down(ask, n - 1);
    }
}

static void close_revoked(struct worker *w, struct connections_ask *ask)
{
    uint32_t slot = ask->from;
    for (uint32_t looked = 0; slot < w->n_slots && looked < CONNECTIONS_LOOK; slot++, looked++) {
        struct conn *c = w->slots[slot];
        if (c == NULL || c->state != CONN_OPEN || c->pass == NULL ||
            !gate_revoked(w->shared->gate, c->pass))
            continue;
        session_refuse(c, REFUSE_TOKEN_REVOKED);
        ask->n++;
    }
    ask->next = slot < w->n_slots ? slot : 0;
}

static void follow(struct worker *w, struct connections_ask *ask)
{
    uint32_t slot = ask->from;
    if (slot == 0)
        dialogs_follow(w);
    for (uint32_t looked = 0; slot < w->n_slots && looked < CONNECTIONS_LOOK; slot++, looked++) {
        struct conn *c = w->slots[slot];
        if (c != NULL && c->state == CONN_OPEN)
            session_follow(c);
    }
    ask->next = slot < w->n_slots ? slot : 0;
}

static int act(struct worker *w, struct connections_ask *ask)
{
    if (ask->kind == CONNECTIONS_FOLLOW) {
        follow(w, ask);
        return 0;
    }
    if (ask->kind == CONNECTIONS_REVOKED) {
        close_revoked(w, ask);
        return 0;
    }
    if (ask->kind == CONNECTIONS_LIST) {
        list(w, ask);
        return 0;
    }
    if (ask->kind == CONNECTIONS_RANK) {
        rank(w, ask);
        return 0;
    }
    if (ask->kind == CONNECTIONS_OUTCOMES) {
        outcomes_collect(w, ask);
        return 0;
    }
    struct conn *c = conn_find(w, slice_str(ask->id));
    if (c == NULL)
        return -ENOENT;
    if (ask->kind == CONNECTIONS_GET)
        describe(c, ask->at);
    else if (ask->kind == CONNECTIONS_SEND)
        return send_message(c, ask);
    else
        session_close(c, END_API, 1000, "");
    return 0;
}

static void on_answered(struct mail *m)
{
    struct connections_ask *ask = LIST_ENTRY(m, struct connections_ask, mail);
    struct worker *front = ask->shared->front;
    ask->done(ask);
    worker_answered(front);
}

static void on_asked(struct mail *m)
{
    struct connections_ask *ask = LIST_ENTRY(m, struct connections_ask, mail);
    ask->err = act(ask->asked, ask);
    ask->mail.run = on_answered;
    mailbox_post(&ask->shared->front->mailbox, &ask->mail);
}

/* --- on the front's --- */

void connections_ask(struct shared *s, struct connections_ask *ask)
{
    unsigned index = ask->worker;
    ask->shared = s;
    if (ask->kind != CONNECTIONS_RANK)
        ask->n = 0;
    ask->next = 0;
    ask->err = 0;
    bool all = ask->kind != CONNECTIONS_GET && ask->kind != CONNECTIONS_SEND &&
               ask->kind != CONNECTIONS_DISCONNECT;
    bool known = all || conn_id_worker(slice_str(ask->id), &index);
    if (!known || index >= s->n_workers)
        ask->err = -ENOENT;
    else if (atomic_load(&s->draining)) /* set on this thread before a worker is told to end: so
                                           what was posted before finds its mailbox open */
        ask->err = -EAGAIN;
    if (ask->err < 0) {
        ask->done(ask);
        return;
    }
    ask->asked = &s->workers[index];
    ask->mail.run = on_asked;
    s->front->n_asked++;
    mailbox_post(&ask->asked->mailbox, &ask->mail);
}
