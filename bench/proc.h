/* proc.h - what the kernel knows about a process: its CPU time, memory and wakeups. */
#ifndef BENCH_PROC_H
#define BENCH_PROC_H

#include "util.h"

#include <dirent.h>
#include <sys/types.h>

#define PROC_THREADS 16

struct proc_sample {
    uint64_t at_ns;       /* monotonic */
    uint64_t cpu_ns;      /* user and system together, exact: the scheduler's own clock */
    double user_s, sys_s; /* the same split by what each timer tick met: a sample, in 10 ms */
    double core_busy_s;   /* of the core given, by anybody; softirq threads included */
    double core_steal_s;  /* what the hypervisor took from that core */
    uint64_t switches;    /* of all threads: how often one went to sleep, or was pushed off */
    uint64_t rss_kb, pss_kb;
    unsigned n_threads;
    struct {
        char name[16];
        uint64_t cpu_ns;
    } threads[PROC_THREADS]; /* the oldest, in the order of their ids */
};

static inline FILE *proc_open(pid_t pid, const char *name)
{
    char path[96];
    (void) snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, name);
    return fopen(path, "re");
}

/* The number behind `key` in a "Key:   123 kB" file; 0 when it is not there. */
static inline uint64_t proc_field(FILE *f, const char *key)
{
    char line[512];
    size_t n = strlen(key);
    while (fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, key, n) == 0 && line[n] == ':')
            return strtoull(line + n + 1, NULL, 10);
    return 0;
}

static inline void proc_cpu(pid_t pid, struct proc_sample *s)
{
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &t) == 0)
        s->cpu_ns = (uint64_t) t.tv_sec * NS_PER_S + (uint64_t) t.tv_nsec;
    FILE *f = proc_open(pid, "stat");
    if (f == NULL)
        return;
    char line[1024];
    if (fgets(line, sizeof(line), f) != NULL) {
        char *p = strrchr(line, ')'); /* the name before it may hold anything */
        unsigned long long user = 0, sys = 0;
        if (p != NULL && sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
                                &user, &sys) == 2) {
            double per_s = (double) sysconf(_SC_CLK_TCK);
            s->user_s = (double) user / per_s;
            s->sys_s = (double) sys / per_s;
        }
    }
    (void) fclose(f);
}

static inline void proc_core(int core, struct proc_sample *s)
{
    FILE *f = fopen("/proc/stat", "re");
    if (f == NULL)
        return;
    char line[512], name[16];
    int n = core < 0 ? snprintf(name, sizeof(name), "cpu ") /* all of them together */
                     : snprintf(name, sizeof(name), "cpu%d ", core);
    while (fgets(line, sizeof(line), f) != NULL) {
        unsigned long long v[8];
        if (strncmp(line, name, (size_t) n) == 0 &&
            sscanf(line + n, "%llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2], &v[3],
                   &v[4], &v[5], &v[6], &v[7]) == 8) {
            double per_s = (double) sysconf(_SC_CLK_TCK);
            s->core_busy_s = (double) (v[0] + v[1] + v[2] + v[5] + v[6]) / per_s;
            s->core_steal_s = (double) v[7] / per_s;
        }
    }
    (void) fclose(f);
}

static inline void proc_switches(pid_t pid, struct proc_sample *s)
{
    char path[64];
    (void) snprintf(path, sizeof(path), "/proc/%d/task", (int) pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL)
        return;
    for (struct dirent *e; (e = readdir(tasks)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        char name[300];
        (void) snprintf(name, sizeof(name), "task/%s/status", e->d_name);
        char full[340];
        (void) snprintf(full, sizeof(full), "/proc/%d/%s", (int) pid, name);
        FILE *f = fopen(full, "re");
        if (f == NULL)
            continue;
        s->switches += proc_field(f, "voluntary_ctxt_switches");
        s->switches += proc_field(f, "nonvoluntary_ctxt_switches");
        (void) fclose(f);
    }
    (void) closedir(tasks);
}

static inline int proc_compare(const void *a, const void *b)
{
    return *(const int *) a - *(const int *) b;
}

/* What each thread has used. */
static inline void proc_threads(pid_t pid, struct proc_sample *s)
{
    char path[64], name[40];
    int ids[256];
    size_t n = 0;
    (void) snprintf(path, sizeof(path), "/proc/%d/task", (int) pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL)
        return;
    for (struct dirent *e; (e = readdir(tasks)) != NULL && n < sizeof(ids) / sizeof(ids[0]);)
        if (e->d_name[0] != '.')
            ids[n++] = atoi(e->d_name);
    (void) closedir(tasks);
    qsort(ids, n, sizeof(ids[0]), proc_compare);
    for (size_t i = 0; i < n && i < PROC_THREADS; i++) {
        (void) snprintf(name, sizeof(name), "task/%d/comm", ids[i]);
        FILE *f = proc_open(pid, name);
        if (f == NULL || fgets(s->threads[i].name, sizeof(s->threads[i].name), f) == NULL)
            s->threads[i].name[0] = '\0';
        s->threads[i].name[strcspn(s->threads[i].name, "\n\"\\")] = '\0';
        if (f != NULL)
            (void) fclose(f);
        (void) snprintf(name, sizeof(name), "task/%d/schedstat", ids[i]);
        f = proc_open(pid, name);
        unsigned long long cpu = 0;
        if (f != NULL && fscanf(f, "%llu", &cpu) == 1)
            s->threads[i].cpu_ns = cpu;
        if (f != NULL)
            (void) fclose(f);
        s->n_threads++;
    }
}

/* What the threads that fan out have used, where the server calls them so. */
static inline uint64_t proc_workers_ns(const struct proc_sample *s)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < s->n_threads; i++)
        if (strncmp(s->threads[i].name, "worker", 6) == 0)
            sum += s->threads[i].cpu_ns;
    return sum;
}

static inline void proc_memory(pid_t pid, struct proc_sample *s)
{
    FILE *f = proc_open(pid, "smaps_rollup");
    if (f == NULL)
        return;
    s->rss_kb = proc_field(f, "Rss"); /* Pss follows Rss in the file */
    s->pss_kb = proc_field(f, "Pss");
    (void) fclose(f);
}

/* All of it; zeros where pid is 0 or the process is gone. */
static inline struct proc_sample proc_sample(pid_t pid, int core)
{
    struct proc_sample s = {.at_ns = now_ns()};
    proc_core(core, &s);
    if (pid > 0) {
        proc_memory(pid, &s);
        proc_switches(pid, &s);
        proc_threads(pid, &s);
        proc_cpu(pid, &s);
    }
    return s;
}

#endif
