/* watchdog.c - see watchdog.h. */
#include "watchdog.h"

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "stack.h"
#include "thread.h"

#include <stdlib.h>
#include <unistd.h>

#define TICK_NS ((uint64_t) WATCHDOG_TICK_MS * 1000000)
#define LAST_S  10 /* the way to the end may need a lock that the stuck thread has */

struct watchdog_probe {
    struct mail mail;
    struct worker *worker;
    uv_thread_t thread;
    uint64_t posted_us;
    _Atomic bool under_way;
    _Atomic uint64_t ticks; /* since it is */
};

static void on_probe(struct mail *m) /* the loop's thread */
{
    struct watchdog_probe *p = LIST_ENTRY(m, struct watchdog_probe, mail);
    metrics_observe(&p->worker->metrics, p->worker->is_front ? H_LAG_FRONT : H_LAG_WORKER,
                    clock_mono_us() - p->posted_us);
    atomic_store(&p->under_way, false);
}

static size_t n_probes(const struct watchdog *w)
{
    return w->shared->n_workers + 1;
}

/* --- the end --- */

static void give_up(const struct watchdog_probe *p)
{
    char text[STACK_TEXT];
    struct log_line l;
    (void) alarm(LAST_S);
    stack_of_thread(p->thread, text);
    log_open(&l, LOG_ERROR, "watchdog", "a thread does not come round: ending");
    log_str(&l, "thread", p->worker->is_front ? "front" : "worker");
    log_u64(&l, "index", p->worker->index);
    log_u64(&l, "seconds", atomic_load(&p->ticks) * WATCHDOG_TICK_MS / 1000);
    log_str(&l, "version", REGCAST_VERSION);
    log_str(&l, "stack", text);
    log_close(&l);
    abort();
}

/* --- the watch --- */

static void look_at(const struct watchdog *w, struct watchdog_probe *p)
{
    if (!atomic_load(&p->under_way)) {
        atomic_store(&p->ticks, 0);
        atomic_store(&p->under_way, true);
        p->posted_us = clock_mono_us();
        mailbox_post(&p->worker->mailbox, &p->mail);
        return;
    }
    if ((atomic_fetch_add(&p->ticks, 1) + 1) * WATCHDOG_TICK_MS >= w->timeout_ms)
        give_up(p);
}

static void run(void *arg)
{
    struct watchdog *w = arg;
    thread_name("watchdog");
    uv_mutex_lock(&w->lock);
    while (!w->ending) {
        for (size_t i = 0; i < n_probes(w); i++)
            look_at(w, &w->probes[i]);
        uint64_t until = uv_hrtime() + TICK_NS; /* it may wake up for nothing */
        for (uint64_t now = uv_hrtime(); now < until && !w->ending; now = uv_hrtime())
            (void) uv_cond_timedwait(&w->ending_told, &w->lock, until - now);
    }
    uv_mutex_unlock(&w->lock);
}

/* --- life --- */

static void make_probes(struct watchdog *w)
{
    struct shared *s = w->shared;
    w->probes = xcalloc(n_probes(w), sizeof(*w->probes));
    for (size_t i = 0; i < n_probes(w); i++) {
        struct worker *worker = i < s->n_workers ? &s->workers[i] : s->front;
        w->probes[i].mail.run = on_probe;
        w->probes[i].worker = worker;
        w->probes[i].thread = i < s->n_workers ? worker->thread : uv_thread_self();
    }
}

int watchdog_start(struct watchdog *w, struct shared *s)
{
    *w = (struct watchdog){.shared = s, .timeout_ms = s->cfg->watchdog_timeout_ms};
    int r = stack_init();
    if (r == 0)
        r = uv_mutex_init(&w->lock);
    if (r == 0)
        r = uv_cond_init(&w->ending_told);
    if (r < 0)
        return r;
    make_probes(w);
    r = uv_thread_create(&w->thread, run, w);
    w->running = r == 0;
    return r;
}

void watchdog_stop(struct watchdog *w)
{
    if (!w->running)
        return;
    uv_mutex_lock(&w->lock);
    w->ending = true;
    uv_cond_signal(&w->ending_told);
    uv_mutex_unlock(&w->lock);
    (void) uv_thread_join(&w->thread);
    w->running = false;
}

void watchdog_free(struct watchdog *w)
{
    if (w->probes == NULL)
        return;
    uv_cond_destroy(&w->ending_told);
    uv_mutex_destroy(&w->lock);
    free(w->probes);
}

uint64_t watchdog_overdue_ms(const struct watchdog *w, size_t worker)
{
    const struct watchdog_probe *p = &w->probes[worker];
    return atomic_load(&p->under_way) ? atomic_load(&p->ticks) * WATCHDOG_TICK_MS : 0;
}
