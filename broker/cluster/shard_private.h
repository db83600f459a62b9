/* shard_private.h - the parts of the shards that a node owns, shared by their files:
 *   shards.c          which are owned, their states, what time brings
 *   shard_state.c     what is known of a shard, as messages of P_EV and snapshots say it
 *   shard_load.c      taking one over
 *   shard_scan.c      what P_BAT says of how far triggers are, for all that load at a time
 *   shard_open.c      the end of that: where triggers and webhooks go on
 *   shard_feed.c      webhooks from P_IN
 *   shard_append.c    what they lead to, into P_EV
 *   shard_mark.c      marks, and what is not needed any more
 *   shard_snapshot.c  snapshots
 *
 * Servers may lose what they acknowledged less than sync_ms ago, all of them together: so a mark is
 * written when what it says is older than twice that, and what a mark makes superfluous is deleted
 * when the mark is. */
#ifndef BROKER_CLUSTER_SHARD_PRIVATE_H
#define BROKER_CLUSTER_SHARD_PRIVATE_H

#include "clock.h"
#include "cluster/intake.h"
#include "cluster/mark_wire.h"
#include "cluster/shards.h"
#include "ingest.h"
#include "list.h"
#include "log.h"
#include "mem.h"

#define SHARD_PACK_BYTES     ((size_t) 512 << 10) /* what goes together, unless one alone has more */
#define SHARD_TICK_MS        100
#define SHARD_MARK_MS        5000
#define SHARD_SNAPSHOT_BYTES ((uint64_t) 4 << 20) /* in P_EV */
#define SHARD_MARKS          8                    /* computed and not yet written */

enum shard_state {
    SHARD_NONE,    /* not ours */
    SHARD_WAITING, /* ours, to be loaded */
    SHARD_LOADING,
    SHARD_OPEN,    /* the ingest has it */
    SHARD_LEAVING, /* the same, but no more webhooks are read */
    SHARD_N_STATES
};

/* Events of P_EV above the mark that one owner derived with the same records. */
struct shard_place {
    uint64_t last; /* the number of the last of them */
    uint64_t ev_seq, rec_seq;
};
struct shard_lookup { /* a record that its shard keeps */
    char id[ID_SIZE];
    struct buf value;
};

/* A webhook that was read and is not done, or waits to be read. */
struct shard_fed {
    struct list in_shard;
    struct shard *shard;
    uint64_t run;
    struct event_wire_in at;
    char *headers; /* of its message */
    size_t headers_len;
    struct buf data;   /* while it waits */
    uint64_t since_ms; /* the same */
    bool done;
};

struct shard_sub {
    void (*done)(void *arg, int err);
    void *arg;
    struct event **events; /* referenced */
    size_t n;
};
struct shard_msg { /* to P_EV */
    struct list in_shard;
    uint64_t number, count;
    struct buf bytes;
    uint32_t n_events;
    bool sent; /* nothing is added any more: it may be stored */
    struct shard_sub *subs;
    size_t n_subs;
};

/* Only while it is loaded. */
struct shard_load {
    struct mark_wire mark;
    struct consumer *consumer;
    uint64_t head_seq;    /* of P_EV, to be read up to there */
    uint64_t chunks;      /* read */
    uint64_t progress_ms; /* when something came last */
    uint64_t number;      /* of the message read last; 0: none was */

    bool opening;                 /* the last step has begun */
    struct mark_trigger *scanned; /* how far triggers are by P_BAT */
    size_t n_scanned;
    struct event **backlog;
    size_t n_backlog;
    bool waits_for_scan, waits_for_records;
};

struct shard_computed {
    struct mark_wire mark;
    uint64_t at_ms;
};
struct shard_snapshot {
    struct list chunks; /* of struct shard_chunk, not yet stored */
    bool wanted;        /* webhooks wait until what was read is stored */
    bool sending;
    struct mark_snapshot made, next; /* the last one; the one that is being stored */
    uint64_t wanted_ms, opened_ms;
    uint64_t bytes_since, events_since; /* in P_EV, after the last one */
    uint64_t retry_ms;
};

struct shard {
    struct shards *all;
    unsigned index;
    enum shard_state state;
    uint64_t run;      /* what comes of a former one is not ours any more */
    uint64_t retry_ms; /* WAITING: when to load; open: when to send again */
    unsigned failures; /* one after the other */
    struct shard_load load;

    /* what is known of it */
    struct catalog *catalog; /* as `seen`: the ingest's while it is open */
    struct seen *seen;
    struct seen *taken; /* Ids of webhooks */
    struct id_gen ids;
    char last_event_id[ID_SIZE];
    struct shard_lookup *lookups;
    size_t n_lookups;
    struct shard_place *places;
    size_t n_places, cap_places;
    uint64_t head_seq, number; /* of the last message in P_EV */
    uint64_t rec_seq;          /* the highest that an owner has derived with */
    uint64_t at_ms;            /* of what was derived last; Unix time */
    struct event_wire_in in;   /* the last webhook that is done */
    uint64_t bat_seq;          /* mark_wire.bat_seq, as of the load */

    /* feeding */
    struct consumer *consumer;
    struct list held, fed; /* of struct shard_fed */
    struct shard_fed *reading;
    bool paused;

    /* appending: the first is on its way if `sending`; the last one is added to */
    struct list messages; /* of struct shard_msg */
    uint64_t queued_bytes, queued_subs;
    bool sending, full;
    uint64_t logged_ms;

    /* marks */
    struct shard_computed computed[SHARD_MARKS];
    size_t n_computed;
    struct mark_wire written, sent_mark; /* without their triggers */
    uint64_t computed_ms, batched_seq;
    uint64_t revision, written_revision, purge_revision; /* in P_mark */
    uint64_t purge_ms; /* when what `purge` says was written; 0: nothing is to be purged */
    struct mark_wire purge;
    bool writing;
    struct shard_snapshot snapshot;
};

struct shard_scan;
struct shards {
    struct cluster *c;
    struct leases *leases;
    struct chains *chains;
    struct records *records;
    struct engine_callbacks cb;
    uv_timer_t tick;
    uint64_t count;    /* of messages, for shard_msg.count */
    struct list calls; /* under way, of struct shard_call */
    struct shard_scan *scan;
    unsigned loading;
    uint64_t mark_ms, snapshot_bytes; /* how often, at the least; tests make them small */
    struct shard at[CLUSTER_SHARDS];
};

/* --- shards.c --- */

/* A call of js.h on behalf of a shard; whichever `then` is set hears of it, unless the shard was
 * given up meanwhile. The call's `done` is the one below, its context this. */
struct shard_call {
    struct list in_shards;
    struct shard *shard;
    uint64_t run;
    union {
        void (*ack)(struct shard *sh, int err, const struct js_ack *ack);
        void (*msg)(struct shard *sh, int err, const struct js_msg *m);
        void (*done)(struct shard *sh, int err);
        void (*stream)(struct shard *sh, int err, const struct js_stream *s);
    } then;
};
struct shard_call *shard_call_ack(struct shard *sh,
                                  void (*then)(struct shard *, int, const struct js_ack *));
struct shard_call *shard_call_msg(struct shard *sh,
                                  void (*then)(struct shard *, int, const struct js_msg *));
struct shard_call *shard_call_done(struct shard *sh, void (*then)(struct shard *, int));
struct shard_call *shard_call_stream(struct shard *sh,
                                     void (*then)(struct shard *, int, const struct js_stream *));
void shard_on_ack(void *call, int err, const struct js_ack *ack);
void shard_on_msg(void *call, int err, const struct js_msg *m);
void shard_on_done(void *call, int err);
void shard_on_stream(void *call, int err, const struct js_stream *s);

void shard_set_state(struct shard *sh, enum shard_state next); /* the only writer of it */
bool shard_is_open(const struct shard *sh);                    /* the ingest has it */
/* Gives it up: what is under way is refused, the ingest loses it. `resign`: the lease goes, too;
 * else it is loaded again. */
void shard_drop(struct shard *sh, const char *why, int err, bool resign);
void shard_log(const struct shard *sh, enum log_level level, const char *what, int err);
/* When to try again what has failed so often; counts it. */
uint64_t shard_backoff(struct shard *sh);

/* --- shard_state.c --- */

void shard_state_new(struct shard *sh);
void shard_state_free(struct shard *sh);
struct shard_message { /* of P_EV, while a shard is loaded */
    struct slice data;
    uint64_t seq;
    uint64_t batched_seq; /* of the mark */
    bool known;           /* a snapshot holds what follows from it, but for its events */
    void (*event)(struct shard *sh, struct event *e); /* each, numbered; borrowed */
};
/* -EBADMSG, -ENOMEM. */
MUST_CHECK int shard_state_read(struct shard *sh, const struct shard_message *m);
MUST_CHECK int shard_state_read_chunk(struct shard *sh, struct slice chunk, uint64_t number);
/* A message was stored of which the ingest knows what it has made. */
void shard_state_stored(struct shard *sh, struct slice message, uint64_t ev_seq);
/* The highest number of an event above the mark that was derived with less of P_REC; 0: none. */
uint64_t shard_state_before(const struct shard *sh, uint64_t rec_seq);
/* Events up to this number are in batches: up to where in P_EV there are no others. */
uint64_t shard_state_settled(struct shard *sh, uint64_t batched_seq);
/* Into chunks; of an open shard with nothing under way. -ENOMEM. */
MUST_CHECK int shard_state_dump(struct shard *sh, struct list *ret_chunks);

struct shard_chunk {
    struct list in_snapshot;
    struct buf bytes;
};
void shard_chunks_free(struct list *chunks);

/* --- shard_load.c, shard_open.c, shard_scan.c --- */

void shard_load(struct shard *sh);
void shard_load_fini(struct shard *sh);
void shard_load_failed(struct shard *sh, const char *what, int err);
void shard_load_tick(struct shard *sh, uint64_t now_ms);
void shard_load_free(struct shard_load *load);
void shard_open(struct shard *sh); /* everything of P_EV has been read, and of P_BAT */

struct shard_scan *shard_scan_new(struct shards *s);
void shard_scan_free(struct shard_scan *scan);
void shard_scan_tick(struct shard_scan *scan, uint64_t now_ms);
/* Batches behind `bat_seq`, into load.scanned; shard_open() follows, unless the shard is given up.
 */
void shard_scan_want(struct shard_scan *scan, struct shard *sh);

/* --- shard_feed.c --- */

void shard_feed_start(struct shard *sh, uint64_t from); /* a sequence in P_IN */
void shard_feed_stop(struct shard *sh);                 /* what was read is still done */
void shard_feed_drop(struct shard *sh);                 /* nor that */
void shard_feed_tick(struct shard *sh, uint64_t now_ms);
void shard_feed_watch(struct shard *sh); /* something changed that it may wait for */
void shard_in_id(struct slice headers, struct seen_key *ret); /* of a message of P_IN */

/* --- shard_append.c --- */

void shard_send(struct shard *sh);
void shard_append_tick(struct shard *sh, uint64_t now_ms);
void shard_append_drop(struct shard *sh, int err); /* done() of all that is under way */
/* Those of a submission that is stored go to the records that all nodes have. */
void shard_letters(struct shard *sh, const struct event_wire_item *item);

/* --- shard_mark.c, shard_snapshot.c --- */

void shard_mark_tick(struct shard *sh, uint64_t now_ms);
void shard_mark_opened(struct shard *sh); /* load.mark is there */
void shard_mark_fini(struct shard *sh);
void shard_snapshot_tick(struct shard *sh, uint64_t now_ms);
void shard_snapshot_try(struct shard *sh); /* something under way has ended */
void shard_snapshot_fini(struct shard *sh);

#endif
