/* deflate.h - permessage-deflate (RFC 7692) as the load client needs it: the offer, a look at the
 * answer, and inflating. Every client of a path gets the same bytes, so each message is inflated
 * once, and the copies that the others get are compared with it byte by byte: that costs little
 * enough not to be what is measured. */
#ifndef BENCH_DEFLATE_H
#define BENCH_DEFLATE_H

#include "util.h"

#include <zlib.h>

#define DEFLATE_EXTENSION "Sec-WebSocket-Extensions:"
#define DEFLATE_OFFER                                                                              \
    DEFLATE_EXTENSION " permessage-deflate; server_no_context_takeover; "                          \
                      "client_no_context_takeover"
#define DEFLATE_PLAIN_MAX (1u << 20)
#define DEFLATE_KEPT      1024 /* messages that the connections may be apart without a cost */

/* The last messages, as they came and as they are. */
struct inflater {
    z_stream stream;
    struct {
        struct bytes packed, plain;
    } kept[DEFLATE_KEPT];
    uint64_t inflated;
};

static inline void inflater_init(struct inflater *f)
{
    if (inflateInit2(&f->stream, -15) != Z_OK) /* no header; the longest window there is */
        die("zlib does not start");
}

/* Whether the response head says what it has to: nothing when nothing was offered, else no context
 * between the server's messages (each can be inflated alone). Says what is wrong. */
static inline bool deflate_agreed(const char *head, bool offered)
{
    const char *line = strcasestr(head, "\r\n" DEFLATE_EXTENSION);
    if (!offered && line != NULL)
        (void) fprintf(stderr, "the server agreed to an extension that nobody offered\n");
    if (!offered)
        return line == NULL;
    char value[256] = "";
    if (line != NULL)
        (void) snprintf(value, sizeof(value), "%.*s", (int) strcspn(line + 2, "\r"), line + 2);
    if (strstr(value, "permessage-deflate") != NULL &&
        strstr(value, "server_no_context_takeover") != NULL)
        return true;
    (void) fprintf(stderr, "the server did not agree to permessage-deflate without context: '%s'\n",
                   value);
    return false;
}

/* What the message says, valid until the next call; NULL: it cannot be inflated. `number` is the
 * message that it ought to be, and only a hint where to look first. */
static inline const uint8_t *inflater_plain(struct inflater *f, uint64_t number, const uint8_t *p,
                                            size_t n, size_t *ret_n)
{
    static const uint8_t tail[4] = {0x00, 0x00, 0xff, 0xff}; /* RFC 7692 7.2.2 */
    struct bytes *packed = &f->kept[number % DEFLATE_KEPT].packed;
    struct bytes *plain = &f->kept[number % DEFLATE_KEPT].plain;
    if (packed->len == n && n > 0 && memcmp(packed->data, p, n) == 0) {
        *ret_n = plain->len;
        return plain->data;
    }
    packed->len = plain->len = 0;
    bytes_add(packed, p, n);
    bytes_add(packed, tail, sizeof(tail));
    f->stream.next_in = packed->data;
    f->stream.avail_in = (unsigned) packed->len;
    packed->len = n;
    f->inflated++;
    int r = inflateReset(&f->stream);
    while (r == Z_OK && plain->len < DEFLATE_PLAIN_MAX) {
        f->stream.next_out = bytes_room(plain, 16384);
        f->stream.avail_out = 16384;
        r = inflate(&f->stream, Z_SYNC_FLUSH);
        plain->len += 16384 - f->stream.avail_out;
        if (f->stream.avail_out > 0)
            break;
    }
    if ((r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR) || f->stream.avail_in > 0) {
        packed->len = 0;
        return NULL;
    }
    *ret_n = plain->len;
    return plain->data;
}

#endif
