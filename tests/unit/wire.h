/* wire.h - protobuf messages written by hand: what tests give to readers. Items with blanks between
 * them: 3:'text', 1:-5 (a varint), 5:{...} (a message), 3:[1 4] (packed). */
#ifndef TESTS_UNIT_WIRE_H
#define TESTS_UNIT_WIRE_H

#include "buf.h"
#include "pb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WIRE_MAX ((size_t) 1 << 20)

static inline void wire_varint(struct buf *out, uint64_t value)
{
    uint8_t bytes[10];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[n++] = (uint8_t) (value | 0x80);
    bytes[n++] = (uint8_t) value;
    assert_int_equal(buf_append(out, slice_of(bytes, n)), 0);
}

static inline void wire_bytes(struct buf *out, uint64_t number, struct slice value)
{
    wire_varint(out, number << 3 | 2);
    wire_varint(out, value.len);
    assert_int_equal(buf_append(out, value), 0);
}

static inline const char *wire_items(struct buf *out, const char *at, char end);

static inline const char *wire_item(struct buf *out, const char *at)
{
    char *next;
    uint64_t number = strtoull(at, &next, 10);
    assert_true(next > at && *next == ':');
    at = next + 1;
    struct buf inner;
    buf_init(&inner, WIRE_MAX);
    if (*at == '\'') {
        const char *close = strchr(at + 1, '\'');
        assert_non_null(close);
        wire_bytes(out, number, slice_of(at + 1, (size_t) (close - at - 1)));
        at = close + 1;
    } else if (*at == '{') {
        at = wire_items(&inner, at + 1, '}');
        wire_bytes(out, number, buf_slice(&inner));
    } else if (*at == '[') {
        for (at++; *at != ']'; at = next + (*next == ' '))
            wire_varint(&inner, (uint64_t) strtoll(at, &next, 10));
        wire_bytes(out, number, buf_slice(&inner));
        at++;
    } else {
        wire_varint(out, number << 3);
        wire_varint(out, (uint64_t) strtoll(at, &next, 10));
        assert_true(next > at);
        at = next;
    }
    buf_fini(&inner);
    return at;
}

static inline const char *wire_items(struct buf *out, const char *at, char end)
{
    while (*at == ' ')
        at++;
    while (*at != end) {
        at = wire_item(out, at);
        while (*at == ' ')
            at++;
    }
    return end == '\0' ? at : at + 1;
}

/* It as a message of that type, in the arena. */
static inline const ProtobufCMessage *wire_message(const ProtobufCMessageDescriptor *type,
                                                   const char *text, struct pb_arena *a)
{
    struct buf bytes;
    ProtobufCMessage *message;
    buf_init(&bytes, WIRE_MAX);
    (void) wire_items(&bytes, text, '\0');
    assert_int_equal(pb_unpack(type, buf_slice(&bytes), a, &message), 0);
    buf_fini(&bytes);
    return message;
}

#endif
