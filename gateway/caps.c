/* caps.c - see caps.h. */
#include "caps.h"

#include <sys/resource.h>

#define SECOND_US 1000000u

uint64_t caps_raise_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return 0;
    if (files.rlim_cur < files.rlim_max) {
        rlim_t soft = files.rlim_cur;
        files.rlim_cur = files.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &files) < 0)
            files.rlim_cur = soft;
    }
    return files.rlim_cur;
}

bool caps_enter(_Atomic uint64_t *count, uint64_t cap, uint64_t n)
{
    return atomic_fetch_add_explicit(count, n, memory_order_relaxed) + n <= cap;
}

void caps_leave(_Atomic uint64_t *count, uint64_t n)
{
    atomic_fetch_sub_explicit(count, n, memory_order_relaxed);
}

bool caps_log(struct log_cap *cap, uint64_t now_ms, unsigned most, uint64_t *ret_suppressed)
{
    uint64_t second = now_ms / 1000,
             old = atomic_load_explicit(&cap->second_lines, memory_order_relaxed), next;
    do {
        if (old >> 16 != second)
            next = second << 16 | 1;
        else if ((old & 0xffff) < most)
            next = old + 1;
        else {
            atomic_fetch_add_explicit(&cap->suppressed, 1, memory_order_relaxed);
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&cap->second_lines, &old, next,
                                                    memory_order_relaxed, memory_order_relaxed));
    *ret_suppressed = atomic_exchange_explicit(&cap->suppressed, 0, memory_order_relaxed);
    return true;
}

bool rate_ok(struct rate *r, uint64_t now_ms, uint32_t window_ms, uint64_t max, unsigned n)
{
    uint32_t window = (uint32_t) (now_ms / window_ms);
    if (window != r->window) {
        r->window = window;
        r->count = 0;
    }
    r->count = r->count > UINT32_MAX - n ? UINT32_MAX : r->count + n;
    return max == 0 || r->count <= max;
}

/* Each one puts the time off by its share of a second: it is never more than a second ahead. */
bool caps_rate_next(uint64_t *full_at_us, uint64_t now_us, uint64_t per_second)
{
    if (per_second == 0)
        return true;
    uint64_t from = *full_at_us > now_us ? *full_at_us : now_us;
    uint64_t next = from + SECOND_US / per_second;
    if (next > now_us + SECOND_US)
        return false;
    *full_at_us = next;
    return true;
}

bool caps_rate(_Atomic uint64_t *full_at_us, uint64_t now_us, uint64_t per_second)
{
    uint64_t old = atomic_load_explicit(full_at_us, memory_order_relaxed), next;
    do {
        next = old;
        if (!caps_rate_next(&next, now_us, per_second))
            return false;
    } while (!atomic_compare_exchange_weak_explicit(full_at_us, &old, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}
