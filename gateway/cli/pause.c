/* pause.c - waiting. */
#include "pause.h"

#include <errno.h>
#include <time.h>

void pause_ms(uint64_t ms)
{
    struct timespec t = {(time_t) (ms / 1000), (long) (ms % 1000) * 1000000};
    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        ;
}
