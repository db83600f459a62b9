/* pipeline_explain.c - see pipeline_explain.h. */
#include "pipeline_explain.h"

#include "clock.h"
#include "event_read.h"
#include "mem.h"
#include "pipeline_private.h"

#include <stdlib.h>

#define AGAIN_MAX     4000 /* events of an earlier run that are noted when they come again */
#define HANDSHAKE_MAX 4096
#define VERDICT_SCAN  16 /* triggers looked at for each that is wanted */
#define MS_NS         UINT64_C(1000000)

const struct deliveries *pipeline_deliveries(const struct pipeline *p)
{
    return p->deliveries;
}

struct recent *pipeline_recent(const struct pipeline *p)
{
    return p->recent;
}

void pipeline_set_tap(struct pipeline *p, pipeline_tap *tap, void *ctx)
{
    p->tap = tap;
    p->tap_ctx = ctx;
}

void pipeline_set_watch(struct pipeline *p, const struct pipeline_watch *watch)
{
    p->watch = watch;
}

/* --- of an earlier run --- */

void pipeline_note_again(struct pipeline *p, struct event *const *events, size_t n)
{
    size_t room = AGAIN_MAX - p->n_again, n_parts = 0;
    n = n < room ? n : room;
    if (n == 0)
        return;
    p->n_again += n;
    struct event_said *said = xcalloc(n, sizeof(*said));
    struct recent_parts *parts = xcalloc(n, sizeof(*parts));
    for (size_t i = 0; i < n; i++) {
        if (event_read(events[i]->json, &said[i]) < 0)
            continue;
        parts[n_parts] = event_said_parts(&said[i]);
        parts[n_parts++].actor = events[i]->actor;
    }
    recent_restore(p->recent, parts, n_parts);
    free(parts);
    free(said);
}

/* --- a sample --- */

/* Without "REGISTRY_ID/" in front, as events have it. */
static const char *repository_of(const struct trigger_spec *t)
{
    size_t n = strlen(t->registry_id);
    if (t->image_name[0] == '\0')
        return PIPELINE_SAMPLE_REPOSITORY;
    bool full = strncmp(t->image_name, t->registry_id, n) == 0 && t->image_name[n] == '/';
    return full ? t->image_name + n + 1 : t->image_name;
}

static struct event *sample_of(const struct pipeline *p, const struct trigger_spec *t,
                               const char *id)
{
    char now[CLOCK_RFC3339_SIZE];
    unsigned type = 0;
    while (type + 1 < EVENT_N_TYPES && (t->event_types.mask & 1u << type) == 0)
        type++;
    clock_rfc3339(clock_wall_ms(), now);
    return event_new(&(struct event_parts){.type = (enum event_type) type,
                                           .id = id,
                                           .created_at = now,
                                           .cloud_id = p->cfg->cloud_id,
                                           .folder_id = p->cfg->folder_id,
                                           .registry_id = t->registry_id,
                                           .repository = repository_of(t),
                                           .digest = PIPELINE_SAMPLE_DIGEST,
                                           .tag = PIPELINE_SAMPLE_TAG});
}

static int check(struct pipeline *p, const struct trigger *t)
{
    if (t == NULL)
        return -ENOENT;
    const struct action *a = t->action;
    if (t->spec.status == TRIGGER_PAUSED)
        return -EBUSY;
    if (a->path == NULL)
        return -ENOTCONN;
    if (!t->allowed) {
        metrics_add(p->metrics, M_TRIGGER_DENIED, 1);
        pipeline_log_denied(p, t);
        return -EACCES;
    }
    return p->draining ? -EAGAIN : p->ops->can_submit(p->engine);
}

static void note_sample(struct pipeline *p, const struct event *e, uint64_t now_ms)
{
    static const uint64_t NO_KEYS[RECENT_KEYS];
    char now[CLOCK_RFC3339_SIZE];
    clock_rfc3339(now_ms, now);
    const struct recent_parts parts = {.type = e->type,
                                       .id = e->id,
                                       .registry_id = e->registry_id,
                                       .repository = e->repository,
                                       .digest = e->digest,
                                       .tag = e->tag,
                                       .actor = e->actor,
                                       .created_at = now,
                                       .peer = "",
                                       .sender_id = "",
                                       .kind = "test",
                                       .trace_id = "",
                                       .traceparent = "",
                                       .keys = NO_KEYS,
                                       .received_ms = now_ms};
    uint64_t number = recent_add(p->recent, &parts);
    recent_settle(p->recent, number, 1, true);
    pipeline_on_answered(
        p, &(struct ingest_report){
               .registry_id = e->registry_id, .peer = "", .first_event = number, .n_events = 1});
}

int pipeline_test(struct pipeline *p, const char *trigger_id, char ret_event_id[ID_SIZE])
{
    struct trigger *t = trigger_set_find(p->triggers, trigger_id);
    int r = check(p, t);
    if (r < 0)
        return r;
    struct action *a = t->action;
    ingest_next_id(p->ingest, EVENT_ID_PREFIX, ret_event_id);
    struct event *e = sample_of(p, &t->spec, ret_event_id);
    if (e == NULL)
        return -ENOMEM;
    struct batch one; /* not the open one: this event has no number to mark what is batched */
    batch_init(&one, 1, 0, a->batch.max_bytes, pipeline_on_flush, a);
    r = batch_add(&one, e, 0);
    batch_fini(&one);
    if (r == 0)
        note_sample(p, e, clock_wall_ms());
    event_unref(e);
    p->ops->flush(p->engine);
    return r == 0 && p->broken ? -EIO : r;
}

/* --- a dry run --- */

struct dry {
    struct pipeline *p;
    const struct change *change; /* that the event comes of */
    const struct config_registry *registry;
    const struct trigger *only; /* NULL: all */
    struct catalog *catalog;
    struct catalog_now now;
    const struct pipeline_dry_sink *sink;
};

static const char *why_filtered(const struct filter *filter, const struct event *e)
{
    static const char *const WHY[FILTER_LISTS + 1] = {
        [FILTER_IMAGE_NAMES] = "its filter.image_names do not let this one pass",
        [FILTER_TAGS] = "its filter.tags do not let this one pass",
        [FILTER_DIGESTS] = "its filter.digests do not let this one pass",
        [FILTER_ACTORS] = "its filter.actors do not let this one pass",
    };
    struct filter_subject subject = trigger_subject(e);
    return WHY[filter_refusal(filter, &subject)];
}

/* The first reason, in the order in which the rule is written. */
static const char *why_not(const struct trigger *t, const struct event *e)
{
    struct trigger_spec loose = t->spec; /* borrows the strings */
    static char any[] = "";
    const struct action *a = t->action;
    if (strcmp(t->spec.registry_id, e->registry_id) != 0)
        return "it is for another registry";
    if ((t->spec.event_types.mask & 1u << e->type) == 0)
        return "its event types do not have this one";
    loose.tag = any;
    loose.filter = NULL;
    if (!trigger_matches(&loose, e))
        return "its image_name is another";
    loose.tag = t->spec.tag;
    if (!trigger_matches(&loose, e))
        return "its tag is another";
    if (!trigger_matches(&t->spec, e))
        return why_filtered(t->spec.filter, e);
    if (t->spec.status == TRIGGER_PAUSED)
        return "it is paused";
    if (a->path == NULL)
        return "its path is not configured";
    return t->allowed ? NULL : "its service account lacks the role " ROLE_BROADCAST;
}

/* --- what triggers make of an event --- */

struct verdicts {
    struct event *probe;
    uint64_t received_ms;
    size_t n, most;
    void (*one)(void *ctx, const struct pipeline_verdict *v);
    void *ctx;
};

static void say(struct verdicts *v, const struct trigger *t, const char *why)
{
    uint64_t created_ms = t->spec.created_ns / MS_NS;
    uint64_t since = t->changed_ms > created_ms ? t->changed_ms : created_ms;
    v->n++;
    v->one(v->ctx, &(struct pipeline_verdict){
                       .trigger = &t->spec, .why = why, .changed_since = since > v->received_ms});
}

static void on_taker(void *ctx, struct trigger *t, struct event *e)
{
    struct verdicts *v = ctx;
    if (v->n < v->most && why_not(t, e) == NULL)
        say(v, t, NULL);
}

static void say_refusals(struct verdicts *v, const struct trigger_set *set, bool of_registry)
{
    size_t size = trigger_set_size(set);
    size_t n = size / VERDICT_SCAN < v->most ? size : v->most * VERDICT_SCAN;
    for (size_t i = 0; i < n && v->n < v->most; i++) {
        const struct trigger *t = trigger_set_at(set, i);
        bool same = strcmp(t->spec.registry_id, v->probe->registry_id) == 0;
        const char *why = same == of_registry ? why_not(t, v->probe) : NULL;
        if (why != NULL)
            say(v, t, why);
    }
}

size_t pipeline_verdicts(struct pipeline *p, struct event *probe, uint64_t received_ms, size_t most,
                         void (*one)(void *ctx, const struct pipeline_verdict *v), void *ctx)
{
    struct verdicts v = {probe, received_ms, 0, most, one, ctx};
    trigger_set_match(p->triggers, probe, on_taker, &v);
    say_refusals(&v, p->triggers, true);
    say_refusals(&v, p->triggers, false);
    return trigger_set_size(p->triggers) - v.n;
}

/* --- a dry run, event by event --- */

static void on_derived(void *ctx, const struct catalog_event *found)
{
    const struct dry *d = ctx;
    const struct event probe = {
        .type = found->type,
        .registry_id = d->registry->id,
        .repository = (char *) (uintptr_t) found->repository,
        .digest = (char *) (uintptr_t) found->digest,
        .tag = (char *) (uintptr_t) found->tag,
        .actor = (char *) (uintptr_t) d->change->actor,
    };
    if (!d->sink->event(d->sink->ctx, &probe))
        return;
    for (size_t i = 0; i < trigger_set_size(d->p->triggers); i++) {
        const struct trigger *t = trigger_set_at(d->p->triggers, i);
        if (d->only == NULL || d->only == t)
            d->sink->trigger(d->sink->ctx, &t->spec, why_not(t, &probe));
    }
}

static void on_change(void *ctx, const struct change *change)
{
    struct dry *d = ctx;
    d->change = change;
    if (d->sink->change != NULL)
        d->sink->change(d->sink->ctx, change);
    if (catalog_apply(d->catalog, d->registry->id, change, &d->now, on_derived, d) == 0)
        d->sink->nothing(d->sink->ctx,
                         change->kind == CHANGE_PUSH ? "nothing is new" : "nothing is deleted");
}

static void on_ignored(void *ctx, const char *why)
{
    const struct dry *d = ctx;
    d->sink->ignored(d->sink->ctx, why);
}

static void on_set_aside(void *ctx, const char *why, struct slice excerpt)
{
    const struct dry *d = ctx;
    d->sink->set_aside(d->sink->ctx, why, excerpt);
}

static int ask_handshake(const struct source *source, const struct source_request *req)
{
    struct buf json;
    buf_init(&json, HANDSHAKE_MAX);
    int r = source->handshake == NULL ? 0 : source->handshake(req, &json);
    buf_fini(&json);
    return r;
}

static int read_request(struct dry *d, const struct source_request *req,
                        struct pipeline_dry_result *ret)
{
    const struct source_sink sink = {d, on_change, on_ignored, on_set_aside};
    const struct source *source = source_of(req, &ret->known_by);
    ret->why = "no registry that is known posts such a thing";
    if (source == NULL)
        return -EBADMSG;
    ret->kind = source->kind;
    int r = ask_handshake(source, req);
    if (r == 0)
        r = source->adapt(req, &sink, &ret->why);
    else if (r > 0)
        ret->handshake = true;
    if (r != -EBADMSG)
        return r < 0 ? r : 0;
    const struct source *other = source_other(source, req, &ret->looks_by);
    ret->looks_like = other == NULL ? NULL : other->kind;
    return r;
}

int pipeline_dry_run(struct pipeline *p, struct slice registry_id, const struct source_request *req,
                     const char *trigger_id, const struct pipeline_dry_sink *sink,
                     struct pipeline_dry_result *ret)
{
    struct dry d = {.p = p, .sink = sink, .registry = ingest_registry(p->ingest, registry_id)};
    struct source_request of_registry = *req;
    struct ingest_parts parts;
    if (trigger_id != NULL) {
        d.only = trigger_set_find(p->triggers, trigger_id);
        if (d.only == NULL)
            return -ENOENT;
    }
    if (d.registry == NULL)
        return -ENXIO;
    of_registry.registry = d.registry;
    *ret = (struct pipeline_dry_result){0};
    ingest_borrow(p->ingest, d.registry->id, &parts);
    d.catalog = parts.catalog;
    d.now = parts.now;
    int r = read_request(&d, &of_registry, ret);
    catalog_rollback_to(parts.catalog, parts.mark);
    return r;
}
