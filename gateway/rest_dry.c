/* rest_dry.c - beyond the original: what would become of a webhook, event by event for a trigger or
 * all of them, and field by field for a registry. */
#include "pipeline_explain.h"
#include "rest_call.h"
#include "rest_json.h"
#include "rest_query.h"
#include "rest_webhook.h"
#include "utf8.h"
#include "worker.h"

#include <stdio.h>

#define MAX_ROWS    20000 /* entries, events, and triggers under them */
#define EXCERPT_MAX 1024

static const char *const CHANGES[] = {
    [CHANGE_PUSH] = "push",
    [CHANGE_DELETE_DIGEST] = "deleteDigest",
    [CHANGE_DELETE_TAG] = "deleteTag",
};

struct dry {
    struct rest_json *j;
    bool fields; /* entries of an envelope with their events; else events alone */
    size_t rows, events, ignored, set_aside, matched;
    bool in_entry, in_event, full;
    const char *nothing; /* why the entry leads to no event, or NULL */
};

/* False: enough was printed. */
static bool has_room(struct dry *d)
{
    d->full = d->full || d->rows >= MAX_ROWS;
    d->rows += !d->full;
    return !d->full;
}

static void end_event(struct dry *d)
{
    if (d->in_event) {
        rest_json_close(d->j, ']');
        rest_json_close(d->j, '}');
    }
    d->in_event = false;
}

static void end_entry(struct dry *d)
{
    end_event(d);
    if (d->in_entry) {
        rest_json_close(d->j, ']');
        rest_json_text(d->j, "nothing", d->nothing == NULL ? "" : d->nothing);
        rest_json_close(d->j, '}');
    }
    d->in_entry = false;
    d->nothing = NULL;
}

static void on_change(void *ctx, const struct change *c)
{
    struct dry *d = ctx;
    end_entry(d);
    if (!d->fields || !has_room(d))
        return;
    d->in_entry = true;
    rest_json_open(d->j, NULL, '{');
    rest_json_text(d->j, "change", CHANGES[c->kind]);
    rest_json_text(d->j, "repository", c->repository);
    rest_json_text(d->j, "digest", c->digest);
    rest_json_text(d->j, "tag", c->tag);
    rest_json_text(d->j, "senderId", c->sender_id);
    rest_json_text(d->j, "requestId", c->request_id);
    rest_json_text(d->j, "createdAt", c->created_at);
    rest_json_text(d->j, "actor", c->actor);
    rest_json_bool(d->j, "certain", c->certain);
    rest_json_open(d->j, "events", '[');
}

static bool on_event(void *ctx, const struct event *probe)
{
    struct dry *d = ctx;
    end_event(d);
    d->events++;
    if (!has_room(d))
        return false;
    d->in_event = true;
    rest_json_open(d->j, NULL, '{');
    rest_json_text(d->j, "type", EVENT_TYPES[probe->type]);
    rest_json_text(d->j, "repository", probe->repository);
    rest_json_text(d->j, "digest", probe->digest);
    rest_json_text(d->j, "tag", probe->tag);
    rest_json_open(d->j, "triggers", '[');
    return true;
}

static void on_trigger(void *ctx, const struct trigger_spec *t, const char *why)
{
    struct dry *d = ctx;
    d->matched += why == NULL;
    if (!has_room(d))
        return;
    rest_json_open(d->j, NULL, '{');
    rest_json_text(d->j, "id", t->id);
    rest_json_text(d->j, "name", t->name);
    rest_json_bool(d->j, "matches", why == NULL);
    rest_json_text(d->j, "why", why == NULL ? "" : why);
    rest_json_text(d->j, "path", t->path);
    rest_json_close(d->j, '}');
}

static void on_nothing(void *ctx, const char *why)
{
    struct dry *d = ctx;
    d->ignored++;
    d->nothing = why;
}

static void on_ignored(void *ctx, const char *why)
{
    struct dry *d = ctx;
    end_entry(d);
    d->ignored++;
    if (!d->fields || !has_room(d))
        return;
    rest_json_open(d->j, NULL, '{');
    rest_json_text(d->j, "ignored", why);
    rest_json_close(d->j, '}');
}

/* As much of it as is text. */
static void put_excerpt(struct rest_json *j, struct slice excerpt)
{
    char text[EXCERPT_MAX + 1];
    size_t len = excerpt.len < EXCERPT_MAX ? excerpt.len : EXCERPT_MAX;
    for (unsigned cut = 0; cut < 4 && len > 0 && !utf8_valid(slice_sub(excerpt, 0, len)); cut++)
        len--;
    if (len == 0 || !utf8_valid(slice_sub(excerpt, 0, len)))
        return;
    memcpy(text, excerpt.data, len);
    text[len] = '\0';
    rest_json_text(j, "excerpt", text);
}

static void on_set_aside(void *ctx, const char *why, struct slice excerpt)
{
    struct dry *d = ctx;
    end_entry(d);
    d->set_aside++;
    if (!d->fields || !has_room(d))
        return;
    rest_json_open(d->j, NULL, '{');
    rest_json_text(d->j, "setAside", why);
    put_excerpt(d->j, excerpt);
    rest_json_close(d->j, '}');
}

/* --- running it --- */

/* What there is to say of the envelope as a whole. */
static void put_result(struct rest_json *j, int r, const struct pipeline_dry_result *result)
{
    rest_json_text(j, "kind", result->kind == NULL ? "" : result->kind);
    rest_json_text(j, "knownBy", result->known_by == NULL ? "" : result->known_by);
    if (result->handshake)
        rest_json_bool(j, "handshake", true);
    if (r == -EBADMSG) {
        rest_json_text(j, "notUnderstood", result->why);
        rest_json_text(j, "looksLike", result->looks_like == NULL ? "" : result->looks_like);
        rest_json_text(j, "looksBy", result->looks_by == NULL ? "" : result->looks_by);
    }
}

static int run(struct rest_call *call, const char *registry_id, const char *trigger_id, bool fields,
               struct rest_json *j, struct pipeline_dry_result *ret)
{
    struct dry d = {.j = j, .fields = fields};
    struct rest_webhook webhook;
    const struct pipeline_dry_sink sink = {.ctx = &d,
                                           .change = on_change,
                                           .event = on_event,
                                           .trigger = on_trigger,
                                           .nothing = on_nothing,
                                           .ignored = on_ignored,
                                           .set_aside = on_set_aside};
    rest_webhook_init(&webhook, rest_head(call), buf_slice(&call->body));
    rest_json_open(j, NULL, '{');
    rest_json_open(j, fields ? "entries" : "events", '[');
    int r = pipeline_dry_run(call->shared->pipeline, slice_str(registry_id), &webhook.request,
                             trigger_id, &sink, ret);
    end_entry(&d);
    rest_json_close(j, ']');
    if (fields && (r == 0 || r == -EBADMSG))
        put_result(j, r, ret);
    rest_json_number(j, "derived", d.events);
    rest_json_number(j, "matches", d.matched);
    rest_json_number(j, "ignored", d.ignored);
    rest_json_number(j, "setAside", d.set_aside);
    rest_json_bool(j, "truncated", d.full);
    rest_json_close(j, '}');
    return r;
}

/* --- the answers --- */

/* False: the call has been answered. */
static bool may(struct rest_call *call)
{
    struct status error = {.code = STATUS_OK};
    if (admin_may_triggers(call->manage->admin, rest_admin_call(call), IAM_TRIGGER_VIEW, &error))
        return true;
    rest_fail(call, &error);
    return false;
}

static void fail(struct rest_call *call, int r, const char *registry_id,
                 const struct pipeline_dry_result *result)
{
    struct status error = {.code = STATUS_OK};
    if (r == -ENOENT)
        status_set(&error, STATUS_NOT_FOUND, "Trigger %.50s not found", call->id);
    else if (r == -ENXIO)
        status_set(&error, STATUS_NOT_FOUND, "Registry %.50s not found", registry_id);
    else if (r == -EBADMSG)
        status_set(&error, STATUS_INVALID_ARGUMENT, "The body is not a webhook's: %s%s%s",
                   result->why, result->looks_like == NULL ? "" : "; it looks like one of ",
                   result->looks_like == NULL ? "" : result->looks_like);
    else
        status_set(&error, STATUS_UNAVAILABLE, "No memory to read the body");
    rest_fail(call, &error);
}

static void answer(struct rest_call *call, const char *registry_id, const char *trigger_id,
                   bool fields)
{
    struct pipeline_dry_result result = {0};
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct rest_json j = rest_json_begin(&json);
    call->elsewhere = !pipeline_knows(call->shared->pipeline, registry_id);
    int r = run(call, registry_id, trigger_id, fields, &j, &result);
    if (r == 0 || (fields && r == -EBADMSG))
        rest_reply_json(call, &j);
    else
        fail(call, r, registry_id, &result);
    buf_fini(&json);
}

static const char *registry_of_trigger(const struct rest_call *call)
{
    const struct pipeline *p = call->shared->pipeline;
    for (size_t i = 0; i < pipeline_n_triggers(p); i++)
        if (strcmp(pipeline_trigger(p, i)->id, call->id) == 0)
            return pipeline_trigger(p, i)->registry_id;
    return "";
}

void rest_trigger_dry_run(struct rest_call *call)
{
    struct rest_parameter p[] = {{.camel = "registryId", .snake = "registry_id"}};
    rest_query_read(call->query, p, ARRAY_LEN(p), &call->found);
    if (call->id[0] == '\0' && p[0].value[0] == '\0')
        status_violate(&call->found, "registry_id", "is required");
    if (may(call))
        answer(call, p[0].given ? p[0].value : registry_of_trigger(call),
               call->id[0] == '\0' ? NULL : call->id, false);
}

void rest_registry_dry_run(struct rest_call *call)
{
    rest_query_read(call->query, NULL, 0, &call->found);
    if (may(call))
        answer(call, call->id, NULL, true);
}
