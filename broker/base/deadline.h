/* deadline.h - ends the process when it has not ended by then, whatever its threads wait for: a
 * write to a disk that hangs does not come back, and who joins its thread does not, either. */
#ifndef BASE_DEADLINE_H
#define BASE_DEADLINE_H

#include "work.h"

struct deadline {
    struct work_queue queue; /* private: closed when it is met */
    uv_thread_t thread;
    uint64_t after_ms;
    int exit_code;
};

/* _exit(exit_code) in `after_ms`, unless deadline_met() comes first. Not to be moved meanwhile. */
MUST_CHECK int deadline_start(struct deadline *d, uint64_t after_ms, int exit_code);
void deadline_met(struct deadline *d);

#endif
