/* worker.h - one loop, one thread: its listeners, connections by state, timer wheel and scratch
 * memory. The workers of the gateway serve WebSocket clients; one more, the front, on the broker's
 * thread, serves the webhooks and management listeners with the same connection code. What workers
 * share is in `struct shared`: immutable after start, or atomic. */
#ifndef GATEWAY_WORKER_H
#define GATEWAY_WORKER_H

#include "config.h"
#include "conn.h"
#include "door.h"
#include "group.h"
#include "history.h"
#include "ingest.h"
#include "listener.h"
#include "mailbox.h"
#include "outbound_cells.h"
#include "route_metrics.h"
#include "shed.h"
#include "sse_text.h"

#include <uv.h>

#define WORKER_READ_BYTES 65536
#define WORKER_FORMER     32 /* each was half as long as the next */
#define WORKER_HURRY_MS   1500

struct certificates;
struct departures;
struct dialogs;
struct gate;
struct manage;
struct pipeline;
struct route_rates;
struct tls;
struct tls_buffers;
struct tls_tickets;

/* What is _Atomic and a pointer is set anew by the front when the configuration changes. Whoever
 * else reads it may use what he found until his loop takes its next mail, and keeps no pointer into
 * it: once each worker has answered a mail, what counted before is freed (reload.c). */
struct shared {
    const struct config *_Atomic cfg;
    struct path_table *_Atomic paths;
    struct route_rates *_Atomic rates; /* of the specification; NULL: it has none */
    struct caps caps[LISTENER_N];
    struct door doors[LISTENER_N];
    struct log_cap refusals[REFUSE_N];
    struct shed shed;
    struct route_names routes; /* whose cells of worker->routes are whose */
    struct worker *workers;    /* of the gateway */
    size_t n_workers;
    struct worker *front;    /* webhooks and management; the broker's thread */
    struct history *history; /* NULL: the engine keeps none beyond the path logs */
    /* pipeline_follow(), front's thread; NULL: a path is current at any time. */
    void (*follow)(struct pipeline *p, struct path *path, void (*done)(void *arg, int err),
                   void *arg);
    struct ingest *ingest; /* front's thread only, as the next two */
    struct pipeline *pipeline;
    struct feed *feed;                       /* NULL: there is none (tests) */
    struct manage *manage;                   /* the same; NULL: nothing is managed (tests) */
    struct gate *gate;                       /* any thread; NULL: no path has `auth` (tests) */
    struct certificates *certificates;       /* front's thread; NULL: as they are (tests) */
    struct tls_tickets *tickets[LISTENER_N]; /* NULL: none are given */
    _Atomic uint64_t config_hash, config_loaded_s; /* of `cfg`; the latter is Unix time */
    _Atomic uint64_t canary_ok_s; /* when the last canary arrived (canary.h), Unix time; 0: none */
    uint64_t reload_ms; /* when one last began, also in vain (clock_mono_ms()); front's thread */
    _Atomic bool ready, draining;
    /* While another process takes over: nobody is accepted, and what is asked on a connection that
     * stays is left to be read by the other one. */
    _Atomic bool quiet;
    /* It has taken over; set before `draining`. Handshakes that have begun here are finished here.
     */
    _Atomic bool handed_over;
    _Atomic bool hurry;       /* draining: who is left is sent away within WORKER_HURRY_MS */
    _Atomic uint64_t revoked; /* draining: counts what the other process has revoked */
    uint64_t drain_spread_ms; /* set before `draining` */
    uint16_t drain_code;      /* 1001 or 1012; set before `draining` */
};

struct worker {
    uv_loop_t loop;
    struct shared *shared;
    unsigned index;
    bool is_front;
    struct mailbox mailbox;
    struct wheel wheel;
    uv_async_t dirty_wake;
    uv_idle_t turn;           /* runs while a sweep is active: the loop polls without waiting */
    uv_prepare_t before_wait; /* writes what was logged */
    uv_timer_t check;         /* runs while connections are blocked */
    struct list by_state[CONN_N_STATES];
    uint32_t n_conns;
    struct listener *listeners;
    size_t n_listeners;
    struct conn **slots; /* connection of each slot, NULL when free */
    uint32_t n_slots, *free_slots, n_free_slots;
    struct group **_Atomic groups; /* by path index; on the front the console's feed alone */
    _Atomic size_t n_groups;       /* the front adds some, and then paths that have them */
    size_t groups_room;
    struct group **former_groups[WORKER_FORMER]; /* too small; somebody may still look at one */
    size_t n_former_groups;
    struct list active;    /* groups with a sweep */
    struct list replaying; /* connections that can go on sending stored messages (replay.c) */
    struct departures *departures;
    struct dialogs *dialogs; /* with backends; NULL: there was none yet */
    uint32_t n_asked;        /* what others have not answered yet, such as history */
    struct group *_Atomic dirty;
    struct ws_pool *ws_pool;
    struct sse_text sse_text;    /* what a turn has converted */
    struct tls *tls[LISTENER_N]; /* from certificates.h; NULL: plain */
    struct tls_buffers *tls_buffers;
    struct metrics metrics;
    struct route_metrics routes;
    struct outbound_cells backend; /* what its outbound has counted, for /metrics */
    struct mail drain_mail, shed_mail, hold_mail;
    _Atomic bool shedding; /* shed_mail is under way */
    _Atomic bool holding;  /* hold_mail is */
    uv_timer_t drain_end;  /* runs while draining; at close_all_ms everything left is closed */
    uv_thread_t thread;
    bool draining, stopped;
    uint64_t drain_end_ms, close_all_ms; /* loop time */
    uint64_t revoked;                    /* shared->revoked, when it was last looked at */
    void (*on_stopped)(
        struct worker *w); /* this worker's thread: drained, the loop is about to end */
    uint8_t random[256];
    size_t random_left;
    uint8_t rbuf[WORKER_READ_BYTES]; /* one read; a connection keeps nothing of it */
};

/* Bound sockets of one listener. */
struct worker_sockets {
    enum metrics_listener role;
    const int *fds;
    size_t n;
};
/* On any thread before the loop runs. The sockets belong to the worker from here on, also when this
 * fails. A worker with an index of `s->n_workers` or above is the front. */
MUST_CHECK int worker_init(struct worker *w, struct shared *s, unsigned index,
                           const struct worker_sockets *sockets, size_t n_sockets);
void worker_fini(struct worker *w); /* the loop has ended; frees everything */

/* The worker's group of the path with that index. Any thread. */
static inline struct group *worker_group(const struct worker *w, size_t index)
{
    struct group **groups = w->groups; /* GCC 12 does not load atomically what has a [] behind it */
    return groups[index];
}
/* Makes the groups of all paths that `paths` knows. 0, or group_new()'s errors; those that could be
 * made stay. The front's thread, or before the loop runs. */
MUST_CHECK int worker_add_groups(struct worker *w, struct path_table *paths);

/* Makes the front's only group, of a path that is in no table. 0, or group_new()'s errors. Before
 * the loop runs; the path is there until worker_fini(). */
MUST_CHECK int worker_add_group(struct worker *front, struct path *p, struct group **ret);

/* Runs the loop until the worker has drained. */
void worker_run(struct worker *w);
/* Any thread: stop accepting, close clients spread over the drain time (or requests when they are
 * answered), then end the loop. */
void worker_drain(struct worker *w);
/* Worker's thread: closes everything that is left. */
void worker_close_all(struct worker *w);
/* Worker's thread, draining: an open client gets its close time, between now and the end. */
void worker_drain_session(struct conn *c);
/* Any thread: accepts nobody while shared->quiet, and goes on when it is not. After it was set or
 * cleared. */
void worker_hold(struct worker *w);

/* A client that has come too late for this process. */
static inline bool shared_is_closed(const struct shared *s)
{
    return atomic_load_explicit(&s->draining, memory_order_relaxed) &&
           !atomic_load_explicit(&s->handed_over, memory_order_relaxed);
}

/* Gives the connection a slot. 0 or -ENOMEM. */
MUST_CHECK int worker_slot(struct worker *w, struct conn *c, uint32_t *ret);
void worker_unslot(struct worker *w, uint32_t slot);
uint64_t worker_random(struct worker *w); /* from the kernel, a pool at a time */
void worker_conn_gone(struct worker *w);  /* a connection's memory is about to go */

/* Asks history; its answer comes as request->mail, which calls worker_answered() when it has been
 * dealt with: until then the worker does not end. */
void worker_ask(struct worker *w, struct history_request *request);
void worker_answered(struct worker *w);

#endif
