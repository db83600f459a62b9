/* store_open.c - opening a store: lock, file, schema, check; a damaged one is set aside and a new
 * one begun. And closing it. */
#include "crash.h"
#include "id.h"
#include "mem.h"
#include "store_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* --- the connection --- */

static int connect(struct store *s)
{
    enum { FLAGS = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX };
    char path[4096];
    int len = snprintf(path, sizeof(path), "%s/%s", s->options.dir, STORE_FILE);
    if (len < 0 || (size_t) len >= sizeof(path))
        return -ENAMETOOLONG;
    int r = store_error(NULL, sqlite3_open_v2(path, &s->db, FLAGS, s->options.vfs));
    return r < 0 ? r
                 : store_pragmas(s->db, true, s->options.no_sync || s->options.copy,
                                 s->options.busy_timeout_ms);
}

/* Forgets what has been read of the file. `evidence`: its WAL is not written back either. */
static void disconnect(struct store *s, bool evidence)
{
    for (size_t i = 0; i < SQL_N; i++) {
        (void) sqlite3_finalize(s->sql[i]);
        s->sql[i] = NULL;
    }
    if (evidence && s->db != NULL)
        (void) sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    int rc = sqlite3_close(s->db);
    ASSERT(rc == SQLITE_OK); /* busy: a statement was forgotten */
    s->db = NULL;
    store_paths_free(s);
    store_triggers_free(s);
    s->now = s->saved = (struct store_counters){0};
    s->instance = 0;
    s->born = false;
}

/* --- a new store --- */

static int has_birth(struct store *s)
{
    char text[STORE_META_MAX];
    int r = 0;
    sqlite3_stmt *st = store_sql(s, SQL_META_GET, &r);
    if (st == NULL)
        return r;
    r = store_meta_get(st, "birth", text);
    return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

/* Ids above this one are of events that the store has seen. */
static int bear(struct store *s)
{
    if (s->n_paths > 0)
        return -EBADMSG;
    char id[ID_SIZE];
    struct id_gen gen = {0};
    store_epoch_id(s, &gen, id); /* also above those of a store that was here before */
    s->born = true;
    int r = store_clock_start(s);
    if (r == 0)
        r = store_begin(s);
    if (r < 0)
        return r;
    CRASH_POINT("store.open.birth");
    r = store_meta_put(s, "birth", id);
    if (r == 0)
        r = store_meta_put(s, "last_event", id);
    if (r == 0)
        r = store_meta_put(s, "next_seq", "1");
    if (r == 0)
        r = store_clock_write(s);
    if (store_spoil(s, r) == 0)
        return store_commit(s);
    store_rollback(s);
    return r;
}

/* --- opening --- */

/* A table or column that is not there is found now, not in the middle of the first night. */
static int prepare_all(struct store *s)
{
    int r = 0;
    for (size_t i = 0; i < SQL_N; i++)
        if (store_sql(s, (enum store_statement) i, &r) == NULL)
            return r;
    return 0;
}

static int load(struct store *s)
{
    int r = prepare_all(s);
    if (r == 0)
        r = store_paths_load(s);
    if (r < 0)
        return r;
    r = has_birth(s);
    if (r < 0)
        return r;
    if (r == 0) {
        r = bear(s);
        if (r < 0)
            return r;
    }
    r = store_triggers_load(s);
    if (r == 0)
        r = store_counters_load(s);
    return r < 0 ? r : store_clock_start(s);
}

static int open_file(struct store *s, bool whole, struct store_opened *opened)
{
    unsigned from = 0;
    int r = connect(s);
    if (r == 0)
        r = store_migrate(s->db, STORE_MIGRATIONS, STORE_VERSION, &from);
    if (r < 0)
        return r;
    store_checkpoint_start(s);
    opened->made = from == 0;
    opened->unwatched = s->options.copy ? 0 : store_epoch_open(s);
    r = load(s);
    if (r == 0)
        r = store_check(s, whole);
    return r < 0 ? r : store_epoch_start(s, opened);
}

/* As SQLite wants it: without symbolic links, of which it would refuse any. */
static int resolve_dir(struct store *s)
{
    char *real = realpath(s->options.dir, NULL);
    if (real == NULL)
        return -errno;
    free((char *) (uintptr_t) s->options.dir);
    s->options.dir = real;
    return 0;
}

static int open_store(struct store *s, struct store_opened *opened, int64_t *ret_pid)
{
    int r = store_files_lock(s, ret_pid);
    if (r == 0)
        r = resolve_dir(s);
    if (r < 0)
        return r;
    if (s->options.copy) {
        r = store_files_empty(s);
        if (r < 0)
            return r;
    }
    bool marked = store_files_marked(s);
    opened->checked = marked;
    r = store_files_prepare(s, opened);
    if (r == 0)
        r = open_file(s, marked, opened);
    if (r == -ENOSPC) { /* even opening takes some room */
        disconnect(s, true);
        store_drop_ballast(s);
        r = open_file(s, marked, opened);
    }
    if (r == -EBADMSG) {
        disconnect(s, true);
        r = store_files_set_aside(s, opened);
        if (r == 0)
            r = store_files_prepare(s, opened);
        if (r == 0)
            r = open_file(s, false, opened);
    }
    if (r == 0 && marked)
        r = store_files_unmark(s);
    if (r < 0)
        return r;
    store_ballast_make(s);
    CRASH_POINT("store.open.ready");
    return 0;
}

static void release(struct store *s)
{
    store_webhooks_fini(s);
    store_epoch_close(s);
    if (s->lock_fd >= 0)
        (void) close(s->lock_fd); /* which gives up the lock; the file stays */
    if (s->dir_fd >= 0)
        (void) close(s->dir_fd);
    free((char *) (uintptr_t) s->options.dir);
    free((char *) (uintptr_t) s->options.vfs);
    free(s);
}

int store_open(const struct store_options *options, struct store **ret,
               struct store_opened *ret_opened, int64_t *ret_pid)
{
    struct store_opened opened = {.made = false};
    struct store *s = xcalloc(1, sizeof(*s));
    s->dir_fd = s->lock_fd = -1;
    store_webhooks_init(s);
    s->options = *options;
    s->options.dir = xstrdup(options->dir);
    s->options.vfs = xstrdup(options->vfs);
    int r = open_store(s, &opened, ret_pid);
    if (r < 0) {
        disconnect(s, true);
        release(s);
        return r;
    }
    *ret = s;
    *ret_opened = opened;
    return 0;
}

/* --- closing --- */

/* The clock as it is, so that a reboot counts from here. */
static void write_clock(struct store *s)
{
    if (store_begin(s) < 0)
        return;
    if (store_clock_write(s) < 0 || store_commit(s) < 0)
        store_rollback(s);
}

void store_close(struct store *s)
{
    if (s == NULL)
        return;
    store_rollback(s);
    if (!s->failed) {
        write_clock(s);
        CRASH_POINT("store.close.before");
        (void) sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        CRASH_POINT("store.close.after");
    }
    disconnect(s, s->failed);
    release(s);
}
