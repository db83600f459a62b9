/* publish.h - the sending side of the load client: one HTTP connection on thread 0 that posts
 * messages, and the patterns that say when.
 *
 *   one    a message, wait until every connection has it, the next
 *   burst  the same with `burst` messages in one request
 *   rate   `rate` messages a second, whether or not the earlier ones have arrived
 *
 * The pattern "overload" is burst, to find out what is sustainable, and then rate with a multiple.
 */
#ifndef BENCH_PUBLISH_H
#define BENCH_PUBLISH_H

#include "receive.h"

#define PUBLISH_HEAD_ROOM 1024 /* in front of the body: its length is known last */
#define PUBLISH_RETRY_NS  (20 * UINT64_C(1000000))
#define PUBLISH_AT_ONCE   1000 /* messages of one request when the server is overloaded */

struct publisher {
    struct run *run;
    enum pattern mode;         /* idle, one, burst or rate */
    struct receiver *receiver; /* thread 0 */
    struct sockaddr_storage address;
    socklen_t address_len;
    int fd;    /* -1: not connected */
    bool busy; /* requests are under way: so many are not answered */
    unsigned awaited;
    bool writing;     /* watched for EPOLLOUT */
    struct bytes out; /* PUBLISH_HEAD_ROOM, then the body */
    size_t at;        /* of what is to be sent next */
    size_t start;     /* where the request begins */
    char in[8192];    /* the response */
    size_t in_len;
    uint64_t published; /* the last sequence number */
    uint64_t due_ns;    /* rate: when the next message ought to go out */
    uint64_t again_ns;  /* after a 503 */
    uint64_t requests, busy_answers;
    char first_answer[256]; /* for the report: what the server said to the first */
};

static inline void publisher_watch(struct publisher *p, bool writing)
{
    if (p->writing == writing)
        return;
    p->writing = writing;
    receiver_watch(p->receiver, EPOLL_CTL_MOD, p->fd, EPOLLIN | (writing ? (uint32_t) EPOLLOUT : 0),
                   p);
}

static inline void publisher_connect(struct publisher *p)
{
    p->fd = socket(p->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->fd < 0 || connect(p->fd, (struct sockaddr *) &p->address, p->address_len) < 0)
        die("publish to %s: %s", p->run->publish, strerror(errno));
    socket_nodelay(p->fd);
    p->writing = false;
    receiver_watch(p->receiver, EPOLL_CTL_ADD, p->fd, EPOLLIN, p);
}

static inline void publisher_disconnect(struct publisher *p)
{
    (void) close(p->fd);
    p->fd = -1;
}

/* Connects when there is something to send, not before: a server may refuse to wait for the first
 * request while thousands of WebSocket connections open. */
static inline void publisher_write(struct publisher *p)
{
    if (p->fd < 0)
        publisher_connect(p);
    ssize_t n = send(p->fd, p->out.data + p->at, p->out.len - p->at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN)
        die("publish: %s", strerror(errno));
    p->at += n < 0 ? 0 : (size_t) n;
    publisher_watch(p, p->at < p->out.len);
}

static inline int publisher_head(const struct publisher *p, char head[PUBLISH_HEAD_ROOM], size_t n)
{
    const struct run *run = p->run;
    int len = snprintf(head, PUBLISH_HEAD_ROOM,
                       "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\n"
                       "Content-Length: %zu\r\nContent-Type: %s\r\n\r\n",
                       run->publish_path, run->publish, n, message_content_type(&run->message));
    if (len < 0 || len >= PUBLISH_HEAD_ROOM)
        die("the publish path is too long");
    return len;
}

/* A request for each message, all of them at once. */
static inline void publisher_add_single(struct publisher *p, uint64_t seq, uint64_t sent_ns)
{
    char head[PUBLISH_HEAD_ROOM], json[MESSAGE_MAX];
    size_t n = message_write(json, &p->run->message, seq, sent_ns);
    bytes_add(&p->out, head, (size_t) publisher_head(p, head, n));
    bytes_add(&p->out, json, n);
}

/* `n` messages in one request. For `rate` each carries the time it was due, not the time it got its
 * turn: a server that stalls the publisher must not look faster for it. */
static inline void publisher_post(struct publisher *p, unsigned n, uint64_t sent_ns,
                                  uint64_t step_ns)
{
    struct run *run = p->run;
    p->out.len = 0;
    (void) bytes_room(&p->out, PUBLISH_HEAD_ROOM);
    p->out.len = PUBLISH_HEAD_ROOM;
    bool single = run->message.form == FORM_SINGLE;
    message_begin(&p->out, &run->message);
    for (unsigned i = 0; i < n; i++) {
        if (single)
            publisher_add_single(p, ++p->published, sent_ns + i * step_ns);
        else
            message_add(&p->out, &run->message, ++p->published, sent_ns + i * step_ns, i == 0);
    }
    message_end(&p->out, &run->message);
    p->start = PUBLISH_HEAD_ROOM;
    if (!single) {
        char head[PUBLISH_HEAD_ROOM];
        size_t len = (size_t) publisher_head(p, head, p->out.len - PUBLISH_HEAD_ROOM);
        p->start -= len;
        memcpy(p->out.data + p->start, head, len);
    }
    p->at = p->start;
    p->in_len = 0;
    p->busy = true;
    p->awaited = single ? n : 1;
    p->requests += p->awaited;
    publisher_write(p);
}

/* The whole response is there: 2xx is done, 503 comes again, anything else ends the run, and so
 * does 503 to one request of many: those behind it may have been taken. */
static inline void publisher_answered(struct publisher *p, const char *body)
{
    int status = atoi(p->in + 9);
    bool closes = strcasestr(p->in, "\r\nConnection: close") != NULL;
    if (p->first_answer[0] == '\0')
        (void) snprintf(p->first_answer, sizeof(p->first_answer), "%d %.200s", status, body);
    if (closes)
        publisher_disconnect(p);
    if (status >= 200 && status < 300) {
        p->busy = --p->awaited > 0;
    } else if (status == 503 && p->run->message.form != FORM_SINGLE) {
        p->busy_answers++;
        p->again_ns = now_ns() + PUBLISH_RETRY_NS;
    } else {
        (void) fprintf(stderr, "publish: the server answered %d %s\n", status, body);
        p->run->failed = true;
    }
}

static inline void publisher_read(struct publisher *p)
{
    ssize_t n = recv(p->fd, p->in + p->in_len, sizeof(p->in) - 1 - p->in_len, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || !p->busy) { /* idle for too long, and maybe told so: that is the server's right */
        if (p->busy) {
            (void) fprintf(stderr, "publish: the server closed the connection\n");
            p->run->failed = true;
            p->busy = false;
        }
        publisher_disconnect(p);
        return;
    }
    p->in_len += (size_t) n;
    while (p->busy && !p->run->failed) {
        p->in[p->in_len] = '\0';
        char *end = strstr(p->in, "\r\n\r\n");
        const char *length = strcasestr(p->in, "\r\nContent-Length:");
        if (end == NULL)
            return;
        size_t used = (size_t) (end + 4 - p->in);
        if (length != NULL && length < end)
            used += strtoul(length + 17, NULL, 10);
        if (p->in_len < used)
            return;
        publisher_answered(p, end + 4);
        p->in_len -= used;
        memmove(p->in, p->in + used, p->in_len);
    }
}

static inline void publisher_ready(void *self, uint32_t events)
{
    struct publisher *p = self;
    if ((events & EPOLLOUT) != 0)
        publisher_write(p);
    if ((events & ~(uint32_t) EPOLLOUT) != 0)
        publisher_read(p);
}

static inline bool publisher_drained(const struct publisher *p)
{
    if (p->busy)
        return !p->busy;
    if (!p->run->loose)
        return p->run->completed == p->published;
    const struct receiver *r = p->receiver;
    for (unsigned i = 0; i < r->n; i++)
        if (r->conns[i].state == CONN_OPEN && r->conns[i].next <= p->published)
            return false;
    return true;
}

/* Publishes what is due; returns how long the caller may wait for the next. */
static inline uint64_t publisher_turn(struct publisher *p)
{
    struct run *run = p->run;
    uint64_t now = now_ns();
    if (p->again_ns != 0 && now >= p->again_ns) {
        p->again_ns = 0;
        p->at = p->start;
        p->in_len = 0;
        publisher_write(p);
    }
    if (p->again_ns != 0)
        return p->again_ns - now;
    if (p->mode == PATTERN_RATE) {
        uint64_t step = NS_PER_S / run->rate, n = 0;
        if (now >= p->due_ns && !p->busy) {
            n = 1 + (now - p->due_ns) / step;
            if (run->loose && n > PUBLISH_AT_ONCE)
                n = PUBLISH_AT_ONCE;
            if (!run->loose && p->published + n - run->completed >= RUN_WINDOW) {
                (void) fprintf(stderr, "publish: %d messages are on their way\n", RUN_WINDOW);
                run->failed = true;
                return 0;
            }
            publisher_post(p, (unsigned) n, p->due_ns, step);
            p->due_ns += n * step;
        }
        return p->busy || p->due_ns <= now ? NS_PER_S / 10 : p->due_ns - now;
    }
    if (p->mode != PATTERN_IDLE && publisher_drained(p))
        publisher_post(p, p->mode == PATTERN_BURST ? run->burst : 1, now, 0);
    return NS_PER_S / 10;
}

static inline void publisher_init(struct publisher *p, struct run *run, struct receiver *receiver)
{
    *p = (struct publisher){.run = run, .mode = run->pattern, .receiver = receiver, .fd = -1};
    if (run->pattern == PATTERN_ACCEPT)
        p->mode = PATTERN_IDLE;
    p->address_len = address_parse(run->publish, &p->address);
    receiver->other = p;
    receiver->on_other = publisher_ready;
}

#endif
