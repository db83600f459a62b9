/* pipeline.c - the way of an event, see pipeline.h. */
#include "pipeline_private.h"

#include "clock.h"
#include "config_canary.h"
#include "crash.h"
#include "delivery.h"
#include "frame.h"
#include "log.h"
#include "mem.h"

#include <stdlib.h>

#define EXPIRE_MS     1000 /* how often quiet paths are looked at */
#define CLOCK_STEP_MS 1000 /* of the wall clock against the monotonic one; less is drift */
#define SETTLE_EVENTS 1000 /* batched, before the engine is told so between its seconds */

static uint64_t now_of(struct pipeline *p)
{
    return uv_now(p->cutoff.loop);
}

/* --- batch > frame > engine --- */

static void log_lost(const struct trigger *t, const struct event *e, int err)
{
    struct log_line l;
    log_open(&l, LOG_ERROR, "broker", "event set aside");
    log_str(&l, "trigger", t->spec.name);
    log_str(&l, "event_id", e->id);
    log_u64(&l, "bytes", e->json.len);
    log_str(&l, "error", err_str(err));
    log_close(&l);
}

void pipeline_fail(struct pipeline *p, int err)
{
    p->broken = true;
    if (p->failed != NULL)
        p->failed(p->failed_ctx, err);
}

/* Batches are formed on one node and arrive on others, or on none that has clients. */
static bool is_shared(const struct pipeline *p)
{
    return p->ops->shards > 1;
}

static void count_fired(struct action_stats *stats, size_t n_events, uint64_t wall_ms)
{
    stats->batches++;
    stats->events += n_events;
    stats->last_fired_ms = wall_ms;
    stats->last_error = NULL;
}

static void log_unsent(const struct action *a, const struct batch_message *m, int err)
{
    const struct pipeline *p = a->owner;
    struct log_line l;
    log_open(&l, LOG_ERROR, "broker",
             p->ops->waits ? "batch is left to the next start" : "batch lost");
    log_str(&l, "trigger", a->trigger->spec.name);
    log_str(&l, "path", a->path->name);
    log_u64(&l, "events", m->n_events);
    log_str(&l, "error", err_str(err));
    log_close(&l);
}

void pipeline_on_flush(void *ctx, const struct batch_message *m)
{
    struct action *a = ctx;
    struct pipeline *p = a->owner;
    CRASH_POINT("pipeline.batch");
    if (p->broken)
        return; /* the next start forms it again */
    buf_clear(&p->frame);
    int r = frame_message(&p->frame, FRAME_TEXT, m->json, a->path->cfg->max_frame_bytes);
    if (r == 0) {
        const struct engine_broadcast b = {
            .path = a->path,
            .trigger_id = a->trigger->spec.id,
            .trigger_name = a->trigger->spec.name,
            .message = m,
            .frames = buf_slice(&p->frame),
            .provisional = p->provisional,
            .shard = a->shard,
            .note = is_shared(p) ? 0
                                 : deliveries_formed(p->deliveries, &a->trigger->spec, "", a->path,
                                                     m, p->frame.len),
        };
        r = p->ops->broadcast(p->engine, &b);
    }
    if (r == 0 && is_shared(p))
        count_fired(&a->stats, m->n_events, clock_wall_ms());
    if (r == 0)
        return;
    log_unsent(a, m, r);
    a->stats.last_error = "a batch could not be made safe";
    if (p->provisional)
        p->ops->withdraw(p->engine); /* no start could form it again */
    if (p->ops->waits)
        pipeline_fail(
            p, r); /* its events are acknowledged, and would pass for batched after the next one */
    else
        metrics_add(p->metrics, M_BATCH_DROPPED, 1);
}

/* --- engine > delivery (path log > wake) --- */

static void log_batch(const struct config *cfg, const struct engine_batch *b)
{
    struct log_line l;
    struct slice trace_id = event_find_trace_id(b->frames);
    bool canary = config_is_canary_path(cfg, b->path->name);
    log_open(&l, canary ? LOG_DEBUG : LOG_INFO, "broker", "batch");
    log_str(&l, "trigger", b->trigger_name);
    log_str(&l, "path", b->path->name);
    log_str(&l, "flush", BATCH_FLUSH_NAMES[b->why]);
    log_u64(&l, "events", b->n_events);
    log_u64(&l, "bytes", b->frames.len);
    log_str(&l, "first_event_id", b->first_event_id);
    log_str(&l, "last_event_id", b->last_event_id);
    if (trace_id.len > 0)
        log_slice(&l, "trace_id", trace_id); /* of the first */
    log_close(&l);
}

static int put_on_log(struct pipeline *p, const struct engine_batch *b)
{
    int r = delivery_add(&p->delivery, b, now_of(p));
    if (r == 0 && p->tap != NULL)
        p->tap(p->tap_ctx, b->path, b->position, b->frames);
    return r;
}

static void count_delivered(struct pipeline *p, const struct engine_batch *b, uint64_t wall_ms)
{
    const struct trigger *t = trigger_set_find(p->triggers, b->trigger_id);
    if (t != NULL) /* else it was deleted meanwhile */
        count_fired(&((struct action *) t->action)->stats, b->n_events, wall_ms);
}

/* Of one that another node may have formed. */
static uint64_t note_arrival(struct pipeline *p, const struct engine_batch *b)
{
    const struct trigger *t = trigger_set_find(p->triggers, b->trigger_id);
    const struct batch_message m = {.why = b->why,
                                    .n_events = b->n_events,
                                    .first_event_id = b->first_event_id,
                                    .last_event_id = b->last_event_id,
                                    .ids = b->ids};
    return deliveries_formed(p->deliveries, t == NULL ? NULL : &t->spec, "", b->path, &m,
                             b->frames.len);
}

static int on_deliver(void *ctx, const struct engine_batch *b)
{
    static const enum metric FLUSHED[] = {[BATCH_SIZE] = M_BATCH_SIZE,
                                          [BATCH_CUTOFF] = M_BATCH_CUTOFF,
                                          [BATCH_BYTES] = M_BATCH_BYTES,
                                          [BATCH_DRAIN] = M_BATCH_DRAIN,
                                          [BATCH_REPLAY] = M_BATCH_REPLAY};
    struct pipeline *p = ctx;
    int r = put_on_log(p, b);
    if (r < 0)
        return r;
    metrics_add(p->metrics, FLUSHED[b->why], 1);
    log_batch(p->cfg, b);
    const uint64_t present =
        b->path->present == NULL ? 0 : b->path->present(b->path->wake_ctx, b->path);
    const uint64_t wall_ms = clock_wall_ms();
    uint64_t position = pathlog_tail(b->path->log) - b->frames.len; /* an engine may not place it */
    const struct delivery_note *note = deliveries_arrived(
        p->deliveries, is_shared(p) ? note_arrival(p, b) : b->note, position, present, wall_ms);
    if (p->watch != NULL && note != NULL)
        p->watch->batch(p->watch->ctx, note);
    if (!is_shared(p))
        count_delivered(p, b, wall_ms);
    return 0;
}

static uint64_t batched_seq(const struct pipeline *p);

/* Under load the rows of events that are batched by now go little by little: all of a second at
 * once would be a commit that everybody waits for. */
static void on_delivered(void *ctx)
{
    struct pipeline *p = ctx;
    delivery_wake(&p->delivery);
    if (p->newest_seq - p->settled_seq < SETTLE_EVENTS || p->draining || p->broken || is_shared(p))
        return;
    p->settled_seq = batched_seq(p);
    p->ops->batched(p->engine, p->settled_seq);
}

static void on_failed(void *ctx, int err)
{
    pipeline_fail(ctx, err);
}

/* --- engine > triggers > batch --- */

static void arm_cutoff(struct pipeline *p);

static void add_to_batch(struct action *a, struct event *e)
{
    struct pipeline *p = a->owner;
    int r = batch_add(&a->batch, e, now_of(p));
    if (r == 0)
        return;
    const char *why = r == -EMSGSIZE ? "longer than the path's messages" : "no memory";
    metrics_add(p->metrics, M_BATCH_DROPPED, 1);
    log_lost(a->trigger, e, r);
    a->stats.last_error = why;
    p->ops->set_aside(p->engine, e, why, p->provisional);
}

void pipeline_on_early_match(void *ctx, struct trigger *t, struct event *e)
{
    (void) ctx;
    struct action *a = t->action;
    if (t->allowed && action_awake(a) && action_is_early(a))
        add_to_batch(a, e);
}

struct match {
    struct pipeline *pipeline;
    bool fired, again;
};

static void on_match(void *ctx, struct trigger *t, struct event *e)
{
    struct match *match = ctx;
    struct pipeline *p = match->pipeline;
    struct action *a = t->action;
    bool takes = action_takes(a, e->seq, match->again);
    if (!takes && !action_awake(a))
        return;
    if (!t->allowed) {
        metrics_add(p->metrics, M_TRIGGER_DENIED, 1);
        pipeline_log_denied(p, t);
        return;
    }
    match->fired = true;
    if (takes)
        add_to_batch(a, e);
}

/* What is noted of an event while it is worked on; false: it has ended the process too often, and
 * is set aside. A single engine knows those by their numbers, and leaves them out at its start; of
 * several nodes the numbers are each shard's own. */
static bool try_event(struct pipeline *p, struct event *e)
{
    uint64_t key = e->seq;
    if (p->ops->shards > 1) {
        key = trial_hash(e->registry_id, slice_str(e->id));
        if (p->ops->suspect(p->engine, key)) {
            p->ops->set_aside(p->engine, e, "ended the process too often", p->provisional);
            return false;
        }
    }
    trial_event(p->ops->trial(p->engine), key);
    CRASH_POISON(e->repository);
    return true;
}

void pipeline_on_events(void *ctx, struct event *const *events, size_t n, bool again)
{
    static const enum metric MATCHED[] = {M_EVENT_CREATE_IMAGE, M_EVENT_DELETE_IMAGE,
                                          M_EVENT_CREATE_TAG, M_EVENT_DELETE_TAG};
    static const enum metric UNMATCHED[] = {
        M_EVENT_CREATE_IMAGE_UNMATCHED, M_EVENT_DELETE_IMAGE_UNMATCHED,
        M_EVENT_CREATE_TAG_UNMATCHED, M_EVENT_DELETE_TAG_UNMATCHED};
    struct pipeline *p = ctx;
    if (again)
        pipeline_note_again(p, events, n);
    for (size_t i = 0; i < n; i++) {
        struct match match = {.pipeline = p, .again = again};
        if (try_event(p, events[i])) {
            trigger_set_match(p->triggers, events[i], on_match, &match);
            metrics_add(p->metrics, (match.fired ? MATCHED : UNMATCHED)[events[i]->type], 1);
        }
        if (p->newest_seq < events[i]->seq)
            p->newest_seq = events[i]->seq;
    }
    trial_event(p->ops->trial(p->engine), 0);
    pipeline_watch_quiet(p);
    CRASH_POINT("pipeline.events");
    arm_cutoff(p);
}

/* --- timers --- */

static struct batch *batch_at(const struct pipeline *p, size_t i)
{
    struct action *a = trigger_set_at(p->triggers, i)->action;
    return &a->batch;
}

static void on_cutoff(uv_timer_t *timer)
{
    struct pipeline *p = timer->data;
    uint64_t now = now_of(p);
    for (size_t i = 0; i < trigger_set_size(p->triggers); i++) {
        struct batch *b = batch_at(p, i);
        if (batch_deadline(b) <= now)
            batch_flush(b, BATCH_CUTOFF);
    }
    CRASH_POINT("pipeline.cutoff");
    p->ops->flush(p->engine);
    arm_cutoff(p);
}

static void arm_cutoff(struct pipeline *p)
{
    uint64_t due = UINT64_MAX, now = now_of(p);
    for (size_t i = 0; i < trigger_set_size(p->triggers); i++) {
        uint64_t deadline = batch_deadline(batch_at(p, i));
        due = deadline < due ? deadline : due;
    }
    if (due == UINT64_MAX)
        (void) uv_timer_stop(&p->cutoff); /* always 0 */
    else
        (void) uv_timer_start(&p->cutoff, on_cutoff, due > now ? due - now : 0, 0);
}

/* Everything up to the number returned is in batches, for every trigger. */
static uint64_t batched_seq(const struct pipeline *p)
{
    uint64_t seq = p->newest_seq;
    for (size_t i = 0; i < trigger_set_size(p->triggers); i++) {
        uint64_t first = batch_first_seq(batch_at(p, i));
        seq = first <= seq ? first - 1 : seq;
    }
    return seq;
}

/* Of several shards each is asked how far it is (engine_callbacks.gathered). */
static void tell_batched(struct pipeline *p)
{
    if (p->ops->shards == 1)
        p->ops->batched(p->engine, batched_seq(p));
}

/* Nothing hangs on the wall clock, but operators wonder about times in the log. */
static void watch_clock(struct pipeline *p)
{
    uint64_t ahead = clock_wall_ms() - clock_mono_ms();
    uint64_t step = ahead > p->wall_ahead_ms ? ahead - p->wall_ahead_ms : p->wall_ahead_ms - ahead;
    if (step > CLOCK_STEP_MS)
        metrics_add(p->metrics, M_CLOCK_STEPS, 1);
    p->wall_ahead_ms = ahead;
}

/* Of several nodes the one that reads its webhooks knows when a registry is silent. */
static bool listens(void *ctx, const char *registry_id)
{
    const struct pipeline *p = ctx;
    return ingest_is_open(p->ingest, ingest_shard(p->ingest, registry_id));
}

static void on_expire(uv_timer_t *timer)
{
    struct pipeline *p = timer->data;
    delivery_expire(&p->delivery, now_of(p));
    watch_clock(p);
    completion_tick(p->completion);
    if (p->draining || p->broken)
        return; /* another process may have the webhooks by now */
    registry_watch_tick(ingest_watch(p->ingest), is_shared(p) ? listens : NULL, p);
    pipeline_store_again(p);
    tell_batched(p);
}

/* --- the turn --- */

/* What one turn of the loop has read goes on its way together: one wake-up of the journal for as
 * many webhooks as were there, and one group. */
static void on_turn(uv_prepare_t *turn)
{
    struct pipeline *p = turn->data;
    p->ops->flush(p->engine);
}

void pipeline_on_answered(void *ctx, const struct ingest_report *r)
{
    const struct pipeline *p = ctx;
    if (p->watch != NULL)
        p->watch->answered(p->watch->ctx, r);
}

/* --- making and ending --- */

static const struct engine_ops *ops_of(const struct config *cfg)
{
    static const struct engine_ops *const ENGINES[] = {&ENGINE_EMBEDDED, &ENGINE_MEMORY,
                                                       &ENGINE_NATS};
    const struct engine_ops *ops = NULL;
    for (size_t i = 0; i < ARRAY_LEN(ENGINES); i++) {
        if (strcmp(ENGINES[i]->name, cfg->engine) == 0)
            ops = ENGINES[i];
    }
    ASSERT(ops != NULL); /* the configuration was checked */
    return ops;
}

static bool has_role(void *ctx, const struct trigger_spec *spec)
{
    const struct pipeline *p = ctx;
    return config_account_has_role(p->cfg, spec->service_account_id, ROLE_BROADCAST);
}

int pipeline_new_on(const struct engine_ops *ops, const struct config *cfg,
                    struct path_table *paths, struct metrics *metrics, struct mailbox *mailbox,
                    struct pipeline **ret)
{
    struct pipeline *p = xcalloc(1, sizeof(*p));
    p->cfg = cfg;
    p->paths = paths;
    p->n_paths = path_table_n_known(paths);
    p->metrics = metrics;
    p->mailbox = mailbox;
    p->ops = ops;
    p->wall_ahead_ms = clock_wall_ms() - clock_mono_ms();
    struct engine_options options = {
        .cfg = cfg,
        .paths = paths,
        .metrics = metrics,
        .mailbox = mailbox,
        .cb = {.ctx = p,
               .events = pipeline_on_events,
               .deliver = on_deliver,
               .delivered = on_delivered,
               .failed = on_failed},
    };
    pipeline_set_callbacks(p, &options.cb);
    int r = p->ops->open(&options, &p->engine);
    if (r < 0) {
        free(p);
        return r;
    }
    delivery_init(&p->delivery, cfg, paths, metrics);
    buf_init_owed(&p->frame, SIZE_MAX / 2);
    p->triggers = trigger_set_new();
    p->deliveries = deliveries_new();
    p->recent = recent_new(RECENT_MAX, RECENT_BYTES);
    p->allowed = has_role;
    p->allowed_ctx = p;
    struct ingest_target target;
    pipeline_target(p, &target);
    p->ingest = ingest_new(cfg, metrics, &target);
    r = p->ops->shards == 1 ? ingest_load(p->ingest, p->ops, p->engine) : 0;
    if (r == 0)
        r = pipeline_load_triggers(p);
    if (r < 0) {
        pipeline_free(p);
        return r;
    }
    pipeline_new_lookups(p);
    *ret = p;
    return 0;
}

int pipeline_new(const struct config *cfg, struct path_table *paths, struct metrics *metrics,
                 struct mailbox *mailbox, struct pipeline **ret)
{
    return pipeline_new_on(ops_of(cfg), cfg, paths, metrics, mailbox, ret);
}

int pipeline_start(struct pipeline *p, uv_loop_t *loop, void (*failed)(void *ctx, int err),
                   void *ctx)
{
    p->failed = failed;
    p->failed_ctx = ctx;
    p->cutoff.data = p->expire.data = p->turn.data = p;
    int r = uv_timer_init(loop, &p->cutoff);
    if (r == 0)
        r = uv_timer_init(loop, &p->expire);
    if (r == 0)
        r = uv_timer_start(&p->expire, on_expire, EXPIRE_MS, EXPIRE_MS);
    if (r == 0)
        r = uv_prepare_init(loop, &p->turn);
    if (r == 0)
        r = uv_prepare_start(&p->turn, on_turn);
    if (r == 0)
        r = pipeline_start_triggers(p);
    p->started = r == 0;
    if (p->started)
        completion_tick(p->completion);
    return r;
}

struct ingest *pipeline_ingest(struct pipeline *p)
{
    return p->ingest;
}

struct history *pipeline_history(struct pipeline *p)
{
    return p->ops->history(p->engine);
}

void pipeline_stats(struct pipeline *p, struct engine_stats *ret)
{
    p->ops->stats(p->engine, ret);
}

void pipeline_drain(struct pipeline *p, void (*done)(void *arg), void *arg)
{
    p->draining = true;
    for (size_t i = 0; i < trigger_set_size(p->triggers); i++)
        batch_flush(batch_at(p, i), BATCH_DRAIN);
    CRASH_POINT("pipeline.drain");
    if (!p->broken) /* else what was set aside is, once more, by the next start */
        tell_batched(p);
    p->ops->flush(p->engine);
    (p->ops->leave == NULL ? p->ops->settle : p->ops->leave)(p->engine, done, arg);
}

void pipeline_resume(struct pipeline *p)
{
    p->draining = false;
}

int pipeline_relay(struct pipeline *p, struct path *path, uint64_t position, struct slice frames)
{
    ASSERT(p->broken); /* positions of one store only */
    const struct engine_batch b = {.path = path, .frames = frames, .position = position};
    int r = put_on_log(p, &b);
    if (r == 0)
        delivery_wake(&p->delivery);
    return r;
}

void pipeline_stop(struct pipeline *p)
{
    p->draining = p->broken = true;
    lookup_end(p->lookup);
    p->ops->stop(p->engine);
}

void pipeline_close(struct pipeline *p)
{
    uv_close((uv_handle_t *) &p->cutoff, NULL);
    uv_close((uv_handle_t *) &p->expire, NULL);
    uv_close((uv_handle_t *) &p->turn, NULL);
}

void pipeline_free(struct pipeline *p)
{
    if (p == NULL)
        return;
    pipeline_free_lookups(p);
    ingest_free(p->ingest);
    p->ops->close(p->engine);
    pipeline_free_triggers(p);
    buf_fini(&p->frame);
    delivery_fini(&p->delivery);
    deliveries_free(p->deliveries);
    recent_free(p->recent);
    free(p);
}
