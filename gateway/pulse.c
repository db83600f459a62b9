/* pulse.c - see pulse.h. */
#include "pulse.h"

#include "log.h"
#include "pipeline.h"

static bool hangs(const char *thread, size_t index)
{
    struct log_line l;
    log_open(&l, LOG_ERROR, "main", "a thread does not come round: no sign of life is given");
    log_str(&l, "thread", thread);
    log_u64(&l, "index", index);
    log_close(&l);
    return true;
}

static bool worker_hangs(const struct pulse *p)
{
    bool any = false;
    for (size_t i = 0; i < p->shared->n_workers; i++)
        if (watchdog_overdue_ms(p->watchdog, i) > p->period_ms)
            any = hangs("worker", i);
    return any;
}

static bool engine_hangs(const struct pulse *p)
{
    struct engine_stats stats = {0};
    pipeline_stats(p->shared->pipeline, &stats);
    return stats.overdue_ms > p->period_ms && hangs("journal", 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct pulse *p = timer->data;
    if (!p->ending) {
        bool worker = worker_hangs(p), engine = engine_hangs(p);
        if (worker || engine)
            return;
    }
    supervisor_alive(p->supervisor);
}

int pulse_start(struct pulse *p, const struct supervisor *supervisor,
                const struct watchdog *watchdog, struct shared *s)
{
    *p = (struct pulse){.supervisor = supervisor,
                        .watchdog = watchdog,
                        .shared = s,
                        .period_ms = supervisor->watchdog_ms / 2};
    p->timer.data = p;
    int r = uv_timer_init(&s->front->loop, &p->timer);
    if (r == 0 && p->period_ms > 0)
        r = uv_timer_start(&p->timer, on_timer, 0, p->period_ms);
    return r;
}

void pulse_ending(struct pulse *p)
{
    p->ending = true;
}

void pulse_close(struct pulse *p)
{
    uv_close((uv_handle_t *) &p->timer, NULL);
}
