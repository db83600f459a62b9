/* backoff.c - how long to wait before the next attempt. (pure) */
#include "backoff.h"

#define MOST_DOUBLINGS 16

uint64_t backoff_next(struct backoff *b, uint64_t random, uint64_t asked_ms)
{
    uint64_t bound = (uint64_t) BACKOFF_FIRST_MS << b->failures;
    if (bound > BACKOFF_MOST_MS)
        bound = BACKOFF_MOST_MS;
    if (b->failures < MOST_DOUBLINGS)
        b->failures++;
    if (asked_ms > BACKOFF_MOST_ASKED_MS)
        asked_ms = BACKOFF_MOST_ASKED_MS;
    return asked_ms + random % (bound + 1);
}
