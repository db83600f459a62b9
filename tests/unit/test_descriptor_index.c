/* Tests of gateway/descriptor_index.c, on the descriptors that regcastd carries. */
#include "descriptor_index.h"

#include "descriptors.h"
#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define T        "yandex.cloud.serverless.triggers.v1."
#define TRIGGER  "yandex/cloud/serverless/triggers/v1/trigger.proto"
#define SERVICE  "yandex/cloud/serverless/triggers/v1/trigger_service.proto"
#define DURATION "google/protobuf/duration.proto"

static const struct slice SET = {DESCRIPTORS, sizeof(DESCRIPTORS)};

/* The name of a file, its first field: a byte of tag, one of length, the name. */
static struct slice name_of(struct slice file)
{
    assert_int_equal(file.data[0], 1 << 3 | 2);
    assert_in_range(file.data[1], 1, 127);
    return slice_sub(file, 2, 2 + (size_t) file.data[1]);
}

static void test_symbols(void **state)
{
    static const struct {
        const char *symbol, *file; /* NULL: there is none */
    } CASES[] = {
        {T "Trigger", TRIGGER},
        {T "TriggerService", SERVICE},
        {T "TriggerService.Create", SERVICE},
        {T "CreateTriggerRequest.rule", SERVICE},
        {T "Trigger.Rule", TRIGGER},
        {T "Trigger.Rule.container_registry", TRIGGER},
        {T "Trigger.Rule.rule", TRIGGER}, /* a oneof */
        {T "Trigger.labels", TRIGGER},
        {T "Trigger.LabelsEntry", TRIGGER},
        {T "Trigger.LabelsEntry.key", TRIGGER},
        {T "Trigger.Status", TRIGGER},
        {T "Trigger.ACTIVE", TRIGGER},
        {"google.protobuf.Duration", DURATION},
        {"grpc.health.v1.Health", "grpc/health/v1/health.proto"},
        {"grpc.reflection.v1.ServerReflection", "grpc/reflection/v1/reflection.proto"},
        {"grpc.reflection.v1alpha.ServerReflection", "grpc/reflection/v1alpha/reflection.proto"},
        {T "Trigger.Status.ACTIVE", NULL},
        {T "TriggerService/Create", NULL},
        {T "TriggerServic", NULL},
        {T "TriggerServices", NULL},
        {T "Trigger.Rule.", NULL},
        {T "Trigger..Rule", NULL},
        {T "Trigger.Rule.container_registry.x", NULL},
        {"." T "Trigger", NULL},
        {"yandex.cloud.serverless.triggers.v1", NULL},
        {"Trigger", NULL},
        {"", NULL},
        {".", NULL},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct slice file;
        bool found = descriptor_index_symbol(SET, slice_str(CASES[i].symbol), &file);
        if (found != (CASES[i].file != NULL) ||
            (found && !slice_eq_str(name_of(file), CASES[i].file)))
            fail_msg("'%s' is in '%.*s'", CASES[i].symbol, found ? (int) name_of(file).len : 0,
                     found ? (const char *) name_of(file).data : "");
    }
}

static void test_messages(void **state)
{
    (void) state;
    assert_true(descriptor_index_is_message(SET, slice_str(T "Trigger")));
    assert_true(descriptor_index_is_message(SET, slice_str(T "Trigger.Rule")));
    assert_false(descriptor_index_is_message(SET, slice_str(T "Trigger.Status")));
    assert_false(descriptor_index_is_message(SET, slice_str(T "Trigger.name")));
    assert_false(descriptor_index_is_message(SET, slice_str(T "TriggerService")));
    assert_false(descriptor_index_is_message(SET, slice_str(T "Nothing")));
}

static void test_files(void **state)
{
    (void) state;
    struct slice file;
    assert_true(descriptor_index_file(SET, slice_str(TRIGGER), &file));
    assert_true(slice_eq_str(name_of(file), TRIGGER));
    assert_false(descriptor_index_file(SET, slice_str("trigger.proto"), &file));
    assert_false(descriptor_index_file(SET, slice_str(TRIGGER "x"), &file));
    assert_false(descriptor_index_file(SET, slice_str(""), &file));
}

static void test_imports(void **state)
{
    (void) state;
    struct slice file, all[16];
    assert_true(descriptor_index_file(SET, slice_str(DURATION), &file));
    assert_int_equal(descriptor_index_imports(SET, file, all, 16), 1);
    assert_ptr_equal(all[0].data, file.data);

    assert_true(descriptor_index_file(SET, slice_str(SERVICE), &file));
    size_t n = descriptor_index_imports(SET, file, all, 16);
    assert_in_range(n, 5, 15);
    assert_true(slice_eq_str(name_of(all[0]), SERVICE));
    size_t durations = 0; /* through trigger.proto only */
    for (size_t i = 0; i < n; i++) {
        durations += slice_eq_str(name_of(all[i]), DURATION);
        for (size_t j = 0; j < i; j++)
            assert_ptr_not_equal(all[i].data, all[j].data);
    }
    assert_int_equal(durations, 1);
    assert_int_equal(descriptor_index_imports(SET, file, all, 3), 3);
    assert_int_equal(descriptor_index_imports(SET, file, all, 0), 0);
}

/* Cut anywhere, or with any byte changed, it is read within its bounds and to an end. Each cut lies
 * in memory of its own, where the sanitizer sees the bounds. */
static void test_malformed(void **state)
{
    (void) state;
    const struct slice symbol = slice_str(T "TriggerService.Nothing");
    struct slice file, all[16];
    for (size_t len = 0; len < SET.len; len += 1 + len / 64) {
        uint8_t *copy = malloc(len + 1);
        assert_non_null(copy);
        memcpy(copy, SET.data, len);
        assert_false(descriptor_index_symbol(slice_of(copy, len), symbol, &file));
        free(copy);
    }
    uint8_t *copy = malloc(SET.len);
    assert_non_null(copy);
    memcpy(copy, SET.data, SET.len);
    for (size_t i = 0; i < SET.len; i += 3) {
        copy[i] ^= 0xff;
        assert_false(descriptor_index_symbol(slice_of(copy, SET.len), symbol, &file));
        if (descriptor_index_file(slice_of(copy, SET.len), slice_str(SERVICE), &file))
            assert_in_range(descriptor_index_imports(slice_of(copy, SET.len), file, all, 16), 1,
                            16);
        copy[i] ^= 0xff;
    }
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_symbols),   cmocka_unit_test(test_messages),
        cmocka_unit_test(test_files),     cmocka_unit_test(test_imports),
        cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
