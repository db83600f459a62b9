/* event_stream.h - a request for server-sent events and the head of its answer (WHATWG HTML,
 * "Server-sent events"): what upgrade.h is for a WebSocket. (pure)
 *
 * The body goes on until the connection closes and has no chunks (RFC 9112 section 6.3, the last
 * case): an event is then the same bytes for everybody, HTTP/1.0 clients included, and where the
 * stream ends does not matter, since a reader comes back either way and says what it has. */
#ifndef GATEWAY_EVENT_STREAM_H
#define GATEWAY_EVENT_STREAM_H

#include "config.h"
#include "http.h"

#define EVENT_STREAM_RETRY_MS 1000 /* until a client comes back, at the least, */
#define EVENT_STREAM_RETRY_MORE_MS                                                                 \
    4000 /* and up to so much more, so that a crowd does not come as one */

/* A GET that asks for no upgrade and whose Accept names text/event-stream with a weight above 0
 * (RFC 9110 section 12.5.1). A wildcard is not enough: what opens a WebSocket path by mistake is to
 * be told so. */
bool event_stream_wanted(const struct http_head *head);

/* REFUSE_NONE, REFUSE_UPGRADE_BODY or REFUSE_ORIGIN, as upgrade_check(). */
enum refuse event_stream_check(const struct http_head *head, const struct config_strings *origins);

/* Appends the answer's head and the stream's first field. With `origins` (of the check) the
 * request's own is told that its pages may read this, with their cookies; without, any page's.
 * `cors`: whole header lines, maybe none, that say this instead; NULL: nothing does. */
MUST_CHECK int event_stream_answer(struct buf *out, const struct http_head *head,
                                   const struct config_strings *origins, const char *cors,
                                   const char *connection_id, uint64_t retry_ms);

#endif
