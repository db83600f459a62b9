/* probe.h - what everybody else notices while the server is busy: the clients of a quiet path, who
 * pings, who connects, who posts, who asks for health, who lists triggers. Few connections on a
 * thread of their own, which goes before the load client's on the core that they share, so that
 * what is measured is the server's delay and not the load client's.
 *
 * Each item asks at a fixed pace, one request at a time; its latency counts from when the request
 * was due, so a server that is late once is late for all that had to wait. Those of a kind take
 * turns, so that one of them has time to wait before it is due again.
 *
 *   probe_thread > probe_turn > item_ask ... item_ready > item_read > on_http / on_upgrade /
 *                on_ws_frame
 */
#ifndef BENCH_PROBE_H
#define BENCH_PROBE_H

#include "print.h"
#include "run.h"
#include "ws.h"

#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>

#define PROBE_ITEMS      512
#define PROBE_READ       (256u << 10)
#define PROBE_POSTERS    4
#define PROBE_POST_NS    (PROBE_POSTERS * NS_PER_S / 50) /* 50 a second, all posters together */
#define PROBE_PING_NS    (NS_PER_S / 10) /* of each connection: 20 a second are allowed */
#define PROBE_ACCEPTORS  16
#define PROBE_ACCEPT_NS  (PROBE_ACCEPTORS * NS_PER_S / 100)
#define PROBE_OFFSET_NS  (NS_PER_S / 200) /* the quiet message after the big path's */
#define PROBE_LAST_NS    (5 * NS_PER_S)   /* for the last answers */
#define PROBE_LISTERS    8
#define PROBE_LISTED     "\"createdAt\":" /* once for each trigger of a list */
#define PROBE_QUIET_PATH "/quiet"
#define PROBE_QUIET_REPO "bench/quiet"

enum probe_kind {
    PROBE_POST,
    PROBE_HEALTH,
    PROBE_LIST,
    PROBE_ACCEPT,
    PROBE_QUIET,
    PROBE_BUSY,
    PROBE_N_KINDS
};
static const char *const PROBE_KIND_NAMES[PROBE_N_KINDS] = {
    "a webhook", "/healthz", "a list of triggers", "a handshake", "a quiet client", "a client"};

/* What is measured, in the order of the report. */
enum probe_hist {
    PROBE_LATENCY_QUIET, /* a message of the quiet path, to each of its clients */
    PROBE_LATENCY_PING_QUIET,
    PROBE_LATENCY_PING_BUSY,
    PROBE_LATENCY_ACCEPT,
    PROBE_LATENCY_POST,
    PROBE_LATENCY_HEALTH,
    PROBE_LATENCY_LIST,
    PROBE_N_HISTS
};
static const char *const PROBE_HIST_NAMES[PROBE_N_HISTS] = {
    "quiet_us", "ping_quiet_us", "ping_us", "accept_us", "webhook_us", "health_us", "list_us"};

struct probe_item {
    enum probe_kind kind;
    int fd;
    bool waiting, open;        /* for an answer; upgraded */
    uint64_t due_ns, again_ns; /* of the request under way; of the next: 0 is never */
    uint64_t every_ns, offset_ns;
    uint64_t next; /* busy path: the sequence number expected, 0: any */
    struct bytes in;
};

struct probe {
    struct run *run;
    pthread_t thread;
    bool started;
    int epoll;
    const char *priority;
    _Atomic uint64_t start_ns; /* of the part of the run that goes on: the pace begins there */
    uint64_t paced_from;
    _Atomic bool measuring, stop, failed;
    struct message_options message;
    uint64_t posted, received, refused_posts;
    uint64_t answered_503, lost, slow_closed, unanswered;
    uint64_t list_bytes;   /* of a list: all of them are the same, 0 before the first */
    uint64_t counted_from; /* the first quiet message of the measured part */
    struct hist hists[PROBE_N_HISTS];
    struct probe_item items[PROBE_ITEMS];
    unsigned n;
    char why[256]; /* it has failed */
    uint8_t buffer[PROBE_READ];
};

__attribute__((format(printf, 2, 3))) static inline void probe_fail(struct probe *p,
                                                                    const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!p->failed)
        (void) vsnprintf(p->why, sizeof(p->why), format, args);
    va_end(args);
    p->failed = true;
}

static inline void probe_note(struct probe *p, enum probe_hist which, uint64_t since_ns)
{
    if (p->measuring && since_ns >= p->start_ns)
        hist_add(&p->hists[which], now_ns() - since_ns);
}

/* Asked with HTTP, on a connection that stays. */
static inline bool item_is_http(const struct probe_item *i)
{
    return i->kind == PROBE_POST || i->kind == PROBE_HEALTH || i->kind == PROBE_LIST;
}

static inline void item_close(struct probe_item *i)
{
    if (i->fd >= 0)
        (void) close(i->fd);
    i->fd = -1;
    i->in.len = 0;
    i->open = i->waiting = false;
}

static inline void item_connect(struct probe *p, struct probe_item *i)
{
    const struct run *run = p->run;
    struct sockaddr_storage address = run->address;
    socklen_t len = run->address_len;
    if (item_is_http(i))
        len = address_parse(i->kind == PROBE_LIST ? run->manage : run->publish, &address);
    i->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = i};
    if (i->fd < 0 || epoll_ctl(p->epoll, EPOLL_CTL_ADD, i->fd, &e) < 0)
        die("probe: no descriptor");
    socket_nodelay(i->fd);
    if (connect(i->fd, (struct sockaddr *) &address, len) < 0 && errno != EINPROGRESS)
        probe_fail(p, "connect: %s", strerror(errno));
    /* On loopback a connection stands at once, or its SYN has met a full backlog. Then the first
     * send() finds it unfinished, and item_send() waits for it. */
}

static inline void item_send(struct probe *p, struct probe_item *i, const void *data, size_t n)
{
    ssize_t r = -1;
    for (unsigned tries = 0; tries < 5000; tries++) { /* of a millisecond, at the very most */
        r = send(i->fd, data, n, MSG_NOSIGNAL);
        if (r >= 0 || (errno != EAGAIN && errno != ENOTCONN && errno != EINPROGRESS))
            break;
        struct timespec pause = {.tv_nsec = 1000000};
        (void) nanosleep(&pause, NULL);
    }
    if (r != (ssize_t) n)
        probe_fail(p, "send: %s", r < 0 ? strerror(errno) : "cut short");
}

static inline void item_upgrade(struct probe *p, struct probe_item *i)
{
    static const char key[] = "cmVnY2FzdCBiZW5jaCBwcg==";
    char request[512];
    int n =
        snprintf(request, sizeof(request),
                 "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n",
                 i->kind == PROBE_QUIET ? PROBE_QUIET_PATH : p->run->path, p->run->connect, key);
    if (n < 0 || (size_t) n >= sizeof(request))
        die("the path is too long");
    item_send(p, i, request, (size_t) n);
}

static inline void item_post(struct probe *p, struct probe_item *i)
{
    struct bytes body = {0}, request = {0};
    message_begin(&body, &p->message);
    message_add(&body, &p->message, ++p->posted, i->due_ns, true);
    message_end(&body, &p->message);
    if (p->counted_from == 0 && p->measuring && i->due_ns >= p->start_ns)
        p->counted_from = p->posted;
    bytes_print(&request,
                "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %zu\r\nContent-Type: %s\r\n\r\n",
                p->run->publish_path, p->run->publish, body.len, message_content_type(&p->message));
    bytes_add(&request, body.data, body.len);
    item_send(p, i, request.data, request.len);
    bytes_fini(&body);
    bytes_fini(&request);
}

static inline void item_ask(struct probe *p, struct probe_item *i)
{
    char text[256];
    i->waiting = true;
    if (i->fd < 0)
        item_connect(p, i);
    if (i->kind == PROBE_POST) {
        item_post(p, i);
    } else if (i->kind == PROBE_HEALTH) {
        int n = snprintf(text, sizeof(text), "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n",
                         p->run->publish);
        item_send(p, i, text, (size_t) n);
    } else if (i->kind == PROBE_LIST) {
        int n = snprintf(text, sizeof(text),
                         "GET /triggers/v1/triggers?folderId=%s&pageSize=%u HTTP/1.1\r\n"
                         "Host: %s\r\n\r\n",
                         p->run->folder, p->run->triggers, p->run->manage);
        if (n < 0 || (size_t) n >= sizeof(text))
            die("the folder is too long");
        item_send(p, i, text, (size_t) n);
    } else if (i->kind == PROBE_ACCEPT) {
        item_upgrade(p, i);
    } else {
        size_t n = ws_client_control((uint8_t *) text, WS_PING, (const uint8_t *) "probe", 5);
        item_send(p, i, text, n);
    }
}

/* Each list must have all triggers. They are counted in the first; the others are as long. */
static inline void on_list(struct probe *p, const char *body, size_t n)
{
    unsigned listed = 0;
    if (p->list_bytes == n)
        return;
    for (const char *at = strstr(body, PROBE_LISTED); at != NULL; at = strstr(at + 1, PROBE_LISTED))
        listed++;
    if (p->list_bytes != 0 || listed != p->run->triggers)
        probe_fail(p, "a list has %u triggers, %zu bytes", listed, n);
    p->list_bytes = n;
}

static inline void on_http(struct probe *p, struct probe_item *i)
{
    *bytes_room(&i->in, 1) = '\0';
    char *text = (char *) i->in.data, *end = strstr(text, "\r\n\r\n");
    if (end == NULL)
        return;
    *end = '\0'; /* what is looked for is in the head */
    const char *length = strcasestr(text, "\r\nContent-Length:");
    bool closes = strcasestr(text, "\r\nConnection: close") != NULL;
    *end = '\r';
    size_t n = length == NULL ? 0 : strtoul(length + 17, NULL, 10);
    if (i->in.len < (size_t) (end + 4 - text) + n)
        return;
    int status = atoi(text + 9);
    bool may_refuse = i->kind != PROBE_LIST && status == 503;
    if (!may_refuse && (status < 200 || status > 299))
        probe_fail(p, "%s was answered with %d", PROBE_KIND_NAMES[i->kind], status);
    else if (i->kind == PROBE_LIST)
        on_list(p, end + 4, n);
    if (status == 503) {
        p->answered_503++;
        p->refused_posts +=
            i->kind == PROBE_POST && p->counted_from != 0 && i->due_ns >= p->start_ns;
    }
    probe_note(p,
               i->kind == PROBE_POST   ? PROBE_LATENCY_POST
               : i->kind == PROBE_LIST ? PROBE_LATENCY_LIST
                                       : PROBE_LATENCY_HEALTH,
               i->due_ns);
    i->waiting = false;
    i->in.len = 0;
    if (closes)
        item_close(i);
}

static inline void on_upgrade(struct probe *p, struct probe_item *i)
{
    uint8_t *end = memmem(i->in.data, i->in.len, "\r\n\r\n", 4);
    if (end == NULL)
        return;
    if (memcmp(i->in.data, "HTTP/1.1 101 ", 13) != 0) {
        probe_fail(p, "a handshake was answered with %.30s", (const char *) i->in.data);
        return;
    }
    if (i->kind == PROBE_ACCEPT) {
        probe_note(p, PROBE_LATENCY_ACCEPT, i->due_ns);
        socket_reset_on_close(i->fd);
        item_close(i);
        return;
    }
    size_t used = (size_t) (end - i->in.data) + 4;
    i->in.len -= used;
    memmove(i->in.data, i->in.data + used, i->in.len);
    i->open = true;
}

static inline void on_ws_frame(struct probe *p, struct probe_item *i, const struct ws_head *h,
                               const uint8_t *payload)
{
    uint64_t seq, sent;
    size_t hint = 0;
    if (h->opcode == WS_PONG) {
        i->waiting = false;
        probe_note(p, i->kind == PROBE_BUSY ? PROBE_LATENCY_PING_BUSY : PROBE_LATENCY_PING_QUIET,
                   i->due_ns);
    } else if (h->opcode == WS_PING) {
        uint8_t answer[WS_CONTROL_FRAME];
        item_send(p, i, answer, ws_client_control(answer, WS_PONG, payload, h->payload_len));
    } else if (h->opcode == WS_CLOSE) {
        unsigned code = h->payload_len >= 2 ? (unsigned) payload[0] << 8 | payload[1] : 1005;
        if (i->kind == PROBE_BUSY && code == 1013)
            p->slow_closed++; /* told, as everyone on that path */
        else
            probe_fail(p, "a client was closed with %u", code);
        i->again_ns = 0;
        item_close(i);
    } else if (!message_find(payload, h->payload_len, &hint, &seq, &sent)) {
        probe_fail(p, "a message has no tag");
    } else {
        if (i->kind == PROBE_BUSY) {
            p->lost += i->next != 0 && seq != i->next;
            i->next = seq + 1;
            return;
        } /* the quiet path's may have overtaken one another on their way to the server */
        p->received += p->counted_from != 0 && seq >= p->counted_from;
        probe_note(p, PROBE_LATENCY_QUIET, sent);
    }
}

static inline void on_ws(struct probe *p, struct probe_item *i)
{
    size_t used = 0;
    struct ws_head h;
    while (i->open) {
        int r = ws_head_parse(i->in.data + used, i->in.len - used, &h);
        if (r < 0 || (r > 0 && (h.masked || !h.fin || h.compressed))) {
            probe_fail(p, "a frame that may not be");
            return;
        }
        if (r == 0 || i->in.len - used < h.head_len + h.payload_len)
            break;
        on_ws_frame(p, i, &h, i->in.data + used + h.head_len);
        used += h.head_len + (size_t) h.payload_len;
    }
    if (!i->open)
        return;
    i->in.len -= used;
    memmove(i->in.data, i->in.data + used, i->in.len);
}

static inline void item_ready(struct probe *p, struct probe_item *i)
{
    ssize_t n = i->fd < 0 ? 0 : recv(i->fd, p->buffer, sizeof(p->buffer), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        bool idle = !i->waiting && item_is_http(i);
        if (i->kind == PROBE_BUSY && p->run->loose) {
            p->slow_closed++;
            i->again_ns = 0;
        } else if (!idle) {
            probe_fail(p, "the server dropped the connection of %s", PROBE_KIND_NAMES[i->kind]);
        }
        item_close(i);
        return;
    }
    bytes_add(&i->in, p->buffer, (size_t) n);
    if (item_is_http(i))
        on_http(p, i);
    else if (!i->open)
        on_upgrade(p, i);
    if (i->open)
        on_ws(p, i);
}

/* Asks what is due; returns how long nothing will be. */
static inline uint64_t probe_ask(struct probe *p)
{
    uint64_t now = now_ns(), wait = NS_PER_S / 100, start = p->start_ns;
    if (start != p->paced_from) {
        for (unsigned k = 0; k < p->n; k++)
            p->items[k].again_ns = start + PROBE_OFFSET_NS + p->items[k].offset_ns;
        p->paced_from = start;
    }
    for (unsigned k = 0; k < p->n; k++) {
        struct probe_item *i = &p->items[k];
        bool can = i->kind == PROBE_QUIET || i->kind == PROBE_BUSY ? i->open : true;
        if (i->again_ns == 0 || i->every_ns == 0 || i->waiting || !can)
            continue;
        if (i->again_ns > now) {
            wait = i->again_ns - now < wait ? i->again_ns - now : wait;
            continue;
        }
        i->due_ns = i->again_ns;
        i->again_ns += i->every_ns;
        item_ask(p, i);
        wait = 0;
    }
    return wait;
}

static inline void probe_turn(struct probe *p)
{
    struct epoll_event events[64];
    uint64_t wait_ns = probe_ask(p);
    struct timespec wait = {.tv_nsec = (long) wait_ns};
    int n = epoll_pwait2(p->epoll, events, 64, &wait, NULL);
    for (int k = 0; k < n; k++)
        item_ready(p, events[k].data.ptr);
}

/* Receipts of quiet messages, of the measured part. */
static inline uint64_t probe_expected(const struct probe *p)
{
    return p->counted_from == 0
               ? 0
               : (p->posted + 1 - p->counted_from - p->refused_posts) * p->run->quiet;
}

static inline void *probe_thread(void *self)
{
    struct probe *p = self;
    struct sched_param first = {.sched_priority = 1};
    p->priority = "none";
    if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &first) == 0)
        p->priority = "realtime";
    else if (setpriority(PRIO_PROCESS, (id_t) gettid(), -10) == 0)
        p->priority = "nice -10";
    while (!p->stop && !p->failed)
        probe_turn(p);
    for (unsigned k = 0; k < p->n; k++)
        p->items[k].again_ns = 0; /* ask no more, but hear what is on its way */
    p->paced_from = p->start_ns;
    for (uint64_t until = now_ns() + PROBE_LAST_NS; !p->failed && now_ns() < until;) {
        bool waiting = p->received < probe_expected(p);
        for (unsigned k = 0; k < p->n; k++)
            waiting |= p->items[k].waiting;
        if (!waiting)
            break;
        probe_turn(p);
    }
    for (unsigned k = 0; k < p->n; k++) {
        p->unanswered += p->items[k].waiting;
        item_close(&p->items[k]);
        bytes_fini(&p->items[k].in);
    }
    return NULL;
}

static inline void probe_add(struct probe *p, enum probe_kind kind, uint64_t every_ns, unsigned n)
{
    for (unsigned k = 0; k < n; k++) {
        if (p->n == PROBE_ITEMS)
            die("the probe has at most %d connections", PROBE_ITEMS);
        p->items[p->n++] = (struct probe_item){
            .kind = kind, .fd = -1, .every_ns = every_ns, .offset_ns = k * every_ns / n};
    }
}

/* Connects who listens; the thread begins to ask at probe_pace(). */
static inline void probe_start(struct probe *p, struct run *run)
{
    p->run = run;
    p->message = run->message;
    p->message.repository = PROBE_QUIET_REPO;
    p->message.batch = p->message.paths = 0;
    p->message.run++;
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    p->start_ns = p->paced_from = 0;
    if (run->quiet > 0)
        probe_add(p, PROBE_POST, PROBE_POST_NS, PROBE_POSTERS);
    if (run->lists > 0)
        probe_add(p, PROBE_LIST, PROBE_LISTERS * NS_PER_S / run->lists, PROBE_LISTERS);
    probe_add(p, PROBE_QUIET, run->pinged > 0 ? PROBE_PING_NS : 0, run->quiet);
    probe_add(p, PROBE_BUSY, PROBE_PING_NS, run->pinged);
    if (run->pinged > 0) {
        probe_add(p, PROBE_HEALTH, PROBE_POST_NS, PROBE_POSTERS);
        probe_add(p, PROBE_ACCEPT, PROBE_ACCEPT_NS, PROBE_ACCEPTORS);
    }
    for (unsigned k = 0; k < p->n; k++) {
        if (p->items[k].kind != PROBE_QUIET && p->items[k].kind != PROBE_BUSY)
            continue;
        item_connect(p, &p->items[k]);
        item_upgrade(p, &p->items[k]);
    }
    if (pthread_create(&p->thread, NULL, probe_thread, p) != 0)
        die("no thread");
    p->started = true;
}

/* A part of the run begins, with the big path's first message due at `start_ns`. */
static inline void probe_pace(struct probe *p, uint64_t start_ns, bool measured)
{
    p->measuring = measured;
    p->start_ns = start_ns;
}

static inline void probe_stop(struct probe *p)
{
    p->stop = true;
    if (p->started)
        (void) pthread_join(p->thread, NULL);
}

/* False: somebody was wronged. */
static inline bool probe_report(struct probe *p)
{
    if (!p->started)
        return true;
    uint64_t expected = probe_expected(p);
    bool ok = !p->failed && p->lost == 0 && p->received == expected && p->unanswered == 0;
    (void) printf("\"probe\":{\"priority\":\"%s\",", p->priority);
    for (unsigned k = 0; k < PROBE_N_HISTS; k++)
        if (p->hists[k].total > 0)
            print_latency(PROBE_HIST_NAMES[k], &p->hists[k]);
    (void) printf("\"list_bytes\":%llu,", (unsigned long long) p->list_bytes);
    (void) printf("\"answered_503\":%llu,\"lost\":%llu,\"missing\":%lld,\"slow_closed\":%llu,"
                  "\"unanswered\":%llu,\"ok\":%s},",
                  (unsigned long long) p->answered_503, (unsigned long long) p->lost,
                  (long long) expected - (long long) p->received,
                  (unsigned long long) p->slow_closed, (unsigned long long) p->unanswered,
                  ok ? "true" : "false");
    if (p->failed)
        (void) fprintf(stderr, "probe: %s\n", p->why);
    return ok;
}

#endif
