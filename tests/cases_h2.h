/* cases_h2.h - HTTP/2 written and read by hand, shared by unit/test_h2.c, property/test_h2_splits.c
 * and fuzz/fuzz_h2.c: frames as a client would send them, and a handler that writes down what it is
 * told and answers as the request's path says. A record is one line: events of the handler in their
 * order ("head 1 POST /echo", "data 1 5", ...), or the frames that the server sent ("RST 1 8"). */
#ifndef TESTS_CASES_H2_H
#define TESTS_CASES_H2_H

#include "h2.h"

#include "err.h"

#include <stdio.h>
#include <stdlib.h>

#define H2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

enum {
    F_DATA,
    F_HEADERS,
    F_PRIORITY,
    F_RST,
    F_SETTINGS,
    F_PUSH,
    F_PING,
    F_GOAWAY,
    F_WINDOW,
    F_CONTINUATION
};
enum { FLAG_ACK = 1, FLAG_END_STREAM = 1, FLAG_END_HEADERS = 4, FLAG_PADDED = 8, FLAG_PRIO = 32 };

/* ---- writing ---- */

static inline void put(struct buf *b, struct slice s)
{
    if (buf_append(b, s) < 0)
        abort();
}

static inline void put_u32(struct buf *b, uint32_t n)
{
    uint8_t bytes[4] = {(uint8_t) (n >> 24), (uint8_t) (n >> 16), (uint8_t) (n >> 8), (uint8_t) n};
    put(b, slice_of(bytes, 4));
}

static inline void put_frame_head(struct buf *b, size_t len, int type, int flags, uint32_t id)
{
    uint8_t head[5] = {(uint8_t) (len >> 16), (uint8_t) (len >> 8), (uint8_t) len, (uint8_t) type,
                       (uint8_t) flags};
    put(b, slice_of(head, 5));
    put_u32(b, id);
}

static inline void put_frame(struct buf *b, int type, int flags, uint32_t id, struct slice payload)
{
    put_frame_head(b, payload.len, type, flags, id);
    put(b, payload);
}

static inline void put_u32_frame(struct buf *b, int type, uint32_t id, uint32_t n)
{
    put_frame_head(b, 4, type, 0, id);
    put_u32(b, n);
}

static inline void put_setting(struct buf *b, unsigned id, uint32_t value)
{
    put_frame_head(b, 6, F_SETTINGS, 0, 0);
    put(b, slice_of((uint8_t[]){0, (uint8_t) id}, 2));
    put_u32(b, value);
}

static inline void put_greeting(struct buf *b) /* the preface and SETTINGS */
{
    put(b, SLICE_LIT(H2_PREFACE));
    put_frame_head(b, 0, F_SETTINGS, 0, 0);
}

static inline void put_length(struct buf *b, size_t len) /* HPACK, without Huffman: 7-bit prefix */
{
    if (len < 127) {
        put(b, slice_of((uint8_t[]){(uint8_t) len}, 1));
        return;
    }
    put(b, SLICE_LIT("\x7f"));
    for (len -= 127; len >= 128; len >>= 7)
        put(b, slice_of((uint8_t[]){(uint8_t) (len | 128)}, 1));
    put(b, slice_of((uint8_t[]){(uint8_t) len}, 1));
}

/* A literal field; `kind` 0: without indexing, 0x40: put into the table. */
static inline void put_field(struct buf *b, uint8_t kind, struct slice name, struct slice value)
{
    put(b, slice_of(&kind, 1));
    put_length(b, name.len);
    put(b, name);
    put_length(b, value.len);
    put(b, value);
}

static inline void put_request_fields(struct buf *b, const char *path)
{
    put_field(b, 0, SLICE_LIT(":method"), SLICE_LIT("POST"));
    put_field(b, 0, SLICE_LIT(":scheme"), SLICE_LIT("http"));
    put_field(b, 0, SLICE_LIT(":path"), slice_str(path));
    put_field(b, 0, SLICE_LIT(":authority"), SLICE_LIT("a"));
}

static inline void put_request(struct buf *b, uint32_t id, const char *path, bool end)
{
    struct buf block;
    buf_init(&block, 1 << 20);
    put_request_fields(&block, path);
    put_frame(b, F_HEADERS, FLAG_END_HEADERS | (end ? FLAG_END_STREAM : 0), id, buf_slice(&block));
    buf_fini(&block);
}

/* ---- the handler ---- */

#define H2_BIG 300000 /* bytes of the answer of /big */

struct h2_peer {
    struct h2 *h;
    struct buf events;
    struct buf sent; /* by the server */
    size_t data;     /* bytes of data() in a row, for one event */
    int32_t data_of;
    size_t n_open, n_heads, n_gone;
};

static inline void h2_flush_data(struct h2_peer *p)
{
    if (p->data > 0 && buf_printf(&p->events, "data %d %zu, ", p->data_of, p->data) < 0)
        abort();
    p->data = 0;
}

#define H2_EVENT(p, ...)                                                                           \
    do {                                                                                           \
        h2_flush_data(p);                                                                          \
        if (buf_printf(&(p)->events, __VA_ARGS__) < 0)                                             \
            abort();                                                                               \
    } while (0)

static const struct h2_field H2_OK[] = {{SLICE_INIT(":status"), SLICE_INIT("200")},
                                        {SLICE_INIT("content-type"), SLICE_INIT("x/y")}};
static const struct h2_field H2_TRAILERS[] = {{SLICE_INIT("grpc-status"), SLICE_INIT("0")}};

static inline void h2_answer(struct h2_peer *p, struct h2_stream *s, size_t bytes)
{
    static uint8_t filler[H2_BIG];
    h2_respond(p->h, s, H2_OK, ARRAY_LEN(H2_OK), false);
    if (h2_write(p->h, s, slice_of(filler, bytes)) < 0)
        abort();
    h2_trailers(p->h, s, H2_TRAILERS, ARRAY_LEN(H2_TRAILERS));
}

/* At the head: /reset resets, /only answers without a body, /open begins an answer and /never none.
 * At the end: /big answers much, all others little. */
static inline void h2_on_end(void *ctx, struct h2_stream *s)
{
    struct h2_peer *p = ctx;
    H2_EVENT(p, "end %d, ", s->id);
    uintptr_t kind = (uintptr_t) s->user;
    if (kind != 'n')
        h2_answer(p, s, kind == 'b' ? H2_BIG : 5);
}

static inline void h2_on_head(void *ctx, struct h2_stream *s, const struct h2_head *head, bool end)
{
    struct h2_peer *p = ctx;
    char kind = head->path.len > 1 ? (char) head->path.data[1] : ' ';
    p->n_heads++;
    H2_EVENT(p, "head %d %.*s %.*s %.*s +%zu, ", s->id, (int) head->method.len,
             (const char *) head->method.data, (int) head->path.len, (const char *) head->path.data,
             (int) head->authority.len, (const char *) head->authority.data, head->n_fields);
    if (kind == 'r')
        h2_reset(p->h, s, H2_REFUSED_STREAM);
    else if (head->path.len > 2 && memcmp(head->path.data, "/on", 3) == 0)
        h2_respond(p->h, s, H2_OK, 1, true);
    else if (kind == 'o')
        h2_respond(p->h, s, H2_OK, 1, false);
    else {
        s->user = (void *) (uintptr_t) kind;
        if (end)
            h2_on_end(p, s);
    }
}

static inline void h2_on_data(void *ctx, struct h2_stream *s, struct slice piece)
{
    struct h2_peer *p = ctx;
    if (p->data_of != s->id)
        h2_flush_data(p);
    p->data_of = s->id;
    p->data += piece.len;
    if ((uintptr_t) s->user != 'n') /* /never is not read either */
        h2_consume(p->h, s, piece.len);
}

static inline void h2_on_drained(void *ctx, struct h2_stream *s)
{
    H2_EVENT((struct h2_peer *) ctx, "drained %d, ", s->id);
}

static inline void h2_on_gone(void *ctx, struct h2_stream *s, uint32_t error)
{
    struct h2_peer *p = ctx;
    p->n_gone++;
    H2_EVENT(p, "gone %d %u, ", s->id, error);
}

static const struct h2_handler H2_HANDLER = {h2_on_head, h2_on_data, h2_on_end, h2_on_drained,
                                             h2_on_gone};

static inline void h2_peer_init(struct h2_peer *p)
{
    *p = (struct h2_peer){0};
    buf_init(&p->events, 1 << 26);
    buf_init(&p->sent, 1 << 28);
    p->h = h2_new(&H2_HANDLER, p, 1000);
}

static inline void h2_peer_fini(struct h2_peer *p)
{
    h2_free(p->h);
    if (p->n_heads != p->n_gone)
        abort();
    buf_fini(&p->events);
    buf_fini(&p->sent);
}

static inline void h2_peer_take(struct h2_peer *p) /* all there is */
{
    struct slice out;
    do {
        if (h2_take(p->h, &out) < 0)
            abort();
        put(&p->sent, out);
    } while (out.len > 0);
}

static inline const char *h2_text(struct buf *b) /* valid until it grows; without the last comma */
{
    if (b->len > 1 && b->data[b->len - 2] == ',')
        b->len -= 2;
    if (buf_append(b, slice_of("", 1)) < 0)
        abort();
    b->len--;
    return (const char *) b->data;
}

static inline const char *h2_events(struct h2_peer *p)
{
    h2_flush_data(p);
    return h2_text(&p->events);
}

/* ---- reading what was sent ---- */

static inline uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t) at[0] << 24 | (uint32_t) at[1] << 16 | (uint32_t) at[2] << 8 | at[3];
}

static inline void h2_frame_text(const uint8_t *head, const uint8_t *payload, size_t len,
                                 struct buf *ret)
{
    uint32_t id = get_u32(head + 5);
    const char *end = (head[4] & FLAG_END_STREAM) != 0 ? " end" : "";
    int r = 0;
    switch (head[3]) {
    case F_DATA:
        r = buf_printf(ret, "DATA %u %zu%s, ", id, len, end);
        break;
    case F_HEADERS:
        r = buf_printf(ret, "HEADERS %u%s, ", id, end);
        break;
    case F_RST:
        r = buf_printf(ret, "RST %u %u, ", id, get_u32(payload));
        break;
    case F_SETTINGS:
        r = buf_printf(ret, "SETTINGS%s, ", (head[4] & FLAG_ACK) != 0 ? " ack" : "");
        break;
    case F_PING:
        r = buf_printf(ret, "PING%s, ", (head[4] & FLAG_ACK) != 0 ? " ack" : "");
        break;
    case F_GOAWAY:
        r = buf_printf(ret, "GOAWAY %u %u, ", get_u32(payload), get_u32(payload + 4));
        break;
    case F_WINDOW:
        r = buf_printf(ret, "WINDOW %u %u, ", id, get_u32(payload));
        break;
    default:
        abort(); /* the server sends nothing else */
    }
    if (r < 0)
        abort();
}

/* The frames in `sent`, all of them whole; also removes them. */
static inline const char *h2_frames(struct h2_peer *p, struct buf *ret)
{
    size_t at = 0;
    buf_clear(ret);
    while (at < p->sent.len) {
        const uint8_t *head = p->sent.data + at;
        size_t len = (size_t) head[0] << 16 | (size_t) head[1] << 8 | head[2];
        if (p->sent.len - at < 9 || p->sent.len - at - 9 < len)
            abort();
        h2_frame_text(head, head + 9, len, ret);
        at += 9 + len;
    }
    buf_clear(&p->sent);
    return h2_text(ret);
}

/* Of one input, cut at `cuts`, and taken at its end: the events, " | ", the frames, the refusal. */
static inline struct buf h2_record(struct slice input, const size_t *cuts, size_t n_cuts)
{
    struct h2_peer p;
    struct buf frames, ret;
    h2_peer_init(&p);
    buf_init(&frames, 1 << 26);
    buf_init(&ret, 1 << 26);
    size_t from = 0;
    for (size_t i = 0; i <= n_cuts; i++) {
        size_t to = i < n_cuts ? cuts[i] : input.len;
        if ((h2_receive(p.h, slice_sub(input, from, to), 1000) < 0) !=
            (h2_refusal(p.h) != REFUSE_NONE))
            abort();
        from = to;
    }
    h2_peer_take(&p);
    const char *sent = h2_frames(&p, &frames);
    if (buf_printf(&ret, "%s | %s | %s", h2_events(&p), sent, refuse_info(h2_refusal(p.h))->name) <
        0)
        abort();
    h2_peer_fini(&p);
    buf_fini(&frames);
    return ret;
}

#endif
