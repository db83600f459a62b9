/* ingest_private.h - the parts of the ingest, shared by its files:
 *   ingest.c           who may post, the way of a webhook, life
 *   ingest_reading.c   reading an envelope: what it leads to
 *   ingest_delivery.c  from the request to the answer: what is handed over, or taken back
 *   ingest_taken.c     webhooks that are read elsewhere than where they came, at both places
 *   ingest_completed.c what was left out and is complete now
 *   ingest_shards.c    the catalogs and senders' ids that are kept here
 *
 * Catalog and seen ids change while an envelope is read, before anybody knows whether its events
 * will be safe, and the next envelopes are read against what it changed. So webhooks under way
 * belong to an epoch of their shard: the engine makes them safe in order, and after the first that
 * it refuses it refuses all of the epoch. Then everything not committed is rolled back, once, and
 * the next epoch begins; the registries' retries derive the same events again. */
#ifndef BROKER_INGEST_PRIVATE_H
#define BROKER_INGEST_PRIVATE_H

#include "clock.h"
#include "completion.h"
#include "ingest.h"
#include "kinds.h"
#include "list.h"
#include "recent.h"
#include "record.h"
#include "sender.h"
#include "webhook_record.h"

#define INGEST_RETRY_OVERLOAD_S 1
#define INGEST_PACKED_MAX       ((size_t) 1 << 30)
#define INGEST_MS_NS            UINT64_C(1000000)

/* What is kept of the registries of one shard. */
struct ingest_shard {
    unsigned index;
    struct catalog *catalog; /* NULL: another node has it, as the rest */
    struct seen *seen;
    struct id_gen ids;
    uint64_t epoch;                    /* of the webhooks under way */
    uint64_t mark;                     /* of the catalog, after the last webhook */
    struct list under_way;             /* deliveries the engine has */
    const struct delivery *submitting; /* the one it is just being given */
};

struct ingest {
    const struct config *cfg;
    struct metrics *metrics;
    struct ingest_target target;
    struct sender_set *senders;
    struct completion *completion; /* NULL: none */
    struct kinds *kinds;
    struct registry_watch *watch;
    struct ingest_shard *shards;
    unsigned n_shards;
    struct catalog *empty; /* for ingest_borrow(), once somebody has asked; changed and undone */
    struct id_gen ids;     /* of several shards: what belongs to none */
    uint64_t forgotten, ids_forgotten; /* by those that were closed */
};

/* One webhook from the request to its answer; or pushes of former ones that are complete now. */
struct delivery {
    struct ingest *in;
    struct ingest_shard *shard;
    struct ingest_call *call;
    char registry_id[64], peer[64]; /* copies: the answer may come after the request is gone */
    char trace_id[33];              /* "": the request has none */
    size_t bytes;
    uint64_t start_us;
    uint64_t accepted, ignored, duplicates, set_aside, queued, letters, stale;
    uint64_t epoch, before, mark; /* `before`, `mark`: of the catalog */
    const char *kind, *known_by;  /* of its source; NULL: it was not read, or is nobody's */
    bool unsure;                  /* something led to nothing, maybe for what is under way */
    uint64_t first_event;         /* numbers of recent.h; n_events of them */
    size_t n_events;
    struct buf keys;     /* of the ids that are new with it: struct seen_key, one after the other */
    struct list pending; /* pushes that wait for their digests, when it is safe */
    bool silent;         /* no webhook, or one that is answered elsewhere */
    bool own;            /* a webhook of former times: ingest_request.own */
    uint64_t letter;     /* what was kept of it then; 0: none, or it stays */
    bool known;          /* whose it is; then it is a webhook */
    struct list in_flight;
};

/* What is known only while the envelope is read. */
struct reading {
    struct delivery *d;
    const struct config_registry *registry; /* NULL: it is not known any more */
    const struct source_request *request;
    const struct change *change;
    struct event_trace trace;
    char traceparent[EVENT_TRACEPARENT_SIZE]; /* "": there is none */
    uint64_t keys[RECENT_KEYS];               /* of the change and the delivery; 0: none */
    bool own;                                 /* as the request has it */
    char received_at[CLOCK_RFC3339_SIZE];
    struct event **events;
    size_t n, cap;
    struct catalog_now now; /* .ms: of the de-duplication window */
    struct buf notes, letters;
    const struct ingest_completed *done; /* NULL: it is a webhook */
    struct buf packed;                   /* of the records */
    struct engine_record *records;
    size_t n_records;
    struct buf headers;   /* what letters keep of the request's, once there is one */
    struct buf handshake; /* not empty: it is no event, and this is the answer */
    bool no_memory;
};

/* --- ingest.c --- */

struct catalog_now ingest_now(const struct ingest *in);
/* As `record` has it, of that registry; `d` is gone, or the engine's. */
void ingest_take_in(struct delivery *d, const struct webhook_record *record,
                    const struct config_registry *registry);
struct source_request ingest_source_request(const struct webhook_record *record,
                                            const struct config_registry *registry);

/* --- ingest_taken.c --- */

/* The same, to be read where its shard is owned. `registry` NULL: it is no webhook. */
void ingest_hand_on(struct delivery *d, struct webhook_record *record,
                    const struct config_registry *registry);

/* --- ingest_completed.c --- */

/* An event that goes on its way again: its own registry's. */
MUST_CHECK int ingest_put_event(struct reading *rd, const struct event *e);

/* --- ingest_shards.c --- */

struct ingest_shard *ingest_shard_of(const struct ingest *in, const char *registry_id);
void ingest_shards_init(struct ingest *in);
void ingest_shards_fini(struct ingest *in);

/* --- ingest_reading.c --- */

/* `d` is borrowed. ingest_reading_fini() is due. */
void ingest_reading_init(struct reading *rd, struct delivery *d);
void ingest_set_received(struct reading *rd, uint64_t ms); /* of what had to wait */
void ingest_reading_fini(struct reading *rd);
/* The envelope's events, or what is set aside instead. A webhook that ended the process several
 * times is not read again. 0; -errno: it cannot be taken now. */
MUST_CHECK int ingest_read(struct reading *rd, const struct webhook_record *record);
/* Of the reading `ctx`: an event that it leads to, and something that nobody understands. */
void ingest_on_event(void *ctx, const struct catalog_event *found);
void ingest_on_set_aside(void *ctx, const char *why, struct slice excerpt);

/* --- ingest_delivery.c --- */

/* `sender` NULL: it is nobody's. NULL: no memory, and the call is still to be answered. */
struct delivery *ingest_delivery_new(struct ingest *in, const struct ingest_request *req,
                                     const struct sender *sender, struct ingest_call *call);
/* Each answers the call, and `d` is gone. */
void ingest_refuse(struct delivery *d, enum refuse why, unsigned retry_after_s);
void ingest_refuse_error(struct delivery *d, int err); /* as engine_submission.done has it */
void ingest_accept(struct delivery *d);
void ingest_answer_handshake(struct delivery *d, struct slice json);
/* Whether it was, because the engine would take nothing now. */
bool ingest_is_refused(struct delivery *d);
void ingest_refuse_call(struct ingest_call *call); /* for which there is no delivery */
void ingest_fill_refused(struct ingest_answer *answer, enum refuse why, unsigned retry_after_s);
/* Hands over what was read, or takes it back when `r` is negative; `d` is gone, or the engine's. */
void ingest_conclude(struct reading *rd, int r);
void ingest_copy_text(char *to, size_t cap, struct slice s); /* cut where it is too long */

#endif
