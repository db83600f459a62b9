/* pipeline_target.c - what the ingest asks of the pipeline and hands on: ingest > engine. */
#include "pipeline_private.h"

static int can_submit(void *ctx)
{
    struct pipeline *p = ctx;
    return p->draining ? -EAGAIN : p->ops->can_submit(p->engine);
}

static void on_any_match(void *ctx, struct trigger *t, struct event *e)
{
    bool *any = ctx;
    (void) e;
    *any = *any || action_awake(t->action);
}

/* Whether it has to be encoded, numbered and stored at all. */
static bool wanted(void *ctx, struct event *probe)
{
    static const enum metric UNMATCHED[] = {
        M_EVENT_CREATE_IMAGE_UNMATCHED, M_EVENT_DELETE_IMAGE_UNMATCHED,
        M_EVENT_CREATE_TAG_UNMATCHED, M_EVENT_DELETE_TAG_UNMATCHED};
    struct pipeline *p = ctx;
    bool any = false;
    trigger_set_match(p->triggers, probe, on_any_match, &any);
    if (any)
        return true; /* also when it is denied: that is counted and logged with the event */
    metrics_add(p->metrics, UNMATCHED[probe->type], 1);
    return false;
}

static void on_late_match(void *ctx, struct trigger *t, struct event *e)
{
    bool *late = ctx;
    (void) e;
    if (t->allowed && action_awake(t->action) && !action_is_early(t->action))
        *late = true;
}

/* Whether every batch of these events is formed now, so that the events themselves, which a restart
 * would need to form them, need not be written. */
static bool batched_now(struct pipeline *p, const struct engine_submission *s)
{
    bool late = false;
    for (size_t i = 0; !late && i < s->n; i++)
        trigger_set_match(p->triggers, s->events[i], on_late_match, &late);
    return !late;
}

static void submit(void *ctx, const struct engine_submission *s)
{
    struct pipeline *p = ctx;
    struct engine_submission numbered = *s;
    numbered.batched = p->ops->early && batched_now(p, s);
    p->ops->submit(p->engine, &numbered);
    p->provisional = true;
    for (size_t i = 0; p->ops->early && i < s->n; i++)
        trigger_set_match(p->triggers, s->events[i], pipeline_on_early_match, NULL);
    p->provisional = false;
    if (!p->ops->waits)
        p->ops->flush(p->engine);
}

static uint64_t engine_now(void *ctx)
{
    struct pipeline *p = ctx;
    return p->ops->now_ms(p->engine);
}

static bool suspect(void *ctx, uint64_t webhook_hash)
{
    struct pipeline *p = ctx;
    return p->ops->suspect(p->engine, webhook_hash);
}

void pipeline_target(struct pipeline *p, struct ingest_target *ret)
{
    *ret = (struct ingest_target){
        .ctx = p,
        .can_submit = can_submit,
        .submit = submit,
        .wanted = wanted,
        .now_ms = engine_now,
        .suspect = suspect,
        .trial = p->ops->trial(p->engine),
        .recent = p->recent,
        .answered = pipeline_on_answered,
    };
    pipeline_set_target(p, ret);
}
