/* Tests of gateway/listener_caps.c: caps as configured, and within the limit on open files. */
#include "listener_caps.h"
#include "log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>

#include <cmocka.h>

static struct config config_of(uint64_t connections)
{
    return (struct config){
        .gateway = {.workers = 1, .max_connections = connections, .max_half_open = 5},
        .webhooks = {.max_connections = connections, .max_inflight_bytes = 1000},
        .management = {.max_connections = connections, .max_body_bytes = 10, .grpc_listen.n = 1}};
}

static void test_as_configured(void **state)
{
    (void) state;
    struct caps caps[LISTENER_N] = {0};
    struct config cfg = config_of(3);
    caps[LISTENER_GATEWAY].connections = 2;
    listener_caps_set(caps, &cfg);
    for (size_t i = 0; i < LISTENER_N; i++)
        assert_int_equal(caps[i].max_connections, 3);
    assert_int_equal(caps[LISTENER_GATEWAY].max_half_open, 5);
    assert_int_equal(caps[LISTENER_WEBHOOKS].max_inflight_bytes, 1000);
    assert_true(caps[LISTENER_MANAGEMENT].max_inflight_bytes >= 10);
    assert_true(caps[LISTENER_GRPC].max_answer_bytes > 0);
    cfg = config_of(1);
    cfg.management.grpc_listen.n = 0;
    listener_caps_set(caps, &cfg);
    assert_int_equal(caps[LISTENER_GATEWAY].max_connections, 1);
    assert_int_equal(caps[LISTENER_GRPC].max_connections, 0);
    assert_int_equal(caps[LISTENER_GATEWAY].connections, 2); /* who is in is still counted */
}

static void test_few_files(void **state)
{
    (void) state;
    struct caps caps[LISTENER_N] = {0};
    const struct config cfg = config_of(1000000);
    struct rlimit files = {300, 300};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    listener_caps_set(caps, &cfg);
    uint64_t all = 0;
    for (size_t i = 0; i < LISTENER_N; i++) {
        assert_true(caps[i].max_connections > 0);
        all += caps[i].max_connections;
    }
    assert_true(all < 300 - 64);
}

int main(void)
{
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_configured),
                                       cmocka_unit_test(test_few_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
