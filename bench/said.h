/* said.h - what connections said themselves and got back: how much of it, and how long it took. */
#ifndef BENCH_SAID_H
#define BENCH_SAID_H

#include "hist.h"
#include "util.h"

#define SAID_PREFIX "say " /* and the time, as now_ns() has it */
#define SAID_MAX    32

struct said {
    uint64_t answers;
    struct hist took; /* of the measured part */
};

/* False: it is something else. */
static inline bool said_take(struct said *s, const uint8_t *p, size_t n, bool measured)
{
    char text[SAID_MAX];
    size_t prefix = sizeof(SAID_PREFIX) - 1;
    if (n <= prefix || n >= sizeof(text) || memcmp(p, SAID_PREFIX, prefix) != 0)
        return false;
    memcpy(text, p, n);
    text[n] = '\0';
    uint64_t sent = strtoull(text + prefix, NULL, 10), now = now_ns();
    s->answers++;
    if (measured)
        hist_add(&s->took, now > sent ? now - sent : 0);
    return true;
}

#endif
