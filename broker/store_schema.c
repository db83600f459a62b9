/* store_schema.c - tables, migrations, settings and checksums of the store's file. */
#include "store_schema.h"

#include "crash.h"
#include "record.h"
#include "store.h"

#include <stdio.h>

#define APPLICATION_ID 1919378292 /* "rgct" */

#define TEXT_OF_(x) #x
#define TEXT_OF(x)  TEXT_OF_(x)

static const char SCHEMA_1[] = "PRAGMA application_id = " TEXT_OF(
    APPLICATION_ID) ";"
                    "CREATE TABLE meta("
                    "key TEXT PRIMARY KEY, value TEXT NOT NULL, sum INTEGER NOT NULL) STRICT, "
                    "WITHOUT ROWID;"
                    "CREATE TABLE paths("
                    "id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, span_bits INTEGER NOT NULL,"
                    " tail INTEGER NOT NULL, tail_n INTEGER NOT NULL, oldest INTEGER NOT NULL,"
                    " count INTEGER NOT NULL, bytes INTEGER NOT NULL, high_id BLOB NOT NULL,"
                    " sum INTEGER NOT NULL) STRICT;"
                    "CREATE TABLE gone("
                    "path INTEGER PRIMARY KEY, high_id BLOB NOT NULL, ids BLOB NOT NULL,"
                    " sum INTEGER NOT NULL) STRICT;"
                    "CREATE TABLE batches("
                    "key INTEGER PRIMARY KEY, at INTEGER NOT NULL, sum INTEGER NOT NULL,"
                    " high_id BLOB NOT NULL, ids BLOB NOT NULL, frames BLOB NOT NULL) STRICT;"
                    "CREATE TABLE webhooks("
                    "seq INTEGER PRIMARY KEY, n INTEGER NOT NULL, last_id TEXT NOT NULL,"
                    " events BLOB NOT NULL, sum INTEGER NOT NULL) STRICT;"
                    "CREATE TABLE sender_ids("
                    "k INTEGER PRIMARY KEY, at INTEGER NOT NULL, ids BLOB NOT NULL,"
                    " sum INTEGER NOT NULL) STRICT;"
                    "CREATE TABLE images("
                    "id INTEGER PRIMARY KEY, registry TEXT NOT NULL, repository TEXT NOT NULL,"
                    " digest TEXT NOT NULL, sum INTEGER NOT NULL) STRICT;"
                    "CREATE TABLE tags("
                    "id INTEGER PRIMARY KEY, image INTEGER NOT NULL, name TEXT NOT NULL,"
                    " sum INTEGER NOT NULL) STRICT;"
                    "CREATE TABLE triggers("
                    "id TEXT PRIMARY KEY, last_seq INTEGER NOT NULL, sum INTEGER NOT NULL) STRICT, "
                    "WITHOUT ROWID;"
                    "CREATE TABLE attempts("
                    "kind INTEGER, key INTEGER, n INTEGER NOT NULL, PRIMARY KEY(kind, key)) "
                    "STRICT, WITHOUT ROWID;"
                    "CREATE TABLE dead_letters("
                    "id INTEGER PRIMARY KEY, wall_ms INTEGER NOT NULL, registry TEXT NOT NULL,"
                    " reason TEXT NOT NULL, event_seq INTEGER NOT NULL, body BLOB NOT NULL,"
                    " sum INTEGER NOT NULL) STRICT;";

/* Triggers and operations. The rows are small, and read in the order of their keys. */
static const char SCHEMA_2[] =
    "CREATE TABLE records("
    "kind INTEGER NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL, value BLOB NOT NULL,"
    " sum INTEGER NOT NULL, PRIMARY KEY(kind, id)) STRICT, WITHOUT ROWID;";

/* Nothing new but a kind of records, which an older program would call damage. */
static const char SCHEMA_3[] = "";

/* When entries of the catalog last changed, what is no more in it, and what a dead letter came
 * with. Rows that are there have none of it, and their checksums are those of rows without. Events
 * may have an actor now, which an older program would call damage. */
static const char SCHEMA_4[] =
    "ALTER TABLE images ADD COLUMN at INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE tags ADD COLUMN at INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE dead_letters ADD COLUMN headers BLOB NOT NULL DEFAULT x'';"
    "CREATE TABLE tombstones("
    "id INTEGER PRIMARY KEY, registry TEXT NOT NULL, repository TEXT NOT NULL, tag TEXT NOT NULL,"
    " digest TEXT NOT NULL, pushed INTEGER NOT NULL, at INTEGER NOT NULL, made INTEGER NOT NULL,"
    " sum INTEGER NOT NULL) STRICT;";

const struct store_migration STORE_MIGRATIONS[STORE_VERSION] = {
    {SCHEMA_1}, {SCHEMA_2}, {SCHEMA_3}, {SCHEMA_4}};

/* --- errors --- */

static bool disk_full(sqlite3 *db)
{
    int system_errno = db == NULL ? 0 : sqlite3_system_errno(db);
    return system_errno == ENOSPC || system_errno == EDQUOT;
}

int store_error(sqlite3 *db, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT: /* we never insert what is there, so what is there is wrong */
    case SQLITE_ERROR:      /* a table or column that should be there is not */
    case SQLITE_MISMATCH:
        return -EBADMSG;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_TOOBIG:
        return -EMSGSIZE;
    case SQLITE_INTERRUPT:
        return -EINTR;
    default:
        break;
    }
    switch (rc) {
    case SQLITE_IOERR_NOMEM:
        return -ENOMEM;
    case SQLITE_IOERR_SHORT_READ: /* the file ends where it should not */
    case SQLITE_IOERR_DATA:
    case SQLITE_IOERR_CORRUPTFS:
        return -EBADMSG;
    default:
        return disk_full(db) ? -ENOSPC : -EIO;
    }
}

/* --- the schema --- */

static int pragma_number(sqlite3 *db, const char *sql, uint64_t *ret)
{
    sqlite3_stmt *st;
    int r = store_prepare(db, sql, &st);
    if (r < 0)
        return r;
    r = store_step(st);
    if (r == 1)
        *ret = (uint64_t) sqlite3_column_int64(st, 0);
    (void) sqlite3_finalize(st);
    return r < 0 ? r : r == 1 ? 0 : -EBADMSG;
}

int store_version(sqlite3 *db, unsigned *ret)
{
    uint64_t version, application, tables;
    int r = pragma_number(db, "PRAGMA user_version", &version);
    if (r == 0)
        r = pragma_number(db, "PRAGMA application_id", &application);
    if (r == 0)
        r = pragma_number(db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (r < 0)
        return r;
    bool empty = version == 0 && application == 0 && tables == 0;
    if (!empty && (application != APPLICATION_ID || version == 0 || version > INT32_MAX))
        return -EBADMSG;
    *ret = (unsigned) version;
    return 0;
}

static int apply(sqlite3 *db, const struct store_migration *steps, unsigned from, unsigned n)
{
    for (unsigned i = from; i < n; i++) {
        int r = store_exec(db, steps[i].sql);
        if (r < 0)
            return r;
        CRASH_POINT("store.migrate.step");
    }
    char sql[48]; /* a pragma takes no parameters */
    (void) snprintf(sql, sizeof(sql), "PRAGMA user_version = %u", n);
    return store_exec(db, sql);
}

int store_migrate(sqlite3 *db, const struct store_migration *steps, unsigned n, unsigned *ret_from)
{
    unsigned from;
    int r = store_version(db, &from);
    if (r < 0)
        return r;
    if (from > n)
        return -ENOTSUP;
    *ret_from = from;
    if (from == n)
        return 0;
    r = store_exec(db, "BEGIN IMMEDIATE");
    if (r < 0)
        return r;
    CRASH_POINT("store.migrate.begin");
    r = apply(db, steps, from, n);
    if (r == 0) {
        CRASH_POINT("store.migrate.commit");
        r = store_exec(db, "COMMIT");
    }
    if (r < 0 && sqlite3_get_autocommit(db) == 0)
        (void) sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    if (r == 0)
        CRASH_POINT("store.migrate.end");
    return r;
}

/* --- a connection --- */

static const char WRITER_SETTINGS[] = "PRAGMA page_size = " TEXT_OF(
    STORE_PAGE) ";" /* counts for a new file only */
                "PRAGMA journal_mode = WAL;"
                "PRAGMA wal_autocheckpoint = 0;" /* store_checkpoint() does it, when nobody waits */
                /* Some builds write zeros over what goes: all of history a second time. */
                "PRAGMA secure_delete = OFF;"
                "PRAGMA cache_size = -8192;"
                "PRAGMA temp_store = MEMORY;";

/* What makes a damaged or forged file an error instead of an adventure. */
static int distrust(sqlite3 *db)
{
    int rc = sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    if (rc != SQLITE_OK)
        return store_error(db, rc);
    return store_exec(db, "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;");
}

int store_pragmas(sqlite3 *db, bool writer, bool no_sync, uint64_t busy_timeout_ms)
{
    (void) sqlite3_extended_result_codes(db, 1);
    (void) sqlite3_busy_timeout(db,
                                busy_timeout_ms > INT32_MAX ? INT32_MAX : (int) busy_timeout_ms);
    int r = distrust(db);
    if (r < 0)
        return r;
    if (!writer) {
        /* Two connections that checkpoint at the same time can damage the file (SQLite before
         * 3.51.3), so only the writer ever does. */
        int rc = sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        if (rc != SQLITE_OK)
            return store_error(db, rc);
        return store_exec(db, "PRAGMA query_only = ON; PRAGMA cache_size = -4096;");
    }
    /* A new file becomes a WAL one by way of a rollback journal. EXTRA syncs the directory after
     * the journal was deleted: were it there again after a power cut, it would undo everything. */
    r = store_exec(db, no_sync ? "PRAGMA synchronous = OFF" : "PRAGMA synchronous = EXTRA");
    if (r == 0)
        r = store_exec(db, WRITER_SETTINGS);
    if (r == 0 && !no_sync)
        r = store_exec(db, "PRAGMA synchronous = FULL");
    return r;
}

/* --- statements --- */

int store_exec(sqlite3 *db, const char *sql)
{
    return store_error(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

int store_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret)
{
    return store_error(db, sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL));
}

int store_step(sqlite3_stmt *st)
{
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        return 1;
    int r = store_error(sqlite3_db_handle(st), rc);
    (void) sqlite3_reset(st); /* says the same error again */
    return r;
}

int store_run(sqlite3_stmt *st)
{
    int r = store_step(st);
    if (r != 1)
        return r;
    (void) sqlite3_reset(st);
    return -EBADMSG; /* none of these gives rows */
}

void store_bind(sqlite3_stmt *st, int index, uint64_t value)
{
    int rc = sqlite3_bind_int64(st, index, (sqlite3_int64) value);
    ASSERT(rc == SQLITE_OK);
}

void store_bind_blob(sqlite3_stmt *st, int index, struct slice bytes)
{
    /* A NULL pointer would bind NULL, not an empty value. */
    const void *data = bytes.len == 0 ? "" : (const void *) bytes.data;
    int rc = sqlite3_bind_blob64(st, index, data, bytes.len, SQLITE_STATIC);
    ASSERT(rc == SQLITE_OK || rc == SQLITE_TOOBIG);
}

void store_bind_text(sqlite3_stmt *st, int index, const char *text)
{
    int rc = sqlite3_bind_text(st, index, text, -1, SQLITE_STATIC);
    ASSERT(rc == SQLITE_OK || rc == SQLITE_TOOBIG);
}

uint64_t store_column(sqlite3_stmt *st, int column)
{
    return (uint64_t) sqlite3_column_int64(st, column);
}

struct slice store_column_blob(sqlite3_stmt *st, int column)
{
    const void *data = sqlite3_column_blob(st, column);
    return slice_of(data, data == NULL ? 0 : (size_t) sqlite3_column_bytes(st, column));
}

const char *store_column_text(sqlite3_stmt *st, int column)
{
    const unsigned char *text = sqlite3_column_text(st, column);
    return text == NULL ? "" : (const char *) text;
}

/* --- checksums --- */

uint32_t store_sum_row(uint64_t key, uint64_t a, uint64_t b, struct slice x, struct slice y)
{
    uint64_t sum = record_checksum(key, a, x);
    return record_checksum(sum << 32 | (uint32_t) x.len, b, y);
}

uint32_t store_sum_batch_ids(int64_t key, uint64_t at, struct slice high_id, struct slice ids)
{
    return store_sum_row((uint64_t) key, at, 0, high_id, ids);
}

uint32_t store_sum_batch_frames(int64_t key, struct slice frames)
{
    return record_checksum((uint64_t) key, 1, frames);
}

uint64_t store_sum_batch(int64_t key, uint64_t at, struct slice high_id, struct slice ids,
                         struct slice frames)
{
    return (uint64_t) store_sum_batch_ids(key, at, high_id, ids) << 32 |
           store_sum_batch_frames(key, frames);
}

uint32_t store_sum_path(const struct store_path_row *row)
{
    uint64_t sum =
        store_sum_row(row->id, row->span_bits, row->tail, slice_str(row->name), row->high_id);
    struct slice none = {NULL, 0};
    sum = store_sum_row(sum, row->tail_n, row->oldest, none, none);
    return store_sum_row(sum, row->count, row->bytes, none, none);
}

uint32_t store_sum_letter(const struct store_letter *l)
{
    uint64_t sum = store_sum_row(l->id, l->wall_ms, l->event_seq, slice_str(l->registry_id),
                                 slice_str(l->reason));
    sum = record_checksum(sum, 0, l->body);
    return l->headers.len == 0 ? (uint32_t) sum : record_checksum(sum, 1, l->headers);
}

/* --- rows that both sides read --- */

int store_path_row(sqlite3_stmt *st, struct store_path_row *ret)
{
    struct store_path_row row = {
        .id = store_column(st, 0),
        .name = store_column_text(st, 1),
        .span_bits = store_column(st, 2),
        .tail = store_column(st, 3),
        .tail_n = store_column(st, 4),
        .oldest = store_column(st, 5),
        .count = store_column(st, 6),
        .bytes = store_column(st, 7),
        .high_id = store_column_blob(st, 8),
    };
    if (store_column(st, 9) != store_sum_path(&row) || row.id == 0 || row.id > STORE_MAX_PATH_ID ||
        row.tail > STORE_MAX_POSITION || row.oldest > row.tail ||
        (row.high_id.len != 0 && row.high_id.len != ID_PACKED_SIZE))
        return -EBADMSG;
    *ret = row;
    return 0;
}

uint32_t store_sum_gone(uint64_t path_id, const struct store_gone_row *row)
{
    return store_sum_row(path_id, 0, 0, row->high_id, row->ids);
}

int store_gone_row(sqlite3_stmt *st, uint64_t path_id, struct store_gone_row *ret)
{
    struct store_gone_row row = {store_column_blob(st, 0), store_column_blob(st, 1)};
    if (store_column(st, 2) != store_sum_gone(path_id, &row) || row.high_id.len != ID_PACKED_SIZE ||
        row.ids.len % ID_PACKED_SIZE != 0)
        return -EBADMSG;
    *ret = row;
    return 0;
}

uint32_t store_sum_meta(const char *key, struct slice value)
{
    return store_sum_row(0, 0, 0, slice_str(key), value);
}

int store_meta_get(sqlite3_stmt *st, const char *key, char ret[STORE_META_MAX])
{
    store_bind_text(st, 1, key);
    int r = store_step(st);
    if (r <= 0)
        return r < 0 ? r : -ENOENT;
    struct slice value = store_column_blob(st, 0);
    if (value.len >= STORE_META_MAX || store_column(st, 1) != store_sum_meta(key, value)) {
        r = -EBADMSG;
    } else {
        memset(ret, 0, STORE_META_MAX);
        if (value.len > 0)
            memcpy(ret, value.data, value.len);
        r = 0;
    }
    (void) sqlite3_reset(st);
    return r;
}

int store_letter_row(sqlite3_stmt *st, struct store_letter *ret)
{
    struct store_letter l = {
        .id = store_column(st, 0),
        .wall_ms = store_column(st, 1),
        .registry_id = store_column_text(st, 2),
        .reason = store_column_text(st, 3),
        .event_seq = store_column(st, 4),
        .body = store_column_blob(st, 5),
        .headers = store_column_blob(st, 7),
    };
    if (store_column(st, 6) != store_sum_letter(&l))
        return -EBADMSG;
    *ret = l;
    return 0;
}
