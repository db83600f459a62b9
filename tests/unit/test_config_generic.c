/* What a configuration may say of a registry of kind `generic`, and what a reload makes of it. */
#include "config.h"
#include "config_diff.h"
#include "config_value.h"
#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static int load(const char *text, struct config **ret, struct buf *error)
{
    char file[] = "/tmp/regcast-generic-XXXXXX";
    int fd = mkstemp(file);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
    int r = config_load(file, ret, error);
    assert_int_equal(unlink(file), 0);
    return r;
}

#define REGISTRY(keys) "registries:\n- {id: r1, kind: generic, generic: {" keys "}}\n"
#define ALL                                                                                        \
    "events: /a/0, repository: /r, tag: '/a~1b', digest: /d, action: /x, push: [up, 'put it'], "   \
    "delete: [gone], id: '/', time: /t, actor: /u"

static void test_good(void **state)
{
    (void) state;
    struct config *cfg = NULL, *changed = NULL;
    struct buf error;
    buf_init(&error, 4096);
    assert_int_equal(load(REGISTRY(ALL), &cfg, &error), 0);
    const struct config_generic *g = &cfg->registries[0].generic;
    assert_string_equal(g->events, "/a/0");
    assert_string_equal(g->repository, "/r");
    assert_string_equal(g->tag, "/a~1b");
    assert_string_equal(g->digest, "/d");
    assert_null(g->reference);
    assert_string_equal(g->action, "/x");
    assert_string_equal(g->id, "/");
    assert_string_equal(g->time, "/t");
    assert_string_equal(g->actor, "/u");
    assert_int_equal(g->push.n, 2);
    assert_string_equal(g->push.at[1], "put it");
    assert_int_equal(g->remove.n, 1);
    assert_string_equal(g->remove.at[0], "gone");

    assert_int_equal(load(REGISTRY("events: '', reference: /r"), &changed, &error), 0);
    assert_string_equal(changed->registries[0].generic.events, "");
    assert_string_equal(changed->registries[0].generic.reference, "/r");
    assert_null(changed->registries[0].generic.repository);
    assert_int_equal(changed->registries[0].generic.push.n, 0);

    struct config_changes changes;
    config_diff(cfg, changed, &changes);
    assert_int_equal(changes.n, 11);
    for (size_t i = 0; i < changes.n; i++)
        assert_false(changes.at[i].needs_restart);
    assert_string_equal(changes.at[0].key, "registries[r1].generic.events");
    config_changes_fini(&changes);
    config_free(changed);
    config_free(cfg);
    assert_int_equal(error.len, 0);
    buf_fini(&error);
}

static void test_bad(void **state)
{
    (void) state;
    static const struct {
        const char *text, *problem;
    } CASES[] = {
        {"registries:\n- {id: r1, kind: generic}\n",
         ":2: registries[0].kind: expected generic.repository or generic.reference beside it, got "
         "neither\n"},
        {REGISTRY("tag: /t"),
         ":2: registries[0].kind: expected generic.repository or generic.reference beside it, got "
         "neither\n"},
        {REGISTRY("repository: /r"),
         ":2: registries[0].generic.repository: expected tag or digest beside it, got neither\n"},
        {REGISTRY("reference: /r, tag: /t"),
         ":2: registries[0].generic.reference: expected either it, or repository, tag and digest, "
         "got both\n"},
        {REGISTRY("reference: /r, repository: /t"),
         ":2: registries[0].generic.reference: expected either it, or repository, tag and digest, "
         "got both\n"},
        {REGISTRY("reference: r"),
         ":2: registries[0].generic.reference: expected 1 to 255 characters of a JSON pointer such "
         "as /target/tag, got \"r\"\n"},
        {REGISTRY("reference: /r, push: [a]"),
         ":2: registries[0].generic.push: expected action beside it, got nothing\n"},
        {REGISTRY("reference: /r, delete: [a]"),
         ":2: registries[0].generic.delete: expected action beside it, got nothing\n"},
        {REGISTRY("reference: /r, action: /a, push: [a, b], delete: [c, B]"),
         ":2: registries[0].generic.delete: expected other words than push has, got \"B\"\n"},
        {REGISTRY("reference: /r, action: /a, push: []"),
         ":2: registries[0].generic.push: expected a list of 1 to 32: a word, got a list of 0\n"},
        {"registries:\n- {id: r1, kind: ecr, generic: {reference: /r}}\n",
         ":2: registries[0].generic.reference: expected kind: generic beside it, got another\n"},
        {"registries:\n- {id: r1, generic: {events: /r}}\n",
         ":2: registries[0].generic.events: expected kind: generic beside it, got another\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct config *cfg = NULL;
        struct buf error;
        buf_init(&error, 4096);
        print_message("  %s", CASES[i].text);
        assert_int_equal(load(CASES[i].text, &cfg, &error), -EINVAL);
        assert_int_equal(buf_append(&error, SLICE_LIT("\0")), 0);
        assert_string_equal(strchr((const char *) error.data, ':'), CASES[i].problem);
        buf_fini(&error);
    }
}

static void test_pointers(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        bool is;
    } CASES[] = {
        {"", true},     {"/", true},        {"/a", true},         {"/a/0/b", true}, {"//", true},
        {"/a b", true}, {"/m~0n~1o", true}, {"/\xc3\xa9", true},  {"a", false},     {"#/a", false},
        {"/a~", false}, {"/a~2", false},    {"/a\\u0062", false}, {"/a\nb", false}, {" /a", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].text);
        assert_int_equal(value_is_pointer(CASES[i].text), CASES[i].is);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_pointers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
