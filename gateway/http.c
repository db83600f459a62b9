/* http.c - a connection's requests, one after the other: head, body, end. Two walls read every
 * byte: the checks of http_head.c and http_chunk.c, which know the precise reason, and llhttp
 * (http_wall.c), which must understand the same message. llhttp alone accepts what we refuse (no
 * Host, two Hosts, HTTP/0.9, chunk extensions without limit, trailers) and has no limits; ours
 * alone would have nobody to disagree with. */
#include "http.h"

#include "http_chunk.h"
#include "http_head.h"
#include "http_wall.h"
#include "mem.h"

#include <stdlib.h>

#define MAX_RAW (HTTP_MAX_REQUEST_LINE + HTTP_MAX_HEAD + 8) /* and the CRLFs around */

enum http_state {
    HTTP_S_HEAD,
    HTTP_S_LENGTH, /* a body of `left` more bytes, or none */
    HTTP_S_CHUNKED,
    HTTP_S_DONE,
    HTTP_S_REFUSED
};

struct http {
    uint8_t state;   /* enum http_state */
    uint8_t refusal; /* enum refuse */
    struct head_scan scan;
    struct buf raw;         /* the head's bytes */
    struct http_head *head; /* NULL until it is whole: 2 KB */
    struct wall *wall;      /* the same */
    uint64_t left;
    struct chunk_scan chunk;
};

struct http *http_new(void)
{
    struct http *h = try_calloc(1, sizeof(*h));
    if (h == NULL)
        return NULL;
    head_scan_init(&h->scan, false);
    buf_init(&h->raw, MAX_RAW);
    return h;
}

/* An idle connection keeps no head. */
static void drop_message(struct http *h)
{
    buf_fini(&h->raw);
    buf_init(&h->raw, MAX_RAW);
    free(h->head);
    h->head = NULL;
    wall_free(h->wall);
    h->wall = NULL;
}

void http_free(struct http *h)
{
    if (h == NULL)
        return;
    drop_message(h);
    free(h);
}

void http_next(struct http *h)
{
    ASSERT(h->state == HTTP_S_DONE);
    drop_message(h);
    head_scan_init(&h->scan, true);
    h->chunk = (struct chunk_scan){0};
    h->state = HTTP_S_HEAD;
}

bool http_started(const struct http *h)
{
    return head_scan_started(&h->scan);
}

const struct http_head *http_get_head(const struct http *h)
{
    return h->head;
}

enum refuse http_refusal(const struct http *h)
{
    return (enum refuse) h->refusal;
}

static enum http_event refused(struct http *h, enum refuse why)
{
    drop_message(h);
    h->refusal = (uint8_t) why;
    h->state = HTTP_S_REFUSED;
    return HTTP_REFUSED;
}

/* llhttp knows fewer methods than there are tokens, and reads a CONNECT as the start of a tunnel;
 * the router answers both with 405. It is shown a line that it can read before the same headers. */
static enum refuse ask_llhttp(struct http *h, struct slice raw)
{
    struct slice start = {0}, rest = raw;
    if (h->head->method == HTTP_M_OTHER) {
        size_t version = (size_t) (h->head->target.data - raw.data) + h->head->target.len + 1;
        start = SLICE_LIT("POST / ");
        rest = slice_from(raw, version);
    }
    h->wall = wall_new();
    if (h->wall == NULL)
        return REFUSE_MEMORY;
    return wall_head(h->wall, start, rest, h->head->chunked, h->head->content_length);
}

static enum http_event feed_head(struct http *h, struct slice in, size_t *ret_used)
{
    enum refuse why = head_scan(&h->scan, in, ret_used);
    if (why != REFUSE_NONE)
        return refused(h, why);
    if (buf_append(&h->raw, slice_sub(in, 0, *ret_used)) < 0)
        return refused(h, REFUSE_MEMORY); /* the limits come before the buffer's */
    if (!head_scan_done(&h->scan))
        return HTTP_MORE;
    struct slice raw = slice_from(buf_slice(&h->raw), h->scan.skipped);
    h->head = try_malloc(sizeof(*h->head)); /* head_parse() sets what there is */
    if (h->head == NULL)
        return refused(h, REFUSE_MEMORY);
    why = head_parse(raw, h->head);
    if (why == REFUSE_NONE)
        why = ask_llhttp(h, raw);
    if (why != REFUSE_NONE)
        return refused(h, why);
    h->left = h->head->content_length;
    h->state = h->head->chunked ? HTTP_S_CHUNKED : HTTP_S_LENGTH;
    return HTTP_HEAD;
}

static enum http_event feed_length(struct http *h, struct slice in, size_t *ret_used,
                                   struct slice *ret_body)
{
    if (h->left == 0) {
        h->state = HTTP_S_DONE;
        return HTTP_DONE;
    }
    if (in.len == 0)
        return HTTP_MORE;
    *ret_used = h->left < in.len ? (size_t) h->left : in.len;
    *ret_body = slice_sub(in, 0, *ret_used);
    h->left -= *ret_used;
    return HTTP_BODY;
}

/* Framing goes to llhttp byte by byte, after our own look at the byte: which wall refuses, and with
 * what reason, is then the same however the input was cut. */
static enum http_event feed_chunked(struct http *h, struct slice in, size_t *ret_used,
                                    struct slice *ret_body)
{
    while (*ret_used < in.len) {
        struct slice rest = slice_from(in, *ret_used);
        if (h->chunk.left > 0) {
            size_t len = h->chunk.left < rest.len ? (size_t) h->chunk.left : rest.len;
            struct slice data = slice_sub(rest, 0, len);
            *ret_used += len;
            if (!wall_chunked(h->wall, data, len))
                return refused(h, REFUSE_CHUNK);
            chunk_took(&h->chunk, len);
            *ret_body = data;
            return HTTP_BODY;
        }
        bool in_ext = chunk_in_ext(&h->chunk);
        *ret_used += 1;
        enum refuse why = chunk_scan(&h->chunk, in.data[*ret_used - 1]);
        if (why == REFUSE_NONE && !wall_chunked(h->wall, slice_sub(rest, 0, 1), 0))
            why = in_ext ? REFUSE_CHUNK_EXT : REFUSE_CHUNK;
        if (why == REFUSE_NONE && chunk_done(&h->chunk) != wall_complete(h->wall))
            why = REFUSE_CHUNK;
        if (why != REFUSE_NONE)
            return refused(h, why);
        if (chunk_done(&h->chunk)) {
            h->state = HTTP_S_DONE;
            return HTTP_DONE;
        }
    }
    return HTTP_MORE;
}

enum http_event http_feed(struct http *h, struct slice in, size_t *ret_used, struct slice *ret_body)
{
    *ret_used = 0;
    *ret_body = (struct slice){0};
    switch ((enum http_state) h->state) {
    case HTTP_S_HEAD:
        return feed_head(h, in, ret_used);
    case HTTP_S_LENGTH:
        return feed_length(h, in, ret_used, ret_body);
    case HTTP_S_CHUNKED:
        return feed_chunked(h, in, ret_used, ret_body);
    case HTTP_S_DONE:
        ASSERT(in.len == 0); /* http_next() comes first */
        return HTTP_DONE;
    case HTTP_S_REFUSED:
        break;
    }
    return HTTP_REFUSED;
}
