/* outbound_bed.h - an outbound on a loop of the test, and a backend on the same loop that answers
 * as the test says: byte by byte, cut anywhere, with a reset, never. UNTIL() turns the loop until a
 * condition holds, and fails the test when it does not within BED_DEADLINE_MS. */
#ifndef TESTS_UNIT_OUTBOUND_BED_H
#define TESTS_UNIT_OUTBOUND_BED_H

#include "outbound.h"

#include "list.h"
#include "mem.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define BED_DEADLINE_MS 10000
#define OK_ANSWER       "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-One: 1\r\n\r\nhi"

enum after { AFTER_KEEP, AFTER_CLOSE, AFTER_RESET };

/* What a backend does with each whole request. */
struct script {
    struct slice bytes; /* is sent at once */
    enum after after;
    struct slice again; /* then this, `times` times; with `drip_ms` each so much later */
    size_t times;
    uint64_t drip_ms;
    bool deaf; /* it does not even read */
    bool hold; /* what is sent at once is sent with backend_release() */
};

struct peer;

struct backend {
    uv_loop_t *loop;
    void (*choose)(struct peer *p); /* NULL, or sets p->script for the request in b->last */
    uv_tcp_t tcp;
    unsigned port;
    struct script script;
    struct list peers;
    size_t accepted, requests, open;
    struct buf last; /* the request heard last */
};

struct peer {
    struct list node;
    struct backend *b;
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_write_t write;
    struct script script;
    struct buf in;
    size_t done;
    unsigned handles;
    bool writing, closing;
};

/* --- the backend --- */

static inline void peer_on_closed(uv_handle_t *handle)
{
    struct peer *p = handle->data;
    if (--p->handles > 0)
        return;
    buf_fini(&p->in);
    p->b->open--;
    list_remove(&p->node);
    free(p);
}

static inline void peer_close(struct peer *p, bool reset)
{
    if (p->closing)
        return;
    p->closing = true;
    uv_close((uv_handle_t *) &p->timer, peer_on_closed);
    if (!reset || uv_tcp_close_reset(&p->tcp, peer_on_closed) < 0)
        uv_close((uv_handle_t *) &p->tcp, peer_on_closed);
}

static inline void peer_next(struct peer *p);

static inline void peer_on_written(uv_write_t *w, int status)
{
    struct peer *p = w->data;
    p->writing = false;
    if (status == 0 && !p->closing)
        peer_next(p);
    else
        peer_close(p, false);
}

static inline void peer_write(struct peer *p, struct slice s)
{
    uv_buf_t b = uv_buf_init((char *) (uintptr_t) s.data, (unsigned) s.len);
    p->write.data = p;
    p->writing = true;
    assert_int_equal(uv_write(&p->write, (uv_stream_t *) &p->tcp, &b, 1, peer_on_written), 0);
}

static inline void peer_on_timer(uv_timer_t *t)
{
    struct peer *p = t->data;
    p->done++;
    peer_write(p, p->script.again);
}

/* What was sent has gone out. */
static inline void peer_next(struct peer *p)
{
    if (p->done < p->script.times && p->script.drip_ms > 0) {
        assert_int_equal(uv_timer_start(&p->timer, peer_on_timer, p->script.drip_ms, 0), 0);
    } else if (p->done < p->script.times) {
        peer_on_timer(&p->timer);
    } else if (p->script.after != AFTER_KEEP) {
        peer_close(p, p->script.after == AFTER_RESET);
    }
}

/* Bytes of the first request; 0: it is not whole yet. */
static inline size_t peer_request(const struct buf *in)
{
    const char *end = memmem(in->data, in->len, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    size_t head = (size_t) (end + 4 - (const char *) in->data), body = 0;
    const char *length = memmem(in->data, head, "Content-Length: ", 16);
    if (length != NULL)
        body = strtoul(length + 16, NULL, 10);
    return in->len >= head + body ? head + body : 0;
}

static inline void peer_on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct peer *p = s->data;
    struct backend *b = p->b;
    if (n < 0) {
        peer_close(p, false);
        return;
    }
    assert_int_equal(buf_append(&p->in, slice_of(buf->base, (size_t) n)), 0);
    for (size_t len; !p->writing && !p->closing && (len = peer_request(&p->in)) > 0;) {
        b->requests++;
        buf_clear(&b->last);
        assert_int_equal(buf_append(&b->last, slice_sub(buf_slice(&p->in), 0, len)), 0);
        buf_consume(&p->in, len);
        p->script = b->script;
        p->done = 0;
        if (b->choose != NULL)
            b->choose(p);
        if (p->script.hold)
            continue;
        if (p->script.bytes.len > 0)
            peer_write(p, p->script.bytes);
        else if (p->script.after != AFTER_KEEP)
            peer_close(p, p->script.after == AFTER_RESET);
    }
}

static inline void peer_on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    static char room[65536];
    (void) handle, (void) size;
    *buf = uv_buf_init(room, sizeof(room));
}

static inline void backend_on_connection(uv_stream_t *s, int status)
{
    struct backend *b = s->data;
    struct peer *p = xcalloc(1, sizeof(*p));
    assert_int_equal(status, 0);
    p->b = b;
    p->handles = 2;
    p->tcp.data = p->timer.data = p;
    buf_init(&p->in, (size_t) 64 << 20);
    list_push(&b->peers, &p->node);
    b->accepted++;
    b->open++;
    assert_int_equal(uv_tcp_init(b->loop, &p->tcp), 0);
    assert_int_equal(uv_timer_init(b->loop, &p->timer), 0);
    assert_int_equal(uv_accept(s, (uv_stream_t *) &p->tcp), 0);
    if (!b->script.deaf)
        assert_int_equal(uv_read_start((uv_stream_t *) &p->tcp, peer_on_alloc, peer_on_read), 0);
}

static inline void backend_begin(struct backend *b, uv_loop_t *loop, const char *address)
{
    struct sockaddr_storage at;
    int len = sizeof(at);
    *b = (struct backend){.loop = loop, .script.bytes = SLICE_LIT(OK_ANSWER)};
    list_init(&b->peers);
    buf_init(&b->last, (size_t) 64 << 20);
    b->tcp.data = b;
    if (strchr(address, ':') != NULL)
        assert_int_equal(uv_ip6_addr(address, 0, (struct sockaddr_in6 *) &at), 0);
    else
        assert_int_equal(uv_ip4_addr(address, 0, (struct sockaddr_in *) &at), 0);
    assert_int_equal(uv_tcp_init(loop, &b->tcp), 0);
    assert_int_equal(uv_tcp_bind(&b->tcp, (struct sockaddr *) &at, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *) &b->tcp, 512, backend_on_connection), 0);
    assert_int_equal(uv_tcp_getsockname(&b->tcp, (struct sockaddr *) &at, &len), 0);
    b->port = ntohs(((struct sockaddr_in *) &at)->sin_port); /* in the same place in both */
}

static inline void backend_release(struct backend *b)
{
    b->script.hold = false;
    LIST_FOREACH (it, &b->peers) {
        struct peer *p = LIST_ENTRY(it, struct peer, node);
        if (p->script.hold && !p->closing)
            peer_write(p, p->script.bytes);
        p->script.hold = false;
    }
}

static inline void backend_drop(struct backend *b, bool reset) /* its connections */
{
    LIST_FOREACH_SAFE (it, &b->peers)
        peer_close(LIST_ENTRY(it, struct peer, node), reset);
}

static inline void backend_end(struct backend *b)
{
    backend_drop(b, false);
    uv_close((uv_handle_t *) &b->tcp, NULL);
    buf_fini(&b->last);
}

/* --- the bed --- */

struct bed {
    uv_loop_t loop;
    uv_timer_t wake; /* so that a turn of the loop comes to an end */
    struct outbound_options options;
    struct outbound *o;
    struct backend b;
};

/* What came of a request. */
struct got {
    unsigned times;
    int err;
    char why[128];
    unsigned status;
    size_t n_headers;
    char one[64]; /* of X-One */
    struct buf body;
    void (*then)(struct got *);
    struct bed *bed;
    struct outbound_call *call;
};

#define UNTIL(bed, condition)                                                                      \
    do {                                                                                           \
        uint64_t until_ = uv_hrtime() + (uint64_t) BED_DEADLINE_MS * 1000000;                      \
        while (!(condition)) {                                                                     \
            if (uv_hrtime() > until_)                                                              \
                fail_msg("%s", #condition);                                                        \
            (void) uv_run(&(bed)->loop, UV_RUN_ONCE);                                              \
        }                                                                                          \
    } while (0)

static inline void bed_on_wake(uv_timer_t *t)
{
    (void) t;
}

static inline void bed_allow(struct bed *bed, const char *network)
{
    char *text = (char *) (uintptr_t) network;
    networks_fini(&bed->options.allowed);
    networks_init(&bed->options.allowed, &text, 1);
}

/* Defaults that a test changes before bed_open(). */
static inline void bed_begin(struct bed *bed)
{
    *bed = (struct bed){.options = {.connect_ms = 5000,
                                    .read_ms = 5000,
                                    .max_ms = 20000,
                                    .max_calls = 256,
                                    .max_waiting = 4096}};
    assert_int_equal(uv_loop_init(&bed->loop), 0);
    assert_int_equal(uv_timer_init(&bed->loop, &bed->wake), 0);
    assert_int_equal(uv_timer_start(&bed->wake, bed_on_wake, 2, 2), 0);
    bed_allow(bed, "127.0.0.0/8");
    backend_begin(&bed->b, &bed->loop, "127.0.0.1");
}

static inline void bed_open(struct bed *bed)
{
    assert_int_equal(outbound_new(&bed->loop, &bed->options, &bed->o), 0);
}

static inline void bed_new(struct bed *bed)
{
    bed_begin(bed);
    bed_open(bed);
}

static inline void bed_end(struct bed *bed)
{
    outbound_close(bed->o);
    backend_end(&bed->b);
    uv_close((uv_handle_t *) &bed->wake, NULL);
    assert_int_equal(uv_run(&bed->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&bed->loop), 0); /* no handle was forgotten */
    networks_fini(&bed->options.allowed);
}

static inline void bed_on_done(void *arg, const struct outbound_answer *a)
{
    struct got *g = arg;
    struct slice one = outbound_header(a, "x-one");
    g->times++;
    g->err = a->err;
    g->status = a->status;
    g->n_headers = a->n_headers;
    (void) snprintf(g->why, sizeof(g->why), "%s", a->why);
    (void) snprintf(g->one, sizeof(g->one), "%.*s", (int) one.len,
                    one.len == 0 ? "" : (const char *) one.data);
    buf_clear(&g->body);
    g->body.limit = SIZE_MAX;
    assert_int_equal(buf_append(&g->body, a->body), 0);
    assert_int_equal(a->err == 0, a->why[0] == '\0');
    if (g->then != NULL)
        g->then(g);
}

/* `url` with '@' for the backend's port. */
static inline void bed_send(struct bed *bed, struct got *g, const char *method, const char *url,
                            struct slice body)
{
    char text[1024];
    const char *at = strchr(url, '@');
    if (at == NULL)
        (void) snprintf(text, sizeof(text), "%s", url);
    else
        (void) snprintf(text, sizeof(text), "%.*s%u%s", (int) (at - url), url, bed->b.port, at + 1);
    const struct outbound_request request = {.method = method,
                                             .url = text,
                                             .body = body,
                                             .has_body = body.data != NULL,
                                             .max_body = 1 << 20};
    *g = (struct got){.bed = bed, .then = g->then};
    assert_int_equal(outbound_send(bed->o, &request, bed_on_done, g, &g->call), 0);
    assert_int_equal(g->times, 0); /* never from within */
}

static inline void bed_ask(struct bed *bed, struct got *g, const char *method, const char *url,
                           struct slice body)
{
    buf_fini(&g->body);
    bed_send(bed, g, method, url, body);
    UNTIL(bed, g->times > 0);
    assert_int_equal(g->times, 1);
}

static inline void bed_get(struct bed *bed, struct got *g)
{
    bed_ask(bed, g, "GET", "http://127.0.0.1:@/", (struct slice){0});
}

static inline void got_is(const struct got *g, int err, unsigned status)
{
    if (g->err != err || g->status != status)
        fail_msg("%d (%s) %u instead of %d %u", g->err, g->why, g->status, err, status);
}

#endif
