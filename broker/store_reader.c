/* store_reader.c - reading the store beside its writer: where a client goes on, and stored batches.
 *
 * Each answer is of one moment (a read transaction), and each row it rests on has had its checksum
 * compared: a search that a flipped bit led astray would skip messages without anybody noticing. */
#include "store_reader_private.h"

#include "mem.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define BUSY_MAX_MS 250 /* a reader waits for a lock only while the writer opens or closes */

/* Statements over batches take the first and the last key. length() does not read the bytes. */
#define KEY_RANGE " FROM batches WHERE key BETWEEN ?1 AND ?2 ORDER BY key"
static const char *const SQL[ST_N] = {
    [ST_PATH] = "SELECT " STORE_PATH_COLUMNS " FROM paths WHERE name = ?1",
    [ST_GONE] = STORE_GONE_SQL,
    [ST_BATCHES] = "SELECT key, at, sum, high_id, ids" KEY_RANGE,
    [ST_SIZES] = "SELECT key, length(frames)" KEY_RANGE,
    [ST_FRAMES] = "SELECT key, sum, frames" KEY_RANGE,
    [ST_WHOLE] = "SELECT key, at, sum, high_id, ids, frames" KEY_RANGE,
};

/* --- opening --- */

static char *file_name(const char *dir)
{
    char real[PATH_MAX]; /* NOFOLLOW is about links at any place of the name; the directory may be
                            one */
    if (realpath(dir, real) == NULL)
        return NULL;
    size_t size = strlen(real) + sizeof("/" STORE_FILE);
    char *name = xmalloc(size);
    (void) snprintf(name, size, "%s/" STORE_FILE, real);
    return name;
}

static int connect_to(struct store_reader *r, const struct store_options *options)
{
    char *name = file_name(options->dir);
    if (name == NULL)
        return -errno;
    int rc = sqlite3_open_v2(name, &r->db,
                             SQLITE_OPEN_READONLY | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX |
                                 SQLITE_OPEN_PRIVATECACHE,
                             options->vfs);
    free(name);
    if (rc == SQLITE_CANTOPEN)
        return -ENOENT;
    return store_error(r->db, rc);
}

static int check_version(sqlite3 *db)
{
    unsigned version;
    int r = store_version(db, &version);
    if (r < 0)
        return r;
    return version > STORE_VERSION ? -ENOTSUP : version < STORE_VERSION ? -EBADMSG : 0;
}

static int prepare_all(struct store_reader *r)
{
    for (size_t i = 0; i < ST_N; i++) {
        int err = store_prepare(r->db, SQL[i], &r->statements[i]);
        if (err < 0)
            return err;
    }
    return 0;
}

int store_reader_open(const struct store_options *options, struct store_reader **ret)
{
    struct store_reader *r = xcalloc(1, sizeof(*r));
    uint64_t busy_ms = options->busy_timeout_ms;
    int err = connect_to(r, options);
    if (err == 0)
        err = store_pragmas(r->db, false, false, busy_ms < BUSY_MAX_MS ? busy_ms : BUSY_MAX_MS);
    if (err == 0)
        err = check_version(r->db);
    if (err == 0)
        err = prepare_all(r);
    if (err < 0) {
        store_reader_close(r);
        return err;
    }
    *ret = r;
    return 0;
}

void store_reader_close(struct store_reader *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < ST_N; i++)
        (void) sqlite3_finalize(r->statements[i]);
    int rc = sqlite3_close(r->db);
    ASSERT(rc == SQLITE_OK); /* SQLITE_BUSY would mean a statement was forgotten */
    free(r);
}

sqlite3 *store_reader_db(struct store_reader *r)
{
    return r->db;
}

/* --- one moment --- */

int store_reader_begin(struct store_reader *r)
{
    ASSERT(sqlite3_get_autocommit(r->db) != 0);
    return store_exec(r->db, "BEGIN");
}

void store_reader_end(struct store_reader *r)
{
    if (sqlite3_get_autocommit(r->db) == 0) /* else an error has ended it */
        (void) sqlite3_exec(r->db, "ROLLBACK", NULL, NULL, NULL);
}

int store_reader_enter(struct store_reader *r, bool *ret_mine)
{
    *ret_mine = sqlite3_get_autocommit(r->db) != 0;
    return *ret_mine ? store_reader_begin(r) : 0;
}

void store_reader_leave(struct store_reader *r, bool mine)
{
    if (mine)
        store_reader_end(r);
}

/* --- rows --- */

static int compare_ids(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, ID_PACKED_SIZE);
}

static bool contains(struct slice ids, const uint8_t *id)
{
    for (size_t at = 0; at + ID_PACKED_SIZE <= ids.len; at += ID_PACKED_SIZE) {
        if (compare_ids(ids.data + at, id) == 0)
            return true;
    }
    return false;
}

int store_reader_path(struct store_reader *r, const char *name, struct store_known_path *ret)
{
    sqlite3_stmt *st = r->statements[ST_PATH];
    store_bind_text(st, 1, name);
    int err = store_step(st);
    if (err == 0)
        return -ENOENT;
    struct store_path_row row;
    if (err == 1)
        err = store_path_row(st, &row);
    if (err == 0)
        *ret = (struct store_known_path){row.id, row.oldest, row.tail};
    (void) sqlite3_reset(st);
    return err;
}

struct batch_row { /* what is searched */
    uint64_t position;
    const uint8_t *high_id; /* until the next step */
    struct slice ids;       /* at least one */
};

static int batch_row(sqlite3_stmt *st, struct batch_row *ret)
{
    int64_t key = (int64_t) store_column(st, 0);
    struct slice high_id = store_column_blob(st, 3), ids = store_column_blob(st, 4);
    uint32_t sum = (uint32_t) (store_column(st, 2) >> 32);
    if (sum != store_sum_batch_ids(key, store_column(st, 1), high_id, ids) ||
        high_id.len != ID_PACKED_SIZE || ids.len == 0 || ids.len % ID_PACKED_SIZE != 0)
        return -EBADMSG;
    *ret = (struct batch_row){store_key_position(key), high_id.data, ids};
    return 0;
}

struct frames_row { /* what is sent */
    uint64_t position;
    struct slice frames; /* until the next step; not empty */
};

static int frames_row(sqlite3_stmt *st, struct frames_row *ret)
{
    int64_t key = (int64_t) store_column(st, 0);
    struct slice frames = store_column_blob(st, 2);
    if ((uint32_t) store_column(st, 1) != store_sum_batch_frames(key, frames) || frames.len == 0)
        return -EBADMSG;
    *ret = (struct frames_row){store_key_position(key), frames};
    return 0;
}

sqlite3_stmt *store_reader_batches(struct store_reader *r, enum store_reader_statement which,
                                   uint64_t path_id, uint64_t from, uint64_t to)
{
    sqlite3_stmt *st = r->statements[which];
    store_bind(st, 1, (uint64_t) store_batch_key(path_id, from));
    store_bind(st, 2, (uint64_t) store_batch_key(path_id, to - 1));
    return st;
}

/* The first batch that begins in [from, to): 1, to be reset by the caller, 0, or an error. */
static int first_batch(struct store_reader *r, uint64_t path_id, uint64_t from, uint64_t to,
                       struct batch_row *ret)
{
    if (from >= to)
        return 0;
    sqlite3_stmt *st = store_reader_batches(r, ST_BATCHES, path_id, from, to);
    int err = store_step(st);
    if (err <= 0)
        return err;
    err = batch_row(st, ret);
    if (err < 0)
        (void) sqlite3_reset(st);
    return err < 0 ? err : 1;
}

/* --- where a client goes on --- */

/* Where an id stands to what was deleted. */
enum side {
    SIDE_LATER, /* later than all of it */
    SIDE_LAST,  /* in the newest deleted batch, and in none before */
    SIDE_BEFORE /* perhaps in one deleted before; the client may have seen it there */
};

/* An event may be in two batches when triggers share the path, so an id that is not later than all
 * that was deleted may have been seen there, also when a kept batch contains it: to go on after
 * that one would leave out what lay between. In doubt it is gone. */
static int gone_side(struct store_reader *r, uint64_t path_id, const uint8_t *id, enum side *ret)
{
    sqlite3_stmt *st = r->statements[ST_GONE];
    store_bind(st, 1, path_id);
    int err = store_step(st);
    if (err == 0)
        return -EBADMSG; /* every path has one from the beginning */
    struct store_gone_row gone;
    if (err == 1)
        err = store_gone_row(st, path_id, &gone);
    if (err == 0)
        *ret = compare_ids(id, gone.high_id.data) > 0 ? SIDE_LATER
               : contains(gone.ids, id)               ? SIDE_LAST
                                                      : SIDE_BEFORE;
    (void) sqlite3_reset(st);
    return err;
}

/* high_id only grows, so the batches are halved by position (at most 48 steps, whatever their
 * number). */
int store_reader_bisect(struct store_reader *r, const struct store_known_path *path,
                        const uint8_t *id, uint64_t *ret)
{
    uint64_t low = path->oldest, high = path->tail;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        struct batch_row row;
        int err = first_batch(r, path->id, middle, high, &row);
        if (err < 0)
            return err;
        if (err == 1 && compare_ids(row.high_id, id) < 0)
            low = row.position + 1;
        else
            high = middle;
        (void) sqlite3_reset(r->statements[ST_BATCHES]);
    }
    *ret = low;
    return 0;
}

uint64_t
store_reader_id_ms(const uint8_t *id) /* id.h: 85 bits, of which 37 count within a millisecond */
{
    uint64_t top = 0;
    for (size_t i = 0; i < 8; i++)
        top = top << 8 | id[i];
    return top >> 13;
}

/* What a search came to. */
struct search {
    bool found;
    uint64_t first; /* where the first batch begins that it looked at, or the tail */
    uint64_t at;    /* where the batch begins that contains the id */
};

/* Looks for the id in the batches from `from` on. */
static int scan(struct store_reader *r, const struct store_known_path *path, uint64_t from,
                const uint8_t *id, struct search *ret)
{
    *ret = (struct search){.first = path->tail};
    if (from >= path->tail)
        return 0;
    sqlite3_stmt *st = store_reader_batches(r, ST_BATCHES, path->id, from, path->tail);
    struct batch_row row;
    int err;
    unsigned n = 0, later = 0;
    for (; (err = store_step(st)) == 1 && n < STORE_SCAN_MANY; n++) {
        err = batch_row(st, &row);
        if (err < 0)
            break;
        if (n == 0)
            ret->first = row.position;
        ret->at = row.position;
        ret->found = contains(row.ids, id);
        if (ret->found)
            break;
        if (compare_ids(row.ids.data, id) > 0 && ++later >= STORE_SCAN_FEW &&
            store_reader_id_ms(row.ids.data) > store_reader_id_ms(id) + STORE_SCAN_LATE_MS)
            break;
    }
    (void) sqlite3_reset(st);
    return err < 0 ? err : 0;
}

/* The position after the batch; its bytes are compared, since their number is not in what was. */
static int end_of_batch(struct store_reader *r, uint64_t path_id, uint64_t position, uint64_t *ret)
{
    sqlite3_stmt *st = store_reader_batches(r, ST_FRAMES, path_id, position, position + 1);
    int err = store_step(st);
    if (err <= 0)
        return err < 0 ? err : -EBADMSG;
    struct frames_row row;
    err = frames_row(st, &row);
    if (err == 0)
        *ret = position + row.frames.len;
    (void) sqlite3_reset(st);
    return err;
}

static int find_kept(struct store_reader *r, const struct store_known_path *path, const uint8_t *id,
                     enum store_found *ret, uint64_t *ret_position)
{
    uint64_t from = 0;
    struct search search;
    int err = store_reader_bisect(r, path, id, &from);
    if (err == 0)
        err = scan(r, path, from, id, &search);
    if (err != 0)
        return err;
    *ret = search.found ? STORE_FOUND : STORE_BETWEEN;
    if (search.found)
        return end_of_batch(r, path->id, search.at, ret_position);
    *ret_position = search.first;
    return 0;
}

static int find(struct store_reader *r, const char *path_name, const uint8_t *id,
                enum store_found *ret, uint64_t *ret_position)
{
    struct store_known_path path;
    enum side side = SIDE_BEFORE;
    int err = store_reader_path(r, path_name, &path);
    if (err == 0)
        err = gone_side(r, path.id, id, &side);
    if (err != 0)
        return err;
    if (side == SIDE_LATER)
        return find_kept(r, &path, id, ret, ret_position);
    *ret = side == SIDE_LAST ? STORE_BETWEEN : STORE_GONE;
    *ret_position = path.oldest;
    return 0;
}

int store_reader_find(struct store_reader *r, const char *path_name, struct slice id,
                      enum store_found *ret, uint64_t *ret_position)
{
    if (id.len != ID_PACKED_SIZE)
        return -EINVAL;
    bool mine;
    int err = store_reader_enter(r, &mine);
    if (err < 0)
        return err;
    err = find(r, path_name, id.data, ret, ret_position);
    store_reader_leave(r, mine);
    return err;
}

static int oldest(struct store_reader *r, const char *path_name, uint64_t *ret_position,
                  char ret_first_id[ID_SIZE])
{
    struct store_known_path path;
    struct batch_row row;
    int err = store_reader_path(r, path_name, &path);
    if (err != 0)
        return err;
    err = first_batch(r, path.id, path.oldest, path.tail, &row);
    if (err < 0)
        return err;
    *ret_position = err == 1 ? row.position : path.tail;
    if (err == 1)
        id_unpack(EVENT_ID_PREFIX, row.ids.data, ret_first_id);
    else
        ret_first_id[0] = '\0';
    (void) sqlite3_reset(r->statements[ST_BATCHES]);
    return 0;
}

int store_reader_oldest(struct store_reader *r, const char *path_name, uint64_t *ret_position,
                        char ret_first_id[ID_SIZE])
{
    bool mine;
    int err = store_reader_enter(r, &mine);
    if (err < 0)
        return err;
    err = oldest(r, path_name, ret_position, ret_first_id);
    store_reader_leave(r, mine);
    return err;
}

/* --- stored batches --- */

/* Sets the statement on what begins in [from, to), up to the tail: 1, or 0 when that is nothing. */
static int select_range(struct store_reader *r, enum store_reader_statement which,
                        const char *path_name, uint64_t from, uint64_t to, sqlite3_stmt **ret)
{
    struct store_known_path path;
    int err = store_reader_path(r, path_name, &path);
    if (err != 0)
        return err;
    if (from < path.oldest)
        return -EOVERFLOW;
    if (to > path.tail)
        to = path.tail;
    if (from >= to)
        return 0;
    *ret = store_reader_batches(r, which, path.id, from, to);
    return 1;
}

static int range(struct store_reader *r, const char *path_name, uint64_t from, uint64_t to,
                 struct store_range *ret)
{
    struct store_range sum = {0, 0, from};
    sqlite3_stmt *st = NULL;
    int err = select_range(r, ST_SIZES, path_name, from, to, &st);
    while (err == 1 && (err = store_step(st)) == 1) {
        if (sum.n++ == 0)
            sum.first = store_key_position((int64_t) store_column(st, 0));
        sum.bytes += store_column(st, 1);
    }
    if (err == 0)
        *ret = sum;
    return err;
}

int store_reader_range(struct store_reader *r, const char *path_name, uint64_t from, uint64_t to,
                       struct store_range *ret)
{
    bool mine;
    int err = store_reader_enter(r, &mine);
    if (err < 0)
        return err;
    err = range(r, path_name, from, to, ret);
    store_reader_leave(r, mine);
    return err;
}

static int load(struct store_reader *r, const char *path_name, uint64_t from, uint64_t to,
                int (*batch)(void *, uint64_t position, struct slice frames), void *ctx)
{
    sqlite3_stmt *st = NULL;
    uint64_t end = from;
    int err = select_range(r, ST_FRAMES, path_name, from, to, &st);
    while (err == 1 && (err = store_step(st)) == 1) {
        struct frames_row row;
        int told = frames_row(st, &row);
        if (told == 0 && row.position < end)
            told = -EBADMSG; /* a page that is there twice has right rows in a wrong order */
        if (told == 0) {
            end = row.position + row.frames.len;
            told = batch(ctx, row.position, row.frames);
        }
        if (told < 0) {
            (void) sqlite3_reset(st);
            return told;
        }
    }
    return err;
}

int store_reader_load(struct store_reader *r, const char *path_name, uint64_t from, uint64_t to,
                      int (*batch)(void *, uint64_t position, struct slice frames), void *ctx)
{
    bool mine;
    int err = store_reader_enter(r, &mine);
    if (err < 0)
        return err;
    err = load(r, path_name, from, to, batch, ctx);
    store_reader_leave(r, mine);
    return err;
}
