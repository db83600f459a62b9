/* store_retire.c - what the store gives up: events that no trigger needs, history over its limits,
 * old sender ids and operations; and the WAL once it has been written back. */
#include "clock.h"
#include "crash.h"
#include "mem.h"
#include "store_private.h"

#include <stdlib.h>

enum { ROWS_PER_CALL = 2000 };

/* --- events --- */

static int settle(struct store *s, uint64_t seq)
{
    for (size_t i = 0; i < s->n_triggers; i++)
        store_trigger_set(s, &s->triggers[i], seq);
    int r = store_webhooks_write(s);
    if (r < 0)
        return r;
    sqlite3_stmt *st = store_sql(s, SQL_WEBHOOK_DELETE, &r);
    if (st == NULL)
        return r;
    CRASH_POINT("store.settle");
    store_bind(st, 1, seq);
    r = store_run(st);
    if (r < 0)
        return r;
    if (sqlite3_changes(s->db) > 0) {
        /* Until now the rows said how far numbers and ids had come. */
        s->numbers_dirty = true;
        st = store_sql(s, SQL_ATTEMPT_FORGET, &r);
        if (st == NULL)
            return r;
        store_bind(st, 1, STORE_ATTEMPT_EVENT);
        store_bind(st, 2, seq);
        r = store_run(st);
    }
    return r;
}

int store_settle_events(struct store *s, uint64_t seq)
{
    ASSERT(s->in_transaction);
    return s->spoilt != 0 ? s->spoilt : store_spoil(s, settle(s, seq));
}

/* --- history --- */

/* The batches from a path's oldest on, as far as they have been looked at. */
struct doomed {
    uint64_t rows, bytes, end;
    int64_t last_key;
    uint8_t high_id[ID_PACKED_SIZE]; /* of them and of all deleted before */
    uint8_t *ids; /* of the last of them, as far as they are above that of those before it */
    size_t ids_len;
};

/* When triggers share a path, an event may be in two batches, and a client that has seen it in the
 * earlier one has seen nothing of what came between. Only an id above all that was before is this
 * batch's alone for sure. */
static void take_ids(struct doomed *d, struct slice ids)
{
    if (ids.len > 0)
        d->ids = xrealloc(d->ids, ids.len);
    d->ids_len = 0;
    for (size_t at = 0; at + ID_PACKED_SIZE <= ids.len; at += ID_PACKED_SIZE) {
        if (memcmp(ids.data + at, d->high_id, ID_PACKED_SIZE) <= 0)
            continue;
        memcpy(d->ids + d->ids_len, ids.data + at, ID_PACKED_SIZE);
        d->ids_len += ID_PACKED_SIZE;
    }
}

static bool over_limits(const struct store_path *p, const struct doomed *d, uint64_t age_ms)
{
    const struct store_limits *l = &p->limits;
    if (age_ms > l->max_age_ms || p->now.bytes - d->bytes > l->max_bytes)
        return true;
    return p->now.count - d->rows > l->max_count && age_ms >= l->count_grace_ms;
}

static int take_row(struct store_path *p, struct doomed *d, sqlite3_stmt *st)
{
    int64_t key = (int64_t) store_column(st, 0);
    uint64_t at = store_column(st, 1), sum = store_column(st, 2), len = store_column(st, 5);
    struct slice high_id = store_column_blob(st, 3), ids = store_column_blob(st, 4);
    if (high_id.len != ID_PACKED_SIZE || sum >> 32 != store_sum_batch_ids(key, at, high_id, ids) ||
        d->rows >= p->now.count || len > p->now.bytes - d->bytes)
        return -EBADMSG;
    d->rows++;
    d->bytes += len;
    d->end = store_key_position(key) + len;
    d->last_key = key;
    take_ids(d, ids);
    if (memcmp(high_id.data, d->high_id, ID_PACKED_SIZE) > 0) /* a new epoch is above its history */
        memcpy(d->high_id, high_id.data, ID_PACKED_SIZE);
    return 0;
}

static int delete_doomed(struct store *s, struct store_path *p, const struct doomed *d)
{
    int r = 0;
    sqlite3_stmt *st = store_sql(s, SQL_BATCH_DELETE, &r);
    if (st == NULL)
        return r;
    store_path_touch(s, p);
    store_bind(st, 1, (uint64_t) store_batch_key(p->id, 0));
    store_bind(st, 2, (uint64_t) d->last_key);
    r = store_run(st);
    if (r < 0)
        return r;
    CRASH_POINT("store.retire.mid");
    p->now.count -= d->rows;
    p->now.bytes -= d->bytes;
    p->now.oldest = d->end;
    return store_path_write_gone(s, p->id, slice_of(d->high_id, ID_PACKED_SIZE),
                                 slice_of(d->ids, d->ids_len));
}

static int start_doomed(struct store *s, const struct store_path *p, struct doomed *d)
{
    int r = 0;
    sqlite3_stmt *st = store_sql(s, SQL_GONE_GET, &r);
    if (st == NULL)
        return r;
    store_bind(st, 1, p->id);
    struct store_gone_row gone;
    r = store_step(st);
    r = r == 1 ? store_gone_row(st, p->id, &gone) : r == 0 ? -EBADMSG : r;
    if (r == 0)
        memcpy(d->high_id, gone.high_id.data, ID_PACKED_SIZE);
    (void) sqlite3_reset(st);
    return r;
}

/* `by_limits` false: all up to `last_key`. */
static int look(struct store *s, struct store_path *p, bool by_limits, int64_t last_key,
                uint64_t most, struct doomed *d)
{
    int r = 0;
    sqlite3_stmt *st = store_sql(s, SQL_BATCH_WALK, &r);
    if (st == NULL)
        return r;
    uint64_t now_ms = store_now_ms(s);
    store_bind(st, 1, (uint64_t) store_batch_key(p->id, 0));
    store_bind(st, 2, (uint64_t) last_key);
    while (d->rows < most && (r = store_step(st)) == 1) {
        uint64_t at = store_column(st, 1);
        if (by_limits && !over_limits(p, d, now_ms > at ? now_ms - at : 0))
            break;
        r = d->rows == 0 ? start_doomed(s, p, d) : 0;
        if (r == 0)
            r = take_row(p, d, st);
        if (r < 0)
            break;
    }
    (void) sqlite3_reset(st);
    return r < 0 ? r : 0;
}

static int retire_path(struct store *s, struct store_path *p, bool by_limits, int64_t last_key,
                       uint64_t *budget)
{
    struct doomed d = {.rows = 0};
    int r = look(s, p, by_limits, last_key, *budget, &d);
    if (r == 0 && d.rows > 0)
        r = delete_doomed(s, p, &d);
    free(d.ids);
    if (r == 0)
        *budget -= d.rows;
    return r;
}

int store_retire_through(struct store *s, struct store_path *p, int64_t last_key)
{
    uint64_t budget = UINT64_MAX;
    return retire_path(s, p, false, last_key, &budget);
}

static int cut_path(struct store *s, struct store_path *p, const uint8_t floor[ID_PACKED_SIZE])
{
    int r = 0;
    sqlite3_stmt *st = store_sql(s, SQL_BATCH_DELETE, &r);
    if (st == NULL)
        return r;
    store_path_touch(s, p);
    store_bind(st, 1, (uint64_t) store_batch_key(p->id, 0));
    store_bind(st, 2, (uint64_t) store_batch_key(p->id, STORE_MAX_POSITION));
    r = store_run(st);
    if (r < 0)
        return r;
    CRASH_POINT("store.retire.mid");
    p->now.count = p->now.bytes = 0;
    p->now.oldest = p->now.place.tail;
    p->now.has_high = false; /* ids below may come: batches are found by it */
    return store_path_write_gone(s, p->id, slice_of(floor, ID_PACKED_SIZE), (struct slice){0});
}

int store_cut_path(struct store *s, uint32_t index, const uint8_t floor[ID_PACKED_SIZE],
                   uint64_t *ret_position)
{
    ASSERT(s->in_transaction && index < s->n_by_index && s->by_index[index] != NULL);
    if (s->spoilt != 0)
        return s->spoilt;
    struct store_path *p = s->by_index[index];
    int r = store_spoil(s, cut_path(s, p, floor));
    if (r == 0)
        *ret_position = p->now.place.tail;
    return r;
}

static int retire_paths(struct store *s, uint64_t *budget)
{
    int r = 0;
    for (size_t i = 0; i<s->n_paths && * budget> 0 && r == 0; i++) {
        struct store_path *p = s->paths[i];
        if (p->now.count > 0)
            r = retire_path(s, p, true, store_batch_key(p->id, STORE_MAX_POSITION), budget);
        if (r == 0 && p->now.count == 0 && !p->configured)
            r = store_path_forget(s, p);
    }
    return r;
}

/* --- sender ids --- */

static int last_old_sender_id(struct store *s, uint64_t before_ms, uint64_t *budget, uint64_t *ret)
{
    int r = 0;
    sqlite3_stmt *st = store_sql(s, SQL_SENDER_WALK, &r);
    if (st == NULL)
        return r;
    while (*budget > 0 && (r = store_step(st)) == 1 && store_column(st, 1) < before_ms) {
        *ret = store_column(st, 0);
        --*budget;
    }
    (void) sqlite3_reset(st);
    return r < 0 ? r : 0;
}

static int retire_sender_ids(struct store *s, uint64_t window_ms, uint64_t *budget)
{
    uint64_t now_ms = store_now_ms(s), last = 0;
    if (now_ms <= window_ms)
        return 0;
    int r = last_old_sender_id(s, now_ms - window_ms, budget, &last);
    if (r < 0 || last == 0)
        return r;
    sqlite3_stmt *st = store_sql(s, SQL_SENDER_DELETE, &r);
    if (st == NULL)
        return r;
    store_bind(st, 1, last);
    return store_run(st);
}

static int retire(struct store *s, uint64_t window_ms, bool *ret_more)
{
    uint64_t budget = ROWS_PER_CALL;
    CRASH_POINT("store.retire.begin");
    int r = retire_paths(s, &budget);
    if (r == 0 && budget > 0)
        r = retire_sender_ids(s, window_ms, &budget);
    if (r == 0 && budget > 0)
        r = store_retire_operations(s, &budget);
    if (r < 0)
        return r;
    CRASH_POINT("store.retire.end");
    *ret_more = budget == 0;
    return 0;
}

int store_retire(struct store *s, uint64_t window_ms, bool *ret_more)
{
    if (s->in_transaction)
        return s->spoilt != 0 ? s->spoilt : store_spoil(s, retire(s, window_ms, ret_more));
    int r = store_begin(s);
    if (r < 0)
        return r;
    r = store_note(s, retire(s, window_ms, ret_more));
    if (r < 0) {
        store_rollback(s);
        return r;
    }
    return store_commit(s);
}

/* --- the WAL --- */

enum {
    FRAME = STORE_PAGE + 24,
    /* Written back when this much is new. A page that many commits have changed is written once,
     * and a commit in a hundred waits for it, not one in ten; a start after a kill reads it in 0.1
     * s. */
    EACH_FRAMES = 16 * 1024 * 1024 / FRAME,
    LONG_FRAMES = 64 * 1024 * 1024 / FRAME /* then readers are asked to let go of it */
};

static int write_back(struct store *s, int mode)
{
    CRASH_POINT("store.checkpoint.begin");
    /* Waiting for a reader would hold up commits: the next time will do. */
    (void) sqlite3_busy_timeout(s->db, 0);
    int frames = 0, done = 0;
    int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, mode, &frames, &done);
    int r = store_note(s, store_error(s->db, rc));
    (void) sqlite3_busy_timeout(s->db, (int) s->options.busy_timeout_ms);
    CRASH_POINT("store.checkpoint.end");
    return r == -EBUSY ? 0 : r;
}

int store_checkpoint_now(struct store *s)
{
    ASSERT(!s->in_transaction);
    s->checkpoint_at = s->wal_frames + EACH_FRAMES;
    return write_back(s, SQLITE_CHECKPOINT_PASSIVE);
}

int store_checkpoint(struct store *s)
{
    ASSERT(!s->in_transaction);
    if (!s->has_ballast)
        store_ballast_make(s);
    if (s->wal_frames < s->checkpoint_at)
        return 0;
    s->checkpoint_at = s->wal_frames + EACH_FRAMES;
    return write_back(s, s->wal_frames > LONG_FRAMES ? SQLITE_CHECKPOINT_TRUNCATE
                                                     : SQLITE_CHECKPOINT_PASSIVE);
}

/* After each commit: how long the WAL is. It is shorter than before when it began anew. */
static int on_commit(void *ctx, sqlite3 *db, const char *name, int frames)
{
    (void) db;
    (void) name;
    struct store *s = ctx;
    if ((uint64_t) frames < s->wal_frames)
        s->checkpoint_at = EACH_FRAMES;
    s->wal_frames = (uint64_t) frames;
    return SQLITE_OK;
}

void store_checkpoint_start(struct store *s)
{
    s->checkpoint_at = EACH_FRAMES;
    (void) sqlite3_wal_hook(s->db, on_commit, s);
}
