/* The index: names that do not mix, the order by age from both ends, and repositories that live as
 * long as their images and tombstones. */
#include "catalog.h"
#include "catalog_index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_names(void **state)
{
    (void) state;
    struct catalog_index x;
    catalog_index_init(&x);
    assert_null(repo_find(&x, "a", "bc"));
    struct repo *one = repo_get(&x, "a", "bc"), *two = repo_get(&x, "ab", "c");
    assert_ptr_not_equal(one, two);
    assert_ptr_equal(repo_get(&x, "a", "bc"), one);
    struct image *i1 = image_add(&x, one, 1, "d"), *i2 = image_add(&x, two, 2, "d");
    struct tag *t1 = tag_add(&x, i1, 3, "t"), *t2 = tag_add(&x, i2, 4, "t");
    assert_ptr_equal(repo_find(&x, "ab", "c"), two);
    assert_ptr_equal(image_find(&x, one, "d"), i1);
    assert_ptr_equal(image_find(&x, two, "d"), i2);
    assert_null(image_find(&x, one, "t"));
    assert_ptr_equal(tag_find(&x, one, "t"), t1);
    assert_ptr_equal(tag_find(&x, two, "t"), t2);
    assert_null(tag_find(&x, two, "d"));
    assert_int_equal(x.images.n, 2);
    assert_int_equal(x.tags.n, 2);
    catalog_index_fini(&x);
}

static void test_repository_lives(void **state)
{
    (void) state;
    struct catalog_index x;
    catalog_index_init(&x);
    struct repo *r = repo_get(&x, "a", "b");
    struct image *i1 = image_add(&x, r, 1, "d1"), *i2 = image_add(&x, r, 2, "d2");
    image_unlink(&x, i1);
    image_unlink(&x, i2);
    assert_null(image_find(&x, r, "d1"));
    image_free(&x, i1);
    assert_ptr_equal(repo_find(&x, "a", "b"), r); /* the other one may come back */
    image_link(&x, i2, CATALOG_NEWEST);
    assert_ptr_equal(image_find(&x, r, "d2"), i2);
    image_unlink(&x, i2);
    image_free(&x, i2);
    assert_null(repo_find(&x, "a", "b"));
    assert_int_equal(x.repos.n, 0);
    catalog_index_fini(&x);
}

static void test_order(void **state)
{
    (void) state;
    struct catalog_index x;
    catalog_index_init(&x);
    struct repo *r = repo_get(&x, "a", "b");
    struct image *i1 = image_add(&x, r, 1, "d1"), *i2 = image_add(&x, r, 2, "d2");
    struct tag *t1 = tag_add(&x, i1, 3, "t1"), *t2 = tag_add(&x, i1, 4, "t2");
    assert_ptr_equal(x.lru.next, &i1->in_lru);
    assert_ptr_equal(x.tagged.next, &i1->in_tagged);
    assert_true(list_empty(&i2->in_tagged));
    tag_unlink(&x, t1);
    assert_ptr_equal(i1->tags.next, &t2->in_image);
    tag_link(&x, t1, CATALOG_OLDEST);
    assert_ptr_equal(i1->tags.next, &t1->in_image);
    tag_unlink(&x, t1);
    tag_link(&x, t1, CATALOG_NEWEST);
    assert_ptr_equal(i1->tags.prev, &t1->in_image);
    assert_int_equal(i1->n_tags, 2);

    tag_unlink(&x, t1);
    tag_unlink(&x, t2);
    assert_true(list_empty(&x.tagged));
    image_unlink(&x, i1);
    assert_ptr_equal(x.lru.next, &i2->in_lru);
    (void) tag_add(&x, i2, 5, "t3");
    image_link(&x, i1, CATALOG_OLDEST);
    tag_link(&x, t1, CATALOG_OLDEST);
    assert_ptr_equal(x.lru.next, &i1->in_lru);
    assert_ptr_equal(x.tagged.next, &i1->in_tagged);
    tag_link(&x, t2, CATALOG_NEWEST);
    catalog_index_fini(&x);
}

static void test_crowded(void **state)
{
    (void) state;
    struct catalog_index x;
    catalog_index_init(&x);
    struct image *i = image_add(&x, repo_get(&x, "a", "b"), 1, "d");
    struct tag *last = NULL;
    for (unsigned k = 0; k <= TAGS_PER_IMAGE; k++) {
        char name[16];
        (void) snprintf(name, sizeof(name), "t%u", k);
        assert_true(list_empty(&x.crowded));
        last = tag_add(&x, i, 2 + k, name);
    }
    assert_ptr_equal(x.crowded.next, &i->in_crowded);
    list_remove(&i->in_crowded); /* seen to; and again when one comes back */
    tag_unlink(&x, last);
    tag_link(&x, last, CATALOG_NEWEST);
    assert_ptr_equal(x.crowded.next, &i->in_crowded);
    catalog_index_fini(&x);
}

static void test_tombstones(void **state)
{
    (void) state;
    struct catalog_index x;
    catalog_index_init(&x);
    struct repo *r = repo_get(&x, "a", "b"), *other = repo_get(&x, "a", "c");
    struct tombstone *s1 = tombstone_add(&x, r, 1, "", "ab"),
                     *s2 = tombstone_add(&x, r, 2, "a", "b"),
                     *s3 = tombstone_add(&x, r, 3, "ab", "");
    (void) tombstone_add(&x, other, 4, "", "ab");
    assert_ptr_equal(tombstone_find(&x, r, "", "ab"), s1);
    assert_ptr_equal(tombstone_find(&x, r, "a", "b"), s2);
    assert_ptr_equal(tombstone_find(&x, r, "ab", ""), s3);
    assert_null(tombstone_find(&x, other, "a", "b"));
    assert_string_equal(s2->digest, "b");
    assert_ptr_equal(x.oldest.next, &s1->in_age);
    tombstone_unlink(&x, s1);
    assert_null(tombstone_find(&x, r, "", "ab"));
    assert_int_equal(r->n_tombstones, 2);
    tombstone_link(&x, s1, CATALOG_NEWEST);
    assert_ptr_equal(x.oldest.next, &s2->in_age);
    tombstone_unlink(&x, s3);
    tombstone_link(&x, s3, CATALOG_OLDEST);
    assert_ptr_equal(x.oldest.next, &s3->in_age);
    struct tombstone *all[] = {s1, s2, s3};
    for (size_t i = 0; i < 3; i++) {
        assert_ptr_equal(repo_find(&x, "a", "b"), r); /* lives as long as they do */
        tombstone_unlink(&x, all[i]);
        tombstone_free(&x, all[i]);
    }
    assert_null(repo_find(&x, "a", "b"));
    catalog_index_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names),
                                       cmocka_unit_test(test_repository_lives),
                                       cmocka_unit_test(test_order), cmocka_unit_test(test_crowded),
                                       cmocka_unit_test(test_tombstones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
