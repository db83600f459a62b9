/* store_letters.c - dead letters: what a registry sent that nobody understood, and accepted events
 * that could not be sent. The newest are kept. */
#include "crash.h"
#include "mem.h"
#include "record.h"
#include "store_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BODY_MAX 65536 /* of each; a body that is longer is cut */

static int trim(struct store *s)
{
    uint64_t most = s->options.max_dead_letters;
    if (s->now.n_letters <= most)
        return 0;
    int r = 0;
    sqlite3_stmt *st = store_sql(s, SQL_LETTERS_TRIM, &r);
    if (st == NULL)
        return r;
    store_bind(st, 1, s->now.n_letters - most);
    r = store_run(st);
    if (r == 0)
        s->now.n_letters = most;
    return r;
}

static int put(struct store *s, const struct store_letter *l)
{
    struct store_letter kept = *l;
    if (kept.id == 0)
        kept.id = s->now.next_letter;
    if (kept.body.len > BODY_MAX)
        kept.body = slice_sub(kept.body, 0, BODY_MAX);
    ASSERT(kept.headers.len <= RECORD_HEADERS_MAX);
    CRASH_POINT("store.letter");
    int r = 0;
    sqlite3_stmt *st = store_sql(s, SQL_LETTER_PUT, &r);
    if (st == NULL)
        return r;
    store_bind(st, 1, kept.id);
    store_bind(st, 2, kept.wall_ms);
    store_bind_text(st, 3, kept.registry_id);
    store_bind_text(st, 4, kept.reason);
    store_bind(st, 5, kept.event_seq);
    store_bind_blob(st, 6, kept.body);
    store_bind(st, 7, store_sum_letter(&kept));
    store_bind_blob(st, 8, kept.headers);
    r = store_run(st);
    if (r < 0)
        return r;
    if (kept.id >= s->now.next_letter)
        s->now.next_letter = kept.id + 1;
    s->now.n_letters++;
    return trim(s);
}

int store_put_letter(struct store *s, const struct store_letter *l)
{
    ASSERT(s->in_transaction);
    return s->spoilt != 0 ? s->spoilt : store_spoil(s, put(s, l));
}

int store_put_letters(struct store *s, struct slice letters)
{
    while (letters.len > 0) {
        struct record_letter l;
        int r = record_next_letter(&letters, &l);
        if (r == 0)
            r = put(s, &(struct store_letter){.wall_ms = l.wall_ms,
                                              .registry_id = l.registry_id,
                                              .reason = l.reason,
                                              .body = l.body,
                                              .headers = l.headers});
        if (r < 0)
            return r;
    }
    return 0;
}

static int delete_letter(struct store *s, uint64_t id)
{
    int r = 0;
    sqlite3_stmt *st = store_sql(s, SQL_LETTER_DELETE, &r);
    if (st == NULL)
        return r;
    store_bind(st, 1, id);
    CRASH_POINT("store.letter.delete");
    r = store_run(st);
    if (r == 0 && sqlite3_changes(s->db) > 0)
        s->now.n_letters--;
    return r;
}

int store_delete_letter(struct store *s, uint64_t id)
{
    ASSERT(s->in_transaction);
    return s->spoilt != 0 ? s->spoilt : store_spoil(s, delete_letter(s, id));
}

uint64_t store_n_letters(const struct store *s)
{
    return s->now.n_letters;
}

/* --- reading --- */

static int walk(sqlite3 *db, unsigned version, int (*one)(void *, const struct store_letter *),
                void *ctx)
{
    sqlite3_stmt *st;
    const char *sql = version < 4 ? "SELECT " STORE_LETTER_COLUMNS_3
                                    " FROM dead_letters ORDER BY id"
                                  : "SELECT " STORE_LETTER_COLUMNS " FROM dead_letters ORDER BY id";
    int r = store_prepare(db, sql, &st);
    if (r < 0)
        return r;
    while ((r = store_step(st)) == 1) {
        struct store_letter l;
        r = store_letter_row(st, &l);
        if (r == 0)
            r = one(ctx, &l);
        if (r < 0)
            break;
    }
    (void) sqlite3_finalize(st);
    return r < 0 ? r : 0;
}

int store_load_letters(struct store *s, int (*one)(void *, const struct store_letter *), void *ctx)
{
    return store_note(s, walk(s->db, STORE_VERSION, one, ctx));
}

static int read_version(sqlite3 *db, unsigned *ret)
{
    int r = store_version(db, ret);
    if (r < 0)
        return r;
    return *ret > STORE_VERSION ? -ENOTSUP : *ret > 0 ? 0 : -ENOENT;
}

int store_read_letters(const char *dir, int (*one)(void *, const struct store_letter *), void *ctx)
{
    enum { BUSY_MS = 5000 };
    char *real = realpath(dir, NULL);
    if (real == NULL)
        return -errno;
    char path[4096];
    int len = snprintf(path, sizeof(path), "%s/%s", real, STORE_FILE);
    free(real);
    if (len < 0 || (size_t) len >= sizeof(path))
        return -ENAMETOOLONG;
    if (access(path, F_OK) < 0)
        return -errno;
    unsigned version = 0;
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOFOLLOW, NULL);
    int r = store_error(db, rc);
    if (r == 0)
        r = store_pragmas(db, false, false, BUSY_MS);
    if (r == 0)
        r = read_version(db, &version);
    if (r == 0)
        r = walk(db, version, one, ctx);
    (void) sqlite3_close(db);
    return r;
}
