/* grpc_operation.c - yandex.cloud.operation.OperationService. */
#include "grpc_admin.h"

#include <yandex/cloud/operation/operation_service.pb-c.h>

static void get_operation(struct grpc_call *call, const ProtobufCMessage *request)
{
    const Yandex__Cloud__Operation__GetOperationRequest *in = (const void *) request;
    if (!grpc_admin_id(call, "operation_id", in->operation_id))
        return;
    admin_operation_get(call->manage->admin, grpc_admin_call(call), in->operation_id,
                        grpc_admin_operation, call);
}

static void cancel_operation(struct grpc_call *call, const ProtobufCMessage *request)
{
    const Yandex__Cloud__Operation__CancelOperationRequest *in = (const void *) request;
    if (!grpc_admin_id(call, "operation_id", in->operation_id))
        return;
    admin_operation_cancel(call->manage->admin, grpc_admin_call(call), in->operation_id,
                           grpc_admin_operation, call);
}

#define SERVICE "yandex.cloud.operation.OperationService"
static const struct grpc_method METHODS[] = {
    {SERVICE, "Get", &yandex__cloud__operation__get_operation_request__descriptor,
     .run = get_operation},
    {SERVICE, "Cancel", &yandex__cloud__operation__cancel_operation_request__descriptor,
     .run = cancel_operation},
};
const struct grpc_methods GRPC_OPERATION = {METHODS, ARRAY_LEN(METHODS)};
