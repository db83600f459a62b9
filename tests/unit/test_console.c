/* Tests of gateway/console.c and gateway/rest_console.c on real connections: files, the session
 * beside them, and both switched off. */
#include "gate.h"
#include "manage_fixture.h"

#define HOST   " HTTP/1.1\r\nHost: localhost\r\n"
#define GET(p) "GET " p HOST "\r\n"

static struct fixture *with_console(void **state, struct client *ret)
{
    struct fixture *f = *state;
    f->cfg.management.console = 1;
    assert_int_equal(gate_new(&f->cfg, &f->shared.gate), 0);
    *ret = client_new(f->manage_name);
    return f;
}

static void without_console(struct fixture *f, struct client *c)
{
    client_free(c);
    gate_free(f->shared.gate);
    f->shared.gate = NULL;
}

static void test_files(void **state)
{
    struct client c;
    struct fixture *f = with_console(state, &c);
    client_say(f, &c, GET("/console/") GET("/healthz") GET("/console") GET("/console/none"));
    struct response r = client_response(f, &c);
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body, "<!doctype html>"));
    assert_string_equal(client_response(f, &c).body, "ok\n");
    assert_int_equal(client_response(f, &c).status, 308);
    r = client_response(f, &c);
    assert_int_equal(r.status, 404);
    assert_false(r.close);
    assert_int_equal(client_ask(f, &c, "PUT /console/" HOST "\r\n", 405).close, false);
    assert_true(client_ask(f, &c, "GET /console/" HOST "Content-Length: 1\r\n\r\n", 413).close);
    client_free(&c);
    c = client_new(f->manage_name);
    assert_true(client_ask(f, &c, "GET /console/ HTTP/1.1\r\nHost: evil\r\n\r\n", 421).close);
    client_free(&c);
    static char name[] = "con.example";
    static char *names[] = {name};
    f->cfg.management.hosts = (struct config_strings){names, 1};
    c = client_new(f->manage_name);
    (void) client_ask(f, &c, "GET /console/ HTTP/1.1\r\nHost: con.example\r\n\r\n", 200);
    f->cfg.management.hosts.n = 0;
    without_console(f, &c);
}

static void test_off(void **state)
{
    struct client c;
    struct fixture *f = with_console(state, &c);
    (void) client_ask(f, &c, GET("/console/session"), 200); /* it is open */
    f->cfg.management.console = 0;
    (void) client_ask(f, &c, GET("/console/session"), 404);
    (void) client_ask(f, &c, GET("/console/"), 404);
    (void) client_ask(f, &c, GET("/console"), 404);
    (void) client_ask(f, &c, "GET /" HOST "Accept: text/html\r\n\r\n", 404);
    without_console(f, &c);
}

/* The cookie, as a browser sends it back. */
static void log_in(struct fixture *f, struct client *c, char *ret, size_t size)
{
    static const char BODY[] = "{\"token\":\"t1.alice\"}";
    char request[512], line[600] = "";
    (void) snprintf(request, sizeof(request),
                    "POST /console/session" HOST "Content-Length: %zu\r\n\r\n%s", strlen(BODY),
                    BODY);
    client_say(f, c, request);
    CLIENT_UNTIL(f, c, client_head_end(c) > 0);
    client_header(c, "Set-Cookie", line, sizeof(line));
    assert_int_equal(client_response(f, c).status, 200);
    (void) snprintf(ret, size, "%.*s", (int) strcspn(line, ";"), line);
}

static void test_session(void **state)
{
    struct client c;
    struct fixture *f = with_console(state, &c);
    char cookie[600], request[1024];
    (void) client_ask(f, &c, GET("/console/session"), 401);
    log_in(f, &c, cookie, sizeof(cookie));
    assert_memory_equal(cookie, "regcast_session=s1.", 19);
    (void) snprintf(request, sizeof(request), "GET /console/session" HOST "Cookie: %s\r\n\r\n",
                    cookie);
    struct response r = client_ask(f, &c, request, 200);
    const char *csrf = strstr(r.body, "\"csrfToken\":\"");
    assert_non_null(csrf);
    assert_non_null(strstr(r.body, "\"subject\":\"alice\""));
    char token[64];
    csrf += strlen("\"csrfToken\":\"");
    (void) snprintf(token, sizeof(token), "%.*s", (int) strcspn(csrf, "\""), csrf);
    (void) snprintf(request, sizeof(request), "DELETE /console/session" HOST "Cookie: %s\r\n\r\n",
                    cookie);
    (void) client_ask(f, &c, request, 403);
    (void) snprintf(request, sizeof(request),
                    "DELETE /console/session" HOST "Cookie: %s\r\nx-csrf-token: %s\r\n\r\n", cookie,
                    token);
    assert_string_equal(client_ask(f, &c, request, 200).body, "{}");
    (void) snprintf(request, sizeof(request), "GET /console/session" HOST "Cookie: %s\r\n\r\n",
                    cookie);
    (void) client_ask(f, &c, request, 401);
    without_console(f, &c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_files, manage_setup, manage_teardown),
        cmocka_unit_test_setup_teardown(test_off, manage_setup, manage_teardown),
        cmocka_unit_test_setup_teardown(test_session, manage_setup_secured, manage_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
