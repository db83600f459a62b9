/* Tests of broker/status.c: the API's mapping, violations, texts that quote hostile input. */
#include "status.h"

#include "slice.h"
#include "utf8.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_mapping(void **state)
{
    (void) state;
    static const struct {
        unsigned code, http;
        const char *name, *pascal;
    } CASES[] = {
        {0, 200, "OK", "OK"},
        {1, 499, "CANCELLED", "Canceled"},
        {2, 500, "UNKNOWN", "Unknown"},
        {3, 400, "INVALID_ARGUMENT", "InvalidArgument"},
        {4, 504, "DEADLINE_EXCEEDED", "DeadlineExceeded"},
        {5, 404, "NOT_FOUND", "NotFound"},
        {6, 409, "ALREADY_EXISTS", "AlreadyExists"},
        {7, 403, "PERMISSION_DENIED", "PermissionDenied"},
        {8, 429, "RESOURCE_EXHAUSTED", "ResourceExhausted"},
        {9, 400, "FAILED_PRECONDITION", "FailedPrecondition"},
        {10, 409, "ABORTED", "Aborted"},
        {11, 400, "OUT_OF_RANGE", "OutOfRange"},
        {12, 501, "UNIMPLEMENTED", "Unimplemented"},
        {13, 500, "INTERNAL", "Internal"},
        {14, 503, "UNAVAILABLE", "Unavailable"},
        {15, 500, "DATA_LOSS", "DataLoss"},
        {16, 401, "UNAUTHENTICATED", "Unauthenticated"},
        {17, 500, "UNKNOWN", "Unknown"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        enum status_code code = (enum status_code) CASES[i].code;
        assert_int_equal(status_http(code), CASES[i].http);
        assert_string_equal(status_name(code), CASES[i].name);
        assert_string_equal(status_pascal(code), CASES[i].pascal);
    }
}

static void test_violations(void **state)
{
    (void) state;
    static const char LONGEST[] =
        "rule.container_registry.gateway_websocket_broadcast.service_account_id";
    struct status s = {.code = STATUS_OK};
    status_violate(&s, LONGEST, "is %s", "required");
    assert_int_equal(s.code, STATUS_INVALID_ARGUMENT);
    assert_string_equal(
        s.message,
        "rule.container_registry.gateway_websocket_broadcast.service_account_id: is required");
    assert_string_equal(s.violations[0].field, LONGEST);
    assert_string_equal(s.violations[0].description, "is required");
    for (int i = 0; i < 40; i++)
        status_violate(&s, "name", "again");
    assert_int_equal(s.n_violations, STATUS_MAX_VIOLATIONS);
    assert_string_equal(s.violations[0].field, LONGEST);

    status_set(&s, STATUS_NOT_FOUND, "gone");
    assert_int_equal(s.n_violations, 0);
    status_violate(&s, "name", "comes too late");
    assert_int_equal(s.code, STATUS_NOT_FOUND);
    assert_string_equal(s.message, "gone");
    assert_int_equal(s.n_violations, 0);
}

static void test_texts(void **state)
{
    (void) state;
    struct status s = {.code = STATUS_OK};
    char text[400];
    status_set(&s, STATUS_NOT_FOUND, "%s", "a\nb\x7f\x1b[1m");
    assert_string_equal(s.message, "a?b??[1m");
    status_set(&s, STATUS_NOT_FOUND, "%s", "gr\xc3\xbc\xc3\x9f");
    assert_string_equal(s.message, "gr\xc3\xbc\xc3\x9f");
    status_set(&s, STATUS_NOT_FOUND, "%s", "\xff!");
    assert_string_equal(s.message, "?!");
    memset(text, 'a', sizeof(text));
    for (size_t i = 1; i + 1 < sizeof(text); i += 2)
        memcpy(text + i, "\xc3\xbc", 2);
    text[sizeof(text) - 1] = '\0';
    status_set(&s, STATUS_NOT_FOUND, "%s", text); /* cut inside a character */
    assert_int_equal(strlen(s.message), STATUS_TEXT - 1);
    assert_true(utf8_valid(slice_str(s.message)));
}

/* A field that is none is named as the client wrote it. */
static void test_fields(void **state)
{
    (void) state;
    struct status s = {.code = STATUS_OK};
    char field[101] = "";
    for (size_t i = 0; i + 1 < sizeof(field); i += 2)
        memcpy(field + i, "\xc3\xbc", 2);
    status_violate(&s, field, "is not a field of this request"); /* cut inside a character */
    assert_int_equal(strlen(s.violations[0].field), sizeof(s.violations[0].field) - 1);
    assert_true(utf8_valid(slice_str(s.violations[0].field)));
    status_violate(&s, "a\nb\x7f", "is not a field of this request");
    assert_string_equal(s.violations[1].field, "a?b?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mapping),
        cmocka_unit_test(test_violations),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
