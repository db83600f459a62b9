/* io.c - preloaded: makes the calls of a running program on TCP sockets do less than was asked for,
 * or fail, as a test says. TORTURE_IO names a file, which is mapped; the test writes what is to
 * happen and reads how often it did. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* The layout that tests/e2e/torture.mjs knows. */
struct control {
    _Atomic uint64_t bytes; /* the most that one call moves; 0: all */
    _Atomic uint64_t every; /* one call of so many fails with `error`; 0: none */
    _Atomic uint64_t error;
    _Atomic uint64_t calls, cut, failed; /* how often: at all, with less, with an error */
};

static struct control *control;

static bool is_tcp(int fd)
{
    int domain, saved = errno;
    socklen_t len = sizeof(domain);
    bool tcp = getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
               (domain == AF_INET || domain == AF_INET6);
    errno = saved;
    return tcp;
}

/* Whether this call is to fail: errno says with what. */
static bool fails(int fd)
{
    if (control == NULL || !is_tcp(fd))
        return false;
    uint64_t n = atomic_fetch_add(&control->calls, 1) + 1, every = atomic_load(&control->every);
    if (every == 0 || n % every != 0)
        return false;
    atomic_fetch_add(&control->failed, 1);
    errno = (int) atomic_load(&control->error);
    return true;
}

static size_t cut(int fd, size_t len)
{
    size_t most = control == NULL ? 0 : atomic_load(&control->bytes);
    if (most == 0 || len <= most || !is_tcp(fd))
        return len;
    atomic_fetch_add(&control->cut, 1);
    return most;
}

ssize_t read(int fd, void *buf, size_t len)
{
    return fails(fd) ? -1 : syscall(SYS_read, fd, buf, cut(fd, len));
}

ssize_t recv(int fd, void *buf, size_t len, int flags)
{
    return fails(fd) ? -1 : syscall(SYS_recvfrom, fd, buf, cut(fd, len), flags, NULL, NULL);
}

ssize_t write(int fd, const void *buf, size_t len)
{
    return fails(fd) ? -1 : syscall(SYS_write, fd, buf, cut(fd, len));
}

ssize_t send(int fd, const void *buf, size_t len, int flags)
{
    return fails(fd) ? -1 : syscall(SYS_sendto, fd, buf, cut(fd, len), flags, NULL, 0);
}

/* With a limit a call moves a part of the first piece that is not empty. */
static const struct iovec *first_piece(int fd, const struct iovec *pieces, size_t n)
{
    if (control == NULL || atomic_load(&control->bytes) == 0 || !is_tcp(fd))
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (pieces[i].iov_len > 0)
            return &pieces[i];
    return NULL;
}

ssize_t writev(int fd, const struct iovec *pieces, int n)
{
    const struct iovec *first = first_piece(fd, pieces, (size_t) n);
    if (first != NULL)
        return write(fd, first->iov_base, first->iov_len);
    return fails(fd) ? -1 : syscall(SYS_writev, fd, pieces, n);
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
    const struct iovec *first = first_piece(fd, msg->msg_iov, msg->msg_iovlen);
    if (first != NULL)
        return send(fd, first->iov_base, first->iov_len, flags);
    return fails(fd) ? -1 : syscall(SYS_sendmsg, fd, msg, flags);
}

int accept4(int fd, struct sockaddr *at, socklen_t *len, int flags)
{
    return fails(fd) ? -1 : (int) syscall(SYS_accept4, fd, at, len, flags);
}

__attribute__((constructor)) static void begin(void)
{
    const char *name = getenv("TORTURE_IO");
    int fd = name == NULL ? -1 : open(name, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *mapped = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void) close(fd);
    if (mapped != MAP_FAILED)
        control = mapped;
}
