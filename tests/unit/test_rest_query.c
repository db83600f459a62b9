/* Tests of gateway/rest_query.c: a query in all its spellings. */
#include "rest_query.h"

#include "err.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct status parse(const char *query, struct rest_parameter *p)
{
    struct status found = {.code = STATUS_OK};
    p[0] = (struct rest_parameter){.camel = "pageSize", .snake = "page_size"};
    p[1] = (struct rest_parameter){.camel = "filter"};
    rest_query_read(query, p, 2, &found);
    return found;
}

static void test_values(void **state)
{
    struct rest_parameter p[2];
    (void) state;
    assert_int_equal(parse("", p).code, STATUS_OK);
    assert_false(p[0].given);
    assert_int_equal(parse("pageSize=5&filter=name+%3D%20%22a%22&", p).code, STATUS_OK);
    assert_string_equal(p[0].value, "5");
    assert_string_equal(p[1].value, "name = \"a\"");
    assert_int_equal(parse("page_size=&&filter", p).code, STATUS_OK);
    assert_true(p[0].given && p[1].given);
    assert_string_equal(p[1].value, "");
}

static void test_refused(void **state)
{
    static const struct {
        const char *query, *field;
    } CASES[] = {
        {"colour=red", "colour"},
        {"Filter=x", "Filter"},
        {"filter=a&filter=b", "filter"},
        {"pageSize=1&page_size=1", "page_size"},
        {"filter=%zz", "filter"},
        {"filter=%ff", "filter"},
        {"filter=%00", "filter"},
        {"%zz=1", "query"},
        {"=1", "query"},
    };
    struct rest_parameter p[2];
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct status found = parse(CASES[i].query, p);
        assert_int_equal(found.code, STATUS_INVALID_ARGUMENT);
        assert_string_equal(found.violations[0].field, CASES[i].field);
    }
    char longest[REST_QUERY_VALUE + 16] = "filter=";
    memset(longest + 7, 'x', REST_QUERY_VALUE - 1);
    assert_int_equal(parse(longest, p).code, STATUS_OK);
    memset(longest + 7, 'x', REST_QUERY_VALUE);
    assert_int_equal(parse(longest, p).code, STATUS_INVALID_ARGUMENT);
}

static void test_number(void **state)
{
    static const struct {
        const char *text;
        bool good;
        int64_t value;
    } CASES[] = {
        {"", true, 0},    {"0", true, 0},    {"1000", true, 1000},
        {"-1", true, -1}, {"+1", false, 0},  {" 1", false, 0},
        {"1x", false, 0}, {"0x1", false, 0}, {"99999999999999999999", false, 0},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct rest_parameter p = {.camel = "pageSize", .snake = "page_size"};
        struct status found = {.code = STATUS_OK};
        (void) snprintf(p.value, sizeof(p.value), "%s", CASES[i].text);
        assert_int_equal(rest_query_number(&p, &found), CASES[i].value);
        assert_int_equal(found.code == STATUS_OK, CASES[i].good);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values),
                                       cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_number)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
