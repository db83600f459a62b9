/* shed.c - see shed.h. */
#include "shed.h"

#include "log.h"
#include "session.h"
#include "worker.h"

#include <malloc.h>

#define CALM_MS  1000 /* between two looks while three quarters are free, */
#define TENSE_MS 100  /* and when it is not */
#define TRIM_MS  1000
#define SHARE    4  /* of the laggards, one in so many goes at each look, */
#define LEAST    16 /* or so many */

static void tell_workers(struct shared *s)
{
    if (atomic_load_explicit(&s->draining, memory_order_relaxed))
        return; /* they may be gone, and all clients are leaving */
    for (size_t i = 0; i < s->n_workers; i++) {
        struct worker *w = &s->workers[i];
        if (!atomic_exchange_explicit(&w->shedding, true, memory_order_acq_rel))
            mailbox_post(&w->mailbox, &w->shed_mail);
    }
}

static void log_change(enum memory_level was, enum memory_level is, uint64_t used, uint64_t max)
{
    struct log_line l;
    log_open(&l, is > was ? LOG_WARN : LOG_INFO, "memory",
             is > was ? "memory runs out" : "there is memory again");
    log_str(&l, "state", MEMORY_LEVELS[is]);
    log_u64(&l, "used", used);
    log_u64(&l, "max_memory", max);
    log_close(&l);
}

void shed_look(struct shed *s, uint64_t used)
{
    enum memory_level was = shed_level(s), is = memory_level(used, s->max);
    atomic_store_explicit(&s->used, used, memory_order_relaxed);
    atomic_store_explicit(&s->level, (unsigned) is, memory_order_relaxed);
    if (is != was)
        log_change(was, is, used, s->max);
    if (is >= MEMORY_NO_REPLAYS)
        tell_workers(s->shared);
}

/* What has been freed inside the heap goes back to the system only by this: after 1,900
 * half-received messages of 96 KiB, 103 of 190 MB stayed. 0 or a negative error. */
static int trim(struct shed *s, uint64_t now, uint64_t *used)
{
    if (memory_level(*used, s->max) == MEMORY_FINE || now - s->trimmed_ms < TRIM_MS)
        return 0;
    s->trimmed_ms = now;
    (void) malloc_trim(0); /* whether there was any shows next */
    return memory_used(used);
}

static void on_look(uv_timer_t *timer)
{
    struct shed *s = timer->data;
    uint64_t used;
    int r = memory_used(&used);
    if (r == 0)
        r = trim(s, uv_now(timer->loop), &used);
    if (r == 0) /* else the next time: a descriptor can be missing */
        shed_look(s, used);
    bool tense = atomic_load_explicit(&s->used, memory_order_relaxed) > s->max / 4;
    (void) uv_timer_start(timer, on_look, tense ? TENSE_MS : CALM_MS, 0); /* always 0 */
}

int shed_watch(struct shed *s, struct shared *shared, uv_loop_t *loop)
{
    uint64_t used;
    s->shared = shared;
    s->max = shared->cfg->max_memory;
    s->timer.data = s;
    int r = uv_timer_init(loop, &s->timer);
    if (r < 0 || s->max == 0)
        return r;
    r = memory_used(&used); /* what cannot be looked at cannot be kept to */
    return r < 0 ? r : uv_timer_start(&s->timer, on_look, 0, 0);
}

/* Without a limit nothing is given up, and what was is over. */
void shed_configure(struct shed *s, uint64_t max)
{
    if (s->max == max)
        return;
    s->max = max;
    if (max == 0) {
        (void) uv_timer_stop(&s->timer); /* always 0, as the next */
        atomic_store_explicit(&s->level, (unsigned) MEMORY_FINE, memory_order_relaxed);
    } else {
        (void) uv_timer_start(&s->timer, on_look, 0, 0);
    }
}

void shed_unwatch(struct shed *s)
{
    uv_close((uv_handle_t *) &s->timer, NULL);
}

/* --- a worker's part --- */

static void close_replays(struct worker *w)
{
    LIST_FOREACH_SAFE (it, &w->by_state[CONN_OPEN]) {
        struct conn *c = LIST_ENTRY(it, struct conn, in_state);
        if (c->replay != NULL)
            session_refuse(c, REFUSE_SHED);
    }
}

static bool lags(const struct conn *c)
{
    return c->rest != NULL || c->ws != NULL;
}

/* Connections are in the order in which they were opened. */
static void close_laggards(struct worker *w)
{
    size_t n = 0;
    LIST_FOREACH (it, &w->by_state[CONN_OPEN]) {
        n += lags(LIST_ENTRY(it, struct conn, in_state));
    }
    size_t left = n / SHARE > LEAST ? n / SHARE : LEAST;
    LIST_FOREACH_SAFE (it, &w->by_state[CONN_OPEN]) {
        struct conn *c = LIST_ENTRY(it, struct conn, in_state);
        if (left == 0)
            return;
        if (!lags(c))
            continue;
        session_refuse(c, REFUSE_SHED);
        left--;
    }
}

void shed_connections(struct worker *w)
{
    enum memory_level level = shed_level(&w->shared->shed);
    if (level >= MEMORY_NO_REPLAYS)
        close_replays(w);
    if (level >= MEMORY_NO_LAGGARDS)
        close_laggards(w);
}
