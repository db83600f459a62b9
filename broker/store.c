/* store.c - transactions of the store: begin, webhooks, batches, commit or rollback. */
#include "store.h"

#include "crash.h"
#include "mem.h"
#include "record.h"
#include "store_private.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const SQL[SQL_N] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_META_GET] = STORE_META_SQL,
    [SQL_META_PUT] = "INSERT INTO meta(key, value, sum) VALUES(?1, ?2, ?3)"
                     " ON CONFLICT(key) DO UPDATE SET value = ?2, sum = ?3",
    [SQL_PATH_PUT] = "INSERT INTO paths(" STORE_PATH_COLUMNS ")"
                     " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
                     " ON CONFLICT(id) DO UPDATE SET span_bits = ?3, tail = ?4, tail_n = ?5,"
                     " oldest = ?6, count = ?7, bytes = ?8, high_id = ?9, sum = ?10",
    [SQL_GONE_GET] = STORE_GONE_SQL,
    [SQL_GONE_PUT] = "INSERT INTO gone(path, high_id, ids, sum) VALUES(?1, ?2, ?3, ?4)"
                     " ON CONFLICT(path) DO UPDATE SET high_id = ?2, ids = ?3, sum = ?4",
    [SQL_BATCH_PUT] = "INSERT INTO batches(key, at, sum, high_id, ids, frames)"
                      " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [SQL_BATCH_WALK] = "SELECT key, at, sum, high_id, ids, length(frames) FROM batches"
                       " WHERE key >= ?1 AND key <= ?2 ORDER BY key",
    [SQL_BATCH_DELETE] = "DELETE FROM batches WHERE key >= ?1 AND key <= ?2",
    [SQL_WEBHOOK_PUT] = "INSERT INTO webhooks(seq, n, last_id, events, sum)"
                        " VALUES(?1, ?2, ?3, ?4, ?5)",
    [SQL_WEBHOOK_DELETE] = "DELETE FROM webhooks WHERE seq <= ?1 AND seq + n - 1 <= ?1",
    [SQL_SENDER_PUT] = "INSERT INTO sender_ids(k, at, ids, sum) VALUES(?1, ?2, ?3, ?4)",
    [SQL_SENDER_WALK] = "SELECT k, at FROM sender_ids ORDER BY k",
    [SQL_SENDER_DELETE] = "DELETE FROM sender_ids WHERE k <= ?1",
    [SQL_IMAGE_PUT] = "INSERT INTO images(id, registry, repository, digest, sum, at)"
                      " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [SQL_IMAGE_TIME] = "UPDATE images SET sum = ?2, at = ?3 WHERE id = ?1",
    [SQL_IMAGE_DELETE] = "DELETE FROM images WHERE id = ?1",
    [SQL_TAG_PUT] = "INSERT INTO tags(id, image, name, sum, at) VALUES(?1, ?2, ?3, ?4, ?5)",
    [SQL_TAG_TIME] = "UPDATE tags SET sum = ?2, at = ?3 WHERE id = ?1",
    [SQL_TAG_DELETE] = "DELETE FROM tags WHERE id = ?1",
    [SQL_TOMBSTONE_PUT] = "INSERT INTO tombstones(id, registry, repository, tag, digest, pushed,"
                          " at, made, sum) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [SQL_TOMBSTONE_DELETE] = "DELETE FROM tombstones WHERE id = ?1",
    [SQL_TRIGGER_PUT] = "INSERT INTO triggers(id, last_seq, sum) VALUES(?1, ?2, ?3)"
                        " ON CONFLICT(id) DO UPDATE SET last_seq = ?2, sum = ?3",
    [SQL_TRIGGER_DELETE] = "DELETE FROM triggers WHERE id = ?1",
    [SQL_ATTEMPT_FORGET] = "DELETE FROM attempts WHERE kind = ?1 AND key <= ?2",
    [SQL_LETTER_PUT] = "INSERT INTO dead_letters(" STORE_LETTER_COLUMNS ")"
                       " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [SQL_LETTER_DELETE] = "DELETE FROM dead_letters WHERE id = ?1",
    [SQL_LETTERS_TRIM] = "DELETE FROM dead_letters WHERE id IN"
                         " (SELECT id FROM dead_letters ORDER BY id LIMIT ?1)",
    [SQL_RECORD_PUT] = "INSERT INTO records(kind, id, at, value, sum) VALUES(?1, ?2, ?3, ?4, ?5)"
                       " ON CONFLICT(kind, id) DO UPDATE SET at = ?3, value = ?4, sum = ?5",
    [SQL_RECORD_DELETE] = "DELETE FROM records WHERE kind = ?1 AND id = ?2",
    [SQL_RECORD_HAS] = "SELECT 1 FROM records WHERE kind = ?1 AND id = ?2",
    [SQL_RECORD_WALK] = "SELECT id, at FROM records WHERE kind = ?1 ORDER BY id",
    [SQL_RECORDS_TRIM] = "DELETE FROM records WHERE kind = ?1 AND id <= ?2",
};

/* --- helpers of all store*.c --- */

int store_note(struct store *s, int r)
{
    if (r < 0 && s->db != NULL)
        s->error = sqlite3_extended_errcode(s->db);
    return r;
}

int store_spoil(struct store *s, int r)
{
    if (r < 0 && s->in_transaction && s->spoilt == 0)
        s->spoilt = r;
    return store_note(s, r);
}

sqlite3_stmt *store_sql(struct store *s, enum store_statement which, int *ret_error)
{
    if (s->sql[which] == NULL) {
        int r = store_prepare(s->db, SQL[which], &s->sql[which]);
        if (r < 0) {
            *ret_error = r;
            return NULL;
        }
    }
    return s->sql[which];
}

int store_meta_put(struct store *s, const char *key, const char *value)
{
    int r = 0;
    sqlite3_stmt *st = store_sql(s, SQL_META_PUT, &r);
    if (st == NULL)
        return r;
    store_bind_text(st, 1, key);
    store_bind_text(st, 2, value);
    store_bind(st, 3, store_sum_meta(key, slice_str(value)));
    return store_run(st);
}

int store_errno(const struct store *s)
{
    return s->error;
}

/* --- begin --- */

static int run(struct store *s, enum store_statement which)
{
    int r = 0;
    sqlite3_stmt *st = store_sql(s, which, &r);
    return st == NULL ? r : store_run(st);
}

int store_begin(struct store *s)
{
    ASSERT(!s->in_transaction);
    CRASH_POINT("store.begin.before");
    int r = run(s, SQL_BEGIN);
    if (r < 0)
        return store_note(s, r);
    CRASH_POINT("store.begin.after");
    s->in_transaction = true;
    s->spoilt = 0;
    s->saved = s->now;
    s->changes_before = sqlite3_total_changes64(s->db);
    s->clock_writing_ms = s->clock_written_ms;
    return 0;
}

/* --- a webhook --- */

int store_put_webhook(struct store *s, const struct store_webhook *w)
{
    ASSERT(s->in_transaction);
    int r = s->spoilt;
    if (r == 0 && w->n_events > 0)
        r = store_put_events(s, w);
    if (r == 0 && w->sender_ids.len > 0)
        r = store_put_sender_ids(s, w->sender_ids);
    if (r == 0 && w->notes.len > 0)
        r = store_put_notes(s, w->notes);
    if (r == 0 && w->letter != 0)
        r = store_delete_letter(s, w->letter);
    if (r == 0 && w->letters.len > 0)
        r = store_put_letters(s, w->letters);
    if (r == 0)
        r = store_put_records(s, w->records, w->n_records);
    return store_spoil(s, r);
}

/* --- a batch --- */

static void raise_high_id(struct store_path_live *live, struct slice ids)
{
    for (size_t i = 0; i < ids.len; i += ID_PACKED_SIZE) {
        if (!live->has_high || memcmp(ids.data + i, live->high_id, ID_PACKED_SIZE) > 0)
            memcpy(live->high_id, ids.data + i, ID_PACKED_SIZE);
        live->has_high = true;
    }
}

static int put_batch_row(struct store *s, int64_t key, const struct store_path_live *live,
                         const struct store_batch *b)
{
    int r = 0;
    sqlite3_stmt *st = store_sql(s, SQL_BATCH_PUT, &r);
    if (st == NULL)
        return r;
    uint64_t at = store_now_ms(s);
    struct slice high_id = slice_of(live->high_id, ID_PACKED_SIZE);
    store_bind(st, 1, (uint64_t) key);
    store_bind(st, 2, at);
    store_bind(st, 3, store_sum_batch(key, at, high_id, b->ids, b->frames));
    store_bind_blob(st, 4, high_id);
    store_bind_blob(st, 5, b->ids);
    store_bind_blob(st, 6, b->frames);
    return store_run(st);
}

static int put_batch(struct store *s, struct store_path *p, const struct store_batch *b,
                     uint64_t *ret_position)
{
    if (b->frames.len == 0 || b->frames.len > UINT64_C(1) << p->span_bits)
        return -EMSGSIZE;
    struct store_path_live live = p->now;
    uint64_t position = segment_place(p->span_bits, &live.place, b->frames.len);
    if (live.place.tail > STORE_MAX_POSITION)
        return -EOVERFLOW;
    raise_high_id(&live, b->ids);
    live.count++;
    live.bytes += b->frames.len;
    uint64_t positions = live.place.tail - p->now.place.tail;

    CRASH_POINT("store.batch");
    int r = put_batch_row(s, store_batch_key(p->id, position), &live, b);
    if (r < 0)
        return r;
    store_path_touch(s, p);
    p->now = live;
    s->now.positions += positions;
    struct store_trigger *t = store_trigger_find(s, b->trigger_id);
    if (t != NULL)
        store_trigger_set(s, t, b->last_seq);
    else
        s->numbers_dirty = true; /* it was deleted meanwhile: no mark tells the event's number */
    store_note_event(s, b->last_seq, live.high_id);
    *ret_position = position;
    return 0;
}

int store_put_batch(struct store *s, const struct store_batch *b, uint64_t *ret_position)
{
    ASSERT(s->in_transaction && b->path < s->n_by_index && s->by_index[b->path] != NULL);
    ASSERT(b->ids.len > 0 && b->ids.len % ID_PACKED_SIZE == 0);
    if (s->spoilt != 0)
        return s->spoilt;
    return store_spoil(s, put_batch(s, s->by_index[b->path], b, ret_position));
}

/* --- the end of a transaction --- */

static int write_paths(struct store *s)
{
    for (size_t i = 0; i < s->n_paths; i++) {
        struct store_path *p = s->paths[i];
        if (!p->dirty || p->forgotten)
            continue;
        CRASH_POINT("store.path");
        int r = store_path_write(s, p);
        if (r < 0)
            return r;
    }
    return 0;
}

/* What webhooks' rows say as long as there are some. */
static int write_numbers(struct store *s)
{
    if (!s->numbers_dirty)
        return 0;
    char text[32];
    (void) snprintf(text, sizeof(text), "%llu", (unsigned long long) s->now.next_seq);
    int r = store_meta_put(s, "next_seq", text);
    return r < 0 ? r : store_meta_put(s, "last_event", s->now.last_event_id);
}

static int finish(struct store *s)
{
    int r = store_webhooks_write(s);
    if (r == 0)
        r = write_paths(s);
    if (r == 0)
        r = store_triggers_write(s);
    if (r == 0)
        r = write_numbers(s);
    /* Not for their own sake: a commit of nothing writes and syncs nothing. */
    s->writes = sqlite3_total_changes64(s->db) != s->changes_before;
    if (r == 0 && s->writes && store_clock_due(s))
        r = store_clock_write(s);
    if (r == 0 && s->writes)
        r = store_epoch_write(s);
    if (r < 0)
        return r;
    CRASH_POINT("store.commit.before");
    r = run(s, SQL_COMMIT);
    if (r == 0)
        CRASH_POINT("store.commit.after");
    return r;
}

/* The states in memory are those on disk now. */
static void settle_memory(struct store *s)
{
    for (size_t i = s->n_paths; i-- > 0;) {
        struct store_path *p = s->paths[i];
        p->dirty = false;
        if (!p->forgotten)
            continue;
        free(p->name);
        free(p);
        s->paths[i] = s->paths[--s->n_paths];
    }
    store_triggers_settle(s);
    s->numbers_dirty = false;
    s->clock_written_ms = s->clock_writing_ms;
}

int store_commit(struct store *s)
{
    ASSERT(s->in_transaction);
    int r = s->spoilt != 0 ? s->spoilt : store_note(s, finish(s));
    if (r < 0) {
        store_rollback(s);
        return r;
    }
    s->in_transaction = false;
    settle_memory(s);
    if (s->writes)
        store_epoch_note(s);
    return 0;
}

void store_touch(struct store *s)
{
    ASSERT(s->in_transaction);
    s->numbers_dirty = true;
}

void store_rollback(struct store *s)
{
    if (!s->in_transaction)
        return;
    if (sqlite3_get_autocommit(s->db) == 0) /* some errors have rolled back already */
        (void) sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    s->in_transaction = false;
    s->spoilt = 0;
    s->now = s->saved;
    store_webhooks_forget(s);
    for (size_t i = 0; i < s->n_paths; i++) {
        struct store_path *p = s->paths[i];
        if (p->dirty)
            p->now = p->saved;
        p->dirty = false;
        p->forgotten = false;
    }
    store_triggers_return(s);
    s->numbers_dirty = false;
}
