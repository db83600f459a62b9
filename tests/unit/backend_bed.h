/* backend_bed.h - a backend on the fixture's own loop: HTTP/1.1 on loopback, whose answers the test
 * gives. Include after fixture.h. */
#ifndef TESTS_UNIT_BACKEND_BED_H
#define TESTS_UNIT_BACKEND_BED_H

#include "fixture.h"

#define BACKEND_CONNS 64

struct backend;

struct backend_conn {
    uv_tcp_t tcp;
    struct backend *owner; /* NULL: this place is free */
    struct buf in;
    bool asked; /* a request has come that has no answer yet */
    bool closing;
};

struct backend {
    uv_tcp_t server;
    uint16_t port;
    struct backend_conn conns[BACKEND_CONNS];
    size_t accepted;
    char *requests[1024]; /* in the order they came, whole */
    size_t n;
    bool hold;                                  /* nobody is answered until backend_release() */
    const char *(*answer)(const char *request); /* a whole answer; NULL: closes instead */
};

static inline const char *backend_default(const char *request)
{
    (void) request;
    return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
}

static inline void backend_on_closed(uv_handle_t *handle)
{
    struct backend_conn *bc = handle->data;
    buf_fini(&bc->in);
    *bc = (struct backend_conn){.owner = NULL};
}

static inline void backend_end(struct backend_conn *bc)
{
    if (!bc->closing)
        uv_close((uv_handle_t *) &bc->tcp, backend_on_closed);
    bc->closing = true;
}

static inline void backend_reply(struct backend_conn *bc)
{
    struct backend *b = bc->owner;
    const char *text = (b->answer != NULL ? b->answer : backend_default)(b->requests[b->n - 1]);
    bc->asked = false;
    if (text == NULL) {
        backend_end(bc);
        return;
    }
    uv_buf_t buf = uv_buf_init((char *) (uintptr_t) text, (unsigned) strlen(text));
    if (uv_try_write((uv_stream_t *) &bc->tcp, &buf, 1) != (int) buf.len)
        backend_end(bc);
}

static inline size_t backend_body_length(const char *head)
{
    const char *at = strcasestr(head, "\r\nContent-Length:");
    return at == NULL ? 0 : (size_t) strtoul(at + 17, NULL, 10);
}

/* A whole request at the front of what came is taken out. */
static inline void backend_take(struct backend_conn *bc)
{
    struct backend *b = bc->owner;
    const uint8_t *end = bc->in.len == 0 ? NULL : memmem(bc->in.data, bc->in.len, "\r\n\r\n", 4);
    if (end == NULL || bc->asked || bc->closing)
        return;
    size_t head_len = (size_t) (end - bc->in.data) + 4;
    char *head = xslicedup(slice_of(bc->in.data, head_len));
    size_t len = head_len + backend_body_length(head);
    free(head);
    if (bc->in.len < len)
        return;
    assert_true(b->n < ARRAY_LEN(b->requests));
    b->requests[b->n++] = xslicedup(slice_of(bc->in.data, len));
    buf_consume(&bc->in, len);
    bc->asked = true;
    if (!b->hold)
        backend_reply(bc);
}

static inline void backend_on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static char room[65536];
    (void) handle, (void) suggested;
    *buf = uv_buf_init(room, sizeof(room));
}

static inline void backend_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct backend_conn *bc = stream->data;
    if (n < 0) {
        backend_end(bc);
        return;
    }
    assert_int_equal(buf_append(&bc->in, slice_of(buf->base, (size_t) n)), 0);
    backend_take(bc);
}

static inline void backend_on_connection(uv_stream_t *server, int status)
{
    struct backend *b = server->data;
    struct backend_conn *bc = NULL;
    assert_int_equal(status, 0);
    for (size_t i = 0; i < BACKEND_CONNS && bc == NULL; i++)
        bc = b->conns[i].owner == NULL ? &b->conns[i] : NULL;
    assert_non_null(bc);
    bc->owner = b;
    buf_init(&bc->in, 1 << 20);
    assert_int_equal(uv_tcp_init(server->loop, &bc->tcp), 0);
    bc->tcp.data = bc;
    assert_int_equal(uv_accept(server, (uv_stream_t *) &bc->tcp), 0);
    assert_int_equal(uv_read_start((uv_stream_t *) &bc->tcp, backend_on_alloc, backend_on_read), 0);
    b->accepted++;
}

static inline void backend_start(struct backend *b, struct fixture *f)
{
    struct sockaddr_in at;
    int len = sizeof(at);
    assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &at), 0);
    assert_int_equal(uv_tcp_init(&f->gateway->loop, &b->server), 0);
    b->server.data = b;
    assert_int_equal(uv_tcp_bind(&b->server, (const struct sockaddr *) &at, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *) &b->server, 128, backend_on_connection), 0);
    assert_int_equal(uv_tcp_getsockname(&b->server, (struct sockaddr *) &at, &len), 0);
    b->port = ntohs(at.sin_port);
}

/* Answers all that were held; those that come are answered at once. */
static inline void backend_release(struct backend *b)
{
    b->hold = false;
    for (size_t i = 0; i < BACKEND_CONNS; i++)
        if (b->conns[i].owner != NULL && b->conns[i].asked)
            backend_reply(&b->conns[i]);
}

/* Before the loop ends, but for what the gateway still has to say. */
static inline void backend_stop(struct backend *b)
{
    if (!uv_is_closing((uv_handle_t *) &b->server))
        uv_close((uv_handle_t *) &b->server, NULL);
    for (size_t i = 0; i < BACKEND_CONNS; i++)
        if (b->conns[i].owner != NULL)
            backend_end(&b->conns[i]);
}

static inline void backend_free(struct backend *b)
{
    for (size_t i = 0; i < b->n; i++)
        free(b->requests[i]);
    free(b);
}

/* Whether request number `i` has this line in its head. */
static inline bool backend_got(const struct backend *b, size_t i, const char *line)
{
    char *want = NULL;
    assert_true(asprintf(&want, "\r\n%s\r\n", line) > 0);
    bool got = i < b->n && strcasestr(b->requests[i], want) != NULL;
    free(want);
    return got;
}

static inline const char *backend_body(const struct backend *b, size_t i)
{
    assert_true(i < b->n);
    const char *end = strstr(b->requests[i], "\r\n\r\n");
    return end + 4;
}

#endif
