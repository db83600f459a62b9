/* consoles.h - consoles that have the feed open while others are measured: WebSocket clients of
 * /console/live on the management listener, on a thread of their own. One in five never reads after
 * its handshake. */
#ifndef BENCH_CONSOLES_H
#define BENCH_CONSOLES_H

#include "run.h"
#include "ws.h"

#include <pthread.h>
#include <sys/epoll.h>

#define CONSOLES_MOST    100
#define CONSOLES_BUFFER  (256u << 10)
#define CONSOLES_STALLED 5 /* one in so many */

struct console {
    int fd;
    bool open, stalled;
    struct bytes in; /* a head that is not whole yet */
    uint64_t left;   /* bytes of a payload that are still to come */
};

struct consoles {
    struct run *run;
    unsigned n;
    struct console at[CONSOLES_MOST];
    pthread_t thread;
    int epoll;
    _Atomic bool stop, started;
    uint64_t messages, bytes;
    unsigned dropped;
    uint8_t buffer[CONSOLES_BUFFER];
};

static inline void console_connect(struct consoles *s, struct console *c)
{
    struct sockaddr_storage address;
    socklen_t len = address_parse(s->run->manage, &address);
    struct bytes request = {0};
    uint8_t answer[2048];
    size_t n = 0;
    c->fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *) &address, len) < 0)
        die("a console: %s", strerror(errno));
    bytes_print(&request,
                "GET /console/live HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                s->run->manage);
    if (send(c->fd, request.data, request.len, 0) != (ssize_t) request.len)
        die("a console: %s", strerror(errno));
    bytes_fini(&request);
    while (n < 4 || memmem(answer, n, "\r\n\r\n", 4) == NULL) {
        ssize_t got =
            n < sizeof(answer) ? recv(c->fd, answer + n, 1, 0) : -1; /* no frame with it */
        if (got <= 0)
            die("a console was not answered");
        n += (size_t) got;
    }
    if (n < 12 || memcmp(answer, "HTTP/1.1 101", 12) != 0)
        die("a console was refused: %.12s", (const char *) answer);
    c->open = true;
}

/* Counts messages by their heads; what they say is not looked at. */
static inline void console_take(struct consoles *s, struct console *c, const uint8_t *p, size_t n)
{
    s->bytes += n;
    while (n > 0) {
        if (c->left > 0) {
            uint64_t skip = c->left < n ? c->left : n;
            c->left -= skip;
            p += skip;
            n -= (size_t) skip;
            continue;
        }
        struct ws_head head;
        bytes_add(&c->in, p++, 1);
        n--;
        int r = ws_head_parse(c->in.data, c->in.len, &head);
        if (r < 0 || (r == 1 && head.opcode == WS_CLOSE))
            die("a console was closed, or sent what is no frame");
        if (r == 0)
            continue;
        c->in.len = 0;
        c->left = head.payload_len;
        s->messages += head.opcode == WS_TEXT && head.fin;
    }
}

static inline void console_ready(struct consoles *s, struct console *c)
{
    ssize_t n = recv(c->fd, s->buffer, sizeof(s->buffer), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        s->dropped++;
        (void) close(c->fd);
        c->open = false;
        return;
    }
    console_take(s, c, s->buffer, (size_t) n);
}

static inline void *consoles_thread(void *self)
{
    struct consoles *s = self;
    struct epoll_event events[CONSOLES_MOST];
    while (!s->stop) {
        int n = epoll_wait(s->epoll, events, CONSOLES_MOST, 100);
        for (int i = 0; i < n; i++)
            console_ready(s, events[i].data.ptr);
    }
    return NULL;
}

/* All of them are there on return. */
static inline void consoles_start(struct consoles *s, struct run *run)
{
    s->run = run;
    s->n = run->consoles;
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < s->n; i++) {
        struct console *c = &s->at[i];
        console_connect(s, c);
        c->stalled = i % CONSOLES_STALLED == CONSOLES_STALLED - 1;
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        if (!c->stalled && epoll_ctl(s->epoll, EPOLL_CTL_ADD, c->fd, &e) < 0)
            die("epoll_ctl: %s", strerror(errno));
    }
    if (s->n > 0 && pthread_create(&s->thread, NULL, consoles_thread, s) != 0)
        die("no thread");
    s->started = s->n > 0;
}

static inline void consoles_stop(struct consoles *s)
{
    s->stop = true;
    if (s->started)
        (void) pthread_join(s->thread, NULL);
    for (unsigned i = 0; i < s->n; i++) {
        if (s->at[i].open)
            (void) close(s->at[i].fd);
        bytes_fini(&s->at[i].in);
    }
}

/* False: one that reads was dropped, or they were told nothing. */
static inline bool consoles_report(const struct consoles *s)
{
    bool ok = s->n == 0 || (s->dropped == 0 && s->messages > s->n);
    (void) printf("\"feed\":{\"messages\":%llu,\"bytes\":%llu,\"dropped\":%u,\"ok\":%s},",
                  (unsigned long long) s->messages, (unsigned long long) s->bytes, s->dropped,
                  ok ? "true" : "false");
    return ok;
}

#endif
