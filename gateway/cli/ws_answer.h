/* ws_answer.h - the answer to a WebSocket handshake, client side (RFC 6455 section 4.1). (pure) One
 * thread. */
#ifndef CLI_WS_ANSWER_H
#define CLI_WS_ANSWER_H

#include "buf.h"

#define WS_ANSWER_MAX 16384 /* bytes of a head that is read at most */

struct ws_answer {
    unsigned status;         /* HTTP's; 101: it is open */
    uint64_t retry_after_ms; /* 0: not said, or as a date */
    char connection_id[64];  /* X-Yc-Apigateway-Websocket-Connection-Id, "" for none */
};

/* How long the head at the start of `bytes` is, with its empty line; 0: not all is there yet. */
size_t ws_answer_length(struct slice bytes);

/* Reads such a head. `accept`: what a 101 must say; `protocol`: the only subprotocol it may name.
 * 0, or -EPROTO with *ret_why a literal. */
MUST_CHECK int ws_answer_parse(struct slice head, const char *accept, const char *protocol,
                               struct ws_answer *ret, const char **ret_why);

#endif
