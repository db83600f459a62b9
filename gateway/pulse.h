/* pulse.h - the sign of life that the supervisor waits for: given by the front's loop, and only
 * while the workers' loops and the engine's thread come round, too. Front's thread. */
#ifndef GATEWAY_PULSE_H
#define GATEWAY_PULSE_H

#include "supervisor.h"
#include "watchdog.h"

struct pulse {
    const struct supervisor *supervisor;
    const struct watchdog *watchdog;
    struct shared *shared;
    uv_timer_t timer;
    uint64_t period_ms;
    bool ending;
};

/* Twice in the time that the supervisor waits; never when it does not wait. Borrows all. When it
 * has failed pulse_close() is still due. */
MUST_CHECK int pulse_start(struct pulse *p, const struct supervisor *supervisor,
                           const struct watchdog *watchdog, struct shared *s);
/* The workers are about to be told to end: from now on the front's loop alone is the sign. */
void pulse_ending(struct pulse *p);
void pulse_close(struct pulse *p); /* before the loop ends; it must turn once more */

#endif
