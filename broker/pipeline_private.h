/* pipeline_private.h - the parts of the pipeline, shared by its files:
 *   pipeline.c           the way of an event, timers, making and ending
 *   pipeline_triggers.c  the triggers: loaded at a start, changed while events flow
 *   pipeline_records.c   what else is kept by name, for its owners
 *   pipeline_lookups.c   pushes that wait for their digests
 *   pipeline_reload.c    a changed configuration
 *   pipeline_shards.c    what an engine of several nodes asks and tells
 *   pipeline_nodes.c     other nodes */
#ifndef BROKER_PIPELINE_PRIVATE_H
#define BROKER_PIPELINE_PRIVATE_H

#include "action.h"
#include "completion.h"
#include "deliveries.h"
#include "delivery.h"
#include "log.h"
#include "lookup.h"
#include "pipeline.h"
#include "recent.h"

#define ROLE_BROADCAST "api-gateway.websocketBroadcaster"

/* One kept by an earlier run, until it is asked for. */
struct kept_record {
    enum engine_record_kind kind;
    char id[ID_SIZE];
    struct buf value;
};

struct pipeline {
    const struct config *cfg;
    struct path_table *paths;
    struct metrics *metrics;
    struct mailbox *mailbox;
    struct trigger_set *triggers; /* each with its action */
    pipeline_allowed *allowed;
    void *allowed_ctx;
    const struct engine_ops *ops;
    struct engine *engine;
    struct ingest *ingest;
    struct completion *completion;
    struct lookup *lookup;
    struct deliveries *deliveries;
    uv_timer_t cutoff, expire;
    uv_prepare_t turn; /* runs before the loop waits */
    struct buf frame;  /* scratch for encoding */
    struct delivery delivery;
    uint64_t denied_logged_ms;
    uint64_t settled_seq;   /* what the engine was told last, between the seconds */
    uint64_t newest_seq;    /* events up to it were matched against all triggers, or are gone */
    uint64_t wall_ahead_ms; /* of the wall clock before the monotonic one, when last looked */
    bool provisional;       /* what is batched now is of events not yet safe */
    bool started;
    bool draining, broken; /* broken: nothing can be made safe any more */
    void (*failed)(void *ctx, int err);
    void *failed_ctx;
    size_t n_paths;    /* that the engine knows: those with an index below it */
    pipeline_tap *tap; /* NULL: none */
    void *tap_ctx;
    pipeline_gap *gap; /* NULL: none */
    void *gap_ctx;
    struct recent *recent;
    size_t n_again;                     /* events of an earlier run that were noted there */
    const struct pipeline_watch *watch; /* NULL: none */
    size_t n_stored; /* triggers, at the start; those behind them are new in this run */
    struct kept_record *kept;
    size_t n_kept;
    struct {
        pipeline_on_record *one; /* NULL: nobody follows it */
        void *ctx;
    } followers[ENGINE_LOOKUP + 1]; /* by kind */
    char (*unstored)[ID_SIZE];      /* triggers of the configuration that are still to be stored */
    size_t n_unstored;
    bool storing; /* them */
};

/* --- pipeline.c --- */

/* As pipeline_new(), on this engine. */
MUST_CHECK int pipeline_new_on(const struct engine_ops *ops, const struct config *cfg,
                               struct path_table *paths, struct metrics *metrics,
                               struct mailbox *mailbox, struct pipeline **ret);
void pipeline_fail(struct pipeline *p, int err);
void pipeline_on_events(void *ctx, struct event *const *events, size_t n, bool again);

void pipeline_on_flush(void *ctx, const struct batch_message *m); /* of an action */
void pipeline_on_answered(void *ctx, const struct ingest_report *r);
void pipeline_on_early_match(void *ctx, struct trigger *t, struct event *e);

/* --- pipeline_target.c --- */

void pipeline_target(struct pipeline *p, struct ingest_target *ret);

/* --- pipeline_triggers.c --- */

/* After the engine's load(). On an error pipeline_free_triggers() is still due. */
MUST_CHECK int pipeline_load_triggers(struct pipeline *p);
/* Starts the engine, which may bring events. */
MUST_CHECK int pipeline_start_triggers(struct pipeline *p);
/* Stores what the configuration made and could not be stored yet: others were faster. */
void pipeline_store_again(struct pipeline *p);
/* Another node has changed, made or deleted it. */
void pipeline_trigger_changed(struct pipeline *p, const struct engine_record *rec);
/* The number of the event submitted last; 0 where each shard has numbers of its own, and all that
 * comes is newer than what this node knows. */
uint64_t pipeline_submitted_seq(const struct pipeline *p);
void pipeline_free_triggers(struct pipeline *p);
void pipeline_log_denied(struct pipeline *p, const struct trigger *t); /* now and then */
#define PIPELINE_NO_PATH   "trigger does not fire until its path is configured"
#define PIPELINE_OTHERWISE "trigger is configured otherwise now; what is stored counts"
void pipeline_log_trigger(enum log_level level, const char *what, const struct trigger_spec *spec);
/* But for their names and ids. */
bool pipeline_same_rule(const struct trigger_spec *a, const struct trigger_spec *b);
/* The paths are others: those that triggers name may be there now, or be gone. What was gathered
 * for one that is gone is sent. */
void pipeline_follow_paths(struct pipeline *p);
/* Events have come back: when it was the last under way, batches may be formed early again. */
void pipeline_watch_quiet(struct pipeline *p);

/* --- pipeline_explain.c --- */

/* An earlier run has accepted them, and some of it is in no batch yet. Not of very many: a start
 * does not wait for what somebody may look at. */
void pipeline_note_again(struct pipeline *p, struct event *const *events, size_t n);

/* --- pipeline_lookups.c --- */

/* Makes the parts, and gives them what earlier runs have left; nothing is asked before the start.
 */
void pipeline_new_lookups(struct pipeline *p);
void pipeline_configure_lookups(struct pipeline *p); /* p->cfg is another */
void pipeline_free_lookups(struct pipeline *p);      /* also half-made; the engine is still there */
void pipeline_load_lookup(struct pipeline *p, const char *id, struct slice value);
void pipeline_forget_lookups(struct pipeline *p, unsigned shard); /* another node has them */

/* --- pipeline_records.c --- */

/* Those of a kind that earlier runs have left; once. */
void pipeline_load_kept(struct pipeline *p, enum engine_record_kind kind,
                        void (*one)(void *, const char *id, struct slice), void *ctx);

/* Of another kind than triggers. -ENOMEM: it is not there. */
MUST_CHECK int pipeline_add_kept(struct pipeline *p, const struct engine_record *rec);
void pipeline_free_kept(struct pipeline *p);

/* --- pipeline_shards.c --- */

void pipeline_set_callbacks(struct pipeline *p, struct engine_callbacks *ret); /* of shards */
void pipeline_set_target(struct pipeline *p, struct ingest_target *ret);       /* the same */

#endif
