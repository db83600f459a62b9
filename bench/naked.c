/* naked.c - the reference: the least that a broadcast server can do. One thread, epoll; each
 * message's frame is encoded once and goes to every connection with one send(). No limits, no
 * timers, no history, no paths, no checks of what clients send beyond what keeps it correct: what
 * the server under test costs more than this is the price of what it does more.
 *
 *   --listen HOST:PORT    WebSocket clients (any path)
 *   --publish HOST:PORT   POST, body: "<length>\n<message>" as often as wanted; answered with 202
 *   --ready-file FILE     gets {"pid":..,"gateway":[".."],"webhooks":[".."]}
 *   --fault KIND          lose, duplicate, reorder, fragment, ping or close: does that now and
 * then, to show that the load client notices
 */
#include "util.h"
#include "ws.h"

#include <ctype.h>
#include <signal.h>
#include <sys/epoll.h>

#define READ_BYTES    65536
#define REQUEST_MAX   (64u << 20)
#define PENDING_PAUSE (1u << 20) /* one connection this far behind holds the next message back */
#define FAULT_EVERY   100        /* messages */

enum kind { LISTEN_CLIENTS, LISTEN_PUBLISHERS, CLIENT_HANDSHAKE, CLIENT, PUBLISHER };
enum fault { NO_FAULT, LOSE, DUPLICATE, REORDER, FRAGMENT, PING, CLOSE, N_FAULTS };
static const char *const FAULT_NAMES[N_FAULTS] = {"none",     "lose", "duplicate", "reorder",
                                                  "fragment", "ping", "close"};

/* Anything in the epoll set. */
struct conn {
    enum kind kind;
    int fd;
    uint32_t index;       /* in clients[] */
    size_t sent;          /* of `out` */
    struct bytes in, out; /* what is half received; what the socket did not take */
    struct conn *next;    /* of those to be freed */
};

static struct {
    int epoll;
    struct conn **clients;
    size_t n_clients, cap_clients;
    size_t n_paused;    /* clients more than PENDING_PAUSE behind */
    struct conn *dead;  /* freed after the turn: later events of it may still name them */
    struct bytes queue; /* the published messages */
    size_t queue_at;
    enum fault fault;
    uint64_t n_messages;
} server;

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void) number;
    stopped = 1;
}

static void watch(struct conn *c, int op, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = c};
    if (epoll_ctl(server.epoll, op, c->fd, &e) < 0)
        die("epoll_ctl: %s", strerror(errno));
}

static bool is_paused(const struct conn *c)
{
    return c->out.len - c->sent > PENDING_PAUSE;
}

static void conn_close(struct conn *c)
{
    if (c->fd < 0)
        return;
    if (c->kind == CLIENT) {
        server.n_paused -= is_paused(c);
        server.clients[c->index] = server.clients[--server.n_clients];
        server.clients[c->index]->index = c->index;
    }
    (void) close(c->fd);
    c->fd = -1;
    bytes_fini(&c->in);
    bytes_fini(&c->out);
    c->next = server.dead;
    server.dead = c;
}

/* One send(); what the socket does not take waits for room. */
static void conn_send(struct conn *c, const uint8_t *data, size_t n)
{
    size_t done = 0;
    if (c->out.len == 0) {
        ssize_t r = send(c->fd, data, n, MSG_NOSIGNAL);
        if (r == (ssize_t) n)
            return;
        if (r < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
            conn_close(c);
            return;
        }
        done = r < 0 ? 0 : (size_t) r;
        watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    }
    bool was_paused = is_paused(c);
    bytes_add(&c->out, data + done, n - done);
    server.n_paused += c->kind == CLIENT && !was_paused && is_paused(c);
}

static void conn_flush(struct conn *c)
{
    if (c->out.len == 0)
        return;
    ssize_t r = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);
    if (r < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            conn_close(c);
        return;
    }
    bool was_paused = is_paused(c);
    c->sent += (size_t) r;
    server.n_paused -= c->kind == CLIENT && was_paused && !is_paused(c);
    if (c->sent == c->out.len) {
        c->sent = c->out.len = 0;
        watch(c, EPOLL_CTL_MOD, EPOLLIN);
    } else if (c->sent > PENDING_PAUSE) { /* never empty: make room in front */
        c->out.len -= c->sent;
        memmove(c->out.data, c->out.data + c->sent, c->out.len);
        c->sent = 0;
    }
}

static void broadcast_frame(const uint8_t *frame, size_t n)
{
    for (size_t i = server.n_clients; i-- > 0;) /* from the end: a close moves the last one here */
        conn_send(server.clients[i], frame, n);
}

/* What --fault asks for, to the first client only unless all must see the same. */
static void broadcast_fault(const uint8_t *frame, size_t n, const uint8_t *message, size_t len)
{
    static struct bytes held; /* the first client's message that comes after the next */
    uint8_t head[WS_HEAD_MAX];
    bool now = ++server.n_messages % FAULT_EVERY == 0;
    for (size_t i = server.n_clients; i-- > 0;) {
        struct conn *c = server.clients[i];
        if (server.fault == FRAGMENT) { /* in three, with a ping between */
            size_t third = len / 3;
            conn_send(c, head, ws_head_write(head, false, WS_TEXT, third));
            conn_send(c, message, third);
            conn_send(c, (const uint8_t *) "\x89\x04ping", 6);
            conn_send(c, head, ws_head_write(head, false, WS_CONTINUATION, third));
            conn_send(c, message + third, third);
            conn_send(c, head, ws_head_write(head, true, WS_CONTINUATION, len - 2 * third));
            conn_send(c, message + 2 * third, len - 2 * third);
            continue;
        }
        if (server.fault == PING)
            conn_send(c, (const uint8_t *) "\x89\x04ping", 6);
        if (i == 0 && now && server.fault == CLOSE) {
            conn_send(c, (const uint8_t *) "\x88\x02\x03\xf5", 4); /* 1013 */
            continue;
        }
        if (i == 0 && now && server.fault == LOSE)
            continue;
        if (i == 0 && now && server.fault == REORDER) {
            bytes_add(&held, frame, n);
            continue;
        }
        conn_send(c, frame, n);
        if (i == 0 && now && server.fault == DUPLICATE)
            conn_send(c, frame, n);
        if (i == 0 && held.len > 0) {
            conn_send(c, held.data, held.len);
            held.len = 0;
        }
    }
}

/* Sends the next message of the queue; false when there is none or someone is too far behind. */
static bool broadcast_next(void)
{
    if (server.queue_at == server.queue.len) {
        server.queue.len = server.queue_at = 0;
        return false;
    }
    if (server.n_paused > 0)
        return false;
    char *end;
    const char *at = (const char *) server.queue.data + server.queue_at;
    size_t len = strtoul(at, &end, 10);
    size_t skip = (size_t) (end - at) + 1;
    if (skip == 1 || len > server.queue.len - server.queue_at - skip)
        die("the published body is malformed");
    const uint8_t *message = server.queue.data + server.queue_at + skip;
    server.queue_at += skip + len;
    static struct bytes frame;
    frame.len = 0;
    frame.len = ws_head_write(bytes_room(&frame, WS_HEAD_MAX), true, WS_TEXT, len);
    bytes_add(&frame, message, len);
    if (server.fault == NO_FAULT)
        broadcast_frame(frame.data, frame.len);
    else
        broadcast_fault(frame.data, frame.len, message, len);
    return true;
}

/* The value of a header, up to its line end; NULL when absent. Trusts the client of the bench. */
static const char *header(const char *head, const char *name)
{
    size_t n = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, n) == 0 && line[2 + n] == ':') {
            const char *value = line + 3 + n;
            return value + strspn(value, " ");
        }
    }
    return NULL;
}

/* The length of the request head in `in`, which gets a NUL behind it; 0: not complete. */
static size_t head_complete(struct bytes *in)
{
    *bytes_room(in, 1) = '\0';
    uint8_t *end = memmem(in->data, in->len, "\r\n\r\n", 4);
    return end == NULL ? 0 : (size_t) (end - in->data) + 4;
}

static void on_handshake(struct conn *c)
{
    if (head_complete(&c->in) == 0)
        return;
    const char *key = header((const char *) c->in.data, "Sec-WebSocket-Key");
    if (key == NULL || strcspn(key, "\r") != WS_KEY_LEN) {
        conn_close(c);
        return;
    }
    char accept[WS_ACCEPT_LEN + 1], answer[160];
    ws_accept(key, accept);
    int n = snprintf(answer, sizeof(answer),
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                     accept);
    bytes_fini(&c->in);
    if (server.n_clients == server.cap_clients) {
        server.cap_clients = server.cap_clients == 0 ? 1024 : 2 * server.cap_clients;
        server.clients = realloc(server.clients, server.cap_clients * sizeof(struct conn *));
        if (server.clients == NULL)
            die("out of memory");
    }
    c->kind = CLIENT;
    c->index = (uint32_t) server.n_clients;
    server.clients[server.n_clients++] = c;
    conn_send(c, (const uint8_t *) answer, (size_t) n);
}

/* Clients send pongs, and a close at the end. */
static void on_frames(struct conn *c)
{
    size_t at = 0;
    struct ws_head h;
    while (c->fd >= 0) {
        int r = ws_head_parse(c->in.data + at, c->in.len - at, &h);
        if (r < 0 || (r > 0 && (!h.masked || h.compressed || h.payload_len > WS_CONTROL_MAX))) {
            conn_close(c);
            return;
        }
        if (r == 0 || c->in.len - at < h.head_len + h.payload_len)
            break;
        uint8_t *payload = c->in.data + at + h.head_len, answer[WS_CONTROL_FRAME];
        for (size_t i = 0; i < h.payload_len; i++)
            payload[i] ^= h.mask[i % 4];
        if (h.opcode == WS_CLOSE || h.opcode == WS_PING) {
            enum ws_opcode opcode = h.opcode == WS_PING ? WS_PONG : WS_CLOSE;
            size_t n = ws_head_write(answer, true, opcode, h.payload_len);
            memcpy(answer + n, payload, h.payload_len);
            conn_send(c, answer, n + h.payload_len);
            if (h.opcode == WS_CLOSE) {
                conn_close(c);
                return;
            }
        }
        at += h.head_len + h.payload_len;
    }
    memmove(c->in.data, c->in.data + at, c->in.len - at);
    c->in.len -= at;
    if (c->in.len == 0)
        bytes_fini(&c->in);
}

static void on_publish(struct conn *c)
{
    size_t head = head_complete(&c->in);
    if (head == 0)
        return;
    const char *length = header((const char *) c->in.data, "Content-Length");
    size_t n = length == NULL ? 0 : strtoul(length, NULL, 10);
    if (n > REQUEST_MAX)
        die("the published body is too large");
    if (c->in.len - head < n) {
        (void) bytes_room(&c->in, head + n - c->in.len);
        return;
    }
    bytes_add(&server.queue, c->in.data + head, n);
    bytes_add(&server.queue, "", 1); /* strtoul() ends here whatever the body was */
    server.queue.len--;
    c->in.len = 0; /* one request at a time */
    static const char answer[] = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
    conn_send(c, (const uint8_t *) answer, sizeof(answer) - 1);
}

static void on_readable(struct conn *c)
{
    static uint8_t buffer[READ_BYTES];
    ssize_t n = recv(c->fd, buffer, sizeof(buffer), 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return;
    if (n <= 0) {
        conn_close(c);
        return;
    }
    bytes_add(&c->in, buffer, (size_t) n);
    if (c->kind == PUBLISHER)
        on_publish(c);
    else if (c->kind == CLIENT_HANDSHAKE)
        on_handshake(c);
    else
        on_frames(c);
}

static void on_connection(struct conn *listener)
{
    for (int i = 0; i < 64; i++) { /* then the others' turn */
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno != EAGAIN && errno != ECONNABORTED)
                die("accept: %s", strerror(errno));
            return;
        }
        socket_nodelay(fd);
        struct conn *c = calloc(1, sizeof(*c));
        if (c == NULL)
            die("out of memory");
        c->kind = listener->kind == LISTEN_CLIENTS ? CLIENT_HANDSHAKE : PUBLISHER;
        c->fd = fd;
        watch(c, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static void listen_on(struct conn *listener, enum kind kind, const char *address, char name[64])
{
    struct sockaddr_storage a;
    socklen_t len = address_parse(address, &a);
    int one = 1;
    *listener = (struct conn){.kind = kind};
    listener->fd = socket(a.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void) setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(listener->fd, (struct sockaddr *) &a, len) < 0 || listen(listener->fd, 4096) < 0 ||
        getsockname(listener->fd, (struct sockaddr *) &a, &len) < 0)
        die("%s: %s", address, strerror(errno));
    char host[48], port[8];
    if (getnameinfo((struct sockaddr *) &a, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        die("%s: no name", address);
    (void) snprintf(name, 64, a.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    watch(listener, EPOLL_CTL_ADD, EPOLLIN);
}

static void ready_write(const char *file, const char *clients, const char *publishers)
{
    FILE *f = fopen(file, "we");
    if (f == NULL)
        die("%s: %s", file, strerror(errno));
    (void) fprintf(f, "{\"pid\":%d,\"gateway\":[\"%s\"],\"webhooks\":[\"%s\"]}\n", (int) getpid(),
                   clients, publishers);
    if (fclose(f) != 0)
        die("%s: %s", file, strerror(errno));
}

static enum fault fault_parse(const char *name)
{
    for (unsigned i = 0; i < N_FAULTS; i++)
        if (strcmp(name, FAULT_NAMES[i]) == 0)
            return (enum fault) i;
    die("--fault: '%s' is none of lose, duplicate, reorder, fragment, ping, close", name);
}

int main(int argc, char **argv)
{
    const char *clients = "127.0.0.1:0", *publishers = "127.0.0.1:0", *ready = NULL;
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc)
            die("%s needs a value", argv[i]);
        if (strcmp(argv[i], "--listen") == 0)
            clients = argv[i + 1];
        else if (strcmp(argv[i], "--publish") == 0)
            publishers = argv[i + 1];
        else if (strcmp(argv[i], "--ready-file") == 0)
            ready = argv[i + 1];
        else if (strcmp(argv[i], "--fault") == 0)
            server.fault = fault_parse(argv[i + 1]);
        else
            die("unknown option %s", argv[i]);
    }
    struct sigaction stop = {.sa_handler = on_signal};
    (void) sigaction(SIGTERM, &stop, NULL);
    (void) sigaction(SIGINT, &stop, NULL);
    files_raise();
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    struct conn listeners[2];
    char names[2][64];
    listen_on(&listeners[0], LISTEN_CLIENTS, clients, names[0]);
    listen_on(&listeners[1], LISTEN_PUBLISHERS, publishers, names[1]);
    if (ready != NULL)
        ready_write(ready, names[0], names[1]);
    while (!stopped) {
        struct epoll_event events[256];
        bool more = broadcast_next();
        int n = epoll_wait(server.epoll, events, 256, more ? 0 : -1);
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            if (c->kind == LISTEN_CLIENTS || c->kind == LISTEN_PUBLISHERS) {
                on_connection(c);
                continue;
            }
            if (c->fd >= 0 && (events[i].events & EPOLLOUT) != 0)
                conn_flush(c);
            if (c->fd >= 0 && (events[i].events & ~(uint32_t) EPOLLOUT) != 0)
                on_readable(c);
        }
        while (server.dead != NULL) {
            struct conn *c = server.dead;
            server.dead = c->next;
            free(c);
        }
    }
    return 0;
}
