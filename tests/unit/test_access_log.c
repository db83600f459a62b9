/* Tests of gateway/access_log.c: the members of a line, its level, and how many there may be. */
#include "access_log.h"

#include "clock.h"
#include "err.h"
#include "log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int ends[2]; /* a pipe: [1] is the log */
static uint64_t now_ms = 1000000;

static int setup(void **state)
{
    (void) state;
    if (pipe2(ends, O_NONBLOCK) < 0)
        return -1;
    log_set_fd(ends[1]);
    log_set_level(LOG_INFO);
    now_ms += 5000; /* what was logged in the test before is long ago */
    clock_freeze(now_ms, 7);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    clock_unfreeze();
    log_set_fd(2);
    log_set_level(LOG_INFO);
    (void) close(ends[0]);
    (void) close(ends[1]);
    return 0;
}

static const char *written(void)
{
    static char text[1 << 16];
    ssize_t n = read(ends[0], text, sizeof(text) - 1);
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

static unsigned lines(void)
{
    unsigned n = 0;
    for (const char *at = written(); (at = strchr(at, '\n')) != NULL; at++)
        n++;
    return n;
}

static struct access_record record_of(enum access_operation operation, unsigned status,
                                      const char *error)
{
    return (struct access_record){.gateway_id = "d5dgateway0000000001",
                                  .connection_id = "d5d00000000000000001",
                                  .route = "/ws/{room}",
                                  .operation = operation,
                                  .status = status,
                                  .error = error};
}

static void test_members(void **state)
{
    (void) state;
    struct access_record r = record_of(ACCESS_CONNECT, 101, NULL);
    access_log(&r);
    assert_string_equal(
        written(),
        "{\"time\":\"1970-01-01T00:00:00.007Z\",\"level\":\"info\",\"component\":\"access\","
        "\"msg\":\"request\",\"resource_type\":\"serverless.apigateway\","
        "\"resource_id\":\"d5dgateway0000000001\",\"release\":\"stable\","
        "\"conn\":\"d5d00000000000000001\",\"path\":\"/ws/{room}\",\"operation\":\"CONNECT\","
        "\"status\":101,\"in\":0,\"out\":0,\"ms\":0}\n");
    r = record_of(ACCESS_DISCONNECT, 502, "no \"answer\"");
    r.request_id = "d5d00000000000000002";
    r.integration = "http";
    r.peer = "127.0.0.1:5000";
    r.bytes_in = 12;
    r.bytes_out = 3456;
    r.duration_ms = 789;
    access_log(&r);
    assert_string_equal(
        written(),
        "{\"time\":\"1970-01-01T00:00:00.007Z\",\"level\":\"warn\",\"component\":\"access\","
        "\"msg\":\"request\",\"resource_type\":\"serverless.apigateway\","
        "\"resource_id\":\"d5dgateway0000000001\",\"release\":\"stable\","
        "\"request_id\":\"d5d00000000000000002\",\"conn\":\"d5d00000000000000001\","
        "\"peer\":\"127.0.0.1:5000\",\"path\":\"/ws/{room}\",\"operation\":\"DISCONNECT\","
        "\"integration\":\"http\",\"status\":502,\"error\":\"no \\\"answer\\\"\",\"in\":12,"
        "\"out\":3456,\"ms\":789}\n");
}

static void test_levels(void **state)
{
    (void) state;
    static const struct {
        enum access_operation operation;
        unsigned status;
        const char *error;
        enum log_level level;
    } CASES[] = {
        {ACCESS_CONNECT, 101, NULL, LOG_INFO},
        {ACCESS_CONNECT, 200, NULL, LOG_INFO},
        {ACCESS_CONNECT, 401, "credential", LOG_INFO},
        {ACCESS_CONNECT, 429, "route_rate", LOG_INFO},
        {ACCESS_CONNECT, 503, "draining", LOG_WARN},
        {ACCESS_CONNECT, 0, "timeout", LOG_WARN},
        {ACCESS_MESSAGE, 200, NULL, LOG_DEBUG},
        {ACCESS_MESSAGE, 404, NULL, LOG_WARN},
        {ACCESS_MESSAGE, 502, "refused", LOG_WARN},
        {ACCESS_DISCONNECT, 200, NULL, LOG_INFO},
        {ACCESS_DISCONNECT, 500, NULL, LOG_WARN},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct access_record r = record_of(CASES[i].operation, CASES[i].status, CASES[i].error);
        char level[32];
        (void) snprintf(level, sizeof(level), "\"level\":\"%s\"", LOG_LEVELS[CASES[i].level]);
        log_set_level(CASES[i].level);
        access_log(&r);
        if (strstr(written(), level) == NULL)
            fail_msg("case %zu: no line with %s", i, level);
        log_set_level(CASES[i].level + 1);
        access_log(&r);
        assert_string_equal(written(), "");
    }
    log_set_level(LOG_INFO);
    assert_true(access_log_on(ACCESS_CONNECT));
    assert_false(access_log_on(ACCESS_MESSAGE));
    assert_true(access_log_on(ACCESS_DISCONNECT));
    log_set_level(LOG_DEBUG);
    assert_true(access_log_on(ACCESS_MESSAGE));
}

/* What fails is told so often in a second, of each operation; what went well each time. */
static void test_rate(void **state)
{
    (void) state;
    static struct metrics metrics;
    const struct metrics *all[] = {&metrics};
    struct access_record bad = record_of(ACCESS_CONNECT, 401, "credential"),
                         good = record_of(ACCESS_CONNECT, 101, NULL),
                         message = record_of(ACCESS_MESSAGE, 502, "refused");
    bad.metrics = &metrics;
    for (unsigned i = 0; i < ACCESS_FAILED_PER_SECOND + 7; i++)
        access_log(&bad);
    assert_int_equal(lines(), ACCESS_FAILED_PER_SECOND);
    assert_int_equal(metrics_get(all, 1, M_LOG_DROPPED), 7);
    for (unsigned i = 0; i < 50; i++)
        access_log(&good);
    assert_int_equal(lines(), 50);
    access_log(&message);
    assert_int_equal(lines(), 1);
    for (unsigned i = 0; i < ACCESS_FAILED_PER_SECOND; i++)
        access_log(&message); /* without metrics */
    assert_int_equal(lines(), ACCESS_FAILED_PER_SECOND - 1);

    clock_freeze(now_ms += 1000, 7);
    access_log(&bad);
    assert_non_null(strstr(written(), ",\"suppressed\":7}\n"));
    access_log(&bad);
    assert_null(strstr(written(), "suppressed"));
}

static void test_integrations(void **state)
{
    (void) state;
    struct spec_operation op = {.integration.kind = SPEC_DUMMY};
    assert_string_equal(access_integration(&op), "dummy");
    op.integration.kind = SPEC_HTTP;
    assert_string_equal(access_integration(&op), "http");
    op.integration.kind = SPEC_CONTAINER;
    assert_string_equal(access_integration(&op), "serverless_containers");
    assert_null(access_integration(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_members, setup, teardown),
        cmocka_unit_test_setup_teardown(test_levels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rate, setup, teardown),
        cmocka_unit_test(test_integrations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
