/* watchdog.h - a thread that sends every loop, the front's included, a mail each second: how long
 * it took is the loop's lag (regcast_loop_lag_seconds). A loop that does not come round for
 * `watchdog_timeout` never will: the log gets that thread's stack, and the process is aborted, for
 * whoever watches it to start it again. What was acknowledged is in the journal.
 *
 * Time in which the process as a whole stood still (SIGSTOP, a machine that was suspended) does not
 * count: it is the mails' seconds that are counted, not the clock's. */
#ifndef GATEWAY_WATCHDOG_H
#define GATEWAY_WATCHDOG_H

#include "worker.h"

#define WATCHDOG_TICK_MS 1000

struct watchdog_probe;

struct watchdog {
    struct shared *shared;
    struct watchdog_probe *probes; /* of the workers, then of the front */
    uint64_t timeout_ms;
    uv_thread_t thread;
    uv_mutex_t lock;
    uv_cond_t ending_told;
    bool running, ending;
};

/* The workers' threads have been made; this is the front's. Borrows `s`. 0 or a negative error. */
MUST_CHECK int watchdog_start(struct watchdog *w, struct shared *s);
/* Before any loop is told to end. Twice is fine, and without a start. */
void watchdog_stop(struct watchdog *w);
void watchdog_free(struct watchdog *w); /* the loops have ended */

/* For how long a gateway's worker has owed an answer, to the second. Any thread. */
uint64_t watchdog_overdue_ms(const struct watchdog *w, size_t worker);

#endif
