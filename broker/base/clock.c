/* clock.c - the clocks, and a way to hold them still. */
#include "clock.h"

#include "err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LAST_MS 253402300799999u /* 9999-12-31T23:59:59.999Z; later years do not fit the text */

static atomic_bool frozen;
static _Atomic uint64_t frozen_mono_ms, frozen_wall_ms;

static uint64_t now_us(clockid_t id)
{
    struct timespec t;
    int r = clock_gettime(id, &t);
    ASSERT(r == 0);
    if (t.tv_sec < 0) /* a wall clock set before 1970 */
        return 0;
    return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

uint64_t clock_mono_ms(void)
{
    return clock_mono_us() / 1000;
}

uint64_t clock_mono_us(void)
{
    return atomic_load(&frozen) ? atomic_load(&frozen_mono_ms) * 1000 : now_us(CLOCK_MONOTONIC);
}

uint64_t clock_boot_ms(void)
{
    return atomic_load(&frozen) ? atomic_load(&frozen_mono_ms) : now_us(CLOCK_BOOTTIME) / 1000;
}

uint64_t clock_wall_ms(void)
{
    return atomic_load(&frozen) ? atomic_load(&frozen_wall_ms) : now_us(CLOCK_REALTIME) / 1000;
}

#define MS_AT 20 /* in "2026-11-22T04:50:41.672Z" */

void clock_rfc3339(uint64_t wall_ms, char ret[CLOCK_RFC3339_SIZE])
{
    if (wall_ms > LAST_MS)
        wall_ms = LAST_MS;
    static _Thread_local char text[96]; /* room for any int, which the compiler has to assume */
    static _Thread_local uint64_t second = UINT64_MAX; /* of `text`: the next is mostly the same */
    unsigned ms = (unsigned) (wall_ms % 1000);
    if (wall_ms / 1000 != second) {
        time_t seconds = (time_t) (wall_ms / 1000);
        struct tm t;
        ASSERT(gmtime_r(&seconds, &t) != NULL);
        (void) snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.", t.tm_year + 1900,
                        t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec);
        second = wall_ms / 1000;
    }
    memcpy(ret, text, MS_AT);
    ret[MS_AT] = (char) ('0' + ms / 100);
    ret[MS_AT + 1] = (char) ('0' + ms / 10 % 10);
    ret[MS_AT + 2] = (char) ('0' + ms % 10);
    memcpy(ret + MS_AT + 3, "Z", 2);
}

void clock_freeze(uint64_t mono_ms, uint64_t wall_ms)
{
    atomic_store(&frozen_mono_ms, mono_ms);
    atomic_store(&frozen_wall_ms, wall_ms);
    atomic_store(&frozen, true);
}

void clock_unfreeze(void)
{
    atomic_store(&frozen, false);
}
