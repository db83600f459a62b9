/* ws.h - the receiving side of a WebSocket (RFC 6455 section 5), over wslay's frame reader. (pure)
 * wslay's reader is 4 KiB, so a worker has one and lends it for the length of a ws_feed(); a
 * connection holds 300 bytes of state while a frame or message is half received, and nothing else
 * but, for a deflated message (RFC 7692), an inflater of the worker's until the message ends.
 * Nothing is buffered unless the path echoes: payload is checked and passed on as it comes. */
#ifndef GATEWAY_WS_H
#define GATEWAY_WS_H

#include "frame.h"
#include "refuse.h"
#include "utf8.h"

struct ws_limits {
    uint64_t max_frame, max_message; /* payload bytes */
    uint32_t max_fragments;          /* frames of one message, empty ones included */
    uint8_t inflate_bits;            /* the window of permessage-deflate; 0: not negotiated */
    bool collect;                    /* gather data messages for on_message (inbound: echo) */
};

/* Deflated messages half received at a time, of all connections of a worker; 11 KB each where the
 * client keeps to a window of 12 bits, 40 KB at most. One more gets REFUSE_INFLATERS. */
#define WS_MAX_INFLATERS 256

/* What came in. Called from ws_feed(); a callback that closes the connection, or that of a message
 * when no more is to come, returns false and nothing further of the input is looked at. */
struct ws_events {
    /* A complete data message, inflated. `payload` is empty unless limits.collect; `len` is its
     * true length. */
    bool (*message)(void *ctx, enum frame_opcode opcode, struct slice payload, uint64_t len);
    bool (*ping)(void *ctx, struct slice payload);
    bool (*pong)(void *ctx, struct slice payload);
    /* A valid close frame: code 1005 when it had no body. Nothing after it is looked at, whatever
     * is returned. */
    bool (*closed)(void *ctx, uint16_t code, struct slice reason);
};

/* What a ws_feed() has completed. */
struct ws_counts {
    unsigned control;  /* frames, for rate limits */
    unsigned inflated; /* messages */
    size_t left;       /* bytes of the input that were not looked at, after a callback said so */
};

struct ws_pool; /* a worker's; one thread */
struct ws;      /* one half-received message */

struct ws_pool *ws_pool_new(void);       /* never NULL */
void ws_pool_free(struct ws_pool *pool); /* everything has been given back */

/* Feeds received bytes. *ws is the connection's slot: NULL while nothing is half received, and
 * during callbacks, so that ws_drop() in one is harmless; ws_feed() borrows and gives back by
 * itself. REFUSE_NONE, or why the connection fails:
 * refuse_info()->answer is the close code (1002, 1007, 1008, 1009, 1013); nothing more may be fed.
 * Fails as soon as the header (or the byte) that is wrong has been seen: mask, reserved bits,
 * opcode and length from the header alone, before any payload came; a deflated message when what is
 * inflated of it passes max_message (REFUSE_MESSAGE_SIZE), or when it is no deflate data or ends
 * inside a block (REFUSE_DEFLATE). *ret_counts may be NULL. */
enum refuse ws_feed(struct ws_pool *pool, struct ws **ws, const struct ws_limits *limits,
                    const struct ws_events *events, void *ctx, struct slice in,
                    struct ws_counts *ret_counts);
/* A data message (or frame) is half received: the message timeout runs. */
bool ws_midmessage(const struct ws *ws); /* NULL: false */
/* A data message has begun and not ended (what is half received may be a control frame). */
bool ws_in_message(const struct ws *ws);            /* NULL: false */
void ws_drop(struct ws_pool *pool, struct ws **ws); /* gives back at close; *ws may be NULL */

/* Close codes a peer may send: 1000-1003, 1007-1014, 3000-4999 (security list FR-10). */
bool ws_close_code_ok(uint16_t code);

#endif
