/* LM-05: names made up so that they collide under a hash without a key cost no more than any
 * others. The control is a table of ours with such a hash, FNV-1a, where all of them are in one
 * chain. */
#include "catalog_index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { N = 4000, SAME_BITS = 12, NAME_SIZE = 16 };
/* There are two in a chain on average, or fewer: with a hash as good as chance not one table in a
 * hundred million has a chain as long. */
enum { LONGEST = 20 };

static char names[N][NAME_SIZE];
static struct table_node nodes[N];

static uint64_t fnv1a(const char *s)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *s != '\0'; s++)
        h = (h ^ (uint8_t) *s) * UINT64_C(0x100000001b3);
    return h;
}

static int make_names(void **state)
{
    (void) state;
    size_t n = 0;
    for (unsigned i = 0; n < N; i++) {
        (void) snprintf(names[n], NAME_SIZE, "team/%x", i);
        uint64_t hash = fnv1a(names[n]);
        if ((hash & ((1u << SAME_BITS) - 1)) == 0)
            nodes[n++].hash = hash;
    }
    return 0;
}

static size_t longest_chain(const struct table *t)
{
    size_t longest = 0;
    for (size_t i = 0; i < t->n_slots; i++) {
        size_t n = 0;
        for (const struct table_node *at = t->slots[i].first; at != NULL; at = at->next)
            n++;
        longest = n > longest ? n : longest;
    }
    return longest;
}

static void test_without_a_key(void **state)
{
    struct table t = {0};
    (void) state;
    for (size_t i = 0; i < N; i++)
        table_add(&t, &nodes[i]);
    assert_true(t.n_slots <= 1u << SAME_BITS);
    assert_int_equal(longest_chain(&t), N);
    table_fini(&t);
}

static void test_names_of_a_catalog(void **state)
{
    struct catalog_index x;
    (void) state;
    catalog_index_init(&x);
    for (size_t i = 0; i < N; i++) {
        struct repo *repo = repo_get(&x, "crtregistry000000001", names[i]);
        (void) image_add(&x, repo, i + 1, names[i]);
    }
    struct image *image = LIST_ENTRY(x.lru.next, struct image, in_lru);
    for (size_t i = 0; i < N; i++)
        (void) tag_add(&x, image, i + 1, names[i]);
    assert_in_range(longest_chain(&x.repos), 2, LONGEST);
    assert_in_range(longest_chain(&x.images), 2, LONGEST);
    assert_in_range(longest_chain(&x.tags), 2, LONGEST);
    catalog_index_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_without_a_key),
                                       cmocka_unit_test(test_names_of_a_catalog)};
    return cmocka_run_group_tests(tests, make_names, NULL);
}
