/* rest_trial.c - beyond the original: a trigger tried out, and what became of an event. */
#include "pipeline_explain.h"
#include "rest_call.h"
#include "rest_json.h"
#include "rest_query.h"
#include "worker.h"

#include <stdio.h>

#define NS_PER_MS ((uint64_t) 1000000)
#define MAX_ROWS  20000 /* of a dry run: events and triggers under them */

static void fail(struct rest_call *call, enum status_code code, const char *text)
{
    struct status error = {.code = STATUS_OK};
    status_set(&error, code, text, call->id);
    rest_fail(call, &error);
}

/* False: the call has been answered. */
static bool may(struct rest_call *call, enum iam_permission p)
{
    struct status error = {.code = STATUS_OK};
    if (admin_may_triggers(call->manage->admin, rest_admin_call(call), p, &error))
        return true;
    rest_fail(call, &error);
    return false;
}

/* --- a sample event --- */

static void answer_test(struct rest_call *call, const char *event_id)
{
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct rest_json j = rest_json_begin(&json);
    rest_json_open(&j, NULL, '{');
    rest_json_text(&j, "eventId", event_id);
    rest_json_text(&j, "triggerId", call->id);
    rest_json_text(&j, "tag", PIPELINE_SAMPLE_TAG);
    rest_json_close(&j, '}');
    rest_reply_json(call, &j);
    buf_fini(&json);
}

void rest_trigger_test(struct rest_call *call)
{
    char event_id[ID_SIZE];
    rest_query_read(call->query, NULL, 0, &call->found);
    if (!may(call, IAM_TRIGGER_EDIT))
        return;
    switch (pipeline_test(call->shared->pipeline, call->id, event_id)) {
    case 0:
        answer_test(call, event_id);
        break;
    case -ENOENT:
        fail(call, STATUS_NOT_FOUND, "Trigger %.50s not found");
        break;
    case -EBUSY:
        fail(call, STATUS_FAILED_PRECONDITION, "Trigger %.50s is paused");
        break;
    case -EACCES:
        fail(call, STATUS_FAILED_PRECONDITION,
             "The service account of trigger %.50s lacks role api-gateway.websocketBroadcaster");
        break;
    case -ENOTCONN:
        fail(call, STATUS_FAILED_PRECONDITION, "The path of trigger %.50s is not configured");
        break;
    case -EMSGSIZE:
        fail(call, STATUS_FAILED_PRECONDITION,
             "An event is longer than messages on the path of trigger %.50s may be");
        break;
    default:
        fail(call, STATUS_UNAVAILABLE, "Nothing can be sent now");
    }
}

/* --- a dry run --- */

struct dry {
    struct rest_json *j;
    size_t rows, events, ignored, set_aside, matched;
    bool in_event, full;
};

static void end_event(struct dry *d)
{
    if (d->in_event) {
        rest_json_close(d->j, ']');
        rest_json_close(d->j, '}');
    }
    d->in_event = false;
}

static bool on_event(void *ctx, const struct event *probe)
{
    struct dry *d = ctx;
    end_event(d);
    d->events++;
    d->full = d->full || d->rows >= MAX_ROWS;
    if (d->full)
        return false;
    d->rows++;
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
    d->full = d->full || d->rows >= MAX_ROWS;
    if (d->full)
        return;
    d->rows++;
    rest_json_open(d->j, NULL, '{');
    rest_json_text(d->j, "id", t->id);
    rest_json_text(d->j, "name", t->name);
    rest_json_bool(d->j, "matches", why == NULL);
    rest_json_text(d->j, "why", why == NULL ? "" : why);
    rest_json_text(d->j, "path", t->path);
    rest_json_close(d->j, '}');
}

static void on_ignored(void *ctx, const char *why)
{
    struct dry *d = ctx;
    (void) why;
    d->ignored++;
}

static void on_set_aside(void *ctx, const char *why)
{
    struct dry *d = ctx;
    (void) why;
    d->set_aside++;
}

static int run(struct rest_call *call, const char *registry_id, struct rest_json *j,
               const char **ret_why)
{
    struct dry d = {.j = j};
    const struct pipeline_dry_sink sink = {&d, on_event, on_trigger, on_ignored, on_set_aside};
    rest_json_open(j, NULL, '{');
    rest_json_open(j, "events", '[');
    int r = pipeline_dry_run(call->shared->pipeline, slice_str(registry_id), buf_slice(&call->body),
                             call->id[0] == '\0' ? NULL : call->id, &sink, ret_why);
    end_event(&d);
    rest_json_close(j, ']');
    rest_json_number(j, "derived", d.events);
    rest_json_number(j, "matches", d.matched);
    rest_json_number(j, "ignored", d.ignored);
    rest_json_number(j, "setAside", d.set_aside);
    rest_json_bool(j, "truncated", d.full);
    rest_json_close(j, '}');
    return r;
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
    const char *why = "";
    rest_query_read(call->query, p, ARRAY_LEN(p), &call->found);
    if (call->id[0] == '\0' && p[0].value[0] == '\0')
        status_violate(&call->found, "registry_id", "is required");
    if (!may(call, IAM_TRIGGER_VIEW))
        return;
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct rest_json j = rest_json_begin(&json);
    int r = run(call, p[0].given ? p[0].value : registry_of_trigger(call), &j, &why);
    if (r == 0)
        rest_reply_json(call, &j);
    buf_fini(&json);
    if (r == 0)
        return;
    if (r == -ENOENT)
        fail(call, STATUS_NOT_FOUND, "Trigger %.50s not found");
    else if (r == -ENXIO) {
        struct status error;
        status_set(&error, STATUS_NOT_FOUND, "Registry %.50s not found", p[0].value);
        rest_fail(call, &error);
    } else if (r == -EBADMSG) {
        struct status error;
        status_set(&error, STATUS_INVALID_ARGUMENT, "The body is not a webhook's: %s", why);
        rest_fail(call, &error);
    } else
        fail(call, STATUS_UNAVAILABLE, "No memory to read the body");
}

/* --- what became of an event --- */

static void put_delivery(void *ctx, const struct delivery_note *n)
{
    struct rest_json *j = ctx;
    rest_json_open(j, NULL, '{');
    rest_json_text(j, "triggerId", n->trigger_id);
    rest_json_text(j, "triggerName", n->trigger_name);
    rest_json_text(j, "path", n->path->name);
    rest_json_text(j, "firstEventId", n->first_event_id);
    rest_json_text(j, "lastEventId", n->last_event_id);
    rest_json_int64(j, "size", n->n_events);
    rest_json_int64(j, "bytes", n->bytes);
    rest_json_text(j, "flush", BATCH_FLUSH_NAMES[n->why]);
    rest_json_bool(j, "delivered", n->delivered);
    if (n->delivered) {
        if (n->position != ENGINE_ANYWHERE)
            rest_json_int64(j, "position", n->position);
        rest_json_time(j, "deliveredAt", n->delivered_ms * NS_PER_MS);
        rest_json_int64(j, "connections", n->connections);
    }
    rest_json_close(j, '}');
}

void rest_gateway_event(struct rest_call *call)
{
    rest_query_read(call->query, NULL, 0, &call->found);
    if (!may(call, IAM_TRIGGER_VIEW))
        return;
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct rest_json j = rest_json_begin(&json);
    rest_json_open(&j, NULL, '{');
    rest_json_text(&j, "eventId", call->id);
    rest_json_open(&j, "batches", '[');
    size_t n = deliveries_find(pipeline_deliveries(call->shared->pipeline), slice_str(call->id),
                               put_delivery, &j);
    rest_json_close(&j, ']');
    rest_json_close(&j, '}');
    if (n > 0)
        rest_reply_json(call, &j);
    else
        fail(call, STATUS_NOT_FOUND, "Event %.50s is in none of the batches that are remembered");
    buf_fini(&json);
}
