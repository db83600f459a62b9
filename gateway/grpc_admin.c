/* grpc_admin.c - answers of admin.h to gRPC calls. */
#include "grpc_admin.h"

#include "api_id.h"
#include "pb_operation.h"
#include "pb_trigger_v2.h"

bool grpc_admin_id(struct grpc_call *call, const char *field, const char *id)
{
    struct status error = {.code = STATUS_OK};
    if (id[0] != '\0')
        api_id_check(field, slice_str(id), &error);
    if (error.code != STATUS_OK)
        grpc_fail(call, &error);
    return error.code == STATUS_OK;
}

static void refuse(struct grpc_call *call, const struct status *error)
{
    struct status renamed;
    if (call->who.admin.api == OPERATION_V2) {
        pb_trigger_v2_status(error, &renamed);
        error = &renamed;
    }
    grpc_fail(call, error);
}

static void no_memory(struct grpc_call *call)
{
    struct status error;
    status_set(&error, STATUS_RESOURCE_EXHAUSTED, "No memory for the answer");
    grpc_fail(call, &error);
}

void grpc_admin_answer(struct grpc_call *call, const struct admin_answer *answer,
                       grpc_admin_make *make)
{
    if (answer->error != NULL) {
        refuse(call, answer->error);
        return;
    }
    struct pb_arena arena;
    pb_arena_init(&arena, 0); /* what we build is not counted */
    const ProtobufCMessage *message = make(&arena, answer);
    if (message != NULL)
        grpc_reply(call, message);
    else
        no_memory(call);
    pb_arena_fini(&arena);
}

static const ProtobufCMessage *make_operation(struct pb_arena *arena, const struct admin_answer *a)
{
    const pb_operation *operation = pb_operation_make(arena, a->operation);
    return operation == NULL ? NULL : &operation->base;
}

void grpc_admin_operation(void *arg, const struct admin_answer *answer)
{
    grpc_admin_answer(arg, answer, make_operation);
}
