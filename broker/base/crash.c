/* crash.c - named places where a test kills the process. */
#include "crash.h"

#ifdef REGCAST_CRASH_POINTS

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Atomic unsigned long passes;

/* At which pass of this point, 0: never. */
static unsigned long wanted_pass(const char *point)
{
    const char *wanted = getenv("REGCAST_CRASH"); /* nobody sets the environment after start */
    size_t len = strlen(point);
    if (wanted == NULL || strncmp(wanted, point, len) != 0 || wanted[len] != ':')
        return 0;
    return strtoul(wanted + len + 1, NULL, 10);
}

void crash_pass(const char *point)
{
    unsigned long wanted = wanted_pass(point);
    if (wanted > 0 && atomic_fetch_add(&passes, 1) + 1 == wanted)
        (void) raise(SIGKILL);
    const char *stuck = getenv("REGCAST_STUCK");
    while (stuck != NULL && strcmp(stuck, point) == 0)
        (void) pause();
}

bool crash_next(const char *point)
{
    unsigned long wanted = wanted_pass(point);
    return wanted > 0 && atomic_load(&passes) + 1 == wanted;
}

void crash_poison(const char *repository)
{
    const char *poison = getenv("REGCAST_POISON");
    if (poison != NULL && strstr(repository, poison) != NULL)
        abort();
}

#endif
