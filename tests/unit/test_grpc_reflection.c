/* Tests of gateway/grpc_reflection.c: its methods are run with stand-ins for the call and the list
 * of services. */
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "grpc_call.h"

#include "mem.h"
#include "worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

typedef Grpc__Reflection__V1__ServerReflectionRequest request_t;
typedef Grpc__Reflection__V1__ServerReflectionResponse response_t;

#define ASK(what, member, value)                                                                   \
    (request_t)                                                                                    \
    {                                                                                              \
        .base =                                                                                    \
            PROTOBUF_C_MESSAGE_INIT(&grpc__reflection__v1__server_reflection_request__descriptor), \
        .host = "here",                                                                            \
        .message_request_case =                                                                    \
            GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##what,               \
        .member = (value)                                                                          \
    }
#define ANSWER(what)                                                                               \
    GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##what##_RESPONSE

/* --- stand-ins --- */

static struct {
    response_t *answer; /* as a client reads it */
    size_t n_answers, n_finished;
    bool full; /* grpc_write() refuses */
    struct status failed;
} seen;

bool grpc_write(struct grpc_call *call, const ProtobufCMessage *message)
{
    (void) call;
    uint8_t *packed = xmalloc(protobuf_c_message_get_packed_size(message) + 1);
    size_t len = protobuf_c_message_pack(message, packed);
    if (seen.answer != NULL)
        grpc__reflection__v1__server_reflection_response__free_unpacked(seen.answer, NULL);
    seen.answer = grpc__reflection__v1__server_reflection_response__unpack(NULL, len, packed);
    assert_non_null(seen.answer);
    free(packed);
    seen.n_answers++;
    return !seen.full;
}

void grpc_fail(struct grpc_call *call, const struct status *error)
{
    (void) call;
    seen.failed = *error;
}

void grpc_finish(struct grpc_call *call)
{
    (void) call;
    seen.n_finished++;
}

const char *grpc_method_service(size_t n)
{
    static const char *const NAMES[] = {"grpc.health.v1.Health", "z.Last"};
    return n < ARRAY_LEN(NAMES) ? NAMES[n] : NULL;
}

/* --- tests --- */

static struct grpc_call call;

static const response_t *ask(const request_t *request)
{
    size_t n = seen.n_answers;
    GRPC_REFLECTION.at[0].run(&call, &request->base);
    assert_int_equal(seen.n_answers, n + 1);
    assert_int_equal(seen.failed.code, STATUS_OK);
    assert_string_equal(seen.answer->valid_host, "here");
    assert_non_null(seen.answer->original_request);
    assert_int_equal(seen.answer->original_request->message_request_case,
                     request->message_request_case);
    return seen.answer;
}

static void test_methods(void **state)
{
    (void) state;
    assert_int_equal(GRPC_REFLECTION.n, 2);
    assert_string_equal(GRPC_REFLECTION.at[0].service, "grpc.reflection.v1.ServerReflection");
    assert_string_equal(GRPC_REFLECTION.at[1].service, "grpc.reflection.v1alpha.ServerReflection");
    for (size_t i = 0; i < GRPC_REFLECTION.n; i++) {
        const struct grpc_method *m = &GRPC_REFLECTION.at[i];
        assert_string_equal(m->name, "ServerReflectionInfo");
        assert_true(m->open && m->client_streams && m->server_streams);
        assert_ptr_equal(m->request, &grpc__reflection__v1__server_reflection_request__descriptor);
    }
}

static void test_services(void **state)
{
    (void) state;
    const request_t request = ASK(LIST_SERVICES, list_services, "*");
    const response_t *r = ask(&request);
    assert_int_equal(r->message_response_case, ANSWER(LIST_SERVICES));
    assert_int_equal(r->list_services_response->n_service, 2);
    assert_string_equal(r->list_services_response->service[0]->name, "grpc.health.v1.Health");
    assert_string_equal(r->list_services_response->service[1]->name, "z.Last");
}

static void is_file(const response_t *r, size_t n, const char *first)
{
    assert_int_equal(r->message_response_case, ANSWER(FILE_DESCRIPTOR));
    assert_int_equal(r->file_descriptor_response->n_file_descriptor_proto, n);
    const ProtobufCBinaryData *file = &r->file_descriptor_response->file_descriptor_proto[0];
    assert_true(file->len > 2 + strlen(first)); /* a tag, a length, and the file's name */
    assert_int_equal(file->data[1], strlen(first));
    assert_memory_equal(file->data + 2, first, strlen(first));
}

static void is_not_found(const response_t *r)
{
    assert_int_equal(r->message_response_case, ANSWER(ERROR));
    assert_int_equal(r->error_response->error_code, STATUS_NOT_FOUND);
    assert_true(strlen(r->error_response->error_message) > 0);
}

static void test_files(void **state)
{
    (void) state;
    request_t request = ASK(FILE_BY_FILENAME, file_by_filename, "grpc/health/v1/health.proto");
    is_file(ask(&request), 1, "grpc/health/v1/health.proto");
    request.file_by_filename = "health.proto";
    is_not_found(ask(&request));
}

static void test_symbols(void **state)
{
    (void) state;
    request_t request =
        ASK(FILE_CONTAINING_SYMBOL, file_containing_symbol, "grpc.health.v1.Health.Check");
    is_file(ask(&request), 1, "grpc/health/v1/health.proto");
    request.file_containing_symbol = "yandex.cloud.quota.QuotaFailure";
    is_file(ask(&request), 1, "yandex/cloud/quota/quota.proto");
    request.file_containing_symbol = "google.rpc.Status"; /* with its import */
    is_file(ask(&request), 2, "google/rpc/status.proto");
    request.file_containing_symbol = "grpc.health.v1.Nothing";
    is_not_found(ask(&request));
}

static void test_extensions(void **state)
{
    (void) state;
    Grpc__Reflection__V1__ExtensionRequest which = GRPC__REFLECTION__V1__EXTENSION_REQUEST__INIT;
    which.containing_type = "google.rpc.Status";
    which.extension_number = 100;
    request_t request = ASK(FILE_CONTAINING_EXTENSION, file_containing_extension, &which);
    is_not_found(ask(&request));
    request =
        ASK(ALL_EXTENSION_NUMBERS_OF_TYPE, all_extension_numbers_of_type, "google.rpc.Status");
    const response_t *r = ask(&request);
    assert_int_equal(r->message_response_case, ANSWER(ALL_EXTENSION_NUMBERS));
    assert_string_equal(r->all_extension_numbers_response->base_type_name, "google.rpc.Status");
    assert_int_equal(r->all_extension_numbers_response->n_extension_number, 0);
    request.all_extension_numbers_of_type = "google.rpc.Nothing";
    is_not_found(ask(&request));
}

static void test_ends(void **state)
{
    (void) state;
    size_t n = seen.n_answers;
    GRPC_REFLECTION.at[1].run(&call, NULL);
    assert_int_equal(seen.n_finished, 1);
    const request_t nothing = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    GRPC_REFLECTION.at[1].run(&call, &nothing.base);
    assert_int_equal(seen.failed.code, STATUS_INVALID_ARGUMENT);
    assert_int_equal(seen.n_answers, n);

    seen.full = true; /* the call is gone: neither failed nor finished once more */
    seen.failed = (struct status){0};
    const request_t request = ASK(LIST_SERVICES, list_services, "");
    GRPC_REFLECTION.at[1].run(&call, &request.base);
    assert_int_equal(seen.n_answers, n + 1);
    assert_int_equal(seen.n_finished, 1);
    assert_int_equal(seen.failed.code, STATUS_OK);
}

static void test_drain(void **state)
{
    (void) state;
    static struct worker front;
    static struct shared shared = {.front = &front};
    call.shared = &shared;
    seen.failed = (struct status){0};
    GRPC_REFLECTION.at[0].tick(&call);
    assert_int_equal(seen.failed.code, STATUS_OK);
    front.draining = true;
    GRPC_REFLECTION.at[0].tick(&call);
    assert_int_equal(seen.failed.code, STATUS_UNAVAILABLE);
}

static int drop_answer(void **state)
{
    (void) state;
    if (seen.answer != NULL)
        grpc__reflection__v1__server_reflection_response__free_unpacked(seen.answer, NULL);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_methods),    cmocka_unit_test(test_services),
        cmocka_unit_test(test_files),      cmocka_unit_test(test_symbols),
        cmocka_unit_test(test_extensions), cmocka_unit_test(test_ends),
        cmocka_unit_test(test_drain),
    };
    return cmocka_run_group_tests(tests, NULL, drop_answer);
}
