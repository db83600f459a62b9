/* Tests of broker/base/config_nats.c: what fits the engine nats, and what may not be meant. */
#include "config_nats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char file[] = "/tmp/regcast-nats-XXXXXX";
static char secret[] = "/tmp/regcast-nats-secret-XXXXXX";

static int setup(void **state)
{
    (void) state;
    int fd = mkstemp(file), other = mkstemp(secret);
    if (fd < 0 || other < 0 || dprintf(other, "a-secret-of-more-than-32-characters\n") < 0)
        return -1;
    return close(fd) + close(other);
}

static int teardown(void **state)
{
    (void) state;
    return unlink(file) + unlink(secret);
}

/* $ stands for a file with a secret. */
static int load(const char *text, struct config **ret, struct buf *error)
{
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    for (; *text != '\0'; text++)
        (void) (*text == '$' ? fputs(secret, f) : fputc(*text, f));
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

static void test_defaults(void **state)
{
    (void) state;
    struct config *cfg = load_fine("engine: nats\n");
    assert_string_equal(cfg->engine, "nats");
    assert_int_equal(cfg->nats.urls.n, 1);
    assert_string_equal(cfg->nats.urls.at[0], "nats://127.0.0.1:4222");
    assert_string_equal(cfg->nats.prefix, "regcast");
    assert_null(cfg->nats.node);
    assert_null(cfg->nats.password);
    assert_int_equal(cfg->nats.replicas, 3);
    assert_int_equal(cfg->nats.lease_ttl_ms, 10000);
    assert_int_equal(cfg->nats.sync_interval_ms, 120000);
    assert_int_equal(cfg->nats.history_count, 10000);
    assert_int_equal(cfg->nats.history_age_ms, 3600000);
    assert_int_equal(cfg->intake.ack, ACK_BOTH);
    assert_int_equal(cfg->intake.outbox_bytes, 256 << 20);
    config_free(cfg);
}

static void test_all_of_it(void **state)
{
    (void) state;
    struct config *cfg = load_fine(
        "engine: nats\n"
        "nats: { url: 'tls://a.example:4222', user: regcast, password_file: $, ca_file: ca.pem,\n"
        "  cert_file: c.pem, key_file: k.pem, prefix: p-1, domain: edge, node: node_1,\n"
        "  replicas: 1, lease_ttl: 2s, sync_interval: 0s, history_count: 1007 }\n"
        "intake: { ack: stream, outbox_bytes: 1MiB }\n"
        "management: { secret_file: $ }\n");
    assert_int_equal(cfg->nats.urls.n, 1);
    assert_string_equal(cfg->nats.urls.at[0], "tls://a.example:4222");
    assert_string_equal(cfg->nats.password, "a-secret-of-more-than-32-characters");
    assert_string_equal(cfg->management.secret, cfg->nats.password);
    assert_string_equal(cfg->nats.node, "node_1");
    assert_int_equal(cfg->intake.ack, ACK_STREAM);
    config_free(cfg);
}

static const struct {
    const char *text;
    unsigned line;
    const char *says;
} BAD[] = {
    {"nats: { url: 'http://a' }\n", 1, "nats.url: expected 1 to 255 characters of nats://host"},
    {"nats: { urls: ['nats://u:p@a'] }\n", 1, "nats.urls[0]: expected of nats://host"},
    {"nats: { urls: [] }\n", 1, "nats.urls: expected a list of 1 to 16"},
    {"nats:\n  url: 'nats://a'\n  urls: ['nats://b']\n", 2,
     "nats.url: expected either url or urls, got both"},
    {"nats:\n  user: a\n", 2, "nats.user: expected nats.password_file beside it, got none"},
    {"nats:\n  password_file: $\n", 2, "nats.password_file: expected nats.user beside it"},
    {"nats:\n  user: a\n  password_file: $\n  token_file: $\n", 4,
     "nats.token_file: expected either it or user, got both"},
    {"nats:\n  url: 'tls://a'\n  cert_file: a\n", 3,
     "nats.cert_file: expected nats.key_file beside it"},
    {"nats:\n  url: 'tls://a'\n  key_file: a\n", 3,
     "nats.key_file: expected nats.cert_file beside it"},
    {"nats:\n  ca_file: a\n", 2, "nats.ca_file: expected a url of tls:// beside it, got none"},
    {"nats: { node: all }\n", 1, "nats.node: expected another name"},
    {"nats: { node: Node }\n", 1, "nats.node: expected 1 to 63 characters of lower-case"},
    {"nats: { prefix: a.b }\n", 1, "nats.prefix: expected 1 to 32 characters of lower-case"},
    {"nats: { replicas: 6 }\n", 1, "nats.replicas: expected a number from 1 to 5"},
    {"nats: { lease_ttl: 6m }\n", 1, "nats.lease_ttl: expected a duration"},
    {"intake: { ack: disk }\n", 1, "intake.ack: expected both, journal or stream"},
    {"engine: nats\nwebhooks:\n  max_body_bytes: 8MiB\n", 3,
     "webhooks.max_body_bytes: expected at most 8128KiB with engine: nats, got 8MiB"},
};

static void test_bad(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        struct config *cfg = NULL;
        struct buf error;
        char wanted[512];
        buf_init(&error, 1 << 16);
        assert_int_equal(load(BAD[i].text, &cfg, &error), -EINVAL);
        assert_int_equal(buf_append(&error, slice_of("", 1)), 0);
        (void) snprintf(wanted, sizeof(wanted), "%s:%u: %s", file, BAD[i].line, BAD[i].says);
        if (strstr((const char *) error.data, wanted) == NULL)
            fail_msg("%s\nhas not: %s", (const char *) error.data, wanted);
        assert_null(strstr((const char *) error.data, "a-secret"));
        buf_fini(&error);
    }
}

static void check_warnings(const char *text, const char *has, const char *has_not)
{
    struct config *cfg = load_fine(text);
    struct buf out;
    buf_init(&out, 1 << 16);
    assert_int_equal(config_warnings("F", cfg, &out), 0);
    assert_int_equal(buf_append(&out, slice_of("", 1)), 0);
    if (has != NULL && strstr((const char *) out.data, has) == NULL)
        fail_msg("%s\nhas not: %s", (const char *) out.data, has);
    if (has_not != NULL)
        assert_null(strstr((const char *) out.data, has_not));
    buf_fini(&out);
    config_free(cfg);
}

#define USERS                                                                                      \
    "users: [{ id: alice }]\n"                                                                     \
    "tokens: [{ subject: alice, sha256: "                                                          \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa }]\n"
#define PATHS "gateway:\n  paths:\n    - /a\n    - { path: /b, history_count: 10001 }\n"

static void test_warnings(void **state)
{
    (void) state;
    check_warnings("engine: nats\n" PATHS,
                   "F:5: gateway.paths[/b].history_count: 10001 messages, of which "
                   "nats.history_count keeps 10000\n",
                   "secret_file");
    check_warnings("engine: nats\nnats: { history_count: 10001 }\n" PATHS, NULL, "F:");
    check_warnings(PATHS USERS, NULL, "F:");
    check_warnings("engine: nats\n" USERS, "F: management.secret_file: without it", NULL);
    check_warnings("engine: nats\nmanagement: { secret_file: $ }\n" USERS, NULL, "secret");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_all_of_it),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_warnings),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
