/* nats_publish.c - what is sent. */
#include "nats_private.h"

#include "digits.h"

#include <stdarg.h>
#include <stdio.h>

#define SUBJECT_MAX 1024 /* of a line of 4096 bytes, with the reply */

void nats_send(struct nats *n, const char *format, ...)
{
    char line[NATS_LINE_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    ASSERT(len > 0 && (size_t) len < sizeof(line));
    if (buf_append(nats_link_out(n->link), slice_of(line, (size_t) len)) < 0)
        nats_break(n, "too much is not yet written");
    else
        nats_flush_soon(n);
}

bool nats_subject_ok(const char *subject, bool wildcards)
{
    size_t len = strlen(subject), token = 0;
    for (size_t i = 0; i <= len; i++) {
        unsigned char c = (unsigned char) subject[i];
        if (c == '.' || c == '\0') {
            if (i == token)
                return false; /* an empty token */
            bool wild = i == token + 1 && (subject[token] == '*' || subject[token] == '>');
            if (wild && (!wildcards || (subject[token] == '>' && c != '\0')))
                return false;
            token = i + 1;
        } else if (c <= ' ' || c == 127)
            return false;
    }
    return len <= SUBJECT_MAX;
}

/* --- encoding --- */

static uint8_t *put(uint8_t *to, const void *from, size_t len)
{
    if (len > 0)
        memcpy(to, from, len);
    return to + len;
}

static uint8_t *put_str(uint8_t *to, const char *s)
{
    return put(to, s, strlen(s));
}

static uint8_t *put_number(uint8_t *to, size_t value)
{
    char digits[DIGITS_MAX];
    return put(to, digits, digits_of(value, digits));
}

static const char VERSION_LINE[] = "NATS/1.0\r\n";
#define BLOCK_LEN(headers) ((headers).len == 0 ? 0 : sizeof(VERSION_LINE) - 1 + (headers).len + 2)

static size_t encode(uint8_t *to, const char *subject, const char *reply, struct slice headers,
                     struct slice data)
{
    uint8_t *at = to;
    size_t block = BLOCK_LEN(headers);
    at = put_str(at, block > 0 ? "HPUB " : "PUB ");
    at = put_str(at, subject);
    if (reply[0] != '\0') {
        *at++ = ' ';
        at = put_str(at, reply);
    }
    *at++ = ' ';
    if (block > 0) {
        at = put_number(at, block);
        *at++ = ' ';
    }
    at = put_number(at, block + data.len);
    at = put_str(at, "\r\n");
    if (block > 0) {
        at = put_str(at, VERSION_LINE);
        at = put(at, headers.data, headers.len);
        at = put_str(at, "\r\n");
    }
    at = put(at, data.data, data.len);
    at = put_str(at, "\r\n");
    return (size_t) (at - to);
}

int nats_publish(struct nats *n, const char *subject, const char *reply, struct slice headers,
                 struct slice data)
{
    if (reply == NULL)
        reply = "";
    if (!nats_subject_ok(subject, false) || (reply[0] != '\0' && !nats_subject_ok(reply, false)))
        return -EINVAL;
    if (n->phase != PHASE_UP)
        return -ENOTCONN;
    size_t block = BLOCK_LEN(headers), payload = block + data.len;
    if (payload > n->server.max_payload)
        return -EMSGSIZE;
    size_t room = sizeof("HPUB ") + strlen(subject) + strlen(reply) + 2 * DIGITS_MAX + 16 + payload;
    uint8_t *to;
    if (nats_link_pending(n->link) + room > n->max_pending ||
        buf_reserve(nats_link_out(n->link), room, &to) < 0)
        return -ENOBUFS;
    buf_grew(nats_link_out(n->link), encode(to, subject, reply, headers, data));
    nats_flush_soon(n);
    return 0;
}
