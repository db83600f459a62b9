/* caps.c - see caps.h. */
#include "caps.h"

#include <sys/resource.h>

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
