/* witness.h - what a client of the server sees: checks that every byte written to it is part of a
 * well-formed answer, frame or HTTP/2 frame, counts answers, and gives whole messages to whoever
 * asks. It knows nothing of how the server makes them. */
#ifndef TESTS_FUZZ_WITNESS_H
#define TESTS_FUZZ_WITNESS_H

#include "err.h"
#include "slice.h"
#include "utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#define WITNESS_HEAD_MAX    4096
#define WITNESS_MESSAGE_MAX (1u << 18)
#define WITNESS_BODY_MAX    512 /* what is kept of an answer's body */
#define WITNESS_H2_FRAME    16384

enum witness_state {
    WITNESS_HEAD,   /* of an HTTP answer */
    WITNESS_BODY,   /* which may turn out to be that of HEAD, which is not there */
    WITNESS_HEADER, /* of a WebSocket frame */
    WITNESS_PAYLOAD,
    WITNESS_OVER, /* after our close frame: nothing may come */
    WITNESS_H2_HEADER,
    WITNESS_H2_PAYLOAD
};

struct witness {
    void *ctx;
    void (*on_answer)(void *ctx, unsigned status, struct slice body); /* as far as it is kept */
    void (*on_open)(void *ctx);
    void (*on_message)(void *ctx, struct slice payload);
    enum witness_state state;
    bool deflate;
    size_t len; /* in `head`: of an answer's head, a frame's header or the start of a body */
    uint8_t head[WITNESS_HEAD_MAX];
    unsigned status;
    uint64_t left, body_len;
    uint8_t first;    /* byte of the frame */
    bool in_message;  /* fragments are to follow */
    bool is_deflated; /* the message */
    bool is_text;
    size_t n_message;
    uint8_t *message; /* WITNESS_MESSAGE_MAX */
};

/* --- HTTP answers --- */

static inline struct slice witness_field(const struct witness *w, const char *name)
{
    size_t n = strlen(name);
    for (size_t at = 0; at + n < w->len; at++)
        if (strncasecmp((const char *) w->head + at, name, n) == 0) {
            const uint8_t *end = memchr(w->head + at, '\r', w->len - at);
            return slice_of(w->head + at + n, (size_t) (end - w->head) - at - n);
        }
    return (struct slice){0};
}

static inline void witness_end_answer(struct witness *w)
{
    size_t kept = w->len < WITNESS_BODY_MAX ? w->len : WITNESS_BODY_MAX;
    w->state = WITNESS_HEAD;
    w->on_answer(w->ctx, w->status, slice_of(w->head, kept));
    w->len = 0;
}

static inline void witness_end_head(struct witness *w)
{
    char line[16] = "";
    ASSERT(w->len > 12 && memcmp(w->head, "HTTP/1.1 ", 9) == 0);
    memcpy(line, w->head + 9, 3);
    w->status = (unsigned) strtoul(line, NULL, 10);
    ASSERT(w->status >= 100 && w->status < 600);
    struct slice length = witness_field(w, "\nContent-Length: ");
    ASSERT((length.len > 0) == (w->status >= 200 && w->status != 204));
    char digits[21] = "";
    memcpy(digits, length.data == NULL ? w->head : length.data, length.len);
    w->left = w->body_len = length.len == 0 ? 0 : strtoull(digits, NULL, 10);
    w->deflate = witness_field(w, "permessage-deflate").data != NULL;
    if (w->status == 101) {
        w->state = WITNESS_HEADER;
        w->on_open(w->ctx);
        w->on_answer(w->ctx, 101, (struct slice){0});
        w->len = 0;
    } else if (w->left == 0 && w->status >= 200) {
        w->len = 0;
        witness_end_answer(w);
    } else if (w->left > 0) {
        w->state = WITNESS_BODY;
    }
    w->len = 0;
}

static inline size_t witness_head(struct witness *w, struct slice in)
{
    size_t n = 0;
    while (n < in.len && w->state == WITNESS_HEAD) {
        ASSERT(w->len < WITNESS_HEAD_MAX);
        w->head[w->len++] = in.data[n++];
        if (w->len >= 4 && memcmp(w->head + w->len - 4, "\r\n\r\n", 4) == 0)
            witness_end_head(w);
    }
    return n;
}

/* No body of ours begins like an answer: then the request's method was HEAD. */
static inline bool witness_was_head(struct witness *w, struct slice in)
{
    static const char START[] = "HTTP/1.1 ";
    size_t have = (size_t) (w->body_len - w->left), n = 0;
    if (have >= 9)
        return false;
    while (n < in.len && have + n < 9 && in.data[n] == (uint8_t) START[have + n])
        n++;
    return have == 0 && n == (in.len < 9 ? in.len : 9);
}

static inline size_t witness_body(struct witness *w, struct slice in)
{
    if (witness_was_head(w, in)) {
        w->left = 0;
        witness_end_answer(w);
        return 0;
    }
    size_t n = in.len < w->left ? in.len : (size_t) w->left;
    for (size_t i = 0; i < n && w->len < WITNESS_BODY_MAX; i++)
        w->head[w->len++] = in.data[i];
    w->left -= n;
    if (w->left == 0)
        witness_end_answer(w);
    return n;
}

/* --- WebSocket frames (RFC 6455 section 5) --- */

static inline size_t witness_header_size(const struct witness *w)
{
    uint8_t len = w->len < 2 ? 0 : w->head[1] & 0x7f;
    return len < 126 ? 2 : len == 126 ? 4 : 10;
}

static inline void witness_check_first(struct witness *w)
{
    unsigned opcode = w->first & 0x0fu;
    bool fin = (w->first & 0x80) != 0, rsv1 = (w->first & 0x40) != 0;
    ASSERT((w->first & 0x30) == 0);
    ASSERT(opcode <= 2 || (opcode >= 8 && opcode <= 10 && fin && !rsv1 && w->left <= 125));
    if (opcode >= 8)
        return;
    ASSERT((opcode == 0) == w->in_message);
    ASSERT(!rsv1 || (w->deflate && opcode != 0));
    if (opcode != 0) {
        w->n_message = 0;
        w->is_deflated = rsv1;
        w->is_text = opcode == 1;
    }
    w->in_message = !fin;
    ASSERT(w->left <= WITNESS_MESSAGE_MAX - w->n_message);
}

static inline void witness_inflated(struct witness *w)
{
    static uint8_t plain[WITNESS_MESSAGE_MAX];
    z_stream z = {0};
    static const uint8_t TAIL[] = {0, 0, 0xff, 0xff}; /* RFC 7692 section 7.2.2 */
    ASSERT(w->n_message + sizeof(TAIL) <= WITNESS_MESSAGE_MAX);
    memcpy(w->message + w->n_message, TAIL, sizeof(TAIL));
    ASSERT(inflateInit2(&z, -15) == Z_OK);
    z.next_in = w->message;
    z.avail_in = (uInt) (w->n_message + sizeof(TAIL));
    z.next_out = plain;
    z.avail_out = sizeof(plain);
    int r = inflate(&z, Z_SYNC_FLUSH);
    ASSERT((r == Z_OK || r == Z_STREAM_END || r == Z_BUF_ERROR) && z.avail_in == 0);
    ASSERT(z.avail_out > 0);
    w->on_message(w->ctx, slice_of(plain, sizeof(plain) - z.avail_out));
    (void) inflateEnd(&z);
}

static inline void witness_end_frame(struct witness *w)
{
    unsigned opcode = w->first & 0x0fu;
    w->len = 0;
    w->state = opcode == 8 ? WITNESS_OVER : WITNESS_HEADER;
    if (opcode >= 8 || w->in_message)
        return;
    ASSERT(!w->is_text || w->is_deflated || utf8_valid(slice_of(w->message, w->n_message)));
    if (w->is_deflated)
        witness_inflated(w);
    else
        w->on_message(w->ctx, slice_of(w->message, w->n_message));
}

static inline size_t witness_header(struct witness *w, struct slice in)
{
    size_t n = 0;
    while (n < in.len && w->len < witness_header_size(w))
        w->head[w->len++] = in.data[n++];
    if (w->len < 2 || w->len < witness_header_size(w))
        return n;
    w->first = w->head[0];
    ASSERT((w->head[1] & 0x80) == 0); /* a server masks nothing */
    w->left = w->len == 2 ? w->head[1] : 0;
    for (size_t i = 2; i < w->len; i++)
        w->left = w->left << 8 | w->head[i];
    ASSERT(w->len == 2 || w->left > (w->len == 4 ? 125u : 65535u)); /* no longer than needed */
    witness_check_first(w);
    w->state = WITNESS_PAYLOAD;
    if (w->left == 0)
        witness_end_frame(w);
    return n;
}

static inline size_t witness_payload(struct witness *w, struct slice in)
{
    size_t n = in.len < w->left ? in.len : (size_t) w->left;
    if ((w->first & 8) == 0) {
        memcpy(w->message + w->n_message, in.data, n);
        w->n_message += n;
    }
    w->left -= n;
    if (w->left == 0)
        witness_end_frame(w);
    return n;
}

/* --- HTTP/2 frames (RFC 9113 section 4.1) --- */

static inline size_t witness_h2_header(struct witness *w, struct slice in)
{
    size_t n = 0;
    while (n < in.len && w->len < 9)
        w->head[w->len++] = in.data[n++];
    if (w->len < 9)
        return n;
    w->left = (uint64_t) w->head[0] << 16 | (uint64_t) w->head[1] << 8 | w->head[2];
    ASSERT(w->left <= WITNESS_H2_FRAME);
    ASSERT(w->head[3] <= 9 && w->head[3] != 2 && w->head[3] != 5); /* no PRIORITY, no promise */
    w->len = 0;
    w->state = w->left > 0 ? WITNESS_H2_PAYLOAD : WITNESS_H2_HEADER;
    return n;
}

static inline size_t witness_h2_payload(struct witness *w, struct slice in)
{
    size_t n = in.len < w->left ? in.len : (size_t) w->left;
    w->left -= n;
    if (w->left == 0)
        w->state = WITNESS_H2_HEADER;
    return n;
}

/* --- all of it --- */

static inline void witness_feed(struct witness *w, struct slice in)
{
    static size_t (*const STEPS[])(struct witness *, struct slice) = {
        [WITNESS_HEAD] = witness_head,           [WITNESS_BODY] = witness_body,
        [WITNESS_HEADER] = witness_header,       [WITNESS_PAYLOAD] = witness_payload,
        [WITNESS_H2_HEADER] = witness_h2_header, [WITNESS_H2_PAYLOAD] = witness_h2_payload,
    };
    while (in.len > 0) {
        ASSERT(w->state != WITNESS_OVER);
        in = slice_from(in, STEPS[w->state](w, in));
    }
}

/* Nothing more will come: what was the answer to a HEAD is known to be whole now. False: something
 * was cut. */
static inline bool witness_end(struct witness *w)
{
    if (w->state == WITNESS_BODY && w->left == w->body_len)
        witness_end_answer(w);
    return w->state == WITNESS_OVER || (w->state == WITNESS_HEAD && w->len == 0) ||
           (w->state == WITNESS_HEADER && w->len == 0) ||
           (w->state == WITNESS_H2_HEADER && w->len == 0);
}

#endif
