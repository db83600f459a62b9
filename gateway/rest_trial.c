/* rest_trial.c - beyond the original: a trigger tried out. */
#include "pipeline_explain.h"
#include "rest_call.h"
#include "rest_json.h"
#include "rest_query.h"
#include "worker.h"

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
