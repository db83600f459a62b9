/* pipeline.h - the broker: the only file that knows the order of stages.
 *   ingest > catalog > engine (safe) > triggers > batch > frame > engine (to every node) > path log
 * > wake A trigger of batch size 1 needs no other event: its batch is formed at once and made safe
 * together with the event. Broker thread, but for the path logs it writes. */
#ifndef BROKER_PIPELINE_H
#define BROKER_PIPELINE_H

#include "engine.h"
#include "ingest.h"
#include "path.h"
#include "trigger_spec.h"

#include <uv.h>

struct pipeline;

/* Opens the engine; borrows everything. `mailbox` need not be initialised yet. 0: *ret for
 * pipeline_free(). The engine's errors, logged: -EALREADY (data_dir in use), -ENOTSUP (of a newer
 * version), -EIO, -EBADMSG, others. */
MUST_CHECK int pipeline_new(const struct config *cfg, struct path_table *paths,
                            struct metrics *metrics, struct mailbox *mailbox,
                            struct pipeline **ret);
/* Whether a trigger may send: asked when it is made or changed, and of all of them by
 * pipeline_set_allowed(). At first the configuration says it: config_account_has_role(). */
typedef bool pipeline_allowed(void *ctx, const struct trigger_spec *spec);
void pipeline_set_allowed(struct pipeline *p, pipeline_allowed *allowed, void *ctx);
/* Runs its timers on `loop`, whose mailbox it is; batches what an earlier run left. Nothing can be
 * made safe any more: `failed` is called, and the process should end. */
MUST_CHECK int pipeline_start(struct pipeline *p, uv_loop_t *loop,
                              void (*failed)(void *ctx, int err), void *ctx);
struct ingest *pipeline_ingest(struct pipeline *p);

/* Triggers change while events flow. The change is made durable with `operation` (packed, kept
 * under operation_id) and takes effect when it is: `done` comes then, 0 or the engine's error with
 * nothing changed. What the trigger had gathered under its old rule is sent first; no event is lost
 * or sent twice by any of it. One change of a trigger at a time is the caller's business.
 *
 * An event answered before the change was asked for goes by the old rule, one that comes after
 * `done` by the new, one between by either, whole. -EAGAIN: overload, or the process ends; -EIO: as
 * for webhooks; -ENOENT: there is none to delete. Maybe before this returns. */
struct pipeline_change {
    const struct trigger_spec *spec; /* as it is from then on, by its id; copied, paused_seq is
                                        this file's to set */
    bool deleted;                    /* it goes; of `spec` only the id counts */
    const char *operation_id;        /* NULL: none. Ids sort by their age */
    struct slice operation;
    void (*done)(void *arg, int err);
    void *arg;
};
void pipeline_change(struct pipeline *p, const struct pipeline_change *c);
/* The triggers there are, in the order they were made; borrowed until the next change. */
size_t pipeline_n_triggers(const struct pipeline *p);
const struct trigger_spec *pipeline_trigger(const struct pipeline *p, size_t i);
/* What the trigger at `i` has sent in this run, or since it is there. */
struct pipeline_fired {
    uint64_t batches, events, last_fired_ms; /* Unix time; 0: never */
    uint64_t waiting;                        /* events gathered for its next batch */
    const char *last_error; /* why it sends nothing, or could not send its last event; NULL: it did
                               or there was none */
};
void pipeline_fired(const struct pipeline *p, size_t i, struct pipeline_fired *ret);
/* Operations kept from earlier runs, oldest first; once, after pipeline_new(). */
void pipeline_load_operations(struct pipeline *p, void (*one)(void *, const char *id, struct slice),
                              void *ctx);
/* The same for revocations (revocations.h). */
void pipeline_load_revocations(struct pipeline *p,
                               void (*one)(void *, const char *id, struct slice), void *ctx);
/* Whoever keeps records of a kind is told of each that another node changes, from the start on; an
 * empty value: it is deleted. */
typedef void pipeline_on_record(void *ctx, const char *id, struct slice value);
void pipeline_follow_records(struct pipeline *p, enum engine_record_kind kind,
                             pipeline_on_record *one, void *ctx);
/* Records of a kind that only their owner understands, changed together and copied. `done`: 0, they
 * are safe; errors as of pipeline_change(). Maybe before this returns. */
void pipeline_keep(struct pipeline *p, const struct engine_record *records, size_t n,
                   void (*done)(void *arg, int err), void *arg);

/* A dead letter goes, if it is there. Errors of pipeline_keep(). */
void pipeline_delete_letter(struct pipeline *p, uint64_t id, void (*done)(void *arg, int err),
                            void *arg);

/* --- a changed configuration, in three steps (pipeline_reload.c) --- */

/* Makes the engine know all paths that `paths` knows: 0, or the engine's error. Maybe before this
 * returns. Whatever comes of the change, they stay known. */
void pipeline_add_paths(struct pipeline *p, struct path_table *paths,
                        void (*done)(void *arg, int err), void *arg);
/* Makes the triggers durable that are new in the file, and those that it says otherwise than
 * before; others are their owners'. All of them or none: 0, or an error of pipeline_change(). With
 * 0 pipeline_configure() follows at once: their paths are those of `paths`. As above. */
void pipeline_change_configured(struct pipeline *p, const struct config *cfg,
                                struct path_table *paths, void (*done)(void *arg, int err),
                                void *arg);
/* From here on this configuration counts; borrowed. Enforces the table. */
void pipeline_configure(struct pipeline *p, const struct config *cfg, struct path_table *paths);

struct history *pipeline_history(struct pipeline *p); /* NULL: there is none */
/* Whether a path's log and history may not be up to date while nobody is on it: then `current` in
 * path.h counts, and pipeline_follow() is engine_ops.follow. -EAGAIN: also when the process ends.
 */
bool pipeline_follows(const struct pipeline *p);
void pipeline_follow(struct pipeline *p, struct path *path, void (*done)(void *arg, int err),
                     void *arg);
/* Is called when what a path's clients have not got any more may be lost; NULL: nobody is. */
typedef void pipeline_gap(void *ctx, struct path *path);
void pipeline_set_gap(struct pipeline *p, pipeline_gap *gap, void *ctx);
size_t pipeline_n_lookups(const struct pipeline *p); /* pushes that wait for their digests */
void pipeline_stats(struct pipeline *p, struct engine_stats *ret);

/* --- other nodes (pipeline_nodes.c), from pipeline_start() on --- */

bool pipeline_has_nodes(const struct pipeline *p); /* the engine is one of several nodes */
/* As engine_peers; of an engine of one node nobody is asked, and nobody asks. */
size_t pipeline_nodes(const struct pipeline *p, struct engine_peer *ret, size_t cap);
void pipeline_ask(struct pipeline *p, const struct engine_question *q);
void pipeline_serve(struct pipeline *p, const char *verb,
                    void (*serve)(void *ctx, struct slice request, void *token), void *ctx);
void pipeline_answer(struct pipeline *p, void *token, struct slice answer);
void pipeline_describe(struct pipeline *p, void (*self)(void *ctx, struct engine_peer *ret),
                       void *ctx);
/* Whether a load balancer should send anything here, as far as the engine knows. */
void pipeline_health(const struct pipeline *p, struct engine_health *ret);
/* Whether what is known of the registry is here, or nobody else has it. */
bool pipeline_knows(const struct pipeline *p, const char *registry_id);

/* Flushes the open batches to the path logs; later webhooks are answered 503. `done` comes when
 * they are there, maybe before this returns. */
void pipeline_drain(struct pipeline *p, void (*done)(void *arg), void *arg);
/* After pipeline_drain(), once its `done` has come or is of no more interest: webhooks are taken
 * again, as if nothing had been. */
void pipeline_resume(struct pipeline *p);
/* Is called with each batch that has been put on its path's log; NULL: nobody is. */
typedef void pipeline_tap(void *ctx, const struct path *path, uint64_t position,
                          struct slice frames);
void pipeline_set_tap(struct pipeline *p, pipeline_tap *tap, void *ctx);
/* Who looks at what goes on; NULL: nobody does. Nothing of it may be slow. `ctx` is the calls'. */
struct delivery_note;
struct pipeline_watch {
    void *ctx;
    void (*answered)(void *ctx, const struct ingest_report *r);
    void (*batch)(void *ctx, const struct delivery_note *n); /* put on its path's log */
};
void pipeline_set_watch(struct pipeline *p, const struct pipeline_watch *watch); /* borrowed */
/* After pipeline_stop(): a batch that another process has made safe, where it has placed it, for
 * the clients that are left here. 0 or pathlog_append_at()'s errors. */
MUST_CHECK int pipeline_relay(struct pipeline *p, struct path *path, uint64_t position,
                              struct slice frames);
/* Ends the engine's work, drained or not: what is not safe by now never will be in this run. The
 * mailbox must run once more before pipeline_free(). */
void pipeline_stop(struct pipeline *p);
/* Closes the timers: on the loop's thread, which must turn once more before pipeline_free(). */
void pipeline_close(struct pipeline *p);
void pipeline_free(struct pipeline *p); /* NULL is fine */

#endif
