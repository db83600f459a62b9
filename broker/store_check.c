/* store_check.c - looking for damage at a start. SQLite says whether the file is a database in
 * order; whether the rows are those that were written, their checksums say. */
#include "clock.h"
#include "store_private.h"

#include <stdio.h>

#define SHORT_MS 500
#define SMALL_BYTES                                                                                \
    (UINT64_C(64) << 20) /* what is looked at in that time, if it comes from disk                  \
                          */

struct check {
    struct store *s;
    bool whole;
    uint64_t until_ms;
};

static bool out_of_time(const struct check *c)
{
    return !c->whole && clock_mono_ms() >= c->until_ms;
}

static int stop_when_late(void *ctx)
{
    return out_of_time(ctx);
}

/* --- the file --- */

static int quick_check(struct check *c, const char *sql)
{
    sqlite3_stmt *st;
    int r = store_prepare(c->s->db, sql, &st);
    if (r < 0)
        return r == -EINTR ? 0 : r;
    r = store_step(st);
    if (r == 1)
        r = strcmp(store_column_text(st, 0), "ok") == 0 ? 0 : -EBADMSG;
    (void) sqlite3_finalize(st);
    return r == -EINTR ? 0 : r;
}

static int check_file(struct check *c, bool small)
{
    if (c->whole || small)
        return quick_check(c, "PRAGMA quick_check(1)");
    /* The walk through one table cannot be interrupted, so the big one is left out. */
    static const char *const TABLES[] = {"meta",     "paths",        "gone",    "triggers",
                                         "attempts", "dead_letters", "images",  "tags",
                                         "webhooks", "sender_ids",   "records", "tombstones"};
    for (size_t i = 0; i < ARRAY_LEN(TABLES) && !out_of_time(c); i++) {
        char sql[64];
        (void) snprintf(sql, sizeof(sql), "PRAGMA quick_check(%s)", TABLES[i]);
        int r = quick_check(c, sql);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool is_small(struct store *s)
{
    uint64_t pages = 0;
    sqlite3_stmt *st;
    if (store_prepare(s->db, "PRAGMA page_count", &st) == 0) {
        if (store_step(st) == 1)
            pages = store_column(st, 0);
        (void) sqlite3_finalize(st);
    }
    return pages * STORE_PAGE <= SMALL_BYTES;
}

/* --- batches --- */

/* What a path's row says about its batches, reckoned from them. */
struct history {
    uint64_t count, bytes, end;
    uint8_t high_id[ID_PACKED_SIZE];
};

static int check_batch(const struct store_path *p, struct history *h, sqlite3_stmt *st)
{
    int64_t key = (int64_t) store_column(st, 0);
    uint64_t position = store_key_position(key), at = store_column(st, 1);
    struct slice high_id = store_column_blob(st, 3), ids = store_column_blob(st, 4);
    struct slice frames = store_column_blob(st, 5);
    if (store_column(st, 2) != store_sum_batch(key, at, high_id, ids, frames) ||
        high_id.len != ID_PACKED_SIZE || memcmp(high_id.data, h->high_id, ID_PACKED_SIZE) < 0 ||
        position < h->end || position < p->now.oldest)
        return -EBADMSG;
    memcpy(h->high_id, high_id.data, ID_PACKED_SIZE);
    h->count++;
    h->bytes += frames.len;
    h->end = position + frames.len;
    return 0;
}

static int check_path(struct check *c, const struct store_path *p, sqlite3_stmt *st)
{
    struct history h = {.count = 0};
    store_bind(st, 1, (uint64_t) store_batch_key(p->id, 0));
    store_bind(st, 2, (uint64_t) store_batch_key(p->id, STORE_MAX_POSITION));
    int r = 0;
    bool late = false;
    while (!late && (r = store_step(st)) == 1) {
        r = check_batch(p, &h, st);
        if (r < 0)
            break;
        late = out_of_time(c);
    }
    (void) sqlite3_reset(st);
    if (r < 0 || late) /* of a part the path's row says nothing */
        return r;
    if (h.count != p->now.count || h.bytes != p->now.bytes || h.end > p->now.place.tail ||
        (h.count > 0 && memcmp(h.high_id, p->now.high_id, ID_PACKED_SIZE) != 0))
        return -EBADMSG;
    return 0;
}

static int check_gone(struct check *c, const struct store_path *p)
{
    sqlite3_stmt *st;
    int r = store_prepare(c->s->db, STORE_GONE_SQL, &st);
    if (r < 0)
        return r;
    store_bind(st, 1, p->id);
    struct store_gone_row row;
    r = store_step(st);
    r = r == 1 ? store_gone_row(st, p->id, &row) : r == 0 ? -EBADMSG : r;
    (void) sqlite3_finalize(st);
    return r;
}

/* Rows of paths that are not there. */
static int check_orphans(struct check *c)
{
    uint64_t batches = 0, gone = 0, expected = 0;
    for (size_t i = 0; i < c->s->n_paths; i++)
        expected += c->s->paths[i]->now.count;
    sqlite3_stmt *st;
    int r = store_prepare(
        c->s->db, "SELECT (SELECT count(*) FROM batches), (SELECT count(*) FROM gone)", &st);
    if (r < 0)
        return r;
    r = store_step(st);
    if (r == 1) {
        batches = store_column(st, 0);
        gone = store_column(st, 1);
    }
    (void) sqlite3_finalize(st);
    if (r < 0)
        return r;
    return batches == expected && gone == c->s->n_paths ? 0 : -EBADMSG;
}

static int check_paths(struct check *c)
{
    sqlite3_stmt *st;
    int r = store_prepare(c->s->db,
                          "SELECT key, at, sum, high_id, ids, frames FROM batches"
                          " WHERE key >= ?1 AND key <= ?2 ORDER BY key",
                          &st);
    for (size_t i = 0; r == 0 && i < c->s->n_paths; i++) {
        r = check_gone(c, c->s->paths[i]);
        if (r == 0 && !out_of_time(c))
            r = check_path(c, c->s->paths[i], st);
    }
    (void) sqlite3_finalize(st);
    return r;
}

/* --- other rows, as a start will read them --- */

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

static void no_ids(void *ctx, uint64_t at_ms, struct slice ids)
{
    (void) ctx;
    (void) at_ms;
    (void) ids;
}

static int no_webhook(void *ctx, uint64_t first_seq, uint32_t n, struct slice events)
{
    (void) ctx;
    (void) first_seq;
    (void) n;
    (void) events;
    return 0;
}

static int no_letter(void *ctx, const struct store_letter *l)
{
    (void) ctx;
    (void) l;
    return 0;
}

static void no_record(void *ctx, const struct store_record *r)
{
    (void) ctx;
    (void) r;
}

static int check_rows(struct store *s)
{
    int r = store_load_catalog(s, no_image, no_tag, NULL);
    if (r == 0)
        r = store_load_tombstones(s, no_tombstone, NULL);
    if (r == 0)
        r = store_load_sender_ids(s, no_ids, NULL);
    if (r == 0)
        r = store_load_events(s, 0, no_webhook, NULL);
    if (r == 0)
        r = store_load_records(s, no_record, NULL);
    return r < 0 ? r : store_load_letters(s, no_letter, NULL);
}

int store_check(struct store *s, bool whole)
{
    struct check c = {.s = s, .whole = whole, .until_ms = clock_mono_ms() + SHORT_MS};
    bool small = is_small(s);
    sqlite3_progress_handler(s->db, 10000, stop_when_late, &c);
    int r = check_file(&c, small);
    sqlite3_progress_handler(s->db, 0, NULL, NULL);
    if (r == 0 && (whole || small))
        r = check_paths(&c);
    if (r == 0 && (whole || small))
        r = check_orphans(&c);
    if (r == 0 && (whole || small))
        r = check_rows(s);
    return r;
}
