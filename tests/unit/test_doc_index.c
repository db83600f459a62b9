/* Tests of broker/base/doc_index.c: keys are found in mappings of any size, also after some went.
 */
#include "doc_index.h"

#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct siphash_seed SEED = {1, 2};

static void add(struct doc_node *map, unsigned i)
{
    char key[16];
    struct doc_node *node = xcalloc(1, sizeof(*node));
    (void) snprintf(key, sizeof(key), "k%u", i);
    node->kind = DOC_TEXT;
    node->key = xstrdup(key);
    if (map->last == NULL)
        map->first = node;
    else
        map->last->next = node;
    map->last = node;
    map->n++;
    doc_index_added(map, node, &SEED);
}

static void test_every_size(void **state)
{
    (void) state;
    struct doc_node *map = xcalloc(1, sizeof(*map));
    map->kind = DOC_MAP;
    for (unsigned i = 0; i < 1000; i++) {
        add(map, i);
        assert_int_equal(map->index != NULL, map->n >= DOC_INDEX_MIN);
        assert_ptr_equal(doc_member(map, map->first->key), map->first);
        assert_ptr_equal(doc_member(map, map->last->key), map->last);
        assert_null(doc_member(map, "k1000"));
    }
    for (struct doc_node *at = map->first; at != NULL; at = at->next)
        assert_ptr_equal(doc_index_find(map->index, at->key), at);
    doc_free(map);
}

static void test_removed(void **state)
{
    (void) state;
    struct doc_node *map = xcalloc(1, sizeof(*map));
    map->kind = DOC_MAP;
    for (unsigned i = 0; i <= DOC_INDEX_MIN; i++)
        add(map, i);
    for (unsigned i = 0; i < 2; i++) {
        struct doc_node *gone = map->first;
        map->first = gone->next;
        map->n--;
        doc_index_removed(map, &SEED);
        assert_int_equal(map->index != NULL, map->n >= DOC_INDEX_MIN);
        assert_null(doc_member(map, gone->key));
        assert_ptr_equal(doc_member(map, map->last->key), map->last);
        gone->next = NULL;
        doc_free(gone);
    }
    doc_free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_size),
        cmocka_unit_test(test_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
