/* store_catalog.c - images, tags and tombstones in the store: changes as they come, all of them at
 * a start, and a registry's anew. */
#include "crash.h"
#include "record.h"
#include "store_private.h"

static uint32_t image_sum(const struct store_image *image)
{
    uint64_t sum = store_sum_row(image->id, image->at_ns, 0, slice_str(image->registry_id),
                                 slice_str(image->repository));
    return record_checksum(sum, 1, slice_str(image->digest));
}

/* With the time 0 it is that of a row which has no time, as before version 4. */
static uint32_t tag_sum(const struct store_tag *tag)
{
    uint32_t sum = record_checksum(tag->id, tag->image_id, slice_str(tag->name));
    return tag->at_ns == 0 ? sum : record_checksum(sum, tag->at_ns, (struct slice){0});
}

static uint32_t tombstone_sum(const struct store_tombstone *t)
{
    uint64_t sum = store_sum_row(t->id, t->at_ns, t->made_ms, slice_str(t->registry_id),
                                 slice_str(t->repository));
    return store_sum_row(sum, t->pushed, 0, slice_str(t->tag), slice_str(t->digest));
}

static void was_used(struct store *s, uint64_t id)
{
    if (id >= s->now.next_entry)
        s->now.next_entry = id + 1;
}

static int put_image(struct store *s, const struct store_image *image)
{
    int r = 0;
    sqlite3_stmt *st = store_sql(s, SQL_IMAGE_PUT, &r);
    if (st == NULL)
        return r;
    store_bind(st, 1, image->id);
    store_bind_text(st, 2, image->registry_id);
    store_bind_text(st, 3, image->repository);
    store_bind_text(st, 4, image->digest);
    store_bind(st, 5, image_sum(image));
    store_bind(st, 6, image->at_ns);
    r = store_run(st);
    if (r == 0)
        was_used(s, image->id);
    return r;
}

static int put_tag(struct store *s, const struct store_tag *tag)
{
    int r = 0;
    sqlite3_stmt *st = store_sql(s, SQL_TAG_PUT, &r);
    if (st == NULL)
        return r;
    store_bind(st, 1, tag->id);
    store_bind(st, 2, tag->image_id);
    store_bind_text(st, 3, tag->name);
    store_bind(st, 4, tag_sum(tag));
    store_bind(st, 5, tag->at_ns);
    r = store_run(st);
    if (r == 0)
        was_used(s, tag->id);
    return r;
}

static int put_time(struct store *s, enum store_statement which, uint64_t id, uint32_t sum,
                    uint64_t at_ns)
{
    int r = 0;
    sqlite3_stmt *st = store_sql(s, which, &r);
    if (st == NULL)
        return r;
    store_bind(st, 1, id);
    store_bind(st, 2, sum);
    store_bind(st, 3, at_ns);
    r = store_run(st);
    return r < 0 || sqlite3_changes(s->db) == 1 ? r : -EBADMSG; /* it should be there */
}

static int put_tombstone(struct store *s, const struct store_tombstone *t)
{
    int r = 0;
    sqlite3_stmt *st = store_sql(s, SQL_TOMBSTONE_PUT, &r);
    if (st == NULL)
        return r;
    store_bind(st, 1, t->id);
    store_bind_text(st, 2, t->registry_id);
    store_bind_text(st, 3, t->repository);
    store_bind_text(st, 4, t->tag);
    store_bind_text(st, 5, t->digest);
    store_bind(st, 6, t->pushed);
    store_bind(st, 7, t->at_ns);
    store_bind(st, 8, t->made_ms);
    store_bind(st, 9, tombstone_sum(t));
    r = store_run(st);
    if (r == 0)
        was_used(s, t->id);
    return r;
}

static int delete_entry(struct store *s, enum store_statement which, uint64_t id)
{
    int r = 0;
    sqlite3_stmt *st = store_sql(s, which, &r);
    if (st == NULL)
        return r;
    store_bind(st, 1, id);
    return store_run(st);
}

static int put_note(struct store *s, const struct catalog_note *n)
{
    const struct store_image image = {n->id, n->registry_id, n->repository, n->digest, n->at_ns};
    const struct store_tag tag = {n->id, n->image_id, n->name, n->at_ns};
    switch (n->kind) {
    case NOTE_IMAGE:
        CRASH_POINT("store.note.image");
        return put_image(s, &image);
    case NOTE_IMAGE_TIME:
        CRASH_POINT("store.note.time");
        return put_time(s, SQL_IMAGE_TIME, n->id, image_sum(&image), n->at_ns);
    case NOTE_TAG:
        CRASH_POINT("store.note.tag");
        return put_tag(s, &tag);
    case NOTE_TAG_TIME:
        CRASH_POINT("store.note.time");
        return put_time(s, SQL_TAG_TIME, n->id, tag_sum(&tag), n->at_ns);
    case NOTE_TOMBSTONE:
        CRASH_POINT("store.note.tombstone");
        return put_tombstone(s, &(struct store_tombstone){n->id, n->registry_id, n->repository,
                                                          n->name, n->digest, n->pushed, n->at_ns,
                                                          n->made_ms});
    case NOTE_TOMBSTONE_GONE:
        CRASH_POINT("store.note.gone");
        return delete_entry(s, SQL_TOMBSTONE_DELETE, n->id);
    case NOTE_IMAGE_GONE:
        CRASH_POINT("store.note.gone");
        return delete_entry(s, SQL_IMAGE_DELETE, n->id);
    case NOTE_TAG_GONE:
        CRASH_POINT("store.note.gone");
        return delete_entry(s, SQL_TAG_DELETE, n->id);
    }
    return -EINVAL;
}

int store_put_notes(struct store *s, struct slice notes)
{
    while (notes.len > 0) {
        struct catalog_note n;
        int r = record_next_note(&notes, &n);
        if (r == 0)
            r = put_note(s, &n);
        if (r < 0)
            return r;
    }
    return 0;
}

/* --- a start --- */

static int load_images(sqlite3_stmt *st, void (*image)(void *, const struct store_image *),
                       void *ctx)
{
    int r;
    while ((r = store_step(st)) == 1) {
        struct store_image i = {
            .id = store_column(st, 0),
            .registry_id = store_column_text(st, 1),
            .repository = store_column_text(st, 2),
            .digest = store_column_text(st, 3),
            .at_ns = store_column(st, 5),
        };
        if (store_column(st, 4) != image_sum(&i))
            return -EBADMSG;
        image(ctx, &i);
    }
    return r;
}

static int load_tags(sqlite3_stmt *st, void (*tag)(void *, const struct store_tag *), void *ctx)
{
    int r;
    while ((r = store_step(st)) == 1) {
        struct store_tag t = {
            .id = store_column(st, 0),
            .image_id = store_column(st, 1),
            .name = store_column_text(st, 2),
            .at_ns = store_column(st, 4),
        };
        if (store_column(st, 3) != tag_sum(&t))
            return -EBADMSG;
        tag(ctx, &t);
    }
    return r;
}

int store_load_catalog(struct store *s, void (*image)(void *, const struct store_image *),
                       void (*tag)(void *, const struct store_tag *), void *ctx)
{
    sqlite3_stmt *st;
    int r = store_prepare(
        s->db, "SELECT id, registry, repository, digest, sum, at FROM images ORDER BY id", &st);
    if (r == 0) {
        r = load_images(st, image, ctx);
        (void) sqlite3_finalize(st);
    }
    if (r < 0)
        return store_note(s, r);
    r = store_prepare(s->db, "SELECT id, image, name, sum, at FROM tags ORDER BY id", &st);
    if (r == 0) {
        r = load_tags(st, tag, ctx);
        (void) sqlite3_finalize(st);
    }
    return store_note(s, r);
}

static int load_tombstones(sqlite3_stmt *st, void (*one)(void *, const struct store_tombstone *),
                           void *ctx)
{
    int r;
    while ((r = store_step(st)) == 1) {
        uint64_t pushed = store_column(st, 5);
        struct store_tombstone t = {
            .id = store_column(st, 0),
            .registry_id = store_column_text(st, 1),
            .repository = store_column_text(st, 2),
            .tag = store_column_text(st, 3),
            .digest = store_column_text(st, 4),
            .pushed = pushed == 1,
            .at_ns = store_column(st, 6),
            .made_ms = store_column(st, 7),
        };
        if (pushed > 1 || store_column(st, 8) != tombstone_sum(&t))
            return -EBADMSG;
        one(ctx, &t);
    }
    return r;
}

int store_load_tombstones(struct store *s, void (*one)(void *, const struct store_tombstone *),
                          void *ctx)
{
    sqlite3_stmt *st;
    int r = store_prepare(s->db,
                          "SELECT id, registry, repository, tag, digest, pushed, at, made, sum"
                          " FROM tombstones ORDER BY id",
                          &st);
    if (r == 0) {
        r = load_tombstones(st, one, ctx);
        (void) sqlite3_finalize(st);
    }
    return store_note(s, r);
}

/* --- a registry anew --- */

static int delete_registry(struct store *s, const char *registry_id)
{
    static const char *const DELETES[] = {
        "DELETE FROM tags WHERE image IN (SELECT id FROM images WHERE registry = ?1)",
        "DELETE FROM images WHERE registry = ?1",
        "DELETE FROM tombstones WHERE registry = ?1",
    };
    int r = 0;
    for (size_t i = 0; i < ARRAY_LEN(DELETES) && r == 0; i++) {
        sqlite3_stmt *st;
        r = store_prepare(s->db, DELETES[i], &st);
        if (r < 0)
            return r;
        store_bind_text(st, 1, registry_id);
        r = store_run(st);
        (void) sqlite3_finalize(st);
    }
    return r;
}

/* The next image of the source with its tags: 1, 0 at the end. */
static int insert_next(struct store *s, const char *registry_id,
                       const struct store_catalog_source *source)
{
    const char *repository, *digest, *const *tags;
    size_t n_tags;
    int r = source->next(source->ctx, &repository, &digest, &tags, &n_tags);
    if (r <= 0)
        return r;
    CRASH_POINT("store.replace_catalog");
    uint64_t image_id = s->now.next_entry;
    r = put_image(s, &(struct store_image){image_id, registry_id, repository, digest, 0});
    for (size_t i = 0; i < n_tags && r == 0; i++)
        r = put_tag(s, &(struct store_tag){s->now.next_entry, image_id, tags[i], 0});
    return r < 0 ? r : 1;
}

int store_replace_catalog(struct store *s, const char *registry_id,
                          const struct store_catalog_source *source)
{
    int r = store_begin(s);
    if (r < 0)
        return r;
    r = delete_registry(s, registry_id);
    if (r == 0) {
        do
            r = insert_next(s, registry_id, source);
        while (r == 1);
    }
    if (r < 0) {
        (void) store_note(s, r);
        store_rollback(s);
        return r;
    }
    return store_commit(s);
}
