/* test_catalog_notes.c - the catalog and the disk: what is noted for it, and loaded from it. */
#include "catalog_bed.h"

/* --- notes --- */

static void write_note(void *ctx, const struct catalog_note *n)
{
    struct buf *out = ctx;
    const char *comma = out->len > 0 ? ", " : "";
    int r = -1;
    switch (n->kind) {
    case NOTE_IMAGE:
        r = buf_printf(out, "%simage %d %s %s %s", comma, (int) n->id, n->registry_id,
                       n->repository, n->digest);
        break;
    case NOTE_TAG:
        r = buf_printf(out, "%stag %d of %d %s", comma, (int) n->id, (int) n->image_id, n->name);
        break;
    case NOTE_IMAGE_GONE:
        r = buf_printf(out, "%simage %d gone", comma, (int) n->id);
        break;
    case NOTE_TAG_GONE:
        r = buf_printf(out, "%stag %d gone", comma, (int) n->id);
        break;
    case NOTE_IMAGE_TIME:
        r = buf_printf(out, "%simage %d at %d", comma, (int) n->id, (int) n->at_ns);
        break;
    case NOTE_TAG_TIME:
        r = buf_printf(out, "%stag %d at %d", comma, (int) n->id, (int) n->at_ns);
        break;
    case NOTE_TOMBSTONE:
        r = buf_printf(out, "%sstone %d %s:%s@%s at %d%s", comma, (int) n->id, n->repository,
                       n->name, n->digest, (int) n->at_ns, n->pushed ? " pushed" : "");
        break;
    case NOTE_TOMBSTONE_GONE:
        r = buf_printf(out, "%sstone %d gone", comma, (int) n->id);
        break;
    }
    assert_int_equal(r, 0);
}

static uint64_t expect_notes(struct catalog *c, const char *want)
{
    struct buf out;
    buf_init(&out, 4096);
    uint64_t mark = catalog_seal(c, write_note, &out);
    if (!slice_eq_str(buf_slice(&out), want))
        fail_msg("%.*s, not %s", (int) out.len, (const char *) out.data, want);
    buf_fini(&out);
    return mark;
}

static void test_notes(void **state)
{
    (void) state;
    struct catalog *c = catalog_new(3, 100, KEEP_MS);
    (void) expect_notes(c, "");
    (void) apply(c, "reg", "push r d1 v1", count, NULL);
    (void) expect_notes(c, "image 1 reg r d1, tag 2 of 1 v1");
    (void) apply(c, "reg", "push r d1 v1", count, NULL);
    (void) expect_notes(c, "");
    (void) apply(c, "reg", "push r d2 v1", count, NULL); /* moves */
    (void) apply(c, "reg", "push r d1 v2", count, NULL);
    uint64_t mark = expect_notes(c, "image 3 reg r d2, tag 2 gone, tag 4 of 3 v1, tag 5 of 1 v2");
    catalog_commit(c, mark);
    (void) expect_notes(c, "");

    (void) apply(c, "reg", "push r d1 v3", count, NULL);
    catalog_rollback(c); /* is never noted; its number is not used again */
    (void) apply(c, "reg", "push r d1 v0", count, NULL);
    (void) apply(c, "reg", "untag r v0", count, NULL);
    (void) expect_notes(c, "tag 7 of 1 v0, tag 7 gone, stone 8 r:v0@ at 5");
    (void) apply(c, "reg", "push r d1 v1", count, NULL);
    (void) apply(c, "reg", "delete r d1", count, NULL);
    (void) expect_notes(c,
                        "tag 4 gone, tag 9 of 1 v1, tag 9 gone, stone 10 r:v1@ at 5, tag 5 gone, "
                        "stone 11 r:v2@ at 5, image 1 gone, stone 12 r:@d1 at 5");
    commit(c);

    (void) apply(c, "reg", "push r d2 v2", count, NULL);
    (void) apply(c, "other", "push r d2 -", count, NULL);
    (void) apply(c, "reg", "push r d3 -", count, NULL);
    (void) apply(c, "reg", "push r d4 -", count, NULL); /* now too many */
    (void) expect_notes(c, "stone 11 gone, tag 13 of 3 v2, image 14 other r d2, image 15 reg r d3, "
                           "image 16 reg r d4, tag 13 gone, image 3 gone");
    catalog_free(c);
}

/* A push costs a note of its time only where nothing else tells it. */
static void test_notes_of_times(void **state)
{
    (void) state;
    static const struct {
        uint64_t at_ns;
        const char *change, *notes;
    } STEPS[] = {
        {10, "push r d1 v1", "image 1 reg r d1, tag 2 of 1 v1"},
        {11, "push r d1 v2", "tag 3 of 1 v2"}, /* whose time is the image's, too */
        {12, "push r d1 v2", "tag 3 at 12"},
        {12, "push r d1 v2", ""},
        {13, "push r d1 -", "image 1 at 13"},
        {13, "push r d1 -", ""},
        {14, "push r d1 v1", "tag 2 at 14"},
        {15, "push r d2 v2", "image 4 reg r d2, tag 3 gone, tag 5 of 4 v2"},
        {16, "push r d2 v1", "image 1 at 14, tag 2 gone, tag 6 of 4 v1"}, /* nobody else knew */
        {17, "untag r v2", "tag 5 gone, stone 7 r:v2@ at 17"},
        {18, "untag r v1", "image 4 at 16, tag 6 gone, stone 8 r:v1@ at 18"},
        {19, "untag r v1", "stone 8 gone, stone 9 r:v1@ at 19"},
        {19, "untag r v1", ""},
    };
    const struct catalog_now before = NOW;
    struct catalog *c = catalog_new(100, 100, KEEP_MS);
    for (size_t i = 0; i < 2 * ARRAY_LEN(STEPS); i++) {
        NOW.wall_ns = STEPS[i / 2].at_ns;
        (void) apply(c, "reg", STEPS[i / 2].change, count, NULL);
        if (i % 2 == 0)
            catalog_rollback_to(c, i);
    }
    catalog_free(c);
    c = catalog_new(100, 100, KEEP_MS);
    for (size_t i = 0; i < ARRAY_LEN(STEPS); i++) {
        print_message("  %s\n", STEPS[i].change);
        NOW.wall_ns = STEPS[i].at_ns;
        (void) apply(c, "reg", STEPS[i].change, count, NULL);
        catalog_commit(c, expect_notes(c, STEPS[i].notes));
    }
    catalog_free(c);
    NOW = before;
}

/* --- from disk --- */

/* Times and tombstones are as they were. */
static void test_load_times(void **state)
{
    (void) state;
    struct catalog *c = catalog_new(100, 100, KEEP_MS);
    const struct catalog_note gone = {NOTE_TOMBSTONE, 9, 0, "reg", "r", "d9", "", 7, 5, false};
    const struct catalog_note blind = {NOTE_TOMBSTONE, 11, 0, "reg", "s", "", "v", 7, 5, true};
    const struct catalog_note nothing = {NOTE_TOMBSTONE, 12, 0, "reg", "s", "", "", 7, 5, true};
    assert_int_equal(catalog_load_image(c, 2, "reg", "r", "d1", 4), 0);
    assert_int_equal(catalog_load_image(c, 3, "reg", "r", "d2", 6), 0);
    assert_int_equal(catalog_load_tag(c, 4, 2, "v1", 6), 0);
    assert_int_equal(catalog_load_tag(c, 5, 2, "v2", 5), 0);
    assert_int_equal(catalog_load_tombstone(c, &gone), 0);
    assert_int_equal(catalog_load_tombstone(c, &gone), -EBADMSG);
    assert_int_equal(catalog_load_tombstone(c, &blind), 0);
    assert_int_equal(catalog_load_tombstone(c, &nothing), -EBADMSG);
    assert_int_equal(catalog_tombstones(c), 2);
    expect(c, "reg", "push r d9 -", ""); /* it is 5 */
    expect(c, "reg", "push r d2 v1", "");
    expect(c, "reg", "push r d2 v2", "DeleteImageTag r d1 v2, CreateImageTag r d2 v2");
    expect(c, "reg", "delete r d1", ""); /* was pushed at 6 */
    expect(c, "reg", "untag s v", "");
    (void) expect_notes(c, "tag 5 gone, tag 12 of 3 v2, stone 13 r:@d1 at 5");
    NOW.wall_ns = 7;
    expect(c, "reg", "push r d9 -", "CreateImage r d9 -");
    expect(c, "reg", "delete r d1", "DeleteImage r d1 -, DeleteImageTag r d1 v1");
    expect(c, "reg", "untag s v", "DeleteImageTag s  v");
    NOW.wall_ns = 5;
    catalog_free(c);
}

static void test_load(void **state)
{
    (void) state;
    struct catalog *c = catalog_new(3, 100, KEEP_MS);
    assert_int_equal(catalog_load_image(c, 2, "reg", "r", "d2", 0), 0);
    assert_int_equal(catalog_load_image(c, 3, "reg", "r", "d3", 0), 0);
    assert_int_equal(catalog_load_image(c, 7, "reg", "s", "d2", 0), 0);
    assert_int_equal(catalog_load_image(c, 9, "other", "r", "d2", 0), 0);
    assert_int_equal(catalog_load_tag(c, 1, 9, "v1", 0), 0);
    assert_int_equal(catalog_load_tag(c, 20, 2, "v1", 0), 0);
    assert_int_equal(catalog_load_tag(c, 21, 3, "v2", 0), 0);
    assert_int_equal(catalog_images(c), 4);
    assert_int_equal(catalog_tags(c), 3);
    catalog_rollback(c); /* nothing of it can be undone */
    expect(c, "reg", "push r d2 v1", "");
    expect(c, "reg", "push r d2 v2", "DeleteImageTag r d3 v2, CreateImageTag r d2 v2");
    catalog_commit(c, expect_notes(c, "tag 20 at 5, tag 21 gone, tag 22 of 2 v2, image 3 gone"));
    assert_int_equal(catalog_forgotten(c), 1);
    catalog_free(c);

    c = catalog_new(3, 100, KEEP_MS); /* filled, never changed */
    assert_int_equal(catalog_load_image(c, 1, "reg", "r", "d2", 0), 0);
    catalog_free(c);
}

static void test_load_damaged(void **state)
{
    (void) state;
    struct catalog *c = catalog_new(10, 10, KEEP_MS);
    assert_int_equal(catalog_load_tag(c, 1, 1, "v1", 0), -EBADMSG);
    assert_int_equal(catalog_load_image(c, 0, "reg", "r", "d1", 0), -EBADMSG);
    assert_int_equal(catalog_load_image(c, UINT64_MAX, "reg", "r", "d1", 0), -EBADMSG);
    assert_int_equal(catalog_load_image(c, 2, "reg", "r", "", 0), -EBADMSG);
    assert_int_equal(catalog_load_image(c, 2, "reg", "r", "d1", 0), 0);
    assert_int_equal(catalog_load_image(c, 2, "reg", "r", "d2", 0), -EBADMSG);
    assert_int_equal(catalog_load_image(c, 1, "reg", "r", "d2", 0), -EBADMSG);
    assert_int_equal(catalog_load_image(c, 4, "reg", "r", "d1", 0), -EBADMSG);
    assert_int_equal(catalog_load_image(c, 4, "reg", "r", "d2", 0), 0);
    static const uint64_t NO_IMAGE[] = {0, 1, 3, 5, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(NO_IMAGE); i++)
        assert_int_equal(catalog_load_tag(c, 1, NO_IMAGE[i], "v1", 0), -EBADMSG);
    assert_int_equal(catalog_load_tag(c, 0, 2, "v1", 0), -EBADMSG);
    assert_int_equal(catalog_load_tag(c, UINT64_MAX, 2, "v1", 0), -EBADMSG);
    assert_int_equal(catalog_load_tag(c, 5, 2, "", 0), -EBADMSG);
    assert_int_equal(catalog_load_tag(c, 5, 2, "v1", 0), 0);
    assert_int_equal(catalog_load_tag(c, 5, 2, "v2", 0), -EBADMSG);
    assert_int_equal(catalog_load_tag(c, 6, 4, "v1", 0), -EBADMSG);
    assert_int_equal(catalog_images(c), 2);
    assert_int_equal(catalog_tags(c), 1);
    catalog_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notes),        cmocka_unit_test(test_load),
        cmocka_unit_test(test_load_damaged), cmocka_unit_test(test_notes_of_times),
        cmocka_unit_test(test_load_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
