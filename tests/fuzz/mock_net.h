/* mock_net.h - a network without a kernel: between mock_net_begin() and mock_net_end() the system
 * calls that libuv and our transports use act on descriptors of this file, whose peers the test
 * plays. What a peer has sent is read as the test cuts it, what is written is taken as far as the
 * test left room, and time stands until the test moves it, so a run depends on nothing but its
 * input. Descriptors that are not ours go to the kernel as ever.
 *
 * The program's own definitions of these functions are found before the C library's, also from
 * libuv; so only one source file of a program may include this. One thread. */
#ifndef TESTS_FUZZ_MOCK_NET_H
#define TESTS_FUZZ_MOCK_NET_H

#include "clock.h"
#include "err.h"
#include "slice.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MOCK_FIRST    400 /* above what a test has open */
#define MOCK_FDS      64
#define MOCK_PIECES   64 /* that wait to be read from one peer */
#define MOCK_BACKLOG  16
#define MOCK_START_MS 1000000
#define MOCK_WALL_MS  1700000000000ull

enum mock_kind { MOCK_FREE, MOCK_EPOLL, MOCK_EVENT, MOCK_PIPE, MOCK_LISTENER, MOCK_SOCKET };

/* The other side of a socket. It outlives the socket: what became of it is looked at. */
struct mock_peer {
    struct sockaddr_in address;
    struct slice pieces[MOCK_PIECES]; /* borrowed; each ends a read */
    size_t first_piece, n_pieces;
    size_t most_read; /* bytes that one read gives; 0: all of a piece */
    size_t room;      /* bytes that can be written before the socket is full */
    unsigned interrupted;
    bool fin, reset; /* the peer has ended its side, or everything */
    /* what the server did */
    bool finished, closed, closed_hard;
    bool closed_full; /* when not everything could be written */
    bool linger_0;
    void (*on_written)(struct mock_peer *p, struct slice bytes);
};

struct mock_fd {
    enum mock_kind kind;
    uint64_t count; /* MOCK_EVENT */
    int error;      /* MOCK_LISTENER: accept4() says it once */
    struct mock_peer *backlog[MOCK_BACKLOG];
    size_t n_backlog;
    struct mock_peer *peer;
    int watched_by; /* an epoll descriptor; 0: none */
    struct epoll_event watch;
};

static struct {
    bool on;
    uint64_t now_ms;
    uint64_t random;
    struct mock_fd fds[MOCK_FDS];
} mock;

/* --- the test's side --- */

static inline void mock_net_set_time(uint64_t now_ms)
{
    mock.now_ms = now_ms;
    clock_freeze(now_ms, MOCK_WALL_MS + now_ms);
}

static inline void mock_net_begin(void)
{
    memset(&mock, 0, sizeof(mock));
    mock.random = 0x9e3779b97f4a7c15u;
    mock.on = true;
    mock_net_set_time(MOCK_START_MS);
}

static inline size_t mock_net_open_files(void)
{
    size_t n = 0;
    for (size_t i = 0; i < MOCK_FDS; i++)
        n += mock.fds[i].kind != MOCK_FREE;
    return n;
}

static inline void mock_net_end(void)
{
    ASSERT(mock_net_open_files() == 0); /* else the server has forgotten one */
    mock.on = false;
    clock_unfreeze();
}

static inline int mock_open(enum mock_kind kind)
{
    for (size_t i = 0; i < MOCK_FDS; i++) {
        if (mock.fds[i].kind != MOCK_FREE)
            continue;
        mock.fds[i] = (struct mock_fd){.kind = kind};
        return MOCK_FIRST + (int) i;
    }
    errno = EMFILE;
    return -1;
}

static inline struct mock_fd *mock_of(int fd)
{
    bool ours = mock.on && fd >= MOCK_FIRST && fd < MOCK_FIRST + MOCK_FDS;
    return ours ? &mock.fds[fd - MOCK_FIRST] : NULL;
}

/* False: the backlog is full. */
static inline bool mock_connect(int listener, struct mock_peer *p)
{
    struct mock_fd *l = mock_of(listener);
    if (l == NULL || l->kind != MOCK_LISTENER || l->n_backlog == MOCK_BACKLOG)
        return false;
    l->backlog[l->n_backlog++] = p;
    return true;
}

/* The bytes are borrowed until they are read. False: too many pieces wait already. */
static inline bool mock_say(struct mock_peer *p, struct slice bytes)
{
    if (bytes.len == 0 || p->fin || p->reset || p->first_piece + p->n_pieces == MOCK_PIECES)
        return false;
    p->pieces[p->first_piece + p->n_pieces++] = bytes;
    return true;
}

/* --- descriptors --- */

/* The C library's syscall(), not ours. */
static inline long mock_kernel(long number, long a, long b, long c, long d, long e, long f)
{
    static long (*real)(long number, ...);
    if (real == NULL) {
        void *found = dlsym(RTLD_NEXT, "syscall");
        ASSERT(found != NULL);
        memcpy(&real, &found, sizeof(real));
    }
    return real(number, a, b, c, d, e, f);
}

static inline int mock_fail(int err)
{
    errno = err;
    return -1;
}

int close(int fd)
{
    struct mock_fd *f = mock_of(fd);
    if (f == NULL)
        return (int) mock_kernel(SYS_close, (long) fd, 0, 0, 0, 0, 0);
    ASSERT(f->kind != MOCK_FREE); /* a descriptor closed twice may be somebody else's by then */
    if (f->peer != NULL) {
        f->peer->closed = true;
        f->peer->closed_hard = f->peer->linger_0;
        f->peer->closed_full = f->peer->room != SIZE_MAX;
    }
    for (size_t i = 0; i < f->n_backlog; i++)
        f->backlog[i]->closed = f->backlog[i]->closed_hard = true;
    *f = (struct mock_fd){0};
    return 0;
}

/* libuv closes by this, so that no cancellation comes in between. */
long syscall(long number, ...)
{
    long args[6];
    va_list list;
    va_start(list, number);
    for (size_t i = 0; i < ARRAY_LEN(args); i++)
        args[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_close)
        return close((int) args[0]);
    return mock_kernel(number, args[0], args[1], args[2], args[3], args[4], args[5]);
}

int eventfd(unsigned count, int flags)
{
    if (!mock.on)
        return (int) mock_kernel(SYS_eventfd2, (long) count, (long) flags, 0, 0, 0, 0);
    return mock_open(MOCK_EVENT);
}

int pipe2(int fds[2], int flags)
{
    if (!mock.on)
        return (int) mock_kernel(SYS_pipe2, (long) fds, (long) flags, 0, 0, 0, 0);
    fds[0] = mock_open(MOCK_PIPE);
    fds[1] = mock_open(MOCK_PIPE);
    return fds[1] < 0 ? -1 : 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    va_start(args, request);
    void *arg = va_arg(args, void *);
    va_end(args);
    const struct mock_fd *f = mock_of(fd);
    if (f == NULL)
        return (int) mock_kernel(SYS_ioctl, (long) fd, (long) request, (long) arg, 0, 0, 0);
    if (request == SIOCOUTQ) /* what was taken has arrived, but for the end of what is cut */
        *(int *) arg = f->peer != NULL && f->peer->room == 0;
    return f->kind == MOCK_FREE ? mock_fail(EBADF) : 0;
}

/* --- time and chance --- */

int clock_gettime(clockid_t id, struct timespec *ret)
{
    if (!mock.on || (id != CLOCK_MONOTONIC && id != CLOCK_MONOTONIC_COARSE))
        return (int) mock_kernel(SYS_clock_gettime, (long) id, (long) ret, 0, 0, 0, 0);
    *ret = (struct timespec){.tv_sec = (time_t) (mock.now_ms / 1000),
                             .tv_nsec = (long) (mock.now_ms % 1000) * 1000000};
    return 0;
}

static inline void mock_random(uint8_t *ret, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        mock.random = mock.random * 6364136223846793005u + 1442695040888963407u;
        ret[i] = (uint8_t) (mock.random >> 56);
    }
}

ssize_t getrandom(void *ret, size_t len, unsigned flags)
{
    if (!mock.on)
        return mock_kernel(SYS_getrandom, (long) ret, (long) len, (long) flags, 0, 0, 0);
    mock_random(ret, len);
    return (ssize_t) len;
}

/* --- epoll --- */

int epoll_create1(int flags)
{
    if (!mock.on)
        return (int) mock_kernel(SYS_epoll_create1, (long) flags, 0, 0, 0, 0, 0);
    return mock_open(MOCK_EPOLL);
}

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    if (mock_of(epoll) == NULL)
        return (int) mock_kernel(SYS_epoll_ctl, (long) epoll, (long) op, (long) fd, (long) event,
                                 0L, 0);
    struct mock_fd *f = mock_of(fd);
    if (f == NULL || f->kind == MOCK_FREE)
        return mock_fail(EBADF);
    if (op == EPOLL_CTL_ADD && f->watched_by != 0)
        return mock_fail(EEXIST);
    if (op != EPOLL_CTL_ADD && f->watched_by != epoll)
        return mock_fail(ENOENT);
    f->watched_by = op == EPOLL_CTL_DEL ? 0 : epoll;
    if (op != EPOLL_CTL_DEL)
        f->watch = *event;
    return 0;
}

static inline uint32_t mock_events_of_socket(const struct mock_peer *p)
{
    uint32_t events = 0;
    if (p->reset)
        return EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDHUP;
    if (p->n_pieces > 0 || p->fin)
        events |= EPOLLIN;
    if (p->fin)
        events |= EPOLLRDHUP;
    if (p->fin && p->finished)
        events |= EPOLLHUP;
    if (p->room > 0)
        events |= EPOLLOUT;
    return events;
}

static inline uint32_t mock_events(const struct mock_fd *f)
{
    uint32_t events = 0;
    if (f->kind == MOCK_EVENT)
        events = f->count > 0 ? EPOLLIN : 0;
    else if (f->kind == MOCK_LISTENER)
        events = f->n_backlog > 0 || f->error != 0 ? EPOLLIN : 0;
    else if (f->kind == MOCK_SOCKET)
        events = mock_events_of_socket(f->peer);
    return events & (f->watch.events | EPOLLERR | EPOLLHUP);
}

/* Whoever waits would wait for ever: nothing happens but what the test does. */
int epoll_wait(int epoll, struct epoll_event *ret, int max, int timeout)
{
    if (mock_of(epoll) == NULL)
        return (int) mock_kernel(SYS_epoll_pwait, (long) epoll, (long) ret, (long) max,
                                 (long) timeout, 0, 0);
    int n = 0;
    for (size_t i = 0; i < MOCK_FDS && n < max; i++) {
        const struct mock_fd *f = &mock.fds[i];
        uint32_t events = f->watched_by == epoll ? mock_events(f) : 0;
        if (events == 0)
            continue;
        ret[n] = f->watch;
        ret[n++].events = events;
    }
    return n;
}

int epoll_pwait(int epoll, struct epoll_event *ret, int max, int timeout, const sigset_t *mask)
{
    if (mock_of(epoll) == NULL)
        return (int) mock_kernel(SYS_epoll_pwait, (long) epoll, (long) ret, (long) max,
                                 (long) timeout, (long) mask, 8);
    return epoll_wait(epoll, ret, max, timeout);
}

/* --- sockets --- */

int listen(int fd, int backlog)
{
    return mock_of(fd) != NULL
               ? 0
               : (int) mock_kernel(SYS_listen, (long) fd, (long) backlog, 0, 0, 0, 0);
}

static inline int mock_accept(struct mock_fd *l)
{
    if (l->error != 0) {
        int err = l->error;
        l->error = 0;
        return mock_fail(err);
    }
    if (l->n_backlog == 0)
        return mock_fail(EAGAIN);
    int fd = mock_open(MOCK_SOCKET);
    if (fd < 0)
        return fd;
    struct mock_peer *p = l->backlog[0];
    memmove(l->backlog, l->backlog + 1, --l->n_backlog * sizeof(struct mock_peer *));
    mock_of(fd)->peer = p;
    return fd;
}

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    struct mock_fd *f = mock_of(fd);
    if (f == NULL)
        return (int) mock_kernel(SYS_accept4, (long) fd, (long) address, (long) len, (long) flags,
                                 0L, 0);
    return f->kind == MOCK_LISTENER ? mock_accept(f) : mock_fail(EINVAL);
}

int getpeername(int fd, struct sockaddr *restrict ret, socklen_t *restrict ret_len)
{
    const struct mock_fd *f = mock_of(fd);
    if (f == NULL)
        return (int) mock_kernel(SYS_getpeername, (long) fd, (long) ret, (long) ret_len, 0, 0, 0);
    if (f->peer == NULL || f->peer->reset)
        return mock_fail(ENOTCONN);
    ASSERT(*ret_len >= sizeof(f->peer->address));
    memcpy(ret, &f->peer->address, sizeof(f->peer->address));
    *ret_len = sizeof(f->peer->address);
    return 0;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    struct mock_fd *f = mock_of(fd);
    if (f == NULL)
        return (int) mock_kernel(SYS_setsockopt, (long) fd, (long) level, (long) name, (long) value,
                                 (long) len, 0);
    if (f->peer != NULL && level == SOL_SOCKET && name == SO_LINGER)
        f->peer->linger_0 = true; /* that is the only way in which we use it */
    return 0;
}

int getsockopt(int fd, int level, int name, void *restrict ret, socklen_t *restrict ret_len)
{
    const struct mock_fd *f = mock_of(fd);
    if (f == NULL)
        return (int) mock_kernel(SYS_getsockopt, (long) fd, (long) level, (long) name, (long) ret,
                                 (long) ret_len, 0);
    memset(ret, 0, *ret_len);
    if (level == IPPROTO_TCP && name == TCP_INFO && *ret_len >= sizeof(struct tcp_info))
        ((struct tcp_info *) ret)->tcpi_last_ack_recv = (uint32_t) mock.now_ms;
    return 0;
}

int shutdown(int fd, int how)
{
    struct mock_fd *f = mock_of(fd);
    if (f == NULL)
        return (int) mock_kernel(SYS_shutdown, (long) fd, (long) how, 0, 0, 0, 0);
    if (f->peer == NULL || f->peer->reset)
        return mock_fail(ENOTCONN);
    f->peer->finished = true;
    return 0;
}

static inline ssize_t mock_receive(struct mock_peer *p, void *ret, size_t len)
{
    if (p->interrupted > 0) {
        p->interrupted--;
        return mock_fail(EINTR);
    }
    if (p->reset)
        return mock_fail(ECONNRESET);
    if (p->n_pieces == 0)
        return p->fin ? 0 : mock_fail(EAGAIN);
    struct slice *piece = &p->pieces[p->first_piece];
    size_t n = piece->len < len ? piece->len : len;
    n = p->most_read > 0 && p->most_read < n ? p->most_read : n;
    memcpy(ret, piece->data, n);
    *piece = slice_from(*piece, n);
    if (piece->len == 0) {
        p->n_pieces--;
        p->first_piece = p->n_pieces == 0 ? 0 : p->first_piece + 1;
    }
    return (ssize_t) n;
}

static inline ssize_t mock_take(struct mock_peer *p, struct slice bytes)
{
    ASSERT(!p->finished); /* after its FIN a host sends nothing */
    if (p->interrupted > 0) {
        p->interrupted--;
        return mock_fail(EINTR);
    }
    if (p->reset)
        return mock_fail(EPIPE);
    if (p->room == 0)
        return mock_fail(EAGAIN);
    size_t n = bytes.len < p->room ? bytes.len : p->room;
    if (p->room != SIZE_MAX)
        p->room -= n;
    p->on_written(p, slice_sub(bytes, 0, n));
    return (ssize_t) n;
}

ssize_t read(int fd, void *ret, size_t len)
{
    struct mock_fd *f = mock_of(fd);
    if (f == NULL)
        return mock_kernel(SYS_read, (long) fd, (long) ret, (long) len, 0, 0, 0);
    if (f->kind == MOCK_SOCKET)
        return mock_receive(f->peer, ret, len);
    if (f->kind != MOCK_EVENT || f->count == 0)
        return mock_fail(f->kind == MOCK_FREE ? EBADF : EAGAIN);
    memcpy(ret, &f->count, sizeof(f->count));
    f->count = 0;
    return sizeof(f->count);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    struct mock_fd *f = mock_of(fd);
    if (f == NULL)
        return mock_kernel(SYS_write, (long) fd, (long) bytes, (long) len, 0, 0, 0);
    if (f->kind == MOCK_SOCKET)
        return mock_take(f->peer, slice_of(bytes, len));
    if (f->kind == MOCK_EVENT)
        f->count++;
    return f->kind == MOCK_FREE ? mock_fail(EBADF) : (ssize_t) len;
}

ssize_t writev(int fd, const struct iovec *parts, int n)
{
    const struct mock_fd *f = mock_of(fd);
    if (f == NULL)
        return mock_kernel(SYS_writev, (long) fd, (long) parts, (long) n, 0, 0, 0);
    ssize_t all = 0;
    for (int i = 0; i < n; i++) {
        ssize_t one = write(fd, parts[i].iov_base, parts[i].iov_len);
        if (one < 0)
            return all > 0 ? all : one;
        all += one;
        if ((size_t) one < parts[i].iov_len)
            return all;
    }
    return all;
}

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    const struct mock_fd *f = mock_of(fd);
    if (f == NULL)
        return mock_kernel(SYS_sendto, (long) fd, (long) bytes, (long) len, (long) flags, 0, 0);
    return f->kind == MOCK_SOCKET ? mock_take(f->peer, slice_of(bytes, len)) : mock_fail(ENOTSOCK);
}

#endif
