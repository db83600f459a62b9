/* counter.h - what the kernel counts of another process on demand (perf events): instructions in
 * user space, where the machine has such counters and lends them to its guests, and futex() calls,
 * for who may read tracepoints. Neither is needed; what cannot be counted is left out. */
#ifndef BENCH_COUNTER_H
#define BENCH_COUNTER_H

#include "util.h"

#include <dirent.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <sys/types.h>

#define COUNTER_THREADS 64

/* One event, counted in each thread that the process has. */
struct counter {
    unsigned n;
    int fd[COUNTER_THREADS];
};

static inline struct counter counter_open(pid_t pid, uint32_t type, uint64_t config, bool user_only)
{
    struct counter c = {0};
    char path[64];
    (void) snprintf(path, sizeof(path), "/proc/%d/task", (int) pid);
    DIR *tasks = pid > 0 ? opendir(path) : NULL;
    if (tasks == NULL)
        return c;
    for (struct dirent *e; (e = readdir(tasks)) != NULL && c.n < COUNTER_THREADS;) {
        if (e->d_name[0] == '.')
            continue;
        struct perf_event_attr attr = {.type = type, .size = sizeof(attr), .config = config};
        attr.exclude_kernel = attr.exclude_hv = user_only;
        long fd =
            syscall(SYS_perf_event_open, &attr, atoi(e->d_name), -1, -1, PERF_FLAG_FD_CLOEXEC);
        if (fd >= 0)
            c.fd[c.n++] = (int) fd;
    }
    (void) closedir(tasks);
    return c;
}

static inline struct counter counter_instructions(pid_t pid)
{
    return counter_open(pid, PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, true);
}

static inline struct counter counter_futex(pid_t pid)
{
    FILE *f = fopen("/sys/kernel/tracing/events/syscalls/sys_enter_futex/id", "re");
    unsigned long long id = 0;
    bool found = f != NULL && fscanf(f, "%llu", &id) == 1;
    if (f != NULL)
        (void) fclose(f);
    return found ? counter_open(pid, PERF_TYPE_TRACEPOINT, id, false) : (struct counter){0};
}

/* Since it was opened. */
static inline uint64_t counter_read(const struct counter *c)
{
    uint64_t sum = 0, value;
    for (unsigned i = 0; i < c->n; i++)
        if (read(c->fd[i], &value, sizeof(value)) == (ssize_t) sizeof(value))
            sum += value;
    return sum;
}

static inline void counter_close(struct counter *c)
{
    for (unsigned i = 0; i < c->n; i++)
        (void) close(c->fd[i]);
    c->n = 0;
}

#endif
