/* Tests of broker/operation.c: names of the API, the stored form. */
#include "operation.h"

#include "mem.h"
#include "tagged.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct operation full(void)
{
    struct operation o = {.id = "a1s00000000000000001",
                          .kind = OPERATION_RESUME_TRIGGER,
                          .created_ns = 1700000000123456789,
                          .modified_ns = 1700000000123456790,
                          .created_by = "ajeuser0000000000001",
                          .trigger_id = "a1s00000000000000002"};
    memset(o.idempotency_key, 'k', OPERATION_KEY_SIZE - 1);
    for (size_t i = 0; i < sizeof(o.request_hash); i++)
        o.request_hash[i] = (uint8_t) i;
    buf_init(&o.response, 100);
    assert_int_equal(buf_append(&o.response, SLICE_LIT("T\1\0\xff")), 0);
    return o;
}

static void test_names(void **state)
{
    (void) state;
    static const struct {
        enum operation_kind kind;
        const char *description, *metadata;
    } CASES[] = {
        {OPERATION_CREATE_TRIGGER, "Create trigger",
         "yandex.cloud.serverless.triggers.v1.CreateTriggerMetadata"},
        {OPERATION_UPDATE_TRIGGER, "Update trigger",
         "yandex.cloud.serverless.triggers.v1.UpdateTriggerMetadata"},
        {OPERATION_DELETE_TRIGGER, "Delete trigger",
         "yandex.cloud.serverless.triggers.v1.DeleteTriggerMetadata"},
        {OPERATION_PAUSE_TRIGGER, "Pause trigger",
         "yandex.cloud.serverless.triggers.v1.PauseTriggerMetadata"},
        {OPERATION_RESUME_TRIGGER, "Resume trigger",
         "yandex.cloud.serverless.triggers.v1.ResumeTriggerMetadata"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct operation o = {.kind = CASES[i].kind};
        assert_string_equal(operation_description(CASES[i].kind), CASES[i].description);
        assert_string_equal(operation_metadata_type(&o), CASES[i].metadata);
        o.api = OPERATION_V2;
        assert_memory_equal(operation_metadata_type(&o), "yandex.cloud.serverless.triggers.v2.",
                            36);
        assert_string_equal(operation_metadata_type(&o) + 36, CASES[i].metadata + 36);
        assert_string_equal(operation_response_type(&o), "google.protobuf.Empty");
    }
    struct operation o = full();
    assert_string_equal(operation_response_type(&o), "yandex.cloud.serverless.triggers.v1.Trigger");
    o.api = OPERATION_V2;
    assert_string_equal(operation_response_type(&o), "yandex.cloud.serverless.triggers.v2.Trigger");
    operation_fini(&o);
}

static void test_pack_and_unpack(void **state)
{
    (void) state;
    struct operation o = full(), back;
    struct buf out;
    buf_init(&out, OPERATION_MAX_BYTES);
    assert_int_equal(operation_pack(&o, &out), 0);
    size_t whole = out.len;
    assert_int_equal(tagged_put_text(&out, 99, "of a later version"), 0);
    assert_int_equal(operation_unpack(buf_slice(&out), &back), 0);
    assert_string_equal(back.id, o.id);
    assert_int_equal(back.kind, o.kind);
    assert_int_equal(back.created_ns, o.created_ns);
    assert_int_equal(back.modified_ns, o.modified_ns);
    assert_string_equal(back.created_by, o.created_by);
    assert_string_equal(back.trigger_id, o.trigger_id);
    assert_string_equal(back.idempotency_key, o.idempotency_key);
    assert_memory_equal(back.request_hash, o.request_hash, sizeof(o.request_hash));
    assert_true(slice_eq(buf_slice(&back.response), buf_slice(&o.response)));
    operation_fini(&back);
    operation_fini(&back);

    for (size_t len = 0; len < whole; len++) { /* cut anywhere */
        int r = operation_unpack(slice_sub(buf_slice(&out), 0, len), &back);
        assert_true(r == 0 || r == -EBADMSG);
        if (r == 0)
            operation_fini(&back);
    }
    mem_fail_at(1); /* the response */
    assert_int_equal(operation_unpack(buf_slice(&out), &back), -ENOMEM);
    mem_fail_at(0);
    buf_fini(&out);
    buf_init(&out, whole - 1);
    assert_int_equal(operation_pack(&o, &out), -EMSGSIZE);
    assert_int_equal(out.len, 0);
    buf_fini(&out);
    operation_fini(&o);
}

/* Records of before there was another version say nothing, and are not made to. */
static void test_api(void **state)
{
    (void) state;
    struct operation o = full(), back;
    struct buf v1, v2;
    buf_init(&v1, OPERATION_MAX_BYTES);
    buf_init(&v2, OPERATION_MAX_BYTES);
    assert_int_equal(operation_pack(&o, &v1), 0);
    o.api = OPERATION_V2;
    assert_int_equal(operation_pack(&o, &v2), 0);
    assert_true(v2.len > v1.len);
    assert_memory_equal(v1.data, v2.data, v1.len);
    assert_int_equal(operation_unpack(buf_slice(&v1), &back), 0);
    assert_int_equal(back.api, OPERATION_V1);
    operation_fini(&back);
    assert_int_equal(operation_unpack(buf_slice(&v2), &back), 0);
    assert_int_equal(back.api, OPERATION_V2);
    operation_fini(&back);
    v2.data[v2.len - 8] = 2; /* its number, little-endian */
    assert_int_equal(operation_unpack(buf_slice(&v2), &back), -EBADMSG);
    buf_fini(&v1);
    buf_fini(&v2);
    operation_fini(&o);
}

static void test_damage(void **state)
{
    (void) state;
#define ID "\1\2\0\0\0a1"
    static const struct {
        const char *name;
        struct slice record;
        int want;
    } CASES[] = {
        {"the least", SLICE_LIT("O\1" ID "\2\10\0\0\0\1\0\0\0\0\0\0\0"), 0},
        {"no kind", SLICE_LIT("O\1" ID), -EBADMSG},
        {"no id", SLICE_LIT("O\1\2\10\0\0\0\1\0\0\0\0\0\0\0"), -EBADMSG},
        {"kind 0", SLICE_LIT("O\1" ID "\2\10\0\0\0\0\0\0\0\0\0\0\0"), -EBADMSG},
        {"kind 6", SLICE_LIT("O\1" ID "\2\10\0\0\0\6\0\0\0\0\0\0\0"), -EBADMSG},
        {"id twice", SLICE_LIT("O\1" ID ID "\2\10\0\0\0\1\0\0\0\0\0\0\0"), -EBADMSG},
        {"short hash", SLICE_LIT("O\1" ID "\2\10\0\0\0\1\0\0\0\0\0\0\0\10\1\0\0\0h"), -EBADMSG},
        {"tag 0", SLICE_LIT("O\1\0\0\0\0\0" ID "\2\10\0\0\0\1\0\0\0\0\0\0\0"), -EBADMSG},
        {"a trigger", SLICE_LIT("T\1" ID "\2\10\0\0\0\1\0\0\0\0\0\0\0"), -EBADMSG},
    };
#undef ID
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct operation o;
        int r = operation_unpack(CASES[i].record, &o);
        assert_int_equal(r, CASES[i].want);
        if (r == 0)
            operation_fini(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_pack_and_unpack),
        cmocka_unit_test(test_api),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
