/* run.h - what the threads of the load client share: the options, and which messages have arrived
 * everywhere. Each thread counts the receipts of its own connections without atomics; only when the
 * last of them has a message does it tell the others. */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include "hist.h"
#include "message.h"
#include "util.h"

#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/types.h>

#define RUN_WINDOW      65536 /* messages that may be on their way; a power of two */
#define RUN_MAX_THREADS 64

enum pattern {
    PATTERN_IDLE,
    PATTERN_ONE,
    PATTERN_BURST,
    PATTERN_RATE,
    PATTERN_OVERLOAD,
    PATTERN_ACCEPT,
    N_PATTERNS
};
static const char *const PATTERN_NAMES[N_PATTERNS] = {"idle", "one",      "burst",
                                                      "rate", "overload", "accept"};

struct run {
    /* options */
    const char *connect, *path, *publish, *publish_path;
    struct sockaddr_storage address;
    socklen_t address_len;
    struct message_options message;
    enum pattern pattern;
    unsigned threads, connections, sources, burst;
    unsigned stalled, prefill;   /* connections that never read, beside the others; messages */
    unsigned quiet, pinged;      /* connections of the probe (probe.h) */
    const char *manage, *folder; /* where triggers are listed; whose */
    unsigned triggers, lists;    /* that are configured; lists a second of all of them */
    unsigned consoles;           /* that have the feed open */
    bool has_consoles;           /* was asked for, also for none */
    double overload;
    bool deflate, count_futex, to_each;
    const char *tls; /* "1.2" or "1.3"; NULL: plain */
    bool tls_resume;
    unsigned paths; /* that the connections are spread over; 0: one, without a number */
    uint64_t say;   /* messages a second from all connections together */
    bool lossy;     /* not all of them come back */
    uint64_t rate, warmup_ns, measured_ns, max_ns;
    pid_t pid;
    int core;
    bool spin;

    /* shared */
    int wake;                       /* eventfd of thread 0, which publishes */
    uint64_t first;                 /* the first sequence number that connections get */
    double sustainable;             /* overload: messages a second */
    unsigned stalled_left;          /* at the end */
    bool loose;                     /* overload: each connection for itself, see on_message() */
    _Atomic uint64_t measured_from; /* the first sequence number whose latency counts */
    _Atomic uint64_t completed;     /* messages that every connection has */
    _Atomic unsigned opened;        /* connections */
    _Atomic bool failed, closing;
    _Atomic unsigned done[RUN_WINDOW]; /* threads all of whose connections have this message */
};

static inline void run_wake(struct run *run)
{
    uint64_t one = 1;
    (void) !write(run->wake, &one, sizeof(one));
}

#endif
