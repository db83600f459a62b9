/* Tests of broker/webhook_record.c. */
#include "webhook_record.h"

#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct header FIELDS[] = {
    {SLICE_INIT("Content-Type"), SLICE_INIT("application/json")},
    {SLICE_INIT("X-GitHub-Event"), SLICE_INIT("registry_package")},
    {SLICE_INIT("Authorization"), SLICE_INIT("Bearer hush")},
    {SLICE_INIT("X-JFrog-Event-Auth"), SLICE_INIT("hush")},
    {SLICE_INIT("x-odd"), SLICE_INIT("")},
    {SLICE_INIT("X-My-Way"), SLICE_INIT("hush")},
    {SLICE_INIT("x-colon"), SLICE_INIT("a:b: c")},
};
static char TOKEN_HEADER[] = "x-my-way";
static const struct config_registry REGISTRY = {.token_header = TOKEN_HEADER};

static struct webhook_record whole(void)
{
    return (struct webhook_record){.registry_id = SLICE_LIT("crtregistry000000001"),
                                   .received_ms = 1600000000123,
                                   .own = true,
                                   .suspect = true,
                                   .letter = 7,
                                   .peer = SLICE_LIT("192.0.2.1:4711"),
                                   .content_type = SLICE_LIT("application/json"),
                                   .traceparent = SLICE_LIT("00-aa-bb-01"),
                                   .body = SLICE_LIT("{\"a\":1}"),
                                   .delivery_id = SLICE_LIT("msg_1"),
                                   .headers = {FIELDS, ARRAY_LEN(FIELDS)}};
}

static void pack(const struct webhook_record *r, struct buf *out)
{
    buf_init(out, 1 << 20);
    assert_int_equal(webhook_record_pack(r, &REGISTRY, out), 0);
}

static void assert_slices(struct slice a, struct slice b)
{
    if (!slice_eq(a, b))
        fail_msg("%.*s is not %.*s", (int) a.len, (const char *) a.data, (int) b.len,
                 (const char *) b.data);
}

static void assert_same(const struct webhook_record *a, const struct webhook_record *b)
{
    assert_slices(a->registry_id, b->registry_id);
    assert_true(a->received_ms == b->received_ms && a->letter == b->letter);
    assert_true(a->own == b->own && a->suspect == b->suspect);
    assert_slices(a->peer, b->peer);
    assert_slices(a->content_type, b->content_type);
    assert_slices(a->traceparent, b->traceparent);
    assert_slices(a->body, b->body);
    assert_slices(a->delivery_id, b->delivery_id);
    assert_slices(a->event, b->event);
    assert_int_equal(a->headers.n, b->headers.n);
}

static void test_there_and_back(void **state)
{
    (void) state;
    const struct webhook_record all = whole(), little = {.registry_id = SLICE_LIT("r")},
                                event = {.registry_id = SLICE_LIT("r"), .event = SLICE_LIT("\0e")};
    const struct webhook_record *const CASES[] = {&all, &little, &event};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct header fields[WEBHOOK_RECORD_HEADERS];
        struct webhook_record got;
        struct buf packed;
        pack(CASES[i], &packed);
        assert_int_equal(webhook_record_unpack(buf_slice(&packed), fields, &got), 0);
        assert_same(&got, CASES[i]);
        buf_fini(&packed);
    }
}

/* Adapters see that a secret was there, nobody sees it. */
static void test_no_secrets(void **state)
{
    (void) state;
    static const char *const WANT[] = {
        "application/json", "registry_package", "-", "-", "", "-", "a:b: c"};
    const struct webhook_record all = whole();
    struct header fields[WEBHOOK_RECORD_HEADERS];
    struct webhook_record got;
    struct buf packed;
    pack(&all, &packed);
    assert_null(memmem(packed.data, packed.len, "hush", 4));
    assert_int_equal(webhook_record_unpack(buf_slice(&packed), fields, &got), 0);
    for (size_t i = 0; i < ARRAY_LEN(FIELDS); i++) {
        assert_slices(fields[i].name, FIELDS[i].name);
        assert_slices(fields[i].value, slice_str(WANT[i]));
    }
    buf_fini(&packed);
}

static void test_refused(void **state)
{
    (void) state;
    static const struct header MANY[WEBHOOK_RECORD_HEADERS + 1];
    struct webhook_record r = whole();
    char text[2048];
    struct buf out;
    buf_init(&out, 1 << 20);
    memset(text, 'x', sizeof(text));
    r.registry_id = SLICE_LIT("");
    assert_int_equal(webhook_record_pack(&r, NULL, &out), -EINVAL);
    r.registry_id = slice_of(text, WEBHOOK_RECORD_ID_MAX + 1);
    assert_int_equal(webhook_record_pack(&r, NULL, &out), -EINVAL);
    r = whole();
    r.headers = (struct headers){MANY, ARRAY_LEN(MANY)};
    assert_int_equal(webhook_record_pack(&r, NULL, &out), -EMSGSIZE);
    assert_int_equal(out.len, 0);
    buf_fini(&out);
    buf_init(&out, 100);
    r = whole();
    assert_true(webhook_record_pack(&r, NULL, &out) < 0);
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

/* What is too long for its field is left out: nothing is cut into something else. */
static void test_long_texts(void **state)
{
    (void) state;
    char text[WEBHOOK_RECORD_TEXT + 1];
    struct webhook_record r = whole(), got;
    struct header fields[WEBHOOK_RECORD_HEADERS];
    struct buf packed;
    memset(text, 'x', sizeof(text));
    r.content_type = r.traceparent = r.peer = slice_of(text, sizeof(text));
    pack(&r, &packed);
    assert_int_equal(webhook_record_unpack(buf_slice(&packed), fields, &got), 0);
    assert_int_equal(got.content_type.len + got.traceparent.len + got.peer.len, 0);
    buf_fini(&packed);
}

static void test_cut_and_changed(void **state)
{
    (void) state;
    const struct webhook_record all = whole();
    struct header fields[WEBHOOK_RECORD_HEADERS];
    struct webhook_record got;
    struct buf packed;
    pack(&all, &packed);
    size_t cuts = 0;
    for (size_t len = 0; len < packed.len; len++) {
        uint8_t *copy = xmalloc(len + 1); /* of its size: what is read past its end is seen */
        memcpy(copy, packed.data, len);
        cuts += webhook_record_unpack(slice_of(copy, len), fields, &got) == 0;
        free(copy);
    }
    assert_int_equal(cuts, 0);
    for (size_t i = 0; i < packed.len; i++) {
        packed.data[i] ^= 0x55;
        int r = webhook_record_unpack(buf_slice(&packed), fields, &got);
        assert_true(r == 0 || r == -EBADMSG);
        packed.data[i] ^= 0x55;
    }
    packed.data[1] = 2; /* a version whose fields may mean something else */
    assert_int_equal(webhook_record_unpack(buf_slice(&packed), fields, &got), -EBADMSG);
    buf_fini(&packed);
}

/* A field that a later version adds is passed over. */
static void test_fields_to_come(void **state)
{
    (void) state;
    static const uint8_t MORE[] = {200, 3, 0, 0, 0, 'n', 'e', 'w'};
    const struct webhook_record all = whole();
    struct header fields[WEBHOOK_RECORD_HEADERS];
    struct webhook_record got;
    struct buf packed;
    pack(&all, &packed);
    assert_int_equal(buf_append(&packed, slice_of(MORE, sizeof(MORE))), 0);
    assert_int_equal(webhook_record_unpack(buf_slice(&packed), fields, &got), 0);
    assert_same(&got, &all);
    buf_fini(&packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),  cmocka_unit_test(test_no_secrets),
        cmocka_unit_test(test_refused),         cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_cut_and_changed), cmocka_unit_test(test_fields_to_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
