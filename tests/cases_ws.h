/* cases_ws.h - client frames as raw bytes and what the receiving side makes of them, shared by
 * unit/test_ws.c (whole, byte by byte) and property/test_ws_splits.c (cut everywhere). Names begin
 * with the row of the security list. A record is what came out: "text 5 [hello]", "ping []",
 * "close 1000 [bye]", "! reason", and "..." when a frame or message is half received at the end. */
#ifndef TESTS_CASES_WS_H
#define TESTS_CASES_WS_H

#include "ws.h"

#include <stdio.h>
#include <stdlib.h>

struct ws_case {
    const char *name;
    struct slice input;
    const char *expect;
    size_t at; /* a refusal comes with this byte of the input, counted from 1 */
};

#define KEY   "\0\0\0\0" /* a mask that changes nothing keeps the bytes readable */
#define HELLO "\x81\x85" KEY "hello"
#define LONG4 "aaaabbbb"
#define C(name, input, expect, at)                                                                 \
    {                                                                                              \
        name, {(const uint8_t *) (input), sizeof(input) - 1}, expect, at                           \
    }

/* The limits that the table is written for. */
static const struct ws_limits WS_CASE_LIMITS = {
    .max_frame = 300, .max_message = 400, .max_fragments = 4, .collect = true};

static const struct ws_case WS_CASES[] = {
    C("text", HELLO, "text 5 [hello]", 0),
    C("masked text", "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "text 5 [Hello]", 0),
    C("binary", "\x82\x83" KEY "\x00\xff\x80", "binary 3 [\\00\\ff\\80]", 0),
    C("empty text", "\x81\x80" KEY, "text 0 []", 0),
    C("two messages", HELLO "\x82\x81" KEY "x", "text 5 [hello] binary 1 [x]", 0),
    C("fragments",
      "\x01\x82" KEY "he"
      "\x00\x81" KEY "l"
      "\x80\x82" KEY "lo",
      "text 5 [hello]", 0),
    C("empty fragments", "\x01\x80" KEY "\x00\x80" KEY "\x80\x80" KEY, "text 0 []", 0),
    C("character over two fragments",
      "\x01\x81" KEY "\xd0"
      "\x80\x81" KEY "\xb6",
      "text 2 [\\d0\\b6]", 0),
    C("half a header", "\x81", "...", 0),
    C("header alone", "\x81\x85" KEY, "...", 0),
    C("half a payload", "\x81\x85" KEY "he", "...", 0),
    C("half a message", "\x01\x82" KEY "he", "...", 0),
    C("half a ping", "\x89\x85" KEY "he", "...", 0),
    C("16-bit length",
      "\x82\xfe\x00\x7e" KEY LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4
          LONG4 LONG4 LONG4 "123456",
      "binary 126 [" LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4
          LONG4 LONG4 "123456]",
      0),

    C("FR-01 not masked", "\x81\x05hello", "! mask", 2),
    C("FR-01 ping not masked", "\x89\x00", "! mask", 2),
    C("FR-01 after a good one", HELLO "\x81\x05hello", "text 5 [hello] ! mask", 13),

    C("FR-02 RSV1", "\xc1\x85" KEY "hello", "! rsv", 1),
    C("FR-02 RSV2", "\xa1\x85" KEY "hello", "! rsv", 1),
    C("FR-02 RSV3", "\x91\x85" KEY "hello", "! rsv", 1),
    C("FR-02 RSV1 on a ping", "\xc9\x80" KEY, "! rsv", 1),
    C("FR-02 RSV1 on a continuation",
      "\x01\x81" KEY "h"
      "\xc0\x81" KEY "i",
      "! rsv", 8),

    C("FR-03 opcode 3", "\x83\x80" KEY, "! opcode", 1),
    C("FR-03 opcode 4", "\x84\x80" KEY, "! opcode", 1),
    C("FR-03 opcode 5", "\x85\x80" KEY, "! opcode", 1),
    C("FR-03 opcode 6", "\x86\x80" KEY, "! opcode", 1),
    C("FR-03 opcode 7", "\x87\x80" KEY, "! opcode", 1),
    C("FR-03 opcode 11", "\x8b\x80" KEY, "! opcode", 1),
    C("FR-03 opcode 12", "\x8c\x80" KEY, "! opcode", 1),
    C("FR-03 opcode 13", "\x8d\x80" KEY, "! opcode", 1),
    C("FR-03 opcode 14", "\x8e\x80" KEY, "! opcode", 1),
    C("FR-03 opcode 15", "\x8f\x80" KEY, "! opcode", 1),
    C("FR-03 opcode 15 without FIN", "\x0f\x80" KEY, "! opcode", 1),

    C("FR-04 ping of 126", "\x89\xfe\x00\x7e" KEY, "! control", 2),
    C("FR-04 pong of 2^16", "\x8a\xff\x00\x00\x00\x00\x00\x01\x00\x00" KEY, "! control", 2),
    C("FR-04 close of 126", "\x88\xfe\x00\x7e" KEY, "! control", 2),
    C("FR-04 ping in fragments", "\x09\x80" KEY, "! control", 1),
    C("FR-04 pong in fragments", "\x0a\x80" KEY, "! control", 1),
    C("FR-04 close in fragments", "\x08\x80" KEY, "! control", 1),
    C("FR-04 ping of 125",
      "\x89\xfd" KEY LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4
          LONG4 LONG4 "12345",
      "ping [" LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4
          LONG4 "12345]",
      0),

    C("FR-05 continuation of nothing", "\x80\x81" KEY "x", "! continuation", 1),
    C("FR-05 continuation after a whole message", HELLO "\x00\x81" KEY "x",
      "text 5 [hello] ! continuation", 12),
    C("FR-05 text inside a message", "\x01\x81" KEY "x" HELLO, "! continuation", 8),
    C("FR-05 binary inside a message",
      "\x02\x81" KEY "x"
      "\x82\x80" KEY,
      "! continuation", 8),

    C("FR-06 ping between fragments",
      "\x01\x82" KEY "he"
      "\x89\x82" KEY "hi"
      "\x80\x83" KEY "llo",
      "ping [hi] text 5 [hello]", 0),
    C("FR-06 pong and ping between fragments",
      "\x02\x80" KEY "\x8a\x80" KEY "\x89\x81" KEY "p"
      "\x80\x81" KEY "x",
      "pong [] ping [p] binary 1 [x]", 0),
    C("FR-06 close between fragments",
      "\x01\x82" KEY "he"
      "\x88\x80" KEY "\x80\x80" KEY,
      "close 1005 []", 0),

    C("FR-07 16-bit length of 125", "\x82\xfe\x00\x7d" KEY, "! frame", 4),
    C("FR-07 16-bit length of 0", "\x82\xfe\x00\x00" KEY, "! frame", 4),
    C("FR-07 64-bit length of 65535", "\x82\xff\0\0\0\0\0\0\xff\xff" KEY, "! frame", 10),
    C("FR-07 64-bit length of 5", "\x82\xff\0\0\0\0\0\0\0\x05" KEY, "! frame", 10),
    C("FR-07 highest bit", "\x82\xff\x80\0\0\0\0\0\0\x05" KEY, "! frame", 3),
    C("FR-07 all bits", "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff" KEY, "! frame", 3),
    C("FR-07 2^63 - 1", "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff" KEY, "! frame_size", 10),
    C("FR-07 2^16", "\x82\xff\0\0\0\0\0\x01\0\0" KEY, "! frame_size", 10),
    C("FR-07 2^63 - 1 inside a message",
      "\x02\x81" KEY "x"
      "\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xff" KEY,
      "! frame_size", 17),

    C("FR-08 frame of 301", "\x82\xfe\x01\x2d" KEY, "! frame_size", 4),
    C("FR-08 frame of 300, header", "\x82\xfe\x01\x2c" KEY, "...", 0),
    C("FR-08 frame of 300 makes a message of 401",
      "\x02\xe5" KEY LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 "12345"
      "\x80\xfe\x01\x2c" KEY,
      "! message_size", 111),
    C("FR-08 frame of 300 makes a message of 400",
      "\x02\xe4" KEY LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 LONG4 "1234"
      "\x80\xfe\x01\x2c" KEY,
      "...", 0),

    C("FR-09 overlong", "\x81\x82" KEY "\xc0\x80", "! utf8", 7),
    C("FR-09 surrogate", "\x81\x83" KEY "\xed\xa0\x80", "! utf8", 8),
    C("FR-09 above U+10FFFF", "\x81\x84" KEY "\xf4\x90\x80\x80", "! utf8", 8),
    C("FR-09 cut at FIN", "\x81\x81" KEY "\xd0", "! utf8", 7),
    C("FR-09 cut at the empty last fragment",
      "\x01\x81" KEY "\xd0"
      "\x80\x80" KEY,
      "! utf8", 13),
    C("FR-09 bad byte in fragment 1 of 3",
      "\x01\x85" KEY "he\xfflo"
      "\x00\x80" KEY "\x80\x80" KEY,
      "! utf8", 9),
    C("FR-09 bad byte in fragment 2 of 3",
      "\x01\x81" KEY "\xe2"
      "\x00\x81" KEY "x"
      "\x80\x80" KEY,
      "! utf8", 14),
    C("FR-09 bad byte, masked", "\x81\x82\xff\xff\xff\xff\x9e\x7f", "! utf8", 8),
    C("FR-09 any bytes are fine in binary", "\x82\x82" KEY "\xc0\x80", "binary 2 [\\c0\\80]", 0),
    C("FR-09 character cut by a ping",
      "\x01\x81" KEY "\xd0"
      "\x89\x81" KEY "\xff"
      "\x80\x81" KEY "\xb6",
      "ping [\\ff] text 2 [\\d0\\b6]", 0),

    C("FR-10 no code", "\x88\x80" KEY, "close 1005 []", 0),
    C("FR-10 code 1000", "\x88\x82" KEY "\x03\xe8", "close 1000 []", 0),
    C("FR-10 code 1000 and a reason",
      "\x88\x85" KEY "\x03\xe8"
      "bye",
      "close 1000 [bye]", 0),
    C("FR-10 code 0", "\x88\x82" KEY "\0\0", "! close_code", 8),
    C("FR-10 code 999", "\x88\x82" KEY "\x03\xe7", "! close_code", 8),
    C("FR-10 code 1004", "\x88\x82" KEY "\x03\xec", "! close_code", 8),
    C("FR-10 code 1005", "\x88\x82" KEY "\x03\xed", "! close_code", 8),
    C("FR-10 code 1006", "\x88\x82" KEY "\x03\xee", "! close_code", 8),
    C("FR-10 code 1012", "\x88\x82" KEY "\x03\xf4", "close 1012 []", 0),
    C("FR-10 code 1014", "\x88\x82" KEY "\x03\xf6", "close 1014 []", 0),
    C("FR-10 code 1015", "\x88\x82" KEY "\x03\xf7", "! close_code", 8),
    C("FR-10 code 2999", "\x88\x82" KEY "\x0b\xb7", "! close_code", 8),
    C("FR-10 code 4999", "\x88\x82" KEY "\x13\x87", "close 4999 []", 0),
    C("FR-10 code 5000", "\x88\x82" KEY "\x13\x88", "! close_code", 8),

    C("FR-11 half a code", "\x88\x81" KEY "\x03", "! close_code", 2),
    C("FR-11 reason not UTF-8",
      "\x88\x83" KEY "\x03\xe8"
      "\xff",
      "! utf8", 9),
    C("FR-11 reason cut",
      "\x88\x83" KEY "\x03\xe8"
      "\xd0",
      "! utf8", 9),
    C("FR-12 data after close", "\x88\x80" KEY HELLO "\xff\xff", "close 1005 []", 0),

    C("FR-13 four fragments", "\x01\x80" KEY "\x00\x80" KEY "\x00\x80" KEY "\x80\x80" KEY,
      "text 0 []", 0),
    C("FR-13 five fragments",
      "\x01\x80" KEY "\x00\x80" KEY "\x00\x80" KEY "\x00\x80" KEY "\x80\x80" KEY, "! fragments",
      25),
    C("FR-13 pings are not fragments",
      "\x01\x80" KEY "\x89\x80" KEY "\x89\x80" KEY "\x89\x80" KEY "\x89\x80" KEY "\x80\x80" KEY,
      "ping [] ping [] ping [] ping [] text 0 []", 0),
    C("FR-15 unasked pong", "\x8a\x82" KEY "hi", "pong [hi]", 0),
};

/* The same with permessage-deflate (RFC 7692; the names with numbers are its examples). */
static const struct ws_limits WS_DEFLATE_LIMITS = {
    .max_frame = 300, .max_message = 400, .max_fragments = 4, .inflate_bits = 15, .collect = true};

#define DEFLATED "\xc1\x87" KEY "\xf2\x48\xcd\xc9\xc9\x07\x00"
#define STORED5  "\x00\x05\x00\xfa\xff"
#define A10      "aaaaaaaaaa"
#define A100     A10 A10 A10 A10 A10 A10 A10 A10 A10 A10

static const struct ws_case WS_DEFLATE_CASES[] = {
    C("7.2.3.1 text", DEFLATED, "text 5 [Hello]", 0),
    C("7.2.3.1 masked", "\xc1\x87\x37\xfa\x21\x3d\xc5\xb2\xec\xf4\xfe\xfd\x21", "text 5 [Hello]",
      0),
    C("7.2.3.1 in fragments",
      "\x41\x83" KEY "\xf2\x48\xcd"
      "\x80\x84" KEY "\xc9\xc9\x07\x00",
      "text 5 [Hello]", 0),
    C("7.2.3.2 window of the message before", DEFLATED "\xc1\x85" KEY "\xf2\x00\x11\x00\x00",
      "text 5 [Hello] ! deflate", 22),
    C("7.2.3.3 no compression", "\xc1\x8b" KEY STORED5 "Hello\x00", "text 5 [Hello]", 0),
    C("7.2.3.4 final block", "\xc1\x88" KEY "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "text 5 [Hello]",
      0),
    C("7.2.3.5 two blocks", "\xc1\x8d" KEY "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
      "text 5 [Hello]", 0),
    C("7.2.3.6 empty", "\xc2\x81" KEY "\x00", "binary 0 []", 0),
    C("7.2.3.6 empty last fragment",
      "\x41\x87" KEY "\xf2\x48\xcd\xc9\xc9\x07\x00"
      "\x80\x80" KEY,
      "text 5 [Hello]", 0),
    C("empty first fragment", "\x41\x80" KEY "\x80\x87" KEY "\xf2\x48\xcd\xc9\xc9\x07\x00",
      "text 5 [Hello]", 0),
    C("more after a final block", "\xc1\x8c" KEY "\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x00\x11\x00\x00",
      "text 10 [HelloHello]", 0),
    C("plain", HELLO, "text 5 [hello]", 0),
    C("plain in turns", HELLO DEFLATED HELLO DEFLATED,
      "text 5 [hello] text 5 [Hello] text 5 [hello] text 5 [Hello]", 0),
    C("ping between fragments",
      "\x41\x83" KEY "\xf2\x48\xcd"
      "\x89\x82" KEY "hi"
      "\x80\x84" KEY "\xc9\xc9\x07\x00",
      "ping [hi] text 5 [Hello]", 0),
    C("close between fragments",
      "\x41\x83" KEY "\xf2\x48\xcd"
      "\x88\x80" KEY,
      "close 1005 []", 0),
    C("half a message", "\x41\x83" KEY "\xf2\x48\xcd", "...", 0),

    C("FR-02 RSV1 on a continuation",
      "\x41\x83" KEY "\xf2\x48\xcd"
      "\xc0\x84" KEY "\xc9\xc9\x07\x00",
      "! rsv", 10),
    C("FR-02 RSV1 on a plain message's continuation",
      "\x01\x81" KEY "h"
      "\xc0\x81" KEY "i",
      "! rsv", 8),
    C("FR-02 RSV1 on a ping", "\xc9\x80" KEY, "! rsv", 1),
    C("FR-02 RSV1 on a close", "\xc8\x80" KEY, "! rsv", 1),
    C("FR-02 RSV1 on opcode 3", "\xc3\x80" KEY, "! rsv", 1),
    C("FR-02 RSV2", "\xa1\x85" KEY, "! rsv", 1),
    C("FR-02 RSV3", "\x91\x85" KEY, "! rsv", 1),
    C("FR-02 RSV1 and RSV2", "\xe1\x87" KEY, "! rsv", 1),
    C("FR-05 deflated text inside a message", "\x41\x80" KEY DEFLATED, "! continuation", 7),

    C("FR-17 nothing at all", "\xc1\x80" KEY, "! deflate", 6),
    C("FR-17 nothing at all, in fragments", "\x41\x80" KEY "\x80\x80" KEY, "! deflate", 12),
    C("FR-17 truncated", "\xc1\x83" KEY "\xf2\x48\xcd", "! deflate", 9),
    C("FR-17 truncated stored block", "\xc2\x87" KEY STORED5 "He", "! deflate", 13),
    C("FR-17 reserved block type", "\xc1\x82" KEY "\x06\x00", "! deflate", 7),
    C("FR-17 lengths differ", "\xc1\x85" KEY "\x00\x05\x00\xfb\xff", "! deflate", 11),
    C("FR-17 plain text", "\xc1\x85" KEY "hello", "! deflate", 11),
    C("FR-17 400 bytes", "\xc2\x88" KEY "\x4a\x4c\x1c\x05\x83\x09\x00\x00",
      "binary 400 [" A100 A100 A100 A100 "]", 0),
    C("FR-17 401 bytes", "\xc2\x88" KEY "\x4a\x4c\x1c\x05\x83\x0a\x00\x00", "! message_size", 13),
    C("FR-09 bad byte", "\xc1\x87" KEY "\x00\x01\x00\xfe\xff\xc0\x00", "! utf8", 12),
    C("FR-09 cut at FIN", "\xc1\x87" KEY "\x00\x01\x00\xfe\xff\xd0\x00", "! utf8", 13),
    C("FR-09 any bytes are fine in binary", "\xc2\x87" KEY "\x00\x01\x00\xfe\xff\xc0\x00",
      "binary 1 [\\c0]", 0),
    C("FR-13 five fragments",
      "\x41\x80" KEY "\x00\x80" KEY "\x00\x80" KEY "\x00\x80" KEY "\x80\x81" KEY "\x00",
      "! fragments", 25),
};

/* Both tables, for tests that go through all of it. */
static const struct ws_cases {
    const struct ws_case *at;
    size_t n;
    const struct ws_limits *limits;
} WS_TABLES[] = {
    {WS_CASES, sizeof(WS_CASES) / sizeof(WS_CASES[0]), &WS_CASE_LIMITS},
    {WS_DEFLATE_CASES, sizeof(WS_DEFLATE_CASES) / sizeof(WS_DEFLATE_CASES[0]), &WS_DEFLATE_LIMITS},
};

struct ws_record {
    struct buf text;
    struct ws_pool *pool;
    struct ws *ws;
    size_t fed;         /* bytes given before and with the one that ended it */
    unsigned n_control; /* as ws_feed() counted */
    unsigned controls;  /* as the callbacks did */
    bool ended;         /* refused, or closed */
    bool payloads;      /* write them into the text */
};

static inline void ws_record_add(struct ws_record *r, const char *what, struct slice payload)
{
    if ((r->text.len > 0 && buf_append_str(&r->text, " ") < 0) ||
        buf_append_str(&r->text, what) < 0 || buf_append_str(&r->text, " [") < 0)
        abort();
    for (size_t i = 0; r->payloads && i < payload.len; i++) {
        uint8_t c = payload.data[i];
        if ((c < 0x20 || c >= 0x7f ? buf_printf(&r->text, "\\%02x", c)
                                   : buf_append(&r->text, slice_of(&c, 1))) < 0)
            abort();
    }
    if (buf_append_str(&r->text, "]") < 0)
        abort();
}

static inline bool ws_record_message(void *ctx, enum frame_opcode opcode, struct slice payload,
                                     uint64_t len)
{
    char what[64];
    (void) snprintf(what, sizeof(what), "%s %llu", opcode == FRAME_TEXT ? "text" : "binary",
                    (unsigned long long) len);
    ws_record_add(ctx, what, payload);
    return true;
}

static inline bool ws_record_ping(void *ctx, struct slice payload)
{
    ((struct ws_record *) ctx)->controls++;
    ws_record_add(ctx, "ping", payload);
    return true;
}

static inline bool ws_record_pong(void *ctx, struct slice payload)
{
    ((struct ws_record *) ctx)->controls++;
    ws_record_add(ctx, "pong", payload);
    return true;
}

static inline bool ws_record_closed(void *ctx, uint16_t code, struct slice reason)
{
    struct ws_record *r = ctx;
    char what[64];
    (void) snprintf(what, sizeof(what), "close %u", code);
    ws_record_add(r, what, reason);
    r->controls++;
    r->ended = true;
    return false;
}

static const struct ws_events WS_RECORD_EVENTS = {ws_record_message, ws_record_ping, ws_record_pong,
                                                  ws_record_closed};

/* Feeds one piece from memory of exactly its size, so that a read beyond it is noticed. */
static inline void ws_record_piece(struct ws_record *r, const struct ws_limits *limits,
                                   struct slice piece)
{
    if (r->ended)
        return;
    uint8_t *copy = malloc(piece.len + 1);
    struct ws_counts counts;
    if (copy == NULL)
        abort();
    if (piece.data != NULL)
        memcpy(copy + 1, piece.data, piece.len);
    enum refuse why = ws_feed(r->pool, &r->ws, limits, &WS_RECORD_EVENTS, r,
                              slice_of(copy + 1, piece.len), &counts);
    free(copy);
    r->n_control += counts.control;
    r->fed += piece.len;
    if (why != REFUSE_NONE) {
        r->ended = true;
        if ((r->text.len > 0 && buf_append_str(&r->text, " ") < 0) ||
            buf_printf(&r->text, "! %s", refuse_info(why)->name) < 0)
            abort();
    }
    if (r->ended && r->ws != NULL)
        abort();
}

/* The record of `input` cut at `cuts` (ascending); for ws_record_fini(). */
static inline struct ws_record ws_record(const struct ws_limits *limits, struct slice input,
                                         const size_t *cuts, size_t n_cuts)
{
    struct ws_record r = {.pool = ws_pool_new(), .payloads = true};
    size_t start = 0;
    buf_init(&r.text, 1 << 24);
    for (size_t i = 0; i <= n_cuts; i++) {
        size_t end = i < n_cuts ? cuts[i] : input.len;
        ws_record_piece(&r, limits, slice_sub(input, start, end));
        start = end;
    }
    if (ws_midmessage(r.ws) && buf_append_str(&r.text, r.text.len > 0 ? " ..." : "...") < 0)
        abort();
    bool bad_close = r.n_control == r.controls + 1 && r.ended; /* counted, but not told */
    if ((r.controls != r.n_control && !bad_close) || buf_append(&r.text, slice_of("", 1)) < 0)
        abort();
    return r;
}

static inline const char *ws_record_text(const struct ws_record *r)
{
    return (const char *) r->text.data;
}

static inline void ws_record_fini(struct ws_record *r)
{
    ws_drop(r->pool, &r->ws);
    ws_pool_free(r->pool);
    buf_fini(&r->text);
}

/* Appends a client frame with `key`. `len` may differ from the payload's: a header that lies. */
static inline void ws_put_frame(struct buf *out, bool fin, uint8_t opcode, struct slice payload,
                                uint64_t len, const uint8_t key[4])
{
    uint8_t header[14] = {(uint8_t) ((fin ? 0x80 : 0) | opcode)};
    unsigned bytes = len < 126 ? 0 : len < 65536 ? 2 : 8;
    header[1] = (uint8_t) (0x80 | (bytes == 0 ? len : bytes == 2 ? 126 : 127));
    for (unsigned i = 0; i < bytes; i++)
        header[2 + i] = (uint8_t) (len >> 8 * (bytes - 1 - i));
    memcpy(header + 2 + bytes, key, 4);
    if (buf_append(out, slice_of(header, 2 + bytes + 4)) < 0)
        abort();
    uint8_t *to;
    if (payload.len > 0) {
        if (buf_reserve(out, payload.len, &to) < 0)
            abort();
        for (size_t i = 0; i < payload.len; i++)
            to[i] = payload.data[i] ^ key[i % 4];
        buf_grew(out, payload.len);
    }
}

#endif
