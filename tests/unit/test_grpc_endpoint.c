/* Tests of gateway/grpc_endpoint.c: discovery's messages. */
#include "discovery.h"
#include "reply_double.h"

#include <yandex/cloud/endpoint/api_endpoint_service.pb-c.h>

static char listener[1][LISTENER_NAME_SIZE] = {"0.0.0.0:50051"};
static struct manage manage = {.grpc = listener, .n_grpc = 1};
static char authority[] = "regcast.example:443";

static void call(const char *name, const ProtobufCMessage *request)
{
    const struct grpc_method *m = double_method(&GRPC_ENDPOINT, name);
    struct grpc_call c = {.manage = &manage, .method = m, .authority = authority};
    double_begin();
    assert_true(m->open);
    assert_ptr_equal(m->request, request->descriptor);
    m->run(&c, request);
    assert_int_equal(answered.n, 1);
}

static void test_list(void **state)
{
    Yandex__Cloud__Endpoint__ListApiEndpointsRequest request;
    (void) state;
    yandex__cloud__endpoint__list_api_endpoints_request__init(&request);
    call("List", &request.base);
    const Yandex__Cloud__Endpoint__ListApiEndpointsResponse *all = (void *) answered.value;
    assert_int_equal(all->n_endpoints, DISCOVERY_N);
    for (size_t i = 0; i < DISCOVERY_N; i++) {
        assert_string_equal(all->endpoints[i]->id, DISCOVERY_SERVICES[i]);
        assert_string_equal(all->endpoints[i]->address, "regcast.example:50051");
    }
    assert_string_equal(all->next_page_token, "");
    double_begin();
}

static void test_get(void **state)
{
    Yandex__Cloud__Endpoint__GetApiEndpointRequest request =
        YANDEX__CLOUD__ENDPOINT__GET_API_ENDPOINT_REQUEST__INIT;
    char id[] = "operation", other[] = "compute";
    (void) state;
    request.api_endpoint_id = id;
    call("Get", &request.base);
    const Yandex__Cloud__Endpoint__ApiEndpoint *one = (void *) answered.value;
    assert_string_equal(one->id, "operation");
    assert_string_equal(one->address, "regcast.example:50051");
    request.api_endpoint_id = other;
    call("Get", &request.base);
    assert_int_equal(answered.status.code, STATUS_NOT_FOUND);
    double_begin();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_list), cmocka_unit_test(test_get)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
