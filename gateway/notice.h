/* notice.h - the control messages for clients that asked for subprotocol regcast.v1 and for all who
 * read server-sent events: text messages with one JSON object that has no "messages" key. (pure)
 * Each is appended as a whole WebSocket message of frames of at most `max_frame`, or as an event
 * that is named as its "control". Errors: frame_message()'s. */
#ifndef GATEWAY_NOTICE_H
#define GATEWAY_NOTICE_H

#include "buf.h"

#include <stdint.h>

#define NOTICE_PROTOCOL "regcast.v1"
#define NOTICE_MAX      1024 /* bytes of any of them, also in frames of one byte */
#define NOTICE_EVENT    0    /* as max_frame: an event */

/* What follows is everything after `since`, an event id or "earliest". */
MUST_CHECK int notice_recovered(struct buf *out, const char *since, size_t max_frame);
/* Messages are missing before what follows. `reason`: "history_lost" or "slow". `since`: the event
 * id that was asked for, NULL for none. `oldest`: the first event kept, "" or NULL when unknown. */
MUST_CHECK int notice_gap(struct buf *out, const char *reason, const char *since,
                          const char *oldest, size_t max_frame);
/* The server is going down: this connection will be closed with `code`. */
MUST_CHECK int notice_draining(struct buf *out, unsigned code, uint64_t close_in_ms,
                               size_t max_frame);
/* What the client was let in with expires: this connection will be closed with 4001. */
MUST_CHECK int notice_token_expiring(struct buf *out, uint64_t expires_in_ms, size_t max_frame);

#endif
