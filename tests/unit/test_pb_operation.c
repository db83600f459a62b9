/* Tests of gateway/pb_operation.c: an operation of each kind in the types of its version, as
 * operation.h names them. */
#include "pb_operation.h"

#include "pb_trigger.h"
#include "trigger_spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define PREFIX "type.googleapis.com/"

static void make(enum operation_kind kind, enum operation_api api, struct operation *ret)
{
    struct trigger_spec t;
    *ret = (struct operation){.id = "a1soperation00000001",
                              .kind = kind,
                              .api = api,
                              .created_by = "alice",
                              .trigger_id = "a1strigger0000000001",
                              .created_ns = 1000000001,
                              .modified_ns = 2000000002};
    buf_init(&ret->response, OPERATION_MAX_BYTES);
    if (kind == OPERATION_DELETE_TRIGGER)
        return;
    trigger_spec_init(&t);
    trigger_spec_set(&t.name, SLICE_LIT("abc"));
    assert_int_equal(trigger_spec_pack(&t, &ret->response), 0);
    trigger_spec_fini(&t);
}

static void test_each_kind(void **state)
{
    (void) state;
    for (unsigned i = 0; i < 10; i++) {
        struct operation o;
        struct pb_arena a;
        make(OPERATION_CREATE_TRIGGER + i / 2, i % 2 == 0 ? OPERATION_V1 : OPERATION_V2, &o);
        pb_arena_init(&a, 0);
        const pb_operation *out = pb_operation_make(&a, &o);
        assert_non_null(out);
        assert_string_equal(out->id, o.id);
        assert_string_equal(out->description, operation_description(o.kind));
        assert_string_equal(out->created_by, "alice");
        assert_int_equal(out->created_at->seconds, 1);
        assert_int_equal(out->created_at->nanos, 1);
        assert_int_equal(out->modified_at->seconds, 2);
        assert_int_equal(out->modified_at->nanos, 2);
        assert_true(out->done);
        assert_int_equal(out->result_case, YANDEX__CLOUD__OPERATION__OPERATION__RESULT_RESPONSE);
        assert_string_equal(out->metadata->type_url + strlen(PREFIX), operation_metadata_type(&o));
        assert_memory_equal(out->metadata->type_url, PREFIX, strlen(PREFIX));
        assert_memory_equal(out->metadata->value.data, "\n\24a1strigger0000000001", 22);
        assert_int_equal(out->metadata->value.len, 22);
        assert_string_equal(out->response->type_url + strlen(PREFIX), operation_response_type(&o));
        assert_int_equal(out->response->value.len > 0, o.kind != OPERATION_DELETE_TRIGGER);
        pb_arena_fini(&a);
        operation_fini(&o);
    }
}

static void test_response_that_cannot_be_read(void **state)
{
    struct operation o;
    struct pb_arena a;
    (void) state;
    make(OPERATION_CREATE_TRIGGER, OPERATION_V1, &o);
    pb_arena_init(&a, 0);
    o.response.data[0] ^= 1;
    assert_null(pb_operation_make(&a, &o));
    o.response.data[0] ^= 1;
    assert_non_null(pb_operation_make(&a, &o));
    pb_arena_fini(&a);
    operation_fini(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind),
        cmocka_unit_test(test_response_that_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
