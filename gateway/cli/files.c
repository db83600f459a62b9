/* files.c - files read whole and replaced whole. */
#include "files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define PATH_SIZE 4096
#define READ_SIZE 65536

int files_read(FILE *f, struct buf *out)
{
    for (size_t n = READ_SIZE; n > 0;) {
        uint8_t *room;
        int r = buf_reserve(out, READ_SIZE, &room);
        if (r < 0)
            return r;
        n = fread(room, 1, READ_SIZE, f);
        buf_grew(out, n);
    }
    return ferror(f) ? -EIO : 0;
}

static int write_whole(int fd, struct slice text)
{
    while (text.len > 0) {
        ssize_t n = write(fd, text.data, text.len);
        if (n < 0 && errno != EINTR)
            return -errno;
        text = slice_from(text, n < 0 ? 0 : (size_t) n);
    }
    return 0;
}

/* The rename is on disk when its folder is. */
static int sync_folder(const char *file)
{
    char folder[PATH_SIZE];
    const char *slash = strrchr(file, '/');
    (void) snprintf(folder, sizeof(folder), "%.*s", slash == NULL ? 1 : (int) (slash - file + 1),
                    slash == NULL ? "." : file);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = fsync(fd) < 0 ? -errno : 0;
    (void) close(fd);
    return r;
}

int files_replace(const char *file, struct slice text)
{
    char fresh[PATH_SIZE];
    int n = snprintf(fresh, sizeof(fresh), "%s.XXXXXX", file);
    if (n < 0 || (size_t) n >= sizeof(fresh))
        return -ENAMETOOLONG;
    int fd = mkostemp(fresh, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = write_whole(fd, text);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r == 0 && rename(fresh, file) < 0)
        r = -errno;
    if (r < 0)
        (void) unlink(fresh);
    return r == 0 ? sync_folder(file) : r;
}
