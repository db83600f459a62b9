/* store_pick.c - stored batches by the events in them. Ids are looked at for every batch that may
 * have one of the events, and the message's bytes for those that do. */
#include "store_reader_private.h"

static bool has(struct slice ids, const struct store_pick *pick)
{
    for (size_t at = 0; at + ID_PACKED_SIZE <= ids.len; at += ID_PACKED_SIZE)
        if (memcmp(ids.data + at, pick->low, ID_PACKED_SIZE) >= 0 &&
            memcmp(ids.data + at, pick->high, ID_PACKED_SIZE) <= 0)
            return true;
    return false;
}

/* Everything but the bytes of the message. */
static int ids_row(sqlite3_stmt *st, struct store_picked *ret)
{
    int64_t key = (int64_t) store_column(st, 0);
    struct slice high_id = store_column_blob(st, 3), ids = store_column_blob(st, 4);
    uint32_t sum = (uint32_t) (store_column(st, 2) >> 32);
    if (sum != store_sum_batch_ids(key, store_column(st, 1), high_id, ids) || ids.len == 0 ||
        ids.len % ID_PACKED_SIZE != 0)
        return -EBADMSG;
    *ret = (struct store_picked){.position = store_key_position(key), .ids = ids};
    return 0;
}

static int add_frames(sqlite3_stmt *st, struct store_picked *row)
{
    row->frames = store_column_blob(st, 5);
    uint32_t sum = store_sum_batch_frames((int64_t) store_column(st, 0), row->frames);
    return (uint32_t) store_column(st, 2) != sum || row->frames.len == 0 ? -EBADMSG : 0;
}

/* Batches overtake each other, so the first that is later does not end it; see STORE_SCAN_FEW. */
static bool is_past(struct slice ids, const struct store_pick *pick, unsigned *later)
{
    if (memcmp(ids.data, pick->high, ID_PACKED_SIZE) <= 0)
        return false;
    uint64_t first = store_reader_id_ms(ids.data), high = store_reader_id_ms(pick->high);
    bool late = first > high && first - high > STORE_SCAN_LATE_MS;
    return ++*later >= STORE_SCAN_MANY || (*later >= STORE_SCAN_FEW && late);
}

static int walk(struct store_reader *r, uint64_t path_id, uint64_t from, uint64_t to,
                const struct store_pick *pick, int (*batch)(void *, const struct store_picked *),
                void *ctx)
{
    sqlite3_stmt *st = store_reader_batches(r, ST_WHOLE, path_id, from, to);
    unsigned later = 0;
    int told = 0, err;
    while ((err = store_step(st)) == 1) {
        struct store_picked row;
        told = ids_row(st, &row);
        bool picked = told == 0 && has(row.ids, pick);
        if (picked)
            told = add_frames(st, &row);
        if (picked && told == 0)
            told = batch(ctx, &row);
        if (told != 0 || is_past(row.ids, pick, &later))
            break;
    }
    (void) sqlite3_reset(st);
    return err < 0 ? err : told;
}

static int choose(struct store_reader *r, const char *path_name, const struct store_pick *pick,
                  int (*batch)(void *, const struct store_picked *), void *ctx)
{
    struct store_known_path path;
    int err = store_reader_path(r, path_name, &path);
    if (err < 0)
        return err;
    uint64_t from = pick->from, first, to = pick->to < path.tail ? pick->to : path.tail;
    err = store_reader_bisect(r, &path, pick->low, &first);
    if (err < 0)
        return err;
    from = from > first ? from : first;
    return from < to ? walk(r, path.id, from, to, pick, batch, ctx) : 0;
}

int store_reader_pick(struct store_reader *r, const char *path_name, const struct store_pick *pick,
                      int (*batch)(void *, const struct store_picked *), void *ctx)
{
    bool mine;
    int err = store_reader_enter(r, &mine);
    if (err < 0)
        return err;
    err = choose(r, path_name, pick, batch, ctx);
    store_reader_leave(r, mine);
    return err;
}
