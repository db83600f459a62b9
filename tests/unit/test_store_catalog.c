/* Tests of broker/store_catalog.c: notes, loading, a registry anew. */
#include "store_fixture.h"
#include "store_private.h"

/* The catalog as text: "3:registry/repository@digest" and "4>3:tag", in the order of loading. */
struct dump {
    struct buf text;
};

static void dump_image(void *ctx, const struct store_image *i)
{
    struct dump *d = ctx;
    assert_int_equal(buf_printf(&d->text, "%u:%s/%s@%s ", (unsigned) i->id, i->registry_id,
                                i->repository, i->digest),
                     0);
}

static void dump_tag(void *ctx, const struct store_tag *t)
{
    struct dump *d = ctx;
    assert_int_equal(
        buf_printf(&d->text, "%u>%u:%s ", (unsigned) t->id, (unsigned) t->image_id, t->name), 0);
}

static void expect(struct store *s, const char *text)
{
    struct dump d;
    buf_init(&d.text, 65536);
    assert_int_equal(store_load_catalog(s, dump_image, dump_tag, &d), 0);
    assert_int_equal(buf_append(&d.text, SLICE_LIT("\0")), 0);
    assert_string_equal((const char *) d.text.data, text);
    buf_fini(&d.text);
}

static int put_notes(struct store *s, const struct catalog_note *notes, size_t n)
{
    struct buf b;
    buf_init(&b, 65536);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(record_put_note(&b, &notes[i]), 0);
    struct store_webhook w = {.notes = buf_slice(&b)};
    int r = store_begin(s);
    if (r == 0)
        r = store_put_webhook(s, &w);
    buf_fini(&b);
    return r;
}

static const struct catalog_note FIRST[] = {
    {.kind = NOTE_IMAGE, .id = 1, .registry_id = "r", .repository = "a", .digest = "d1"},
    {.kind = NOTE_TAG, .id = 2, .image_id = 1, .name = "v1"},
    {.kind = NOTE_IMAGE, .id = 3, .registry_id = "q", .repository = "a", .digest = "d1"},
    {.kind = NOTE_TAG, .id = 4, .image_id = 3, .name = "v1"},
    {.kind = NOTE_TAG, .id = 5, .image_id = 1, .name = "v2"},
};

static void test_notes(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    assert_int_equal(put_notes(s, FIRST, ARRAY_LEN(FIRST)), 0);
    store_rollback(s);
    expect(s, "");
    assert_int_equal(put_notes(s, FIRST, ARRAY_LEN(FIRST)), 0);
    assert_int_equal(store_commit(s), 0);
    expect(s, "1:r/a@d1 3:q/a@d1 2>1:v1 4>3:v1 5>1:v2 ");
    const struct catalog_note gone[] = {
        {.kind = NOTE_TAG_GONE, .id = 2},
        {.kind = NOTE_TAG, .id = 6, .image_id = 3, .name = "v1"},
        {.kind = NOTE_TAG_GONE, .id = 4},
        {.kind = NOTE_TAG_GONE, .id = 5},
        {.kind = NOTE_IMAGE_GONE, .id = 1},
        {.kind = NOTE_IMAGE_GONE, .id = 77}, /* is not there: fine */
    };
    assert_int_equal(put_notes(s, gone, ARRAY_LEN(gone)), 0);
    assert_int_equal(store_commit(s), 0);
    store_close(s);
    s = fixture_open(dir);
    expect(s, "3:q/a@d1 6>3:v1 ");
    /* An id twice means that memory and disk are not of one mind. */
    assert_int_equal(put_notes(s, FIRST + 2, 1), -EBADMSG);
    store_rollback(s);
    store_close(s);
    fixture_remove(dir);
}

struct feed {
    size_t n, fail_at;
};

static int next_image(void *ctx, const char **ret_repository, const char **ret_digest,
                      const char *const **ret_tags, size_t *ret_n_tags)
{
    static const struct {
        const char *repository, *digest, *tags[3];
        size_t n_tags;
    } IMAGES[] = {{"x", "d7", {"one", "two"}, 2}, {"x", "d8", {NULL}, 0}, {"y", "d7", {"one"}, 1}};
    struct feed *source = ctx;
    if (source->fail_at == source->n)
        return -ECONNRESET;
    if (source->n == ARRAY_LEN(IMAGES))
        return 0;
    *ret_repository = IMAGES[source->n].repository;
    *ret_digest = IMAGES[source->n].digest;
    *ret_tags = IMAGES[source->n].tags;
    *ret_n_tags = IMAGES[source->n++].n_tags;
    return 1;
}

static void test_replace(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    assert_int_equal(put_notes(s, FIRST, ARRAY_LEN(FIRST)), 0);
    assert_int_equal(store_commit(s), 0);
    struct feed source = {.fail_at = 2};
    struct store_catalog_source from = {&source, next_image};
    assert_int_equal(store_replace_catalog(s, "r", &from), -ECONNRESET);
    expect(s, "1:r/a@d1 3:q/a@d1 2>1:v1 4>3:v1 5>1:v2 "); /* all or nothing */
    source = (struct feed){.fail_at = 99};
    assert_int_equal(store_replace_catalog(s, "r", &from), 0);
    static const char AFTER[] =
        "3:q/a@d1 6:r/x@d7 9:r/x@d8 10:r/y@d7 4>3:v1 7>6:one 8>6:two 11>10:one ";
    expect(s, AFTER);
    store_close(s);
    s = fixture_open(dir);
    expect(s, AFTER);
    /* Ids go on above all others of both tables. */
    source = (struct feed){.fail_at = 99};
    assert_int_equal(store_replace_catalog(s, "r", &from), 0);
    expect(s, "3:q/a@d1 12:r/x@d7 15:r/x@d8 16:r/y@d7 4>3:v1 13>12:one 14>12:two 17>16:one ");
    store_close(s);
    fixture_remove(dir);
}

static void no_image(void *ctx, const struct store_image *image)
{
    (void) ctx;
    (void) image;
}

static void no_tag(void *ctx, const struct store_tag *tag)
{
    (void) ctx;
    (void) tag;
}

static void test_changed_rows_are_found(void **state)
{
    (void) state;
    static const char *const CHANGES[] = {
        "UPDATE images SET registry = 's' WHERE id = 1",
        "UPDATE images SET repository = 'b' WHERE id = 1",
        "UPDATE images SET digest = 'd2' WHERE id = 3",
        "UPDATE images SET id = 9 WHERE id = 3",
        "UPDATE tags SET image = 3 WHERE id = 2",
        "UPDATE tags SET name = 'v3' WHERE id = 5",
        "UPDATE tags SET id = 9 WHERE id = 5",
    };
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    assert_int_equal(put_notes(s, FIRST, ARRAY_LEN(FIRST)), 0);
    assert_int_equal(store_commit(s), 0);
    for (size_t i = 0; i < ARRAY_LEN(CHANGES); i++) {
        assert_int_equal(store_begin(s), 0);
        assert_int_equal(store_exec(s->db, CHANGES[i]), 0);
        if (store_load_catalog(s, no_image, no_tag, NULL) != -EBADMSG)
            fail_msg("not found: %s", CHANGES[i]);
        store_rollback(s);
    }
    store_close(s);
    fixture_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notes),
        cmocka_unit_test(test_replace),
        cmocka_unit_test(test_changed_rows_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
