/* upgrade.c - the RFC 6455 opening handshake, server side. */
#include "upgrade.h"

#include "http_head.h"

#include <stdlib.h>

/* Entries of Sec-WebSocket-Protocol that are looked at; clients send a handful. It bounds the
 * memory and time of the search for duplicates. */
#define MAX_PROTOCOLS 256

/* 22 characters and "==". The last character carries two bits of the 16th byte and four that must
 * be 0: a key has one spelling only. */
static bool valid_key(struct slice key)
{
    if (key.len != WS_KEY_LEN || key.data[22] != '=' || key.data[23] != '=')
        return false;
    for (size_t i = 0; i < 22; i++) {
        uint8_t c = key.data[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!letter && !(c >= '0' && c <= '9') && c != '+' && c != '/')
            return false;
    }
    return memchr("AQgw", key.data[21], 4) != NULL;
}

static int compare_slices(const void *left, const void *right)
{
    const struct slice *a = left, *b = right;
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    return memcmp(a->data, b->data, a->len);
}

/* The client's list may be spread over several lines (RFC 6455 section 11.3.4). Subprotocol names
 * are compared with their case. */
static enum refuse choose_protocol(const struct http_head *head, const char *const *supported,
                                   struct slice *ret)
{
    struct slice offered[MAX_PROTOCOLS];
    size_t n = 0;
    for (size_t i = 0; i < head->n_headers; i++) {
        if (!slice_eq_nocase(head->headers[i].name, SLICE_LIT("Sec-WebSocket-Protocol")))
            continue;
        struct slice list = head->headers[i].value, element;
        for (bool more = true; head_next_element(&list, &more, &element);) {
            if (n == MAX_PROTOCOLS || !head_is_token(element))
                return REFUSE_WS_PROTOCOL;
            offered[n++] = element;
        }
    }
    if (n == 0)
        return REFUSE_NONE;
    qsort(offered, n, sizeof(offered[0]), compare_slices);
    for (size_t i = 1; i < n; i++) {
        if (slice_eq(offered[i - 1], offered[i]))
            return REFUSE_WS_PROTOCOL;
    }
    for (size_t i = 0; supported != NULL && supported[i] != NULL; i++) {
        struct slice wanted = slice_str(supported[i]);
        if (bsearch(&wanted, offered, n, sizeof(offered[0]), compare_slices) != NULL) {
            *ret = wanted; /* ours, never the client's spelling */
            return REFUSE_NONE;
        }
    }
    return REFUSE_NONE;
}

/* Byte for byte: browsers send the origin in one normal form (RFC 6454 section 6.2), so any other
 * spelling of a listed origin does not come from a browser's own code. */
bool upgrade_origin_allowed(const struct http_head *head, const struct config_strings *origins)
{
    size_t count;
    struct slice origin = http_header(head, "Origin", &count);
    if (origins == NULL || count == 0)
        return true;
    for (size_t i = 0; count == 1 && i < origins->n; i++) {
        if (slice_eq_str(origin, origins->at[i]))
            return true;
    }
    return false;
}

enum refuse upgrade_check(const struct http_head *head, const struct config_strings *origins,
                          const char *const *supported, bool deflate, struct upgrade *ret)
{
    size_t count;
    if (head->method != HTTP_M_GET)
        return REFUSE_METHOD;
    if (head->minor == 0)
        return REFUSE_UPGRADE;
    if (head->has_body)
        return REFUSE_UPGRADE_BODY;
    bool upgrade = http_has_token(head, "Upgrade", "websocket");
    bool connection = http_has_token(head, "Connection", "Upgrade");
    if (!upgrade && !connection)
        return REFUSE_UPGRADE_REQUIRED;
    if (!upgrade || !connection)
        return REFUSE_UPGRADE;
    struct slice version = http_header(head, "Sec-WebSocket-Version", &count);
    if (count != 1 || !slice_eq(version, SLICE_LIT("13")))
        return REFUSE_WS_VERSION;
    struct slice key = http_header(head, "Sec-WebSocket-Key", &count);
    if (count != 1 || !valid_key(key))
        return REFUSE_WS_KEY;
    struct upgrade u = {.protocol = {0}};
    enum refuse why = choose_protocol(head, supported, &u.protocol);
    if (why != REFUSE_NONE)
        return why;
    if (!upgrade_origin_allowed(head, origins))
        return REFUSE_ORIGIN;
    if (deflate)
        u.deflate = deflate_offer_choose(head);
    ws_accept(key, u.accept);
    *ret = u;
    return REFUSE_NONE;
}

int upgrade_response(struct buf *out, const struct upgrade *u, const char *connection_id,
                     const char *more)
{
    size_t before = out->len;
    int r = buf_printf(out,
                       "HTTP/1.1 101 Switching Protocols\r\n"
                       "Upgrade: websocket\r\n"
                       "Connection: Upgrade\r\n"
                       "Sec-WebSocket-Accept: %s\r\n"
                       "X-Yc-Apigateway-Websocket-Connection-Id: %s\r\n",
                       u->accept, connection_id);
    if (r == 0 && u->protocol.len > 0)
        r = buf_printf(out, "Sec-WebSocket-Protocol: %.*s\r\n", (int) u->protocol.len,
                       (const char *) u->protocol.data);
    if (r == 0 && u->deflate.agreed)
        r = deflate_offer_answer(out, &u->deflate);
    if (r == 0 && more != NULL)
        r = buf_append_str(out, more);
    if (r == 0)
        r = buf_append_str(out, "\r\n");
    if (r < 0)
        out->len = before;
    return r;
}
