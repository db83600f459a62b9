/* path_feed.c - who follows a path, from when on it is current, and when nobody does any more. */
#include "cluster/path_feed_private.h"

#include "clock.h"
#include "mem.h"

#include <stdlib.h>

#define TICK_MS   250
#define LINGER_MS 30000 /* followed with nobody on it */

struct feed_waiter {
    struct list in_path, in_feed;
    struct feed_path *path;
    uint64_t round, due_ms; /* told when that round has ended */
    void (*done)(void *arg, int err);
    void *arg;
};

struct feed_ticket { /* what was given to the port before is settled when it comes back */
    struct list in_feed;
    struct feed_path *path; /* NULL: the feed is gone */
    uint64_t round;
    bool resume;
};

/* --- state --- */

static void count_state(struct path_feed *f, enum feed_state state, int by)
{
    if (state != FEED_IDLE)
        f->stats.followed += (uint64_t) by;
    if (state == FEED_QUEUED || state == FEED_FAILED)
        f->stats.queued += (uint64_t) by;
    if (state == FEED_ASKING || state == FEED_READING)
        f->stats.reading += (uint64_t) by;
}

void feed_path_set_state(struct feed_path *p, enum feed_state next)
{
    struct path_feed *f = p->feed;
    count_state(f, p->state, -1);
    count_state(f, next, 1);
    p->state = next;
    if (next == FEED_IDLE)
        list_remove(&p->in_state);
    else
        list_move(&f->by_state[next], &p->in_state);
}

/* Who has seen that the path was current before it was not any more is counted by now, or is
 * counted as arriving: see path.h. */
bool feed_path_wanted(const struct feed_path *p)
{
    return atomic_load(&p->path->arrivals) > 0 || atomic_load(&p->path->clients) > 0 ||
           !list_empty(&p->waiters);
}

/* --- waiting --- */

static void tell(struct feed_waiter *w, int err)
{
    list_remove(&w->in_path);
    list_remove(&w->in_feed);
    w->done(w->arg, err);
    free(w);
}

/* Telling one may bring others, behind it. */
static void tell_round(struct feed_path *p, uint64_t round)
{
    LIST_FOREACH_SAFE (it, &p->waiters) {
        struct feed_waiter *w = LIST_ENTRY(it, struct feed_waiter, in_path);
        if (w->round > round)
            break;
        tell(w, 0);
    }
}

static void on_settled(void *arg)
{
    struct feed_ticket *t = arg;
    struct feed_path *p = t->path;
    uint64_t round = t->round;
    bool resume = t->resume;
    list_remove(&t->in_feed);
    free(t);
    if (p == NULL)
        return;
    p->tickets--;
    if (resume && p->paused) {
        p->paused = false;
        p->unsettled = 0;
        consumer_resume(p->consumer);
    }
    if (round == 0)
        return;
    atomic_store(&p->path->current, true);
    tell_round(p, round);
}

static void settle(struct feed_path *p, uint64_t round, bool resume)
{
    struct path_feed *f = p->feed;
    struct feed_ticket *t = xcalloc(1, sizeof(*t));
    *t = (struct feed_ticket){.path = p, .round = round, .resume = resume};
    list_init(&t->in_feed);
    list_push(&f->tickets, &t->in_feed);
    p->tickets++;
    f->port.settle(f->port.ctx, on_settled, t);
}

void feed_pause(struct feed_path *p)
{
    p->paused = true;
    consumer_pause(p->consumer);
    settle(p, 0, true);
}

void feed_round_done(struct feed_path *p)
{
    if (!list_empty(&p->waiters)) {
        const struct feed_waiter *last = LIST_ENTRY(p->waiters.prev, struct feed_waiter, in_path);
        p->again = p->again || last->round > p->round;
    }
    settle(p, p->round, false);
}

/* --- following --- */

static struct feed_path *path_get(struct path_feed *f, struct path *path)
{
    size_t n = path->index + 1;
    if (n > f->n_known) {
        f->known = xrealloc(f->known, n * sizeof(struct feed_path *));
        while (f->n_known < n)
            f->known[f->n_known++] = NULL;
    }
    if (f->known[path->index] != NULL)
        return f->known[path->index];
    struct feed_path *p = xcalloc(1, sizeof(*p));
    *p = (struct feed_path){.feed = f, .path = path, .fresh = true};
    list_init(&p->in_state);
    list_init(&p->held);
    list_init(&p->waiters);
    f->known[path->index] = p;
    return p;
}

static void on_tick(uv_timer_t *timer);

static void keep_ticking(struct path_feed *f)
{
    if (f->ticking)
        return;
    f->ticking = true;
    (void) uv_timer_start(&f->tick, on_tick, TICK_MS, TICK_MS); /* always 0 */
}

/* Subscribed first, so that nothing falls between what is read and what comes. */
static void subscribe(struct feed_path *p)
{
    struct path_feed *f = p->feed;
    char subject[CLUSTER_SUBJECT_SIZE];
    cluster_path_subject(f->cluster, subject, "cast", p->path->name);
    p->sub = nats_subscribe(f->cluster->nats, subject, feed_on_live, p);
    p->idle_ms = 0;
    keep_ticking(f);
}

void path_feed_follow(struct path_feed *f, struct path *path, void (*done)(void *arg, int err),
                      void *arg)
{
    struct feed_path *p = path_get(f, path);
    struct feed_waiter *w = xcalloc(1, sizeof(*w));
    *w = (struct feed_waiter){.path = p,
                              .round = p->round + 1, /* one that runs may have asked before */
                              .due_ms = clock_mono_ms() + FEED_FOLLOW_MS,
                              .done = done,
                              .arg = arg};
    list_init(&w->in_path);
    list_init(&w->in_feed);
    list_push(&p->waiters, &w->in_path);
    list_push(&f->waiters, &w->in_feed);
    if (p->state == FEED_IDLE)
        subscribe(p);
    feed_want_round(p);
}

static void unfollow(struct feed_path *p)
{
    nats_unsubscribe(p->sub);
    p->sub = NULL;
    feed_check_forget(p->feed, p);
    feed_drop_held(p);
    feed_path_set_state(p, FEED_IDLE);
}

/* --- from time to time --- */

static void tell_late(struct path_feed *f, uint64_t now_ms)
{
    LIST_FOREACH_SAFE (it, &f->waiters) {
        struct feed_waiter *w = LIST_ENTRY(it, struct feed_waiter, in_feed);
        if (w->due_ms > now_ms)
            break;
        tell(w, -ETIMEDOUT);
    }
}

static void retry(struct path_feed *f)
{
    LIST_FOREACH_SAFE (it, &f->by_state[FEED_FAILED]) {
        feed_path_set_state(LIST_ENTRY(it, struct feed_path, in_state), FEED_QUEUED);
    }
    feed_start_rounds(f);
}

static void unfollow_if_idle(struct feed_path *p, uint64_t now_ms)
{
    if (feed_path_wanted(p) || p->tickets > 0) {
        p->idle_ms = 0;
        return;
    }
    if (p->idle_ms == 0)
        p->idle_ms = now_ms;
    if (now_ms - p->idle_ms < LINGER_MS)
        return;
    bool was = atomic_exchange(&p->path->current, false);
    if (feed_path_wanted(p)) { /* just now */
        atomic_store(&p->path->current, was);
        p->idle_ms = 0;
        return;
    }
    unfollow(p);
}

void feed_unfollow_idle(struct path_feed *f, uint64_t now_ms)
{
    LIST_FOREACH_SAFE (it, &f->by_state[FEED_LIVE]) {
        unfollow_if_idle(LIST_ENTRY(it, struct feed_path, in_state), now_ms);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct path_feed *f = timer->data;
    uint64_t now_ms = clock_mono_ms();
    tell_late(f, now_ms);
    retry(f);
    feed_check_tick(f, now_ms);
    if (f->stats.followed > 0 || !list_empty(&f->waiters))
        return;
    (void) uv_timer_stop(&f->tick);
    f->ticking = false;
}

void path_feed_regressed(struct path_feed *f)
{
    f->old_created_ns = f->created_ns;
    f->last_seq = 0;
    feed_check_anew(f);
    for (size_t i = 0; i < f->n_known; i++) {
        struct feed_path *p = f->known[i];
        if (p == NULL)
            continue;
        p->moved = true;
        if (p->state == FEED_READING) {
            feed_stop_reading(p);
            feed_path_set_state(p, FEED_QUEUED);
        }
        if (p->state != FEED_IDLE)
            feed_want_round(p);
    }
    feed_start_rounds(f);
}

/* --- making --- */

void path_feed_add_path(struct path_feed *f, struct path *path)
{
    (void) f;
    atomic_store(&path->current, false);
}

struct path_feed *path_feed_new(struct cluster *c, struct path_table *paths,
                                const struct path_feed_port *port)
{
    struct path_feed *f = xcalloc(1, sizeof(*f));
    f->cluster = c;
    f->port = *port;
    cluster_name(c, f->stream, "BAT");
    for (size_t i = 0; i < ARRAY_LEN(f->by_state); i++)
        list_init(&f->by_state[i]);
    list_init(&f->waiters);
    list_init(&f->tickets);
    for (size_t i = 0; i < path_table_n_known(paths); i++)
        path_feed_add_path(f, path_table_known(paths, i));
    return f;
}

void path_feed_start(struct path_feed *f)
{
    f->tick.data = f;
    (void) uv_timer_init(f->cluster->loop, &f->tick); /* always 0 */
    f->started = true;
}

static void free_path(struct feed_path *p)
{
    if (p == NULL)
        return;
    nats_unsubscribe(p->sub);
    feed_stop_reading(p);
    feed_drop_held(p);
    feed_order_fini(&p->order);
}

static void free_all(struct path_feed *f)
{
    for (size_t i = 0; i < f->n_known; i++)
        free(f->known[i]);
    free(f->known);
    feed_check_free(f);
    free(f);
}

static void on_closed(uv_handle_t *tick)
{
    free_all(tick->data);
}

void path_feed_free(struct path_feed *f)
{
    if (f == NULL)
        return;
    feed_check_stop(f);
    LIST_FOREACH_SAFE (it, &f->waiters) {
        tell(LIST_ENTRY(it, struct feed_waiter, in_feed), -EAGAIN);
    }
    LIST_FOREACH_SAFE (it, &f->tickets) {
        struct feed_ticket *t = LIST_ENTRY(it, struct feed_ticket, in_feed);
        t->path = NULL;
        list_remove(&t->in_feed);
    }
    for (size_t i = 0; i < f->n_known; i++)
        free_path(f->known[i]);
    if (f->started)
        uv_close((uv_handle_t *) &f->tick, on_closed);
    else
        free_all(f);
}

void path_feed_stats(const struct path_feed *f, struct path_feed_stats *ret)
{
    *ret = f->stats;
}
