/* engine_memory.c - the engine that keeps nothing: what is submitted is passed on at once, so it is
 * as safe as it will get when submit returns. For load benchmarks, and for those who want no disk.
 */
#include "engine.h"

#include "clock.h"
#include "mem.h"

#include <stdlib.h>

struct engine {
    struct engine_callbacks cb;
    uint64_t seq;
};

static int memory_open(const struct engine_options *options, struct engine **ret)
{
    struct engine *e = xcalloc(1, sizeof(*e));
    e->cb = options->cb;
    *ret = e;
    return 0;
}

static int memory_load(struct engine *e, struct catalog *catalog, struct seen *seen,
                       struct id_gen *ids)
{
    (void) e, (void) catalog, (void) seen, (void) ids;
    return 0;
}

static int memory_load_records(struct engine *e, void (*one)(void *, const struct engine_record *),
                               void *ctx)
{
    (void) e, (void) one, (void) ctx;
    return 0;
}

static int memory_load_triggers(struct engine *e, const char *const *ids, size_t n,
                                uint64_t *ret_last_seq)
{
    (void) e, (void) ids;
    for (size_t i = 0; i < n; i++)
        ret_last_seq[i] = 0;
    return 0;
}

static int memory_start(struct engine *e, uv_loop_t *loop)
{
    (void) e, (void) loop;
    return 0;
}

static void memory_stop(struct engine *e)
{
    (void) e;
}

static void memory_close(struct engine *e)
{
    free(e);
}

static int memory_can_submit(const struct engine *e)
{
    (void) e;
    return 0;
}

static void memory_submit(struct engine *e, const struct engine_submission *s)
{
    for (size_t i = 0; i < s->n; i++)
        s->events[i]->seq = ++e->seq;
    e->cb.events(e->cb.ctx, s->events, s->n, false);
    s->done(s->arg, 0);
}

static int memory_broadcast(struct engine *e, const struct engine_broadcast *b)
{
    struct engine_batch batch = {
        .path = b->path,
        .trigger_id = b->trigger_id,
        .trigger_name = b->trigger_name,
        .why = b->message->why,
        .n_events = b->message->n_events,
        .ids = b->message->ids,
        .frames = b->frames,
        .position = ENGINE_ANYWHERE,
        .note = b->note,
    };
    memcpy(batch.first_event_id, b->message->first_event_id, ID_SIZE);
    memcpy(batch.last_event_id, b->message->last_event_id, ID_SIZE);
    return e->cb.deliver(e->cb.ctx, &batch);
}

static void memory_withdraw(struct engine *e)
{
    (void) e; /* nothing is provisional here */
}

static void memory_flush(struct engine *e)
{
    e->cb.delivered(e->cb.ctx);
}

static void memory_settle(struct engine *e, void (*done)(void *arg), void *arg)
{
    (void) e;
    done(arg);
}

static void memory_change(struct engine *e, const struct engine_change *c)
{
    (void) e;
    c->done(c->arg, 0);
}

static void memory_add_path(struct engine *e, struct path *path, void (*done)(void *arg, int err),
                            void *arg)
{
    (void) e, (void) path;
    done(arg, 0);
}

static void memory_limit_path(struct engine *e, const struct path *path)
{
    (void) e, (void) path; /* what it keeps is the path's log */
}

static uint64_t memory_submitted_seq(const struct engine *e)
{
    return e->seq;
}

static void memory_batched(struct engine *e, uint64_t seq)
{
    (void) e, (void) seq;
}

static uint64_t memory_now_ms(struct engine *e)
{
    (void) e;
    return clock_mono_ms();
}

static void memory_set_aside(struct engine *e, struct event *event, const char *why,
                             bool provisional)
{
    (void) e, (void) event, (void) why,
        (void) provisional; /* nowhere to keep it: the caller has logged it */
}

static struct trial *memory_trial(struct engine *e)
{
    (void) e;
    return NULL;
}

static bool memory_suspect(const struct engine *e, uint64_t webhook_hash)
{
    (void) e, (void) webhook_hash;
    return false;
}

static struct history *memory_history(struct engine *e)
{
    (void) e;
    return NULL;
}

static void memory_stats(struct engine *e, struct engine_stats *ret)
{
    (void) e;
    ret->state = 1;
    ret->queued_bytes = ret->dead_letters = ret->overdue_ms = 0;
}

const struct engine_ops ENGINE_MEMORY = {
    .name = "memory",
    .open = memory_open,
    .shards = 1,
    .load = memory_load,
    .load_records = memory_load_records,
    .load_triggers = memory_load_triggers,
    .start = memory_start,
    .stop = memory_stop,
    .close = memory_close,
    .can_submit = memory_can_submit,
    .submit = memory_submit,
    .waits = false,
    .broadcast = memory_broadcast,
    .withdraw = memory_withdraw,
    .flush = memory_flush,
    .settle = memory_settle,
    .change = memory_change,
    .add_path = memory_add_path,
    .limit_path = memory_limit_path,
    .submitted_seq = memory_submitted_seq,
    .batched = memory_batched,
    .now_ms = memory_now_ms,
    .set_aside = memory_set_aside,
    .trial = memory_trial,
    .suspect = memory_suspect,
    .history = memory_history,
    .stats = memory_stats,
};
