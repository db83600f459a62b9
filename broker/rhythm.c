/* rhythm.c - see rhythm.h. */
#include "rhythm.h"

#include <stddef.h>

#define SECOND_MS     UINT64_C(1000)
#define USUAL_PERCENT 99
#define UNUSUAL       2 /* times as long as usual */

/* The first has all below a second; the others are quarters of [1, 2), [2, 4), [4, 8) ... seconds.
 */
static size_t bucket_of(uint64_t gap_ms)
{
    if (gap_ms < SECOND_MS)
        return 0;
    uint64_t quarters = gap_ms * 4 / SECOND_MS; /* of a second; at least 4 */
    unsigned doublings = 0;
    for (; quarters >= 8; quarters /= 2)
        doublings++;
    size_t bucket = 1 + doublings * 4 + (size_t) (quarters - 4);
    return bucket < RHYTHM_BUCKETS ? bucket : RHYTHM_BUCKETS - 1;
}

static uint64_t end_of(size_t bucket)
{
    size_t quarter = bucket == 0 ? 0 : bucket - 1;
    return bucket == 0 ? SECOND_MS : ((5 + quarter % 4) << (quarter / 4)) * SECOND_MS / 4;
}

static void halve(struct rhythm *r)
{
    r->since_ms = r->total_ms = 0;
    for (size_t i = 0; i < RHYTHM_BUCKETS; i++) {
        r->in_gaps_ms[i] /= 2;
        r->total_ms += r->in_gaps_ms[i];
    }
}

void rhythm_beat(struct rhythm *r, uint64_t now_ms)
{
    bool first = !r->begun;
    uint64_t gap_ms = first || now_ms < r->last_ms ? 0 : now_ms - r->last_ms;
    r->begun = true;
    r->last_ms = now_ms;
    if (first)
        return;
    uint64_t limit_ms = rhythm_limit_ms(r);
    if (limit_ms > 0 && gap_ms > limit_ms)
        gap_ms = limit_ms;
    r->in_gaps_ms[bucket_of(gap_ms)] += gap_ms;
    r->total_ms += gap_ms;
    r->since_ms += gap_ms;
    r->n += r->n < RHYTHM_GAPS;
    r->learnt = r->learnt || r->total_ms >= RHYTHM_LEARN_MS;
    if (r->since_ms >= RHYTHM_FORGET_MS)
        halve(r);
}

uint64_t rhythm_usual_ms(const struct rhythm *r)
{
    uint64_t within_ms = 0, enough_ms = r->total_ms / 100 * USUAL_PERCENT;
    size_t bucket = 0;
    if (r->n < RHYTHM_GAPS)
        return 0;
    for (; bucket < RHYTHM_BUCKETS - 1; bucket++) {
        within_ms += r->in_gaps_ms[bucket];
        if (within_ms >= enough_ms)
            break;
    }
    return end_of(bucket);
}

uint64_t rhythm_limit_ms(const struct rhythm *r)
{
    uint64_t limit_ms = r->learnt ? UNUSUAL * rhythm_usual_ms(r) : 0;
    return limit_ms > 0 && limit_ms < RHYTHM_FLOOR_MS ? RHYTHM_FLOOR_MS : limit_ms;
}
