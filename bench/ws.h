/* ws.h - as much of RFC 6455 as both ends of the bench need: the key of the handshake, and frame
 * heads. Written apart from regcast's own code on purpose: a mistake there must not be repeated by
 * the program that measures it. (pure) */
#ifndef BENCH_WS_H
#define BENCH_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum ws_opcode { WS_CONTINUATION = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING, WS_PONG };

#define WS_KEY_LEN       24  /* base64 of 16 bytes */
#define WS_ACCEPT_LEN    28  /* base64 of 20 bytes */
#define WS_HEAD_MAX      14  /* 2 + 8 bytes of length + 4 of mask */
#define WS_CONTROL_MAX   125 /* payload of a control frame */
#define WS_CONTROL_FRAME (WS_CONTROL_MAX + WS_HEAD_MAX)

static inline uint32_t ws_rotate(uint32_t v, unsigned n)
{
    return v << n | v >> (32 - n);
}

/* SHA-1 of at most 119 bytes: two blocks hold the 60 that a handshake hashes. */
static inline void ws_sha1(const uint8_t *data, size_t n, uint8_t ret[20])
{
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint8_t padded[128] = {0};
    size_t total = n < 56 ? 64 : 128;
    memcpy(padded, data, n);
    padded[n] = 0x80;
    for (unsigned i = 0; i < 8; i++)
        padded[total - 1 - i] = (uint8_t) ((uint64_t) n * 8 >> 8 * i);
    for (const uint8_t *p = padded; p < padded + total; p += 64) {
        uint32_t w[80];
        for (unsigned i = 0; i < 16; i++)
            w[i] = (uint32_t) p[4 * i] << 24 | (uint32_t) p[4 * i + 1] << 16 |
                   (uint32_t) p[4 * i + 2] << 8 | p[4 * i + 3];
        for (unsigned i = 16; i < 80; i++)
            w[i] = ws_rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
        for (unsigned i = 0; i < 80; i++) {
            uint32_t f = i < 20   ? ((b & c) | (~b & d)) + 0x5a827999
                         : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                         : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                                  : (b ^ c ^ d) + 0xca62c1d6;
            uint32_t next = ws_rotate(a, 5) + f + e + w[i];
            e = d;
            d = c;
            c = ws_rotate(b, 30);
            b = a;
            a = next;
        }
        h[0] += a;
        h[1] += b;
        h[2] += c;
        h[3] += d;
        h[4] += e;
    }
    for (unsigned i = 0; i < 20; i++)
        ret[i] = (uint8_t) (h[i / 4] >> (24 - 8 * (i % 4)));
}

/* `ret` takes 4 characters for each 3 bytes, the last group padded, and a NUL. */
static inline void ws_base64(const uint8_t *data, size_t n, char *ret)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t) data[i] << 16;
        if (i + 1 < n)
            v |= (uint32_t) data[i + 1] << 8;
        if (i + 2 < n)
            v |= data[i + 2];
        *ret++ = digits[v >> 18];
        *ret++ = digits[v >> 12 & 63];
        *ret++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
        *ret++ = i + 2 < n ? digits[v & 63] : '=';
    }
    *ret = '\0';
}

/* What the server must answer to a Sec-WebSocket-Key. */
static inline void ws_accept(const char key[WS_KEY_LEN], char ret[WS_ACCEPT_LEN + 1])
{
    uint8_t text[WS_KEY_LEN + 36], digest[20];
    memcpy(text, key, WS_KEY_LEN);
    memcpy(text + WS_KEY_LEN, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
    ws_sha1(text, sizeof(text), digest);
    ws_base64(digest, sizeof(digest), ret);
}

struct ws_head {
    uint8_t opcode;
    bool fin, masked;
    bool compressed; /* RSV1: right only where permessage-deflate was agreed on */
    uint8_t mask[4];
    size_t head_len;
    uint64_t payload_len;
};

/* 1: *ret is the head at `p` (the payload may still be missing); 0: more bytes are needed; -1: no
 * such frame may come (bits or opcodes without meaning, a control frame in pieces or too long, a
 * length that is not written in the shortest way). */
static inline int ws_head_parse(const uint8_t *p, size_t n, struct ws_head *ret)
{
    if (n < 2)
        return 0;
    ret->fin = (p[0] & 0x80) != 0;
    ret->compressed = (p[0] & 0x40) != 0;
    ret->opcode = p[0] & 0x0f;
    ret->masked = (p[1] & 0x80) != 0;
    uint64_t len = p[1] & 0x7f;
    bool control = ret->opcode >= WS_CLOSE;
    if ((p[0] & 0x30) != 0 || (ret->opcode > WS_BINARY && !control) || ret->opcode > WS_PONG ||
        (control && (!ret->fin || ret->compressed || len > WS_CONTROL_MAX)) ||
        (ret->compressed && ret->opcode == WS_CONTINUATION))
        return -1;
    size_t extra = len < 126 ? 0 : len == 126 ? 2 : 8;
    ret->head_len = 2 + extra + (ret->masked ? 4 : 0);
    if (n < ret->head_len)
        return 0;
    if (extra > 0) {
        len = 0;
        for (size_t i = 0; i < extra; i++)
            len = len << 8 | p[2 + i];
        if (len < 126 || (extra == 8 && len < 65536) || len >> 63 != 0)
            return -1;
    }
    ret->payload_len = len;
    if (ret->masked)
        memcpy(ret->mask, p + 2 + extra, 4);
    return 1;
}

/* The head of an unmasked frame, as a server sends it: 2, 4 or 10 bytes. */
static inline size_t ws_head_write(uint8_t *p, bool fin, enum ws_opcode opcode, uint64_t len)
{
    p[0] = (uint8_t) ((fin ? 0x80u : 0u) | (unsigned) opcode);
    if (len < 126) {
        p[1] = (uint8_t) len;
        return 2;
    }
    size_t extra = len < 65536 ? 2 : 8;
    p[1] = extra == 2 ? 126 : 127;
    for (size_t i = 0; i < extra; i++)
        p[2 + i] = (uint8_t) (len >> 8 * (extra - 1 - i));
    return 2 + extra;
}

/* A whole control frame as a client sends it (masked with zeros: the mask protects proxies, and
 * there is none here). At most WS_CONTROL_FRAME bytes. */
static inline size_t ws_client_control(uint8_t *p, enum ws_opcode opcode, const uint8_t *payload,
                                       size_t n)
{
    p[0] = (uint8_t) (0x80u | (unsigned) opcode);
    p[1] = (uint8_t) (0x80u | n);
    memset(p + 2, 0, 4);
    if (n > 0)
        memcpy(p + 6, payload, n);
    return 6 + n;
}

#endif
