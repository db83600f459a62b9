/* store_files.c - the store's directory: what db_files.h does of it, the ballast, and the mark that
 * the next start must check all. */
#include "clock.h"
#include "crash.h"
#include "db_files.h"
#include "store_private.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MARK_FILE    "check"
#define BALLAST_FILE "ballast"
#define MODE_FILE    0600

static struct db_files files_of(const struct store *s)
{
    return (struct db_files){s->options.dir, STORE_FILE, s->dir_fd, s->lock_fd};
}

int store_files_lock(struct store *s, int64_t *ret_pid)
{
    struct db_files files = files_of(s);
    int r = db_files_lock(&files, ret_pid);
    s->dir_fd = files.dir_fd;
    s->lock_fd = files.lock_fd;
    return r;
}

int store_files_empty(struct store *s)
{
    const struct db_files files = files_of(s);
    int r = db_files_remove(&files);
    if (r == 0 && unlinkat(s->dir_fd, MARK_FILE, 0) < 0 && errno != ENOENT)
        r = -errno;
    return r;
}

int store_files_prepare(struct store *s, struct store_opened *opened)
{
    const struct db_files files = files_of(s);
    return db_files_prepare(&files, opened->quarantine);
}

int store_files_set_aside(struct store *s, struct store_opened *opened)
{
    const struct db_files files = files_of(s);
    return db_files_set_aside(&files, opened->quarantine);
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
    int64_t size = db_files_size(s->dir_fd, BALLAST_FILE);
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
