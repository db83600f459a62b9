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

#include <uv.h>

struct engine; /* each engine's own; never defined here */
struct engine_shard;
struct engine_record;
struct ingest_counts;

/* A batch that is safe: to be put on its path's log. */
struct engine_batch {
    struct path *path;
    const char *trigger_id, *trigger_name; /* the name of then; borrowed like all of it */
    enum batch_flush why;
    size_t n_events;
    char first_event_id[ID_SIZE], last_event_id[ID_SIZE];
    struct slice ids;    /* of its events, packed; as batch_message */
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

    /* --- of engines of several nodes; others call none of them --- */

    /* This node derives a shard's events from here on: what is known of it by now, which is the
     * ingest's from here on; of each of its triggers what is in batches; and its events that are
     * not in batches of all their triggers, in order (borrowed). */
    void (*open_shard)(void *ctx, const struct engine_shard *shard);
    /* It does not any more: what is under way has been refused; what is gathered is dropped, the
     * next owner gathers it again. */
    void (*close_shard)(void *ctx, unsigned shard);
    /* Reads a webhook that some node has taken: `submit` comes from inside, or nothing has to be
     * kept of it. `done` once, maybe from inside; `counts` NULL with an error: nothing was taken.
     */
    void (*read)(void *ctx, unsigned shard, struct slice webhook,
                 void (*done)(void *arg, int err, const struct ingest_counts *counts), void *arg);
    /* What the triggers of a shard have gathered and not broadcast: the lowest number of an event;
     * UINT64_MAX: nothing. */
    uint64_t (*gathered)(void *ctx, unsigned shard);
    /* Sends what the triggers of a shard have gathered, because another node will own it. */
    void (*flush_shard)(void *ctx, unsigned shard);
    /* Records that another node has changed. */
    void (*changed)(void *ctx, const struct engine_record *records, size_t n);
    /* What this path's clients have not got any more may be lost for good: they should be told. */
    void (*gap)(void *ctx, struct path *path);
};

/* A trigger whose batches somebody else has formed so far. */
struct engine_mark {
    const char *trigger_id;
    uint64_t batched_seq; /* events up to it are in batches, or not for it */
    uint64_t paused_seq;  /* if it is paused: events up to it are sent all the same */
};
struct engine_shard {
    unsigned index;
    struct catalog *catalog; /* the callee's from here on, as is `seen` */
    struct seen *seen;
    struct id_gen ids;
    const struct engine_mark *marks; /* a trigger without one gets what comes from here on */
    size_t n_marks;
    struct event *const *backlog;
    size_t n_backlog;
};

struct engine_options {
    const struct config *cfg;
    struct path_table *paths;
    struct metrics *metrics; /* the broker thread's */
    struct mailbox *mailbox; /* the broker loop's; open until close() has returned */
    struct engine_callbacks cb;
    const char *vfs; /* tests: store_options.vfs */
    /* NULL: cfg->data_dir. Else what is kept there is only a copy: emptied when opened, never
     * synced. */
    const char *copy_dir;
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
    unsigned shard;  /* of its registry; engine_ops.shards */
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
    unsigned shard;   /* of the trigger's registry */
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

/* Whether a load balancer should send anything here. */
struct engine_health {
    bool ready;
    const char *why; /* a literal; NULL when it is ready */
};

/* Other nodes, by an engine that has some. Broker thread. */
struct engine_peer {
    char node[64], address[64], version[16];
    uint64_t started_ms, seen_ms; /* Unix time */
    uint64_t connections;
    unsigned shards; /* it owns */
    bool self, ready;
};
/* What other nodes are asked; copied. */
struct engine_question {
    const char *node; /* NULL: all but this one that live */
    const char *verb;
    struct slice request;
    uint64_t timeout_ms;
    /* Each answer; borrowed. */
    void (*reply)(void *arg, const char *from, struct slice answer);
    /* Once, maybe from inside: all have answered, or the time is up, and so many have not. */
    void (*done)(void *arg, size_t missing);
    void *arg;
};
struct engine_peers {
    void (*ask)(struct engine *e, const struct engine_question *q);
    /* Who answers `verb` here; a literal. `serve` answers by engine_peers.answer(), now or later;
     * `token` is to be handed back, once. */
    void (*serve)(struct engine *e, const char *verb,
                  void (*serve)(void *ctx, struct slice request, void *token), void *ctx);
    void (*answer)(struct engine *e, void *token, struct slice answer);
    /* Who tells what the others are told of this node: address, connections. */
    void (*describe)(struct engine *e, void (*self)(void *ctx, struct engine_peer *ret), void *ctx);
    /* All nodes that live, this one first; returns how many there are. */
    size_t (*list)(struct engine *e, struct engine_peer *ret, size_t cap);
};

/* Of an engine of several nodes. */
struct engine_cluster_stats {
    bool connected;
    uint64_t reconnects;
    uint64_t nodes, shards;          /* that live; that this one owns */
    uint64_t waiting, waiting_bytes; /* webhooks that are not in the stream yet */
    uint64_t kept;                   /* all in the outbox */
    uint64_t paths_followed;         /* of which batches are received */
    uint64_t filled, dropped, gaps;  /* messages of paths: read later, left out; ends of paths */
    uint64_t regresses;              /* times a stream had less than it had had */
    uint64_t batches_pending_bytes;  /* not yet in their stream */
};

struct engine_stats {
    int state;             /* 1: works, 2: the disk is full, 0: failed */
    uint64_t queued_bytes; /* not yet safe */
    uint64_t dead_letters; /* kept */
    uint64_t
        overdue_ms; /* its thread should have come round that long ago; 0: it has, or is none */
    uint64_t *history_messages, *history_bytes; /* by path index; written if not NULL */
    size_t n_paths;                             /* there is room for */
    struct engine_cluster_stats *cluster;       /* written if not NULL, by an engine of several
                                                   nodes; others leave it */
};

struct engine_ops {
    const char *name; /* the value of `engine` in the configuration */
    /* 0, or a negative error with what happened logged. */
    MUST_CHECK int (*open)(const struct engine_options *options, struct engine **ret);
    /* Fills what ingest keeps in memory; once, before start(). */
    MUST_CHECK int (*load)(struct engine *e, struct catalog *catalog, struct seen *seen,
                           struct id_gen *ids);
    /* In how many parts catalog and senders' ids are kept, by registry. 1: all of it is loaded by
     * load(); else load() is NULL, and they come and go by cb.open_shard and close_shard. */
    unsigned shards;
    /* All records kept, by kind and then id; before load_triggers(). */
    MUST_CHECK int (*load_records)(struct engine *e,
                                   void (*one)(void *, const struct engine_record *), void *ctx);
    /* All triggers there are: *ret_last_seq says of each up to which number its events are in
     * batches already. Once, before start(). */
    MUST_CHECK int (*load_triggers)(struct engine *e, const char *const *ids, size_t n,
                                    uint64_t *ret_last_seq);
    /* Everything is wired, the mailbox is open: what was accepted and is not in a batch of each
     * trigger comes now, by cb.events. */
    MUST_CHECK int (*start)(struct engine *e, uv_loop_t *loop); /* the broker thread's */
    /* NULL: settle() is all. Else what this node does for others is handed on first; `done` as of
     * settle(), and stop() follows. */
    void (*leave)(struct engine *e, void (*done)(void *arg), void *arg);
    /* What is under way is made safe or given up; the last callbacks come when the mailbox runs
     * next. Nothing is submitted or broadcast any more. */
    void (*stop)(struct engine *e);
    void (*close)(struct engine *e); /* stopped, and the mailbox has run */
    /* 0, or -EAGAIN (overload), -EIO (failed before): whether submit would take something now. */
    int (*can_submit)(const struct engine *e);
    /* Numbers the events. done(arg, err) follows, maybe before submit returns. */
    void (*submit)(struct engine *e, const struct engine_submission *s);
    bool waits; /* submitted events become safe later, and a start forms again what was not sent */
    bool early; /* `provisional` broadcasts make sense: they go with the events submitted before */
    /* NULL: webhooks are read where they arrive. Else they are kept, to be read by cb.read wherever
     * their shard is owned. Copied. */
    void (*take)(struct engine *e, unsigned shard, struct slice webhook,
                 void (*done)(void *arg, int err, const struct ingest_counts *counts), void *arg);
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
    /* NULL: every path's log and history are always up to date. Else a path without clients may not
     * be: `done` comes when it is (path->current), with all that any client has been sent by now,
     * or -ETIMEDOUT, -EAGAIN. */
    void (*follow)(struct engine *e, struct path *path, void (*done)(void *arg, int err),
                   void *arg);
    /* The number of the event submitted last; from load_triggers() on. */
    uint64_t (*submitted_seq)(const struct engine *e);
    /* Events with numbers up to `seq` are in batches, all of which were broadcast before. */
    void (*batched)(struct engine *e, uint64_t seq);
    uint64_t (*now_ms)(struct engine *e); /* the clock of the de-duplication window */
    /* Sets an event aside that no trigger can send; `why` is a literal, `provisional` as above. */
    void (*set_aside)(struct engine *e, struct event *event, const char *why, bool provisional);
    /* Where to note what is being worked on (NULL is a trial, too), and whether a webhook's hash
     * has cost the process its life too often; with several shards, also an event's, of its
     * registry and id, which is noted for its number then. */
    struct trial *(*trial)(struct engine *e);
    bool (*suspect)(const struct engine *e, uint64_t hash);
    struct history *(*history)(struct engine *e); /* NULL: it keeps none */
    void (*stats)(struct engine *e, struct engine_stats *ret);
    void (*health)(struct engine *e, struct engine_health *ret); /* NULL: as stats() says */
    const struct engine_peers *peers;                            /* NULL: there are none */
};

extern const struct engine_ops ENGINE_EMBEDDED, ENGINE_MEMORY, ENGINE_NATS;

#endif
