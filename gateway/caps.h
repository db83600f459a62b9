/* caps.h - caps that hold for the whole process, counted with atomics. Any thread. */
#ifndef GATEWAY_CAPS_H
#define GATEWAY_CAPS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct caps {
    /* Set by the front. */
    _Atomic uint64_t max_connections, max_half_open, max_inflight_bytes, max_answer_bytes;
    _Atomic uint64_t connections, half_open, inflight_bytes;
    _Atomic uint64_t answer_bytes; /* that wait in HTTP/2 for their readers */
};

/* Raises the soft limit on open files to the hard one and returns it; 0 when it cannot be read. */
uint64_t caps_raise_files(void);

/* Counts one more and tells whether that is within the cap; the count stays either way until the
 * matching *_leave(). */
bool caps_enter(_Atomic uint64_t *count, uint64_t cap, uint64_t n);
void caps_leave(_Atomic uint64_t *count, uint64_t n);

/* Lines of a kind that may be logged: `most` a second over all threads. */
struct log_cap {
    _Atomic uint64_t second_lines; /* second << 16 | lines */
    _Atomic uint64_t suppressed;
};
/* True: log it, and say that *ret_suppressed lines were left out before. */
bool caps_log(struct log_cap *cap, uint64_t now_ms, unsigned most, uint64_t *ret_suppressed);

/* A second-long (or longer) window of events of one connection. */
struct rate {
    uint32_t window, count; /* window: loop time / length */
};
/* Counts `n` more events at `now_ms`; false when more than `max` fall into one window. max 0: no
 * limit. */
bool rate_ok(struct rate *r, uint64_t now_ms, uint32_t window_ms, uint64_t max, unsigned n);

/* So many a second, of which a second's worth may come at once; 0 is any. The cell says when all
 * of them may come at once again, in monotonic microseconds; 0 at first. True: one more has been
 * counted. */
bool caps_rate(_Atomic uint64_t *full_at_us, uint64_t now_us, uint64_t per_second);
bool caps_rate_next(uint64_t *full_at_us, uint64_t now_us, uint64_t per_second); /* under a lock */

#endif
