/* grpc_trigger_v2.c - yandex.cloud.serverless.triggers.v2.TriggerService: the triggers of v1 in the
 * newer spelling. What is made by one is there in the other. */
#include "api_id.h"
#include "grpc_admin.h"
#include "pb_operation.h"
#include "pb_trigger_v2.h"

typedef Yandex__Cloud__Serverless__Triggers__V2__ListTriggersResponse v2_triggers;
typedef Yandex__Cloud__Serverless__Triggers__V2__ListTriggerOperationsResponse v2_operations;
/* Get, Delete, Pause and Resume ask alike: { string trigger_id = 1 }. */
typedef Yandex__Cloud__Serverless__Triggers__V2__GetTriggerRequest v2_id_request;

/* --- answers --- */

static const ProtobufCMessage *make_trigger(struct pb_arena *arena, const struct admin_answer *a)
{
    return &pb_trigger_v2_make(arena, a->trigger)->base;
}

static const ProtobufCMessage *make_triggers(struct pb_arena *arena, const struct admin_answer *a)
{
    v2_triggers *out = pb_make(arena, PB_V2(list_triggers_response));
    out->triggers = pb_make_list(arena, a->triggers.n);
    for (size_t i = 0; i < a->triggers.n; i++)
        out->triggers[out->n_triggers++] = pb_trigger_v2_make(arena, a->triggers.at[i]);
    out->next_page_token = pb_text(arena, slice_str(a->triggers.next_page_token));
    return &out->base;
}

static const ProtobufCMessage *make_operations(struct pb_arena *arena, const struct admin_answer *a)
{
    v2_operations *out = pb_make(arena, PB_V2(list_trigger_operations_response));
    out->operations = pb_make_list(arena, a->operations.n);
    for (size_t i = 0; i < a->operations.n; i++) {
        pb_operation *operation = pb_operation_make(arena, a->operations.at[i]);
        if (operation == NULL)
            return NULL;
        out->operations[out->n_operations++] = operation;
    }
    out->next_page_token = pb_text(arena, slice_str(a->operations.next_page_token));
    return &out->base;
}

static void on_trigger(void *arg, const struct admin_answer *answer)
{
    grpc_admin_answer(arg, answer, make_trigger);
}

static void on_triggers(void *arg, const struct admin_answer *answer)
{
    grpc_admin_answer(arg, answer, make_triggers);
}

static void on_operations(void *arg, const struct admin_answer *answer)
{
    grpc_admin_answer(arg, answer, make_operations);
}

/* --- the methods --- */

static const struct admin_call *admin_call_of(struct grpc_call *call)
{
    call->who.admin.api = OPERATION_V2;
    return grpc_admin_call(call);
}

/* About one trigger. */
static const struct admin_call *admin_call_for(struct grpc_call *call, const char *trigger_id)
{
    api_id_check("trigger_id", slice_str(trigger_id), &call->found);
    return admin_call_of(call);
}

static void get_trigger(struct grpc_call *call, const ProtobufCMessage *request)
{
    const v2_id_request *in = (const void *) request;
    admin_trigger_get(call->manage->admin, admin_call_for(call, in->trigger_id), in->trigger_id,
                      on_trigger, call);
}

static void list_triggers(struct grpc_call *call, const ProtobufCMessage *request)
{
    const Yandex__Cloud__Serverless__Triggers__V2__ListTriggersRequest *in = (const void *) request;
    const struct admin_page page = {in->page_size, in->page_token, in->filter};
    admin_trigger_list(call->manage->admin, admin_call_of(call), in->folder_id, &page, on_triggers,
                       call);
}

static void create_trigger(struct grpc_call *call, const ProtobufCMessage *request)
{
    struct trigger_request req;
    pb_trigger_v2_read_create((const v2_create_request *) request, &req, &call->found);
    admin_trigger_create(call->manage->admin, admin_call_of(call), &req.spec, req.has_rule,
                         grpc_admin_operation, call);
    trigger_spec_fini(&req.spec);
}

static void update_trigger(struct grpc_call *call, const ProtobufCMessage *request)
{
    const v2_update_request *in = (const void *) request;
    struct trigger_request req;
    pb_trigger_v2_read_update(in, &req, &call->found);
    admin_trigger_update(call->manage->admin, admin_call_for(call, in->trigger_id), in->trigger_id,
                         req.mask, &req.spec, req.has_rule, grpc_admin_operation, call);
    trigger_spec_fini(&req.spec);
}

static void delete_trigger(struct grpc_call *call, const ProtobufCMessage *request)
{
    const v2_id_request *in = (const void *) request;
    admin_trigger_delete(call->manage->admin, admin_call_for(call, in->trigger_id), in->trigger_id,
                         grpc_admin_operation, call);
}

static void pause_trigger(struct grpc_call *call, const ProtobufCMessage *request)
{
    const v2_id_request *in = (const void *) request;
    admin_trigger_pause(call->manage->admin, admin_call_for(call, in->trigger_id), in->trigger_id,
                        grpc_admin_operation, call);
}

static void resume_trigger(struct grpc_call *call, const ProtobufCMessage *request)
{
    const v2_id_request *in = (const void *) request;
    admin_trigger_resume(call->manage->admin, admin_call_for(call, in->trigger_id), in->trigger_id,
                         grpc_admin_operation, call);
}

static void list_operations(struct grpc_call *call, const ProtobufCMessage *request)
{
    const Yandex__Cloud__Serverless__Triggers__V2__ListTriggerOperationsRequest *in =
        (const void *) request;
    const struct admin_page page = {in->page_size, in->page_token, in->filter};
    admin_trigger_operations(call->manage->admin, admin_call_for(call, in->trigger_id),
                             in->trigger_id, &page, on_operations, call);
}

#define SERVICE "yandex.cloud.serverless.triggers.v2.TriggerService"
static const struct grpc_method METHODS[] = {
    {SERVICE, "Get", PB_V2(get_trigger_request), .run = get_trigger},
    {SERVICE, "List", PB_V2(list_triggers_request), .run = list_triggers},
    {SERVICE, "Create", PB_V2(create_trigger_request), .run = create_trigger},
    {SERVICE, "Update", PB_V2(update_trigger_request), .run = update_trigger},
    {SERVICE, "Delete", PB_V2(delete_trigger_request), .run = delete_trigger},
    {SERVICE, "Pause", PB_V2(pause_trigger_request), .run = pause_trigger},
    {SERVICE, "Resume", PB_V2(resume_trigger_request), .run = resume_trigger},
    {SERVICE, "ListOperations", PB_V2(list_trigger_operations_request), .run = list_operations},
};
const struct grpc_methods GRPC_TRIGGER_V2 = {METHODS, ARRAY_LEN(METHODS)};
