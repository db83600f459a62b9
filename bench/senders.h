/* senders.h - many registries at once: keep-alive HTTP connections that post envelopes, each its
 * next one as soon as the last is answered. One thread, its own epoll.
 *
 *   senders_turn > sender_ready > sender_read > sender_answered > sender_post
 */
#ifndef BENCH_SENDERS_H
#define BENCH_SENDERS_H

#include "hist.h"
#include "message.h"

#include <sys/epoll.h>

#define SENDERS_HEAD_ROOM 1024 /* in front of the body: its length is known last */
#define SENDERS_RETRY_NS  (20 * UINT64_C(1000000))
#define SENDERS_STATUSES  600

struct sender {
    int fd;
    bool busy;         /* a request is under way */
    bool writing;      /* watched for EPOLLOUT */
    struct bytes out;  /* SENDERS_HEAD_ROOM, then the body */
    size_t at;         /* of what is to be sent next */
    size_t in_len;     /* of the answer */
    uint64_t sent_ns;  /* when the request was begun */
    uint64_t again_ns; /* after an answer that was not good: when to go on; 0: now */
    char in[4096];
};

struct senders {
    /* options */
    const char *publish, *path;
    struct message_options message;
    unsigned n, per_request;
    uint64_t limit; /* events to send in all; 0: no limit */

    struct sockaddr_storage address;
    socklen_t address_len;
    int epoll;
    struct sender *all;
    bool measuring, stopping, failed;
    unsigned busy, waiting;                /* requests under way; senders with again_ns */
    uint64_t sequence;                     /* events made so far */
    uint64_t accepted_ever;                /* events answered with 2xx */
    uint64_t requests, events, sent_bytes; /* of the measured part: answered with 2xx */
    uint64_t not_2xx, disconnected;        /* of the whole run */
    uint64_t status[SENDERS_STATUSES];
    char complaint[256]; /* the first answer that was not 2xx */
    struct hist latency;
};

static inline void sender_watch(struct senders *s, struct sender *c, int op, bool writing)
{
    struct epoll_event e = {.events = EPOLLIN | (writing ? (uint32_t) EPOLLOUT : 0), .data.ptr = c};
    if (epoll_ctl(s->epoll, op, c->fd, &e) < 0)
        die("epoll_ctl: %s", strerror(errno));
    c->writing = writing;
}

static inline void sender_connect(struct senders *s, struct sender *c)
{
    c->fd = socket(s->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *) &s->address, s->address_len) < 0)
        die("connect to %s: %s", s->publish, strerror(errno));
    socket_nodelay(c->fd);
    sender_watch(s, c, EPOLL_CTL_ADD, false);
}

static inline void sender_write(struct senders *s, struct sender *c)
{
    ssize_t n = send(c->fd, c->out.data + c->at, c->out.len - c->at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN && errno != EPIPE && errno != ECONNRESET)
        die("send: %s", strerror(errno));
    c->at += n < 0 ? 0 : (size_t) n; /* a connection that is gone is noticed by reading */
    if (c->writing != (c->at < c->out.len))
        sender_watch(s, c, EPOLL_CTL_MOD, c->at < c->out.len);
}

/* The next request, of images and tags that no other has. */
static inline void sender_post(struct senders *s, struct sender *c)
{
    if (s->stopping || (s->limit > 0 && s->sequence >= s->limit))
        return;
    c->out.len = 0;
    (void) bytes_room(&c->out, SENDERS_HEAD_ROOM);
    c->out.len = SENDERS_HEAD_ROOM;
    message_begin(&c->out, &s->message);
    uint64_t now = now_ns();
    for (unsigned i = 0; i < s->per_request; i++)
        message_add(&c->out, &s->message, ++s->sequence, now, i == 0);
    message_end(&c->out, &s->message);
    char head[SENDERS_HEAD_ROOM];
    int len = snprintf(head, sizeof(head),
                       "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\n"
                       "Content-Length: %zu\r\nContent-Type: %s\r\n\r\n",
                       s->path, s->publish, c->out.len - SENDERS_HEAD_ROOM,
                       message_content_type(&s->message));
    if (len < 0 || (size_t) len >= sizeof(head))
        die("the publish path is too long");
    c->at = SENDERS_HEAD_ROOM - (size_t) len;
    memcpy(c->out.data + c->at, head, (size_t) len);
    c->in_len = 0;
    c->busy = true;
    s->busy++;
    c->sent_ns = now_ns();
    sender_write(s, c);
}

static inline void sender_answered(struct senders *s, struct sender *c, const char *body)
{
    int status = atoi(c->in + 9);
    bool good = status >= 200 && status < 300;
    c->busy = false;
    s->busy--;
    s->status[status > 0 && status < SENDERS_STATUSES ? status : 0]++;
    if (good) {
        s->accepted_ever += s->per_request;
    } else {
        s->not_2xx++;
        if (s->complaint[0] == '\0')
            (void) snprintf(s->complaint, sizeof(s->complaint), "%d %.200s", status, body);
    }
    if (good && s->measuring) {
        hist_add(&s->latency, now_ns() - c->sent_ns);
        s->requests++;
        s->events += s->per_request;
        s->sent_bytes += c->out.len - SENDERS_HEAD_ROOM;
    }
    if (strcasestr(c->in, "\r\nConnection: close") != NULL) {
        (void) close(c->fd);
        s->disconnected++;
        sender_connect(s, c);
    }
    if (good) {
        sender_post(s, c);
    } else {
        c->again_ns = now_ns() + SENDERS_RETRY_NS;
        s->waiting++;
    }
}

static inline void sender_lost(struct senders *s, struct sender *c)
{
    (void) close(c->fd);
    c->fd = -1;
    s->disconnected++;
    if (c->busy) {
        c->busy = false;
        s->busy--;
        s->failed = true; /* no answer: the event may be there or not */
    }
    if (!s->failed && !s->stopping)
        sender_connect(s, c);
}

static inline void sender_read(struct senders *s, struct sender *c)
{
    ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - 1 - c->in_len, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || !c->busy) {
        sender_lost(s, c);
        return;
    }
    c->in_len += (size_t) n;
    c->in[c->in_len] = '\0';
    char *end = strstr(c->in, "\r\n\r\n");
    if (end == NULL)
        return;
    const char *length = strcasestr(c->in, "\r\nContent-Length:");
    size_t body = length == NULL || length > end ? 0 : strtoul(length + 17, NULL, 10);
    if (c->in_len >= (size_t) (end + 4 - c->in) + body)
        sender_answered(s, c, end + 4);
}

/* One round of epoll, waiting at most `wait_ns`. */
static inline void senders_turn(struct senders *s, uint64_t wait_ns)
{
    struct epoll_event events[256];
    struct timespec wait = {.tv_sec = (time_t) (wait_ns / NS_PER_S),
                            .tv_nsec = (long) (wait_ns % NS_PER_S)};
    int n = epoll_pwait2(s->epoll, events, 256, &wait, NULL);
    for (int i = 0; i < n; i++) {
        struct sender *c = events[i].data.ptr;
        if ((events[i].events & EPOLLOUT) != 0)
            sender_write(s, c);
        if ((events[i].events & ~(uint32_t) EPOLLOUT) != 0)
            sender_read(s, c);
    }
    for (unsigned i = 0; s->waiting > 0 && i < s->n; i++) {
        struct sender *c = &s->all[i];
        if (c->again_ns == 0 || now_ns() < c->again_ns)
            continue;
        c->again_ns = 0;
        s->waiting--;
        sender_post(s, c);
    }
}

static inline void senders_start(struct senders *s)
{
    s->address_len = address_parse(s->publish, &s->address);
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->all = calloc(s->n, sizeof(*s->all));
    if (s->epoll < 0 || s->all == NULL)
        die("out of memory or descriptors");
    for (unsigned i = 0; i < s->n; i++) {
        sender_connect(s, &s->all[i]);
        sender_post(s, &s->all[i]);
    }
}

/* All that was sent is answered, and nothing more will be. */
static inline bool senders_done(const struct senders *s)
{
    return s->busy == 0 && (s->stopping || (s->limit > 0 && s->sequence >= s->limit));
}

#endif
