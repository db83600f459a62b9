/* The command line: what is taken, what is refused, and with which exit code. */
#include "err.h"
#include "options.h"

#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int parse(const char *line, struct options *ret)
{
    static char text[512];
    static char *argv[32];
    int argc = 0;
    (void) snprintf(text, sizeof(text), "regcastd %s", line);
    char *rest = NULL;
    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    argv[argc] = NULL;
    optind = 1; /* getopt goes on from here */
    return options_parse(argc, argv, ret);
}

static void test_taken(void **state)
{
    (void) state;
    struct options o;
    assert_int_equal(parse("", &o), 0);
    assert_string_equal(o.config, "conf/regcast.yaml");
    assert_null(o.ready_file);
    assert_false(o.check || o.reference || o.letters || o.json);
    assert_int_equal(parse("--config a.yaml --check --ready-file r.json", &o), 0);
    assert_string_equal(o.config, "a.yaml");
    assert_string_equal(o.ready_file, "r.json");
    assert_true(o.check);
    assert_false(o.takeover);
    assert_int_equal(parse("--takeover", &o), 0);
    assert_true(o.takeover);
    assert_int_equal(parse("--rebuild-catalog crt1 --registry-url http://localhost:5000", &o), 0);
    assert_string_equal(o.rebuild_catalog, "crt1");
    assert_string_equal(o.registry_url, "http://localhost:5000");
    assert_int_equal(parse("--dead-letters --json", &o), 0);
    assert_true(o.letters && o.json);
    assert_int_equal(parse("--replay-dead-letters all", &o), 0);
    assert_string_equal(o.replay, "all");
    assert_int_equal(parse("--config cluster.yaml --move-from /var/lib/regcast", &o), 0);
    assert_string_equal(o.move_from, "/var/lib/regcast");
    assert_int_equal(parse("--print-reference", &o), 0);
    assert_true(o.reference);
}

static void test_refused(void **state)
{
    (void) state;
    static const char *const CASES[] = {
        "--unknown",   "more", "--config", "--rebuild-catalog crt1", "--registry-url http://a",
        "--move-from",
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct options o;
        print_message("  %s\n", CASES[i]);
        assert_int_equal(parse(CASES[i], &o), EXIT_USAGE + 1);
    }
}

static void test_answered(void **state)
{
    (void) state;
    struct options o;
    assert_int_equal(parse("--version", &o), 1);
    assert_int_equal(parse("--help", &o), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
