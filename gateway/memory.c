/* memory.c - see memory.h. */
#include "memory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

const char *const MEMORY_LEVELS[MEMORY_N_LEVELS] = {
    [MEMORY_FINE] = "fine",
    [MEMORY_NO_NEWCOMERS] = "no_newcomers",
    [MEMORY_NO_REPLAYS] = "no_replays",
    [MEMORY_NO_LAGGARDS] = "no_laggards",
    [MEMORY_NO_WEBHOOKS] = "no_webhooks",
};

enum memory_level memory_level(uint64_t used, uint64_t max)
{
    static const uint64_t PERCENT[MEMORY_N_LEVELS] = {0, 85, 90, 95, 100};
    unsigned level = MEMORY_FINE;
    while (max > 0 && level + 1 < MEMORY_N_LEVELS && used >= max / 100 * PERCENT[level + 1])
        level++;
    return (enum memory_level) level;
}

/* Not from malloc's own books: what it has freed and keeps is as much in the way of others. */
int memory_used(uint64_t *ret)
{
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    int r = n < 0 ? -errno : 0;
    (void) close(fd);
    if (r < 0)
        return r;
    text[n] = '\0';
    char *at = text;
    (void) strtoull(at, &at, 10); /* proc(5): size, resident, shared ... in pages */
    uint64_t resident = strtoull(at, &at, 10), shared = strtoull(at, &at, 10);
    if (resident <= shared)
        return -EIO;
    *ret = (resident - shared) * (uint64_t) sysconf(_SC_PAGESIZE);
    return 0;
}
