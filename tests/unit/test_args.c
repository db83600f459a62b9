/* Tests of gateway/cli/args.c. */
#include "args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct flag FLAGS[] = {
    {"name", '\0', "title", FLAG_TEXT, "NAME", NULL, "."},
    {"type", 't', NULL, FLAG_TEXT, "TYPE", "TEXT BINARY", "."},
    {"data", 'd', NULL, FLAG_TEXT, "TEXT", NULL, "."},
    {"events", '\0', NULL, FLAG_TEXTS, "EVENT", NULL, "."},
    {"size", '\0', NULL, FLAG_COUNT, "N", NULL, "."},
    {"cutoff", '\0', NULL, FLAG_DURATION, "D", NULL, "."},
    {"async", '\0', NULL, FLAG_SWITCH, NULL, NULL, "."},
    {"invoke", '\0', NULL, FLAG_REFUSED, "X", NULL, "There is none."},
    FLAGS_END,
};
static const struct command COMMAND = {"do it", NULL, "[A] [B]", 2, ".", FLAGS, NULL};

#define MAX_ARGV 12

static int parse(const char *const *argv, struct args *ret, char error[ARGS_ERROR_SIZE])
{
    int argc = 0;
    while (argv[argc] != NULL)
        argc++;
    error[0] = '\0';
    return args_parse(&COMMAND, argc, (char *const *) (uintptr_t) argv, ret, error);
}

static void test_values(void **state)
{
    (void) state;
    const char *const argv[] = {"--retry", "-1", "do",      "--name=a=b", "it",     "one", "-tTEXT",
                                "-d",      "-x", "--async", "--",         "--name", NULL};
    struct args args;
    char error[ARGS_ERROR_SIZE];
    assert_int_equal(parse(argv, &args, error), 0);
    int64_t count = 0;
    assert_true(args_count(&args, "retry", &count)); /* a global one */
    assert_int_equal(count, -1);
    assert_string_equal(args_text(&args, "name"), "a=b");
    assert_string_equal(args_text(&args, "type"), "TEXT");
    assert_string_equal(args_text(&args, "data"), "-x");
    assert_true(args_switch(&args, "async"));
    assert_false(args_switch(&args, "debug"));
    assert_null(args_text(&args, "endpoint"));
    assert_false(args_count(&args, "size", &count));
    assert_int_equal(args.n_arguments, 2);
    assert_string_equal(args.arguments[0], "one");
    assert_string_equal(args.arguments[1], "--name");
}

static void test_the_last_one_counts(void **state)
{
    (void) state;
    const char *const argv[] = {"do", "it",      "--name",        "a", "--title",
                                "b",  "--async", "--async=false", NULL};
    struct args args;
    char error[ARGS_ERROR_SIZE];
    assert_int_equal(parse(argv, &args, error), 0);
    assert_string_equal(args_text(&args, "name"), "b"); /* an alias is the same flag */
    assert_false(args_switch(&args, "async"));
}

static void collect(void *arg, const char *text, size_t len)
{
    char *all = arg;
    size_t at = strlen(all);
    (void) snprintf(all + at, 128 - at, "[%.*s]", (int) len, text);
}

static void test_lists(void **state)
{
    (void) state;
    static const struct {
        const char *first, *second, *want;
        size_t n;
    } CASES[] = {
        {"a", "b", "[a][b]", 2},
        {"a,b", "c", "[a][b][c]", 3},
        {" a , b", "", "[a][b]", 2},
        {",,a,", ",", "[a]", 1},
        {"", "", "", 0},
        {"a b", "c", "[a b][c]", 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const char *const argv[] = {
            "do", "it", "--events", CASES[i].first, "--events", CASES[i].second, NULL};
        struct args args;
        char error[ARGS_ERROR_SIZE], all[128] = "";
        assert_int_equal(parse(argv, &args, error), 0);
        assert_int_equal(args_each(&args, "events", collect, all), CASES[i].n);
        assert_string_equal(all, CASES[i].want);
    }
    const char *const none[] = {"do", "it", NULL};
    struct args args;
    char error[ARGS_ERROR_SIZE];
    assert_int_equal(parse(none, &args, error), 0);
    assert_true(args_each(&args, "events", collect, error) == SIZE_MAX);
}

static void test_wrong(void **state)
{
    (void) state;
    static const struct {
        const char *argv[5], *error;
    } CASES[] = {
        {{"do", "it", "--nam", "x"}, "unknown flag --nam"},
        {{"do", "it", "-x"}, "unknown flag -x"},
        {{"do", "it", "--t", "x"}, "unknown flag --t"}, /* letters have one dash */
        {{"do", "it", "--name"}, "--name needs a value"},
        {{"do", "it", "--type", "text"}, "--type: expected one of TEXT BINARY, got \"text\""},
        {{"do", "it", "--type", "TEX"}, "--type: expected one of TEXT BINARY, got \"TEX\""},
        {{"do", "it", "--size", "1x"}, "--size: expected a number, got \"1x\""},
        {{"do", "it", "--size="}, "--size: expected a number, got \"\""},
        {{"do", "it", "--size", "99999999999999999999"},
         "--size: expected a number, got \"99999999999999999999\""},
        {{"do", "it", "--cutoff", "1y"},
         "--cutoff: expected a duration such as 20s or 1m, got \"1y\""},
        {{"do", "it", "--async=yes"}, "--async: expected true or false, got \"yes\""},
        {{"do", "it", "--invoke", "x"}, "--invoke is not supported: There is none."},
        {{"do", "it", "a", "b", "c"}, "unexpected argument \"c\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const char *argv[6] = {NULL};
        memcpy(argv, CASES[i].argv, sizeof(CASES[i].argv));
        struct args args;
        char error[ARGS_ERROR_SIZE];
        assert_int_equal(parse(argv, &args, error), -EINVAL);
        assert_string_equal(error, CASES[i].error);
    }
}

static void test_durations(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        uint64_t ms; /* UINT64_MAX: none */
    } CASES[] = {
        {"20s", 20000},
        {"1m", 60000},
        {"1m30s", 90000},
        {"500ms", 500},
        {"1.5h", 5400000},
        {"30d", 2592000000},
        {"20", 20000},
        {"0", 0},
        {"1h2m3s4ms", 3723004},
        {"", UINT64_MAX},
        {"s", UINT64_MAX},
        {"1x", UINT64_MAX},
        {"1m30", UINT64_MAX},
        {"-1s", UINT64_MAX},
        {"1 s", UINT64_MAX},
        {"1sm", UINT64_MAX},
        {"inf", UINT64_MAX},
        {"1e99s", UINT64_MAX},
        {"0x1s", UINT64_MAX},
        {"1.2.3s", UINT64_MAX},
        {"1..2", UINT64_MAX},
        {"99999999999999999999999999", UINT64_MAX},
        {"9999999999999h", UINT64_MAX},
        {"20.5", 20500},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        uint64_t ms = UINT64_MAX;
        bool ok = args_read_duration(CASES[i].text, &ms);
        if (ok != (CASES[i].ms != UINT64_MAX) || (ok && ms != CASES[i].ms))
            fail_msg("%s: %d %llu", CASES[i].text, ok, (unsigned long long) ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),    cmocka_unit_test(test_the_last_one_counts),
        cmocka_unit_test(test_lists),     cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
