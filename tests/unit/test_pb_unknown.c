/* Tests of gateway/pb_unknown.c: which of the fields that a message's type does not have is told.
 */
#include "pb_unknown.h"

#include "wire.h"

#include <google/protobuf/empty.pb-c.h>
#include <stdio.h>

static void note(const char *name, struct status *found)
{
    status_set(found, STATUS_UNIMPLEMENTED, "%s", name);
}

static void test_refuse(void **state)
{
    static const struct pb_unknown_name NAMES[] = {{2, "two"}, {536870911, "the last"}};
    static const struct {
        const char *fields, *where;
        enum status_code code;
        const char *told;
    } CASES[] = {
        {"", "a.b.", STATUS_OK, ""},
        {"2:1", "a.b.", STATUS_UNIMPLEMENTED, "two"},
        {"536870911:{1:1}", "a.b.", STATUS_UNIMPLEMENTED, "the last"},
        {"1:1 3:1", "a.b", STATUS_INVALID_ARGUMENT,
         "a.b: has a field 1, which is not a field of this request"},
        {"1:1 536870911:'x' 2:1", "a.b", STATUS_UNIMPLEMENTED, "the last"}, /* worse than field 1 */
        {"2:1 1:1", "a.b", STATUS_UNIMPLEMENTED, "two"},
        {"7:'x'", "a.b.", STATUS_INVALID_ARGUMENT,
         "a.b: has a field 7, which is not a field of this request"},
        {"9:1 8:1 9:1", "a", STATUS_INVALID_ARGUMENT,
         "a: has a field 9, which is not a field of this request"},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct status found = {.code = STATUS_OK};
        struct pb_arena a;
        pb_arena_init(&a, WIRE_MAX);
        pb_unknown_refuse(wire_message(&google__protobuf__empty__descriptor, CASES[i].fields, &a),
                          CASES[i].where, NAMES, ARRAY_LEN(NAMES), note, &found);
        assert_string_equal(found.message, CASES[i].told);
        assert_int_equal(found.code, CASES[i].code);
        if (CASES[i].code == STATUS_INVALID_ARGUMENT) {
            assert_int_equal(found.n_violations, 1);
            assert_int_equal(strlen(found.violations[0].field),
                             strchr(CASES[i].told, ':') - CASES[i].told);
        }
        pb_arena_fini(&a);
    }
}

static void test_differ(void **state)
{
    static const struct {
        const char *fields;
        bool differ;
    } CASES[] = {
        {"", false},
        {"3:1", false},
        {"3:1 3:'x' 3:{}", false},
        {"3:1 4:1", true},
        {"3:1 3:1 4:1 3:1", true},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct pb_arena a;
        pb_arena_init(&a, WIRE_MAX);
        assert_int_equal(pb_unknown_differ(wire_message(&google__protobuf__empty__descriptor,
                                                        CASES[i].fields, &a)),
                         CASES[i].differ);
        pb_arena_fini(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_refuse),
                                       cmocka_unit_test(test_differ)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
