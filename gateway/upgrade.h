/* upgrade.h - the RFC 6455 opening handshake, server side (section 4.2). (pure) */
#ifndef GATEWAY_UPGRADE_H
#define GATEWAY_UPGRADE_H

#include "config.h"
#include "deflate_offer.h"
#include "http.h"
#include "id.h"
#include "ws_accept.h"

struct upgrade {
    char accept[WS_ACCEPT_SIZE]; /* Sec-WebSocket-Accept */
    struct slice protocol;       /* the chosen subprotocol, points into `supported`; empty: none */
    struct deflate_terms deflate;
};

/* Checks the head of a request on a WebSocket path and fills *ret. REFUSE_NONE, or:
 * REFUSE_METHOD (not GET), REFUSE_UPGRADE_BODY, REFUSE_UPGRADE_REQUIRED
 * (no Upgrade: websocket or no Connection: upgrade token at all), REFUSE_UPGRADE (HTTP/1.0, or one
 * of the two without the other), REFUSE_WS_VERSION (absent, twice, or not exactly 13),
 * REFUSE_WS_KEY (absent, twice, or not the base64 of 16 bytes), REFUSE_WS_PROTOCOL (a bad or empty
 * token, an entry twice, or more than 256), REFUSE_ORIGIN. With `deflate`
 * permessage-deflate may be agreed; every other extension is declined, whatever it says.
 * `origins`: NULL allows any; otherwise an Origin header must equal one of them byte for byte (as
 * browsers send it: scheme and host in lower case, default port left out) and an absent
 * one is allowed (not a browser). `supported`: subprotocols of ours in order of preference,
 * NULL-terminated; may be NULL. Time is linear in the head. */
enum refuse upgrade_check(const struct http_head *head, const struct config_strings *origins,
                          const char *const *supported, bool deflate, struct upgrade *ret);

/* What `origins` says of the head's Origin, as above. */
bool upgrade_origin_allowed(const struct http_head *head, const struct config_strings *origins);

/* Appends the 101 with X-Yc-Apigateway-Websocket-Connection-Id. `more`: whole header lines, or
 * NULL.
 */
MUST_CHECK int upgrade_response(struct buf *out, const struct upgrade *u, const char *connection_id,
                                const char *more);

#endif
