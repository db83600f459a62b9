/* pipeline.c - see pipeline.h. */
#include "pipeline.h"

#include "batch.h"
#include "clock.h"
#include "engine.h"
#include "frame.h"
#include "log.h"
#include "mem.h"
#include "trigger.h"

#include <stdlib.h>

#define WAKE_BYTES    (256 << 10) /* appended at most before the readers are woken */
#define EXPIRE_MS     1000        /* how often quiet paths are looked at */
#define DENIED_LOG_MS 1000        /* one line a second for all triggers that may not send */

/* What a trigger does: gather a batch for a path. */
struct action {
    struct pipeline *pipeline;
    struct trigger *trigger;
    struct path *path;
    struct batch batch;
};

struct pipeline {
    const struct config *cfg;
    struct path_table *paths;
    struct metrics *metrics;
    struct trigger_set *triggers;
    struct action *actions; /* one per trigger */
    const struct engine_ops *ops;
    struct engine *engine;
    struct ingest *ingest;
    uv_timer_t cutoff, expire;
    struct buf frame; /* scratch for encoding */
    bool *touched;    /* by path index: appended to, readers not yet woken */
    size_t n_touched, unseen_bytes;
    uint64_t denied_logged_ms;
    bool draining;
};

static uint64_t now_of(struct pipeline *p)
{
    return uv_now(p->cutoff.loop);
}

/* --- batch > engine > frame > path log > wake --- */

static void on_flush(void *ctx, const struct batch_message *m)
{
    static const enum metric FLUSHED[] = {[BATCH_SIZE] = M_BATCH_SIZE,
                                          [BATCH_CUTOFF] = M_BATCH_CUTOFF,
                                          [BATCH_BYTES] = M_BATCH_BYTES,
                                          [BATCH_DRAIN] = M_BATCH_DRAIN};
    struct action *a = ctx;
    struct pipeline *p = a->pipeline;
    metrics_add(p->metrics, FLUSHED[m->why], 1);
    int r = p->ops->broadcast(p->engine, a->path, m);
    struct log_line l;
    log_open(&l, r < 0 ? LOG_ERROR : LOG_INFO, "broker", r < 0 ? "batch lost" : "batch");
    log_str(&l, "trigger", a->trigger->rule->name);
    log_str(&l, "path", a->path->cfg->path);
    log_str(&l, "flush", BATCH_FLUSH_NAMES[m->why]);
    log_u64(&l, "events", m->n_events);
    log_u64(&l, "bytes", m->json.len);
    log_str(&l, "first_event_id", m->first_event_id);
    log_str(&l, "last_event_id", m->last_event_id);
    if (r < 0)
        log_str(&l, "error", err_str(r));
    log_close(&l);
    if (r < 0)
        metrics_add(p->metrics, M_BATCH_DROPPED, 1);
}

static void touch(struct pipeline *p, struct path *path)
{
    if (!p->touched[path->index])
        p->n_touched++;
    p->touched[path->index] = true;
}

/* Wakes once per path for all that one turn appended: what a sweep finds together leaves together.
 */
static void wake_touched(struct pipeline *p)
{
    p->unseen_bytes = 0;
    for (size_t i = 0; p->n_touched > 0 && i < path_table_size(p->paths); i++) {
        if (!p->touched[i])
            continue;
        p->touched[i] = false;
        p->n_touched--;
        struct path *path = path_table_at(p->paths, i);
        if (path->wake != NULL)
            path->wake(path->wake_ctx, path);
    }
}

static int on_deliver(void *ctx, struct path *path, const struct batch_message *m)
{
    struct pipeline *p = ctx;
    buf_clear(&p->frame);
    int r = frame_message(&p->frame, FRAME_TEXT, m->json, path->cfg->max_frame_bytes);
    if (r == 0)
        r = pathlog_append(path->log, buf_slice(&p->frame), now_of(p));
    if (r < 0)
        return r;
    touch(p, path);
    p->unseen_bytes += p->frame.len;
    if (p->unseen_bytes >= WAKE_BYTES)
        wake_touched(p); /* before a large envelope fills the window */
    return 0;
}

/* --- engine > triggers > batch --- */

static void arm_cutoff(struct pipeline *p);

static void log_denied(struct pipeline *p, const struct trigger *t)
{
    if (p->denied_logged_ms != 0 && now_of(p) - p->denied_logged_ms < DENIED_LOG_MS)
        return;
    p->denied_logged_ms = now_of(p);
    struct log_line l;
    log_open(&l, LOG_WARN, "broker", "trigger does not fire");
    log_str(&l, "trigger", t->rule->name);
    log_str(&l, "service_account", t->rule->service_account_id);
    log_str(&l, "reason", "the service account lacks the role api-gateway.websocketBroadcaster");
    log_close(&l);
}

struct match {
    struct pipeline *pipeline;
    bool fired;
};

static void on_match(void *ctx, struct trigger *t, struct event *e)
{
    struct match *match = ctx;
    struct pipeline *p = match->pipeline;
    if (!t->allowed) {
        metrics_add(p->metrics, M_TRIGGER_DENIED, 1);
        log_denied(p, t);
        return;
    }
    match->fired = true;
    struct action *a = t->action;
    int r = batch_add(&a->batch, e, now_of(p));
    if (r == 0)
        return;
    metrics_add(p->metrics, M_BATCH_DROPPED, 1);
    struct log_line l;
    log_open(&l, LOG_ERROR, "broker", "event lost");
    log_str(&l, "trigger", t->rule->name);
    log_str(&l, "event_id", e->id);
    log_u64(&l, "bytes", e->json.len);
    log_str(&l, "error", err_str(r));
    log_close(&l);
}

static void on_events(void *ctx, struct event *const *events, size_t n)
{
    static const enum metric MATCHED[] = {M_EVENT_CREATE_IMAGE, M_EVENT_DELETE_IMAGE,
                                          M_EVENT_CREATE_TAG, M_EVENT_DELETE_TAG};
    static const enum metric UNMATCHED[] = {
        M_EVENT_CREATE_IMAGE_UNMATCHED, M_EVENT_DELETE_IMAGE_UNMATCHED,
        M_EVENT_CREATE_TAG_UNMATCHED, M_EVENT_DELETE_TAG_UNMATCHED};
    struct pipeline *p = ctx;
    for (size_t i = 0; i < n; i++) {
        struct match match = {.pipeline = p};
        (void) trigger_set_match(p->triggers, events[i], on_match, &match);
        metrics_add(p->metrics, (match.fired ? MATCHED : UNMATCHED)[events[i]->type], 1);
    }
    wake_touched(p);
    arm_cutoff(p);
}

/* --- timers --- */

static void on_cutoff(uv_timer_t *timer)
{
    struct pipeline *p = timer->data;
    uint64_t now = now_of(p);
    for (size_t i = 0; i < trigger_set_size(p->triggers); i++) {
        if (batch_deadline(&p->actions[i].batch) <= now)
            batch_flush(&p->actions[i].batch, BATCH_CUTOFF);
    }
    wake_touched(p);
    arm_cutoff(p);
}

static void arm_cutoff(struct pipeline *p)
{
    uint64_t due = UINT64_MAX, now = now_of(p);
    for (size_t i = 0; i < trigger_set_size(p->triggers); i++) {
        uint64_t deadline = batch_deadline(&p->actions[i].batch);
        due = deadline < due ? deadline : due;
    }
    if (due == UINT64_MAX)
        (void) uv_timer_stop(&p->cutoff); /* always 0 */
    else
        (void) uv_timer_start(&p->cutoff, on_cutoff, due > now ? due - now : 0, 0);
}

static void on_expire(uv_timer_t *timer)
{
    struct pipeline *p = timer->data;
    for (size_t i = 0; i < path_table_size(p->paths); i++) {
        struct path *path = path_table_at(p->paths, i);
        if (pathlog_bytes(path->log) > 0)
            pathlog_expire(path->log, now_of(p));
    }
}

/* --- ingest > engine --- */

static int submit(void *ctx, struct event *const *events, size_t n,
                  void (*done)(void *arg, int err), void *arg)
{
    struct pipeline *p = ctx;
    if (p->draining)
        return -EAGAIN;
    return p->ops->submit(p->engine, events, n, done, arg);
}

/* --- making and ending --- */

static void make_actions(struct pipeline *p)
{
    size_t n = trigger_set_size(p->triggers);
    p->actions = xcalloc(n + 1, sizeof(*p->actions));
    for (size_t i = 0; i < n; i++) {
        struct action *a = &p->actions[i];
        struct trigger *t = trigger_set_at(p->triggers, i);
        a->pipeline = p;
        a->trigger = t;
        a->path = path_by_name(p->paths, t->rule->path);
        ASSERT(a->path != NULL); /* the configuration was checked */
        batch_init(&a->batch, t->rule->batch_size, t->rule->batch_cutoff_ms,
                   a->path->cfg->max_message_bytes, on_flush, a);
        t->action = a;
        if (!t->allowed) {
            log_denied(p, t);
            p->denied_logged_ms = 0; /* every trigger is named once at start */
        }
    }
}

int pipeline_new(const struct config *cfg, uv_loop_t *loop, struct path_table *paths,
                 struct metrics *metrics, struct pipeline **ret)
{
    struct pipeline *p = xcalloc(1, sizeof(*p));
    p->cfg = cfg;
    p->paths = paths;
    p->metrics = metrics;
    p->ops = &ENGINE_EMBEDDED;
    p->touched = xcalloc(path_table_size(paths) + 1, sizeof(*p->touched));
    buf_init(&p->frame, SIZE_MAX / 2);
    p->cutoff.data = p->expire.data = p;
    int r = uv_timer_init(loop, &p->cutoff);
    if (r == 0)
        r = uv_timer_init(loop, &p->expire);
    if (r == 0)
        r = uv_timer_start(&p->expire, on_expire, EXPIRE_MS, EXPIRE_MS);
    if (r < 0) {
        free(p->touched);
        free(p);
        return r;
    }
    p->triggers = trigger_set_new(cfg);
    make_actions(p);
    p->engine = p->ops->open(&(struct engine_callbacks){p, on_events, on_deliver});
    p->ingest = ingest_new(cfg, metrics, (struct ingest_target){p, submit});
    *ret = p;
    return 0;
}

struct ingest *pipeline_ingest(struct pipeline *p)
{
    return p->ingest;
}

void pipeline_drain(struct pipeline *p)
{
    p->draining = true;
    for (size_t i = 0; i < trigger_set_size(p->triggers); i++)
        batch_flush(&p->actions[i].batch, BATCH_DRAIN);
    wake_touched(p);
}

void pipeline_close(struct pipeline *p)
{
    uv_close((uv_handle_t *) &p->cutoff, NULL);
    uv_close((uv_handle_t *) &p->expire, NULL);
}

void pipeline_free(struct pipeline *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < trigger_set_size(p->triggers); i++)
        batch_fini(&p->actions[i].batch);
    ingest_free(p->ingest);
    p->ops->close(p->engine);
    trigger_set_free(p->triggers);
    buf_fini(&p->frame);
    free(p->actions);
    free(p->touched);
    free(p);
}
