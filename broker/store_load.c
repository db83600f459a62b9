/* store_load.c - what a start reads of the store: numbers, sender ids, events, attempts. */
#include "crash.h"
#include "mem.h"
#include "record.h"
#include "store_private.h"

#include <stdlib.h>

/* --- numbers --- */

static int number_of(struct store *s, const char *sql, uint64_t *ret)
{
    sqlite3_stmt *st;
    int r = store_prepare(s->db, sql, &st);
    if (r < 0)
        return r;
    r = store_step(st);
    if (r == 1)
        *ret = store_column(st, 0);
    (void) sqlite3_finalize(st);
    return r < 0 ? r : 0;
}

static int load_last_webhook(struct store *s)
{
    sqlite3_stmt *st;
    int r = store_prepare(s->db, "SELECT seq + n, last_id FROM webhooks ORDER BY seq DESC LIMIT 1",
                          &st);
    if (r < 0)
        return r;
    r = store_step(st);
    if (r == 1) {
        uint64_t next = store_column(st, 0);
        const char *id = store_column_text(st, 1);
        uint8_t packed[ID_PACKED_SIZE];
        if (!id_pack(EVENT_ID_PREFIX, slice_str(id), packed))
            r = -EBADMSG;
        else if (strcmp(id, s->now.last_event_id) > 0)
            memcpy(s->now.last_event_id, id, ID_SIZE);
        if (next > s->now.next_seq)
            s->now.next_seq = next;
    }
    (void) sqlite3_finalize(st);
    return r < 0 ? r : 0;
}

static int load_numbers(struct store *s)
{
    char text[STORE_META_MAX];
    int r = 0;
    sqlite3_stmt *st = store_sql(s, SQL_META_GET, &r);
    if (st == NULL)
        return r;
    r = store_meta_get(st, "next_seq", text);
    if (r < 0)
        return r == -ENOENT ? -EBADMSG : r;
    s->now.next_seq = strtoull(text, NULL, 10);
    r = store_meta_get(st, "last_event", text);
    if (r < 0)
        return r == -ENOENT ? -EBADMSG : r;
    uint8_t packed[ID_PACKED_SIZE];
    if (!id_pack(EVENT_ID_PREFIX, slice_str(text), packed))
        return -EBADMSG;
    memcpy(s->now.last_event_id, text, ID_SIZE);
    return load_last_webhook(s);
}

void store_note_event(struct store *s, uint64_t seq, const uint8_t id[ID_PACKED_SIZE])
{
    char text[ID_SIZE];
    if (seq >= s->now.next_seq)
        s->now.next_seq = seq + 1;
    id_unpack(EVENT_ID_PREFIX, id, text);
    if (strcmp(text, s->now.last_event_id) > 0)
        memcpy(s->now.last_event_id, text, ID_SIZE);
}

/* Events whose batches are stored with them have no row of their own. */
static void learn_from_batches(struct store *s)
{
    for (size_t i = 0; i < s->n_paths; i++) {
        const struct store_path_live *live = &s->paths[i]->now;
        if (live->has_high)
            store_note_event(s, 0, live->high_id);
    }
    for (size_t i = 0; i < s->n_triggers; i++) {
        if (s->triggers[i].now >= s->now.next_seq)
            s->now.next_seq = s->triggers[i].now + 1;
    }
}

int store_counters_load(struct store *s)
{
    int r = load_numbers(s);
    if (r == 0)
        r = store_epoch_load(s);
    if (r == 0)
        r = number_of(s, "SELECT coalesce(max(k), 0) + 1 FROM sender_ids", &s->now.next_sender_key);
    uint64_t images = 0, tags = 0, tombstones = 0;
    if (r == 0)
        r = number_of(s, "SELECT coalesce(max(id), 0) FROM images", &images);
    if (r == 0)
        r = number_of(s, "SELECT coalesce(max(id), 0) FROM tags", &tags);
    if (r == 0)
        r = number_of(s, "SELECT coalesce(max(id), 0) FROM tombstones", &tombstones);
    s->now.next_entry = images > tags ? images : tags;
    if (s->now.next_entry < tombstones)
        s->now.next_entry = tombstones;
    s->now.next_entry++;
    if (r == 0)
        r = number_of(s, "SELECT coalesce(max(id), 0) + 1 FROM dead_letters", &s->now.next_letter);
    if (r == 0)
        r = number_of(s, "SELECT count(*) FROM dead_letters", &s->now.n_letters);
    if (r == 0)
        r = number_of(s, "SELECT count(*) FROM records WHERE kind = 2", /* STORE_OPERATION */
                      &s->now.n_operations);
    learn_from_batches(s);
    s->saved = s->now;
    return r;
}

uint64_t store_next_seq(const struct store *s)
{
    return s->now.next_seq;
}

void store_last_event_id(const struct store *s, char ret[ID_SIZE])
{
    memcpy(ret, s->now.last_event_id, ID_SIZE);
}

/* --- sender ids --- */

int store_load_sender_ids(struct store *s, void (*ids)(void *, uint64_t at_ms, struct slice ids),
                          void *ctx)
{
    sqlite3_stmt *st;
    int r = store_prepare(s->db, "SELECT k, at, ids, sum FROM sender_ids ORDER BY k", &st);
    if (r < 0)
        return store_note(s, r);
    while ((r = store_step(st)) == 1) {
        uint64_t key = store_column(st, 0), at = store_column(st, 1);
        struct slice bytes = store_column_blob(st, 2);
        if (store_column(st, 3) != record_checksum(key, at, bytes) ||
            bytes.len % STORE_SENDER_ID_SIZE != 0) {
            r = -EBADMSG;
            break;
        }
        ids(ctx, at, bytes);
    }
    r = store_note(s, r);
    (void) sqlite3_finalize(st);
    return r;
}

/* --- events --- */

static int give_webhook(sqlite3_stmt *st, uint64_t after, uint64_t *next,
                        int (*webhook)(void *, uint64_t, uint32_t, struct slice), void *ctx)
{
    uint64_t seq = store_column(st, 0), n = store_column(st, 1);
    struct slice last_id = slice_str(store_column_text(st, 2));
    struct slice events = store_column_blob(st, 3);
    if (store_column(st, 4) != store_sum_row(seq, n, 0, last_id, events) || n == 0 ||
        n > UINT32_MAX || seq < *next)
        return -EBADMSG;
    *next = seq + n;
    return seq + n - 1 > after ? webhook(ctx, seq, (uint32_t) n, events) : 0;
}

int store_load_events(struct store *s, uint64_t after,
                      int (*webhook)(void *, uint64_t first_seq, uint32_t n, struct slice events),
                      void *ctx)
{
    sqlite3_stmt *st;
    int r = store_prepare(s->db,
                          "SELECT seq, n, last_id, events, sum FROM webhooks WHERE seq >="
                          " (SELECT coalesce(max(seq), 0) FROM webhooks WHERE seq <= ?1)"
                          " ORDER BY seq",
                          &st);
    if (r < 0)
        return store_note(s, r);
    store_bind(st, 1, after > INT64_MAX ? INT64_MAX : after);
    uint64_t next = 0;
    while ((r = store_step(st)) == 1) {
        r = give_webhook(st, after, &next, webhook, ctx);
        if (r < 0)
            break;
    }
    r = store_note(s, r);
    (void) sqlite3_finalize(st);
    return r < 0 ? r : 0;
}

/* --- attempts --- */

int store_count_attempt(struct store *s, enum store_attempt kind, uint64_t key)
{
    /* What succeeds later is not taken out, so the table is kept from growing for ever. */
    static const char FORGET[] = "DELETE FROM attempts WHERE kind = ?1 AND key <> ?2"
                                 " AND (SELECT count(*) FROM attempts) > 1000";
    static const char COUNT[] = "INSERT INTO attempts(kind, key, n) VALUES(?1, ?2, 1)"
                                " ON CONFLICT(kind, key) DO UPDATE SET n = min(n + 1, 1000000)"
                                " RETURNING n";
    int n = 0, r = store_begin(s);
    if (r < 0)
        return r;
    CRASH_POINT("store.attempt");
    for (int i = 0; i < 2 && r == 0; i++) {
        sqlite3_stmt *st;
        r = store_prepare(s->db, i == 0 ? FORGET : COUNT, &st);
        if (r < 0)
            break;
        store_bind(st, 1, (uint64_t) kind);
        store_bind(st, 2, key);
        while ((r = store_step(st)) == 1)
            n = sqlite3_column_int(st, 0);
        (void) sqlite3_finalize(st);
    }
    if (r < 0) {
        (void) store_note(s, r);
        store_rollback(s);
        return r;
    }
    r = store_commit(s);
    return r < 0 ? r : n;
}

int store_load_attempts(struct store *s, enum store_attempt kind,
                        void (*one)(void *, uint64_t key, unsigned attempts), void *ctx)
{
    sqlite3_stmt *st;
    int r = store_prepare(s->db, "SELECT key, n FROM attempts WHERE kind = ?1 ORDER BY key", &st);
    if (r < 0)
        return store_note(s, r);
    store_bind(st, 1, (uint64_t) kind);
    while ((r = store_step(st)) == 1)
        one(ctx, store_column(st, 0), (unsigned) store_column(st, 1));
    r = store_note(s, r);
    (void) sqlite3_finalize(st);
    return r;
}
