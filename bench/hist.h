/* hist.h - a log-linear histogram of latencies in nanoseconds, 1 us to 68 s: 128 steps for each
 * doubling, so a percentile is off by less than 0.8 %. Adding is a shift and an increment, which
 * millions a second can afford. */
#ifndef BENCH_HIST_H
#define BENCH_HIST_H

#include <stdint.h>

#define HIST_SUB_BITS 7
#define HIST_MIN_EXP  10 /* 1024 ns: anything shorter counts as that */
#define HIST_MAX_EXP  35 /* anything longer counts as 2^36 - 1 ns */
#define HIST_BUCKETS  ((HIST_MAX_EXP - HIST_MIN_EXP + 1) << HIST_SUB_BITS)

struct hist {
    uint64_t count[HIST_BUCKETS];
    uint64_t total, max;
};

static inline void hist_add(struct hist *h, uint64_t ns)
{
    if (ns > h->max)
        h->max = ns;
    if (ns < UINT64_C(1) << HIST_MIN_EXP)
        ns = UINT64_C(1) << HIST_MIN_EXP;
    if (ns >= UINT64_C(1) << (HIST_MAX_EXP + 1))
        ns = (UINT64_C(1) << (HIST_MAX_EXP + 1)) - 1;
    unsigned exponent = 63u - (unsigned) __builtin_clzll(ns);
    unsigned sub = (unsigned) (ns >> (exponent - HIST_SUB_BITS)) & ((1u << HIST_SUB_BITS) - 1);
    h->count[((exponent - HIST_MIN_EXP) << HIST_SUB_BITS) + sub]++;
    h->total++;
}

static inline void hist_merge(struct hist *into, const struct hist *from)
{
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        into->count[i] += from->count[i];
    into->total += from->total;
    if (from->max > into->max)
        into->max = from->max;
}

/* The latency that the given share (0..1) of all stays at or below, in microseconds; 0 when empty.
 */
static inline double hist_percentile_us(const struct hist *h, double share)
{
    uint64_t need = (uint64_t) (share * (double) h->total + 0.5), seen = 0;
    if (need == 0)
        need = 1;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        seen += h->count[i];
        if (h->total != 0 && seen >= need) {
            unsigned exponent = HIST_MIN_EXP + (i >> HIST_SUB_BITS);
            uint64_t step = UINT64_C(1) << (exponent - HIST_SUB_BITS);
            uint64_t low = (UINT64_C(1) << exponent) + (i & ((1u << HIST_SUB_BITS) - 1)) * step;
            return ((double) low + (double) step / 2) / 1e3;
        }
    }
    return 0;
}

#endif
