/* Tests of gateway/caller.c: names, keys, tokens, browsers. */
#include "caller.h"
#include "manage_fixture.h"

#define LONG "12345678901234567890123456789012345678901234567890123456789012345"

static struct conn *connect_one(struct fixture *f, struct client *ret)
{
    *ret = client_new(f->manage_name);
    FIXTURE_UNTIL(f, !list_empty(&f->front->by_state[CONN_REQUEST]));
    return fixture_conn(f->front, CONN_REQUEST);
}

static void test_names(void **state)
{
    struct fixture *f = *state;
    struct client client;
    struct conn *c = connect_one(f, &client);
    struct caller a, b;
    caller_init(&a, c, SLICE_LIT("given"));
    assert_string_equal(a.request_id, "given");
    assert_ptr_equal(a.admin.request_id, a.request_id);
    assert_string_equal(a.admin.idempotency_key, "");
    assert_null(a.admin.subject.id);
    assert_int_equal(strlen(a.trace_id), 32);
    assert_memory_equal(a.peer, "127.0.0.1:", 10);
    static const struct slice UNFIT[] = {SLICE_INIT(""), SLICE_INIT("a b"), SLICE_INIT("a\r\nb"),
                                         SLICE_INIT("\xc3\xb6"), SLICE_INIT(LONG)};
    for (size_t i = 0; i < ARRAY_LEN(UNFIT); i++) {
        caller_init(&b, c, UNFIT[i]);
        assert_int_equal(strlen(b.request_id), 36); /* a UUID, version 4 */
        assert_int_equal(b.request_id[14], '4');
        assert_non_null(strchr("89ab", b.request_id[19]));
        assert_string_not_equal(a.trace_id, b.trace_id);
    }
    caller_init(&b, c, slice_of(LONG, CALLER_NAME_SIZE - 1)); /* the longest */
    assert_int_equal(strlen(b.request_id), CALLER_NAME_SIZE - 1);
    client_free(&client);
}

static void test_keys(void **state)
{
    (void) state;
    struct caller who = {0};
    struct status error = {0};
    caller_take_key(&who, SLICE_LIT(""), &error);
    assert_string_equal(who.idempotency_key, "");
    caller_take_key(&who, SLICE_LIT("a key"), &error);
    assert_string_equal(who.idempotency_key, "a key");
    assert_int_equal(error.code, STATUS_OK);
    char longer[OPERATION_KEY_SIZE + 10];
    memset(longer, 'x', sizeof(longer));
    caller_take_key(&who, slice_of(longer, sizeof(longer)), &error);
    assert_int_equal(strlen(who.idempotency_key), OPERATION_KEY_SIZE); /* too long, which is seen */
    caller_take_key(&who, SLICE_LIT("a\tb"), &error);
    assert_int_equal(error.code, STATUS_INVALID_ARGUMENT);
    assert_string_equal(error.violations[0].field, "idempotency-key");
}

static enum status_code authenticate(struct conn *c, const char *authorization, unsigned *ret_wait)
{
    struct caller who = {0};
    struct status error = {0};
    caller_authenticate(&who, c, slice_str(authorization), &error, ret_wait);
    if (error.code == STATUS_OK) {
        assert_string_equal(who.admin.subject.id, "alice");
        assert_ptr_equal(who.admin.subject.id, who.subject); /* its own, not the iam's */
    } else {
        assert_null(who.admin.subject.id);
    }
    caller_fini(&who);
    return error.code;
}

static void test_tokens(void **state)
{
    struct fixture *f = *state;
    struct client client;
    struct conn *c = connect_one(f, &client);
    unsigned wait;
    clock_freeze(1000000, 1000000);
    assert_int_equal(authenticate(c, "Bearer t1.alice", &wait), STATUS_OK);
    for (int i = 0; i < 30; i++) /* who presents nothing guesses nothing */
        assert_int_equal(authenticate(c, NULL, &wait), STATUS_UNAUTHENTICATED);
    for (int i = 0; i < AUTH_LIMIT_FAILURES; i++) {
        assert_int_equal(authenticate(c, "Bearer t1.bob", &wait), STATUS_UNAUTHENTICATED);
        assert_int_equal(wait, 0);
    }
    assert_int_equal(authenticate(c, "Bearer t1.alice", &wait), STATUS_RESOURCE_EXHAUSTED);
    assert_true(wait > 0);
    assert_int_equal(fixture_metric(f->front, M_MANAGEMENT_UNAUTHENTICATED),
                     31 + AUTH_LIMIT_FAILURES);
    clock_freeze(1000000 + wait * 1000, 1000000 + wait * 1000);
    assert_int_equal(authenticate(c, "Bearer t1.alice", &wait), STATUS_OK);
    clock_unfreeze();
    client_free(&client);
}

static const struct config_strings NO_NAMES = {.n = 0};

static void test_browsers(void **state)
{
    (void) state;
    static const struct {
        const char *host, *origin;
        enum refuse why;
    } CASES[] = {
        {"localhost", NULL, REFUSE_NONE},
        {"localhost:1", "", REFUSE_NONE},
        {"[::1]:8083", NULL, REFUSE_NONE},
        {"127.0.0.1", "http://127.0.0.1", REFUSE_NONE},
        {NULL, NULL, REFUSE_MISDIRECTED},
        {"", NULL, REFUSE_MISDIRECTED},
        {":80", NULL, REFUSE_MISDIRECTED},
        {"[::1", NULL, REFUSE_MISDIRECTED},
        {"a.example:8083", NULL, REFUSE_MISDIRECTED},
        {"127.0.0.1.example", NULL, REFUSE_MISDIRECTED},
        {"localhost", "http://localhost:1", REFUSE_ORIGIN},
        {"localhost", "https://localhost", REFUSE_ORIGIN},
        {"localhost", "http://", REFUSE_ORIGIN},
        {"localhost", "null", REFUSE_ORIGIN},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        if (caller_check_browser(slice_str(CASES[i].host), slice_str(CASES[i].origin), false,
                                 &NO_NAMES) != CASES[i].why)
            fail_msg("%zu", i);
}

static void test_browsers_with_tls(void **state)
{
    (void) state;
    static const struct {
        const char *origin;
        enum refuse why;
    } CASES[] = {
        {NULL, REFUSE_NONE},
        {"https://localhost:1", REFUSE_NONE},
        {"HTTPS://LOCALHOST:1", REFUSE_NONE},
        {"http://localhost:1", REFUSE_ORIGIN},
        {"https://localhost:2", REFUSE_ORIGIN},
        {"https://", REFUSE_ORIGIN},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        if (caller_check_browser(SLICE_LIT("localhost:1"), slice_str(CASES[i].origin), true,
                                 &NO_NAMES) != CASES[i].why)
            fail_msg("%zu", i);
}

/* A name of the configuration leads here as localhost does; a proxy in front may have TLS for us.
 */
static void test_browsers_by_name(void **state)
{
    (void) state;
    static char name[] = "con.example";
    static char *list[] = {name};
    static const struct config_strings names = {list, 1};
    static const struct {
        const char *host, *origin;
        bool tls;
        enum refuse why;
    } CASES[] = {
        {"con.example", NULL, false, REFUSE_NONE},
        {"CON.example:8082", NULL, false, REFUSE_NONE},
        {"a.con.example", NULL, false, REFUSE_MISDIRECTED},
        {"con.example.", NULL, false, REFUSE_MISDIRECTED},
        {"con.example", "http://con.example", false, REFUSE_NONE},
        {"con.example", "https://con.example", false, REFUSE_NONE},
        {"con.example:1", "https://con.example", false, REFUSE_ORIGIN},
        {"con.example", "https://b.example", false, REFUSE_ORIGIN},
        {"con.example", "https://con.example", true, REFUSE_NONE},
        {"con.example", "http://con.example", true, REFUSE_ORIGIN},
        {"localhost", "https://localhost", false, REFUSE_ORIGIN},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        if (caller_check_browser(slice_str(CASES[i].host), slice_str(CASES[i].origin), CASES[i].tls,
                                 &names) != CASES[i].why)
            fail_msg("%zu", i);
}

/* Lines about whom we do not know are limited, those about others are not. */
static void test_log(void **state)
{
    struct fixture *f = *state;
    struct caller who = {.peer = "127.0.0.1:1"};
    const struct caller_answer fine = {.operation = "x"};
    clock_freeze(1000000, 1000000);
    for (int i = 0; i < 25; i++)
        caller_log(&who, &f->shared, &fine);
    assert_int_equal(fixture_metric(f->front, M_LOG_DROPPED), 15);
    who.admin.subject.id = "alice";
    for (int i = 0; i < 25; i++)
        caller_log(&who, &f->shared, &fine);
    assert_int_equal(fixture_metric(f->front, M_LOG_DROPPED), 15);
    clock_unfreeze();
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, manage_setup_secured, manage_teardown)
    const struct CMUnitTest tests[] = {TEST(test_names),
                                       cmocka_unit_test(test_keys),
                                       TEST(test_tokens),
                                       cmocka_unit_test(test_browsers),
                                       cmocka_unit_test(test_browsers_with_tls),
                                       cmocka_unit_test(test_browsers_by_name),
                                       TEST(test_log)};
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
