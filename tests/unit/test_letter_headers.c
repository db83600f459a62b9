/* Tests of broker/base/letter_headers.c: what a dead letter keeps of a request's header fields. */
#include "letter_headers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define FIELD(name, value)                                                                         \
    {                                                                                              \
        SLICE_INIT(name), SLICE_INIT(value)                                                        \
    }

static void assert_kept(const struct header *at, size_t n, const char *want)
{
    struct buf out;
    buf_init(&out, LETTER_HEADERS_MAX);
    assert_int_equal(letter_headers_put((struct headers){at, n}, NULL, &out), 0);
    if (!slice_eq_str(buf_slice(&out), want))
        fail_msg("%.*s", (int) out.len, (const char *) out.data);
    buf_fini(&out);
}

static void test_what_is_kept(void **state)
{
    static const struct header FIELDS[] = {
        FIELD("Host", "h"),
        FIELD("Ce-Type", "zotregistry.image.updated"),
        FIELD("User-Agent", "zot"),
        FIELD("Authorization", "Bearer s3cret"),
        FIELD("Cookie", "s3cret"),
        FIELD("Content-Type", "application/json"),
        FIELD("X-GitHub-Event", "package"),
        FIELD("X-Hub-Signature-256", "sha256=s3cret"),
        FIELD("X-Gitea-Event", "package"),
        FIELD("X-Gitea-Signature", "s3cret"),
        FIELD("X-Forgejo-Event", "package"),
        FIELD("X-Gogs-Event", "package"),
        FIELD("X-JFrog-Event-Auth", "s3cret"),
        FIELD("X-JFrog-Event", "pushed"),
        FIELD("X-Nexus-Webhook-Signature", "s3cret"),
        FIELD("X-Nexus-Webhook-Id", "rm:repository:component"),
        FIELD("X-Goog-Channel-Token", "s3cret"),
        FIELD("X-Goog-Message", "m"),
        FIELD("aeg-event-type", "Notification"),
        FIELD("Webhook-Id", "msg_1"),
        FIELD("traceparent", "00-1-2-01"),
        FIELD("tracestate", "a=b"),
        FIELD("Webhook-Signature", "v1,s3cret"),
        FIELD("X-Api-Key", "s3cret"),
        FIELD("X-JFrog-Art-Api", "s3cret"),
        FIELD("X-Goog-IAP-JWT-Assertion", "s3cret"),
        FIELD("X-GitHub-OTP", "s3cret"),
        FIELD("X-Gitea-OTP", "s3cret"),
        FIELD("X-Other", "s3cret"),
        FIELD("ce-", "not one of CloudEvents"),
        FIELD("X-Real-Ce-Id", "nor this"),
    };
    (void) state;
    assert_kept(FIELDS, ARRAY_LEN(FIELDS),
                "User-Agent: zot\r\n"
                "Content-Type: application/json\r\n"
                "Webhook-Id: msg_1\r\n"
                "traceparent: 00-1-2-01\r\n"
                "Ce-Type: zotregistry.image.updated\r\n"
                "X-GitHub-Event: package\r\n"
                "X-Gitea-Event: package\r\n"
                "X-Forgejo-Event: package\r\n"
                "X-Gogs-Event: package\r\n"
                "X-JFrog-Event: pushed\r\n"
                "X-Nexus-Webhook-Id: rm:repository:component\r\n"
                "X-Goog-Message: m\r\n"
                "aeg-event-type: Notification\r\n");
    assert_kept(NULL, 0, "");
}

/* The header that has the registry's token, whatever it is called. */
static void test_token_header(void **state)
{
    static const struct header FIELDS[] = {FIELD("ce-who", "s3cret"), FIELD("ce-id", "A-1")};
    const struct config_registry registry = {.token_header = "CE-Who"};
    struct buf out;
    (void) state;
    buf_init(&out, LETTER_HEADERS_MAX);
    assert_int_equal(letter_headers_put((struct headers){FIELDS, 2}, &registry, &out), 0);
    assert_true(slice_eq_str(buf_slice(&out), "ce-id: A-1\r\n"));
    buf_fini(&out);
}

/* One that does not fit is left out, and makes no room for what is less. */
static void test_bounded(void **state)
{
    static char large[LETTER_HEADERS_MAX];
    struct header fields[] = {FIELD("ce-large", ""), FIELD("ce-id", "A-1"),
                              FIELD("content-type", "application/json")};
    (void) state;
    memset(large, 'x', sizeof(large));
    fields[0].value = slice_of(large, sizeof(large) - sizeof("ce-large: \r\n") + 2);
    assert_kept(fields, ARRAY_LEN(fields), "content-type: application/json\r\nce-id: A-1\r\n");
    struct buf out;
    buf_init(&out, LETTER_HEADERS_MAX);
    fields[0].value.len--; /* alone it fits to the byte */
    assert_int_equal(letter_headers_put((struct headers){fields, 1}, NULL, &out), 0);
    assert_int_equal(out.len, LETTER_HEADERS_MAX);
    buf_fini(&out);
}

static void test_read(void **state)
{
    struct header fields[LETTER_HEADERS_N];
    struct headers all = letter_headers_read(
        SLICE_LIT("content-type: application/json\r\nno field\r\nce-subject: a: b\r\n"
                  ": nameless\r\nce-empty: \r\nlast: cut"),
        fields);
    (void) state;
    assert_int_equal(all.n, 4);
    assert_true(slice_eq_str(headers_only(all, "Content-Type"), "application/json"));
    assert_true(slice_eq_str(headers_only(all, "ce-subject"), "a: b"));
    assert_true(slice_eq_str(fields[2].name, "ce-empty"));
    assert_int_equal(fields[2].value.len, 0);
    assert_true(slice_eq_str(headers_only(all, "last"), "cut"));
    assert_int_equal(letter_headers_read((struct slice){NULL, 0}, fields).n, 0);
}

/* What is put is read as it was. */
static void test_both_ways(void **state)
{
    static const struct header FIELDS[] = {FIELD("ce-id", "A-1"), FIELD("ce-source", "/a b: c")};
    struct header fields[LETTER_HEADERS_N];
    struct buf out;
    (void) state;
    buf_init(&out, LETTER_HEADERS_MAX);
    assert_int_equal(letter_headers_put((struct headers){FIELDS, 2}, NULL, &out), 0);
    struct headers all = letter_headers_read(buf_slice(&out), fields);
    assert_int_equal(all.n, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(slice_eq(all.at[i].name, FIELDS[i].name));
        assert_true(slice_eq(all.at[i].value, FIELDS[i].value));
    }
    buf_fini(&out);
}

static void test_many(void **state)
{
    struct header fields[LETTER_HEADERS_N];
    struct buf text;
    (void) state;
    buf_init(&text, 1 << 16);
    for (unsigned i = 0; i < LETTER_HEADERS_N + 5; i++)
        assert_int_equal(buf_printf(&text, "ce-%u: x\r\n", i), 0);
    assert_int_equal(letter_headers_read(buf_slice(&text), fields).n, LETTER_HEADERS_N);
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_kept), cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_token_header), cmocka_unit_test(test_read),
        cmocka_unit_test(test_both_ways),    cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
