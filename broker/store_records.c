/* store_records.c - what is kept by name: triggers as their owners described them, operations, of
 * which the newest are kept, revocations, and pushes that wait for their digests. */
#include "crash.h"
#include "store_private.h"

#include <stdio.h>

static uint32_t sum_of(const struct store_record *rec, uint64_t at)
{
    return store_sum_row((uint64_t) rec->kind, at, 0, slice_str(rec->id), rec->value);
}

/* --- changing --- */

/* 1, 0 or an error. */
static int has(struct store *s, const struct store_record *rec)
{
    int r = 0;
    sqlite3_stmt *st = store_sql(s, SQL_RECORD_HAS, &r);
    if (st == NULL)
        return r;
    store_bind(st, 1, (uint64_t) rec->kind);
    store_bind_text(st, 2, rec->id);
    r = store_step(st);
    (void) sqlite3_reset(st);
    return r;
}

static int put(struct store *s, const struct store_record *rec)
{
    ASSERT(strlen(rec->id) < ID_SIZE);
    int r = has(s, rec);
    if (r < 0)
        return r;
    bool more = r == 0 && rec->kind == STORE_OPERATION;
    sqlite3_stmt *st = store_sql(s, SQL_RECORD_PUT, &r);
    if (st == NULL)
        return r;
    CRASH_POINT("store.record");
    uint64_t at = store_now_ms(s);
    store_bind(st, 1, (uint64_t) rec->kind);
    store_bind_text(st, 2, rec->id);
    store_bind(st, 3, at);
    store_bind_blob(st, 4, rec->value);
    store_bind(st, 5, sum_of(rec, at));
    r = store_run(st);
    s->now.n_operations += more;
    return r;
}

static int take_away(struct store *s, const struct store_record *rec)
{
    int r = 0;
    sqlite3_stmt *st = store_sql(s, SQL_RECORD_DELETE, &r);
    if (st == NULL)
        return r;
    CRASH_POINT("store.record.delete");
    store_bind(st, 1, (uint64_t) rec->kind);
    store_bind_text(st, 2, rec->id);
    r = store_run(st);
    if (r == 0 && rec->kind == STORE_OPERATION && sqlite3_changes(s->db) > 0)
        s->now.n_operations--;
    return r < 0 || rec->kind != STORE_TRIGGER ? r : store_trigger_delete(s, rec->id);
}

static void set_mark(struct store *s, const char *trigger_id, uint64_t batched_seq)
{
    struct store_trigger *t = store_trigger_find(s, trigger_id);
    if (t != NULL)
        store_trigger_set(s, t, batched_seq);
    else
        store_trigger_add(s, trigger_id, batched_seq);
}

int store_put_records(struct store *s, const struct store_record *records, size_t n)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++)
        r = records[i].value.len > 0 ? put(s, &records[i]) : take_away(s, &records[i]);
    return r;
}

static int put_change(struct store *s, const struct store_change *c)
{
    uint64_t budget = UINT64_MAX;
    int r = store_put_records(s, c->records, c->n);
    if (r == 0 && c->letter != 0)
        r = store_delete_letter(s, c->letter);
    if (r < 0)
        return r;
    if (c->trigger_id != NULL)
        set_mark(s, c->trigger_id, c->batched_seq);
    /* What a record says of numbers must not be true of events that come after a restart. Also, a
     * mark that goes may have been all that told how far they had come. */
    if (c->next_seq > s->now.next_seq)
        s->now.next_seq = c->next_seq;
    s->numbers_dirty = true;
    return store_retire_operations(s, &budget);
}

int store_put_change(struct store *s, const struct store_change *c)
{
    ASSERT(s->in_transaction);
    return s->spoilt != 0 ? s->spoilt : store_spoil(s, put_change(s, c));
}

/* --- old operations --- */

/* How many of the oldest go, and the id of the last of them. */
static int count_old(struct store *s, uint64_t most, uint64_t *ret_n, char ret_last[ID_SIZE])
{
    int r = 0;
    sqlite3_stmt *st = store_sql(s, SQL_RECORD_WALK, &r);
    if (st == NULL)
        return r;
    uint64_t now_ms = store_now_ms(s), n = 0;
    store_bind(st, 1, STORE_OPERATION);
    while (n < most && (r = store_step(st)) == 1) {
        uint64_t at = store_column(st, 1);
        bool old = now_ms > at && now_ms - at > STORE_OPERATION_AGE_MS;
        if (!old && s->now.n_operations - n <= STORE_MAX_OPERATIONS)
            break;
        (void) snprintf(ret_last, ID_SIZE, "%s", store_column_text(st, 0));
        n++;
    }
    (void) sqlite3_reset(st);
    *ret_n = n;
    return r < 0 ? r : 0;
}

int store_retire_operations(struct store *s, uint64_t *budget)
{
    char last[ID_SIZE];
    uint64_t n = 0;
    if (s->now.n_operations == 0)
        return 0;
    int r = count_old(s, *budget < s->now.n_operations ? *budget : s->now.n_operations, &n, last);
    if (r < 0 || n == 0)
        return r;
    sqlite3_stmt *st = store_sql(s, SQL_RECORDS_TRIM, &r);
    if (st == NULL)
        return r;
    CRASH_POINT("store.records.trim");
    store_bind(st, 1, STORE_OPERATION);
    store_bind_text(st, 2, last);
    r = store_run(st);
    if (r < 0)
        return r;
    s->now.n_operations -= n;
    *budget -= n;
    return 0;
}

/* --- reading --- */

static int give(sqlite3_stmt *st, void (*one)(void *, const struct store_record *), void *ctx)
{
    struct store_record rec = {
        .kind = (enum store_record_kind) store_column(st, 0),
        .id = store_column_text(st, 1),
        .value = store_column_blob(st, 3),
    };
    bool known = rec.kind >= STORE_TRIGGER && rec.kind <= STORE_LOOKUP;
    if (!known || strlen(rec.id) >= ID_SIZE ||
        store_column(st, 4) != sum_of(&rec, store_column(st, 2)))
        return -EBADMSG;
    one(ctx, &rec);
    return 0;
}

int store_load_records(struct store *s, void (*one)(void *, const struct store_record *), void *ctx)
{
    sqlite3_stmt *st;
    int r =
        store_prepare(s->db, "SELECT kind, id, at, value, sum FROM records ORDER BY kind, id", &st);
    if (r < 0)
        return store_note(s, r);
    while ((r = store_step(st)) == 1) {
        r = give(st, one, ctx);
        if (r < 0)
            break;
    }
    r = store_note(s, r);
    (void) sqlite3_finalize(st);
    return r < 0 ? r : 0;
}
