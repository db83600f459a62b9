/* Tests of gateway/grpc_connection.c: ConnectionService's messages on live connections. */
#include "fixture.h"

#include "reply_double.h"

static bool double_may(const struct manage *m, const struct admin_call *call, struct status *error);
#define connection_call_may double_may
#include "../../gateway/grpc_connection.c"

static bool denied;

static bool double_may(const struct manage *m, const struct admin_call *call, struct status *error)
{
    (void) m;
    (void) call;
    if (denied)
        status_set(error, STATUS_PERMISSION_DENIED, "no");
    return !denied;
}

static int setup(void **state)
{
    static char gateway[] = "d5dgateway0000000001";
    struct fixture *f = fixture_new();
    f->cfg.gateway.id = gateway;
    fixture_start(f);
    denied = false;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    double_begin();
    fixture_free(*state);
    return 0;
}

static void call(struct fixture *f, const char *name, const ProtobufCMessage *request)
{
    const struct grpc_method *m = double_method(&GRPC_CONNECTION, name);
    struct manage manage = {.cfg = &f->cfg};
    struct grpc_call c = {.shared = &f->shared, .manage = &manage, .method = m};
    assert_false(m->open);
    assert_ptr_equal(m->request, request->descriptor);
    double_begin();
    m->run(&c, request);
    FIXTURE_UNTIL(f, answered.n > 0);
    assert_int_equal(answered.n, 1);
}

static void test_get(void **state)
{
    struct fixture *f = *state;
    struct client c = client_new(f->gateway_name);
    client_shake(f, &c, "/", "User-Agent: me/1\r\n");
    client_shaken(f, &c);
    TYPE(GetConnectionRequest) request = EMPTY(GET_CONNECTION_REQUEST);
    request.connection_id = c.id;
    call(f, "Get", &request.base);
    const TYPE(Connection) *got = (void *) answered.value;
    assert_string_equal(got->id, c.id);
    assert_string_equal(got->gateway_id, "d5dgateway0000000001");
    assert_string_equal(got->identity->source_ip, "127.0.0.1");
    assert_string_equal(got->identity->user_agent, "me/1");
    uint64_t wall = client_conn(f, &c)->opened_wall_ms;
    assert_int_equal(got->connected_at->seconds, wall / 1000);
    assert_int_equal(got->connected_at->nanos, wall % 1000 * 1000000);
    assert_int_equal(got->last_active_at->seconds, wall / 1000);
    client_free(&c);
}

static void test_send(void **state)
{
    struct fixture *f = *state;
    struct client c = client_ws(f, "/");
    uint8_t text[] = "hi", bytes[] = {0xff};
    TYPE(SendToConnectionRequest) request = EMPTY(SEND_TO_CONNECTION_REQUEST);
    request.connection_id = c.id;
    request.data = (ProtobufCBinaryData){2, text};
    request.type = 2;
    call(f, "Send", &request.base);
    assert_int_equal(answered.status.code, STATUS_OK);
    client_expect(f, &c, FRAME_TEXT, "hi");
    request.data = (ProtobufCBinaryData){1, bytes};
    request.type = 1;
    call(f, "Send", &request.base);
    assert_int_equal(answered.status.code, STATUS_OK);
    client_expect(f, &c, FRAME_BINARY, "\xff");
    request.type = 7;
    request.data = (ProtobufCBinaryData){0, NULL};
    call(f, "Send", &request.base);
    assert_string_equal(answered.status.message, "type: must be BINARY or TEXT");
    client_free(&c);
}

static void test_disconnect(void **state)
{
    struct fixture *f = *state;
    struct client c = client_ws(f, "/");
    TYPE(DisconnectRequest) request = EMPTY(DISCONNECT_REQUEST);
    request.connection_id = c.id;
    call(f, "Disconnect", &request.base);
    assert_int_equal(answered.status.code, STATUS_OK);
    client_expect_close(f, &c, 1000, false);
    client_free(&c);
    FIXTURE_UNTIL(f, conn_find(f->gateway, slice_str(c.id)) == NULL);
    call(f, "Disconnect", &request.base);
    assert_int_equal(answered.status.code, STATUS_NOT_FOUND);
}

static void test_may_not(void **state)
{
    struct fixture *f = *state;
    TYPE(GetConnectionRequest) get_one = EMPTY(GET_CONNECTION_REQUEST);
    TYPE(SendToConnectionRequest) send_one = EMPTY(SEND_TO_CONNECTION_REQUEST);
    TYPE(DisconnectRequest) disconnect_one = EMPTY(DISCONNECT_REQUEST);
    const struct {
        const char *name;
        const ProtobufCMessage *request;
    } ALL[] = {
        {"Get", &get_one.base}, {"Send", &send_one.base}, {"Disconnect", &disconnect_one.base}};
    for (size_t i = 0; i < ARRAY_LEN(ALL); i++) {
        denied = true;
        call(f, ALL[i].name, ALL[i].request);
        assert_int_equal(answered.status.code, STATUS_PERMISSION_DENIED);
        denied = false;
        call(f, ALL[i].name, ALL[i].request);
        assert_string_equal(answered.status.message, "connection_id: is required");
    }
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_get),
        TEST(test_send),
        TEST(test_disconnect),
        TEST(test_may_not),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
