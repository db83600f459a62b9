/* group.c - see group.h. */
#include "group.h"

#include "clock.h"
#include "conn.h"
#include "departures.h"
#include "fanout.h"
#include "mem.h"
#include "worker.h"

#include <stdlib.h>

int group_new(struct worker *w, struct path *p, struct group **ret)
{
    struct group *g = xcalloc(1, sizeof(*g));
    g->worker = w;
    g->path = p;
    list_init(&g->blocked);
    list_init(&g->in_active);
    int r = pathlog_reader_new(p->log, &g->reader);
    if (r < 0) {
        free(g);
        return r;
    }
    *ret = g;
    return 0;
}

void group_free(struct group *g)
{
    if (g == NULL)
        return;
    ASSERT(g->n == 0 && list_empty(&g->blocked));
    pathlog_reader_free(g->reader);
    free(g->members);
    free(g);
}

static int grow(struct group *g)
{
    if (g->n < g->cap)
        return 0;
    uint32_t cap = g->cap == 0 ? 4 : g->cap * 2;
    struct member *members = try_realloc(g->members, cap * sizeof(*members));
    if (members == NULL)
        return -ENOMEM;
    g->members = members;
    g->cap = cap;
    return 0;
}

static enum segment_form form_of(const struct conn *c)
{
    if (c->sse)
        return FORM_SSE;
    return c->deflate ? FORM_DEFLATED : FORM_PLAIN;
}

int group_join(struct group *g, struct conn *c, uint64_t position)
{
    uint64_t most = g->path->cfg->max_connections;
    int r = grow(g);
    if (r < 0)
        return r;
    if (!caps_enter(&g->path->clients, most == 0 ? UINT64_MAX : most, 1)) {
        caps_leave(&g->path->clients, 1);
        return -EBUSY;
    }
    /* Before the tail is read: either the broker, which adds 0 to this after it appended, sees the
     * member and wakes us, or we come after it and see its tail. */
    atomic_fetch_add_explicit(&g->present, 1, memory_order_acq_rel);
    c->group = g;
    c->member = g->n;
    uint64_t tail = pathlog_tail(g->path->log);
    c->joined = tail;
    g->members[g->n++] = (struct member){
        .cursor = position < tail ? position : tail,
        .conn = c,
        .fd = c->transport->plain ? c->fd : -1,
        .catching = position < tail,
        .form = (uint8_t) form_of(c),
    };
    atomic_fetch_add_explicit(&g->path->form_clients[form_of(c)], 1, memory_order_relaxed);
    return 0;
}

void group_leave(struct group *g, struct conn *c)
{
    struct member *last = &g->members[g->n - 1];
    enum segment_form form = g->members[c->member].form;
    departures_left(&g->worker->departures, c);
    atomic_fetch_sub_explicit(&g->path->form_clients[form], 1, memory_order_relaxed);
    if (last->conn != c) {
        g->members[c->member] = *last;
        last->conn->member = c->member;
        g->again = true; /* it may have moved to where this pass has already been */
    }
    g->n--;
    caps_leave(&g->path->clients, 1);
    atomic_fetch_sub_explicit(&g->present, 1, memory_order_relaxed);
    if (g->at > g->n)
        g->at = g->n;
}

void group_wake(struct group *g)
{
    if (atomic_fetch_add_explicit(&g->present, 0, memory_order_acq_rel) == 0)
        return;
    if (atomic_exchange_explicit(&g->dirty, true, memory_order_acq_rel))
        return;
    struct worker *w = g->worker;
    g->dirty_us = clock_mono_us();
    struct group *head = atomic_load_explicit(&w->dirty, memory_order_relaxed);
    do
        g->next_dirty = head;
    while (!atomic_compare_exchange_weak_explicit(&w->dirty, &head, g, memory_order_release,
                                                  memory_order_relaxed));
    if (head == NULL) /* else somebody has sent the wake and it has not been taken */
        (void) uv_async_send(&w->dirty_wake); /* fails only for a closing handle */
}

static void wake_workers(void *ctx, struct path *p)
{
    struct shared *s = ctx;
    for (size_t i = 0; i < s->n_workers; i++)
        group_wake(worker_group(&s->workers[i], p->index));
}

static uint64_t count_present(void *ctx, const struct path *p)
{
    const struct shared *s = ctx;
    uint64_t n = 0;
    for (size_t i = 0; i < s->n_workers; i++)
        n += atomic_load_explicit(&worker_group(&s->workers[i], p->index)->present,
                                  memory_order_relaxed);
    return n;
}

void group_watch(struct shared *s, struct path *p)
{
    p->wake = wake_workers;
    p->wake_ctx = s;
    p->present = count_present;
}

void group_take_dirty(struct worker *w)
{
    struct group *g = atomic_exchange_explicit(&w->dirty, NULL, memory_order_acquire);
    while (g != NULL) {
        struct group *next = g->next_dirty;
        if (g->pending_us == 0)
            g->pending_us = g->dirty_us;
        /* before the sweep reads the tail, so that what is appended later wakes us again */
        atomic_exchange_explicit(&g->dirty, false, memory_order_acq_rel);
        fanout_start(g);
        g = next;
    }
}
