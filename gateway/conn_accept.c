/* conn_accept.c - how a connection begins: who may have one, and what a proxy says of it. See
 * conn.h. conn_accept > begin > [conn_read_proxy >] begin_tls, or reading the request */
#include "conn.h"

#include "clock.h"
#include "crash.h"
#include "mem.h"
#include "proxy_protocol.h"
#include "request.h"
#include "worker.h"

#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define HALF_OPEN_GRACE_MS 1000

static struct caps *caps_of(const struct conn *c)
{
    return &c->worker->shared->caps[c->role];
}

static struct door *door_of(const struct conn *c)
{
    return &c->worker->shared->doors[c->role];
}

static enum conn_state first_state(const struct conn *c)
{
    return c->own || c->worker->tls[c->role] == NULL ? CONN_REQUEST : CONN_TLS;
}

/* --- at the door --- */

/* An accepted socket and what is known of it. */
struct arrival {
    struct worker *worker;
    enum metrics_listener role;
    int fd;
    struct in6_addr peer;
    uint16_t port;
    struct address_count *address;
    bool own;
};

/* It comes from a proxy that says itself whom it comes from. */
static bool is_from_proxy(const struct door *door, const struct in6_addr *peer)
{
    return networks_have(&door->rules->proxies, peer);
}

static enum refuse look_at(struct arrival *a)
{
    struct door *door = &a->worker->shared->doors[a->role];
    uint64_t now_us = clock_mono_us();
    if (a->role == LISTENER_GATEWAY && shed_level(&a->worker->shared->shed) != MEMORY_FINE)
        return REFUSE_MEMORY;
    enum refuse why = door_knock(door, now_us);
    if (why != REFUSE_NONE || is_from_proxy(door, &a->peer) ||
        networks_have(&door->rules->trusted, &a->peer))
        return why;
    return door_enter(door, &a->peer, now_us, &a->address);
}

/* With TLS an answer would cost a handshake, and gRPC would not understand it. Who is told keeps a
 * descriptor meanwhile. */
static bool can_answer(const struct worker *w, enum metrics_listener role)
{
    const struct caps *caps = &w->shared->caps[role];
    bool room =
        caps->max_refused == 0 || atomic_load_explicit(&caps->connections, memory_order_relaxed) <=
                                      caps->max_connections + caps->max_refused;
    return room && w->tls[role] == NULL && role != LISTENER_GRPC &&
           door_may_answer(&w->shared->doors[role], clock_mono_us());
}

static void set_reset(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void) setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)); /* else it just closes */
}

/* --- a connection --- */

static void know_hop(struct conn *c)
{
    if (!networks_have(&door_of(c)->rules->trusted, &c->peer))
        return;
    c->hop = xmalloc(sizeof(*c->hop));
    *c->hop = (struct hop){.address = c->peer, .port = c->peer_port};
}

/* NULL: there is no memory for it. */
static struct conn *conn_new(const struct arrival *a)
{
    struct worker *w = a->worker;
    struct conn *c = try_calloc(1, sizeof(*c));
    if (c == NULL || worker_slot(w, c, &c->slot) < 0) {
        free(c);
        return NULL;
    }
    c->worker = w;
    c->role = (uint8_t) a->role;
    c->peer = a->peer;
    c->peer_port = a->port;
    c->address = a->address;
    c->transport = &TRANSPORT_TCP;
    c->own = a->own;
    bool proxy = !c->own && is_from_proxy(door_of(c), &c->peer);
    c->state = (uint8_t) (proxy ? CONN_PROXY : first_state(c));
    c->since_ms = uv_now(&w->loop);
    if (!proxy && !c->own)
        know_hop(c);
    conn_draw_id(c);
    list_init(&c->in_state);
    wheel_entry_init(&c->timer);
    int r = uv_tcp_init(&w->loop, &c->tcp);
    ASSERT(r == 0); /* makes no socket yet, so nothing can fail */
    c->tcp.data = c;
    w->n_conns++;
    list_push(&w->by_state[c->state], &c->in_state);
    return c;
}

static int open_socket(struct conn *c, int fd)
{
    int r = uv_tcp_open(&c->tcp, fd);
    if (r < 0) {
        (void) close(fd);
        return r;
    }
    c->fd = fd;
    const struct config *cfg = c->worker->shared->cfg;
    int on = 1, size = (int) cfg->gateway.send_buffer_bytes;
    if (cfg->gateway.ping_interval_ms == 0) /* else nothing would ever find a peer that is gone */
        (void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* only slower without */
    if (size > 0 && c->role == LISTENER_GATEWAY)
        (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    return conn_start_reading(c);
}

static void reset(struct conn *c, enum refuse why)
{
    conn_log_refusal(c, why);
    conn_reset(c, END_REFUSED);
}

/* Who has waited longest without a request on the listener of `newest`, which is there itself. */
static struct conn *oldest_half_open(struct conn *newest)
{
    static const enum conn_state HALF_OPEN[] = {CONN_PROXY, CONN_TLS, CONN_REQUEST};
    struct conn *oldest = newest;
    for (size_t i = 0; i < ARRAY_LEN(HALF_OPEN); i++) {
        LIST_FOREACH (it, &newest->worker->by_state[HALF_OPEN[i]]) {
            struct conn *c = LIST_ENTRY(it, struct conn, in_state);
            if (c->role != newest->role)
                continue;
            if (c->since_ms < oldest->since_ms || oldest == newest)
                oldest = c;
            break;
        }
    }
    return oldest;
}

/* At the cap, who came and said nothing gives way to `c`. */
static bool make_room(struct conn *c)
{
    struct conn *oldest = oldest_half_open(c);
    if (oldest == c || uv_now(&c->worker->loop) - oldest->since_ms < HALF_OPEN_GRACE_MS)
        return false;
    reset(oldest, REFUSE_HALF_OPEN_CAP);
    return true;
}

static void refuse(struct conn *c, enum refuse why)
{
    if (can_answer(c->worker, (enum metrics_listener) c->role))
        request_refuse(c, why, NULL);
    else
        reset(c, why);
}

static void begin_tls(struct conn *c)
{
    struct tls *tls = c->worker->tls[c->role];
    if (c->state == CONN_TLS && transport_tls_open(c, tls, c->role == LISTENER_GRPC) < 0)
        reset(c, REFUSE_MEMORY);
}

static void begin(struct conn *c, int fd, enum refuse why)
{
    struct caps *caps = caps_of(c);
    bool room = caps_enter(&caps->connections, caps->max_connections, 1);
    c->half_open = true;
    bool half_room = caps_enter(&caps->half_open, caps->max_half_open, 1);
    if (open_socket(c, fd) < 0) {
        conn_close(c, END_LOST);
        return;
    }
    conn_arm(c);
    if (c->own)
        return;
    metrics_add(&c->worker->metrics, M_CONNECTIONS_ACCEPTED, 1);
    if (why != REFUSE_NONE) {
        request_refuse(c, why, NULL);
        return;
    }
    if (!room && !make_room(c)) {
        refuse(c, REFUSE_CONN_CAP);
        return;
    }
    if (!half_room)
        reset(oldest_half_open(c), REFUSE_HALF_OPEN_CAP);
    begin_tls(c);
}

/* Without a word: an answer needs a connection. */
static void turn_away(const struct arrival *a, enum refuse why)
{
    conn_log_refused(a->worker, a->role, why, &a->peer, a->port);
    set_reset(a->fd);
    (void) close(a->fd);
}

void conn_accept(struct worker *w, enum metrics_listener role, int fd)
{
    CRASH_POINT("conn.accept");
    struct arrival a = {.worker = w, .role = role, .fd = fd};
    conn_socket_peer(fd, &a.peer, &a.port);
    enum refuse why = look_at(&a);
    if (why != REFUSE_NONE && !can_answer(w, role)) {
        turn_away(&a, why);
        return;
    }
    struct conn *c = conn_new(&a);
    if (c == NULL) {
        door_leave(&w->shared->doors[role], a.address, clock_mono_us());
        turn_away(&a, REFUSE_MEMORY);
        return;
    }
    begin(c, fd, why);
}

void conn_accept_own(struct worker *w, enum metrics_listener role, int fd)
{
    struct arrival a = {.worker = w, .role = role, .fd = fd, .own = true};
    conn_socket_peer(fd, &a.peer, &a.port);
    struct conn *c = conn_new(&a);
    if (c == NULL)
        (void) close(fd); /* its other end sees that */
    else
        begin(c, fd, REFUSE_NONE);
}

/* --- a proxy's header --- */

/* The client that the header names, at the door. */
static enum refuse learn_client(struct conn *c, const struct proxy_header *header)
{
    if (!header->known)
        return REFUSE_NONE; /* the proxy itself, which looks whether we are there */
    c->peer = header->source;
    c->peer_port = header->port;
    know_hop(c);
    return c->hop != NULL ? REFUSE_NONE
                          : door_enter(door_of(c), &c->peer, clock_mono_us(), &c->address);
}

static void end_header(struct conn *c, const struct proxy_header *header, struct slice rest)
{
    enum refuse why = learn_client(c, header);
    if (why != REFUSE_NONE) {
        refuse(c, why);
        return;
    }
    c->introduced = true;
    conn_set_state(c, first_state(c));
    begin_tls(c);
    if (rest.len > 0 && c->state < CONN_CLOSING)
        c->transport->received(c, rest);
}

static void drop_unread(struct conn *c)
{
    if (c->unread != NULL)
        buf_fini(c->unread);
    free(c->unread);
    c->unread = NULL;
}

static void keep(struct conn *c, struct slice in)
{
    if (c->unread == NULL) {
        c->unread = try_calloc(1, sizeof(*c->unread));
        if (c->unread != NULL)
            buf_init(c->unread, PROXY_HEADER_MAX);
    }
    if (c->unread == NULL || buf_append(c->unread, in) < 0) /* not too much: there is no memory */
        reset(c, REFUSE_MEMORY);
}

/* The header may come in pieces; nothing before its last byte is the client's. */
void conn_read_proxy(struct conn *c, struct slice in)
{
    struct proxy_header header;
    size_t before = c->unread == NULL ? 0 : c->unread->len, most = PROXY_HEADER_MAX - before;
    struct slice piece = slice_sub(in, 0, in.len < most ? in.len : most), all = piece;
    if (before > 0) {
        keep(c, piece);
        all = buf_slice(c->unread);
    }
    if (c->state != CONN_PROXY)
        return;
    int r = proxy_protocol_read(all, &header);
    if (r == 0) {
        drop_unread(c);
        end_header(c, &header, slice_from(in, header.len - before));
    } else if (r == -EAGAIN && before == 0) {
        keep(c, piece);
    } else if (r != -EAGAIN) {
        reset(c, REFUSE_PROXY_HEADER);
    }
}
