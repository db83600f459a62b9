/* rest_trigger.c - TriggerService and OperationService. */
#include "rest_call.h"
#include "rest_json.h"
#include "rest_query.h"
#include "rest_read.h"

/* What an answer of the admin becomes; `put` is not called with an error. */
static void on_done(struct rest_call *call, const struct admin_answer *a,
                    void (*put)(struct rest_json *j, const struct admin_answer *a))
{
    if (a->error != NULL) {
        rest_fail(call, a->error);
        return;
    }
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct rest_json j = rest_json_begin(&json);
    put(&j, a);
    rest_reply_json(call, &j);
    buf_fini(&json);
}

static void put_trigger(struct rest_json *j, const struct admin_answer *a)
{
    rest_json_trigger(j, NULL, a->trigger);
}

static void put_operation(struct rest_json *j, const struct admin_answer *a)
{
    rest_json_operation(j, NULL, a->operation);
}

static void put_triggers(struct rest_json *j, const struct admin_answer *a)
{
    rest_json_open(j, NULL, '{');
    if (a->triggers.n > 0) {
        rest_json_open(j, "triggers", '[');
        for (size_t i = 0; i < a->triggers.n; i++)
            rest_json_trigger(j, NULL, a->triggers.at[i]);
        rest_json_close(j, ']');
    }
    rest_json_text(j, "nextPageToken", a->triggers.next_page_token);
    rest_json_close(j, '}');
}

static void put_operations(struct rest_json *j, const struct admin_answer *a)
{
    rest_json_open(j, NULL, '{');
    if (a->operations.n > 0) {
        rest_json_open(j, "operations", '[');
        for (size_t i = 0; i < a->operations.n; i++)
            rest_json_operation(j, NULL, a->operations.at[i]);
        rest_json_close(j, ']');
    }
    rest_json_text(j, "nextPageToken", a->operations.next_page_token);
    rest_json_close(j, '}');
}

static void on_trigger(void *arg, const struct admin_answer *a)
{
    on_done(arg, a, put_trigger);
}

static void on_operation(void *arg, const struct admin_answer *a)
{
    on_done(arg, a, put_operation);
}

static void on_triggers(void *arg, const struct admin_answer *a)
{
    on_done(arg, a, put_triggers);
}

static void on_operations(void *arg, const struct admin_answer *a)
{
    on_done(arg, a, put_operations);
}

/* --- reading requests --- */

enum { P_SIZE, P_TOKEN, P_FILTER, P_FOLDER, P_PAGING = P_FOLDER, P_ALL };
#define PARAMETERS                                                                                 \
    {                                                                                              \
        [P_SIZE] = {.camel = "pageSize", .snake = "page_size"},                                    \
        [P_TOKEN] = {.camel = "pageToken", .snake = "page_token"},                                 \
        [P_FILTER] = {.camel = "filter"},                                                          \
        [P_FOLDER] = {.camel = "folderId", .snake = "folder_id"},                                  \
    }

static struct admin_page page_of(struct rest_call *call, struct rest_parameter *p, size_t n)
{
    rest_query_read(call->query, p, n, &call->found);
    return (struct admin_page){.page_size = rest_query_number(&p[P_SIZE], &call->found),
                               .page_token = p[P_TOKEN].value,
                               .filter = p[P_FILTER].value};
}

static void no_parameters(struct rest_call *call)
{
    rest_query_read(call->query, NULL, 0, &call->found);
}

static void id_only(struct rest_call *call)
{
    no_parameters(call);
    if (call->found.code == STATUS_OK)
        rest_read_id_only(buf_slice(&call->body), "triggerId", "trigger_id", call->id,
                          &call->found);
}

/* --- the operations --- */

void rest_trigger_list(struct rest_call *call)
{
    struct rest_parameter p[P_ALL] = PARAMETERS;
    const struct admin_page page = page_of(call, p, P_ALL);
    admin_trigger_list(call->manage->admin, rest_admin_call(call), p[P_FOLDER].value, &page,
                       on_triggers, call);
}

void rest_trigger_operations(struct rest_call *call)
{
    struct rest_parameter p[P_ALL] = PARAMETERS;
    const struct admin_page page = page_of(call, p, P_PAGING);
    admin_trigger_operations(call->manage->admin, rest_admin_call(call), call->id, &page,
                             on_operations, call);
}

void rest_trigger_get(struct rest_call *call)
{
    no_parameters(call);
    admin_trigger_get(call->manage->admin, rest_admin_call(call), call->id, on_trigger, call);
}

void rest_trigger_create(struct rest_call *call)
{
    struct trigger_request req;
    no_parameters(call);
    rest_read_trigger(buf_slice(&call->body), true, "", &req, &call->found);
    admin_trigger_create(call->manage->admin, rest_admin_call(call), &req.spec, req.has_rule,
                         on_operation, call);
    trigger_spec_fini(&req.spec);
}

void rest_trigger_update(struct rest_call *call)
{
    struct trigger_request req;
    no_parameters(call);
    rest_read_trigger(buf_slice(&call->body), false, call->id, &req, &call->found);
    admin_trigger_update(call->manage->admin, rest_admin_call(call), call->id, req.mask, &req.spec,
                         req.has_rule, on_operation, call);
    trigger_spec_fini(&req.spec);
}

void rest_trigger_delete(struct rest_call *call)
{
    id_only(call);
    admin_trigger_delete(call->manage->admin, rest_admin_call(call), call->id, on_operation, call);
}

void rest_trigger_pause(struct rest_call *call)
{
    id_only(call);
    admin_trigger_pause(call->manage->admin, rest_admin_call(call), call->id, on_operation, call);
}

void rest_trigger_resume(struct rest_call *call)
{
    id_only(call);
    admin_trigger_resume(call->manage->admin, rest_admin_call(call), call->id, on_operation, call);
}

void rest_operation_get(struct rest_call *call)
{
    no_parameters(call);
    admin_operation_get(call->manage->admin, rest_admin_call(call), call->id, on_operation, call);
}

void rest_operation_cancel(struct rest_call *call)
{
    no_parameters(call);
    if (call->found.code == STATUS_OK)
        rest_read_id_only(buf_slice(&call->body), "operationId", "operation_id", call->id,
                          &call->found);
    admin_operation_cancel(call->manage->admin, rest_admin_call(call), call->id, on_operation,
                           call);
}
