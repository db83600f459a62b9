/* Tests of gateway/cli/help.c, help_man.c and help_completion.c: everything in the table is in the
 * texts, and nothing of what is only there to be refused. */
#include "help.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static char *text_of(int r, struct buf *out)
{
    assert_int_equal(r, 0);
    assert_int_equal(buf_append(out, SLICE_LIT("\0")), 0);
    return (char *) out->data;
}

static void test_command(void **state)
{
    (void) state;
    for (size_t i = 0; COMMANDS[i] != NULL; i++) {
        struct buf out;
        buf_init(&out, 1 << 16);
        const char *text = text_of(help_command(COMMANDS[i], &out), &out);
        assert_non_null(strstr(text, COMMANDS[i]->words));
        for (const struct flag *f = COMMANDS[i]->flags; f->name != NULL; f++) {
            char name[128];
            (void) snprintf(name, sizeof(name), " --%s%s", f->name, f->value == NULL ? "" : " ");
            assert_true((strstr(text, name) != NULL) == (f->type != FLAG_REFUSED));
        }
        buf_fini(&out);
    }
}

static void test_group(void **state)
{
    (void) state;
    struct buf out;
    buf_init(&out, 1 << 16);
    const char *text = text_of(help_group("serverless trigger", &out), &out);
    assert_non_null(strstr(text, "  serverless trigger get "));
    assert_null(strstr(text, "config set"));
    buf_clear(&out);
    text = text_of(help_group("", &out), &out);
    for (size_t i = 0; COMMANDS[i] != NULL; i++)
        assert_non_null(strstr(text, COMMANDS[i]->summary));
    buf_fini(&out);
}

/* Each line is one of roff's that we mean: a known macro, or text. */
static void test_man(void **state)
{
    (void) state;
    static const char *const MACROS[] = {".TH ", ".SH ", ".SS ", ".TP", ".PP", ".B ", ".nf", ".fi"};
    struct buf out;
    buf_init(&out, 1 << 20);
    char *text = text_of(help_man(&out), &out), *rest = NULL;
    assert_non_null(strstr(text, ".SS regcast serverless trigger list\\-operations\n"));
    assert_non_null(strstr(text, " release\\-tags \\e\n    \\-\\-registry\\-id "));
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        bool known = line[0] != '.' && line[0] != '\'';
        for (size_t i = 0; i < ARRAY_LEN(MACROS); i++)
            known |= strncmp(line, MACROS[i], strlen(MACROS[i])) == 0;
        if (!known)
            fail_msg("%s", line);
    }
    buf_fini(&out);
}

static void test_completion(void **state)
{
    (void) state;
    for (unsigned shell = HELP_BASH; shell <= HELP_ZSH; shell++) {
        struct buf out;
        buf_init(&out, 1 << 20);
        const char *text = text_of(help_completion((enum help_shell) shell, &out), &out);
        assert_non_null(strstr(
            text, "'') echo \" serverless operation listen tail events registries status nodes "
                  "explain replay reload iam config completion\""));
        assert_non_null(strstr(text, "'serverless trigger create') echo \" container-registry\""));
        assert_non_null(
            strstr(text, "'serverless trigger update') echo \" container-registry --id"));
        assert_non_null(strstr(text, "--type) echo \"TEXT BINARY\""));
        assert_non_null(strstr(text, "--format) echo \"text yaml json json-rest pretty json\""));
        assert_non_null(strstr(text, "--watch|"));
        assert_null(strstr(text, "--invoke-function-id"));
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command),
        cmocka_unit_test(test_group),
        cmocka_unit_test(test_man),
        cmocka_unit_test(test_completion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
