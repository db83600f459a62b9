/* nats_link.c - one TCP connection to a server. */
#include "nats_link.h"

#include "mem.h"

#include <stdio.h>
#include <stdlib.h>

#define READ_BYTES ((size_t) 64 << 10)
#define KEEP_BYTES ((size_t) 256 << 10) /* of a buffer that is empty */
#define TLS_BYTES  ((size_t) 1 << 20)   /* made into records at once */
#define WHY_SIZE   NATS_TLS_WHY_SIZE

/* In the order things happen: on_resolved > try_address > on_connected > on_alloc > on_read ...
 * nats_link_close > on_closed > unref. */
struct nats_link {
    uv_loop_t *loop;
    struct nats_at at;
    struct nats_link_events events;
    void *ctx;
    bool closed, broken;
    unsigned refs; /* its owner, and what libuv still holds */
    uv_tcp_t tcp;
    bool has_tcp;
    uv_getaddrinfo_t resolving;
    struct addrinfo *found, *next; /* addresses; the next one to be tried */
    uv_connect_t connecting;
    struct nats_tls *tls;
    uint8_t *raw;     /* of TLS: records as they come */
    struct buf in;    /* not yet used */
    size_t wants;     /* see nats_link_events.bytes */
    struct buf out;   /* to be written */
    struct buf wire;  /* being written */
    size_t wire_sent; /* of it */
    bool writing;
    uv_write_t write;
};

static void try_address(struct nats_link *l, int err);
static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *found);
static void on_connected(uv_connect_t *req, int status);
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);
static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf);
static void on_closed(uv_handle_t *handle);

/* --- life --- */

static void unref(struct nats_link *l)
{
    if (--l->refs > 0)
        return;
    uv_freeaddrinfo(l->found);
    nats_tls_free(l->tls);
    buf_fini(&l->in);
    buf_fini(&l->out);
    buf_fini(&l->wire);
    free(l->raw);
    free(l);
}

static void close_tcp(struct nats_link *l)
{
    if (l->has_tcp)
        uv_close((uv_handle_t *) &l->tcp, on_closed);
    l->has_tcp = false;
}

static void on_closed(uv_handle_t *handle)
{
    struct nats_link *l = handle->data;
    if (!l->closed && !l->broken && l->next != NULL)
        try_address(l, 0);
    unref(l);
}

static void fail(struct nats_link *l, const char *why)
{
    if (l->closed || l->broken)
        return;
    l->broken = true;
    l->events.broken(l->ctx, why);
}

static void fail_with(struct nats_link *l, const char *what, int err)
{
    char why[WHY_SIZE];
    (void) snprintf(why, sizeof(why), "%s: %s", what, err_str(err));
    fail(l, why);
}

void nats_link_close(struct nats_link *l)
{
    if (l == NULL || l->closed)
        return;
    l->closed = true;
    if (l->resolving.data != NULL)
        (void) uv_cancel((uv_req_t *) &l->resolving); /* one that runs cannot be: it comes later */
    close_tcp(l);
    unref(l);
}

/* --- connecting --- */

struct nats_link *nats_link_new(uv_loop_t *loop, const struct nats_at *at, size_t in_limit,
                                size_t out_limit, const struct nats_link_events *events, void *ctx)
{
    struct nats_link *l = xcalloc(1, sizeof(*l));
    *l = (struct nats_link){.loop = loop, .at = *at, .events = *events, .ctx = ctx, .refs = 2};
    buf_init(&l->in, in_limit);
    buf_init(&l->out, out_limit);
    buf_init(&l->wire, out_limit);
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP};
    if (nats_at_is_address(at->host))
        hints.ai_flags = AI_NUMERICHOST;
    (void) snprintf(port, sizeof(port), "%u", (unsigned) at->port);
    l->resolving.data = l;
    int r = uv_getaddrinfo(loop, &l->resolving, on_resolved, at->host, port, &hints);
    ASSERT(r == 0); /* a small allocation; the host is short */
    return l;
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
    struct nats_link *l = req->data;
    req->data = NULL;
    l->found = l->next = found;
    if (!l->closed)
        try_address(l, status);
    unref(l);
}

/* The next address that can be tried; `err` is of the one before. */
static void try_address(struct nats_link *l, int err)
{
    while (l->next != NULL) {
        const struct addrinfo *a = l->next;
        l->next = a->ai_next;
        l->tcp.data = l->connecting.data = l->write.data = l;
        err = uv_tcp_init(l->loop, &l->tcp);
        if (err < 0)
            continue;
        l->has_tcp = true;
        l->refs++;
        err = uv_tcp_connect(&l->connecting, &l->tcp, a->ai_addr, on_connected);
        if (err == 0)
            return;
        close_tcp(l); /* the next one when it is closed */
        if (l->next != NULL)
            return;
    }
    fail_with(l, "cannot connect", err < 0 ? err : -EADDRNOTAVAIL);
}

static void on_connected(uv_connect_t *req, int status)
{
    struct nats_link *l = req->data;
    if (l->closed)
        return;
    if (status < 0) {
        close_tcp(l);
        if (l->next == NULL)
            fail_with(l, "cannot connect", status);
        return; /* else the next one when it is closed */
    }
    l->next = NULL;
    (void) uv_tcp_nodelay(&l->tcp, 1); /* it is slower without, not wrong */
    int r = uv_read_start((uv_stream_t *) &l->tcp, on_alloc, on_read);
    if (r < 0)
        fail_with(l, "cannot read", r);
    else
        l->events.open(l->ctx);
}

void nats_link_address(const struct nats_link *l, char *ret, size_t size)
{
    struct sockaddr_storage peer;
    int len = sizeof(peer);
    char host[64] = "";
    ret[0] = '\0';
    if (!l->has_tcp || uv_tcp_getpeername(&l->tcp, (struct sockaddr *) &peer, &len) < 0)
        return;
    bool v6 = peer.ss_family == AF_INET6;
    int r = v6 ? uv_ip6_name((const struct sockaddr_in6 *) &peer, host, sizeof(host))
               : uv_ip4_name((const struct sockaddr_in *) &peer, host, sizeof(host));
    if (r == 0)
        (void) snprintf(ret, size, v6 ? "[%s]:%u" : "%s:%u", host, (unsigned) l->at.port);
}

/* --- reading --- */

/* Straight to where it is parsed, unless it is records. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct nats_link *l = handle->data;
    (void) suggested;
    *buf = uv_buf_init(NULL, 0); /* UV_ENOBUFS for on_read() */
    if (l->tls != NULL) {
        if (l->raw == NULL)
            l->raw = xmalloc(READ_BYTES);
        *buf = uv_buf_init((char *) l->raw, READ_BYTES);
        return;
    }
    size_t room = l->in.limit - l->in.len;
    uint8_t *to;
    if (room > READ_BYTES)
        room = READ_BYTES;
    if (room > 0 && buf_reserve(&l->in, room, &to) == 0)
        *buf = uv_buf_init((char *) to, (unsigned) room);
}

static void use_bytes(struct nats_link *l)
{
    if (l->in.len < l->wants || l->in.len == 0)
        return;
    ssize_t used = l->events.bytes(l->ctx, l->in.data, l->in.len, &l->wants);
    if (used < 0 || l->closed || l->broken)
        return;
    buf_consume(&l->in, (size_t) used);
    if (l->in.len == 0 && l->in.cap > KEEP_BYTES) {
        size_t limit = l->in.limit;
        buf_fini(&l->in);
        buf_init(&l->in, limit);
    }
}

static void take_records(struct nats_link *l, struct slice records)
{
    char why[WHY_SIZE];
    int r = nats_tls_take(l->tls, records, &l->in, why);
    if (r == 1)
        l->events.secure(l->ctx);
    if (l->closed)
        return;
    use_bytes(l);
    if (!l->closed)
        nats_link_flush(l); /* of the handshake; the server is told why not, too */
    if (r < 0)
        fail(l, why);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct nats_link *l = stream->data;
    if (nread == 0 || l->closed || l->broken)
        return;
    if (nread < 0) {
        fail(l, nread == UV_EOF ? "closed by the server" : err_str((int) nread));
        return;
    }
    if (l->tls != NULL) {
        take_records(l, slice_of(buf->base, (size_t) nread));
        return;
    }
    buf_grew(&l->in, (size_t) nread);
    use_bytes(l);
}

void nats_link_secure(struct nats_link *l, const struct nats_trust *trust)
{
    char why[WHY_SIZE];
    buf_clear(&l->in);
    l->tls = nats_tls_new(trust, l->at.tls_name);
    int r = nats_tls_take(l->tls, (struct slice){NULL, 0}, &l->in, why);
    ASSERT(r == 0); /* there is nothing yet that could be wrong */
    nats_link_flush(l);
}

void nats_link_allow(struct nats_link *l, size_t in_limit)
{
    l->in.limit = in_limit;
}

/* --- writing --- */

struct buf *nats_link_out(struct nats_link *l)
{
    return &l->out;
}

/* Moves what is to be written to the wire. */
static int load_wire(struct nats_link *l)
{
    if (l->tls == NULL) {
        struct buf empty = l->wire;
        l->wire = l->out;
        l->out = empty;
        return 0;
    }
    size_t n = l->out.len < TLS_BYTES ? l->out.len : TLS_BYTES;
    int r = n > 0 ? nats_tls_give(l->tls, slice_of(l->out.data, n)) : 0;
    if (r < 0)
        return r;
    buf_consume(&l->out, n);
    struct buf *records = nats_tls_out(l->tls), empty = l->wire;
    l->wire = *records;
    *records = empty;
    return 0;
}

static void empty_wire(struct nats_link *l)
{
    size_t limit = l->wire.limit;
    l->wire_sent = 0;
    buf_clear(&l->wire);
    if (l->wire.cap <= KEEP_BYTES)
        return;
    buf_fini(&l->wire);
    buf_init(&l->wire, limit);
}

static void on_written(uv_write_t *req, int status)
{
    struct nats_link *l = req->data;
    l->writing = false;
    if (l->closed || l->broken)
        return;
    if (status < 0) {
        fail_with(l, "cannot write", status);
        return;
    }
    empty_wire(l);
    nats_link_flush(l);
}

/* What the system does not take at once is left to libuv. True: there is room for more. */
static bool write_wire(struct nats_link *l)
{
    uv_stream_t *stream = (uv_stream_t *) &l->tcp;
    while (l->wire_sent < l->wire.len) {
        uv_buf_t rest = uv_buf_init((char *) l->wire.data + l->wire_sent,
                                    (unsigned) (l->wire.len - l->wire_sent));
        int n = uv_try_write(stream, &rest, 1);
        if (n >= 0) {
            l->wire_sent += (size_t) n;
            continue;
        }
        if (n == UV_EAGAIN)
            n = uv_write(&l->write, stream, &rest, 1, on_written);
        if (n < 0)
            fail_with(l, "cannot write", n);
        else
            l->writing = true;
        return false;
    }
    empty_wire(l);
    return true;
}

static bool has_more(const struct nats_link *l)
{
    return l->out.len > 0 || (l->tls != NULL && nats_tls_out(l->tls)->len > 0);
}

void nats_link_flush(struct nats_link *l)
{
    if (!l->has_tcp || l->writing || l->broken)
        return;
    while (has_more(l)) {
        int r = load_wire(l);
        if (r < 0) {
            fail_with(l, "cannot encrypt", r);
            return;
        }
        if (!write_wire(l))
            return;
    }
}

size_t nats_link_pending(const struct nats_link *l)
{
    return l->out.len + (l->wire.len - l->wire_sent);
}
