/* Tests of gateway/cli/command.c, and of the table in commands.c. */
#include "command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *argv[8], *words, *group; /* words NULL: no command */
} CASES[] = {
    {{"serverless", "trigger", "get", "x"}, "serverless trigger get", "serverless trigger get"},
    {{"serverless", "trigger", "update", "x"},
     "serverless trigger update",
     "serverless trigger update"},
    {{"serverless", "trigger", "update", "container-registry", "x"},
     "serverless trigger update container-registry",
     "serverless trigger update container-registry"},
    {{"--format", "json", "serverless", "--debug", "trigger", "list"},
     "serverless trigger list",
     NULL},
    {{"--format=json", "operation", "get"}, "operation get", NULL},
    {{"serverless", "api-gateway", "websocket", "push"},
     "serverless api-gateway websocket send",
     NULL},
    {{"serverless", "api-gateway", "websocket", "pus"}, NULL, "serverless api-gateway websocket"},
    {{"serverless", "trigger"}, NULL, "serverless trigger"},
    {{"serverless", "trigger", "gets"}, NULL, "serverless trigger"},
    {{"server"}, NULL, ""},
    {{"--help"}, NULL, ""},
    {{NULL}, NULL, ""},
};

static void test_find(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        int argc = 0;
        while (argc < 8 && CASES[i].argv[argc] != NULL)
            argc++;
        char group[GROUP_SIZE];
        const struct command *found =
            command_find(argc, (char *const *) (uintptr_t) CASES[i].argv, group);
        if (CASES[i].words == NULL)
            assert_null(found);
        else if (found == NULL || strcmp(found->words, CASES[i].words) != 0)
            fail_msg("%s: %s", CASES[i].words, found == NULL ? "none" : found->words);
        if (CASES[i].group != NULL)
            assert_string_equal(group, CASES[i].group);
    }
}

static void test_is_in(void **state)
{
    (void) state;
    const struct command c = {.words = "config profile get"};
    assert_true(command_is_in(&c, ""));
    assert_true(command_is_in(&c, "config"));
    assert_true(command_is_in(&c, "config profile"));
    assert_true(command_is_in(&c, "config profile get"));
    assert_false(command_is_in(&c, "config pro"));
    assert_false(command_is_in(&c, "profile"));
}

static void test_flags_of_one_name(const struct flag *flags)
{
    for (const struct flag *f = flags; f->name != NULL; f++) {
        assert_true(f->help[strlen(f->help) - 1] == '.');
        assert_true((f->type == FLAG_SWITCH) == (f->value == NULL));
        for (const struct flag *other = flags; other != f; other++) {
            assert_string_not_equal(other->name, f->name);
            assert_true(other->letter == '\0' || other->letter != f->letter);
        }
    }
}

/* What the code that walks the tables relies on. */
static void test_the_table(void **state)
{
    (void) state;
    test_flags_of_one_name(GLOBAL_FLAGS);
    for (size_t i = 0; COMMANDS[i] != NULL; i++) {
        const struct command *c = COMMANDS[i];
        assert_non_null(c->run);
        assert_true(c->summary[strlen(c->summary) - 1] == '.');
        assert_true((c->max_arguments == 0) == (c->arguments[0] == '\0'));
        test_flags_of_one_name(c->flags);
        for (const struct flag *f = c->flags; f->name != NULL; f++)
            assert_ptr_equal(command_flag(c, f->name, strlen(f->name)), f);
        for (size_t other = 0; other < i; other++)
            assert_string_not_equal(COMMANDS[other]->words, c->words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_is_in),
        cmocka_unit_test(test_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
