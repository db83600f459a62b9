/* sse.h - an open stream of server-sent events, where it is not like a WebSocket (session.c, which
 * calls these). Its deadlines, notices, cursor and policy are the same. Loop's thread. */
#ifndef GATEWAY_SSE_H
#define GATEWAY_SSE_H

#include "conn.h"

#define SSE_UNREAD_MAX                                                                             \
    4096 /* bytes that a client may send after its request: nobody reads them                      \
          */

/* How long a client of the worker shall wait before it comes back: drawn over `spread_ms`, or over
 * a few seconds when that is less. */
uint64_t sse_retry_ms(struct worker *w, uint64_t spread_ms);
/* What it has sent. */
void sse_received(struct conn *c, struct slice in);
/* Sends a comment, and the connection ends when its peer's host has acknowledged nothing for
 * `patience_ms` (0: that does not count): there is no answer to wait for. */
void sse_beat(struct conn *c, uint64_t patience_ms);
/* Sends why the stream ends. `reason` may be "". */
void sse_send_close(struct conn *c, enum conn_end end, uint16_t code, const char *reason);

#endif
