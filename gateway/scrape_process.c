/* scrape_process.c - see scrape_process.h. How many descriptors are open is not told: it would take
 * the time of going through all of them. */
#include "scrape_process.h"

#include "clock.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define FIELD_RSS   24 /* proc(5), /proc/PID/stat; counted from 1 */
#define FIELD_START 22
#define STAT_BYTES  1024

static int family(struct buf *out, const char *name, const char *type, const char *help)
{
    return buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s ", name, help, name, type, name);
}

static int print_cpu(struct buf *out)
{
    struct rusage used;
    if (getrusage(RUSAGE_SELF, &used) < 0)
        return 0;
    int64_t s = used.ru_utime.tv_sec + used.ru_stime.tv_sec;
    int64_t us = used.ru_utime.tv_usec + used.ru_stime.tv_usec;
    int r = family(out, "process_cpu_seconds_total", "counter",
                   "Processor time of all threads, the kernel's for them included.");
    return r < 0 ? r
                 : buf_printf(out, "%" PRId64 ".%06" PRId64 "\n", s + us / 1000000, us % 1000000);
}

static int print_max_fds(struct buf *out)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    int r = family(out, "process_max_fds", "gauge", "How many files and sockets may be open.");
    return r < 0 ? r : buf_printf(out, "%" PRIu64 "\n", (uint64_t) limit.rlim_cur);
}

/* A small file of /proc, as a text. False: there is none. */
static bool read_text(const char *file, char *ret, size_t size)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, ret, size - 1);
    (void) close(fd);
    ret[n < 0 ? 0 : n] = '\0';
    return n > 0;
}

/* The second field is a name in brackets, in which anything may be. */
static const char *stat_field(const char *stat, unsigned field)
{
    const char *at = strrchr(stat, ')');
    for (unsigned i = 2; at != NULL && i < field; i++)
        at = strchr(at + 1, ' ');
    return at;
}

/* Unix time of the start, which is told in ticks since the system's: reckoned once, so that it does
 * not move with the wall clock. */
static uint64_t start_time(const char *ticks)
{
    static _Atomic uint64_t once;
    uint64_t hz = (uint64_t) sysconf(_SC_CLK_TCK), ms = strtoull(ticks, NULL, 10) * 1000 / hz;
    uint64_t at = (clock_wall_ms() - (clock_boot_ms() - ms)) / 1000, none = 0;
    return atomic_compare_exchange_strong(&once, &none, at) ? at : none;
}

static int print_stat(struct buf *out)
{
    char stat[STAT_BYTES];
    if (!read_text("/proc/self/stat", stat, sizeof(stat)))
        return 0;
    const char *rss = stat_field(stat, FIELD_RSS), *start = stat_field(stat, FIELD_START);
    int r = 0;
    if (rss != NULL) {
        r = family(out, "process_resident_memory_bytes", "gauge",
                   "Memory in RAM, that of its program and of files included.");
        if (r == 0)
            r = buf_printf(out, "%llu\n",
                           strtoull(rss, NULL, 10) * (unsigned long long) sysconf(_SC_PAGESIZE));
    }
    if (r == 0 && start != NULL) {
        r = family(out, "process_start_time_seconds", "gauge", "Unix time of the start.");
        if (r == 0)
            r = buf_printf(out, "%" PRIu64 "\n", start_time(start));
    }
    return r;
}

int scrape_process_print(struct buf *out)
{
    int r = print_cpu(out);
    if (r == 0)
        r = print_max_fds(out);
    return r < 0 ? r : print_stat(out);
}
