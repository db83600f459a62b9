/* Tests of broker/base/config_hash.c: what has the same number, and what has not. */
#include "config_hash.h"
#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct siphash_seed SEED = {1, 2};

static uint64_t hash_with(const char *text, const struct siphash_seed *seed)
{
    char file[] = "/tmp/regcast-hash-XXXXXX";
    struct config *cfg = NULL;
    struct buf error;
    int fd = mkstemp(file); /* for its owner only, as secrets want it */
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
    buf_init(&error, 4096);
    if (config_load(file, &cfg, &error) < 0)
        fail_msg("%.*s", (int) error.len, (const char *) error.data);
    uint64_t hash = config_hash(cfg, seed);
    buf_fini(&error);
    config_free(cfg);
    assert_int_equal(unlink(file), 0);
    return hash;
}

static uint64_t hash_of(const char *text)
{
    return hash_with(text, &SEED);
}

/* Each of them says something else. */
static void test_differs(void **state)
{
    static const char *const TEXTS[] = {
        "{}",
        "log_level: warn",
        "gateway: {max_connections: 7}",
        "gateway: {paths: [/a]}",
        "gateway: {paths: [/a, /b]}",
        "gateway: {paths: [/b, /a]}",
        "gateway: {paths: [{path: /a, inbound: echo}]}",
        "gateway: {allowed_origins: ['https://a', 'https://b']}",
        "gateway: {allowed_origins: ['https://ab']}",
        "registries: [{id: a, token: one}]",
        "registries: [{id: a, token: two}]",
        "users: [{id: a}]",
        "users: [{id: a, roles: [viewer]}]",
    };
    uint64_t hashes[ARRAY_LEN(TEXTS)];
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        hashes[i] = hash_of(TEXTS[i]);
        assert_true(hash_with(TEXTS[i], &(struct siphash_seed){3, 4}) != hashes[i]);
        for (size_t k = 0; k < i; k++)
            if (hashes[k] == hashes[i])
                fail_msg("%s and %s", TEXTS[k], TEXTS[i]);
    }
}

static void test_same(void **state)
{
    (void) state;
    assert_true(hash_of("{}") == hash_of("# nothing\nlog_level: info\n"));
    assert_true(hash_of("gateway: {ping_interval: 25s, paths: [/]}\nlog_level: warn") ==
                hash_of("log_level: warn\ngateway: {paths: [{path: /}], ping_interval: 25000ms}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_differs), cmocka_unit_test(test_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
