/* Tests of broker/list_filter.c: every spelling that clients send, and what is refused. */
#include "list_filter.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define X63 "abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz-012345678"

static void test_spellings(void **state)
{
    (void) state;
    static const struct {
        const char *text, *name; /* NULL: refused */
    } CASES[] = {
        {"", ""},
        {"  ", ""},
        {"name=my-trigger", "my-trigger"},
        {"name = my-trigger", "my-trigger"},
        {"name=\"my-trigger\"", "my-trigger"},
        {"name = \"my-trigger\"", "my-trigger"},
        {"name='my-trigger'", "my-trigger"},
        {" name\t=  'my-trigger' ", "my-trigger"},
        {"name=\"My trigger\"", "My trigger"},
        {"name=\"it's\"", "it's"},
        {"name=" X63, X63},
        {"name=" X63 "x", NULL},
        {"name", NULL},
        {"name=", NULL},
        {"name=\"\"", NULL},
        {"name=\"", NULL},
        {"name='a\"", NULL},
        {"name=\"a'", NULL},
        {"name=\"a\"b\"", NULL},
        {"name=\"a\\\"", NULL},
        {"name=\"a\nb\"", NULL},
        {"name=my trigger", NULL},
        {"name=a=b", NULL},
        {"name==a", NULL},
        {"name!=a", NULL},
        {"name IN (a)", NULL},
        {"name=a AND name=b", NULL},
        {"name=\"a\" AND name=\"b\"", NULL},
        {"names=a", NULL},
        {"Name=a", NULL},
        {"id=a", NULL},
        {"=a", NULL},
        {"a", NULL},
        {"name=gr\xc3\xbcn", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].text);
        struct list_filter f = {.name = "untouched"};
        assert_int_equal(list_filter_parse(CASES[i].text, &f), CASES[i].name != NULL);
        assert_string_equal(f.name, CASES[i].name == NULL ? "untouched" : CASES[i].name);
    }
}

static void test_length(void **state)
{
    (void) state;
    char text[LIST_FILTER_MAX_BYTES + 2];
    struct list_filter f;
    memset(text, ' ', sizeof(text));
    memcpy(text, "name=a", 6);
    text[LIST_FILTER_MAX_BYTES] = '\0';
    assert_true(list_filter_parse(text, &f));
    text[LIST_FILTER_MAX_BYTES] = ' ';
    text[LIST_FILTER_MAX_BYTES + 1] = '\0';
    assert_false(list_filter_parse(text, &f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
