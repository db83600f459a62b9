/* shelf.h - a store's file made row by row, for tests of what reads it: every batch lies where the
 * test puts it, and what the writer would never write can be written.
 *
 * Event ids are numbers here: their milliseconds. The bytes of a message depend on their positions
 * only, so that whatever is read can be compared without remembering it. */
#ifndef TESTS_SHELF_H
#define TESTS_SHELF_H

#include "err.h"
#include "id.h"
#include "mem.h"
#include "segment.h"
#include "store.h"
#include "store_schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define SHELF_BIRTH 1000 /* the id made with the store */
#define SHELF_PATHS 3
#define SHELF_BITS  18 /* of a span: 256 KiB */
#define SHELF_SPAN  (UINT64_C(1) << SHELF_BITS)

struct shelf_path {
    char name[32];
    struct segment_place place;
    uint64_t id, oldest, count, bytes;
    uint64_t high, gone_high; /* ids */
};

struct shelf {
    char dir[64];
    sqlite3 *db;
    struct store_options options; /* for a reader */
    struct shelf_path paths[SHELF_PATHS];
    size_t n_paths;
};

static inline void shelf_id(uint64_t n, char ret[ID_SIZE])
{
    id_encode(EVENT_ID_PREFIX, n >> 27, n << 37, ret);
}

static inline void shelf_pack(uint64_t n, uint8_t ret[ID_PACKED_SIZE])
{
    char id[ID_SIZE];
    shelf_id(n, id);
    assert_true(id_pack(EVENT_ID_PREFIX, slice_str(id), ret));
}

static inline uint8_t shelf_byte(uint64_t position)
{
    return (uint8_t) (position * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

/* --- rows --- */

static inline void shelf_exec(struct shelf *s, const char *sql)
{
    if (store_exec(s->db, sql) < 0)
        fail_msg("%s: %s", sql, sqlite3_errmsg(s->db));
}

/* Runs the statement with numbers (`numbers`, from ?1 on) and then blobs. */
static inline void shelf_run(struct shelf *s, const char *sql, const uint64_t *numbers,
                             size_t n_numbers, const struct slice *blobs, size_t n_blobs)
{
    sqlite3_stmt *st;
    assert_int_equal(store_prepare(s->db, sql, &st), 0);
    for (size_t i = 0; i < n_numbers; i++)
        store_bind(st, (int) i + 1, numbers[i]);
    for (size_t i = 0; i < n_blobs; i++)
        store_bind_blob(st, (int) (n_numbers + i) + 1, blobs[i]);
    assert_int_equal(store_run(st), 0);
    (void) sqlite3_finalize(st);
}

static inline void shelf_write_path(struct shelf *s, const struct shelf_path *p)
{
    uint8_t high[ID_PACKED_SIZE];
    shelf_pack(p->high, high);
    struct store_path_row row = {
        .id = p->id,
        .name = p->name,
        .span_bits = SHELF_BITS,
        .tail = p->place.tail,
        .tail_n = p->place.n,
        .oldest = p->oldest,
        .count = p->count,
        .bytes = p->bytes,
        .high_id = slice_of(high, p->high == 0 ? 0 : sizeof(high)),
    };
    uint64_t numbers[] = {row.id,     row.span_bits, row.tail,  row.tail_n,
                          row.oldest, row.count,     row.bytes, store_sum_path(&row)};
    struct slice blobs[] = {slice_str(row.name), row.high_id};
    shelf_run(s,
              "REPLACE INTO paths(id, span_bits, tail, tail_n, oldest, count, bytes, sum, name,"
              " high_id) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, CAST(?9 AS TEXT), ?10)",
              numbers, ARRAY_LEN(numbers), blobs, ARRAY_LEN(blobs));
}

static inline void shelf_write_gone(struct shelf *s, const struct shelf_path *p, struct slice ids)
{
    uint8_t high[ID_PACKED_SIZE];
    shelf_pack(p->gone_high, high);
    struct store_gone_row row = {.high_id = slice_of(high, sizeof(high)), .ids = ids};
    uint64_t numbers[] = {p->id, store_sum_gone(p->id, &row)};
    struct slice blobs[] = {row.high_id, row.ids};
    shelf_run(s, "REPLACE INTO gone(path, sum, high_id, ids) VALUES(?1, ?2, ?3, ?4)", numbers,
              ARRAY_LEN(numbers), blobs, ARRAY_LEN(blobs));
}

/* --- making and ending --- */

static inline void shelf_open(struct shelf *s)
{
    unsigned from;
    char file[sizeof(s->dir) + 16];
    *s = (struct shelf){.dir = "/tmp/shelf-XXXXXX"};
    assert_non_null(mkdtemp(s->dir));
    s->options = (struct store_options){.dir = s->dir, .busy_timeout_ms = 100};
    (void) snprintf(file, sizeof(file), "%s/" STORE_FILE, s->dir);
    assert_int_equal(sqlite3_open(file, &s->db), SQLITE_OK);
    assert_int_equal(store_pragmas(s->db, true, true, 1000), 0);
    assert_int_equal(store_migrate(s->db, STORE_MIGRATIONS, STORE_VERSION, &from), 0);
}

static inline void shelf_close(struct shelf *s)
{
    static const char *const FILES[] = {"", "-wal", "-shm"};
    char file[sizeof(s->dir) + 16];
    assert_int_equal(sqlite3_close(s->db), SQLITE_OK);
    for (size_t i = 0; i < ARRAY_LEN(FILES); i++) {
        (void) snprintf(file, sizeof(file), "%s/" STORE_FILE "%s", s->dir, FILES[i]);
        (void) unlink(file);
    }
    assert_int_equal(rmdir(s->dir), 0);
}

static inline struct shelf_path *shelf_path(struct shelf *s, const char *name)
{
    struct shelf_path *p = &s->paths[s->n_paths++];
    assert_true(s->n_paths <= SHELF_PATHS);
    *p = (struct shelf_path){.id = s->n_paths, .gone_high = SHELF_BIRTH};
    (void) snprintf(p->name, sizeof(p->name), "%s", name);
    shelf_write_path(s, p);
    shelf_write_gone(s, p, slice_of(NULL, 0));
    return p;
}

/* --- what the writer does --- */

/* Puts a batch of these events on the path; returns its position. The path's row is the caller's to
 * write: shelf_write_path(). */
static inline uint64_t shelf_put_frames(struct shelf *s, struct shelf_path *p, const uint64_t *ids,
                                        size_t n, struct slice frames)
{
    uint8_t high[ID_PACKED_SIZE], *packed = xmalloc(n * ID_PACKED_SIZE);
    uint64_t position = segment_place(SHELF_BITS, &p->place, frames.len);
    for (size_t i = 0; i < n; i++) {
        shelf_pack(ids[i], packed + i * ID_PACKED_SIZE);
        p->high = ids[i] > p->high ? ids[i] : p->high;
    }
    shelf_pack(p->high, high);
    struct slice blobs[] = {slice_of(high, sizeof(high)), slice_of(packed, n * ID_PACKED_SIZE),
                            frames};
    int64_t key = store_batch_key(p->id, position);
    uint64_t numbers[] = {(uint64_t) key, 7, store_sum_batch(key, 7, blobs[0], blobs[1], blobs[2])};
    shelf_run(s,
              "INSERT INTO batches(key, at, sum, high_id, ids, frames)"
              " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
              numbers, ARRAY_LEN(numbers), blobs, ARRAY_LEN(blobs));
    free(packed);
    p->count++;
    p->bytes += frames.len;
    return position;
}

/* The same, `len` bytes of a message that its position tells. */
static inline uint64_t shelf_put_row(struct shelf *s, struct shelf_path *p, const uint64_t *ids,
                                     size_t n, size_t len)
{
    struct segment_place place = p->place;
    uint64_t position = segment_place(SHELF_BITS, &place, len);
    uint8_t *frames = xmalloc(len);
    for (size_t i = 0; i < len; i++)
        frames[i] = shelf_byte(position + i);
    (void) shelf_put_frames(s, p, ids, n, slice_of(frames, len));
    free(frames);
    return position;
}

static inline uint64_t shelf_put(struct shelf *s, struct shelf_path *p, const uint64_t *ids,
                                 size_t n, size_t len)
{
    uint64_t position = shelf_put_row(s, p, ids, n, len);
    shelf_write_path(s, p);
    return position;
}

/* A batch of one event. */
static inline uint64_t shelf_put_one(struct shelf *s, struct shelf_path *p, uint64_t id, size_t len)
{
    return shelf_put(s, p, &id, 1, len);
}

/* Deletes the oldest batch. `gone` keeps those of its ids that no batch deleted before had. */
static inline void shelf_delete(struct shelf *s, struct shelf_path *p)
{
    sqlite3_stmt *st;
    uint8_t before[ID_PACKED_SIZE];
    shelf_pack(p->gone_high, before);
    assert_int_equal(store_prepare(s->db,
                                   "SELECT key, ids, length(frames) FROM batches WHERE key >= ?1"
                                   " ORDER BY key LIMIT 1",
                                   &st),
                     0);
    store_bind(st, 1, (uint64_t) store_batch_key(p->id, 0));
    assert_int_equal(store_step(st), 1);
    uint64_t key = store_column(st, 0), len = store_column(st, 2);
    struct slice all = store_column_blob(st, 1);
    uint8_t *ids = xmalloc(all.len);
    size_t n = 0;
    for (size_t at = 0; at < all.len; at += ID_PACKED_SIZE) {
        uint64_t number = 0;
        for (size_t i = 0; i < 8; i++)
            number = number << 8 | all.data[at + i];
        if (memcmp(all.data + at, before, ID_PACKED_SIZE) > 0) {
            memcpy(ids + n, all.data + at, ID_PACKED_SIZE);
            n += ID_PACKED_SIZE;
        }
        p->gone_high = number >> 13 > p->gone_high ? number >> 13 : p->gone_high;
    }
    (void) sqlite3_finalize(st);
    p->oldest = store_key_position((int64_t) key) + len;
    p->count--;
    p->bytes -= len;
    shelf_run(s, "DELETE FROM batches WHERE key = ?1", &key, 1, NULL, 0);
    shelf_write_gone(s, p, slice_of(ids, n));
    shelf_write_path(s, p);
    free(ids);
}

#endif
