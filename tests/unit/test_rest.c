/* Tests of gateway/rest.c and the operations behind it on real connections: requests whole, cut,
 * pipelined, too large, given up; who asks. What the operations do is tests/e2e/rest.test.mjs's. */
#include "manage_fixture.h"

#define TRIGGERS "/triggers/v1/triggers"
#define HOST     " HTTP/1.1\r\nHost: localhost\r\n"
#define GET(p)   "GET " p HOST "\r\n"
#define RULE                                                                                       \
    "{\"containerRegistry\":{\"eventType\":[1],\"registryId\":\"crtregistry000000001\","           \
    "\"gatewayWebsocketBroadcast\":{\"gatewayId\":\"d5d\",\"path\":\"/\",\"serviceAccountId\":"    \
    "\"aje\"}}}"
#define CREATE "{\"folderId\":\"b1gfolder00000000001\",\"name\":\"abc\",\"rule\":" RULE "}"

static struct response post(struct fixture *f, struct client *c, const char *path, const char *body,
                            unsigned status)
{
    char request[2048];
    (void) snprintf(request, sizeof(request), "POST %s" HOST "Content-Length: %zu\r\n\r\n%s", path,
                    strlen(body), body);
    return client_ask(f, c, request, status);
}

static void test_one_after_another(void **state)
{
    struct fixture *f = *state;
    struct client c = client_new(f->manage_name);
    client_say(f, &c, GET("/healthz") GET("/endpoints/iam") GET("/nothing") GET("/healthz"));
    assert_string_equal(client_response(f, &c).body, "ok\n");
    assert_non_null(strstr(client_response(f, &c).body, "\"address\":\"127.0.0.1:"));
    struct response r = client_response(f, &c);
    assert_int_equal(r.status, 404);
    assert_false(r.close);
    assert_int_equal(client_response(f, &c).status, 200);
    assert_non_null(strstr(post(f, &c, TRIGGERS, CREATE, 200).body, "Create trigger"));
    assert_non_null(strstr(post(f, &c, TRIGGERS, CREATE, 409).body, "abc"));
    r = client_ask(f, &c, GET(TRIGGERS "?folderId=b1gfolder00000000001"), 200);
    assert_memory_equal(r.body, "{\"triggers\":[", 13);
    assert_int_equal(client_ask(f, &c, GET("/gateway/v1/paths"), 200).status, 200);
    assert_int_equal(pipeline_n_triggers(f->shared.pipeline), 1);
    char test[128];
    (void) snprintf(test, sizeof(test), TRIGGERS "/%s:test",
                    pipeline_trigger(f->shared.pipeline, 0)->id);
    struct client ws = client_ws(f, "/");
    assert_non_null(strstr(post(f, &c, test, "", 200).body, "regcast-test"));
    client_expect(f, &ws, FRAME_TEXT, NULL);
    client_free(&ws);
    client_free(&c);
}

static void test_cut_anywhere(void **state)
{
    struct fixture *f = *state;
    struct client c = client_new(f->manage_name);
    static const char REQUEST[] = "POST " TRIGGERS "/x:pause" HOST
                                  "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n";
    for (size_t i = 0; i < sizeof(REQUEST) - 1; i++) {
        client_send(f, &c, slice_of(REQUEST + i, 1));
        fixture_step(f);
    }
    assert_int_equal(client_response(f, &c).status, 404);
    client_free(&c);
}

static void test_too_large(void **state)
{
    struct fixture *f = *state;
    struct client c = client_new(f->manage_name);
    f->cfg.management.max_body_bytes = 10;
    struct response r = client_ask(f, &c, "POST " TRIGGERS HOST "Content-Length: 11\r\n\r\n", 413);
    assert_true(r.close);
    assert_string_equal(r.body, "{\"error\":\"body\"}");
    client_free(&c);
    c = client_new(f->manage_name);
    client_say(f, &c, "POST " TRIGGERS HOST "Transfer-Encoding: chunked\r\n\r\nb\r\n12345678901");
    assert_int_equal(client_response(f, &c).status, 413);
    client_free(&c);
    f->shared.caps[LISTENER_MANAGEMENT].max_inflight_bytes = 5;
    c = client_new(f->manage_name);
    client_say(f, &c, "POST " TRIGGERS HOST "Content-Length: 10\r\n\r\n123456");
    assert_int_equal(client_response(f, &c).status, 503);
    client_free(&c);
}

/* The body's bytes are given back, and an answer that finds nobody frees the request. */
static void test_given_up(void **state)
{
    struct fixture *f = *state;
    struct caps *caps = &f->shared.caps[LISTENER_MANAGEMENT];
    struct client c = client_new(f->manage_name);
    client_say(f, &c,
               "POST " TRIGGERS HOST "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n12345");
    FIXTURE_UNTIL(f, caps->inflight_bytes == 5);
    client_reset(&c);
    FIXTURE_UNTIL(f, caps->inflight_bytes == 0 && caps->connections == 0);

    struct client ws = client_ws(f, "/");
    char request[256];
    (void) snprintf(request, sizeof(request),
                    "DELETE /apigateways/websocket/v1/connections/%s" HOST "\r\n", ws.id);
    c = client_new(f->manage_name);
    assert_int_equal(send(c.fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    while (f->front->n_asked == 0) /* the gateway's loop stands still */
        (void) uv_run(&f->front->loop, UV_RUN_ONCE);
    client_reset(&c);
    while (caps->connections > 0)
        (void) uv_run(&f->front->loop, UV_RUN_ONCE);
    client_expect_close(f, &ws, 1000, false);
    FIXTURE_UNTIL(f, f->front->n_asked == 0);
    client_free(&ws);
}

static void test_browsers(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *headers;
        unsigned status;
    } CASES[] = {
        {"Host: localhost", 200},
        {"Host: LOCALHOST:1", 200},
        {"Host: 127.0.0.1:8082", 200},
        {"Host: [::1]:8082", 200},
        {"Host: a.example", 421},
        {"Host: 127.0.0.1.example", 421},
        {"Host: localhost.example:80", 421},
        {"Host: localhost\r\nOrigin: http://localhost", 200},
        {"Host: localhost\r\nOrigin: http://localhost:1", 403},
        {"Host: localhost\r\nOrigin: https://localhost", 403},
        {"Host: localhost\r\nOrigin: null", 403},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct client c = client_new(f->manage_name);
        char request[256];
        (void) snprintf(request, sizeof(request), "GET /healthz HTTP/1.1\r\n%s\r\n\r\n",
                        CASES[i].headers);
        client_ask(f, &c, request, CASES[i].status);
        client_free(&c);
    }
}

static void test_who(void **state)
{
    struct fixture *f = *state;
    struct client c = client_new(f->manage_name);
    assert_false(client_ask(f, &c, GET("/gateway/v1/paths"), 401).close);
    client_ask(f, &c, GET("/healthz"), 200);
    client_ask(f, &c, "GET /gateway/v1/paths" HOST "Authorization: Bearer t1.alice\r\n\r\n", 403);
    /* Before a body that nobody may send is read. */
    struct response r =
        client_ask(f, &c, "POST " TRIGGERS HOST "Content-Length: 1000000\r\n\r\n", 401);
    assert_true(r.close);
    client_free(&c);
    c = client_new(f->manage_name);
    for (unsigned i = 0; i < 10; i++)
        client_ask(f, &c, "GET /gateway/v1/paths" HOST "Authorization: Bearer no\r\n\r\n", 401);
    client_ask(f, &c, "GET /gateway/v1/paths" HOST "Authorization: Bearer t1.alice\r\n\r\n", 429);
    assert_int_equal(fixture_metric(f->front, M_MANAGEMENT_UNAUTHENTICATED), 13);
    assert_int_equal(fixture_metric(f->front, M_MANAGEMENT_DENIED), 1);
    client_free(&c);
}

/* Whom we do not know cannot fill the log. */
static void test_outsiders(void **state)
{
    struct fixture *f = *state;
    struct client c = client_new(f->manage_name);
    clock_freeze(1000000, 1000000);
    for (unsigned i = 0; i < 25; i++)
        client_ask(f, &c, i % 2 == 0 ? GET("/gateway/v1/paths") : GET("/healthz"),
                   i % 2 == 0 ? 401 : 200);
    assert_int_equal(fixture_metric(f->front, M_LOG_DROPPED), 15);
    for (unsigned i = 0; i < 5; i++)
        client_ask(f, &c, "GET /gateway/v1/paths" HOST "Authorization: Bearer t1.alice\r\n\r\n",
                   403);
    assert_int_equal(fixture_metric(f->front, M_LOG_DROPPED), 15);
    clock_unfreeze();
    client_free(&c);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, manage_setup, manage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_one_after_another),
        TEST(test_cut_anywhere),
        TEST(test_too_large),
        TEST(test_given_up),
        TEST(test_browsers),
        cmocka_unit_test_setup_teardown(test_who, manage_setup_secured, manage_teardown),
        cmocka_unit_test_setup_teardown(test_outsiders, manage_setup_secured, manage_teardown),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
