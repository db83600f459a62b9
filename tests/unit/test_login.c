/* Tests of gateway/login.c: by what a request may show who it is from, who may ask so, and how long
 * that counts. On the wire it is tests/e2e/console-server.test.mjs's. */
#include "login.h"

#include "gate.h"
#include "http_head.h"
#include "manage_fixture.h"

#define NOW_MS ((uint64_t) 1800000000000)
#define HOST   "Host: localhost\r\n"
#define OWN    "Origin: http://localhost\r\n"

struct bed {
    struct fixture *f;
    struct client client;
    struct conn *c;
    char cookie[CONSOLE_SESSION_SIZE + 64], csrf[CONSOLE_CSRF_SIZE];
};

static void parse(const char *method, const char *path, const char *headers, struct http_head *ret)
{
    static char raw[8192];
    int len = snprintf(raw, sizeof(raw), "%s %s HTTP/1.1\r\n%s\r\n", method, path, headers);
    assert_int_equal(head_parse(slice_of(raw, (size_t) len), ret), REFUSE_NONE);
}

static bool begin(struct bed *b, const char *authorization, struct login *ret)
{
    struct caller who = {.start_us = 0};
    struct status error = {.code = STATUS_OK};
    unsigned wait_s;
    who.address = b->c->peer;
    bool in = login_begin(ret, &who, &b->f->shared, slice_str(authorization), &error, &wait_s);
    assert_int_equal(in, error.code == STATUS_OK);
    if (in)
        assert_string_equal(who.admin.subject.id, "alice");
    caller_fini(&who);
    return in;
}

static void setup_bed(struct fixture *f, struct bed *b)
{
    struct login login;
    *b = (struct bed){.f = f, .client = client_new(f->manage_name)};
    FIXTURE_UNTIL(f, !list_empty(&f->front->by_state[CONN_REQUEST]));
    b->c = fixture_conn(f->front, CONN_REQUEST);
    f->cfg.management.console = 1;
    assert_int_equal(gate_new(&f->cfg, &f->shared.gate), 0);
    clock_freeze(1000000, NOW_MS);
    assert_true(begin(b, "Bearer t1.alice", &login));
    int len = snprintf(b->cookie, sizeof(b->cookie), "Cookie: " CONSOLE_COOKIE "=");
    console_session_print(&f->shared.manage->secret, &login.session, b->cookie + len);
    (void) strncat(b->cookie, "\r\n", 3);
    console_session_csrf(&f->shared.manage->secret, &login.session, b->csrf);
}

static void fini_bed(struct bed *b)
{
    clock_unfreeze();
    client_free(&b->client);
    gate_free(b->f->shared.gate);
    b->f->shared.gate = NULL;
}

static void test_ways(void **state)
{
    struct bed b;
    setup_bed(*state, &b);
    static const struct {
        const char *path, *headers;
        bool cookie;
        enum login_way way;
        enum refuse why;
    } CASES[] = {
        {"/x", HOST, false, LOGIN_NOTHING, REFUSE_NONE},
        {"/x", "Host: evil\r\nOrigin: http://evil\r\n", false, LOGIN_NOTHING, REFUSE_NONE},
        {"/console/session", HOST, false, LOGIN_NOTHING, REFUSE_NONE},
        {"/console/session", "Host: evil\r\n", false, LOGIN_NOTHING, REFUSE_MISDIRECTED},
        {"/console/session", HOST "Origin: http://evil\r\n", false, LOGIN_NOTHING, REFUSE_ORIGIN},
        {"/x", HOST "Authorization: Bearer x\r\n", true, LOGIN_HEADER, REFUSE_NONE},
        {"/x", "Host: evil\r\nAuthorization: Bearer x\r\n", true, LOGIN_HEADER, REFUSE_NONE},
        {"/x", HOST, true, LOGIN_COOKIE, REFUSE_NONE},
        {"/x", HOST OWN, true, LOGIN_COOKIE, REFUSE_NONE},
        {"/x", "Host: evil\r\n", true, LOGIN_COOKIE, REFUSE_MISDIRECTED},
        {"/x", HOST "Origin: null\r\n", true, LOGIN_COOKIE, REFUSE_ORIGIN},
        {"/x", HOST OWN "Sec-Fetch-Site: same-origin\r\n", true, LOGIN_COOKIE, REFUSE_NONE},
        {"/x", HOST "Sec-Fetch-Site: none\r\n", true, LOGIN_COOKIE, REFUSE_NONE},
        {"/x", HOST "Sec-Fetch-Site: same-site\r\n", true, LOGIN_COOKIE, REFUSE_ORIGIN},
        {"/x", HOST "Sec-Fetch-Site: cross-site\r\n", true, LOGIN_COOKIE, REFUSE_ORIGIN},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct http_head head;
        struct login login;
        char headers[1024];
        (void) snprintf(headers, sizeof(headers), "%s%s", CASES[i].headers,
                        CASES[i].cookie ? b.cookie : "");
        parse("GET", CASES[i].path, headers, &head);
        enum refuse why = login_check(&login, b.c, &head);
        if (why != CASES[i].why || login.way != CASES[i].way)
            fail_msg("%zu: %d %d", i, (int) why, (int) login.way);
    }
    fini_bed(&b);
}

/* The status of a call, and whom it is from. */
static enum status_code call(struct bed *b, const char *method, const char *more)
{
    struct http_head head;
    struct login login;
    struct caller who = {.start_us = 0};
    struct status error = {.code = STATUS_OK};
    char headers[1024];
    unsigned wait_s;
    (void) snprintf(headers, sizeof(headers), HOST "%s%s", b->cookie, more);
    parse(method, "/x", headers, &head);
    assert_int_equal(login_check(&login, b->c, &head), REFUSE_NONE);
    login_authenticate(&login, &who, b->c, &head, &error, &wait_s);
    if (error.code == STATUS_OK)
        assert_string_equal(who.admin.subject.id, "alice");
    caller_fini(&who);
    return error.code;
}

static void test_csrf(void **state)
{
    struct bed b;
    setup_bed(*state, &b);
    char right[128];
    (void) snprintf(right, sizeof(right), "x-csrf-token: %s\r\n", b.csrf);
    static const char *const CHANGES[] = {"POST", "PUT", "PATCH", "DELETE"};
    static const char *const READS[] = {"GET", "HEAD", "OPTIONS"};
    for (size_t i = 0; i < ARRAY_LEN(CHANGES); i++) {
        assert_int_equal(call(&b, CHANGES[i], ""), STATUS_PERMISSION_DENIED);
        assert_int_equal(call(&b, CHANGES[i], "x-csrf-token: x\r\n"), STATUS_PERMISSION_DENIED);
        assert_int_equal(call(&b, CHANGES[i], right), STATUS_OK);
    }
    for (size_t i = 0; i < ARRAY_LEN(READS); i++)
        assert_int_equal(call(&b, READS[i], ""), STATUS_OK);
    fini_bed(&b);
}

static void test_time(void **state)
{
    struct bed b;
    setup_bed(*state, &b);
    uint64_t life_ms = (uint64_t) CONSOLE_SESSION_LIFE_S * 1000;
    clock_freeze(2000000, NOW_MS + life_ms - 1000);
    assert_int_equal(call(&b, "GET", ""), STATUS_OK);
    clock_freeze(2000000, NOW_MS + life_ms);
    assert_int_equal(call(&b, "GET", ""), STATUS_UNAUTHENTICATED);

    struct config_secret *token = &b.f->cfg.tokens[0];
    token->expires_at_s = NOW_MS / 1000 + 60;
    manage_configure(b.f->shared.manage, &b.f->cfg,
                     iam_new(&b.f->cfg, &b.f->shared.manage->secret));
    clock_freeze(2000000, NOW_MS);
    struct login login;
    assert_true(begin(&b, "Bearer t1.alice", &login));
    assert_int_equal(login.session.expires_s, NOW_MS / 1000 + 60);
    assert_int_equal(call(&b, "GET", ""), STATUS_OK);
    assert_true(login_lasts(&login, b.c));
    clock_freeze(2000000, NOW_MS + 60000);
    assert_int_equal(call(&b, "GET", ""), STATUS_UNAUTHENTICATED);
    assert_false(login_lasts(&login, b.c));
    token->expires_at_s = 0;
    fini_bed(&b);
}

static void test_end(void **state)
{
    struct bed b;
    setup_bed(*state, &b);
    struct login login, next;
    struct revocation_change change;
    assert_true(begin(&b, "Bearer t1.alice", &login));
    assert_true(login_lasts(&login, b.c));
    assert_int_equal(login_end(&login, &b.f->shared, &change), 0);
    assert_false(login_lasts(&login, b.c));
    assert_int_equal(call(&b, "GET", ""), STATUS_UNAUTHENTICATED);
    for (int i = 0; i < 3; i++) { /* in this very second */
        assert_true(begin(&b, "Bearer t1.alice", &next));
        assert_true(login_lasts(&next, b.c));
        assert_false(login_lasts(&login, b.c));
        assert_int_equal(login_end(&next, &b.f->shared, &change), 0);
        assert_false(login_lasts(&next, b.c));
    }
    assert_non_null(strstr(change.value, "console-session:"));
    fini_bed(&b);
}

/* Five at once, then one in twelve seconds; sessions are no guesses. */
static void test_guesses(void **state)
{
    struct bed b;
    setup_bed(*state, &b);
    struct login login;
    clock_freeze(100000, NOW_MS);
    for (int i = 0; i < 5; i++) {
        assert_false(begin(&b, "Bearer t1.bob", &login));
        assert_int_equal(fixture_metric(b.f->front, M_MANAGEMENT_UNAUTHENTICATED), i + 1);
    }
    assert_false(begin(&b, "Bearer t1.alice", &login));
    assert_int_equal(call(&b, "GET", ""), STATUS_OK);
    clock_freeze(100000 + 2 * AUTH_LIMIT_REFILL_MS - 1, NOW_MS);
    assert_false(begin(&b, "Bearer t1.alice", &login));
    clock_freeze(100000 + 2 * AUTH_LIMIT_REFILL_MS, NOW_MS);
    assert_true(begin(&b, "Bearer t1.alice", &login));
    fini_bed(&b);
}

static void test_handshakes(void **state)
{
    struct bed b;
    setup_bed(*state, &b);
    static const struct {
        const char *headers;
        bool cookie;
        enum refuse why;
    } CASES[] = {
        {HOST OWN, true, REFUSE_NONE},
        {HOST, true, REFUSE_ORIGIN}, /* every browser says whose page it is */
        {HOST "Origin: http://evil\r\n", true, REFUSE_ORIGIN},
        {"Host: evil\r\nOrigin: http://evil\r\n", true, REFUSE_MISDIRECTED},
        {HOST OWN, false, REFUSE_NO_CREDENTIAL},
        {HOST, false, REFUSE_NO_CREDENTIAL},
        {HOST "Authorization: Bearer t1.alice\r\n", false, REFUSE_NONE},
        {HOST "Authorization: Bearer t1.bob\r\n", true, REFUSE_CREDENTIAL},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct http_head head;
        struct login login;
        struct caller who;
        char headers[1024];
        (void) snprintf(headers, sizeof(headers), "%s%s", CASES[i].headers,
                        CASES[i].cookie ? b.cookie : "");
        parse("GET", "/console/live", headers, &head);
        caller_init(&who, b.c, (struct slice){0});
        enum refuse why = login_admit(&login, &who, b.c, &head);
        if (why != CASES[i].why)
            fail_msg("%zu: %d", i, (int) why);
        if (why == REFUSE_NONE) {
            assert_string_equal(who.admin.subject.id, "alice");
            assert_true(login_lasts(&login, b.c));
        }
        caller_fini(&who);
    }
    fini_bed(&b);
}

static void test_open(void **state)
{
    struct fixture *f = *state;
    struct client client = client_new(f->manage_name);
    FIXTURE_UNTIL(f, !list_empty(&f->front->by_state[CONN_REQUEST]));
    struct conn *c = fixture_conn(f->front, CONN_REQUEST);
    struct http_head head;
    struct login login;
    struct caller who;
    parse("GET", "/console/live", HOST OWN, &head);
    caller_init(&who, c, (struct slice){0});
    assert_int_equal(login_admit(&login, &who, c, &head), REFUSE_NONE);
    assert_int_equal(login.way, LOGIN_OPEN);
    assert_string_equal(who.admin.subject.id, IAM_ANYBODY);
    assert_true(login_lasts(&login, c));
    caller_fini(&who);
    parse("GET", "/x", HOST "Origin: http://evil\r\n", &head);
    assert_int_equal(login_check(&login, c, &head), REFUSE_ORIGIN);
    parse("GET", "/x", "Host: evil\r\n", &head);
    assert_int_equal(login_check(&login, c, &head), REFUSE_MISDIRECTED);
    parse("GET", "/x", HOST "Sec-Fetch-Site: cross-site\r\n", &head);
    assert_int_equal(login_check(&login, c, &head), REFUSE_ORIGIN);
    client_free(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ways, manage_setup_secured, manage_teardown),
        cmocka_unit_test_setup_teardown(test_csrf, manage_setup_secured, manage_teardown),
        cmocka_unit_test_setup_teardown(test_time, manage_setup_secured, manage_teardown),
        cmocka_unit_test_setup_teardown(test_end, manage_setup_secured, manage_teardown),
        cmocka_unit_test_setup_teardown(test_guesses, manage_setup_secured, manage_teardown),
        cmocka_unit_test_setup_teardown(test_handshakes, manage_setup_secured, manage_teardown),
        cmocka_unit_test_setup_teardown(test_open, manage_setup, manage_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
