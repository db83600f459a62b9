/* Tests of gateway/connection_call.c: what a request to a connection must have, and what each
 * failure is called. */
#include "connection_call.h"

#include "fixture.h"

static int setup(void **state)
{
    struct fixture *f = fixture_new();
    fixture_start(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static unsigned n_done;

static void on_done(struct connection_call *c)
{
    (void) c;
    n_done++;
}

static void run(struct fixture *f, struct connection_call *c)
{
    n_done = 0;
    c->done = on_done;
    connection_call_run(c, &f->shared);
    FIXTURE_UNTIL(f, n_done > 0);
    assert_int_equal(n_done, 1);
}

static struct status call(struct fixture *f, enum connections_kind kind, const char *id,
                          struct slice data, int64_t type)
{
    const struct status nothing = {.code = STATUS_OK};
    struct connection_call c;
    connection_call_init(&c, kind, slice_str(id), &nothing);
    c.type = type;
    assert_int_equal(buf_append(&c.data, data), 0);
    run(f, &c);
    connection_call_fini(&c);
    return c.status;
}

#define NOBODY "d2000000000000000000"

static void test_violations(void **state)
{
    struct fixture *f = *state;
    static uint8_t large[CONNECTION_CALL_MAX_DATA + 1];
    const struct {
        struct slice data;
        int64_t type;
        const char *message; /* the first violation */
        size_t n;
    } CASES[] = {
        {SLICE_LIT("hi"), 0, "Connection " NOBODY " not found", 0},
        {slice_of(large, sizeof(large) - 1), 1, "Connection " NOBODY " not found", 0},
        {slice_of(large, sizeof(large)), 1, "data: must be at most 131072 bytes", 1},
        {slice_of(large, sizeof(large)), 3, "data: must be at most 131072 bytes", 2},
        {SLICE_LIT("hi"), 3, "type: must be BINARY or TEXT", 1},
        {SLICE_LIT("hi"), -1, "type: must be BINARY or TEXT", 1},
        {SLICE_LIT("hi"), INT64_MAX, "type: must be BINARY or TEXT", 1},
        {SLICE_LIT(""), 2, "data: is required", 1},
        {SLICE_LIT(""), 3, "type: must be BINARY or TEXT", 1},
        {SLICE_LIT("\xff"), 2, "data: must be UTF-8 when the type is TEXT", 1},
        {SLICE_LIT("\xff"), 1, "Connection " NOBODY " not found", 0},
        {SLICE_LIT("\xff"), 0, "Connection " NOBODY " not found", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct status s = call(f, CONNECTIONS_SEND, NOBODY, CASES[i].data, CASES[i].type);
        assert_string_equal(s.message, CASES[i].message);
        assert_int_equal(s.n_violations, CASES[i].n);
        assert_int_equal(s.code, CASES[i].n > 0 ? STATUS_INVALID_ARGUMENT : STATUS_NOT_FOUND);
    }
}

static void test_ids(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *id, *message;
    } CASES[] = {
        {"", "connection_id: is required"},
        {"x", "Connection x not found"},
        {"01234567890123456789012345678901234567890123456789x",
         "connection_id: must be at most 50 characters"},
        {"a b", "connection_id: is malformed"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        assert_string_equal(call(f, CONNECTIONS_DISCONNECT, CASES[i].id, SLICE_LIT(""), 0).message,
                            CASES[i].message);
}

/* Nothing is done to a connection when the transport has found something. */
static void test_found_before(void **state)
{
    struct fixture *f = *state;
    struct client c = client_ws(f, "/");
    struct status found = {.code = STATUS_OK};
    struct connection_call one;
    status_violate(&found, "x", "is not a field of this request");
    connection_call_init(&one, CONNECTIONS_DISCONNECT, slice_str(c.id), &found);
    run(f, &one);
    connection_call_fini(&one);
    assert_string_equal(one.status.message, "x: is not a field of this request");
    assert_int_equal(fixture_metric(f->gateway, M_CLOSED_API), 0);
    client_free(&c);
}

static void test_send(void **state)
{
    struct fixture *f = *state;
    struct client c = client_ws(f, "/");
    static const struct {
        const char *data;
        int64_t type;
        unsigned opcode;
    } CASES[] = {
        {"a", 2, FRAME_TEXT},      {"b", 1, FRAME_BINARY},    {"c", 0, FRAME_TEXT},
        {"\xff", 1, FRAME_BINARY}, {"\xff", 0, FRAME_BINARY},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct status s = call(f, CONNECTIONS_SEND, c.id, slice_str(CASES[i].data), CASES[i].type);
        assert_int_equal(s.code, STATUS_OK);
        client_expect(f, &c, CASES[i].opcode, CASES[i].data);
    }
    f->paths[0].max_message_bytes = 3;
    struct status s = call(f, CONNECTIONS_SEND, c.id, SLICE_LIT("long"), 0);
    assert_string_equal(s.message,
                        "data: is longer than a message on the connection's path may be");
    assert_int_equal(call(f, CONNECTIONS_DISCONNECT, c.id, SLICE_LIT(""), 0).code, STATUS_OK);
    client_expect_close(f, &c, 1000, false);
    client_free(&c);
}

static void test_get(void **state)
{
    struct fixture *f = *state;
    const struct status nothing = {.code = STATUS_OK};
    struct client c = client_ws(f, "/echo");
    struct connection_call one;
    connection_call_init(&one, CONNECTIONS_GET, slice_str(c.id), &nothing);
    run(f, &one);
    assert_int_equal(one.status.code, STATUS_OK);
    assert_string_equal(one.info.id, c.id);
    assert_string_equal(one.info.path, "/echo");
    connection_call_fini(&one);
    client_free(&c);
}

static void test_draining(void **state)
{
    struct fixture *f = *state;
    struct client c = client_ws(f, "/");
    atomic_store(&f->shared.draining, true);
    struct status s = call(f, CONNECTIONS_GET, c.id, SLICE_LIT(""), 0);
    assert_int_equal(s.code, STATUS_UNAVAILABLE);
    client_free(&c);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_violations), TEST(test_ids), TEST(test_found_before),
        TEST(test_send),       TEST(test_get), TEST(test_draining),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
