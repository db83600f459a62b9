/* replay.c - see replay.h. In the order things happen:
 *   replay_start > ask > (history) on_loaded > replay_next [> replay_unblocked > replay_next ...]
 *   > ask ... > finish */
#include "replay.h"

#include "fanout.h"
#include "mem.h"
#include "session.h"
#include "worker.h"

#include <stdlib.h>

/* Lives until history has answered, also when the connection has gone. */
struct replay {
    struct history_request request;
    struct worker *worker;
    struct conn *c;      /* NULL: gone */
    struct segment *seg; /* being sent; referenced. NULL while history is asked */
    uint64_t next;       /* where to go on after it */
    uint64_t since_ms;   /* it is being sent; loop time */
    struct list in_turn; /* worker->replaying; itself while it waits for something */
    bool asking;
};

static void on_loaded(struct mail *m);

static struct member *member_of(const struct replay *p)
{
    return &p->c->group->members[p->c->member];
}

static void schedule(struct replay *p)
{
    if (list_empty(&p->in_turn))
        list_push(&p->worker->replaying, &p->in_turn);
    fanout_keep_turning(p->worker);
}

static void ask(struct replay *p)
{
    struct group *g = p->c->group;
    p->request = (struct history_request){
        .kind = HISTORY_LOAD,
        .mail.run = on_loaded,
        .path = g->path,
        .cursor = member_of(p)->cursor,
        .upto = pathlog_oldest(g->path->log),
    };
    p->asking = true;
    worker_ask(p->worker, &p->request);
}

/* The rest is in memory: back into the sweep. */
static void finish(struct replay *p)
{
    struct conn *c = p->c;
    c->replay = NULL;
    free(p);
    c->group->members[c->member].blocked = conn_blocked(c);
    fanout_start(c->group);
}

static void go_on(struct replay *p)
{
    if (member_of(p)->cursor >= pathlog_oldest(p->c->group->path->log))
        finish(p);
    else
        ask(p);
}

void replay_start(struct group *g, struct conn *c)
{
    struct replay *p = try_calloc(1, sizeof(*p));
    if (p == NULL) {
        session_refuse(c, REFUSE_SHED);
        return;
    }
    p->worker = g->worker;
    p->c = c;
    list_init(&p->in_turn);
    c->replay = p;
    member_of(p)->blocked = true;
    ask(p);
}

static void take_answer(struct replay *p)
{
    const struct history_request *r = &p->request;
    struct member *m = member_of(p);
    struct conn *c = p->c; /* closing it frees `p` */
    p->seg = r->seg;
    p->next = r->position;
    if (r->err == -EOVERFLOW) {
        session_gap(c, "history_lost", NULL, NULL);
        session_refuse(c, REFUSE_HISTORY);
    } else if (r->err < 0 || (r->seg == NULL && r->position <= m->cursor)) {
        session_refuse(c, REFUSE_HISTORY_FAILED); /* the second would go on for ever */
    } else if (r->seg != NULL) {
        p->since_ms = uv_now(&p->worker->loop);
        schedule(p);
    } else {
        m->cursor = r->position;
        go_on(p);
    }
}

static void on_loaded(struct mail *m)
{
    struct replay *p = LIST_ENTRY(m, struct replay, request.mail);
    struct worker *w = p->worker;
    p->asking = false;
    if (p->c != NULL) {
        take_answer(p);
    } else {
        segment_unref(p->request.seg);
        free(p);
    }
    worker_answered(w);
}

/* At most a turn's bytes, in whole messages. */
static void shorten(struct segment_span *span)
{
    if (span->bytes.len <= REPLAY_TURN_BYTES)
        return;
    struct segment_cut cut;
    segment_cut(span, REPLAY_TURN_BYTES - 1, &cut);
    span->bytes.len = cut.len;
    span->end = cut.end;
    span->n_messages = cut.n_messages;
}

void replay_next(struct worker *w)
{
    struct replay *p = LIST_ENTRY(w->replaying.next, struct replay, in_turn);
    list_remove(&p->in_turn);
    struct conn *c = p->c;
    if (conn_blocked(c))
        return; /* replay_unblocked() */
    struct member *m = member_of(p);
    struct segment_span span;
    segment_read(p->seg, m->cursor, &span);
    if (span.bytes.len == 0) {
        segment_unref(p->seg);
        p->seg = NULL;
        if (m->cursor < p->next)
            m->cursor = p->next;
        go_on(p);
        return;
    }
    shorten(&span);
    struct fanout_sent sent;
    bool all = fanout_send(c->group, m, &span, &sent);
    metrics_add(&w->metrics, M_REPLAYED_MESSAGES, sent.messages);
    metrics_add(&w->metrics, M_REPLAYED_BYTES, sent.bytes);
    if (all)
        schedule(p);
}

void replay_unblocked(struct conn *c)
{
    if (!c->replay->asking)
        schedule(c->replay);
}

void replay_drop(struct conn *c)
{
    struct replay *p = c->replay;
    if (p == NULL)
        return;
    c->replay = NULL;
    p->c = NULL;
    list_remove(&p->in_turn);
    segment_unref(p->seg);
    p->seg = NULL;
    if (p->asking) /* on_loaded() frees it */
        atomic_store_explicit(&p->request.given_up, true, memory_order_relaxed);
    else
        free(p);
}

bool replay_in_the_way(const struct conn *c, uint64_t now, uint64_t most_ms)
{
    const struct replay *p = c->replay;
    return p != NULL && p->seg != NULL && now - p->since_ms > most_ms &&
           history_is_full(p->worker->shared->history);
}
