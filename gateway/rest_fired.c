/* rest_fired.c - beyond the original: what each trigger has sent since the start. */
#include "rest_call.h"
#include "rest_query.h"
#include "worker.h"

#define NS_PER_MS ((uint64_t) 1000000)

static void put_trigger(struct rest_json *j, const struct pipeline *p, size_t i)
{
    struct pipeline_fired fired;
    pipeline_fired(p, i, &fired);
    rest_json_open(j, NULL, '{');
    rest_json_text(j, "triggerId", pipeline_trigger(p, i)->id);
    rest_json_int64(j, "batches", fired.batches);
    rest_json_int64(j, "events", fired.events);
    if (fired.last_fired_ms > 0)
        rest_json_time(j, "lastFiredAt", fired.last_fired_ms * NS_PER_MS);
    rest_json_int64(j, "waiting", fired.waiting);
    rest_json_text(j, "lastError", fired.last_error == NULL ? "" : fired.last_error);
    rest_json_close(j, '}');
}

void rest_gateway_triggers(struct rest_call *call)
{
    const struct pipeline *p = call->shared->pipeline;
    struct status error = {.code = STATUS_OK};
    rest_query_read(call->query, NULL, 0, &call->found);
    if (!admin_may_triggers(call->manage->admin, rest_admin_call(call), IAM_TRIGGER_VIEW, &error)) {
        rest_fail(call, &error);
        return;
    }
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct rest_json j = rest_json_begin(&json);
    rest_json_open(&j, NULL, '{');
    rest_json_open(&j, "triggers", '[');
    for (size_t i = 0; i < pipeline_n_triggers(p); i++)
        put_trigger(&j, p, i);
    rest_json_close(&j, ']');
    rest_json_close(&j, '}');
    rest_reply_json(call, &j);
    buf_fini(&json);
}
