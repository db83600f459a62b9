/* outbox_db.c - the SQLite file of an outbox. */
#include "cluster/outbox_db.h"

#include "clock.h"
#include "cluster/cluster.h"
#include "db_files.h"
#include "log.h"
#include "mem.h"
#include "store_schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_NAME      "outbox.db"
#define ROWS_PER_CALL  4000
#define CHECKPOINT_AT  1000 /* pages in the WAL */
#define SCHEMA_VERSION 1

/* The application's id is the one that store_migrate() looks for. */
static const struct store_migration MIGRATIONS[SCHEMA_VERSION] = {
    {"PRAGMA application_id = 1919378292;"
     "CREATE TABLE rows(number INTEGER PRIMARY KEY, shard INTEGER NOT NULL, id TEXT NOT NULL,"
     " sum INTEGER NOT NULL, body BLOB NOT NULL) STRICT;"
     "CREATE TABLE acks(number INTEGER PRIMARY KEY, seq INTEGER NOT NULL, at INTEGER NOT NULL)"
     " STRICT;"}};

enum statement {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ADD,
    SQL_HAS,
    SQL_ACK,
    SQL_REGRESS,
    SQL_ACKED,
    SQL_READ,
    SQL_COUNT,
    SQL_TOTAL,
    SQL_LAST,
    SQL_REBASE,
    SQL_OLD,
    SQL_DROP_ROW,
    SQL_DROP_ACK,
    SQL_N
};
static const char *const SQL[SQL_N] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ADD] = "INSERT INTO rows(number, shard, id, sum, body) VALUES(?1, ?2, ?3, ?4, ?5)",
    [SQL_HAS] = "SELECT 1 FROM rows WHERE number = ?1",
    [SQL_ACK] = "INSERT INTO acks(number, seq, at) VALUES(?1, ?2, ?3)"
                " ON CONFLICT(number) DO UPDATE SET seq = ?2, at = ?3",
    [SQL_ACKED] = "SELECT count(*), coalesce(sum(length(body)), 0) FROM acks JOIN rows"
                  " USING(number)",
    [SQL_REGRESS] = "DELETE FROM acks",
    [SQL_READ] = "SELECT number, shard, id, sum, body FROM rows WHERE number > ?1"
                 " AND NOT EXISTS (SELECT 1 FROM acks WHERE acks.number = rows.number)"
                 " ORDER BY number",
    [SQL_COUNT] = "SELECT count(*), coalesce(sum(length(body)), 0) FROM rows"
                  " WHERE NOT EXISTS (SELECT 1 FROM acks WHERE acks.number = rows.number)",
    [SQL_TOTAL] = "SELECT count(*), coalesce(max(number), 0) FROM rows",
    [SQL_LAST] = "SELECT seq, id FROM acks JOIN rows USING(number) ORDER BY seq DESC LIMIT 1",
    [SQL_REBASE] = "UPDATE acks SET at = ?1",
    [SQL_OLD] = "SELECT number, at FROM acks ORDER BY number",
    [SQL_DROP_ROW] = "DELETE FROM rows WHERE number = ?1",
    [SQL_DROP_ACK] = "DELETE FROM acks WHERE number = ?1",
};

struct outbox_db {
    sqlite3 *sqlite;
    sqlite3_stmt *sql[SQL_N];
    struct db_files files;
    char *dir; /* without links, as SQLite wants it */
    int wal_pages;
};

/* --- the connection --- */

static int on_wal(void *ctx, sqlite3 *sqlite, const char *name, int pages)
{
    struct outbox_db *db = ctx;
    (void) sqlite;
    (void) name;
    db->wal_pages = pages;
    return SQLITE_OK;
}

static int prepare_all(struct outbox_db *db)
{
    for (size_t i = 0; i < SQL_N; i++) {
        int r = store_prepare(db->sqlite, SQL[i], &db->sql[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int open_sqlite(struct outbox_db *db, const struct outbox_options *o)
{
    enum { FLAGS = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX };
    char path[4096];
    unsigned from;
    int len = snprintf(path, sizeof(path), "%s/%s", db->dir, FILE_NAME);
    if (len < 0 || (size_t) len >= sizeof(path))
        return -ENAMETOOLONG;
    int r = store_error(NULL, sqlite3_open_v2(path, &db->sqlite, FLAGS, o->vfs));
    if (r == 0)
        r = store_pragmas(db->sqlite, true, false, o->busy_timeout_ms);
    if (r == 0)
        r = store_migrate(db->sqlite, MIGRATIONS, SCHEMA_VERSION, &from);
    if (r < 0)
        return r;
    (void) sqlite3_wal_hook(db->sqlite, on_wal, db);
    return prepare_all(db);
}

/* `evidence`: its WAL is not written back. */
static void disconnect(struct outbox_db *db, bool evidence)
{
    for (size_t i = 0; i < SQL_N; i++) {
        (void) sqlite3_finalize(db->sql[i]);
        db->sql[i] = NULL;
    }
    if (evidence && db->sqlite != NULL)
        (void) sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    int rc = sqlite3_close(db->sqlite);
    ASSERT(rc == SQLITE_OK); /* busy: a statement was forgotten */
    db->sqlite = NULL;
}

/* --- opening --- */

static bool look_on(void *ctx, const struct outbox_row *row)
{
    (void) ctx;
    (void) row;
    return true;
}

static int last_ack(struct outbox_db *db, struct outbox_last *ret)
{
    sqlite3_stmt *st = db->sql[SQL_LAST];
    *ret = (struct outbox_last){0};
    int r = store_step(st);
    if (r < 1)
        return r;
    ret->seq = store_column(st, 0);
    (void) snprintf(ret->id, sizeof(ret->id), "%s", store_column_text(st, 1));
    (void) sqlite3_reset(st);
    return 0;
}

/* Every row that is still to be sent is read now: one that is damaged would be found when its
 * sender has long forgotten it. */
static int look(struct outbox_db *db, struct outbox_found *ret)
{
    int r = outbox_db_read(db, 0, look_on, NULL);
    if (r == 0)
        r = outbox_db_count(db, &ret->waiting, &ret->waiting_bytes);
    if (r < 0)
        return r;
    sqlite3_stmt *st = db->sql[SQL_TOTAL];
    r = store_step(st);
    if (r < 1)
        return r < 0 ? r : -EBADMSG;
    ret->rows = store_column(st, 0);
    ret->last_number = store_column(st, 1);
    (void) sqlite3_reset(st);
    return last_ack(db, &ret->last);
}

/* What was acknowledged counts from now: how long we were away, no clock tells for sure. */
static int rebase(struct outbox_db *db)
{
    store_bind(db->sql[SQL_REBASE], 1, clock_boot_ms());
    return store_run(db->sql[SQL_REBASE]);
}

static int open_file(struct outbox_db *db, const struct outbox_options *o, struct outbox_found *ret)
{
    int r = open_sqlite(db, o);
    if (r == 0)
        r = look(db, ret);
    if (r < 0)
        return r;
    r = rebase(db);
    return r == -ENOSPC ? 0 : r; /* what is there can be sent all the same */
}

static void log_aside(const char *aside)
{
    struct log_line l;
    if (aside[0] == '\0')
        return;
    log_open(&l, LOG_ERROR, "outbox",
             "the outbox was damaged and has been set aside: webhooks in it that were not yet in"
             " the stream are lost");
    log_str(&l, "file", aside);
    log_close(&l);
}

static int open_or_replace(struct outbox_db *db, const struct outbox_options *o,
                           struct outbox_found *ret, int64_t *ret_pid)
{
    char aside[DB_FILES_NAME] = "";
    int r = db_files_lock(&db->files, ret_pid);
    if (r < 0)
        return r;
    db->dir = realpath(o->dir, NULL);
    if (db->dir == NULL)
        return -errno;
    db->files.dir = db->dir;
    r = db_files_prepare(&db->files, aside);
    if (r == 0)
        r = open_file(db, o, ret);
    if (r == -EBADMSG) {
        disconnect(db, true);
        r = db_files_set_aside(&db->files, aside);
        if (r == 0)
            r = db_files_prepare(&db->files, aside);
        *ret = (struct outbox_found){0};
        if (r == 0)
            r = open_file(db, o, ret);
    }
    log_aside(aside);
    return r;
}

static void release(struct outbox_db *db, bool evidence)
{
    disconnect(db, evidence);
    if (db->files.lock_fd >= 0)
        (void) close(db->files.lock_fd); /* which gives up the lock; the file stays */
    if (db->files.dir_fd >= 0)
        (void) close(db->files.dir_fd);
    free(db->dir);
    free(db);
}

int outbox_db_open(const struct outbox_options *options, struct outbox_db **ret,
                   struct outbox_found *ret_found, int64_t *ret_pid)
{
    struct outbox_db *db = xcalloc(1, sizeof(*db));
    struct outbox_found found = {0};
    db->files = (struct db_files){options->dir, FILE_NAME, -1, -1};
    int r = open_or_replace(db, options, &found, ret_pid);
    if (r < 0) {
        release(db, true);
        return r;
    }
    *ret = db;
    *ret_found = found;
    return 0;
}

void outbox_db_close(struct outbox_db *db)
{
    if (db == NULL)
        return;
    outbox_db_rollback(db);
    release(db, false);
}

/* --- one group --- */

int outbox_db_begin(struct outbox_db *db)
{
    return store_run(db->sql[SQL_BEGIN]);
}

int outbox_db_commit(struct outbox_db *db)
{
    int r = store_run(db->sql[SQL_COMMIT]);
    if (r < 0)
        outbox_db_rollback(db);
    return r;
}

void outbox_db_rollback(struct outbox_db *db)
{
    if (sqlite3_get_autocommit(db->sqlite) == 0) /* some errors have rolled back already */
        (void) sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
}

static uint32_t sum_of(const struct outbox_row *row)
{
    return store_sum_row(row->number, row->shard, 0, slice_str(row->id), row->body);
}

int outbox_db_add(struct outbox_db *db, const struct outbox_row *row)
{
    sqlite3_stmt *st = db->sql[SQL_ADD];
    store_bind(st, 1, row->number);
    store_bind(st, 2, row->shard);
    store_bind_text(st, 3, row->id);
    store_bind(st, 4, sum_of(row));
    store_bind_blob(st, 5, row->body);
    return store_run(st);
}

static int has(struct outbox_db *db, uint64_t number)
{
    sqlite3_stmt *st = db->sql[SQL_HAS];
    store_bind(st, 1, number);
    int r = store_step(st);
    (void) sqlite3_reset(st);
    return r < 0 ? r : r == 0 ? -ENOENT : 0;
}

int outbox_db_ack(struct outbox_db *db, uint64_t number, uint64_t seq)
{
    int r = has(db, number);
    if (r < 0)
        return r;
    sqlite3_stmt *st = db->sql[SQL_ACK];
    store_bind(st, 1, number);
    store_bind(st, 2, seq);
    store_bind(st, 3, clock_boot_ms());
    return store_run(st);
}

/* --- reading --- */

static int read_row(sqlite3_stmt *st, struct outbox_row *ret)
{
    struct slice id = store_column_blob(st, 2);
    uint64_t shard = store_column(st, 1);
    if (id.len != OUTBOX_ID_LEN || shard >= CLUSTER_SHARDS)
        return -EBADMSG;
    *ret = (struct outbox_row){
        .number = store_column(st, 0), .shard = (unsigned) shard, .body = store_column_blob(st, 4)};
    memcpy(ret->id, id.data, OUTBOX_ID_LEN);
    return store_column(st, 3) == sum_of(ret) ? 0 : -EBADMSG;
}

int outbox_db_read(struct outbox_db *db, uint64_t after,
                   bool (*row)(void *ctx, const struct outbox_row *row), void *ctx)
{
    sqlite3_stmt *st = db->sql[SQL_READ];
    struct outbox_row found;
    store_bind(st, 1, after);
    int r;
    while ((r = store_step(st)) == 1) {
        r = read_row(st, &found);
        if (r < 0 || !row(ctx, &found))
            break;
    }
    (void) sqlite3_reset(st);
    return r;
}

static int sums(sqlite3_stmt *st, uint64_t *ret_n, uint64_t *ret_bytes)
{
    int r = store_step(st);
    if (r < 1)
        return r < 0 ? r : -EBADMSG;
    *ret_n = store_column(st, 0);
    *ret_bytes = store_column(st, 1);
    (void) sqlite3_reset(st);
    return 0;
}

int outbox_db_count(struct outbox_db *db, uint64_t *ret_n, uint64_t *ret_bytes)
{
    return sums(db->sql[SQL_COUNT], ret_n, ret_bytes);
}

int outbox_db_regress(struct outbox_db *db, uint64_t *ret_n, uint64_t *ret_bytes)
{
    int r = sums(db->sql[SQL_ACKED], ret_n, ret_bytes);
    return r < 0 ? r : store_run(db->sql[SQL_REGRESS]);
}

/* --- upkeep --- */

static int drop(struct outbox_db *db, uint64_t number)
{
    store_bind(db->sql[SQL_DROP_ROW], 1, number);
    int r = store_run(db->sql[SQL_DROP_ROW]);
    if (r < 0)
        return r;
    store_bind(db->sql[SQL_DROP_ACK], 1, number);
    return store_run(db->sql[SQL_DROP_ACK]);
}

/* By number, not by age, and no further than the first that is not old enough: they are
 * acknowledged in about the order in which they came. */
static int find_old(struct outbox_db *db, uint64_t at, uint64_t *numbers, size_t *ret_n)
{
    sqlite3_stmt *st = db->sql[SQL_OLD];
    int r;
    size_t n = 0;
    while ((r = store_step(st)) == 1 && n < ROWS_PER_CALL && store_column(st, 1) <= at)
        numbers[n++] = store_column(st, 0);
    (void) sqlite3_reset(st);
    *ret_n = n;
    return r < 0 ? r : 0;
}

static int drop_all(struct outbox_db *db, const uint64_t *numbers, size_t n)
{
    int r = outbox_db_begin(db);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = drop(db, numbers[i]);
    if (r == 0)
        return outbox_db_commit(db);
    outbox_db_rollback(db);
    return r;
}

int outbox_db_expire(struct outbox_db *db, uint64_t at, uint64_t *ret_n, bool *ret_more)
{
    uint64_t *numbers = xmalloc(ROWS_PER_CALL * sizeof(*numbers));
    size_t n = 0;
    int r = find_old(db, at, numbers, &n);
    if (r == 0 && n > 0)
        r = drop_all(db, numbers, n);
    free(numbers);
    *ret_n = r == 0 ? n : 0;
    *ret_more = r == 0 && n == ROWS_PER_CALL;
    return r;
}

int outbox_db_checkpoint(struct outbox_db *db)
{
    if (db->wal_pages < CHECKPOINT_AT)
        return 0;
    int rc = sqlite3_wal_checkpoint_v2(db->sqlite, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if ((rc & 0xff) == SQLITE_BUSY)
        return 0;
    db->wal_pages = 0;
    return store_error(db->sqlite, rc);
}
