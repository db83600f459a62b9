/* listener.c - see listener.h. */
#include "listener.h"

#include "clock.h"
#include "conn.h"
#include "log.h"
#include "worker.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG         4096
#define ACCEPT_BURST    64
#define ACCEPT_RETRY_MS 100

/* *ret is zeroed by the caller. */
static int parse(const char *address, struct sockaddr_storage *ret)
{
    const char *colon = strrchr(address, ':');
    char host[INET6_ADDRSTRLEN + 2];
    if (colon == NULL || (size_t) (colon - address) >= sizeof(host))
        return -EINVAL;
    size_t len = (size_t) (colon - address);
    memcpy(host, address, len);
    host[len] = '\0';
    int port = (int) strtol(colon + 1, NULL, 10); /* checked by the configuration */
    if (host[0] == '[') {
        if (host[len - 1] != ']')
            return -EINVAL;
        host[len - 1] = '\0';
        return uv_ip6_addr(host + 1, port, (struct sockaddr_in6 *) ret);
    }
    return uv_ip4_addr(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, port,
                       (struct sockaddr_in *) ret);
}

static socklen_t length_of(const struct sockaddr_storage *at)
{
    return at->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static int bound_socket(const struct sockaddr_storage *at, bool shared)
{
    int fd = socket(at->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, r = 0;
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0) ||
        (at->ss_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
        bind(fd, (const struct sockaddr *) at, length_of(at)) < 0)
        r = -errno;
    if (r < 0) {
        (void) close(fd);
        return r;
    }
    return fd;
}

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static void write_name(const union address *at, char ret[LISTENER_NAME_SIZE])
{
    char text[INET6_ADDRSTRLEN] = "";
    bool v6 = at->any.sa_family == AF_INET6;
    (void) uv_ip_name(&at->any, text, sizeof(text)); /* fits, and the family is known */
    (void) snprintf(ret, LISTENER_NAME_SIZE, v6 ? "[%s]:%u" : "%s:%u", text,
                    ntohs(v6 ? at->v6.sin6_port : at->v4.sin_port));
}

void listener_name(int fd, char ret[LISTENER_NAME_SIZE])
{
    union address at = {0};
    socklen_t len = sizeof(at);
    ASSERT(getsockname(fd, &at.any, &len) == 0); /* our own bound socket */
    write_name(&at, ret);
}

int listener_write_address(const char *address, char ret[LISTENER_NAME_SIZE])
{
    struct sockaddr_storage at = {0};
    union address written = {0};
    int r = parse(address, &at);
    if (r < 0)
        return r;
    memcpy(&written, &at, sizeof(written));
    write_name(&written, ret);
    return 0;
}

int listener_bind(const char *address, bool first, int *ret_fd, char ret_name[LISTENER_NAME_SIZE])
{
    struct sockaddr_storage at = {0};
    int r = parse(address, &at);
    if (r < 0)
        return r;
    if (first) { /* a probe without SO_REUSEPORT fails when anybody has the address */
        r = bound_socket(&at, false);
        if (r < 0)
            return r;
        (void) close(r);
    }
    int fd = bound_socket(&at, true);
    if (fd < 0)
        return fd;
    listener_name(fd, ret_name);
    *ret_fd = fd;
    return 0;
}

static void log_no_accept(struct listener *l, int err)
{
    struct worker *w = l->worker;
    uint64_t suppressed;
    metrics_refuse(&w->metrics, l->role, REFUSE_NO_FD);
    if (caps_log(&w->shared->refusals[REFUSE_NO_FD], clock_mono_ms(), 1, &suppressed))
        log_error("accept", "no connection can be accepted for now", err);
    else
        metrics_add(&w->metrics, M_LOG_DROPPED, 1);
}

/* accept(2): Linux passes on what has already happened to the new socket. */
static bool is_of_one_socket(int err)
{
    static const int ERRORS[] = {EINTR,    ECONNABORTED, ECONNRESET,  ETIMEDOUT,
                                 ENETDOWN, EPROTO,       ENOPROTOOPT, EHOSTDOWN,
                                 ENONET,   EHOSTUNREACH, EOPNOTSUPP,  ENETUNREACH};
    for (size_t i = 0; i < ARRAY_LEN(ERRORS); i++)
        if (err == ERRORS[i])
            return true;
    return false;
}

static void on_readable(uv_poll_t *readable, int status, int events);

static void on_retry(uv_timer_t *retry)
{
    struct listener *l = retry->data;
    (void) uv_poll_start(&l->readable, UV_READABLE, on_readable); /* it could once */
}

/* A few at a time, so that a flood of connections does not hold up those that are there. When the
 * descriptors have run out, who comes waits in the backlog until some have been closed. */
static void on_readable(uv_poll_t *readable, int status, int events)
{
    struct listener *l = readable->data;
    (void) status; /* an error of the socket is accept4()'s too */
    (void) events;
    for (unsigned n = 0; l->open && n < ACCEPT_BURST; n++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            conn_accept(l->worker, l->role, fd);
            continue;
        }
        int err = errno;
        if (is_of_one_socket(err))
            continue;
        if (err == EAGAIN || err == EWOULDBLOCK)
            return;
        log_no_accept(l, -err);
        (void) uv_poll_stop(&l->readable);
        (void) uv_timer_start(&l->retry, on_retry, ACCEPT_RETRY_MS, 0);
        return;
    }
}

int listener_init(struct listener *l, struct worker *w, enum metrics_listener role, int fd)
{
    *l = (struct listener){.worker = w, .role = role, .fd = fd};
    l->readable.data = l->retry.data = l;
    int r = listen(fd, BACKLOG) < 0 ? -errno : 0;
    if (r == 0)
        r = uv_poll_init(&w->loop, &l->readable, fd);
    if (r < 0) {
        (void) close(fd);
        return r;
    }
    l->open = true;
    r = uv_timer_init(&w->loop, &l->retry);
    ASSERT(r == 0); /* always */
    return uv_poll_start(&l->readable, UV_READABLE, on_readable);
}

void listener_fini(struct listener *l)
{
    if (!l->open)
        return;
    l->open = false;
    uv_close((uv_handle_t *) &l->readable, NULL); /* polls no more from here on */
    uv_close((uv_handle_t *) &l->retry, NULL);
    (void) close(l->fd);
}

void listener_hold(struct listener *l)
{
    if (!l->open)
        return;
    (void) uv_poll_stop(&l->readable); /* always 0, as the next */
    (void) uv_timer_stop(&l->retry);
}

void listener_go_on(struct listener *l)
{
    if (l->open)
        (void) uv_poll_start(&l->readable, UV_READABLE, on_readable); /* it could once */
}
