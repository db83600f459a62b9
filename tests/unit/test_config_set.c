/* Tests of broker/base/config_set.c: values into places. */
#include "config_set.h"

#include "mem.h"
#include "secret_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* Any of the places, zeroed first. */
union place {
    uint64_t number;
    struct event_list types;
    char *text;
    struct config_strings strings;
};

static struct doc_node text_node(const char *text)
{
    return (struct doc_node){
        .kind = DOC_TEXT, .line = 7, .text = (char *) (uintptr_t) text, .null = text[0] == '\0'};
}

/* Reads `yaml` as the value of `key`; what was wrong, or "". */
static const char *read_value(const char *key, const char *yaml, union place *at)
{
    static char wrong[512];
    struct problems problems = {.file = "f"};
    struct doc_node *root = NULL;
    char text[1024];
    (void) snprintf(text, sizeof(text), "k: %s", yaml);
    assert_int_equal(doc_parse(slice_str(text), &problems, &root), 0);
    setting_read(&problems, setting_find(key), root->first, "k", at);
    doc_free(root);
    (void) snprintf(wrong, sizeof(wrong), "%s", problems.n > 0 ? problems.at[0].text : "");
    return wrong;
}

static const struct {
    const char *key, *yaml;
    uint64_t want;
    const char *wrong;
} NUMBERS[] = {
    {"gateway.max_fragments", "64", 64, ""},
    {"gateway.max_fragments", "'64'", 64, ""},
    {"gateway.max_fragments", "1", 1, ""},
    {"gateway.max_fragments", "1000000", 1000000, ""},
    {"gateway.max_fragments", "0", 0, "k: expected a number from 1 to 1000000, got \"0\""},
    {"gateway.max_fragments", "1000001", 0,
     "k: expected a number from 1 to 1000000, got \"1000001\""},
    {"gateway.max_fragments", "[1]", 0, "k: expected a number from 1 to 1000000, got a list of 1"},
    {"gateway.max_fragments", "{a: 1}", 0, "k: expected a number from 1 to 1000000, got a mapping"},
    {"gateway.max_fragments", "", 0, "k: expected a number from 1 to 1000000, got nothing"},
    {"gateway.workers", "auto", 0, ""},
    {"gateway.workers", "256", 256, ""},
    {"gateway.workers", "0", 0, "k: expected auto or a number from 1 to 256, got \"0\""},
    {"gateway.workers", "many", 0, "k: expected auto or a number from 1 to 256, got \"many\""},
    {"registries[].silence_alarm", "auto", 0, ""},
    {"registries[].silence_alarm", "off", CONFIG_ALARM_OFF, ""},
    {"registries[].silence_alarm", "8h", 28800000, ""},
    {"registries[].silence_alarm", "500ms", 0,
     "k: expected auto, off or a duration from 1s to 720h, such as 10m or 8h, got \"500ms\""},
    {"registries[].silence_alarm", "on", 0,
     "k: expected auto, off or a duration from 1s to 720h, such as 10m or 8h, got \"on\""},
    {"gateway.max_fragments", "auto", 0, "k: expected a number from 1 to 1000000, got \"auto\""},
    {"gateway.send_buffer_bytes", "64KiB", 65536, ""},
    {"gateway.send_buffer_bytes", "2GiB", 0,
     "k: expected a size from 0 to 1GiB, such as 4096, 64KiB or 1MiB, got \"2GiB\""},
    {"gateway.deflate", "true", 1, ""},
    {"gateway.deflate", "false", 0, ""},
    {"gateway.deflate", "yes", 0, "k: expected true or false, got \"yes\""},
    {"gateway.deflate", "1", 0, "k: expected true or false, got \"1\""},
    {"gateway.deflate_level", "0", 0, "k: expected a number from 1 to 9, got \"0\""},
    {"gateway.deflate_level", "9", 9, ""},
    {"gateway.deflate_min_bytes", "1KiB", 1024, ""},
    {"gateway.close_timeout", "1ms", 1, ""},
    {"gateway.close_timeout", "3", 3000, ""},
    {"gateway.close_timeout", "0", 0,
     "k: expected a duration from 1ms to 1h, such as 500ms, 20s, 10m or 1h, got \"0\""},
};

static void test_numbers(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(NUMBERS); i++) {
        union place at = {0};
        const char *wrong = read_value(NUMBERS[i].key, NUMBERS[i].yaml, &at);
        if (strcmp(wrong, NUMBERS[i].wrong) != 0 || at.number != NUMBERS[i].want)
            fail_msg("%s: %s: %s", NUMBERS[i].key, NUMBERS[i].yaml, wrong);
    }
}

static const struct {
    const char *key, *yaml, *want, *wrong;
} TEXTS[] = {
    {"folder_id", "abc", "abc", ""},
    {"folder_id", "5", "5", ""},
    {"folder_id", "''", NULL, "k: expected 1 to 50 characters of letters, digits, _ . -, got \"\""},
    {"folder_id", "~", NULL,
     "k: expected 1 to 50 characters of letters, digits, _ . -, got nothing"},
    {"folder_id", "a b", NULL,
     "k: expected 1 to 50 characters of letters, digits, _ . -, got \"a b\""},
    {"data_dir", "/tmp/\xd0\xb6", "/tmp/\xd0\xb6", ""},
    {"triggers[].rule.container_registry.tag", "", "", ""},
    {"triggers[].rule.container_registry.tag", "''", "", ""},
    {"triggers[].rule.container_registry.tag", "v1.0", "v1.0", ""},
    {"triggers[].rule.container_registry.tag", "1.10", "1.10", ""}, /* no number to us */
    {"log_level", "warn", "warn", ""},
    {"log_level", "WARN", NULL, "k: expected debug, info, warn or error, got \"WARN\""},
    {"engine", "embedded", "embedded", ""},
    {"engine", "nats", "nats", ""},
    {"engine", "steam", NULL, "k: expected embedded, memory or nats, got \"steam\""},
    {"nats.node", "node_1", "node_1", ""},
    {"nats.node", "Node.1", NULL,
     "k: expected 1 to 63 characters of lower-case letters, digits, - and _, got \"Node.1\""},
    {"registries[].kind", "harbor", "harbor", ""},
    {"registries[].token_header", "X-Api-Key", "X-Api-Key", ""},
    {"registries[].token_header", "'X-Api-Key:'", NULL,
     "k: expected 1 to 64 characters of a header's name, got \"X-Api-Key:\""},
    {"registries[].oidc.jwks_url", "http://keys.example/", NULL,
     "k: expected 1 to 1000 characters of https://..., or http://... of a loopback address, got "
     "\"http://keys.example/\""},
    {"registries[].oidc.jwks_file", "keys.json", "keys.json", ""},
    {"registries[].oidc.jwks_file", "credential:a/b", NULL,
     "k: expected credential:NAME with a file's name, got another one"},
    {"gateway.tls.client_ca_file", "credential:ca", NULL,
     "k: expected a path, since CREDENTIALS_DIRECTORY is not in the environment (systemd: "
     "LoadCredential=), got a credential"},
    {"data_dir", "credential:data", "credential:data", ""}, /* it is no file */
    {"registries[].token", "s3cret!", "s3cret!", ""},
    {"registries[].token", "'a secret'", NULL,
     "k: expected 1 to 4096 characters of visible ASCII, got something else"},
    {"gateway.auth.issuers[].secret_file", "/nowhere/at-all", NULL,
     "k: expected a file that can be read, got: no such file or directory"},
    {"gateway.auth.issuers[].secret_file", "/", NULL,
     "k: expected a file that can be read, got: illegal operation on a directory"},
    {"gateway.auth.issuers[].secret_file", "/dev/null", NULL,
     "k: expected a file whose first line is 32 to 4096 characters of visible ASCII, got another "
     "one"},
};

static void test_texts(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        union place at = {0};
        const char *wrong = read_value(TEXTS[i].key, TEXTS[i].yaml, &at);
        const char *want = TEXTS[i].want;
        if (strcmp(wrong, TEXTS[i].wrong) != 0 || (at.text == NULL) != (want == NULL) ||
            (want != NULL && strcmp(at.text, want) != 0))
            fail_msg("%s: %s: %s", TEXTS[i].key, TEXTS[i].yaml, wrong);
        setting_fini(setting_find(TEXTS[i].key), &at);
        assert_null(at.text);
    }
}

/* Lengths count characters, not bytes. */
static void test_length_of_text(void **state)
{
    (void) state;
    const struct setting *s = setting_find("triggers[].description");
    char text[1024] = "";
    for (size_t n = 0; n <= 501; n++) {
        if (n >= 499) {
            union place at = {0};
            struct problems problems = {.file = "f"};
            struct doc_node node = text_node(text);
            setting_read(&problems, s, &node, "k", &at);
            assert_int_equal(problems.n, n <= 500 ? 0 : 1);
            setting_fini(s, &at);
        }
        if (n < 501)
            memcpy(text + strlen(text), "\xd0\xb6", 3); /* with the zero */
    }
}

#define SECRET "a-secret-of-thirty-two-characters"

static const struct {
    const char *content; /* of the file */
    const char *want;    /* NULL: refused */
} TOKEN_FILES[] = {
    {SECRET "\n", SECRET},
    {SECRET, SECRET},
    {SECRET "\r\nsecond line\n", SECRET},
    {"\n" SECRET "\n", NULL},
    {"", NULL},
    {SECRET " en\n", NULL},
    {" " SECRET "\n", NULL},
    {SECRET "\xff\n", NULL},
};

static void test_token_files(void **state)
{
    (void) state;
    char name[] = "/tmp/regcast-token-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    (void) close(fd);
    for (size_t i = 0; i < ARRAY_LEN(TOKEN_FILES); i++) {
        FILE *f = fopen(name, "w");
        assert_non_null(f);
        (void) fputs(TOKEN_FILES[i].content, f);
        (void) fclose(f);
        union place at = {0};
        const char *wrong = read_value("gateway.auth.issuers[].secret_file", name, &at);
        if (TOKEN_FILES[i].want == NULL) {
            assert_non_null(strstr(wrong, "got another one"));
            assert_null(at.text);
        } else {
            assert_string_equal(wrong, "");
            assert_string_equal(at.text, TOKEN_FILES[i].want);
        }
        free(at.text);
    }
    for (size_t len = 4096; len <= 4097; len++) { /* the longest, and one more */
        FILE *f = fopen(name, "w");
        assert_non_null(f);
        for (size_t i = 0; i < len; i++)
            (void) fputc('t', f);
        (void) fputc('\n', f);
        (void) fclose(f);
        union place at = {0};
        const char *wrong = read_value("gateway.auth.issuers[].secret_file", name, &at);
        assert_int_equal(wrong[0] == '\0', len == 4096);
        assert_int_equal(at.text == NULL ? 0 : strlen(at.text), len == 4096 ? 4096 : 0);
        free(at.text);
    }
    (void) unlink(name);
}

#define HOOK       "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define PATH_TOKEN "AZaz09-_AZaz09-_AZaz09-_"

static const struct {
    const char *key, *content;
    size_t n; /* 0: refused */
} LINES_FILES[] = {
    {"registries[].token_file", "one\n", 1},
    {"registries[].token_file", "one", 1},
    {"registries[].token_file", "one\r\ntwo\r\n\r\n", 2},
    {"registries[].token_file", "one\ntwo\nthree\nfour\n\n", 4},
    {"registries[].token_file", "one\ntwo\nthree\nfour\nfive\n", 0},
    {"registries[].token_file", "one\n\ntwo\n", 0},
    {"registries[].token_file", "one\nt o\n", 0},
    {"registries[].token_file", "\none\n", 0},
    {"registries[].token_file", "\n", 0},
    {"registries[].token_file", "", 0},
    {"registries[].signature_secret_file", HOOK "\n" HOOK "\n", 2},
    {"registries[].signature_secret_file", "It's a Secret to Everybody\nnext\n", 2},
    {"registries[].signature_secret_file", "a space at the end \n", 0},
    {"registries[].signature_secret_file", " a space in front\n", 0},
    {"registries[].signature_secret_file", "a\ttabulator\n", 0},
    {"registries[].signature_secret_file", "r\xc3\xa9p\xc3\xa9tition\n", 0},
    {"registries[].path_token_file", PATH_TOKEN "\nabcdefghijklmnopqrstuvwxyz\n", 2},
    {"registries[].path_token_file", "23456789012345678901234\n", 0}, /* 23 */
    {"registries[].path_token_file", PATH_TOKEN "/\n", 0},
    {"registries[].path_token_file", PATH_TOKEN "%41\n", 0},
    {"registries[].path_token_file", PATH_TOKEN "=\n", 0},
};

static void write_file(const char *name, const char *content)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    (void) fputs(content, f);
    (void) fclose(f);
}

static void test_lines_files(void **state)
{
    (void) state;
    char name[] = "/tmp/regcast-lines-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    (void) close(fd);
    for (size_t i = 0; i < ARRAY_LEN(LINES_FILES); i++) {
        union place at = {0};
        write_file(name, LINES_FILES[i].content);
        const char *wrong = read_value(LINES_FILES[i].key, name, &at);
        if (LINES_FILES[i].n == 0)
            assert_non_null(strstr(wrong, "got another one"));
        else
            assert_string_equal(wrong, "");
        if (LINES_FILES[i].n > 0)
            assert_int_equal(at.strings.n, LINES_FILES[i].n);
        setting_fini(setting_find(LINES_FILES[i].key), &at);
        assert_int_equal(at.strings.n, 0);
    }
    (void) unlink(name);
}

/* Secrets that anybody could read or change are none; a public key is no secret. */
static void test_open_files(void **state)
{
    (void) state;
    static const char *const KEYS[] = {"registries[].token_file",
                                       "gateway.auth.issuers[].secret_file"};
    char name[] = "/tmp/regcast-open-XXXXXX", want[512];
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    (void) close(fd);
    write_file(name, SECRET "\n");
    for (size_t i = 0; i < ARRAY_LEN(KEYS); i++) {
        union place at = {0};
        assert_int_equal(chmod(name, 0644), 0);
        (void) snprintf(want, sizeof(want), "k: expected %s, got mode 0644", SECRET_FILE_EXPECTED);
        assert_string_equal(read_value(KEYS[i], name, &at), want);
        setting_fini(setting_find(KEYS[i]), &at);
        assert_int_equal(chmod(name, 0640), 0);
        assert_string_equal(read_value(KEYS[i], name, &at), "");
        setting_fini(setting_find(KEYS[i]), &at);
    }
    assert_int_equal(chmod(name, 0644), 0);
    union place at = {0};
    const char *wrong = read_value("service_accounts[].keys[].public_key_file", name, &at);
    assert_non_null(strstr(wrong, "got another one")); /* it was read */
    (void) unlink(name);
}

static const struct {
    const char *key, *yaml;
    size_t n;
    const char *wrong;
} LISTS_OF_TEXT[] = {
    {"gateway.listen", "['127.0.0.1:0', 'localhost:1']", 2, ""},
    {"gateway.listen", "[]", 0,
     "k: expected a list of 1 to 16: address:port with an IPv4 address, an [IPv6] address or "
     "localhost, got a list of 0"},
    {"gateway.listen", "127.0.0.1:0", 0,
     "k: expected a list of 1 to 16: address:port with an IPv4 address, an [IPv6] address or "
     "localhost, got \"127.0.0.1:0\""},
    {"gateway.listen", "['127.0.0.1:0', 'x']", 1,
     "k[1]: expected address:port with an IPv4 address, an [IPv6] address or localhost, got \"x\""},
    {"gateway.listen", "[[a], '127.0.0.1:0']", 1,
     "k[0]: expected address:port with an IPv4 address, an [IPv6] address or localhost, "
     "got a list of 1"},
    {"gateway.allowed_origins", "", 0, ""},
    {"gateway.allowed_origins", "['']", 0,
     "k[0]: expected scheme://host or scheme://host:port without capitals, got \"\""},
    {"service_accounts[].roles", "[viewer, api-gateway.viewer]", 2, ""},
    {"service_accounts[].roles", "[~]", 0,
     "k[0]: expected a role, such as functions.viewer, got nothing"},
};

static void test_lists_of_text(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(LISTS_OF_TEXT); i++) {
        union place at = {0};
        const char *wrong = read_value(LISTS_OF_TEXT[i].key, LISTS_OF_TEXT[i].yaml, &at);
        if (strcmp(wrong, LISTS_OF_TEXT[i].wrong) != 0 || at.strings.n != LISTS_OF_TEXT[i].n)
            fail_msg("%s: %s: %s", LISTS_OF_TEXT[i].key, LISTS_OF_TEXT[i].yaml, wrong);
        setting_fini(setting_find(LISTS_OF_TEXT[i].key), &at);
    }
}

static void test_a_value_replaces_the_default(void **state)
{
    (void) state;
    union place at = {0};
    const struct setting *s = setting_find("gateway.listen");
    setting_default(s, &at);
    assert_string_equal(at.strings.at[0], "0.0.0.0:8080");
    assert_string_equal(read_value(s->key, "['[::]:1']", &at), "");
    assert_int_equal(at.strings.n, 1);
    assert_string_equal(at.strings.at[0], "[::]:1");
    setting_fini(s, &at);

    at = (union place){0};
    s = setting_find("log_level");
    setting_default(s, &at);
    assert_string_equal(at.text, "info");
    assert_string_equal(read_value(s->key, "error", &at), "");
    assert_string_equal(at.text, "error");
    setting_fini(s, &at);
}

static const struct {
    const char *yaml;
    struct event_list types;
    const char *wrong;
} EVENTS[] = {
    {"[CREATE_IMAGE]", {CONFIG_CREATE_IMAGE, {0}}, ""},
    {"[CONTAINER_REGISTRY_EVENT_TYPE_DELETE_IMAGE]", {CONFIG_DELETE_IMAGE, {0}}, ""},
    {"[CREATE_IMAGE_TAG, DELETE_IMAGE_TAG, CREATE_IMAGE_TAG]",
     {CONFIG_CREATE_IMAGE_TAG | CONFIG_DELETE_IMAGE_TAG, {0}},
     ""},
    {"[DELETE_IMAGE_TAG, CREATE_IMAGE, DELETE_IMAGE_TAG]",
     {CONFIG_DELETE_IMAGE_TAG | CONFIG_CREATE_IMAGE, {4, 1}},
     ""},
    {"[CREATE_IMAGE, PULL]",
     {CONFIG_CREATE_IMAGE, {0}},
     "k[1]: expected CREATE_IMAGE, DELETE_IMAGE, CREATE_IMAGE_TAG or DELETE_IMAGE_TAG, got "
     "\"PULL\""},
    {"[CONTAINER_REGISTRY_EVENT_TYPE_UNSPECIFIED]",
     {0},
     "k[0]: expected CREATE_IMAGE, DELETE_IMAGE, CREATE_IMAGE_TAG or DELETE_IMAGE_TAG, got "
     "\"CONTAINER_REGISTRY_EVENT_TYPE_UNSPECIFIED\""},
    {"[]", {0}, "k: expected a list of 1 to 8, got a list of 0"},
    {"CREATE_IMAGE", {0}, "k: expected a list of 1 to 8, got \"CREATE_IMAGE\""},
    {"[{}]",
     {0},
     "k[0]: expected CREATE_IMAGE, DELETE_IMAGE, CREATE_IMAGE_TAG or DELETE_IMAGE_TAG, got a "
     "mapping"},
};

static void test_events(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(EVENTS); i++) {
        union place at = {0};
        const char *wrong =
            read_value("triggers[].rule.container_registry.event_type", EVENTS[i].yaml, &at);
        if (strcmp(wrong, EVENTS[i].wrong) != 0 || !event_list_equal(&at.types, &EVENTS[i].types))
            fail_msg("%s: %u %s", EVENTS[i].yaml, at.types.mask, wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_length_of_text), cmocka_unit_test(test_token_files),
        cmocka_unit_test(test_lines_files),    cmocka_unit_test(test_open_files),
        cmocka_unit_test(test_lists_of_text),  cmocka_unit_test(test_a_value_replaces_the_default),
        cmocka_unit_test(test_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
