/* store_files.c - the store's directory: its lock, the database file, damaged ones that are set
 * aside, the ballast, and the mark that the next start must check all. */
#include "clock.h"
#include "crash.h"
#include "store_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LOCK_FILE    "lock"
#define MARK_FILE    "check"
#define BALLAST_FILE "ballast"
#define MODE_FILE    0600
#define MODE_DIR     0700

/* What belongs to a database file. The file itself is first, see store_files_set_aside(). */
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

int store_files_lock(struct store *s, int64_t *ret_pid)
{
    if (mkdir(s->options.dir, MODE_DIR) < 0 && errno != EEXIST)
        return -errno;
    s->dir_fd = open(s->options.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir_fd < 0)
        return -errno;
    s->lock_fd = openat(s->dir_fd, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, MODE_FILE);
    if (s->lock_fd < 0)
        return -errno;
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return -errno;
        *ret_pid = read_pid(s->lock_fd);
        return -EALREADY;
    }
    write_pid(s->lock_fd);
    CRASH_POINT("store.open.lock");
    return 0;
}

/* --- the database file --- */

static int64_t file_size(const struct store *s, const char *name)
{
    struct stat st;
    if (fstatat(s->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (S_ISLNK(st.st_mode))
        return -ELOOP;
    return S_ISREG(st.st_mode) ? (int64_t) st.st_size : -EINVAL;
}

static int refuse_links(const struct store *s)
{
    for (size_t i = 0; i < ARRAY_LEN(SUFFIXES); i++) {
        char name[64];
        (void) snprintf(name, sizeof(name), "%s%s", STORE_FILE, SUFFIXES[i]);
        int64_t size = file_size(s, name);
        if (size < 0 && size != -ENOENT)
            return (int) size;
    }
    return 0;
}

static int make_file(const struct store *s)
{
    int fd = openat(s->dir_fd, STORE_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, MODE_FILE);
    if (fd < 0)
        return -errno;
    int r = fsync(s->dir_fd) < 0 ? -errno : 0;
    (void) close(fd);
    CRASH_POINT("store.open.create");
    return r;
}

int store_files_prepare(struct store *s, struct store_opened *opened)
{
    int r = refuse_links(s);
    if (r < 0)
        return r;
    bool empty = file_size(s, STORE_FILE) <= 0;
    /* A WAL without its database is of one that was being set aside, or lost. SQLite would drop it
     * without a word. */
    if (empty && file_size(s, STORE_FILE "-wal") > 0) {
        r = store_files_set_aside(s, opened);
        if (r < 0)
            return r;
    }
    return file_size(s, STORE_FILE) >= 0 ? 0 : make_file(s);
}

/* --- a damaged one --- */

static int free_name(const struct store *s, char *ret, size_t size)
{
    char when[CLOCK_RFC3339_SIZE];
    clock_rfc3339(clock_wall_ms(), when);
    for (int i = 1; i < 1000; i++) {
        /* 2026-11-22T04:50:41.672Z as 20261122T045041Z */
        int len = snprintf(ret, size, "%s.damaged-%.4s%.2s%.2sT%.2s%.2s%.2sZ", STORE_FILE, when,
                           when + 5, when + 8, when + 11, when + 14, when + 17);
        if (i > 1)
            (void) snprintf(ret + len, size - (size_t) len, ".%d", i);
        bool taken = false;
        for (size_t j = 0; j < ARRAY_LEN(SUFFIXES) && !taken; j++) {
            char name[128];
            (void) snprintf(name, sizeof(name), "%s%s", ret, SUFFIXES[j]);
            taken = file_size(s, name) != -ENOENT;
        }
        if (!taken)
            return 0;
    }
    return -EEXIST;
}

/* The database goes first: were its WAL gone and the process killed, the next start would take what
 * is left for a store, without the WAL's commits. */
int store_files_set_aside(struct store *s, struct store_opened *opened)
{
    char to[96];
    int r = free_name(s, to, sizeof(to));
    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_LEN(SUFFIXES); i++) {
        char from[64], name[128];
        (void) snprintf(from, sizeof(from), "%s%s", STORE_FILE, SUFFIXES[i]);
        (void) snprintf(name, sizeof(name), "%s%s", to, SUFFIXES[i]);
        if (renameat(s->dir_fd, from, s->dir_fd, name) < 0 && errno != ENOENT)
            return -errno;
        CRASH_POINT("store.quarantine.rename");
    }
    if (fsync(s->dir_fd) < 0)
        return -errno;
    int len = snprintf(opened->quarantine, sizeof(opened->quarantine), "%s/%s", s->options.dir, to);
    if (len < 0 || (size_t) len >= sizeof(opened->quarantine))
        (void) snprintf(opened->quarantine, sizeof(opened->quarantine), "%s", to);
    CRASH_POINT("store.quarantine.end");
    return 0;
}

/* --- the mark --- */

void store_mark_failed(struct store *s)
{
    s->failed = true;
    int fd = openat(s->dir_fd, MARK_FILE, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, MODE_FILE);
    if (fd < 0)
        return;
    CRASH_POINT("store.mark");
    (void) fsync(fd); /* as far as this disk still does */
    (void) fsync(s->dir_fd);
    (void) close(fd);
}

bool store_files_marked(const struct store *s)
{
    return faccessat(s->dir_fd, MARK_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int store_files_unmark(struct store *s)
{
    if (unlinkat(s->dir_fd, MARK_FILE, 0) < 0)
        return errno == ENOENT ? 0 : -errno;
    return fsync(s->dir_fd) < 0 ? -errno : 0;
}

/* --- the ballast --- */

static bool has_room(const struct store *s, uint64_t bytes)
{
    struct statvfs st;
    return fstatvfs(s->dir_fd, &st) == 0 && st.f_bavail >= bytes / st.f_frsize;
}

static bool allocate(const struct store *s)
{
    int fd = openat(s->dir_fd, BALLAST_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, MODE_FILE);
    if (fd < 0)
        return false;
    int error = posix_fallocate(fd, 0, (off_t) s->options.ballast_bytes);
    (void) close(fd);
    if (error != 0)
        (void) unlinkat(s->dir_fd, BALLAST_FILE, 0);
    return error == 0;
}

void store_ballast_make(struct store *s)
{
    enum { AGAIN_MS = 1000 };
    uint64_t bytes = s->options.ballast_bytes, now_ms = clock_mono_ms();
    int64_t size = file_size(s, BALLAST_FILE);
    if (bytes == 0 || size == (int64_t) bytes) {
        if (bytes == 0 && size >= 0)
            (void) unlinkat(s->dir_fd, BALLAST_FILE, 0);
        s->has_ballast = true;
        return;
    }
    if (s->ballast_tried_ms != 0 && now_ms - s->ballast_tried_ms < AGAIN_MS)
        return;
    s->ballast_tried_ms = now_ms;
    if (size != -ENOENT) /* another size, or what is none */
        (void) unlinkat(s->dir_fd, BALLAST_FILE, 0);
    s->has_ballast = has_room(s, 2 * bytes) && allocate(s);
}

bool store_has_room(const struct store *s)
{
    enum { ROOM = 32 * STORE_PAGE };
    struct statvfs v;
    if (fstatvfs(s->dir_fd, &v) < 0)
        return true; /* not known: what is tried next will tell */
    return (uint64_t) v.f_bavail * v.f_frsize >= ROOM;
}

void store_drop_ballast(struct store *s)
{
    if (s->options.ballast_bytes == 0)
        return;
    (void) unlinkat(s->dir_fd, BALLAST_FILE, 0);
    s->ballast_tried_ms = clock_mono_ms();
    s->has_ballast = false;
}
