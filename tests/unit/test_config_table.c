/* Tests of broker/base/config_table.c: the table is consistent, and conf/reference.md is its print.
 * REGCAST_UPDATE=1 in the environment writes conf/reference.md instead of comparing. */
#include "config_set.h"

#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_keys_are_unique_and_of_a_list(void **state)
{
    (void) state;
    for (size_t i = 0; i < N_SETTINGS; i++) {
        assert_ptr_equal(setting_find(SETTINGS[i].key), &SETTINGS[i]);
        size_t prefix = setting_item_prefix(SETTINGS[i].key);
        if (prefix == 0)
            continue;
        char list[64];
        (void) snprintf(list, sizeof(list), "%.*s", (int) prefix - 3, SETTINGS[i].key);
        assert_non_null(list_find(list));
        assert_int_equal(setting_find(list)->type, SETTING_LIST);
    }
    assert_null(setting_find("gateway"));
    assert_null(list_find("gateway"));
}

static void test_lists_name_their_keys(void **state)
{
    (void) state;
    for (size_t i = 0; i < N_LISTS; i++) {
        char key[128];
        if (LISTS[i].unique_key == NULL)
            continue;
        (void) snprintf(key, sizeof(key), "%s[].%s", LISTS[i].key, LISTS[i].unique_key);
        const struct setting *s = setting_find(key);
        assert_non_null(s);
        assert_int_equal(s->offset, LISTS[i].unique_offset);
        assert_int_equal(s->type, SETTING_TEXT);
        assert_true(s->flags & SETTING_REQUIRED);
    }
}

/* Every default is one that the file could have given. */
static void test_defaults_are_within_their_bounds(void **state)
{
    (void) state;
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *s = &SETTINGS[i];
        assert_true(s->min <= s->max);
        assert_true(s->help[0] != '\0' && s->help[strlen(s->help) - 1] == '.');
        if (s->def == NULL || s->type == SETTING_LIST)
            continue;
        uint64_t space[8] = {0}; /* room for any of the types, aligned */
        struct problems problems = {.file = "f"};
        struct doc_node text = {.kind = DOC_TEXT, .line = 1, .text = xstrdup(s->def)};
        struct doc_node list = {.kind = DOC_LIST, .line = 1, .n = 1, .first = &text};
        setting_read(&problems, s, s->type == SETTING_TEXTS ? &list : &text, s->key, space);
        if (problems.n > 0)
            fail_msg("%s", problems.at[0].text);
        setting_fini(s, space);
        setting_default(s, space);
        setting_fini(s, space);
        free(text.text);
    }
}

static void test_reference_is_up_to_date(void **state)
{
    (void) state;
    char name[4096];
    const char *dir = getenv("REGCAST_SOURCE_DIR");
    assert_non_null(dir);
    (void) snprintf(name, sizeof(name), "%s/conf/reference.md", dir);
    struct buf want, have;
    buf_init(&want, 1 << 20);
    buf_init(&have, 1 << 20);
    assert_int_equal(config_print_reference(&want), 0);
    if (getenv("REGCAST_UPDATE") != NULL) {
        FILE *f = fopen(name, "w");
        assert_non_null(f);
        assert_int_equal(fwrite(want.data, 1, want.len, f), want.len);
        assert_int_equal(fclose(f), 0);
    }
    FILE *f = fopen(name, "r");
    assert_non_null(f);
    uint8_t *at;
    assert_int_equal(buf_reserve(&have, 1 << 19, &at), 0);
    buf_grew(&have, fread(at, 1, 1 << 19, f));
    (void) fclose(f);
    if (!slice_eq(buf_slice(&want), buf_slice(&have)))
        fail_msg("conf/reference.md differs: regcastd --print-reference > conf/reference.md");
    buf_fini(&want);
    buf_fini(&have);
}

/* A cell with a bar or a line end would break its table. */
static void test_reference_is_a_table(void **state)
{
    (void) state;
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(config_print_reference(&out), 0);
    assert_int_equal(buf_append(&out, SLICE_LIT("\0")), 0);
    size_t rows = 0;
    for (char *line = strtok((char *) out.data, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        size_t bars = 0;
        for (const char *c = line; *c != '\0'; c++)
            bars += *c == '|';
        assert_true(bars == 0 || bars == 5);
        rows += strncmp(line, "| `", 3) == 0;
    }
    assert_int_equal(rows, N_SETTINGS);
    for (size_t limit = 0; limit < out.len - 1; limit += 101) {
        struct buf small;
        buf_init(&small, limit);
        assert_int_equal(config_print_reference(&small), -EMSGSIZE);
        buf_fini(&small);
    }
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_are_unique_and_of_a_list),
        cmocka_unit_test(test_lists_name_their_keys),
        cmocka_unit_test(test_defaults_are_within_their_bounds),
        cmocka_unit_test(test_reference_is_up_to_date),
        cmocka_unit_test(test_reference_is_a_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
