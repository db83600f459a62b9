/* deadline.c - ends the process when it has not ended by then. */
#include "deadline.h"

#include "log.h"

#include <unistd.h>

static void wait_for_it(void *arg)
{
    struct deadline *d = arg;
    uint64_t end = uv_hrtime() + d->after_ms * 1000000, now;
    while ((now = uv_hrtime()) < end) { /* again: a wait may end early where the clock is stepped */
        bool met;
        (void) work_take(&d->queue, (end - now) / 1000000 + 1, &met); /* nothing is ever put */
        if (met)
            return;
    }
    struct log_line l;
    log_open(&l, LOG_ERROR, "main", "something hangs: leaving without it");
    log_i64(&l, "exit_code", d->exit_code);
    log_close(&l);
    _exit(d->exit_code);
}

int deadline_start(struct deadline *d, uint64_t after_ms, int exit_code)
{
    d->after_ms = after_ms;
    d->exit_code = exit_code;
    int r = work_queue_init(&d->queue);
    if (r < 0)
        return r;
    r = uv_thread_create(&d->thread, wait_for_it, d);
    if (r < 0)
        work_queue_fini(&d->queue);
    return r;
}

void deadline_met(struct deadline *d)
{
    work_close(&d->queue);
    (void) uv_thread_join(&d->thread);
    work_queue_fini(&d->queue);
}
