/* store_path.c - paths in the store: their numbers, where their batches end, and what a change of
 * the configuration does to them. */
#include "crash.h"
#include "mem.h"
#include "store_private.h"

#include <stdlib.h>

/* Of paths that are no longer configured: as the settings' defaults. */
static const struct store_limits DEFAULT_LIMITS = {
    .max_count = 1000, .max_bytes = UINT64_C(16) << 20, .max_age_ms = 3600000};

/* --- rows --- */

void store_path_touch(struct store *s, struct store_path *p)
{
    ASSERT(s->in_transaction);
    if (p->dirty)
        return;
    p->saved = p->now;
    p->dirty = true;
}

int store_path_write(struct store *s, const struct store_path *p)
{
    int r = 0;
    sqlite3_stmt *st = store_sql(s, SQL_PATH_PUT, &r);
    if (st == NULL)
        return r;
    struct store_path_row row = {
        .id = p->id,
        .name = p->name,
        .span_bits = p->span_bits,
        .tail = p->now.place.tail,
        .tail_n = p->now.place.n,
        .oldest = p->now.oldest,
        .count = p->now.count,
        .bytes = p->now.bytes,
        .high_id = slice_of(p->now.high_id, p->now.has_high ? ID_PACKED_SIZE : 0),
    };
    store_bind(st, 1, row.id);
    store_bind_text(st, 2, row.name);
    store_bind(st, 3, row.span_bits);
    store_bind(st, 4, row.tail);
    store_bind(st, 5, row.tail_n);
    store_bind(st, 6, row.oldest);
    store_bind(st, 7, row.count);
    store_bind(st, 8, row.bytes);
    store_bind_blob(st, 9, row.high_id);
    store_bind(st, 10, store_sum_path(&row));
    return store_run(st);
}

int store_path_write_gone(struct store *s, uint64_t path_id, struct slice high_id, struct slice ids)
{
    int r = 0;
    sqlite3_stmt *st = store_sql(s, SQL_GONE_PUT, &r);
    if (st == NULL)
        return r;
    struct store_gone_row row = {.high_id = high_id, .ids = ids};
    store_bind(st, 1, path_id);
    store_bind_blob(st, 2, row.high_id);
    store_bind_blob(st, 3, row.ids);
    store_bind(st, 4, store_sum_gone(path_id, &row));
    return store_run(st);
}

int store_path_forget(struct store *s, struct store_path *p)
{
    static const char *const DELETES[] = {"DELETE FROM gone WHERE path = ?1",
                                          "DELETE FROM paths WHERE id = ?1"};
    store_path_touch(s, p);
    for (size_t i = 0; i < ARRAY_LEN(DELETES); i++) {
        sqlite3_stmt *st;
        int r = store_prepare(s->db, DELETES[i], &st);
        if (r < 0)
            return r;
        store_bind(st, 1, p->id);
        r = store_run(st);
        (void) sqlite3_finalize(st);
        if (r < 0)
            return r;
    }
    p->forgotten = true;
    return 0;
}

/* --- a start --- */

static void add(struct store *s, struct store_path *p)
{
    s->paths = xrealloc(s->paths, (s->n_paths + 1) * sizeof(struct store_path *));
    s->paths[s->n_paths++] = p;
}

static int load_one(struct store *s, sqlite3_stmt *st)
{
    struct store_path_row row;
    int r = store_path_row(st, &row);
    if (r < 0)
        return r;
    if (row.span_bits >= STORE_POSITION_BITS || row.tail_n > UINT32_MAX)
        return -EBADMSG;
    struct store_path *p = xcalloc(1, sizeof(*p));
    p->id = row.id;
    p->name = xstrdup(row.name);
    p->span_bits = (unsigned) row.span_bits;
    p->limits = DEFAULT_LIMITS;
    p->now.place = (struct segment_place){.tail = row.tail, .n = (uint32_t) row.tail_n};
    p->now.oldest = row.oldest;
    p->now.count = row.count;
    p->now.bytes = row.bytes;
    p->now.has_high = row.high_id.len > 0;
    if (p->now.has_high)
        memcpy(p->now.high_id, row.high_id.data, ID_PACKED_SIZE);
    p->saved = p->now;
    add(s, p);
    return 0;
}

int store_paths_load(struct store *s)
{
    sqlite3_stmt *st;
    int r = store_prepare(s->db, "SELECT " STORE_PATH_COLUMNS " FROM paths ORDER BY id", &st);
    if (r < 0)
        return r;
    while ((r = store_step(st)) == 1) {
        r = load_one(s, st);
        if (r < 0)
            break;
    }
    (void) sqlite3_finalize(st);
    return r;
}

void store_paths_free(struct store *s)
{
    for (size_t i = 0; i < s->n_paths; i++) {
        free(s->paths[i]->name);
        free(s->paths[i]);
    }
    free(s->paths);
    free(s->by_index);
    s->paths = s->by_index = NULL;
    s->n_paths = s->n_by_index = 0;
}

/* --- another span: its batches get new places, after their old ones so that no two keys meet ---
 */

struct batch_copy {
    int64_t key;
    uint64_t at, sum;
    struct slice high_id, ids, frames;
};

static int move_batch(sqlite3_stmt *update, const struct batch_copy *b, int64_t to)
{
    if (b->sum != store_sum_batch(b->key, b->at, b->high_id, b->ids, b->frames))
        return -EBADMSG;
    store_bind(update, 1, (uint64_t) b->key);
    store_bind(update, 2, (uint64_t) to);
    store_bind(update, 3, store_sum_batch(to, b->at, b->high_id, b->ids, b->frames));
    return store_run(update);
}

static int move_batches(struct store_path *p, struct segment_place *place, unsigned span_bits,
                        sqlite3_stmt *next, sqlite3_stmt *update)
{
    int64_t last = store_batch_key(p->id, p->now.place.tail);
    store_bind(next, 1, (uint64_t) store_batch_key(p->id, 0));
    store_bind(next, 2, (uint64_t) last);
    int r;
    while ((r = store_step(next)) == 1) { /* one at a time: each moves out of the range */
        struct batch_copy b = {
            .key = (int64_t) store_column(next, 0),
            .at = store_column(next, 1),
            .sum = store_column(next, 2),
            .high_id = store_column_blob(next, 3),
            .ids = store_column_blob(next, 4),
            .frames = store_column_blob(next, 5),
        };
        uint64_t position = segment_place(span_bits, place, b.frames.len);
        if (place->tail > STORE_MAX_POSITION)
            r = -EOVERFLOW;
        else
            r = move_batch(update, &b, store_batch_key(p->id, position));
        (void) sqlite3_reset(next);
        if (r < 0)
            break;
        CRASH_POINT("store.renumber.mid");
    }
    return r;
}

/* The last batch that a segment of the new span cannot hold for sure; 0: none. */
static int last_too_long(struct store *s, const struct store_path *p, unsigned span_bits,
                         int64_t *ret_key)
{
    sqlite3_stmt *st;
    int r = store_prepare(s->db,
                          "SELECT max(key) FROM batches WHERE key >= ?1 AND key <= ?2"
                          " AND length(frames) > ?3",
                          &st);
    if (r < 0)
        return r;
    store_bind(st, 1, (uint64_t) store_batch_key(p->id, 0));
    store_bind(st, 2, (uint64_t) store_batch_key(p->id, p->now.place.tail));
    store_bind(st, 3, UINT64_C(1) << (span_bits - 1));
    r = store_step(st);
    if (r == 1)
        *ret_key = (int64_t) store_column(st, 0);
    (void) sqlite3_finalize(st);
    return r < 0 ? r : 0;
}

static int renumber(struct store *s, struct store_path *p, unsigned span_bits)
{
    sqlite3_stmt *next = NULL, *update = NULL;
    int64_t too_long = 0;
    int r = last_too_long(s, p, span_bits, &too_long);
    if (r == 0 && too_long != 0)
        r = store_retire_through(s, p, too_long);
    if (r == 0)
        r = store_prepare(s->db,
                          "SELECT key, at, sum, high_id, ids, frames FROM batches"
                          " WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT 1",
                          &next);
    if (r == 0)
        r = store_prepare(s->db, "UPDATE batches SET key = ?2, sum = ?3 WHERE key = ?1", &update);
    if (r == 0) {
        uint64_t span = UINT64_C(1) << span_bits;
        struct segment_place place = {.tail = (p->now.place.tail + span - 1) & ~(span - 1)};
        uint64_t begin = place.tail;
        r = move_batches(p, &place, span_bits, next, update);
        s->now.positions += place.tail - p->now.place.tail;
        p->now.place = place;
        p->now.oldest = begin;
    }
    (void) sqlite3_finalize(next);
    (void) sqlite3_finalize(update);
    return r;
}

static int change_span(struct store *s, struct store_path *p, unsigned span_bits)
{
    bool alone = !s->in_transaction;
    int r = alone ? store_begin(s) : 0;
    if (r < 0)
        return r;
    CRASH_POINT("store.renumber.begin");
    store_path_touch(s, p);
    unsigned before = p->span_bits;
    r = renumber(s, p, span_bits);
    if (r < 0) {
        (void) store_note(s, r);
        store_rollback(s);
        return r;
    }
    p->span_bits = span_bits;
    r = alone ? store_commit(s) : 0;
    if (r < 0)
        p->span_bits = before;
    return r;
}

/* --- registering --- */

static bool id_is_used(const struct store *s, uint64_t id)
{
    for (size_t i = 0; i < s->n_paths; i++)
        if (s->paths[i]->id == id)
            return true;
    return false;
}

static uint64_t free_id(const struct store *s)
{
    for (uint64_t id = s->n_paths + 1; id <= STORE_MAX_PATH_ID; id++)
        if (!id_is_used(s, id))
            return id;
    for (uint64_t id = 1; id <= STORE_MAX_PATH_ID; id++)
        if (!id_is_used(s, id))
            return id;
    return 0;
}

/* Whatever was before the path is gone for it. */
static int write_new(struct store *s, const struct store_path *p)
{
    uint8_t last[ID_PACKED_SIZE];
    if (!id_pack(EVENT_ID_PREFIX, slice_str(s->now.last_event_id), last))
        return -EBADMSG;
    int r = store_path_write(s, p);
    if (r < 0)
        return r;
    struct slice ids = slice_of(last, sizeof(last));
    return store_path_write_gone(s, p->id, ids, ids);
}

static int make(struct store *s, const char *name, unsigned span_bits, struct store_path **ret)
{
    uint64_t id = free_id(s);
    if (id == 0)
        return -EMFILE;
    bool alone = !s->in_transaction;
    int r = alone ? store_begin(s) : 0;
    if (r < 0)
        return r;
    CRASH_POINT("store.path.new");
    struct store_path *p = xcalloc(1, sizeof(*p));
    p->id = id;
    p->name = xstrdup(name);
    p->span_bits = span_bits;
    r = store_spoil(s, write_new(s, p));
    if (r < 0)
        store_rollback(s);
    else if (alone)
        r = store_commit(s);
    if (r < 0) {
        free(p->name);
        free(p);
        return r;
    }
    add(s, p);
    *ret = p;
    return 0;
}

static struct store_path *by_name(const struct store *s, const char *name)
{
    for (size_t i = 0; i < s->n_paths; i++)
        if (strcmp(s->paths[i]->name, name) == 0)
            return s->paths[i];
    return NULL;
}

static void set_index(struct store *s, uint32_t index, struct store_path *p)
{
    if (index >= s->n_by_index) {
        s->by_index = xrealloc(s->by_index, ((size_t) index + 1) * sizeof(struct store_path *));
        while (s->n_by_index <= index)
            s->by_index[s->n_by_index++] = NULL;
    }
    s->by_index[index] = p;
}

int store_path(struct store *s, uint32_t index, const char *name, unsigned span_bits,
               const struct store_limits *limits)
{
    ASSERT(span_bits > 0 && span_bits < STORE_POSITION_BITS);
    struct store_path *p = by_name(s, name);
    int r = 0;
    if (p == NULL)
        r = make(s, name, span_bits, &p);
    else if (p->span_bits != span_bits)
        r = change_span(s, p, span_bits);
    if (r < 0)
        return r;
    uint64_t tail = p->now.place.tail;
    segment_place_skip(span_bits, &p->now.place);
    s->now.positions += p->now.place.tail - tail;
    p->configured = true;
    p->limits = *limits;
    set_index(s, index, p);
    return 0;
}

void store_path_limit(struct store *s, uint32_t index, const struct store_limits *limits)
{
    ASSERT(index < s->n_by_index && s->by_index[index] != NULL);
    s->by_index[index]->limits = *limits;
}

void store_path_state(const struct store *s, uint32_t index, struct store_path_state *ret)
{
    ASSERT(index < s->n_by_index && s->by_index[index] != NULL);
    const struct store_path_live *now = &s->by_index[index]->now;
    *ret = (struct store_path_state){
        .oldest = now->oldest, .tail = now->place.tail, .count = now->count, .bytes = now->bytes};
}
