/* Tests of broker/store_catalog.c: notes, loading, a registry anew. */
#include "store_fixture.h"
#include "store_private.h"

/* The catalog as text: "3:registry/repository@digest", "4>3:tag" and
 * "5:registry/repository:tag@digest!made" (with "+" when pushed), in the order of loading; each
 * with "#time" unless that is 0. */
struct dump {
    struct buf text;
};

static void dump_time(struct dump *d, uint64_t at_ns)
{
    if (at_ns != 0)
        assert_int_equal(buf_printf(&d->text, "#%u", (unsigned) at_ns), 0);
    assert_int_equal(buf_append_str(&d->text, " "), 0);
}

static void dump_image(void *ctx, const struct store_image *i)
{
    struct dump *d = ctx;
    assert_int_equal(buf_printf(&d->text, "%u:%s/%s@%s", (unsigned) i->id, i->registry_id,
                                i->repository, i->digest),
                     0);
    dump_time(d, i->at_ns);
}

static void dump_tag(void *ctx, const struct store_tag *t)
{
    struct dump *d = ctx;
    assert_int_equal(
        buf_printf(&d->text, "%u>%u:%s", (unsigned) t->id, (unsigned) t->image_id, t->name), 0);
    dump_time(d, t->at_ns);
}

static void dump_tombstone(void *ctx, const struct store_tombstone *t)
{
    struct dump *d = ctx;
    assert_int_equal(buf_printf(&d->text, "%u:%s/%s:%s@%s!%u%s", (unsigned) t->id, t->registry_id,
                                t->repository, t->tag, t->digest, (unsigned) t->made_ms,
                                t->pushed ? "+" : ""),
                     0);
    dump_time(d, t->at_ns);
}

static void expect(struct store *s, const char *text)
{
    struct dump d;
    buf_init(&d.text, 65536);
    assert_int_equal(store_load_catalog(s, dump_image, dump_tag, &d), 0);
    assert_int_equal(store_load_tombstones(s, dump_tombstone, &d), 0);
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

static const struct catalog_note TIMED[] = {
    {NOTE_IMAGE, 1, 0, "r", "a", "d1", NULL, 100, 0, false},
    {NOTE_TAG, 2, 1, NULL, NULL, NULL, "v1", 101, 0, false},
    {NOTE_TOMBSTONE, 3, 0, "r", "a", "d2", "", 90, 7, false},
    {NOTE_TOMBSTONE, 4, 0, "r", "b", "", "v1", 91, 8, true},
};
#define TIMED_TEXT "1:r/a@d1#100 2>1:v1#101 3:r/a:@d2!7#90 4:r/b:v1@!8+#91 "

static void test_times_and_tombstones(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    assert_int_equal(put_notes(s, TIMED, ARRAY_LEN(TIMED)), 0);
    assert_int_equal(store_commit(s), 0);
    store_close(s);
    s = fixture_open(dir);
    expect(s, TIMED_TEXT);
    const struct catalog_note later[] = {
        {NOTE_IMAGE_TIME, 1, 0, "r", "a", "d1", NULL, 200, 0, false},
        {NOTE_TAG_TIME, 2, 1, NULL, NULL, NULL, "v1", 201, 0, false},
        {.kind = NOTE_TOMBSTONE_GONE, .id = 3},
        {.kind = NOTE_TOMBSTONE_GONE, .id = 77}, /* is not there: fine */
    };
    assert_int_equal(put_notes(s, later, ARRAY_LEN(later)), 0);
    assert_int_equal(store_commit(s), 0);
    store_close(s);
    s = fixture_open(dir);
    expect(s, "1:r/a@d1#200 2>1:v1#201 4:r/b:v1@!8+#91 ");
    /* An entry that is not there cannot change. */
    static const struct catalog_note NOWHERE[] = {
        {NOTE_IMAGE_TIME, 9, 0, "r", "a", "d1", NULL, 200, 0, false},
        {NOTE_TAG_TIME, 9, 1, NULL, NULL, NULL, "v1", 201, 0, false},
        {NOTE_TOMBSTONE, 4, 0, "r", "b", "", "v1", 91, 8, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(NOWHERE); i++) {
        assert_int_equal(put_notes(s, &NOWHERE[i], 1), -EBADMSG);
        store_rollback(s);
    }
    store_close(s);
    fixture_remove(dir);
}

/* As version 3 wrote its rows: with these columns, and these sums. */
static void put_rows_of_version_3(sqlite3 *db)
{
    const struct slice none = {NULL, 0};
    uint64_t image = store_sum_row(1, 0, 0, SLICE_LIT("r"), SLICE_LIT("a"));
    uint64_t letter = store_sum_row(5, 1700, 0, SLICE_LIT("r"), SLICE_LIT("why"));
    char sql[512];
    (void) snprintf(sql, sizeof(sql),
                    "INSERT INTO images(id, registry, repository, digest, sum)"
                    " VALUES(1, 'r', 'a', 'd1', %u);"
                    "INSERT INTO tags(id, image, name, sum) VALUES(2, 1, 'v1', %u);"
                    "INSERT INTO dead_letters(id, wall_ms, registry, reason, event_seq, body, sum)"
                    " VALUES(5, 1700, 'r', 'why', 0, x'', %u)",
                    record_checksum(image, 1, SLICE_LIT("d1")),
                    record_checksum(2, 1, SLICE_LIT("v1")), record_checksum(letter, 0, none));
    assert_int_equal(store_exec(db, sql), 0);
}

static int see_letter(void *ctx, const struct store_letter *l)
{
    unsigned *n = ctx;
    assert_string_equal(l->reason, "why");
    assert_int_equal(l->headers.len, 0);
    (*n)++;
    return 0;
}

/* Nothing is lost, of nothing is known when it changed, and from then on it is. */
static void test_a_store_of_version_3(void **state)
{
    (void) state;
    char dir[64], path[512];
    unsigned from, n = 0;
    fixture_dir(dir);
    fixture_path(path, dir, STORE_FILE);
    store_close(fixture_open(dir)); /* the files beside it */
    assert_int_equal(unlink(path), 0);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(store_pragmas(db, true, true, 1000), 0);
    assert_int_equal(store_migrate(db, STORE_MIGRATIONS, 3, &from), 0);
    put_rows_of_version_3(db);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);

    assert_int_equal(store_read_letters(dir, see_letter, &n), 0); /* also before it is migrated */
    assert_int_equal(n, 1);
    struct store_options options = fixture_options(dir);
    struct store_opened opened;
    struct store *s = fixture_open_with(&options, &opened);
    assert_true(!opened.made && opened.quarantine[0] == '\0');
    expect(s, "1:r/a@d1 2>1:v1 ");
    assert_int_equal(store_load_letters(s, see_letter, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(put_notes(s,
                               &(struct catalog_note){NOTE_IMAGE_TIME, 1, 0, "r", "a", "d1", NULL,
                                                      300, 0, false},
                               1),
                     0);
    assert_int_equal(store_commit(s), 0);
    store_close(s);
    s = fixture_open(dir);
    expect(s, "1:r/a@d1#300 2>1:v1 ");
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
    const struct catalog_note gone[] = {
        {NOTE_TOMBSTONE, 20, 0, "r", "x", "d9", "", 5, 5, false},
        {NOTE_TOMBSTONE, 21, 0, "q", "x", "d9", "", 5, 5, false},
    };
    store_close(s);
    s = fixture_open(dir);
    expect(s, AFTER);
    assert_int_equal(put_notes(s, gone, ARRAY_LEN(gone)), 0);
    assert_int_equal(store_commit(s), 0);
    store_close(s);
    s = fixture_open(dir);
    /* Ids go on above all others of the three tables. */
    source = (struct feed){.fail_at = 99};
    assert_int_equal(store_replace_catalog(s, "r", &from), 0);
    expect(s, "3:q/a@d1 22:r/x@d7 25:r/x@d8 26:r/y@d7 4>3:v1 23>22:one 24>22:two 27>26:one "
              "21:q/x:@d9!5#5 ");
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

static void no_tombstone(void *ctx, const struct store_tombstone *t)
{
    (void) ctx;
    (void) t;
}

static void test_changed_rows_are_found(void **state)
{
    (void) state;
    static const char *const CHANGES[] = {
        "UPDATE images SET registry = 's' WHERE id = 1",
        "UPDATE images SET repository = 'b' WHERE id = 1",
        "UPDATE images SET digest = 'd2' WHERE id = 1",
        "UPDATE images SET id = 9 WHERE id = 1",
        "UPDATE tags SET image = 3 WHERE id = 2",
        "UPDATE tags SET name = 'v3' WHERE id = 2",
        "UPDATE tags SET id = 9 WHERE id = 2",
        "UPDATE images SET at = 99 WHERE id = 1",
        "UPDATE tags SET at = 0 WHERE id = 2",
        "UPDATE tombstones SET id = 9 WHERE id = 3",
        "UPDATE tombstones SET registry = 'q' WHERE id = 3",
        "UPDATE tombstones SET repository = 'b' WHERE id = 3",
        "UPDATE tombstones SET tag = 'd', digest = '2' WHERE id = 3",
        "UPDATE tombstones SET tag = 'v2' WHERE id = 4",
        "UPDATE tombstones SET pushed = 0 WHERE id = 4",
        "UPDATE tombstones SET pushed = 2 WHERE id = 4",
        "UPDATE tombstones SET at = 7 WHERE id = 3",
        "UPDATE tombstones SET made = 9 WHERE id = 3",
    };
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    assert_int_equal(put_notes(s, TIMED, ARRAY_LEN(TIMED)), 0);
    assert_int_equal(store_commit(s), 0);
    for (size_t i = 0; i < ARRAY_LEN(CHANGES); i++) {
        assert_int_equal(store_begin(s), 0);
        assert_int_equal(store_exec(s->db, CHANGES[i]), 0);
        int r = store_load_catalog(s, no_image, no_tag, NULL);
        if (r == 0)
            r = store_load_tombstones(s, no_tombstone, NULL);
        if (r != -EBADMSG)
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
        cmocka_unit_test(test_times_and_tombstones),
        cmocka_unit_test(test_a_store_of_version_3),
        cmocka_unit_test(test_replace),
        cmocka_unit_test(test_changed_rows_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
