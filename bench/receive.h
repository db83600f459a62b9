/* receive.h - the receiving side of the load client: connections, their handshakes, frames and
 * sequence. A thread owns its connections.
 *
 *   receiver_turn > open_some ... conn_ready > on_connected (> conn_shake) > on_handshake >
 * on_bytes > on_frame > on_message
 */
#ifndef BENCH_RECEIVE_H
#define BENCH_RECEIVE_H

#include "deflate.h"
#include "run.h"
#include "said.h"
#include "tls.h"
#include "ws.h"

#include <pthread.h>
#include <sys/epoll.h>

#define RECEIVE_BYTES     (256u << 10) /* of one recv(); stays in the core's own cache */
#define RECEIVE_FRAME_MAX (192u << 10)
#define RECEIVE_MESSAGE   (4u << 20)
#define RECEIVE_RECORD    (32u << 10) /* more than one of TLS: part of it may have come before */
#define OPENING_AT_ONCE   128         /* handshakes under way per thread */
#define PORTS_PER_SOURCE  20000       /* the system has about 28,000 per address */

enum conn_state { CONN_CONNECTING, CONN_TLS, CONN_HANDSHAKE, CONN_OPEN, CONN_CLOSING, CONN_CLOSED };

struct conn {
    int fd;
    enum conn_state state;
    bool in_message;      /* a fragment without FIN has come */
    bool compressed;      /* the message that it belongs to */
    bool stalled;         /* never reads after its handshake */
    bool slow;            /* the server said 1013 */
    unsigned path;        /* with --paths: which */
    uint64_t since_ns;    /* when it was begun to open */
    uint64_t next;        /* the sequence number expected */
    uint64_t seen;        /* bit i: `next - 1 - i` has come */
    struct tls_link *tls; /* NULL: plain */
    struct bytes rest;    /* of what was read: a cut frame or response */
    struct bytes pieces;  /* of a fragmented message */
    char accept[WS_ACCEPT_LEN + 1];
};

/* Counted per thread, summed for the report. From `frames` on: of the measured part only. */
struct counts {
    uint64_t refused; /* connections that did not open */
    uint64_t lost;    /* skipped in the sequence, and not come later either */
    uint64_t duplicated, reordered, foreign;
    uint64_t protocol; /* frames that may not be */
    uint64_t closed;   /* by the server, before we closed; but for these two of an overload: */
    uint64_t slow_closed, slow_reset;
    uint64_t unanswered; /* our close frames */
    uint64_t pings;
    uint64_t frames, messages, bytes, reads;
    uint64_t records; /* of TLS, with data in them */
};

struct receiver {
    struct run *run;
    unsigned index;
    pthread_t thread;
    int epoll;
    struct conn *conns;
    unsigned n, opening, started, closed;
    unsigned n_reading; /* connections that are not stalled */
    uint64_t opened;
    size_t hint; /* message_find() */
    struct inflater inflater;
    struct tls_client tls;
    uint64_t now;
    struct {
        uint64_t seq;
        unsigned got;
    } arrived[RUN_WINDOW];
    struct counts counts;
    struct hist each, last; /* latency of every receipt; of the last receiver of each message. With
                               PATTERN_ACCEPT: of every handshake; nothing */
    struct said said;       /* with --say */
    unsigned close_codes[5000];
    void (*on_other)(void *self, uint32_t events); /* thread 0's publisher */
    void *other;
    /* NULL: messages are numbered for each connection, see on_message() */
    void (*on_data)(struct receiver *r, struct conn *c, const uint8_t *p, size_t n);
    uint8_t buffer[RECEIVE_BYTES + RECEIVE_FRAME_MAX];
    uint8_t records[RECEIVE_BYTES - RECEIVE_RECORD]; /* of one recv(), encrypted */
};

static inline void receiver_watch(struct receiver *r, int op, int fd, uint32_t events, void *data)
{
    struct epoll_event e = {.events = events, .data.ptr = data};
    if (epoll_ctl(r->epoll, op, fd, &e) < 0)
        die("epoll_ctl: %s", strerror(errno));
}

static inline void conn_drop(struct receiver *r, struct conn *c)
{
    c->state = CONN_CLOSED;
    r->closed++;
    (void) close(c->fd);
    tls_link_free(c->tls);
    c->tls = NULL;
    bytes_fini(&c->rest);
    bytes_fini(&c->pieces);
}

static inline void conn_close(struct receiver *r, struct conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    if (c->state <= CONN_HANDSHAKE) {
        r->opening--;
        r->counts.refused++;
        r->run->failed = true;
    } else if (c->state == CONN_OPEN && r->run->loose && c->slow) {
        r->counts.slow_closed++;
    } else if (c->state == CONN_OPEN) {
        r->counts.closed++;
        r->run->failed = true;
    }
    conn_drop(r, c);
}

/* Without a goodbye: no TIME_WAIT is left of it, on either side. */
static inline void conn_abort(struct receiver *r, struct conn *c)
{
    socket_reset_on_close(c->fd);
    conn_drop(r, c);
}

static inline void conn_bad(struct receiver *r, struct conn *c)
{
    r->counts.protocol++;
    conn_close(r, c);
}

/* Sends all of it or nothing: what a client says fits into its socket. */
static inline bool conn_send(struct conn *c, const void *p, size_t n)
{
    if (c->tls != NULL)
        return mbedtls_ssl_write(&c->tls->ssl, p, n) == (int) n;
    return send(c->fd, p, n, MSG_NOSIGNAL) == (ssize_t) n;
}

static inline void conn_request(struct receiver *r, struct conn *c)
{
    uint64_t nonce[2] = {now_ns() * 0x9e3779b97f4a7c15u,
                         (uint64_t) (uintptr_t) c ^ r->run->message.run};
    char key[WS_KEY_LEN + 1], request[1024];
    ws_base64((const uint8_t *) nonce, sizeof(nonce), key);
    ws_accept(key, c->accept);
    char number[8] = "";
    if (r->run->paths > 0)
        (void) snprintf(number, sizeof(number), "%04u", c->path % 10000);
    int n = snprintf(
        request, sizeof(request),
        "GET %s%s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "%sSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n",
        r->run->path, number, r->run->connect, r->run->deflate ? DEFLATE_OFFER "\r\n" : "", key);
    if (n < 0 || (size_t) n >= sizeof(request))
        die("the path is too long");
    if (!conn_send(c, request, (size_t) n)) {
        conn_close(r, c);
        return;
    }
    c->state = CONN_HANDSHAKE;
}

/* A step of TLS's handshake. */
static inline void conn_shake(struct receiver *r, struct conn *c)
{
    int done = tls_shake(&r->tls, c->tls);
    if (done < 0) {
        (void) fprintf(stderr, "the TLS handshake has failed\n");
        conn_close(r, c);
    } else if (done > 0) {
        conn_request(r, c);
    }
}

static inline void on_connected(struct receiver *r, struct conn *c)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0) {
        (void) fprintf(stderr, "connect: %s\n", strerror(error));
        conn_close(r, c);
        return;
    }
    receiver_watch(r, EPOLL_CTL_MOD, c->fd, EPOLLIN, c);
    if (!r->tls.on) {
        conn_request(r, c);
        return;
    }
    c->state = CONN_TLS;
    c->tls = tls_link_new(&r->tls, c->fd);
    conn_shake(r, c);
}

static inline void conn_open(struct receiver *r, struct conn *c, unsigned number)
{
    const struct run *run = r->run;
    *c = (struct conn){.next = run->first,
                       .path = run->paths > 0 ? number % run->paths : 0,
                       .stalled = number >= run->connections,
                       .since_ns = now_ns()};
    c->fd = socket(run->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket: %s", strerror(errno));
    socket_nodelay(c->fd);
    if (c->stalled) { /* the sooner its window is full */
        int least = 1;
        (void) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
    }
    unsigned source = number / PORTS_PER_SOURCE;
    if (run->sources > 1)
        source = number % run->sources;
    if (run->address.ss_family == AF_INET && source > 0) {
        int one = 1;
        struct sockaddr_in from = {.sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK + source)};
        (void) setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
        if (bind(c->fd, (struct sockaddr *) &from, sizeof(from)) < 0)
            die("bind 127.0.0.%u: %s", source + 1, strerror(errno));
    }
    r->opening++;
    receiver_watch(r, EPOLL_CTL_ADD, c->fd, EPOLLOUT, c);
    if (connect(c->fd, (const struct sockaddr *) &run->address, run->address_len) < 0 &&
        errno != EINPROGRESS) {
        (void) fprintf(stderr, "connect: %s\n", strerror(errno));
        conn_close(r, c);
    }
}

static inline void open_some(struct receiver *r)
{
    while (r->started < r->n && r->opening < OPENING_AT_ONCE) {
        unsigned i = r->started++;
        conn_open(r, &r->conns[i], i * r->run->threads + r->index);
    }
}

/* The response head at `p`: how long it is, 0 when incomplete, SIZE_MAX when it is not a good one.
 */
static inline size_t handshake_check(const struct conn *c, bool deflate, uint8_t *p, size_t n)
{
    uint8_t *end = memmem(p, n, "\r\n\r\n", 4);
    if (end == NULL)
        return n > 16384 ? SIZE_MAX : 0;
    *end = '\0';
    if (strncmp((const char *) p, "HTTP/1.1 101 ", 13) != 0)
        return SIZE_MAX;
    static const char name[] = "\r\nSec-WebSocket-Accept:";
    const char *accept = strcasestr((const char *) p, name);
    if (accept == NULL)
        return SIZE_MAX;
    accept += sizeof(name) - 1;
    accept += strspn(accept, " \t");
    if (strncmp(accept, c->accept, WS_ACCEPT_LEN) != 0)
        return SIZE_MAX;
    if (!deflate_agreed((const char *) p, deflate))
        return SIZE_MAX;
    return (size_t) (end - p) + 4;
}

/* A message that is not the one expected: false when it had come already. */
static inline bool sequence_odd(struct receiver *r, struct conn *c, uint64_t seq)
{
    if (seq >= c->next) {
        uint64_t gap = seq - c->next;
        r->counts.lost += gap;
        c->seen = gap >= 63 ? 1 : c->seen << (gap + 1) | 1;
        c->next = seq + 1;
        return true;
    }
    uint64_t back = c->next - 1 - seq; /* further back than `seen` reaches counts as a duplicate */
    if (back >= 64 || (c->seen >> back & 1) != 0) {
        r->counts.duplicated++;
        return false;
    }
    c->seen |= UINT64_C(1) << back;
    r->counts.lost--;
    r->counts.reordered++;
    return true;
}

/* Every connection of this thread has the message. */
static inline void message_done(struct receiver *r, uint64_t seq, uint64_t age, bool measured)
{
    struct run *run = r->run;
    _Atomic unsigned *done = &run->done[seq % RUN_WINDOW];
    if (atomic_fetch_add(done, 1) + 1 < run->threads)
        return;
    *done = 0;
    if (measured)
        hist_add(&r->last, age);
    atomic_fetch_add(&run->completed, 1);
    if (r->index != 0)
        run_wake(run);
}

static inline void on_message(struct receiver *r, struct conn *c, const uint8_t *p, size_t n)
{
    uint64_t seq, sent;
    if (r->on_data != NULL) {
        r->on_data(r, c, p, n);
        return;
    }
    if (r->run->say > 0 && said_take(&r->said, p, n, r->run->measured_from != UINT64_MAX))
        return;
    if (!message_find(p, n, &r->hint, &seq, &sent) ||
        (r->run->message.paths > 0 && !message_is_for(p, r->hint, c->path))) {
        r->counts.foreign++;
        return;
    }
    if (seq == c->next) {
        c->next++;
        c->seen = c->seen << 1 | 1;
    } else if (!sequence_odd(r, c, seq)) {
        return;
    }
    uint64_t age = r->now > sent ? r->now - sent : 0;
    bool measured = seq >= atomic_load_explicit(&r->run->measured_from, memory_order_relaxed);
    if (measured) {
        r->counts.messages++;
        hist_add(&r->each, age);
    }
    if (r->run->loose) /* nobody waits for the last one: it may have been closed */
        return;
    unsigned slot = (unsigned) (seq % RUN_WINDOW);
    if (r->arrived[slot].seq != seq) {
        r->arrived[slot].seq = seq;
        r->arrived[slot].got = 0;
        if (r->run->message.batch > 1 && message_events(p, n) != r->run->message.batch)
            r->counts.foreign++;
    }
    if (++r->arrived[slot].got == r->n_reading)
        message_done(r, seq, age, measured);
}

static inline void on_control(struct receiver *r, struct conn *c, unsigned opcode,
                              const uint8_t *payload, size_t n)
{
    uint8_t answer[WS_CONTROL_FRAME];
    if (opcode == WS_PING) {
        r->counts.pings++;
        size_t len = ws_client_control(answer, WS_PONG, payload, n);
        if (!conn_send(c, answer, len))
            conn_bad(r, c); /* the server does not read: nothing else fills this direction */
    } else if (opcode == WS_CLOSE) {
        unsigned code = n >= 2 ? (unsigned) payload[0] << 8 | payload[1] : 1005;
        if (c->state == CONN_OPEN) {
            r->close_codes[code < 5000 ? code : 0]++;
            c->slow = code == 1013;
            size_t len = ws_client_control(answer, WS_CLOSE, payload, n);
            (void) conn_send(c, answer, len);
        }
        conn_close(r, c);
    }
}

/* A whole message as it came. */
static inline void on_payload(struct receiver *r, struct conn *c, const uint8_t *p, size_t n)
{
    if (c->compressed) {
        p = inflater_plain(&r->inflater, c->next, p, n, &n);
        if (p == NULL) {
            conn_bad(r, c);
            return;
        }
    }
    on_message(r, c, p, n);
}

/* One whole frame. */
static inline void on_frame(struct receiver *r, struct conn *c, const struct ws_head *h,
                            const uint8_t *payload)
{
    size_t n = (size_t) h->payload_len;
    if (h->opcode >= WS_CLOSE) {
        on_control(r, c, h->opcode, payload, n);
        return;
    }
    if ((h->opcode == WS_CONTINUATION) != c->in_message) {
        conn_bad(r, c);
        return;
    }
    r->counts.frames++;
    if (!c->in_message)
        c->compressed = h->compressed;
    if (h->fin && !c->in_message) {
        on_payload(r, c, payload, n);
        return;
    }
    if (c->pieces.len + n > RECEIVE_MESSAGE) {
        conn_bad(r, c);
        return;
    }
    bytes_add(&c->pieces, payload, n);
    c->in_message = !h->fin;
    if (h->fin) {
        on_payload(r, c, c->pieces.data, c->pieces.len);
        c->pieces.len = 0;
    }
}

/* How many of the `n` bytes made whole frames. */
static inline size_t on_bytes(struct receiver *r, struct conn *c, const uint8_t *p, size_t n)
{
    size_t used = 0;
    struct ws_head h;
    while (c->state == CONN_OPEN || c->state == CONN_CLOSING) {
        int found = ws_head_parse(p + used, n - used, &h);
        if (found < 0 || (found > 0 && (h.masked || (h.compressed && !r->run->deflate) ||
                                        h.payload_len > RECEIVE_FRAME_MAX - 16))) {
            conn_bad(r, c);
            break;
        }
        if (found == 0 || n - used < h.head_len + h.payload_len)
            break;
        on_frame(r, c, &h, p + used + h.head_len);
        used += h.head_len + (size_t) h.payload_len;
    }
    return used;
}

/* The handshake is done. */
static inline void on_open(struct receiver *r, struct conn *c)
{
    struct run *run = r->run;
    c->state = CONN_OPEN;
    r->opening--;
    r->opened++;
    if (run->pattern == PATTERN_ACCEPT) { /* the next one in its place */
        if (run->measured_from == 0)
            hist_add(&r->each, r->now - c->since_ns);
        conn_abort(r, c);
        r->closed--;
        conn_open(r, c, (unsigned) (c - r->conns) * run->threads + r->index);
        return;
    }
    if (c->stalled)
        receiver_watch(r, EPOLL_CTL_DEL, c->fd, 0, NULL);
    if (atomic_fetch_add(&run->opened, 1) + 1 == run->connections + run->stalled && r->index != 0)
        run_wake(run);
}

/* As recv(), whatever is around it; what came over the wire is counted. */
static inline ssize_t conn_read(struct receiver *r, struct conn *c, uint8_t *ret)
{
    ssize_t got = c->tls == NULL ? recv(c->fd, ret, RECEIVE_BYTES, 0)
                                 : recv(c->fd, r->records, sizeof(r->records), 0);
    if (got <= 0)
        return got;
    r->counts.reads++;
    r->counts.bytes += (size_t) got;
    if (c->tls == NULL)
        return got;
    tls_feed(c->tls, r->records, (size_t) got);
    if (c->state == CONN_TLS)
        conn_shake(r, c);
    if (c->state == CONN_CLOSED || c->state == CONN_TLS) {
        errno = EAGAIN;
        return -1;
    }
    return tls_read(&r->tls, c->tls, ret, RECEIVE_BYTES, &r->counts.records);
}

static inline void conn_receive(struct receiver *r, struct conn *c)
{
    size_t held = c->rest.len; /* less than a frame, so the buffer has room behind it */
    if (held > 0)
        memcpy(r->buffer, c->rest.data, held);
    ssize_t got = conn_read(r, c, r->buffer + held);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        if (got < 0 && errno == ECONNRESET && r->run->loose && c->state == CONN_OPEN && !c->slow) {
            r->counts.slow_reset++;
            conn_drop(r, c);
        }
        conn_close(r, c);
        return;
    }
    r->now = now_ns();
    size_t n = held + (size_t) got, used = 0;
    if (c->state == CONN_HANDSHAKE) {
        used = handshake_check(c, r->run->deflate, r->buffer, n);
        if (used == SIZE_MAX) {
            (void) fprintf(stderr, "handshake refused: %.*s\n",
                           (int) strcspn((const char *) r->buffer, "\r\n"), (char *) r->buffer);
            conn_close(r, c);
            return;
        }
        if (used > 0) {
            on_open(r, c);
            if (r->run->pattern == PATTERN_ACCEPT)
                return;
        }
    }
    used += on_bytes(r, c, r->buffer + used, n - used);
    if (c->state == CONN_CLOSED)
        return;
    c->rest.len = 0;
    bytes_add(&c->rest, r->buffer + used, n - used);
}

/* Our close frame to everyone; the server's answer ends each connection. */
static inline void receiver_close(struct receiver *r)
{
    for (unsigned i = 0; i < r->started; i++) {
        struct conn *c = &r->conns[i];
        if (r->run->pattern == PATTERN_ACCEPT || (c->stalled && c->state == CONN_OPEN)) {
            conn_abort(r, c);
            continue;
        }
        if (c->state != CONN_OPEN) {
            conn_close(r, c);
            continue;
        }
        uint8_t frame[WS_CONTROL_FRAME];
        size_t len = ws_client_control(frame, WS_CLOSE, (const uint8_t *) "\x03\xe8", 2); /* 1000 */
        c->state = CONN_CLOSING;
        if (!conn_send(c, frame, len))
            conn_close(r, c);
    }
}

/* One round of epoll, waiting at most `wait_ns`. */
static inline void receiver_turn(struct receiver *r, uint64_t wait_ns)
{
    struct epoll_event events[256];
    struct timespec wait = {.tv_sec = (time_t) (wait_ns / NS_PER_S),
                            .tv_nsec = (long) (wait_ns % NS_PER_S)};
    if (r->run->spin)
        wait = (struct timespec){0};
    open_some(r);
    int n = epoll_pwait2(r->epoll, events, 256, &wait, NULL);
    for (int i = 0; i < n; i++) {
        void *what = events[i].data.ptr;
        if (what == r->run) {
            uint64_t count;
            (void) !read(r->run->wake, &count, sizeof(count));
        } else if (what == r->other) {
            r->on_other(r->other, events[i].events);
        } else {
            struct conn *c = what;
            if (c->state == CONN_CONNECTING)
                on_connected(r, c);
            else if (c->state != CONN_CLOSED)
                conn_receive(r, c);
        }
    }
}

/* Waits, at most 5 s, until the server has answered every close. */
static inline void receiver_finish(struct receiver *r)
{
    receiver_close(r);
    for (uint64_t until = now_ns() + 5 * NS_PER_S; r->closed < r->started && now_ns() < until;)
        receiver_turn(r, NS_PER_S / 10);
    for (unsigned i = 0; i < r->started; i++) {
        if (r->conns[i].state != CONN_CLOSED) {
            r->counts.unanswered++;
            conn_close(r, &r->conns[i]);
        }
    }
}

static inline void *receiver_thread(void *self)
{
    struct receiver *r = self;
    while (!r->run->closing)
        receiver_turn(r, NS_PER_S / 10);
    receiver_finish(r);
    return NULL;
}

static inline struct receiver *receiver_new(struct run *run, unsigned index)
{
    struct receiver *r = calloc(1, sizeof(*r));
    if (r == NULL)
        die("out of memory");
    r->run = run;
    r->index = index;
    r->n_reading = run->connections / run->threads + (index < run->connections % run->threads);
    unsigned all = run->connections + run->stalled;
    r->n = all / run->threads + (index < all % run->threads);
    inflater_init(&r->inflater);
    if (run->tls != NULL)
        tls_client_init(&r->tls, run->tls, run->tls_resume);
    r->conns = calloc(r->n, sizeof(*r->conns));
    r->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (r->conns == NULL || r->epoll < 0)
        die("out of memory or descriptors");
    if (index == 0)
        receiver_watch(r, EPOLL_CTL_ADD, run->wake, EPOLLIN, run);
    return r;
}

#endif
