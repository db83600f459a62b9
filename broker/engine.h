/* engine.h - the table of an engine: where accepted events become safe, where batches go to the
 * nodes with clients, and where history is read. The rest of the program does not know which engine
 * runs. Broker thread, but for engine_ops.history; every callback comes on the broker thread too.
 */
#ifndef BROKER_ENGINE_H
#define BROKER_ENGINE_H

#include "batch.h"
#include "catalog.h"
#include "history.h"
#include "mailbox.h"
#include "metrics.h"
#include "path.h"
#include "seen.h"
#include "trial.h"

struct engine; /* each engine's own; never defined here */

/* A batch that is safe: to be put on its path's log. */
struct engine_batch {
    struct path *path;
    const char *trigger_id, *trigger_name; /* the name of then; borrowed like all of it */
    enum batch_flush why;
    size_t n_events;
    char first_event_id[ID_SIZE], last_event_id[ID_SIZE];
    struct slice frames; /* the encoded message */
    uint64_t position;   /* where the store placed it; ENGINE_ANYWHERE: the log reckons itself */
    uint64_t note;       /* engine_broadcast.note */
};
#define ENGINE_ANYWHERE UINT64_MAX

struct engine_callbacks {
    void *ctx;
    /* Events that are safe, in order: match them against the triggers and batch them. `again`: a
     * start found them without a batch. May come from inside submit. */
    void (*events)(void *ctx, struct event *const *events, size_t n, bool again);
    /* A batch for this node's connections. Batches of a path come in the order of their positions.
     * May come from inside broadcast. 0 or a negative error. */
    int (*deliver)(void *ctx, const struct engine_batch *b);
    /* The last deliver of this turn has been called: wake the readers. */
    void (*delivered)(void *ctx);
    /* Nothing can be made safe any more (-EIO, -EBADMSG): submit refuses from here on, and the
     * process should end. */
    void (*failed)(void *ctx, int err);
};

struct engine_options {
    const struct config *cfg;
    struct path_table *paths;
    struct metrics *metrics; /* the broker thread's */
    struct mailbox *mailbox; /* the broker loop's; open until close() has returned */
    struct engine_callbacks cb;
    const char *vfs; /* tests: store_options.vfs */
};

/* What the engine keeps besides events: small records by kind and id, whose meaning is their
 * owner's. */
enum engine_record_kind {
    ENGINE_TRIGGER = 1,
    ENGINE_OPERATION = 2,
    ENGINE_REVOCATION = 3,
    ENGINE_LOOKUP = 4 /* a push that waits for its digest (pending.h) */
};
struct engine_record {
    enum engine_record_kind kind;
    const char *id;
    struct slice value; /* empty: it is deleted */
};
/* One webhook's outcome. */
struct engine_submission {
    struct event *const *events; /* may be none; referenced as long as they are needed */
    size_t n;
    bool batched; /* they need no keeping: provisional broadcasts of all their batches follow */
    struct slice sender_ids, notes, letters; /* as store_webhook has them; copied */
    const struct engine_record *records;     /* that change with it; copied */
    size_t n_records;
    uint64_t letter; /* a dead letter that goes with it; 0: none */
    uint64_t epoch;  /* once one is refused, all of its epoch that were submitted later are, too */
    void (*done)(void *arg, int err); /* 0: safe. -ENOSPC, -EBUSY, -EIO, ...: nothing was taken */
    void *arg;
};

/* A flushed batch of a trigger on its way to every node; everything is copied. */
struct engine_broadcast {
    struct path *path;
    const char *trigger_id, *trigger_name;
    const struct batch_message *message;
    struct slice frames;
    bool provisional; /* of events submitted just before: goes with them, or not at all */
    uint64_t note;    /* whatever the broadcaster likes to find in the engine_batch */
};

/* Records that change together, or not at all; a trigger's record takes what else is kept of it
 * along when it goes. Everything is copied. */
struct engine_change {
    const struct engine_record *records;
    size_t n;
    /* NULL, or a trigger for which every event numbered up to `batched_seq` counts as batched. */
    const char *trigger_id;
    uint64_t batched_seq;
    uint64_t letter; /* 0, or a dead letter that goes, if it is there */
    /* 0: safe. Comes in order with what was submitted and broadcast before. -ENOSPC, ...: nothing
     * was changed. Maybe before change() returns. */
    void (*done)(void *arg, int err);
    void *arg;
};

struct engine_stats {
    int state;             /* 1: works, 2: the disk is full, 0: failed */
    uint64_t queued_bytes; /* not yet safe */
    uint64_t dead_letters; /* kept */
    uint64_t
        overdue_ms; /* its thread should have come round that long ago; 0: it has, or is none */
    uint64_t *history_messages, *history_bytes; /* by path index; written if not NULL */
    size_t n_paths;                             /* there is room for */
};

struct engine_ops {
    const char *name; /* the value of `engine` in the configuration */
    /* 0, or a negative error with what happened logged. */
    MUST_CHECK int (*open)(const struct engine_options *options, struct engine **ret);
    /* Fills what ingest keeps in memory; once, before start(). */
    MUST_CHECK int (*load)(struct engine *e, struct catalog *catalog, struct seen *seen,
                           struct id_gen *ids);
    /* All records kept, by kind and then id; before load_triggers(). */
    MUST_CHECK int (*load_records)(struct engine *e,
                                   void (*one)(void *, const struct engine_record *), void *ctx);
    /* All triggers there are: *ret_last_seq says of each up to which number its events are in
     * batches already. Once, before start(). */
    MUST_CHECK int (*load_triggers)(struct engine *e, const char *const *ids, size_t n,
                                    uint64_t *ret_last_seq);
    /* Everything is wired, the mailbox is open: what was accepted and is not in a batch of each
     * trigger comes now, by cb.events. */
    MUST_CHECK int (*start)(struct engine *e);
    /* What is under way is made safe or given up; the last callbacks come when the mailbox runs
     * next. Nothing is submitted or broadcast any more. */
    void (*stop)(struct engine *e);
    void (*close)(struct engine *e); /* stopped, and the mailbox has run */
    /* 0, or -EAGAIN (overload), -EIO (failed before): whether submit would take something now. */
    int (*can_submit)(const struct engine *e);
    /* Numbers the events. done(arg, err) follows, maybe before submit returns. */
    void (*submit)(struct engine *e, const struct engine_submission *s);
    bool waits; /* submitted events become safe later: `provisional` broadcasts make sense */
    /* 0 or a negative error: nobody will get it. */
    int (*broadcast)(struct engine *e, const struct engine_broadcast *b);
    /* A provisional broadcast cannot be made: the webhook submitted last is refused (-ENOMEM), with
     * what was broadcast of it. Before the next flush. */
    void (*withdraw)(struct engine *e);
    /* What was submitted and broadcast since the last call goes on its way together. */
    void (*flush)(struct engine *e);
    /* Calls `done` when all that was submitted and broadcast before is safe and delivered, or can
     * not be. */
    void (*settle)(struct engine *e, void (*done)(void *arg), void *arg);
    void (*change)(struct engine *e, const struct engine_change *c);
    /* A path that is new in a running process: batches may be broadcast to it once `done` has come
     * with 0, and its log begins where the engine says. Maybe before this returns. The path of the
     * next number comes next, and after an error the same again. */
    void (*add_path)(struct engine *e, struct path *path, void (*done)(void *arg, int err),
                     void *arg);
    void (*limit_path)(struct engine *e, const struct path *path); /* its history's, changed */
    /* The number of the event submitted last; from load_triggers() on. */
    uint64_t (*submitted_seq)(const struct engine *e);
    /* Events with numbers up to `seq` are in batches, all of which were broadcast before. */
    void (*batched)(struct engine *e, uint64_t seq);
    uint64_t (*now_ms)(struct engine *e); /* the clock of the de-duplication window */
    /* Sets an event aside that no trigger can send; `why` is a literal, `provisional` as above. */
    void (*set_aside)(struct engine *e, struct event *event, const char *why, bool provisional);
    /* Where to note what is being worked on (NULL is a trial, too), and whether a webhook's hash
     * has cost the process its life too often. */
    struct trial *(*trial)(struct engine *e);
    bool (*suspect)(const struct engine *e, uint64_t webhook_hash);
    struct history *(*history)(struct engine *e); /* NULL: it keeps none */
    void (*stats)(struct engine *e, struct engine_stats *ret);
};

extern const struct engine_ops ENGINE_EMBEDDED, ENGINE_MEMORY;

#endif
