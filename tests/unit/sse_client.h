/* sse_client.h - a client that reads server-sent events from the fixture's gateway. */
#ifndef TESTS_UNIT_SSE_CLIENT_H
#define TESTS_UNIT_SSE_CLIENT_H

#include "fixture.h"

#define SSE_ASKS "Host: a\r\nAccept: text/event-stream\r\n\r\n"

/* Sends the request; `rcvbuf` as client_with_buffer(). */
static inline struct client sse_asked(struct fixture *f, const char *target, int rcvbuf)
{
    char request[512];
    struct client c = client_with_buffer(f->gateway_name, rcvbuf);
    (void) snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" SSE_ASKS, target);
    client_say(f, &c, request);
    return c;
}

static inline bool sse_has(const struct client *c, const char *text)
{
    return c->in.len > 0 && memmem(c->in.data, c->in.len, text, strlen(text)) != NULL;
}

/* Reads the head and the first field. */
static inline void sse_opened(struct fixture *f, struct client *c)
{
    CLIENT_UNTIL(f, c, client_head_end(c) > 0);
    assert_memory_equal(c->in.data, "HTTP/1.1 200 ", 13);
    client_header(c, "X-Yc-Apigateway-Websocket-Connection-Id", c->id, sizeof(c->id));
    buf_consume(&c->in, client_head_end(c));
    CLIENT_UNTIL(f, c, sse_has(c, "\n\n"));
    unsigned retry = 0;
    int len = 0;
    char *text = xslicedup(buf_slice(&c->in));
    assert_int_equal(sscanf(text, "retry: %u\n\n%n", &retry, &len), 1);
    assert_in_range(retry, 1000, 5000);
    free(text);
    buf_consume(&c->in, (size_t) len);
}

static inline struct client sse_client(struct fixture *f, const char *target)
{
    struct client c = sse_asked(f, target, 0);
    sse_opened(f, &c);
    return c;
}

/* Exactly this comes next. */
static inline void sse_expect(struct fixture *f, struct client *c, const char *text)
{
    CLIENT_UNTIL(f, c, c->in.len >= strlen(text) || c->eof);
    assert_true(c->in.len >= strlen(text));
    assert_memory_equal(c->in.data, text, strlen(text));
    buf_consume(&c->in, strlen(text));
}

/* The event of a message of `len` bytes comes next; returns its number. */
static inline unsigned sse_expect_message(struct fixture *f, struct client *c, size_t len)
{
    static uint8_t room[1 << 20];
    size_t size = strlen("data: \n\n") + len;
    CLIENT_UNTIL(f, c, c->in.len >= size || c->eof);
    assert_true(c->in.len >= size);
    assert_memory_equal(c->in.data, "data: ", 6);
    unsigned n = (unsigned) strtoul((const char *) c->in.data + 6, NULL, 10);
    assert_memory_equal(c->in.data + 6, fixture_payload(room, len, n).data, len);
    assert_memory_equal(c->in.data + 6 + len, "\n\n", 2);
    buf_consume(&c->in, size);
    return n;
}

static inline void sse_expect_run(struct fixture *f, struct client *c, size_t len, unsigned first,
                                  unsigned last)
{
    for (unsigned n = first; n <= last; n++)
        assert_int_equal(sse_expect_message(f, c, len), n);
}

#endif
