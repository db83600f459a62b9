/* trial.c - what is being worked on right now, in a mapped file that outlives the process. */
#include "trial.h"

#include "mem.h"
#include "siphash.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENDS      ((size_t) 4096) /* of a long body, what is hashed at its beginning and end */
#define FILE_NAME "/trial"
#define FILE_SIZE 4096
#define MAGIC     0x316c616972746372u /* "rctrial1" */

struct trial { /* the beginning of the page */
    uint64_t magic;
    _Atomic uint64_t webhook, event;
};
_Static_assert(sizeof(struct trial) == 24, "it is a file format");

static int open_file(const char *dir)
{
    size_t dir_len = strlen(dir);
    char *path = xmalloc(dir_len + sizeof(FILE_NAME));
    memcpy(path, dir, dir_len);
    memcpy(path + dir_len, FILE_NAME, sizeof(FILE_NAME));
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
    if (st.st_size != FILE_SIZE && ftruncate(fd, 0) < 0)
        return -errno;
    int r;
    do
        r = posix_fallocate(fd, 0, FILE_SIZE); /* does not use errno */
    while (r == EINTR);
    return -r;
}

/* NULL: *ret_err says why. */
static struct trial *map(int fd, int *ret_err)
{
    *ret_err = prepare(fd);
    if (*ret_err < 0)
        return NULL;
    void *page = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED)
        return page;
    *ret_err = -errno;
    return NULL;
}

int trial_open(const char *dir, struct trial **ret, struct trial_found *ret_found)
{
    int r, fd = open_file(dir);
    if (fd < 0)
        return fd;
    struct trial *t = map(fd, &r);
    (void) close(fd); /* the mapping stays */
    if (t == NULL)
        return r;
    if (t->magic != MAGIC) {
        memset(t, 0, FILE_SIZE);
        t->magic = MAGIC;
    }
    *ret_found = (struct trial_found){.webhook = t->webhook, .event = t->event};
    trial_webhook(t, 0);
    trial_event(t, 0);
    *ret = t;
    return 0;
}

void trial_close(struct trial *t)
{
    if (t != NULL)
        (void) munmap(t, FILE_SIZE);
}

uint64_t trial_hash(const char *registry_id, struct slice body)
{
    static const struct siphash_seed SEED = {0, 0}; /* the next process has to find the same */
    uint64_t hash = siphash(&SEED, body.len, slice_str(registry_id));
    if (body.len >
        2 * ENDS) { /* enough to tell one webhook from another: it comes again as it was */
        hash = siphash(&SEED, hash, slice_sub(body, 0, ENDS));
        body = slice_from(body, body.len - ENDS);
    }
    hash = siphash(&SEED, hash, body);
    return hash == 0 ? 1 : hash;
}

/* Is there before the work that follows, as far as this process can tell. */
static void store(_Atomic uint64_t *to, uint64_t value)
{
    atomic_store_explicit(to, value, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
}

void trial_webhook(struct trial *t, uint64_t hash)
{
    if (t != NULL)
        store(&t->webhook, hash);
}

void trial_event(struct trial *t, uint64_t seq)
{
    if (t != NULL)
        store(&t->event, seq);
}
