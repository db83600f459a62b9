/* db_files.c - a directory with a database: lock, file, damaged ones. */
#include "db_files.h"

#include "clock.h"
#include "crash.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_FILE "lock"
#define MODE_FILE 0600
#define MODE_DIR  0700

/* What belongs to a database file. The file itself is first, see db_files_set_aside(). */
static const char *const SUFFIXES[] = {"", "-wal", "-shm", "-journal"};

/* --- the lock --- */

static int64_t read_pid(int fd)
{
    char text[32];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    return strtoll(text, NULL, 10);
}

/* The pid is for whoever is refused: that it cannot be written (the disk is full) is no reason to
 * refuse too. */
static void write_pid(int fd)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%lld\n", (long long) getpid());
    if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t) len, 0) != len && ftruncate(fd, 0) < 0)
        return; /* a cut number is the reader's to ignore */
}

int db_files_lock(struct db_files *f, int64_t *ret_pid)
{
    if (mkdir(f->dir, MODE_DIR) < 0 && errno != EEXIST)
        return -errno;
    f->dir_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->dir_fd < 0)
        return -errno;
    f->lock_fd = openat(f->dir_fd, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, MODE_FILE);
    if (f->lock_fd < 0)
        return -errno;
    if (flock(f->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return -errno;
        *ret_pid = read_pid(f->lock_fd);
        return -EALREADY;
    }
    write_pid(f->lock_fd);
    CRASH_POINT("store.open.lock");
    return 0;
}

/* --- the database file --- */

int64_t db_files_size(int dir_fd, const char *name)
{
    struct stat st;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (S_ISLNK(st.st_mode))
        return -ELOOP;
    return S_ISREG(st.st_mode) ? (int64_t) st.st_size : -EINVAL;
}

static int refuse_links(const struct db_files *f)
{
    for (size_t i = 0; i < ARRAY_LEN(SUFFIXES); i++) {
        char name[64];
        (void) snprintf(name, sizeof(name), "%s%s", f->name, SUFFIXES[i]);
        int64_t size = db_files_size(f->dir_fd, name);
        if (size < 0 && size != -ENOENT)
            return (int) size;
    }
    return 0;
}

static int make_file(const struct db_files *f)
{
    int fd = openat(f->dir_fd, f->name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, MODE_FILE);
    if (fd < 0)
        return -errno;
    int r = fsync(f->dir_fd) < 0 ? -errno : 0;
    (void) close(fd);
    CRASH_POINT("store.open.create");
    return r;
}

int db_files_prepare(const struct db_files *f, char ret_aside[DB_FILES_NAME])
{
    int r = refuse_links(f);
    if (r < 0)
        return r;
    char wal[64];
    (void) snprintf(wal, sizeof(wal), "%s-wal", f->name);
    bool empty = db_files_size(f->dir_fd, f->name) <= 0;
    /* A WAL without its database is of one that was being set aside, or lost. SQLite would drop it
     * without a word. */
    if (empty && db_files_size(f->dir_fd, wal) > 0) {
        r = db_files_set_aside(f, ret_aside);
        if (r < 0)
            return r;
    }
    return db_files_size(f->dir_fd, f->name) >= 0 ? 0 : make_file(f);
}

/* --- a damaged one --- */

static int free_name(const struct db_files *f, char *ret, size_t size)
{
    char when[CLOCK_RFC3339_SIZE];
    clock_rfc3339(clock_wall_ms(), when);
    for (int i = 1; i < 1000; i++) {
        /* 2026-11-22T04:50:41.672Z as 20261122T045041Z */
        int len = snprintf(ret, size, "%s.damaged-%.4s%.2s%.2sT%.2s%.2s%.2sZ", f->name, when,
                           when + 5, when + 8, when + 11, when + 14, when + 17);
        if (i > 1)
            (void) snprintf(ret + len, size - (size_t) len, ".%d", i);
        bool taken = false;
        for (size_t j = 0; j < ARRAY_LEN(SUFFIXES) && !taken; j++) {
            char name[128];
            (void) snprintf(name, sizeof(name), "%s%s", ret, SUFFIXES[j]);
            taken = db_files_size(f->dir_fd, name) != -ENOENT;
        }
        if (!taken)
            return 0;
    }
    return -EEXIST;
}

/* The database goes first: were its WAL gone and the process killed, the next start would take what
 * is left for a store, without the WAL's commits. */
int db_files_set_aside(const struct db_files *f, char ret_aside[DB_FILES_NAME])
{
    char to[96];
    int r = free_name(f, to, sizeof(to));
    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_LEN(SUFFIXES); i++) {
        char from[64], name[128];
        (void) snprintf(from, sizeof(from), "%s%s", f->name, SUFFIXES[i]);
        (void) snprintf(name, sizeof(name), "%s%s", to, SUFFIXES[i]);
        if (renameat(f->dir_fd, from, f->dir_fd, name) < 0 && errno != ENOENT)
            return -errno;
        CRASH_POINT("store.quarantine.rename");
    }
    if (fsync(f->dir_fd) < 0)
        return -errno;
    int len = snprintf(ret_aside, DB_FILES_NAME, "%s/%s", f->dir, to);
    if (len < 0 || (size_t) len >= DB_FILES_NAME)
        (void) snprintf(ret_aside, DB_FILES_NAME, "%s", to);
    CRASH_POINT("store.quarantine.end");
    return 0;
}

int db_files_remove(const struct db_files *f)
{
    for (size_t i = 0; i < ARRAY_LEN(SUFFIXES); i++) {
        char name[64];
        (void) snprintf(name, sizeof(name), "%s%s", f->name, SUFFIXES[i]);
        if (unlinkat(f->dir_fd, name, 0) < 0 && errno != ENOENT)
            return -errno;
    }
    return 0;
}
