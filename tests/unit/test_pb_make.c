/* Tests of gateway/pb_make.c: messages that are built in an arena. */
#include "pb_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_message_and_list(void **state)
{
    struct pb_arena a;
    (void) state;
    pb_arena_init(&a, 0);
    const Google__Protobuf__Any *any = pb_make(&a, &google__protobuf__any__descriptor);
    assert_ptr_equal(any->base.descriptor, &google__protobuf__any__descriptor);
    assert_string_equal(any->type_url, "");
    assert_int_equal(any->value.len, 0);
    assert_null(pb_make_list(&a, 0));
    void **list = pb_make_list(&a, 3);
    for (size_t i = 0; i < 3; i++)
        assert_null(list[i]);
    pb_arena_fini(&a);
}

static void test_time(void **state)
{
    static const struct {
        uint64_t ns;
        int64_t seconds;
        int32_t nanos;
    } CASES[] = {
        {1, 0, 1},
        {999999999, 0, 999999999},
        {1000000000, 1, 0},
        {1700000000123456789, 1700000000, 123456789},
        {UINT64_MAX, 18446744073, 709551615},
    };
    struct pb_arena a;
    (void) state;
    pb_arena_init(&a, 0);
    assert_null(pb_make_time(&a, 0));
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const Google__Protobuf__Timestamp *t = pb_make_time(&a, CASES[i].ns);
        assert_int_equal(t->seconds, CASES[i].seconds);
        assert_int_equal(t->nanos, CASES[i].nanos);
    }
    pb_arena_fini(&a);
}

static void test_duration(void **state)
{
    static const struct {
        uint64_t ms;
        int64_t seconds;
        int32_t nanos;
    } CASES[] = {
        {0, 0, 0}, /* is there all the same */
        {1, 0, 1000000},
        {1999, 1, 999000000},
        {60000, 60, 0},
    };
    struct pb_arena a;
    (void) state;
    pb_arena_init(&a, 0);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const Google__Protobuf__Duration *d = pb_make_duration(&a, CASES[i].ms);
        assert_int_equal(d->seconds, CASES[i].seconds);
        assert_int_equal(d->nanos, CASES[i].nanos);
    }
    pb_arena_fini(&a);
}

static void test_any(void **state)
{
    struct pb_arena a, b;
    ProtobufCMessage *back = NULL;
    (void) state;
    pb_arena_init(&a, 0);
    pb_arena_init(&b, 1000);
    const Google__Protobuf__Any *empty = pb_make_any(&a, &pb_make_duration(&a, 0)->base);
    assert_int_equal(empty->value.len, 0);
    const Google__Protobuf__Any *any = pb_make_any(&a, &pb_make_duration(&a, 1500)->base);
    assert_string_equal(any->type_url, "type.googleapis.com/google.protobuf.Duration");
    assert_int_equal(pb_unpack(&google__protobuf__duration__descriptor,
                               slice_of(any->value.data, any->value.len), &b, &back),
                     0);
    assert_int_equal(((const Google__Protobuf__Duration *) (void *) back)->seconds, 1);
    assert_int_equal(((const Google__Protobuf__Duration *) (void *) back)->nanos, 500000000);
    pb_arena_fini(&a);
    pb_arena_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message_and_list),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_duration),
        cmocka_unit_test(test_any),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
