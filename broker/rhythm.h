/* rhythm.h - learns how long it usually takes until something happens again, from when it happened.
 * (pure: time comes from the caller, in milliseconds of a clock that does not go back)
 *
 * Counted is not how many gaps were how long but how much time was spent in gaps of which length: a
 * push of ten images is ten gaps of no length and teaches nothing, the night after it does. Usual
 * is the length that nearly all of that time (99 %) was spent within. Old times are forgotten by
 * halves. A silence is unusual when it is twice as long; such a one counts as no longer than that,
 * so that one outage at most doubles what is usual, while a habit that has changed is learnt. */
#ifndef BROKER_RHYTHM_H
#define BROKER_RHYTHM_H

#include <stdbool.h>
#include <stdint.h>

#define RHYTHM_FLOOR_MS  UINT64_C(600000)          /* no silence is unusual before */
#define RHYTHM_GAPS      20                        /* fewer say nothing of what is usual, */
#define RHYTHM_LEARN_MS  (UINT64_C(24) * 3600000)  /* and less time not what is unusual */
#define RHYTHM_FORGET_MS (UINT64_C(14) * 86400000) /* in which old times come to count half */
#define RHYTHM_BUCKETS   90 /* of lengths, four to each doubling from a second to 48 days */

struct rhythm { /* zeroed: nothing has happened */
    uint64_t in_gaps_ms[RHYTHM_BUCKETS];
    uint64_t total_ms;  /* of them all */
    uint64_t since_ms;  /* how much was added after the last time they were halved */
    uint64_t last_ms;   /* when it happened last */
    uint32_t n;         /* gaps, up to RHYTHM_GAPS */
    bool begun, learnt; /* it has happened; for RHYTHM_LEARN_MS */
};

void rhythm_beat(struct rhythm *r, uint64_t now_ms); /* it happens */
/* 0: not known yet. */
uint64_t rhythm_usual_ms(const struct rhythm *r);
/* So long a silence is unusual; 0: that cannot be told yet. */
uint64_t rhythm_limit_ms(const struct rhythm *r);

#endif
