/* Tests of broker/base/config_diff.c: what is told apart, and what is kept. */
#include "config_diff.h"

#include "config_set.h"
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct config *load(const char *text)
{
    char file[] = "/tmp/regcast-diff-XXXXXX";
    int fd = mkstemp(file);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
    struct config *cfg = NULL;
    struct buf error;
    buf_init(&error, 1 << 16);
    if (config_load(file, &cfg, &error) < 0)
        fail_msg("%.*s", (int) error.len, (const char *) error.data);
    assert_int_equal(unlink(file), 0);
    buf_fini(&error);
    return cfg;
}

/* The changes as "+ KEY", "- KEY" or "~ KEY" lines, with a '!' behind what takes a restart. */
static char *print_diff(const struct config *before, const struct config *after)
{
    struct config_changes changes;
    config_diff(before, after, &changes);
    struct buf out;
    buf_init(&out, 1 << 16);
    for (size_t i = 0; i < changes.n; i++)
        assert_int_equal(buf_printf(&out, "%c %s%s\n", "~+-"[changes.at[i].kind], changes.at[i].key,
                                    changes.at[i].needs_restart ? " !" : ""),
                         0);
    config_changes_fini(&changes);
    assert_int_equal(changes.n, 0);
    char *text = xslicedup(buf_slice(&out));
    buf_fini(&out);
    return text;
}

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define RULE(gateway)                                                                              \
    "    rule: {container_registry: {event_type: [CREATE_IMAGE], registry_id: r1,\n"               \
    "      gateway_websocket_broadcast: {gateway_id: " gateway                                     \
    ", path: /, service_account_id: s1}}}\n"
#define AROUND_TRIGGERS                                                                            \
    "registries: [{id: r1}]\n"                                                                     \
    "service_accounts: [{id: s1}]\n"

static const struct {
    const char *name, *before, *after, *want;
} CASES[] = {
    {"nothing", "log_level: info\n", "log_level: info\n", ""},
    {"a default written down", "{}\n", "log_level: info\ngateway: {max_fragments: 64}\n", ""},
    {"a word, a number and a switch", "{}\n",
     "log_level: debug\ngateway: {max_fragments: 65, deflate: true}\n",
     "~ log_level\n~ gateway.max_fragments\n~ gateway.deflate\n"},
    {"a text that was not there", "{}\n", "user: nobody\n", "~ user !\n"},
    {"a text that has gone", "group: nobody\n", "{}\n", "~ group !\n"},
    {"what takes a restart", "{}\n",
     "data_dir: ./other\ngateway: {workers: 7, listen: ['127.0.0.1:1'], ping_interval: 1s}\n"
     "journal: {ballast_bytes: 1MiB}\n",
     "~ data_dir !\n~ gateway.listen !\n~ gateway.workers !\n~ gateway.ping_interval\n"
     "~ journal.ballast_bytes !\n"},
    {"a longer list of texts", "gateway: {allowed_origins: ['https://a']}\n",
     "gateway: {allowed_origins: ['https://a', 'https://b']}\n", "~ gateway.allowed_origins\n"},
    {"another text in a list", "gateway: {allowed_origins: ['https://a']}\n",
     "gateway: {allowed_origins: ['https://b']}\n", "~ gateway.allowed_origins\n"},
    {"paths that come, go and change", "gateway: {paths: [/a, {path: /b, history_age: 1m}, /c]}\n",
     "gateway: {paths: [/a, /d, {path: /b, history_age: 2m, inbound: echo}]}\n",
     "+ gateway.paths[/d]\n~ gateway.paths[/b].inbound\n~ gateway.paths[/b].history_age\n"
     "- gateway.paths[/c]\n"},
    {"what all paths have in common", "gateway: {paths: [/a, {path: /b, inbound: ignore}]}\n",
     "gateway: {defaults: {inbound: echo}, paths: [/a, {path: /b, inbound: ignore}]}\n",
     "~ gateway.paths[/a].inbound\n"},
    {"what follows another setting", "gateway: {paths: [{path: /, max_lag_bytes: 16MiB}]}\n",
     "gateway: {paths: [{path: /, max_lag_bytes: 17MiB, history_bytes: 20MiB}]}\n",
     "~ gateway.paths[/].max_lag_bytes\n~ gateway.paths[/].history_bytes\n"
     "~ gateway.paths[/].memory_bytes !\n"},
    {"a path in front moves the others", "gateway: {paths: [/a, /b]}\n",
     "gateway: {paths: [/0, /a, /b]}\n", "+ gateway.paths[/0]\n"},
    {"paths in another order", "gateway: {paths: ['/{a}', '/{b}']}\n",
     "gateway: {paths: ['/{b}', '/{a}']}\n", "~ gateway.paths\n"},
    {"registries in another order", "registries: [{id: r1}, {id: r2, token: t}]\n",
     "registries: [{id: r2, token: t}, {id: r1}]\n", ""},
    {"a token is not shown", "registries: [{id: r1, token: one}]\n",
     "registries: [{id: r1, token: two}]\n", "~ registries[r1].token\n"},
    {"nor is a hash", "users: [{id: u}]\ntokens: [{subject: u, sha256: " HASH_A "}]\n",
     "users: [{id: u}]\ntokens: [{subject: u, sha256: " HASH_B "}]\n",
     "+ tokens[0]\n- tokens[0]\n"},
    {"until when a token counts", "users: [{id: u}]\ntokens: [{subject: u, sha256: " HASH_A "}]\n",
     "users: [{id: u}]\ntokens: [{subject: u, sha256: " HASH_A ", expires_at: 2030-01-01}]\n",
     "~ tokens[0].expires_at\n"},
    {"bindings have places",
     "users: [{id: u}, {id: v}]\nbindings:\n"
     "  - {subject: u, role: viewer}\n",
     "users: [{id: u}, {id: v}]\nbindings:\n"
     "  - {subject: v, role: viewer}\n"
     "  - {subject: u, role: viewer, resource: {kind: cloud}}\n",
     "~ bindings[0].subject\n+ bindings[1]\n"},
    {"certificates too: the first is the default",
     "gateway: {tls: {certificates: [{certificate_file: a, private_key_file: ak},\n"
     "  {certificate_file: b, private_key_file: bk}]}}\n",
     "gateway: {tls: {certificates: [{certificate_file: b, private_key_file: bk},\n"
     "  {certificate_file: a, private_key_file: ak}]}}\n",
     "~ gateway.tls.certificates[0].certificate_file\n"
     "~ gateway.tls.certificates[0].private_key_file\n"
     "~ gateway.tls.certificates[1].certificate_file\n"
     "~ gateway.tls.certificates[1].private_key_file\n"},
    {"TLS at all", "{}\n",
     "webhooks: {tls: {certificates: [{certificate_file: a, private_key_file: k}]}}\n",
     "+ webhooks.tls.certificates[0]\n"},
    {"triggers", AROUND_TRIGGERS "triggers:\n  - name: one-t\n" RULE("d5dgateway0000000001"),
     AROUND_TRIGGERS "triggers:\n  - name: one-t\n    description: x\n" RULE(
         "d5dgateway0000000001") "  - name: two-t\n" RULE("d5dgateway0000000001"),
     "~ triggers[one-t].description\n+ triggers[two-t]\n"},
    {"another gateway, and who names it",
     AROUND_TRIGGERS "triggers:\n  - name: one-t\n" RULE("d5dgateway0000000001"),
     "gateway: {id: other}\n" AROUND_TRIGGERS "triggers:\n  - name: one-t\n" RULE("other"),
     "~ triggers[one-t].rule.container_registry.gateway_websocket_broadcast.gateway_id !\n"
     "~ gateway.id !\n"},
};

static void test_what_differs(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct config *before = load(CASES[i].before), *after = load(CASES[i].after);
        char *changes = print_diff(before, after);
        if (strcmp(changes, CASES[i].want) != 0)
            fail_msg("%s: %s", CASES[i].name, changes);
        free(changes);
        config_free(before);
        config_free(after);
    }
}

/* What a file says is a setting, not how it is called. */
static void test_files_that_are_named(void **state)
{
    (void) state;
    char file[] = "/tmp/regcast-diff-XXXXXX", text[256];
    int fd = mkstemp(file);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "one\n", 4), 4);
    (void) snprintf(text, sizeof(text), "registries: [{id: r1, token_file: %s}]\n", file);
    struct config *before = load(text), *after = load(text);
    char *changes = print_diff(before, after);
    assert_string_equal(changes, "");
    free(changes);
    config_free(after);
    assert_int_equal(write(fd, "two\n", 4), 4);
    assert_int_equal(close(fd), 0);
    after = load(text);
    changes = print_diff(before, after);
    assert_string_equal(changes, "~ registries[r1].token_file\n");
    free(changes);
    setting_replace(setting_find("registries"), before, after);
    config_free(after);
    assert_string_equal(before->registries[0].tokens.at[1], "two");
    config_free(before);
    assert_int_equal(unlink(file), 0);
}

/* An element inside an element has the names of both. */
static void test_keys_of_an_account(void **state)
{
    (void) state;
    static const char KEYED[] = "service_accounts:\n"
                                "  - id: s1\n"
                                "    keys:\n"
                                "      - id: k1\n"
                                "        public_key: |\n%s"
                                "  - id: s2\n";
    char text[4096], pem[2048] = "";
    static const char *const LINES[] = {
        "-----BEGIN PUBLIC KEY-----",
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAz+WlMMQS4VT7tEuMssgQ",
        "eWWzfkMvDGAFdFSXkare+/NoCl9PdQyWFX0vQ3aZN9Uk6cjItu2KrxLSyFHNF4SH",
        "OxvdLXw2mhVKzug9nSSijCr3bCg4L8HHSfiFGH3oVZHd/YVkGBoEzCqGABD0UYtR",
        "sJBrDDFCbBP6oWHrKzocWbMTbmS/B5CdWKyPARcY88BLyZssYwPePBdkdy9PbZjk",
        "BBQv0oAEVM8tRa7Z/LrrDTawhFCL0STB2tfmBOEto5M0gcSXe3UWi+HbQaj2KIwy",
        "AUB/7z7r1dUAoKhUv41vdsZqq13KxsFbMZ/3kuBv1/MD1qeN+bkIVDgQSfDfoOVO",
        "fQIDAQAB",
        "-----END PUBLIC KEY-----",
    };
    for (size_t i = 0; i < ARRAY_LEN(LINES); i++)
        (void) snprintf(pem + strlen(pem), sizeof(pem) - strlen(pem), "          %s\n", LINES[i]);
    (void) snprintf(text, sizeof(text), KEYED, pem);
    struct config *before = load("service_accounts: [{id: s2}, {id: s1}]\n"), *after = load(text);
    char *changes = print_diff(before, after);
    assert_string_equal(changes, "+ service_accounts[s1].keys[k1]\n");
    free(changes);
    changes = print_diff(after, before);
    assert_string_equal(changes, "- service_accounts[s1].keys[k1]\n");
    free(changes);

    /* Lists are copied with what is in them, and what was there is freed. */
    setting_replace(setting_find("service_accounts"), before, after);
    changes = print_diff(before, after);
    assert_string_equal(changes, "");
    free(changes);
    config_free(after);
    assert_string_equal(before->service_accounts[0].keys[0].id, "k1");
    setting_replace(setting_find("bindings"), before, before); /* nothing for nothing */
    assert_int_equal(before->n_bindings, 0);
    config_free(before);
}

static void test_what_takes_a_restart_is_kept(void **state)
{
    (void) state;
    struct config *before =
        load("cloud_id: c1\nfolder_id: f1\nuser: me\n"
             "gateway: {id: g1, workers: 3, listen: ['127.0.0.1:1', '127.0.0.1:2']}\n"
             "users: [{id: u}]\n"
             "bindings: [{subject: u, role: viewer}]\n" AROUND_TRIGGERS
             "triggers:\n  - name: one-t\n" RULE("g1"));
    struct config *after =
        load("cloud_id: c2\nfolder_id: f2\nlog_level: debug\n"
             "gateway: {id: g2, workers: 4, listen: ['127.0.0.1:3']}\n"
             "journal: {busy_timeout: 3s}\n"
             "users: [{id: u}]\n"
             "bindings: [{subject: u, role: viewer}, {subject: u, role: editor,\n"
             "  resource: {kind: cloud}}, {subject: u, role: admin, resource: {kind: "
             "gateway}}]\n" AROUND_TRIGGERS
             "triggers:\n  - name: two-t\n" RULE("g2") "  - name: one-t\n" RULE("g2"));
    config_keep(after, before);
    char *changes = print_diff(before, after);
    assert_string_equal(changes, "~ log_level\n+ bindings[1]\n+ bindings[2]\n+ triggers[two-t]\n");
    free(changes);
    config_free(before); /* nothing of it is borrowed */
    assert_string_equal(after->gateway.id, "g1");
    assert_int_equal(after->gateway.listen.n, 2);
    assert_string_equal(after->gateway.listen.at[1], "127.0.0.1:2");
    assert_int_equal(after->gateway.workers, 3);
    assert_int_equal(after->journal.busy_timeout_ms, 2000);
    assert_string_equal(after->user, "me");
    assert_string_equal(after->triggers[0].gateway_id, "g1");
    assert_string_equal(after->bindings[0].id, "f1");
    assert_string_equal(after->bindings[1].id, "c1");
    assert_string_equal(after->bindings[2].id, "g1");
    config_free(after);
}

/* Keeping leaves nothing that takes a restart, whatever settings those are. */
static void test_nothing_is_left_that_takes_a_restart(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct config *before = load(CASES[i].before), *after = load(CASES[i].after);
        config_keep(after, before);
        char *changes = print_diff(before, after);
        if (strchr(changes, '!') != NULL)
            fail_msg("%s: %s", CASES[i].name, changes);
        free(changes);
        config_free(before);
        config_free(after);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_differs),
        cmocka_unit_test(test_files_that_are_named),
        cmocka_unit_test(test_keys_of_an_account),
        cmocka_unit_test(test_what_takes_a_restart_is_kept),
        cmocka_unit_test(test_nothing_is_left_that_takes_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
