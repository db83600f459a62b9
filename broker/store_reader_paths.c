/* store_reader_paths.c - the paths that a store has batches of, and where the history of each
 * begins. */
#include "store_reader_private.h"

#include "mem.h"

#include <stdlib.h>

struct paths {
    char **names;
    uint64_t *ids, *counts, *bytes;
    size_t n;
};

static void paths_fini(struct paths *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->names[i]);
    free(p->names);
    free(p->ids);
    free(p->counts);
    free(p->bytes);
}

static void add(struct paths *p, const struct store_path_row *row)
{
    size_t n = p->n + 1;
    p->names = xrealloc(p->names, n * sizeof(char *));
    p->ids = xrealloc(p->ids, n * sizeof(*p->ids));
    p->counts = xrealloc(p->counts, n * sizeof(*p->counts));
    p->bytes = xrealloc(p->bytes, n * sizeof(*p->bytes));
    p->names[p->n] = xstrdup(row->name);
    p->ids[p->n] = row->id;
    p->counts[p->n] = row->count;
    p->bytes[p->n] = row->bytes;
    p->n = n;
}

static int collect(sqlite3 *db, struct paths *ret)
{
    sqlite3_stmt *st;
    struct store_path_row row;
    int err = store_prepare(db, "SELECT " STORE_PATH_COLUMNS " FROM paths ORDER BY id", &st);
    if (err < 0)
        return err;
    while ((err = store_step(st)) == 1) {
        err = store_path_row(st, &row);
        if (err < 0)
            break;
        add(ret, &row);
    }
    (void) sqlite3_finalize(st);
    return err;
}

/* --- where a history begins --- */

static void one_less(uint8_t id[ID_PACKED_SIZE])
{
    for (size_t i = ID_PACKED_SIZE; i-- > 0 && id[i]-- == 0;)
        ;
}

static int is_there(void *ctx, const struct store_picked *batch)
{
    (void) ctx, (void) batch;
    return 1;
}

/* Whoever got the newest batch that was deleted has missed nothing; but an event that is in a kept
 * batch, too, was perhaps seen there or before. */
static int lower(struct store_reader *r, const char *name, uint8_t floor[ID_PACKED_SIZE])
{
    struct store_pick pick = {.from = 0, .to = STORE_MAX_POSITION};
    memcpy(pick.low, floor, ID_PACKED_SIZE);
    memcpy(pick.high, floor, ID_PACKED_SIZE);
    int err = store_reader_pick(r, name, &pick, is_there, NULL);
    if (err == 0)
        one_less(floor);
    return err < 0 ? err : 0;
}

static int floor_of(struct store_reader *r, const struct paths *p, size_t i,
                    uint8_t ret[ID_PACKED_SIZE])
{
    struct store_gone_row gone = {.ids = {NULL, 0}};
    sqlite3_stmt *st = r->statements[ST_GONE];
    bool last = false;
    store_bind(st, 1, p->ids[i]);
    int err = store_step(st);
    if (err == 0)
        return -EBADMSG; /* every path has one from the beginning */
    if (err == 1)
        err = store_gone_row(st, p->ids[i], &gone);
    if (err == 0) {
        memcpy(ret, gone.high_id.data, ID_PACKED_SIZE);
        last = gone.ids.len >= ID_PACKED_SIZE &&
               memcmp(gone.ids.data + gone.ids.len - ID_PACKED_SIZE, ret, ID_PACKED_SIZE) == 0;
    }
    (void) sqlite3_reset(st);
    return err == 0 && last ? lower(r, p->names[i], ret) : err;
}

int store_reader_paths(struct store_reader *r, int (*one)(void *, const struct store_seen_path *),
                       void *ctx)
{
    struct paths paths = {.n = 0};
    int err = collect(r->db, &paths);
    for (size_t i = 0; err == 0 && i < paths.n; i++) {
        struct store_seen_path path = {
            .name = paths.names[i], .count = paths.counts[i], .bytes = paths.bytes[i]};
        err = floor_of(r, &paths, i, path.floor);
        if (err == 0)
            err = one(ctx, &path);
    }
    paths_fini(&paths);
    return err;
}
