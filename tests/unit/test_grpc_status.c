/* Tests of gateway/grpc_status.c: the texts to the byte, and the details as a client reads them. */
#include "grpc_status.h"

#include "mem.h"
#include "pb.h"

#include <google/rpc/error_details.pb-c.h>
#include <google/rpc/status.pb-c.h>
#include <mbedtls/base64.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <yandex/cloud/quota/quota.pb-c.h>

#include <cmocka.h>

static void test_message(void **state)
{
    static const struct {
        const char *message, *expect;
    } CASES[] = {
        {"", ""},
        {"Trigger a1s not found", "Trigger a1s not found"},
        {"100%", "100%25"},
        {"%41", "%2541"},
        {"a\tb\r\n\x7f", "a%09b%0D%0A%7F"},
        {"\xd0\x96", "%D0%96"},
        {"\xf0\x9f\x90\xb3!", "%F0%9F%90%B3!"},
        {"!\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~", "!\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"},
        {" a b ", "%20a b%20"},
        {" ", "%20"},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct buf out;
        buf_init(&out, 100);
        assert_int_equal(buf_append_str(&out, "x"), 0);
        assert_int_equal(grpc_status_message(CASES[i].message, &out), 0);
        if (!slice_eq_str(slice_from(buf_slice(&out), 1), CASES[i].expect))
            fail_msg("'%s': '%.*s'", CASES[i].message, (int) out.len, (const char *) out.data);
        buf_fini(&out);
    }
}

/* --- details --- */

struct sent {
    struct pb_arena arena;
    struct buf text;
    Google__Rpc__Status *status;
};

static struct sent send_details(const struct status *s, const char *request_id)
{
    struct sent sent;
    ProtobufCMessage *m = NULL;
    uint8_t packed[16384];
    char text[16384];
    size_t n = 0;
    buf_init(&sent.text, sizeof(text) - 4);
    assert_int_equal(grpc_status_details(s, request_id, &sent.text), 0);
    memcpy(text, sent.text.data, sent.text.len);
    assert_null(memchr(text, '=', sent.text.len));
    memset(text + sent.text.len, '=', 4);
    size_t len = (sent.text.len + 3) / 4 * 4;
    assert_int_equal(mbedtls_base64_decode(packed, sizeof(packed), &n, (uint8_t *) text, len), 0);
    pb_arena_init(&sent.arena, 1 << 20);
    assert_int_equal(
        pb_unpack(&google__rpc__status__descriptor, slice_of(packed, n), &sent.arena, &m), 0);
    sent.status = (Google__Rpc__Status *) m;
    assert_int_equal(sent.status->code, s->code);
    assert_string_equal(sent.status->message, s->message);
    return sent;
}

static void sent_fini(struct sent *sent)
{
    pb_arena_fini(&sent->arena);
    buf_fini(&sent->text);
}

static const void *detail(struct sent *sent, size_t i, const ProtobufCMessageDescriptor *type)
{
    ProtobufCMessage *m = NULL;
    assert_in_range(i, 0, sent->status->n_details - 1);
    const Google__Protobuf__Any *any = sent->status->details[i];
    assert_true(strncmp(any->type_url, "type.googleapis.com/", 20) == 0);
    assert_string_equal(any->type_url + 20, type->name);
    struct slice packed = slice_of(any->value.data, any->value.len);
    assert_int_equal(pb_unpack(type, packed, &sent->arena, &m), 0);
    return m;
}

static void expect_request(struct sent *sent, size_t i, const char *id)
{
    const Google__Rpc__RequestInfo *info = detail(sent, i, &google__rpc__request_info__descriptor);
    assert_string_equal(info->request_id, id);
    assert_string_equal(info->serving_data, "");
}

/* As REST's {"code":5,"message":"none","details":[{"@type":".../google.rpc.RequestInfo",...}]}. */
static void test_bytes(void **state)
{
    static const char PACKED[] =
        "\x08\x05\x12\x04none\x1a\x32\x0a\x2atype.googleapis.com/google.rpc.RequestInfo\x12\x04\x0a"
        "\x02r1";
    struct status s;
    char expect[200];
    size_t n = 0;
    (void) state;
    status_set(&s, STATUS_NOT_FOUND, "none");
    struct sent sent = send_details(&s, "r1");
    assert_int_equal(mbedtls_base64_encode((uint8_t *) expect, sizeof(expect), &n,
                                           (const uint8_t *) PACKED, sizeof(PACKED) - 1),
                     0);
    while (n > 0 && expect[n - 1] == '=')
        n--;
    assert_true(slice_eq(buf_slice(&sent.text), slice_of(expect, n)));
    expect_request(&sent, 0, "r1");
    assert_int_equal(sent.status->n_details, 1);
    sent_fini(&sent);
}

/* The three lengths that base64 pads differently. */
static void test_padding(void **state)
{
    struct status s;
    (void) state;
    for (int n = 0; n < 6; n++) {
        status_set(&s, STATUS_INTERNAL, "%.*s", n, "abcdef");
        struct sent sent = send_details(&s, "r");
        assert_int_not_equal(sent.text.len % 4, 1);
        expect_request(&sent, 0, "r");
        sent_fini(&sent);
    }
}

static void test_violations(void **state)
{
    struct status s = {.code = STATUS_OK};
    (void) state;
    status_violate(&s, "name", "must be short");
    status_violate(&s, "rule.container_registry.tag", "\xd0\x96 is not in it");
    struct sent sent = send_details(&s, "r1");
    assert_int_equal(sent.status->n_details, 2);
    const Google__Rpc__BadRequest *bad = detail(&sent, 0, &google__rpc__bad_request__descriptor);
    assert_int_equal(bad->n_field_violations, 2);
    assert_string_equal(bad->field_violations[0]->field, "name");
    assert_string_equal(bad->field_violations[0]->description, "must be short");
    assert_string_equal(bad->field_violations[1]->field, "rule.container_registry.tag");
    assert_string_equal(bad->field_violations[1]->description, "\xd0\x96 is not in it");
    expect_request(&sent, 1, "r1");
    sent_fini(&sent);
}

static void test_quota(void **state)
{
    struct status s;
    (void) state;
    status_set(&s, STATUS_RESOURCE_EXHAUSTED, "full");
    s.quota = (struct status_quota){.name = "q", .limit = 100, .usage = 99, .required = 101};
    struct sent sent = send_details(&s, "r1");
    assert_int_equal(sent.status->n_details, 2);
    const Yandex__Cloud__Quota__QuotaFailure *q =
        detail(&sent, 0, &yandex__cloud__quota__quota_failure__descriptor);
    assert_int_equal(q->n_violations, 1);
    assert_string_equal(q->violations[0]->metric->name, "q");
    assert_int_equal(q->violations[0]->metric->limit, 100);
    assert_true(q->violations[0]->metric->usage == 99);
    assert_int_equal(q->violations[0]->required, 101);
    expect_request(&sent, 1, "r1");
    sent_fini(&sent);
}

/* All at once and as long as it gets: clients of the C core take 8 KiB of metadata without a word.
 */
static void test_largest(void **state)
{
    static char longest[1000];
    struct status s = {.code = STATUS_OK};
    (void) state;
    memset(longest, '%', sizeof(longest) - 1);
    for (size_t i = 0; i < STATUS_MAX_VIOLATIONS; i++)
        status_violate(&s, longest, "%s", longest);
    s.quota = (struct status_quota){.name = "q", .limit = 1, .usage = 1, .required = 2};
    struct sent sent = send_details(&s, "0f8fad5b-d9cb-469f-a165-70867728950e");
    assert_int_equal(sent.status->n_details, 3);
    const Google__Rpc__BadRequest *bad = detail(&sent, 0, &google__rpc__bad_request__descriptor);
    assert_in_range(bad->n_field_violations, 8, STATUS_MAX_VIOLATIONS);
    for (size_t i = 0; i < bad->n_field_violations; i++)
        assert_string_equal(bad->field_violations[i]->field, s.violations[i].field);
    (void) detail(&sent, 1, &yandex__cloud__quota__quota_failure__descriptor);
    expect_request(&sent, 2, "0f8fad5b-d9cb-469f-a165-70867728950e");
    assert_in_range(sent.text.len, GRPC_STATUS_MAX_DETAILS * 3 / 4, GRPC_STATUS_MAX_DETAILS);
    struct buf message;
    buf_init(&message, 8192);
    assert_int_equal(grpc_status_message(s.message, &message), 0);
    assert_in_range(sent.text.len + message.len, 1, 8192 - 768);
    buf_fini(&message);
    sent_fini(&sent);
}

static void test_no_room(void **state)
{
    struct status s;
    struct buf out;
    (void) state;
    status_set(&s, STATUS_NOT_FOUND, "none");
    buf_init(&out, 20);
    assert_int_equal(buf_append_str(&out, "x"), 0);
    assert_int_equal(grpc_status_details(&s, "r1", &out), -EMSGSIZE);
    assert_int_equal(grpc_status_message("plain, and then \xff\xff", &out), -EMSGSIZE);
    assert_true(slice_eq_str(buf_slice(&out), "x"));
    buf_fini(&out);
    for (unsigned n = 1; n <= 2; n++) { /* the packed bytes, the text */
        buf_init(&out, 1000);
        mem_fail_at(n);
        assert_int_equal(grpc_status_details(&s, "r1", &out), -ENOMEM);
        assert_int_equal(out.len, 0);
        mem_fail_at(0);
        buf_fini(&out);
    }
}

static void test_timeout(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
        int expect;
    } CASES[] = {
        {"1H", 3600000, 0},
        {"99999999H", 359999996400000, 0},
        {"1M", 60000, 0},
        {"30S", 30000, 0},
        {"0S", 0, 0},
        {"00000007S", 7000, 0},
        {"250m", 250, 0},
        {"1m", 1, 0},
        {"0m", 0, 0},
        {"1u", 1, 0},
        {"1000u", 1, 0},
        {"1001u", 2, 0},
        {"0u", 0, 0},
        {"1n", 1, 0},
        {"1000000n", 1, 0},
        {"1000001n", 2, 0},
        {"99999999n", 100, 0},
        {"", 0, -EINVAL},
        {"S", 0, -EINVAL},
        {"1", 0, -EINVAL},
        {"1s", 0, -EINVAL},
        {"1h", 0, -EINVAL},
        {"1ms", 0, -EINVAL},
        {"-1S", 0, -EINVAL},
        {"+1S", 0, -EINVAL},
        {" 1S", 0, -EINVAL},
        {"1S ", 0, -EINVAL},
        {"1.5S", 0, -EINVAL},
        {"0x1S", 0, -EINVAL},
        {"000000007S", 0, -EINVAL},
        {"999999999n", 0, -EINVAL},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        uint64_t ms = 12345;
        int r = grpc_status_timeout(slice_str(CASES[i].text), &ms);
        if (r != CASES[i].expect || ms != (r == 0 ? CASES[i].ms : 12345))
            fail_msg("'%s': %d, %llu ms", CASES[i].text, r, (unsigned long long) ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message), cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_padding), cmocka_unit_test(test_violations),
        cmocka_unit_test(test_quota),   cmocka_unit_test(test_largest),
        cmocka_unit_test(test_no_room), cmocka_unit_test(test_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
