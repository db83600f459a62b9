/* print.h - what the reports of the load clients have in common. */
#ifndef BENCH_PRINT_H
#define BENCH_PRINT_H

#include "hist.h"
#include "proc.h"

#include <stdio.h>

static inline double per(double value, uint64_t n)
{
    return n == 0 ? 0 : value / (double) n;
}

/* Seconds between two samples. */
static inline double proc_seconds(const struct proc_sample *a, const struct proc_sample *b)
{
    return (double) (b->at_ns - a->at_ns) / 1e9;
}

static inline uint64_t own_cpu_ns(void)
{
    struct timespec t;
    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t) t.tv_sec * NS_PER_S + (uint64_t) t.tv_nsec;
}

/* CPU seconds of each thread that was there at both times, the oldest first. */
static inline void print_threads(const struct proc_sample *a, const struct proc_sample *b)
{
    (void) printf("\"threads\":[");
    for (unsigned i = 0; i < a->n_threads && i < b->n_threads; i++)
        (void) printf("%s{\"name\":\"%s\",\"cpu_seconds\":%.4f}", i == 0 ? "" : ",",
                      b->threads[i].name,
                      (double) (b->threads[i].cpu_ns - a->threads[i].cpu_ns) / 1e9);
    (void) printf("]");
}

static inline void print_latency(const char *name, const struct hist *h)
{
    (void) printf("\"%s\":{\"n\":%llu,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p99.9\":%.1f,"
                  "\"max\":%.1f},",
                  name, (unsigned long long) h->total, hist_percentile_us(h, 0.5),
                  hist_percentile_us(h, 0.9), hist_percentile_us(h, 0.99),
                  hist_percentile_us(h, 0.999), (double) h->max / 1e3);
}

#endif
