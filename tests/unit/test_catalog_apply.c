/* What follows from changes that come late, without a digest, or are certain; and what is known of
 * deleted things. Changes in order: test_catalog.c. Any order: property/test_catalog_order.c. */
#include "buf.h"
#include "catalog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define KEEP_MS 60000

static const struct catalog_now NOON = {.wall_ns = UINT64_C(1767268800) * 1000000000, .ms = 1000};

/* A change is written "SECOND push REPOSITORY DIGEST TAG", "SECOND delete REPOSITORY DIGEST" or
 * "SECOND untag REPOSITORY TAG DIGEST", with "-" for what is absent, the second as well: it counts
 * from eleven o'clock. "delete!" and "untag!" are certain. */
static size_t apply_at(struct catalog *c, const struct catalog_now *now, const char *text,
                       catalog_emit emit, void *ctx)
{
    char second[8], verb[16], repository[32], a[32], b[32] = "", created_at[32] = "";
    assert_true(sscanf(text, "%7s %15s %31s %31s %31s", second, verb, repository, a, b) >= 4);
    if (strcmp(second, "-") != 0) {
        long s = strtol(second, NULL, 10);
        (void) snprintf(created_at, sizeof(created_at), "2026-01-01T11:%02ld:%02ldZ", s / 60 % 60,
                        s % 60);
    }
    for (char *word = a; word != NULL; word = word == a ? b : NULL)
        if (strcmp(word, "-") == 0)
            *word = '\0';
    struct change change = {.repository = repository,
                            .digest = a,
                            .tag = b,
                            .created_at = created_at,
                            .certain = strchr(verb, '!') != NULL};
    if (strcmp(verb, "push") == 0) {
        change.kind = CHANGE_PUSH;
    } else if (strncmp(verb, "delete", 6) == 0) {
        change.kind = CHANGE_DELETE_DIGEST;
    } else {
        assert_int_equal(strncmp(verb, "untag", 5), 0);
        change.kind = CHANGE_DELETE_TAG;
        change.tag = a;
        change.digest = b;
    }
    return catalog_apply(c, "reg", &change, now, emit, ctx);
}

static void write_down(void *ctx, const struct catalog_event *e)
{
    struct buf *out = ctx;
    assert_string_equal(e->repository, "r");
    assert_int_equal(buf_printf(out, "%s%s %s %s", out->len > 0 ? ", " : "", EVENT_TYPES[e->type],
                                e->digest[0] == '\0' ? "-" : e->digest,
                                e->tag[0] == '\0' ? "-" : e->tag),
                     0);
}

static void expect_at(struct catalog *c, const struct catalog_now *now, const char *change,
                      const char *want)
{
    struct buf out;
    buf_init(&out, 4096);
    size_t commas = 0, n = apply_at(c, now, change, write_down, &out);
    if (!slice_eq_str(buf_slice(&out), want))
        fail_msg("%s: %.*s, not %s", change, (int) out.len, (const char *) out.data, want);
    for (const char *p = want; *p != '\0'; p++)
        commas += *p == ',';
    assert_int_equal(n, want[0] == '\0' ? 0 : commas + 1);
    buf_fini(&out);
}

static void expect(struct catalog *c, const char *change, const char *want)
{
    expect_at(c, &NOON, change, want);
}

static void commit(struct catalog *c)
{
    catalog_commit(c, catalog_seal(c, NULL, NULL));
}

struct rule {
    const char *name;
    const char *steps[16];        /* a change and what follows, in turn; ended by NULL */
    uint64_t images, tags, stale; /* at the end */
};

/* As it is written, and with each change taken back once and applied again. */
static void check_rules(const struct rule *rules, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        print_message("  %s\n", rules[i].name);
        for (int twice = 0; twice < 2; twice++) {
            struct catalog *c = catalog_new(100, 100, KEEP_MS);
            uint64_t undone = 0, mark = 0;
            for (size_t k = 0; rules[i].steps[k] != NULL; k += 2) {
                if (twice) {
                    uint64_t before = catalog_stale(c);
                    expect(c, rules[i].steps[k], rules[i].steps[k + 1]);
                    if (k % 4 == 0)
                        (void) catalog_seal(c, NULL, NULL);
                    catalog_rollback_to(c, mark);
                    undone += catalog_stale(c) - before;
                }
                expect(c, rules[i].steps[k], rules[i].steps[k + 1]);
                mark = catalog_seal(c, NULL, NULL);
                if (k % 6 == 0)
                    catalog_commit(c, mark);
            }
            assert_int_equal(catalog_images(c), rules[i].images);
            assert_int_equal(catalog_tags(c), rules[i].tags);
            assert_int_equal(catalog_stale(c) - undone, rules[i].stale);
            catalog_free(c);
        }
    }
}

#define NEW(digest, tag) "CreateImage " digest " " tag ", CreateImageTag " digest " " tag

static void test_late_changes(void **state)
{
    (void) state;
    static const struct rule RULES[] = {
        {"a push of a tag that has moved on: a new image, and no word of the tag",
         {"20 push r d2 v1", NEW("d2", "v1"), "10 push r d1 v1", "CreateImage d1 -"},
         2,
         1,
         1},
        {"and of a known image nothing at all",
         {"20 push r d2 v1", NEW("d2", "v1"), "5 push r d1 -", "CreateImage d1 -",
          "10 push r d1 v1", ""},
         2,
         1,
         1},
        {"a push of another tag is not late",
         {"20 push r d2 v1", NEW("d2", "v1"), "10 push r d2 v2", "CreateImageTag d2 v2"},
         1,
         2,
         0},
        {"a push of an image deleted later",
         {"20 delete r d1", "", "10 push r d1 v1", "", "19 push r d1 -", "", "21 push r d1 v2",
          NEW("d1", "v2")},
         1,
         1,
         2},
        {"it ends what the tag was before",
         {"20 delete r d1", "", "5 push r d2 v1", NEW("d2", "v1"), "10 push r d1 v1",
          "DeleteImageTag d2 v1", "7 push r d2 v1", "", "11 push r d2 v1", "CreateImageTag d2 v1"},
         1,
         1,
         2},
        {"a push of a tag deleted later",
         {"20 untag r v1 -", "", "10 push r d1 v1", "CreateImage d1 -", "21 push r d1 v1",
          "CreateImageTag d1 v1"},
         1,
         1,
         1},
        {"a delete of an image pushed again since",
         {"10 push r d1 v1", NEW("d1", "v1"), "30 push r d1 v2", "CreateImageTag d1 v2",
          "20 delete r d1", "DeleteImageTag d1 v1", "15 push r d1 v3", "", "25 push r d1 v3",
          "CreateImageTag d1 v3"},
         1,
         2,
         2},
        {"a delete of a tag set again since",
         {"10 push r d1 v1", NEW("d1", "v1"), "30 push r d1 v1", "", "20 untag r v1 -", "",
          "31 untag r v1 -", "DeleteImageTag d1 v1"},
         1,
         0,
         1},
        {"a delete before the last one",
         {"10 push r d1 v1", NEW("d1", "v1"), "20 delete r d1",
          "DeleteImage d1 -, DeleteImageTag d1 v1", "15 delete r d1", "", "17 push r d1 -", ""},
         0,
         0,
         2},
        {"a tag does not come back by a push from before its image was deleted",
         {"10 push r d1 v1", NEW("d1", "v1"), "20 delete r d1",
          "DeleteImage d1 -, DeleteImageTag d1 v1", "5 push r d2 v1", "CreateImage d2 -",
          "15 push r d2 v1", "CreateImageTag d2 v1"},
         1,
         1,
         1},
        {"of two at the same time the one that comes later counts",
         {"10 push r d1 v1", NEW("d1", "v1"), "10 push r d2 v1",
          "CreateImage d2 v1, DeleteImageTag d1 v1, CreateImageTag d2 v1", "10 delete r d2",
          "DeleteImage d2 -, DeleteImageTag d2 v1", "10 push r d2 v1", NEW("d2", "v1"),
          "10 untag r v1 -", "DeleteImageTag d2 v1", "10 push r d2 v1", "CreateImageTag d2 v1"},
         2,
         1,
         0},
        {"without a time it is now",
         {"20 push r d1 v1", NEW("d1", "v1"), "- untag r v1 -", "DeleteImageTag d1 v1",
          "3599 push r d1 v1", "", "- push r d1 v1", "CreateImageTag d1 v1"},
         1,
         1,
         1},
        {"repositories have tombstones of their own",
         {"20 delete x d1", "", "20 untag x v1 -", "", "10 push r d1 v1", NEW("d1", "v1")},
         1,
         1,
         0},
    };
    check_rules(RULES, ARRAY_LEN(RULES));
}

static void test_pushes_without_a_digest(void **state)
{
    (void) state;
    static const struct rule RULES[] = {
        {"each makes its event",
         {"10 push r - v1", "CreateImageTag - v1", "20 push r - v1", "CreateImageTag - v1",
          "20 push r - v1", "CreateImageTag - v1"},
         0,
         0,
         0},
        {"but not a late one",
         {"20 push r - v1", "CreateImageTag - v1", "10 push r - v1", "", "30 push r d1 v1",
          NEW("d1", "v1"), "25 push r - v1", "", "40 untag r v1 -", "DeleteImageTag d1 v1",
          "35 push r - v1", ""},
         1,
         0,
         3},
        {"what the tag was before is not known any more",
         {"10 push r d1 v1", NEW("d1", "v1"), "20 push r - v1", "CreateImageTag - v1",
          "15 push r d2 v1", "CreateImage d2 -", "30 push r d1 v1", "CreateImageTag d1 v1"},
         2,
         1,
         1},
        {"and its image goes alone",
         {"10 push r d1 v1", NEW("d1", "v1"), "20 push r - v1", "CreateImageTag - v1",
          "30 delete r d1", "DeleteImage d1 -"},
         0,
         0,
         0},
        {"a delete of the tag is one of something",
         {"10 push r - v1", "CreateImageTag - v1", "20 untag r v1 -", "DeleteImageTag - v1",
          "20 untag r v1 -", "", "30 push r - v1", "CreateImageTag - v1", "40 untag r v1 d7",
          "DeleteImageTag d7 v1", "40 untag! r v1 d7", "", "40 untag! r v1 -", ""},
         0,
         0,
         0},
    };
    check_rules(RULES, ARRAY_LEN(RULES));
    struct catalog *c = catalog_new(100, 100, KEEP_MS);
    expect(c, "10 push r - -", ""); /* nothing to know it by */
    expect(c, "10 untag r - d1", "");
    expect(c, "10 delete r -", "");
    assert_int_equal(catalog_tombstones(c), 0);
    catalog_free(c);
}

static void test_deletes(void **state)
{
    (void) state;
    static const struct rule RULES[] = {
        {"of a tag from a digest: only while it points to it",
         {"10 push r d1 v1", NEW("d1", "v1"), "20 push r d2 v1",
          "CreateImage d2 v1, DeleteImageTag d1 v1, CreateImageTag d2 v1", "20 untag r v1 d1", "",
          "30 untag r v1 d1", "", "30 untag r v1 d2", "DeleteImageTag d2 v1"},
         2,
         0,
         2},
        {"and what comes late of that digest does not bring the tag back",
         {"10 push r d2 v1", NEW("d2", "v1"), "30 untag r v1 d1", "", "20 push r d1 v1",
          "CreateImage d1 -, DeleteImageTag d2 v1", "25 push r d2 v1", "CreateImageTag d2 v1"},
         2,
         1,
         2},
        {"nor what was before",
         {"20 push r d1 v1", NEW("d1", "v1"), "30 untag r v1 d1", "DeleteImageTag d1 v1",
          "25 untag r v1 d1", "", "10 push r d2 v1", "CreateImage d2 -", "25 push r d2 v1",
          "CreateImageTag d2 v1"},
         2,
         1,
         2},
        {"certain, of a digest never known",
         {"10 delete! r d1", "DeleteImage d1 -", "10 delete! r d1", "", "20 delete! r d1", "",
          "15 push r d1 v1", "", "30 push r d1 v1", NEW("d1", "v1"), "40 delete! r d1",
          "DeleteImage d1 -, DeleteImageTag d1 v1"},
         0,
         0,
         1},
        {"certain, of a tag never known",
         {"10 untag! r v1 d1", "DeleteImageTag d1 v1", "10 untag! r v1 d1", "", "10 untag! r v2 -",
          "DeleteImageTag - v2", "20 untag! r v2 -", "", "20 untag! r v2 d1", ""},
         0,
         0,
         0},
        {"certain, of a known tag: its digest is filled in",
         {"10 push r d1 v1", NEW("d1", "v1"), "20 untag! r v1 -", "DeleteImageTag d1 v1"},
         1,
         0,
         0},
        {"a sender that tells of an image's tags as well",
         {"10 push r d1 v1", NEW("d1", "v1"), "10 push r d1 v2", "CreateImageTag d1 v2",
          "20 delete! r d1", "DeleteImage d1 -, DeleteImageTag d1 v1, DeleteImageTag d1 v2",
          "20 untag! r v1 d1", "", "20 untag! r v2 -", "", "20 delete! r d1", ""},
         0,
         0,
         0},
        {"in the other order",
         {"10 push r d1 v1", NEW("d1", "v1"), "20 untag! r v1 d1", "DeleteImageTag d1 v1",
          "20 delete! r d1", "DeleteImage d1 -", "20 untag! r v1 d1", ""},
         0,
         0,
         0},
        {"one that is not certain tells of nothing",
         {"10 delete r d1", "", "10 untag r v1 d1", "", "10 untag r v2 -", ""},
         0,
         0,
         0},
    };
    check_rules(RULES, ARRAY_LEN(RULES));
}

static void test_clocks_that_are_wrong(void **state)
{
    (void) state;
    /* It is half past ten: eleven o'clock counts as now, and in a second a right clock is later. */
    struct catalog_now now = {.wall_ns = NOON.wall_ns - UINT64_C(5400) * 1000000000, .ms = 1};
    struct catalog *c = catalog_new(100, 100, KEEP_MS);
    expect_at(c, &now, "0 push r d1 v1", NEW("d1", "v1"));
    now.wall_ns += 1000000000;
    expect_at(c, &now, "- push r d2 v1",
              "CreateImage d2 v1, DeleteImageTag d1 v1, CreateImageTag d2 v1");
    catalog_free(c);
}

#define HOUR_NS (UINT64_C(3600) * 1000000000)

/* Our own clock was a day ahead for a while: what was written down then holds nothing up. */
static void test_our_clock_was_ahead(void **state)
{
    (void) state;
    const struct catalog_now ahead = {.wall_ns = NOON.wall_ns + 24 * HOUR_NS, .ms = 1000};
    struct catalog *c = catalog_new(100, 100, KEEP_MS);
    expect_at(c, &ahead, "- push r d1 v1", NEW("d1", "v1"));
    expect_at(c, &ahead, "- push r d1 v2", "CreateImageTag d1 v2");
    expect_at(c, &ahead, "- push r d1 v3", "CreateImageTag d1 v3");
    expect_at(c, &ahead, "- push r - v4", "CreateImageTag - v4");
    expect_at(c, &ahead, "- push r d5 v5", NEW("d5", "v5"));
    expect_at(c, &ahead, "- delete r d5", "DeleteImage d5 -, DeleteImageTag d5 v5");
    commit(c);

    expect(c, "- push r d2 v1", "CreateImage d2 v1, DeleteImageTag d1 v1, CreateImageTag d2 v1");
    expect(c, "- untag r v2 -", "DeleteImageTag d1 v2");
    expect(c, "- push r - v4", "CreateImageTag - v4");
    expect(c, "- push r d5 v5", NEW("d5", "v5"));
    expect(c, "- delete r d1", "DeleteImage d1 -, DeleteImageTag d1 v3");
    expect(c, "- push r d3 v3", NEW("d3", "v3"));
    assert_int_equal(catalog_stale(c), 0);
    commit(c);

    const struct catalog_now tomorrow = {.wall_ns = ahead.wall_ns - HOUR_NS / 60, .ms = 1000};
    expect_at(c, &tomorrow, "- push r d4 v2", NEW("d4", "v2")); /* nothing is left of it by then */
    expect_at(c, &tomorrow, "- push r d4 v3", "DeleteImageTag d3 v3, CreateImageTag d4 v3");
    expect_at(c, &tomorrow, "- delete r d5", "DeleteImage d5 -, DeleteImageTag d5 v5");
    assert_int_equal(catalog_stale(c), 0);
    catalog_free(c);
}

/* It had to wait for its digest, and what came meanwhile is later and not ahead of the clock. */
static void test_changes_that_waited(void **state)
{
    (void) state;
    const struct catalog_now waited = {
        .wall_ns = NOON.wall_ns - HOUR_NS, .ms = 1000, .ago_ns = HOUR_NS};
    struct catalog *c = catalog_new(100, 100, KEEP_MS);
    expect(c, "- push r d2 v1", NEW("d2", "v1"));
    expect_at(c, &waited, "- push r d1 v1", "CreateImage d1 -");
    assert_int_equal(catalog_stale(c), 1);
    catalog_free(c);
}

/* --- what is known of deleted things is bounded --- */

static void test_old_ones_go(void **state)
{
    (void) state;
    struct catalog_now now = NOON;
    struct catalog *c = catalog_new(100, 100, KEEP_MS);
    expect_at(c, &now, "20 delete r d1", "");
    commit(c);
    now.ms += KEEP_MS / 2;
    expect_at(c, &now, "20 delete r d2", "");
    commit(c);
    now.ms += KEEP_MS / 2;
    expect_at(c, &now, "10 push r d1 -", ""); /* as old as may be */
    commit(c);
    now.ms++;
    expect_at(c, &now, "10 push r d3 -", "CreateImage d3 -");
    uint64_t mark = catalog_seal(c, NULL, NULL);
    assert_int_equal(catalog_tombstones(c), 1);
    catalog_rollback(c); /* was refused: it is there again */
    assert_int_equal(catalog_tombstones(c), 2);
    expect_at(c, &now, "10 push r d1 -", "");
    commit(c);
    assert_true(mark > 0);
    expect_at(c, &now, "10 push r d1 -", "CreateImage d1 -");
    expect_at(c, &now, "10 push r d2 -", "");
    catalog_free(c);
}

static void count(void *ctx, const struct catalog_event *e)
{
    (void) e;
    ++*(size_t *) ctx;
}

static void test_their_number(void **state)
{
    (void) state;
    enum { MOST = 1000 };
    size_t n = 0;
    struct catalog *c = catalog_new(10, 10, KEEP_MS);
    for (int i = 0; i < MOST + 5; i++) {
        char change[64];
        (void) snprintf(change, sizeof(change), "20 delete r d%d", i);
        (void) apply_at(c, &NOON, change, count, &n);
        if (i % 100 == 0)
            commit(c);
    }
    commit(c);
    assert_int_equal(n, 0);
    assert_int_equal(catalog_tombstones(c), MOST);
    expect(c, "10 push r d4 -", "CreateImage d4 -"); /* the oldest went */
    expect(c, "10 push r d5 -", "");
    catalog_free(c);
}

/* What was deleted once and pushed again can be deleted again, also where it was forgotten since.
 */
static void test_forgotten_after_a_delete(void **state)
{
    (void) state;
    struct catalog *c = catalog_new(1, 10, KEEP_MS);
    expect(c, "10 push r d1 v1", NEW("d1", "v1"));
    expect(c, "20 untag! r v1 d1", "DeleteImageTag d1 v1");
    expect(c, "21 delete! r d1", "DeleteImage d1 -");
    expect(c, "30 push r d1 v1", NEW("d1", "v1"));
    expect(c, "40 push r d2 v2", NEW("d2", "v2"));
    commit(c);
    assert_int_equal(catalog_images(c), 1);
    expect(c, "50 untag! r v1 d1", "DeleteImageTag d1 v1");
    expect(c, "51 delete! r d1", "DeleteImage d1 -");
    expect(c, "60 untag! r v1 d1", ""); /* that is known now */
    expect(c, "61 delete! r d1", "");
    expect(c, "41 push r d1 v1", "");
    catalog_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_late_changes),
        cmocka_unit_test(test_pushes_without_a_digest),
        cmocka_unit_test(test_deletes),
        cmocka_unit_test(test_clocks_that_are_wrong),
        cmocka_unit_test(test_our_clock_was_ahead),
        cmocka_unit_test(test_changes_that_waited),
        cmocka_unit_test(test_old_ones_go),
        cmocka_unit_test(test_their_number),
        cmocka_unit_test(test_forgotten_after_a_delete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
