/* Tests of gateway/grpc_connection.c: ConnectionService's messages. What is done with a connection
 * is test_connection_call.c's. */
#include "connection_call.h"
#include "reply_double.h"

#include <stdio.h>
#include <yandex/cloud/serverless/apigateway/websocket/v1/connection_service.pb-c.h>

#define TYPE(name)    Yandex__Cloud__Serverless__Apigateway__Websocket__V1__##name
#define EMPTY(name)   YANDEX__CLOUD__SERVERLESS__APIGATEWAY__WEBSOCKET__V1__##name##__INIT
#define READ_AS(name) &yandex__cloud__serverless__apigateway__websocket__v1__##name##__descriptor

/* --- stand-ins for connection_call.c: one call at a time, answered when the test says --- */

static bool denied;
static struct connection_call *waiting;
static struct status found_before;

bool connection_call_may(const struct manage *m, const struct admin_call *call,
                         struct status *ret_error)
{
    (void) m;
    (void) call;
    if (denied)
        status_set(ret_error, STATUS_PERMISSION_DENIED, "no");
    return !denied;
}

void connection_call_init(struct connection_call *c, enum connections_kind kind, struct slice id,
                          const struct status *found)
{
    found_before = *found;
    *c = (struct connection_call){.kind = kind};
    (void) snprintf(c->id, sizeof(c->id), "%.*s", (int) id.len, (const char *) id.data);
    buf_init(&c->data, 1 << 20);
}

void connection_call_fini(struct connection_call *c)
{
    buf_fini(&c->data);
}

void connection_call_run(struct connection_call *c, struct shared *s)
{
    (void) s;
    assert_null(waiting);
    waiting = c;
}

/* --- the tests --- */

static char gateway_id[] = "d5dgateway0000000001", connection_id[] = "d20connection0000001";

static void call(const char *name, const ProtobufCMessage *request)
{
    static struct config cfg = {.gateway.id = gateway_id};
    static struct manage manage = {.cfg = &cfg};
    static struct grpc_call c;
    const struct grpc_method *m = double_method(&GRPC_CONNECTION, name);
    c = (struct grpc_call){.manage = &manage, .method = m};
    status_violate(&c.found, "idempotency-key", "is wrong");
    assert_false(m->open);
    assert_ptr_equal(m->request, request->descriptor);
    double_begin();
    m->run(&c, request);
}

static void answer(const struct status *status)
{
    struct connection_call *c = waiting;
    assert_non_null(c);
    assert_int_equal(answered.n, 0);
    assert_int_equal(found_before.n_violations, 1); /* what the transport found is not lost */
    waiting = NULL;
    if (status != NULL)
        c->status = *status;
    c->done(c);
    assert_int_equal(answered.n, 1);
}

static void test_get(void **state)
{
    TYPE(GetConnectionRequest) request = EMPTY(GET_CONNECTION_REQUEST);
    (void) state;
    request.connection_id = connection_id;
    call("Get", &request.base);
    assert_int_equal(waiting->kind, CONNECTIONS_GET);
    assert_string_equal(waiting->id, connection_id);
    waiting->info = (struct connection_info){.id = "d20connection0000001",
                                             .address = "127.0.0.1",
                                             .user_agent = "me/1",
                                             .connected_ms = 1800000000123,
                                             .active_ms = 1800000001000};
    answer(NULL);
    const TYPE(Connection) *got = (void *) answered.value;
    assert_string_equal(got->id, connection_id);
    assert_string_equal(got->gateway_id, gateway_id);
    assert_string_equal(got->identity->source_ip, "127.0.0.1");
    assert_string_equal(got->identity->user_agent, "me/1");
    assert_int_equal(got->connected_at->seconds, 1800000000);
    assert_int_equal(got->connected_at->nanos, 123000000);
    assert_int_equal(got->last_active_at->seconds, 1800000001);
    assert_int_equal(got->last_active_at->nanos, 0);
    double_begin();
}

static void test_send(void **state)
{
    uint8_t data[] = {0, 0xff, 1};
    TYPE(SendToConnectionRequest) request = EMPTY(SEND_TO_CONNECTION_REQUEST);
    (void) state;
    request.connection_id = connection_id;
    request.data = (ProtobufCBinaryData){sizeof(data), data};
    for (int type = -1; type <= 7; type++) { /* proto3 keeps unknown ones */
        request.type = (TYPE(SendToConnectionRequest__DataType)) type;
        call("Send", &request.base);
        assert_int_equal(waiting->kind, CONNECTIONS_SEND);
        assert_string_equal(waiting->id, connection_id);
        assert_int_equal(waiting->type, type);
        assert_int_equal(waiting->data.len, sizeof(data));
        assert_ptr_not_equal(waiting->data.data, data); /* the request goes before the answer */
        assert_memory_equal(waiting->data.data, data, sizeof(data));
        answer(NULL);
        assert_ptr_equal(answered.value->descriptor, READ_AS(send_to_connection_response));
    }
    request.data = (ProtobufCBinaryData){0, NULL};
    call("Send", &request.base);
    assert_int_equal(waiting->data.len, 0);
    answer(NULL);
    double_begin();
}

static void test_no_memory(void **state)
{
    uint8_t data[] = {1};
    TYPE(SendToConnectionRequest) request = EMPTY(SEND_TO_CONNECTION_REQUEST);
    (void) state;
    request.data = (ProtobufCBinaryData){sizeof(data), data};
    mem_fail_at(1);
    call("Send", &request.base);
    mem_fail_at(0);
    assert_int_equal(waiting->status.code, STATUS_RESOURCE_EXHAUSTED);
    answer(NULL);
    assert_int_equal(answered.status.code, STATUS_RESOURCE_EXHAUSTED);
    double_begin();
}

static void test_disconnect(void **state)
{
    TYPE(DisconnectRequest) request = EMPTY(DISCONNECT_REQUEST);
    struct status gone;
    (void) state;
    request.connection_id = connection_id;
    call("Disconnect", &request.base);
    assert_int_equal(waiting->kind, CONNECTIONS_DISCONNECT);
    assert_string_equal(waiting->id, connection_id);
    answer(NULL);
    assert_ptr_equal(answered.value->descriptor, READ_AS(disconnect_response));
    status_set(&gone, STATUS_NOT_FOUND, "gone");
    call("Disconnect", &request.base);
    answer(&gone);
    assert_int_equal(answered.status.code, STATUS_NOT_FOUND);
    double_begin();
}

static void test_may_not(void **state)
{
    TYPE(GetConnectionRequest) get = EMPTY(GET_CONNECTION_REQUEST);
    TYPE(SendToConnectionRequest) to = EMPTY(SEND_TO_CONNECTION_REQUEST);
    TYPE(DisconnectRequest) from = EMPTY(DISCONNECT_REQUEST);
    const struct {
        const char *name;
        const ProtobufCMessage *request;
    } ALL[] = {{"Get", &get.base}, {"Send", &to.base}, {"Disconnect", &from.base}};
    (void) state;
    denied = true;
    for (size_t i = 0; i < ARRAY_LEN(ALL); i++) {
        call(ALL[i].name, ALL[i].request);
        assert_int_equal(answered.status.code, STATUS_PERMISSION_DENIED);
        assert_null(waiting);
    }
    denied = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),       cmocka_unit_test(test_send),
        cmocka_unit_test(test_no_memory), cmocka_unit_test(test_disconnect),
        cmocka_unit_test(test_may_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
