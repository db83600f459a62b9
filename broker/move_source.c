/* move_source.c - see move_source.h. */
#include "move_source.h"

#include "db_files.h"
#include "mem.h"
#include "store_schema.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE_DIR  0700
#define MODE_FILE 0600
#define CHUNK     ((size_t) 1 << 20)
#define BUSY_MS   1000

/* What the store keeps beside its database: see store_epoch.c and store_files.c. */
static const char *const FILES[] = {STORE_FILE, STORE_FILE "-wal", "commits", "check"};

/* --- the lock --- */

static int64_t pid_in(int fd)
{
    char text[32];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    return strtoll(text, NULL, 10);
}

/* As db_files_lock(), but writes nothing into it. A directory without one was copied from another:
 * no process of ours has it open. */
static int lock(struct move_source *s, const char *dir, int64_t *ret_pid)
{
    s->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir_fd < 0)
        return -errno;
    s->lock_fd = openat(s->dir_fd, "lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (s->lock_fd < 0)
        return errno == ENOENT ? 0 : -errno;
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno != EWOULDBLOCK)
        return -errno;
    *ret_pid = pid_in(s->lock_fd);
    return -EALREADY;
}

/* --- the copy --- */

/* Not below it: nothing of ours makes directories there. */
static int empty_scratch(const char *scratch)
{
    DIR *d = opendir(scratch);
    if (d == NULL)
        return errno == ENOENT ? 0 : -errno;
    int r = 0;
    for (const struct dirent *e; r == 0 && (e = readdir(d)) != NULL;) {
        bool itself = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
        if (!itself && unlinkat(dirfd(d), e->d_name, 0) < 0)
            r = -errno;
    }
    (void) closedir(d);
    if (r == 0 && rmdir(scratch) < 0)
        r = -errno;
    return r;
}

static int write_all(int fd, const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        data += n;
        len -= (size_t) n;
    }
    return 0;
}

/* `state` goes on over what is read. */
static int copy_bytes(int from, int to, uint8_t state[SHA256_SIZE])
{
    uint8_t *chunk = xmalloc(CHUNK);
    int r = 0;
    for (;;) {
        ssize_t n = read(from, chunk, CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            r = n < 0 ? -errno : 0;
            break;
        }
        sha256(slice_of(state, SHA256_SIZE), slice_of(chunk, (size_t) n), state);
        r = write_all(to, chunk, (size_t) n);
        if (r < 0)
            break;
    }
    free(chunk);
    return r;
}

static int copy_file(struct move_source *s, int to_dir, const char *name)
{
    int from = openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (from < 0)
        return errno == ENOENT ? 0 : -errno;
    int to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, MODE_FILE);
    int r = to < 0 ? -errno : copy_bytes(from, to, s->state);
    if (to >= 0)
        (void) close(to);
    (void) close(from);
    return r;
}

static int copy_all(struct move_source *s)
{
    int64_t size = db_files_size(s->dir_fd, STORE_FILE);
    if (size <= 0)
        return size < 0 ? (int) size : -ENOENT;
    int r = empty_scratch(s->scratch);
    if (r == 0 && mkdir(s->scratch, MODE_DIR) < 0)
        r = -errno;
    int to_dir = r < 0 ? -1 : open(s->scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r == 0 && to_dir < 0)
        r = -errno;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(FILES); i++)
        r = copy_file(s, to_dir, FILES[i]);
    if (to_dir >= 0)
        (void) close(to_dir);
    return r;
}

/* --- opening --- */

static int open_copy(struct move_source *s)
{
    struct store_opened opened = {.made = false};
    int64_t pid;
    /* It is thrown away, so nothing is lost when it is not on disk; and nothing goes for being too
     * many. */
    const struct store_options options = {.dir = s->scratch,
                                          .no_sync = true,
                                          .busy_timeout_ms = BUSY_MS,
                                          .max_dead_letters = INT64_MAX};
    int r = store_open(&options, &s->store, &opened, &pid);
    if (r == 0 && opened.quarantine[0] != '\0')
        r = -EBADMSG;
    if (r == 0)
        r = store_reader_open(&options, &s->reader);
    s->lost_commits = opened.lost_commits;
    return r;
}

int move_source_open(const char *dir, const char *scratch, struct move_source *ret,
                     int64_t *ret_pid)
{
    struct move_source s = {.dir_fd = -1, .lock_fd = -1};
    int n = snprintf(s.scratch, sizeof(s.scratch), "%s", scratch);
    int r = n < 0 || (size_t) n >= sizeof(s.scratch) ? -ENAMETOOLONG : lock(&s, dir, ret_pid);
    if (r < 0)
        s.scratch[0] = '\0'; /* it may be that of the process that is at it */
    if (r == 0)
        r = copy_all(&s);
    if (r == 0)
        r = open_copy(&s);
    if (r < 0) {
        move_source_close(&s);
        return r;
    }
    *ret = s;
    return 0;
}

void move_source_close(struct move_source *s)
{
    store_reader_close(s->reader);
    store_close(s->store);
    if (s->scratch[0] != '\0')
        (void) empty_scratch(s->scratch); /* the next one empties it, too */
    if (s->lock_fd > 0)
        (void) close(s->lock_fd);
    if (s->dir_fd > 0)
        (void) close(s->dir_fd);
    *s = (struct move_source){.dir_fd = -1, .lock_fd = -1};
}
