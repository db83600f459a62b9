/* backend.c - a backend for backends.mjs: HTTP/1.1 with kept connections, which answers each
 * request with its own body, as text. One thread, epoll, nothing of regcast's. Prints its port, and
 * ends with its standard input.
 *
 *   --hang N   answers nothing to one request in N (0: to all of them it answers) */
#include "util.h"

#include <signal.h>
#include <strings.h>
#include <sys/epoll.h>

#define REQUEST_MAX (256u << 10)

struct link {
    int fd;
    bool mute;
    struct bytes in;
};

struct backend {
    int epoll, listener;
    uint64_t hang, requests;
};

static void watch(const struct backend *b, int fd, void *data)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = data};
    if (epoll_ctl(b->epoll, EPOLL_CTL_ADD, fd, &e) < 0)
        die("epoll_ctl: %s", strerror(errno));
}

static void link_end(struct link *l)
{
    (void) close(l->fd);
    bytes_fini(&l->in);
    free(l);
}

static size_t content_length(const char *head)
{
    const char *at = strcasestr(head, "\r\nContent-Length:");
    return at == NULL ? 0 : (size_t) strtoul(at + 17, NULL, 10);
}

static bool answer(const struct link *l, const uint8_t *body, size_t len)
{
    static char out[REQUEST_MAX + 256];
    int n =
        snprintf(out, 256,
                 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n", len);
    memcpy(out + n, body, len);
    size_t all = (size_t) n + len;
    return send(l->fd, out, all, MSG_NOSIGNAL) == (ssize_t) all;
}

/* Takes whole requests off the front; false: the connection is of no more use. */
static bool take(struct backend *b, struct link *l)
{
    size_t used = 0;
    for (;;) {
        uint8_t *at = l->in.data + used;
        size_t left = l->in.len - used;
        uint8_t *end = left == 0 ? NULL : memmem(at, left, "\r\n\r\n", 4);
        if (end == NULL || l->mute)
            break;
        size_t head = (size_t) (end - at) + 4;
        end[2] = '\0';
        size_t len = content_length((const char *) at);
        end[2] = '\r';
        if (len > REQUEST_MAX)
            return false;
        if (left < head + len)
            break;
        l->mute = b->hang > 0 && ++b->requests % b->hang == 0;
        if (!l->mute && !answer(l, at + head, len))
            return false;
        used += head + len;
    }
    if (used > 0)
        memmove(l->in.data, l->in.data + used, l->in.len - used);
    l->in.len -= used;
    return l->in.len <= 2 * REQUEST_MAX;
}

static void on_readable(struct backend *b, struct link *l)
{
    ssize_t n = recv(l->fd, bytes_room(&l->in, 65536), 65536, 0);
    if (n > 0)
        l->in.len += (size_t) n;
    if ((n < 0 && errno != EAGAIN) || n == 0 || (n > 0 && !take(b, l)))
        link_end(l);
}

static void on_arrival(const struct backend *b)
{
    for (;;) {
        int fd = accept4(b->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        struct link *l = calloc(1, sizeof(*l));
        if (l == NULL)
            die("out of memory");
        l->fd = fd;
        socket_nodelay(fd);
        watch(b, fd, l);
    }
}

static void listen_somewhere(struct backend *b)
{
    struct sockaddr_storage at;
    struct sockaddr_in bound;
    socklen_t len = address_parse("127.0.0.1:0", &at), size = sizeof(bound);
    b->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (b->listener < 0 || bind(b->listener, (struct sockaddr *) &at, len) < 0 ||
        listen(b->listener, 4096) < 0 ||
        getsockname(b->listener, (struct sockaddr *) &bound, &size) < 0)
        die("listening: %s", strerror(errno));
    (void) printf("%u\n", ntohs(bound.sin_port));
    (void) fflush(stdout);
}

int main(int argc, char **argv)
{
    static struct backend b;
    struct link input = {.fd = STDIN_FILENO};
    if (argc == 3 && strcmp(argv[1], "--hang") == 0)
        b.hang = number_parse(argv[1], argv[2], 0, 1000000);
    else if (argc != 1)
        die("usage: bench_backend [--hang N]");
    files_raise();
    (void) signal(SIGPIPE, SIG_IGN);
    b.epoll = epoll_create1(EPOLL_CLOEXEC);
    listen_somewhere(&b);
    watch(&b, b.listener, &b);
    watch(&b, input.fd, &input);
    for (;;) {
        struct epoll_event events[256];
        int n = epoll_wait(b.epoll, events, 256, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &b)
                on_arrival(&b);
            else if (events[i].data.ptr == &input)
                return 0;
            else
                on_readable(&b, events[i].data.ptr);
        }
    }
}
