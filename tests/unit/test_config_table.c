/* Tests of broker/base/config_table.c: the table is consistent. */
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

/* Two ways to write one thing stand beside each other, so that it is compared and copied once. */
static void test_shared_places_are_neighbours(void **state)
{
    (void) state;
    for (size_t i = 0; i < N_SETTINGS; i++) {
        for (size_t k = 0; k < i; k++) {
            size_t prefix = setting_item_prefix(SETTINGS[i].key);
            if (SETTINGS[i].offset != SETTINGS[k].offset || SETTINGS[k].type == SETTING_DEFAULTS ||
                SETTINGS[i].type == SETTING_DEFAULTS ||
                prefix != setting_item_prefix(SETTINGS[k].key) ||
                strncmp(SETTINGS[i].key, SETTINGS[k].key, prefix) != 0)
                continue;
            if (!setting_shares_place(&SETTINGS[i]))
                fail_msg("%s is not next to %s", SETTINGS[i].key, SETTINGS[k].key);
        }
    }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_are_unique_and_of_a_list),
        cmocka_unit_test(test_shared_places_are_neighbours),
        cmocka_unit_test(test_lists_name_their_keys),
        cmocka_unit_test(test_defaults_are_within_their_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
