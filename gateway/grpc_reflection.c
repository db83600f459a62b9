/* grpc_reflection.c - grpc.reflection v1 and v1alpha: what services there are and what their
 * messages look like. The two differ in their packages only, which nothing on the wire names, so
 * both are read and answered as v1. */
#include "descriptor_index.h"
#include "descriptors.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "grpc_call.h"
#include "worker.h"

typedef Grpc__Reflection__V1__ServerReflectionRequest request_t;
typedef Grpc__Reflection__V1__ServerReflectionResponse response_t;

#define ASKED(what) GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##what
#define ANSWER(what)                                                                               \
    GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##what##_RESPONSE

#define MAX_FILES    32 /* of one answer; clients ask by name for what is missing */
#define MAX_SERVICES 32

static const struct slice SET = {DESCRIPTORS, sizeof(DESCRIPTORS)};

static void reply(struct grpc_call *call, const request_t *request, response_t *response)
{
    response->valid_host = request->host;
    response->original_request = (request_t *) request; /* packing changes nothing */
    if (!grpc_write(call, &response->base))
        return; /* it is gone, and nothing of ours was with it */
}

static void reply_not_found(struct grpc_call *call, const request_t *request, const char *message)
{
    Grpc__Reflection__V1__ErrorResponse error = GRPC__REFLECTION__V1__ERROR_RESPONSE__INIT;
    error.error_code = STATUS_NOT_FOUND;
    error.error_message = (char *) message;
    response_t response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    response.message_response_case = ANSWER(ERROR);
    response.error_response = &error;
    reply(call, request, &response);
}

/* The file and all that it imports, so that one answer is enough. */
static void reply_file(struct grpc_call *call, const request_t *request, struct slice file)
{
    struct slice files[MAX_FILES];
    ProtobufCBinaryData packed[MAX_FILES];
    Grpc__Reflection__V1__FileDescriptorResponse all =
        GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;
    all.n_file_descriptor_proto = descriptor_index_imports(SET, file, files, MAX_FILES);
    all.file_descriptor_proto = packed;
    for (size_t i = 0; i < all.n_file_descriptor_proto; i++)
        packed[i] = (ProtobufCBinaryData){.len = files[i].len, .data = (uint8_t *) files[i].data};
    response_t response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    response.message_response_case = ANSWER(FILE_DESCRIPTOR);
    response.file_descriptor_response = &all;
    reply(call, request, &response);
}

static void reply_services(struct grpc_call *call, const request_t *request)
{
    Grpc__Reflection__V1__ServiceResponse services[MAX_SERVICES];
    Grpc__Reflection__V1__ServiceResponse *at[MAX_SERVICES];
    Grpc__Reflection__V1__ListServiceResponse all =
        GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;
    const char *name;
    while ((name = grpc_method_service(all.n_service)) != NULL) {
        ASSERT(all.n_service < MAX_SERVICES);
        Grpc__Reflection__V1__ServiceResponse *one = &services[all.n_service];
        grpc__reflection__v1__service_response__init(one);
        one->name = (char *) name;
        at[all.n_service++] = one;
    }
    all.service = at;
    response_t response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    response.message_response_case = ANSWER(LIST_SERVICES);
    response.list_services_response = &all;
    reply(call, request, &response);
}

/* Nothing of ours has extensions. */
static void reply_no_extensions(struct grpc_call *call, const request_t *request)
{
    Grpc__Reflection__V1__ExtensionNumberResponse none =
        GRPC__REFLECTION__V1__EXTENSION_NUMBER_RESPONSE__INIT;
    none.base_type_name = request->all_extension_numbers_of_type;
    response_t response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    response.message_response_case = ANSWER(ALL_EXTENSION_NUMBERS);
    response.all_extension_numbers_response = &none;
    reply(call, request, &response);
}

static void on_request(struct grpc_call *call, const request_t *request)
{
    struct slice file;
    struct status error = {0};
    switch (request->message_request_case) {
    case ASKED(LIST_SERVICES):
        reply_services(call, request);
        return;
    case ASKED(FILE_BY_FILENAME):
        if (descriptor_index_file(SET, slice_str(request->file_by_filename), &file))
            reply_file(call, request, file);
        else
            reply_not_found(call, request, "There is no such file");
        return;
    case ASKED(FILE_CONTAINING_SYMBOL):
        if (descriptor_index_symbol(SET, slice_str(request->file_containing_symbol), &file))
            reply_file(call, request, file);
        else
            reply_not_found(call, request, "There is no such symbol");
        return;
    case ASKED(ALL_EXTENSION_NUMBERS_OF_TYPE):
        if (descriptor_index_is_message(SET, slice_str(request->all_extension_numbers_of_type)))
            reply_no_extensions(call, request);
        else
            reply_not_found(call, request, "There is no such message");
        return;
    case ASKED(FILE_CONTAINING_EXTENSION):
        reply_not_found(call, request, "There are no extensions");
        return;
    default:
        status_set(&error, STATUS_INVALID_ARGUMENT, "message_request: one is required");
        grpc_fail(call, &error);
    }
}

static void on_message(struct grpc_call *call, const ProtobufCMessage *message)
{
    if (message != NULL)
        on_request(call, (const request_t *) message);
    else
        grpc_finish(call);
}

/* A client may keep its stream for as long as it lives, and we would wait for it. */
static void on_tick(struct grpc_call *call)
{
    struct status error = {0};
    if (!call->shared->front->draining)
        return;
    status_set(&error, STATUS_UNAVAILABLE, "The server is going down");
    grpc_fail(call, &error);
}

#define REFLECTION(package)                                                                        \
    {                                                                                              \
        .service = package ".ServerReflection", .name = "ServerReflectionInfo",                    \
        .request = &grpc__reflection__v1__server_reflection_request__descriptor,                   \
        .run = on_message, .tick = on_tick, .open = true, .client_streams = true,                  \
        .server_streams = true,                                                                    \
    }
static const struct grpc_method METHODS[] = {
    REFLECTION("grpc.reflection.v1"),
    REFLECTION("grpc.reflection.v1alpha"),
};
const struct grpc_methods GRPC_REFLECTION = {METHODS, ARRAY_LEN(METHODS)};
