/* store_schema.h - what is in the store's file: the tables, how an older file becomes a newer one,
 * the settings of a connection, the checksums of rows, and SQLite's results as our errors. Shared
 * by the store (writing) and its reader. A connection and its statements belong to one thread.
 *
 *   meta         key | value, sum
 *                text: birth, last_event, next_seq, clock, commits (instance, count, positions)
 *   paths        id | name, span_bits, tail, tail_n, oldest, count, bytes, high_id, sum
 *   gone         path | high_id, ids, sum: the events of the newest batch deleted
 *   batches      key | at, sum, high_id, ids, frames: key = path id << 48 | position
 *   webhooks     seq | n, last_id, events, sum: seq is the number of the first event; a row has
 *                those of several webhooks that came with one commit
 *   sender_ids   k | at, ids, sum: likewise
 *   images       id | registry, repository, digest, sum, at
 *   tags         id | image, name, sum, at (since version 4, as in images: nanoseconds since 1970)
 *   tombstones   id | registry, repository, tag, digest, pushed, at, made, sum (since version 4)
 *   triggers     id | last_seq, sum
 *   attempts     kind, key | n
 *   dead_letters id | wall_ms, registry, reason, event_seq, body, sum, headers (since version 4)
 *   records      kind, id | at, value, sum (since version 2; revocations since 3)
 *
 * Event ids are kept packed (id.h). `gone` is apart from paths because a path's row is written in
 * every commit and a batch may have a thousand events. `sum` and `high_id` come before what may be
 * long, so a search reads no more of a row than it has to. */
#ifndef BROKER_STORE_SCHEMA_H
#define BROKER_STORE_SCHEMA_H

#include "err.h"
#include "id.h"
#include "slice.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#define STORE_FILE          "journal.db"
#define STORE_VERSION       4 /* user_version of the newest schema */
#define STORE_PAGE          8192
#define STORE_POSITION_BITS 48
#define STORE_MAX_PATH_ID   32767 /* a key is a positive 64-bit number */
#define STORE_MAX_POSITION  ((UINT64_C(1) << STORE_POSITION_BITS) - 1)

static inline int64_t store_batch_key(uint64_t path_id, uint64_t position)
{
    return (int64_t) (path_id << STORE_POSITION_BITS | position);
}
static inline uint64_t store_key_position(int64_t key)
{
    return (uint64_t) key & STORE_MAX_POSITION;
}

/* --- errors --- */

/* A result of SQLite as one of store.h's errors; 0 for SQLITE_OK, _ROW and _DONE. `db` (NULL is
 * fine) is asked for the errno of a failed system call. */
int store_error(sqlite3 *db, int rc);

/* --- the schema --- */

/* One step: takes a file from version i to i + 1, where i is its place in the table. */
struct store_migration {
    const char *sql;
};
extern const struct store_migration STORE_MIGRATIONS[STORE_VERSION];

/* Brings the file to version `n` in one transaction. -ENOTSUP: it is newer. -EBADMSG: it is another
 * program's. An empty file is version 0. */
MUST_CHECK int store_migrate(sqlite3 *db, const struct store_migration *steps, unsigned n,
                             unsigned *ret_from);
/* Version of the file, and whether it is ours or empty. */
MUST_CHECK int store_version(sqlite3 *db, unsigned *ret);

/* Settings of a connection, right after it was opened. */
MUST_CHECK int store_pragmas(sqlite3 *db, bool writer, bool no_sync, uint64_t busy_timeout_ms);

/* --- statements --- */

MUST_CHECK int store_exec(sqlite3 *db, const char *sql);
/* Kept for the life of the connection; freed by sqlite3_finalize(). */
MUST_CHECK int store_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret);
/* 1: a row. 0: no more, the statement is reset. Negative: an error, reset as well. */
MUST_CHECK int store_step(sqlite3_stmt *st);
/* A statement without rows, from start to end. */
MUST_CHECK int store_run(sqlite3_stmt *st);
/* Bound bytes are borrowed until the statement is bound anew: nothing is copied. Numbers are below
 * 2^63. Binding fails only for a wrong index. */
void store_bind(sqlite3_stmt *st, int index, uint64_t value);
void store_bind_blob(sqlite3_stmt *st, int index, struct slice bytes);
void store_bind_text(sqlite3_stmt *st, int index, const char *text);
/* Of the row stepped to; slices are valid until the next step. A column of another type reads as
 * 0, "" or empty: the checksum finds out. */
uint64_t store_column(sqlite3_stmt *st, int column);
struct slice store_column_blob(sqlite3_stmt *st, int column);
const char *store_column_text(sqlite3_stmt *st, int column); /* never NULL */

/* --- checksums of rows --- */

/* Of a batch: the upper 32 bits cover key, at, high_id and ids, the lower ones key and frames, so
 * that either half can be checked without reading the other. */
uint64_t store_sum_batch(int64_t key, uint64_t at, struct slice high_id, struct slice ids,
                         struct slice frames);
uint32_t store_sum_batch_ids(int64_t key, uint64_t at, struct slice high_id, struct slice ids);
uint32_t store_sum_batch_frames(int64_t key, struct slice frames);
/* Of a row with up to two numbers beside its key, and two pieces of bytes. */
uint32_t store_sum_row(uint64_t key, uint64_t a, uint64_t b, struct slice x, struct slice y);

/* --- rows that both sides read --- */

struct store_path_row {
    uint64_t id;
    const char *name;
    uint64_t span_bits, tail, tail_n, oldest, count, bytes;
    struct slice high_id; /* the highest event id in any batch so far; empty: none yet */
};
#define STORE_PATH_COLUMNS "id, name, span_bits, tail, tail_n, oldest, count, bytes, high_id, sum"
uint32_t store_sum_path(const struct store_path_row *row);
/* From a statement that selects STORE_PATH_COLUMNS, in a row; borrowed until the next step.
 * -EBADMSG: damaged. */
MUST_CHECK int store_path_row(sqlite3_stmt *st, struct store_path_row *ret);

/* From STORE_GONE_SQL, in a row: what has been deleted of path `path_id`. Before anything has been,
 * it is the id made with the store or the last one stored before the path was; after the end of the
 * journal was lost, one above all ids made before. -EBADMSG as above. */
#define STORE_GONE_SQL "SELECT high_id, ids, sum FROM gone WHERE path = ?1"
struct store_gone_row {
    struct slice high_id; /* the highest event id in any batch deleted; ID_PACKED_SIZE bytes */
    struct slice ids;     /* those of the newest batch deleted that are above all deleted before */
};
uint32_t store_sum_gone(uint64_t path_id, const struct store_gone_row *row);
MUST_CHECK int store_gone_row(sqlite3_stmt *st, uint64_t path_id, struct store_gone_row *ret);

/* `SELECT value, sum FROM meta WHERE key = ?`: copies the value of `key` with its NUL. -ENOENT:
 * there is none. -EBADMSG as above. */
#define STORE_META_MAX 64
#define STORE_META_SQL "SELECT value, sum FROM meta WHERE key = ?1"
uint32_t store_sum_meta(const char *key, struct slice value);
MUST_CHECK int store_meta_get(sqlite3_stmt *st, const char *key, char ret[STORE_META_MAX]);

/* For the files of a reader. */
struct store_reader;
sqlite3 *store_reader_db(struct store_reader *r);

/* From a statement that selects STORE_LETTER_COLUMNS, in a row; borrowed until the next step. */
struct store_letter;
#define STORE_LETTER_COLUMNS "id, wall_ms, registry, reason, event_seq, body, sum, headers"
/* The same of a file older than version 4. */
#define STORE_LETTER_COLUMNS_3 "id, wall_ms, registry, reason, event_seq, body, sum, x''"
uint32_t store_sum_letter(const struct store_letter *l);
MUST_CHECK int store_letter_row(sqlite3_stmt *st, struct store_letter *ret);

#endif
