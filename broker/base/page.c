/* page.c - a page of a file, mapped, that outlives the process. */
#include "page.h"

#include "mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_file(const char *dir, const char *name)
{
    size_t size = strlen(dir) + strlen(name) + sizeof("/");
    char *path = xmalloc(size);
    (void) snprintf(path, size, "%s/%s", dir, name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    int r = fd < 0 ? -errno : fd;
    free(path);
    return r;
}

/* A file of the right size, with its block there: a store to a page that the full disk has no block
 * for would be SIGBUS. */
static int prepare(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    if ((st.st_mode & 07777) != 0600 && fchmod(fd, 0600) < 0)
        return -errno;
    if (st.st_size != PAGE_BYTES && ftruncate(fd, 0) < 0)
        return -errno;
    int r;
    do
        r = posix_fallocate(fd, 0, PAGE_BYTES); /* does not use errno */
    while (r == EINTR);
    return -r;
}

int page_open(const char *dir, const char *name, void **ret)
{
    int fd = open_file(dir, name);
    if (fd < 0)
        return fd;
    int r = prepare(fd);
    if (r == 0) {
        void *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (page == MAP_FAILED)
            r = -errno;
        else
            *ret = page;
    }
    (void) close(fd); /* the mapping stays */
    return r;
}

void page_close(void *page)
{
    if (page != NULL)
        (void) munmap(page, PAGE_BYTES);
}
