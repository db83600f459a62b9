/* Tests of broker/base/config_canary.c: what canary.interval adds to a configuration. */
#include "config_canary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char file[] = "/tmp/regcast-canary-XXXXXX";

static int setup(void **state)
{
    (void) state;
    int fd = mkstemp(file);
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
    (void) state;
    return unlink(file);
}

static int load(const char *text, struct config **ret, struct buf *error)
{
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    (void) fputs(text, f);
    assert_int_equal(fclose(f), 0);
    return config_load(file, ret, error);
}

static struct config *load_fine(const char *text)
{
    struct config *cfg = NULL;
    struct buf error;
    buf_init(&error, 1 << 16);
    if (load(text, &cfg, &error) < 0)
        fail_msg("%.*s", (int) error.len, (const char *) error.data);
    buf_fini(&error);
    return cfg;
}

static void test_off(void **state)
{
    (void) state;
    struct config *cfg = load_fine("log_level: info\n");
    assert_false(config_has_canary(cfg));
    assert_int_equal(cfg->n_registries + cfg->n_triggers + cfg->n_service_accounts, 0);
    assert_int_equal(cfg->gateway.n_paths, 1);
    assert_false(config_is_canary_path(cfg, CANARY_PATH));
    assert_false(config_is_canary_registry(cfg, CANARY_NAME));
    config_free(cfg);
}

static void test_on(void **state)
{
    (void) state;
    struct config *cfg =
        load_fine("canary: { interval: 10s }\n"
                  "gateway: { id: gw1, paths: [/a, /b], defaults: { auth: token },\n"
                  "  auth: { tokens: [{ subject: s, sha256: "
                  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa "
                  "}] } }\n"
                  "registries: [{ id: one }]\n");
    assert_int_equal(cfg->canary.interval_ms, 10000);
    assert_int_equal(cfg->canary.timeout_ms, 5000);
    assert_int_equal(cfg->gateway.n_paths, 3);
    assert_string_equal(cfg->gateway.paths[2].path, CANARY_PATH);
    assert_int_equal(cfg->gateway.paths[2].auth, AUTH_NONE); /* not as others by default */
    assert_int_equal(cfg->n_registries, 2);
    assert_string_equal(cfg->registries[1].id, CANARY_NAME);
    assert_int_equal(cfg->n_triggers, 1);
    assert_string_equal(cfg->triggers[0].gateway_id, "gw1");
    assert_string_equal(cfg->triggers[0].path, CANARY_PATH);
    assert_true(config_account_has_role(cfg, CANARY_NAME, "api-gateway.websocketBroadcaster"));
    assert_true(config_is_open(cfg)); /* nobody can log in as it */
    assert_true(config_is_canary_path(cfg, CANARY_PATH));
    assert_true(config_is_canary_registry(cfg, CANARY_NAME));
    assert_false(config_is_canary_path(cfg, "/a"));
    assert_false(config_is_canary_registry(cfg, "one"));
    config_free(cfg);
}

static void test_taken(void **state)
{
#define USED                                                                                       \
    "triggers: [{ name: regcast-canary, rule: { container_registry: { event_type: "                \
    "[CREATE_IMAGE], registry_id: one, gateway_websocket_broadcast: { gateway_id: "                \
    "d5dgateway0000000001, path: /, service_account_id: sa } } } }]\n"                             \
    "registries: [{ id: one }]\nservice_accounts: [{ id: sa }]\n"
    static const struct {
        const char *text, *list;
    } CASES[] = {
        {"gateway: { paths: [/, /regcast.canary] }\n", "gateway.paths"},
        {"registries: [{ id: regcast-canary }]\n", "registries"},
        {"service_accounts: [{ id: regcast-canary }]\n", "service_accounts"},
        {"users: [{ id: regcast-canary }]\n", "users"},
        {USED, "triggers"},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char text[1024], want[256];
        struct config *cfg = NULL;
        struct buf error;
        config_free(load_fine(CASES[i].text)); /* without it the name is anybody's */
        (void) snprintf(text, sizeof(text), "%scanary:\n  interval: 1s\n", CASES[i].text);
        (void) snprintf(want, sizeof(want), "canary.interval: expected none of %s to be called ",
                        CASES[i].list);
        buf_init(&error, 1 << 16);
        assert_int_equal(load(text, &cfg, &error), -EINVAL);
        if (memmem(error.data, error.len, want, strlen(want)) == NULL)
            fail_msg("%s: %.*s", CASES[i].list, (int) error.len, (const char *) error.data);
        buf_fini(&error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_on),
        cmocka_unit_test(test_taken),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
