/* cuts.h - ways to cut an input, for tests that a parser's result does not depend on them. */
#ifndef TESTS_CUTS_H
#define TESTS_CUTS_H

#include <stddef.h>
#include <stdint.h>

#define MAX_CUTS 4096

struct cuts {
    size_t n;
    size_t at[MAX_CUTS]; /* ascending */
};

/* xorshift64*: tests give the same cuts in every run. */
static inline uint64_t cuts_random(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * 0x2545f4914f6cdd1du;
}

static inline void cuts_each_byte(struct cuts *c, size_t len)
{
    c->n = 0;
    for (size_t i = 1; i < len && c->n < MAX_CUTS; i++)
        c->at[c->n++] = i;
}

/* Pieces of 0 to `longest` bytes: an empty piece is a read that brought nothing. */
static inline void cuts_at_random(struct cuts *c, size_t len, size_t longest, uint64_t *seed)
{
    c->n = 0;
    for (size_t at = 0; c->n < MAX_CUTS;) {
        at += cuts_random(seed) % (longest + 1);
        if (at >= len)
            return;
        c->at[c->n++] = at;
    }
}

#endif
