/* Tests of gateway/rest_reload.c: what is answered, with a stand-in for the reload itself. */
#include "manage_fixture.h"

#include "reload.h"

#define RELOAD    "/admin/v1/reload HTTP/1.1\r\nHost: localhost\r\n"
#define FILE_NAME "/etc/regcast: a.yaml"

struct reload {
    reload_done *done; /* of who waits; NULL: nobody does */
    void *arg;
    unsigned asked;
};

void reload_start(struct reload *r, reload_done *done, void *arg)
{
    assert_null(r->done);
    r->done = done;
    r->arg = arg;
    r->asked++;
}

static struct reload reload;

static int setup(void **state)
{
    reload = (struct reload){0};
    int r = manage_setup(state);
    struct fixture *f = *state;
    f->shared.manage->reload = &reload;
    f->shared.manage->file = FILE_NAME;
    return r;
}

/* Asks, and ends the reload that this begins; the answer, with that status. */
static struct response answer(struct fixture *f, struct client *c, const struct reload_report *with,
                              unsigned status)
{
    client_say(f, c, "POST " RELOAD "\r\n");
    FIXTURE_UNTIL(f, reload.done != NULL);
    reload_done *done = reload.done;
    reload.done = NULL;
    done(reload.arg, with);
    struct response r = client_response(f, c);
    assert_int_equal(r.status, status);
    return r;
}

static void test_changes(void **state)
{
    struct fixture *f = *state;
    struct client c = client_new(f->manage_name);
    struct reload_report report = {0};
    assert_string_equal(answer(f, &c, &report, 200).body, "{\"changed\":[],\"needsRestart\":[]}");
    static char level[] = "log_level", workers[] = "gateway.workers", a[] = "gateway.paths[/\"a\"]",
                b[] = "registries[b]";
    struct config_change at[] = {
        {.key = level, .kind = CONFIG_CHANGED},
        {.key = workers, .kind = CONFIG_CHANGED, .needs_restart = true},
        {.key = a, .kind = CONFIG_ADDED},
        {.key = b, .kind = CONFIG_REMOVED},
    };
    report.changes = (struct config_changes){at, ARRAY_LEN(at)};
    assert_string_equal(answer(f, &c, &report, 200).body,
                        "{\"changed\":[{\"key\":\"log_level\",\"change\":\"changed\"},"
                        "{\"key\":\"gateway.paths[/\\\"a\\\"]\",\"change\":\"added\"},"
                        "{\"key\":\"registries[b]\",\"change\":\"removed\"}],"
                        "\"needsRestart\":[{\"key\":\"gateway.workers\",\"change\":\"changed\"}]}");
    client_free(&c);
}

static void test_mistakes(void **state)
{
    struct fixture *f = *state;
    struct client c = client_new(f->manage_name);
    struct reload_report report = {.err = -EINVAL};
    buf_init(&report.error, 1 << 16);
    assert_int_equal(buf_append_str(&report.error,
                                    FILE_NAME ":3: a.b: expected c, got \"d: e\"\n" FILE_NAME
                                              ":14: tokens[0].sha256: expected x\n"
                                              "something else\n" FILE_NAME ": short\n"),
                     0);
    struct response r = answer(f, &c, &report, 400);
    assert_memory_equal(r.body,
                        "{\"code\":3,\"message\":\"" FILE_NAME ":3: a.b: expected c, got "
                        "\\\"d: e\\\"\",",
                        20);
    static const char *const WANT[] = {
        "{\"field\":\"a.b\",\"description\":\"" FILE_NAME
        ":3: a.b: expected c, got \\\"d: e\\\"\"}",
        "{\"field\":\"tokens[0].sha256\",\"description\":\"" FILE_NAME ":14: tokens[0]",
        "{\"field\":\"configuration\",\"description\":\"something else\"}",
        "{\"field\":\"configuration\",\"description\":\"" FILE_NAME ": short\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(WANT); i++)
        if (strstr(r.body, WANT[i]) == NULL)
            fail_msg("%s is not in %s", WANT[i], r.body);
    buf_clear(&report.error); /* there was no memory for it */
    assert_non_null(strstr(answer(f, &c, &report, 503).body, "cannot be loaded now"));
    report.err = -EMFILE;
    r = answer(f, &c, &report, 503);
    assert_non_null(strstr(r.body, "\"code\":14"));
    assert_non_null(strstr(r.body, err_str(-EMFILE)));
    report.err = -EAGAIN;
    assert_non_null(strstr(answer(f, &c, &report, 503).body, err_str(-EAGAIN)));
    client_say(f, &c, "POST " RELOAD "\r\n");
    FIXTURE_UNTIL(f, reload.done != NULL);
    atomic_store(&f->shared.draining, true); /* meanwhile */
    reload.done(reload.arg, &report);
    assert_non_null(strstr(client_response(f, &c).body, "The server is going down"));
    buf_fini(&report.error);
    client_free(&c);
}

static void test_not_asked(void **state)
{
    struct fixture *f = *state;
    struct client c = client_new(f->manage_name);
    static const struct {
        const char *request, *says;
        unsigned status;
    } CASES[] = {
        {"GET " RELOAD "\r\n", "it is POST", 405},
        {"POST " RELOAD "Content-Length: 7\r\n\r\n{\"a\":1}", "a: is not a field", 400},
        {"POST " RELOAD "Content-Length: 2\r\n\r\n[]", "", 400},
        {"POST /admin/v1/reload?a=1 HTTP/1.1\r\nHost: localhost\r\n\r\n", "a: is not a parameter",
         400},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        assert_non_null(
            strstr(client_ask(f, &c, CASES[i].request, CASES[i].status).body, CASES[i].says));
    f->shared.manage->reload = NULL;
    (void) client_ask(f, &c, "POST " RELOAD "\r\n", 503);
    f->shared.manage->reload = &reload;
    atomic_store(&f->shared.draining, true);
    assert_non_null(strstr(client_ask(f, &c, "POST " RELOAD "\r\n", 503).body, "going down"));
    assert_int_equal(reload.asked, 0);
    client_free(&c);
}

static void test_caller_has_gone(void **state)
{
    struct fixture *f = *state;
    struct client c = client_new(f->manage_name);
    client_say(f, &c, "POST " RELOAD "Content-Length: 2\r\n\r\n{}");
    FIXTURE_UNTIL(f, reload.done != NULL);
    client_reset(&c);
    FIXTURE_UNTIL(f, f->shared.caps[LISTENER_MANAGEMENT].connections == 0);
    const struct reload_report report = {0};
    reload.done(reload.arg, &report);
}

static void test_who_may(void **state)
{
    struct fixture *f = *state;
    struct client c = client_new(f->manage_name);
    reload = (struct reload){0};
    f->shared.manage->reload = &reload;
    (void) client_ask(f, &c, "POST " RELOAD "\r\n", 401);
    assert_non_null(
        strstr(client_ask(f, &c, "POST " RELOAD "Authorization: Bearer t1.alice\r\n\r\n", 403).body,
               "alice lacks role api-gateway.admin on gateway"));
    assert_int_equal(reload.asked, 0);
    client_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_changes, setup, manage_teardown),
        cmocka_unit_test_setup_teardown(test_mistakes, setup, manage_teardown),
        cmocka_unit_test_setup_teardown(test_not_asked, setup, manage_teardown),
        cmocka_unit_test_setup_teardown(test_caller_has_gone, setup, manage_teardown),
        cmocka_unit_test_setup_teardown(test_who_may, manage_setup_secured, manage_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
