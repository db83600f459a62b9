/* store_reader_letters.c - dead letters beside their writer. Operators ask for them now and then,
 * so a statement lives for as long as its answer. Each row has its checksum compared. */
#include "store.h"
#include "store_schema.h"

#define LETTERS "SELECT " STORE_LETTER_COLUMNS " FROM dead_letters "

/* Calls `one` for each row; *ret_n are as many as there were. */
static int walk(sqlite3_stmt *st, int (*one)(void *, const struct store_letter *), void *ctx,
                size_t *ret_n)
{
    int r;
    *ret_n = 0;
    while ((r = store_step(st)) == 1) {
        struct store_letter l;
        r = store_letter_row(st, &l);
        if (r == 0)
            r = one(ctx, &l);
        if (r != 0)
            break;
        (*ret_n)++;
    }
    (void) sqlite3_finalize(st);
    return r < 0 ? r : 0;
}

int store_reader_letters(struct store_reader *r, uint64_t before, const char *registry_id,
                         int (*one)(void *, const struct store_letter *), void *ctx)
{
    sqlite3_stmt *st;
    size_t n;
    int err =
        store_prepare(store_reader_db(r),
                      LETTERS "WHERE id < ?1 AND (?2 = '' OR registry = ?2) ORDER BY id DESC", &st);
    if (err < 0)
        return err;
    store_bind(st, 1, before == 0 ? INT64_MAX : before);
    store_bind_text(st, 2, registry_id);
    return walk(st, one, ctx, &n);
}

int store_reader_letter(struct store_reader *r, uint64_t id,
                        int (*one)(void *, const struct store_letter *), void *ctx)
{
    sqlite3_stmt *st;
    size_t n;
    int err = store_prepare(store_reader_db(r), LETTERS "WHERE id = ?1", &st);
    if (err < 0)
        return err;
    store_bind(st, 1, id);
    err = walk(st, one, ctx, &n);
    return err == 0 && n == 0 ? -ENOENT : err;
}

int store_reader_count_letters(struct store_reader *r,
                               int (*one)(void *, const char *registry_id, uint64_t n), void *ctx)
{
    sqlite3_stmt *st;
    int err = store_prepare(store_reader_db(r),
                            "SELECT registry, count(*) FROM dead_letters GROUP BY registry"
                            " ORDER BY registry",
                            &st);
    if (err < 0)
        return err;
    while ((err = store_step(st)) == 1) {
        err = one(ctx, store_column_text(st, 0), store_column(st, 1));
        if (err < 0)
            break;
    }
    (void) sqlite3_finalize(st);
    return err < 0 ? err : 0;
}
