/* The catalog: which events follow from which change, limits, and taking changes back. Notes:
 * test_catalog_notes.c. Against random changes: property/test_catalog_model.c. */
#include "catalog_bed.h"

static void test_derived(void **state)
{
    (void) state;
    static const struct {
        const char *name;
        const char *steps[14]; /* a change and what follows, in turn; ended by NULL */
        uint64_t images, tags; /* at the end */
    } CASES[] = {
        {"a new image", {"push r d1 v1", "CreateImage r d1 v1, CreateImageTag r d1 v1"}, 1, 1},
        {"another tag",
         {"push r d1 v1", "CreateImage r d1 v1, CreateImageTag r d1 v1", "push r d1 v2",
          "CreateImageTag r d1 v2"},
         1,
         2},
        {"the same push again",
         {"push r d1 v1", "CreateImage r d1 v1, CreateImageTag r d1 v1", "push r d1 v1", ""},
         1,
         1},
        {"a tag moved to a new image",
         {"push r d1 v1", "CreateImage r d1 v1, CreateImageTag r d1 v1", "push r d2 v1",
          "CreateImage r d2 v1, DeleteImageTag r d1 v1, CreateImageTag r d2 v1"},
         2,
         1},
        {"and back, to one that is known",
         {"push r d1 v1", "CreateImage r d1 v1, CreateImageTag r d1 v1", "push r d2 v1",
          "CreateImage r d2 v1, DeleteImageTag r d1 v1, CreateImageTag r d2 v1", "push r d1 v1",
          "DeleteImageTag r d2 v1, CreateImageTag r d1 v1"},
         2,
         1},
        {"by digest", {"push r d1 -", "CreateImage r d1 -", "push r d1 -", ""}, 1, 0},
        {"by digest and then under a tag",
         {"push r d1 -", "CreateImage r d1 -", "push r d1 v1", "CreateImageTag r d1 v1"},
         1,
         1},
        {"delete with two tags, ordered by name",
         {"push r d1 v2", "CreateImage r d1 v2, CreateImageTag r d1 v2", "push r d1 v1",
          "CreateImageTag r d1 v1", "delete r d1",
          "DeleteImage r d1 -, DeleteImageTag r d1 v1, DeleteImageTag r d1 v2", "untag r v1", "",
          "untag r v2", "", "delete r d1", ""},
         0,
         0},
        {"delete without tags",
         {"push r d1 -", "CreateImage r d1 -", "delete r d1", "DeleteImage r d1 -"},
         0,
         0},
        {"delete takes only the tags it still has",
         {"push r d1 v1", "CreateImage r d1 v1, CreateImageTag r d1 v1", "push r d2 v1",
          "CreateImage r d2 v1, DeleteImageTag r d1 v1, CreateImageTag r d2 v1", "delete r d1",
          "DeleteImage r d1 -"},
         1,
         1},
        {"delete of a blob", {"push r d1 -", "CreateImage r d1 -", "delete r blob", ""}, 1, 0},
        {"delete in a repository nobody knows", {"delete x d1", "", "untag x v1", ""}, 0, 0},
        {"a tag deleted",
         {"push r d1 v1", "CreateImage r d1 v1, CreateImageTag r d1 v1", "untag r v1",
          "DeleteImageTag r d1 v1", "untag r v1", "", "push r d1 v1", "CreateImageTag r d1 v1"},
         1,
         1},
        {"a deleted image pushed again",
         {"push r d1 v1", "CreateImage r d1 v1, CreateImageTag r d1 v1", "delete r d1",
          "DeleteImage r d1 -, DeleteImageTag r d1 v1", "push r d1 v1",
          "CreateImage r d1 v1, CreateImageTag r d1 v1"},
         1,
         1},
        {"repositories do not mix",
         {"push r d1 v1", "CreateImage r d1 v1, CreateImageTag r d1 v1", "push s d1 v1",
          "CreateImage s d1 v1, CreateImageTag s d1 v1", "delete r d1",
          "DeleteImage r d1 -, DeleteImageTag r d1 v1", "untag s v1", "DeleteImageTag s d1 v1"},
         1,
         0},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        for (int commit_each = 0; commit_each < 2; commit_each++) {
            struct catalog *c = catalog_new(100, 100, KEEP_MS);
            for (size_t k = 0; CASES[i].steps[k] != NULL; k += 2) {
                expect(c, "reg", CASES[i].steps[k], CASES[i].steps[k + 1]);
                if (commit_each)
                    commit(c);
            }
            commit(c);
            assert_int_equal(catalog_images(c), CASES[i].images);
            assert_int_equal(catalog_tags(c), CASES[i].tags);
            catalog_free(c);
        }
    }
}

static void test_registries_do_not_mix(void **state)
{
    (void) state;
    struct catalog *c = catalog_new(100, 100, KEEP_MS);
    expect(c, "ab", "push c d1 v1", "CreateImage c d1 v1, CreateImageTag c d1 v1");
    expect(c, "a", "push bc d1 v1", "CreateImage bc d1 v1, CreateImageTag bc d1 v1");
    expect(c, "a", "push c d1 v1", "CreateImage c d1 v1, CreateImageTag c d1 v1");
    expect(c, "a", "delete c d1", "DeleteImage c d1 -, DeleteImageTag c d1 v1");
    expect(c, "ab", "untag c v1", "DeleteImageTag c d1 v1");
    catalog_free(c);
}

static void test_no_digest(void **state)
{
    (void) state;
    struct catalog *c = catalog_new(100, 100, KEEP_MS);
    const struct change change = {
        .kind = CHANGE_PUSH, .repository = "r", .digest = "", .tag = "", .created_at = ""};
    assert_int_equal(catalog_apply(c, "reg", &change, &NOW, write_down, NULL), 0);
    assert_int_equal(catalog_images(c), 0);
    catalog_free(c);
}

static void test_rollback(void **state)
{
    (void) state;
    static const struct {
        const char *name;
        const char *changes[8]; /* each taken back alone, and all of them together */
    } CASES[] = {
        {"new image, new repository", {"push x d1 v1"}},
        {"new image", {"push r d9 v9"}},
        {"new tag", {"push r d1 v9"}},
        {"tag moved", {"push r d2 v1"}},
        {"tag moved twice", {"push r d2 v1", "push r d3 v1", "push r d1 v1"}},
        {"tag deleted", {"untag r v1"}},
        {"image deleted", {"delete r d1"}},
        {"image deleted and pushed again", {"delete r d1", "push r d1 v1", "push r d1 v7"}},
        {"moved away, then its image deleted",
         {"push r d2 v1", "delete r d1", "push r d1 v2", "delete r d2"}},
        {"everything deleted", {"delete r d1", "delete r d2", "push r d3 v3", "delete r d3"}},
        {"nothing at all", {"push r d1 v1", "delete r blob", "untag r v9"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct catalog *c = catalog_new(100, 100, KEEP_MS);
        struct buf out;
        buf_init(&out, 1 << 16);
        (void) apply(c, "reg", "push r d1 v1", write_down, &out);
        (void) apply(c, "reg", "push r d1 v2", write_down, &out);
        (void) apply(c, "reg", "push r d2 w1", write_down, &out);
        commit(c);
        for (size_t k = 0; CASES[i].changes[k] != NULL; k++)
            (void) apply(c, "reg", CASES[i].changes[k], write_down, &out);
        (void) seal(c); /* refused after it was submitted, or before */
        if (i % 2 == 0)
            (void) apply(c, "reg", "push r d5 w1", write_down, &out);
        catalog_rollback(c);
        catalog_rollback(c); /* nothing more to undo */
        assert_int_equal(catalog_images(c), 2);
        assert_int_equal(catalog_tags(c), 3);
        expect(c, "reg", "push r d1 v1", "");
        expect(c, "reg", "delete r d1",
               "DeleteImage r d1 -, DeleteImageTag r d1 v1, DeleteImageTag r d1 v2");
        expect(c, "reg", "push r d2 w1", "");
        expect(c, "reg", "delete r d2", "DeleteImage r d2 -, DeleteImageTag r d2 w1");
        assert_int_equal(catalog_images(c), 0);
        buf_fini(&out);
        catalog_free(c); /* with changes that were never committed */
    }
}

static void push_many(struct catalog *c, const char *form, int from, int to)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    for (int i = from; i < to; i++) {
        char change[64];
        (void) snprintf(change, sizeof(change), form, i, i);
        (void) apply(c, "reg", change, write_down, &out);
    }
    commit(c);
    buf_fini(&out);
}

static void test_limits(void **state)
{
    (void) state;
    struct catalog *c = catalog_new(10, 20, KEEP_MS);
    push_many(c, "push r d%d v%d", 0, 10);
    expect(c, "reg", "push r d0 v0", ""); /* now the one used last */
    push_many(c, "push r d%d v%d", 10, 12);
    assert_int_equal(catalog_images(c), 10);
    assert_int_equal(catalog_tags(c), 10);
    assert_int_equal(catalog_forgotten(c), 2);
    expect(c, "reg", "push r d0 v0", "");
    expect(c, "reg", "push r d3 v3", "");
    expect(c, "reg", "untag r v1", ""); /* went with its image */
    expect(c, "reg", "push r d1 v1", "CreateImage r d1 v1, CreateImageTag r d1 v1");
    catalog_free(c);

    /* Images without tags stay when only tags are too many. */
    c = catalog_new(1000, 5, KEEP_MS);
    push_many(c, "push r child%d -", 0, 50);
    push_many(c, "push r d%d v%d", 0, 8);
    assert_int_equal(catalog_tags(c), 5);
    assert_int_equal(catalog_images(c), 55);
    assert_int_equal(catalog_forgotten(c), 3);
    expect(c, "reg", "push r child0 -", "");

    /* One image with more tags than there may be keeps the newest. */
    push_many(c, "push r one t%d", 0, 9);
    assert_int_equal(catalog_tags(c), 5);
    expect(c, "reg", "untag r t3", "");
    expect(c, "reg", "delete r one",
           "DeleteImage r one -, DeleteImageTag r one t4, DeleteImageTag r one t5, "
           "DeleteImageTag r one t6, DeleteImageTag r one t7, DeleteImageTag r one t8");
    catalog_free(c);
    catalog_free(NULL);
}

static void test_growth(void **state)
{
    (void) state;
    enum { N = 20000 };
    struct catalog *c = catalog_new(N, N, KEEP_MS);
    push_many(c, "push r%d d%d -", 0, N); /* each in its own repository */
    assert_int_equal(catalog_images(c), N);
    push_many(c, "delete r%d d%d", 0, N);
    assert_int_equal(catalog_images(c), 0);
    catalog_free(c);
}

/* Of an image with very many tags the newest are remembered; the others are gone without an event.
 */
static void test_crowded_image(void **state)
{
    (void) state;
    struct catalog *c = catalog_new(10, 1000000, KEEP_MS);
    for (unsigned i = 0; i < TAGS_PER_IMAGE + 5; i++) {
        char change[64];
        (void) snprintf(change, sizeof(change), "push app d1 t%u", i);
        assert_int_equal(apply(c, "r", change, count, NULL), i == 0 ? 2 : 1);
        if (i % 100 == 7) { /* taken back, also beyond the limit */
            catalog_rollback(c);
            assert_int_equal(apply(c, "r", change, count, NULL), 1);
        }
        commit(c);
    }
    assert_int_equal(catalog_tags(c), TAGS_PER_IMAGE);
    assert_int_equal(catalog_forgotten(c), 5);
    assert_int_equal(apply(c, "r", "untag app t4", count, NULL), 0);
    assert_int_equal(apply(c, "r", "untag app t5", count, NULL), 1);
    assert_int_equal(apply(c, "r", "delete app d1", count, NULL), TAGS_PER_IMAGE);
    commit(c);
    assert_int_equal(catalog_tags(c), 0);
    catalog_free(c);
}

/* --- several webhooks under way --- */

static void test_prefix_committed(void **state)
{
    (void) state;
    static const char *const CHANGES[] = {"push r d1 v1", "push r d2 v1", "delete r d1",
                                          "push r d1 v2", "untag r v1",   "delete r d2"};
    static const struct {
        const char *d1, *d2; /* what deleting them makes, after so many were committed */
    } LEFT[] = {
        {"", ""},
        {"DeleteImage r d1 -, DeleteImageTag r d1 v1", ""},
        {"DeleteImage r d1 -", "DeleteImage r d2 -, DeleteImageTag r d2 v1"},
        {"", "DeleteImage r d2 -, DeleteImageTag r d2 v1"},
        {"DeleteImage r d1 -, DeleteImageTag r d1 v2",
         "DeleteImage r d2 -, DeleteImageTag r d2 v1"},
        {"DeleteImage r d1 -, DeleteImageTag r d1 v2", "DeleteImage r d2 -"},
        {"DeleteImage r d1 -, DeleteImageTag r d1 v2", ""},
    };
    for (size_t n = 0; n <= ARRAY_LEN(CHANGES); n++) {
        uint64_t marks[ARRAY_LEN(CHANGES)];
        struct catalog *c = catalog_new(100, 100, KEEP_MS);
        for (size_t i = 0; i < ARRAY_LEN(CHANGES); i++) {
            (void) apply(c, "reg", CHANGES[i], count, NULL);
            marks[i] = seal(c);
        }
        for (size_t i = 0; i < n; i++)
            catalog_commit(c, marks[i]);
        catalog_rollback(c);
        expect(c, "reg", "delete r d1", LEFT[n].d1);
        expect(c, "reg", "delete r d2", LEFT[n].d2);
        commit(c);
        assert_int_equal(catalog_images(c), 0);
        catalog_free(c);
    }
}

/* Refused before it was submitted: those under way are not concerned. */
static void test_rollback_to(void **state)
{
    (void) state;
    struct catalog *c = catalog_new(100, 100, KEEP_MS);
    (void) apply(c, "reg", "push r d1 v1", count, NULL);
    uint64_t first = seal(c);
    for (int sealed = 0; sealed < 2; sealed++) {
        (void) apply(c, "reg", "push r d2 v1", count, NULL);
        (void) apply(c, "reg", "delete r d1", count, NULL);
        if (sealed)
            (void) seal(c);
        catalog_rollback_to(c, first);
    }
    expect(c, "reg", "push r d1 v1", "");
    expect(c, "reg", "push r d2 w1", "CreateImage r d2 w1, CreateImageTag r d2 w1");
    uint64_t second = seal(c);
    catalog_commit(c, first);
    expect(c, "reg", "delete r d2", "DeleteImage r d2 -, DeleteImageTag r d2 w1");
    catalog_rollback_to(c, second);
    expect(c, "reg", "push r d2 w1", "");
    catalog_rollback_to(c, 0); /* and what is committed stays */
    expect(c, "reg", "push r d1 v1", "");
    expect(c, "reg", "untag r w1", "");
    catalog_free(c);
}

/* What was forgotten comes back as the oldest, and is forgotten again first. */
static void test_forgetting_undone(void **state)
{
    (void) state;
    struct catalog *c = catalog_new(3, 100, KEEP_MS);
    push_many(c, "push r d%d v%d", 0, 3);
    for (int i = 0; i < 3; i++) {
        (void) apply(c, "reg", "push r new -", count, NULL);
        (void) apply(c, "reg", "push r new2 -", count, NULL);
        (void) seal(c);
        assert_int_equal(catalog_images(c), 3);
        assert_int_equal(catalog_tags(c), 1);
        assert_int_equal(catalog_forgotten(c), 2);
        catalog_rollback(c);
        assert_int_equal(catalog_images(c), 3);
        assert_int_equal(catalog_tags(c), 3);
        assert_int_equal(catalog_forgotten(c), 0);
    }
    push_many(c, "push r d%d v%d", 3, 4);
    expect(c, "reg", "untag r v0", "");
    expect(c, "reg", "untag r v1", "DeleteImageTag r d1 v1");
    catalog_free(c);

    c = catalog_new(100, 3, KEEP_MS); /* the same where tags are too many */
    push_many(c, "push r d%d v%d", 0, 3);
    (void) apply(c, "reg", "push r d3 v3", count, NULL);
    (void) apply(c, "reg", "push r d4 v4", count, NULL);
    (void) seal(c);
    assert_int_equal(catalog_tags(c), 3);
    catalog_rollback(c);
    push_many(c, "push r d%d v%d", 3, 4);
    expect(c, "reg", "untag r v0", "");
    expect(c, "reg", "untag r v1", "DeleteImageTag r d1 v1");
    catalog_free(c);

    c = catalog_new(100, 2, KEEP_MS); /* and where they are tags of one image */
    push_many(c, "push r one v%d", 0, 2);
    (void) apply(c, "reg", "push r one v2", count, NULL);
    (void) apply(c, "reg", "push r one v3", count, NULL);
    (void) seal(c);
    catalog_rollback(c);
    push_many(c, "push r one v%d", 2, 3);
    expect(c, "reg", "untag r v0", "");
    expect(c, "reg", "untag r v1", "DeleteImageTag r one v1");
    catalog_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_derived),       cmocka_unit_test(test_registries_do_not_mix),
        cmocka_unit_test(test_no_digest),     cmocka_unit_test(test_rollback),
        cmocka_unit_test(test_limits),        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_crowded_image), cmocka_unit_test(test_prefix_committed),
        cmocka_unit_test(test_rollback_to),   cmocka_unit_test(test_forgetting_undone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
