/* Tests of gateway/cli/labels.c. */
#include "labels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct flag FLAGS[] = {
    {"labels", '\0', NULL, FLAG_TEXTS, "KEY=VALUE", NULL, "."},
    FLAGS_END,
};
static const struct command COMMAND = {"do", NULL, "", 0, ".", FLAGS, NULL};

static const struct {
    const char *flag, *added, *removed; /* from {"a":"1","b":"2"}; NULL: refused */
} CASES[] = {
    {"c=3", "{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\"}", "{\"a\":\"1\",\"b\":\"2\"}"},
    {"b=3", "{\"a\":\"1\",\"b\":\"3\"}", "{\"a\":\"1\"}"},
    {"b=", "{\"a\":\"1\",\"b\":\"\"}", "{\"a\":\"1\"}"},
    {"b=x=y,c=4", "{\"a\":\"1\",\"b\":\"x=y\",\"c\":\"4\"}", "{\"a\":\"1\"}"},
    {"B=3", "{\"a\":\"1\",\"b\":\"2\",\"B\":\"3\"}",
     "{\"a\":\"1\",\"b\":\"2\"}"}, /* case matters */
    {"a,b", NULL, "{}"},
    {"=1", NULL, "{\"a\":\"1\",\"b\":\"2\"}"},
    {"", "{\"a\":\"1\",\"b\":\"2\"}", "{\"a\":\"1\",\"b\":\"2\"}"},
};

static void test_changes(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const char *const argv[] = {"do", "--labels", CASES[i].flag};
        struct args args;
        char error[ARGS_ERROR_SIZE];
        const char *bad = NULL;
        assert_int_equal(args_parse(&COMMAND, 3, (char *const *) (uintptr_t) argv, &args, error),
                         0);
        cJSON *labels = cJSON_Parse("{\"a\":\"1\",\"b\":\"2\"}");
        bool ok = labels_add(&args, labels, &bad);
        assert_int_equal(ok, CASES[i].added != NULL);
        assert_true(ok == (bad == NULL));
        char *text = cJSON_PrintUnformatted(labels);
        if (ok)
            assert_string_equal(text, CASES[i].added);
        cJSON_free(text);
        cJSON_Delete(labels);
        labels = cJSON_Parse("{\"a\":\"1\",\"b\":\"2\"}");
        labels_remove(&args, labels);
        text = cJSON_PrintUnformatted(labels);
        assert_string_equal(text, CASES[i].removed);
        cJSON_free(text);
        cJSON_Delete(labels);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_changes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
