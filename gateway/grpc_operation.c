/* grpc_operation.c - yandex.cloud.operation.OperationService. */
#include "api_id.h"
#include "grpc_admin.h"

#include <yandex/cloud/operation/operation_service.pb-c.h>

static const struct admin_call *admin_call_for(struct grpc_call *call, const char *operation_id)
{
    api_id_check("operation_id", slice_str(operation_id), &call->found);
    return grpc_admin_call(call);
}

static void get_operation(struct grpc_call *call, const ProtobufCMessage *request)
{
    const Yandex__Cloud__Operation__GetOperationRequest *in = (const void *) request;
    admin_operation_get(call->manage->admin, admin_call_for(call, in->operation_id),
                        in->operation_id, grpc_admin_operation, call);
}

static void cancel_operation(struct grpc_call *call, const ProtobufCMessage *request)
{
    const Yandex__Cloud__Operation__CancelOperationRequest *in = (const void *) request;
    admin_operation_cancel(call->manage->admin, admin_call_for(call, in->operation_id),
                           in->operation_id, grpc_admin_operation, call);
}

#define SERVICE "yandex.cloud.operation.OperationService"
static const struct grpc_method METHODS[] = {
    {SERVICE, "Get", &yandex__cloud__operation__get_operation_request__descriptor,
     .run = get_operation},
    {SERVICE, "Cancel", &yandex__cloud__operation__cancel_operation_request__descriptor,
     .run = cancel_operation},
};
const struct grpc_methods GRPC_OPERATION = {METHODS, ARRAY_LEN(METHODS)};
