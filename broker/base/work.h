/* work.h - a queue towards a thread that has no loop: any thread puts, one thread takes everything
 * there is at one go and sleeps while there is nothing. */
#ifndef BASE_WORK_H
#define BASE_WORK_H

#include "err.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct work {
    struct work *next;
};

struct work_queue {
    uv_mutex_t lock;
    uv_cond_t filled;
    struct work *head, **tail;
    bool closed;
};

MUST_CHECK int work_queue_init(struct work_queue *q);
void work_queue_fini(struct work_queue *q); /* nothing is left in it */
void work_put(struct work_queue *q,
              struct work *w); /* any thread; `w` is the taker's from here on */
/* Several at once, linked by `next`: the taker gets all of them together. `last` ends the list. */
void work_put_all(struct work_queue *q, struct work *first, struct work *last);
/* No more work_put() follows: wakes the taker. */
void work_close(struct work_queue *q);
/* Everything put since the last call, in order, linked by `next`; NULL after `timeout_ms` without
 * any (UINT64_MAX: waits for ever), or when the queue is closed and empty (*ret_closed). */
struct work *work_take(struct work_queue *q, uint64_t timeout_ms, bool *ret_closed);

#endif
