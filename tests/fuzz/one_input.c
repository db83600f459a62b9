/* one_input.c - what is asked of every fuzz target: that it takes time in proportion to its input.
 * A target's own LLVMFuzzerTestOneInput() is called FUZZ_TARGET here. */
#include "err.h"

#include <stdint.h>
#include <sys/resource.h>

/* Whatever the input: sanitizers, first allocations, a busy machine. */
#define FREE_US 2000000
/* 10 ms, but ten times as slow with sanitizers and each byte fed alone. */
#define PER_KB_US 100000

int FUZZ_TARGET(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t cpu_us(void)
{
    struct rusage used;
    ASSERT(getrusage(RUSAGE_THREAD, &used) == 0);
    return ((uint64_t) used.ru_utime.tv_sec + (uint64_t) used.ru_stime.tv_sec) * 1000000 +
           (uint64_t) used.ru_utime.tv_usec + (uint64_t) used.ru_stime.tv_usec;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t before = cpu_us();
    int r = FUZZ_TARGET(data, size);
    ASSERT(cpu_us() - before <= FREE_US + PER_KB_US * (size / 1024));
    return r;
}
