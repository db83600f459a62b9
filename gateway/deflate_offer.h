/* deflate_offer.h - what a client offers in Sec-WebSocket-Extensions (RFC 6455 section 9.1) and
 * what of permessage-deflate (RFC 7692 section 7.1) is agreed. (pure) Any thread. */
#ifndef GATEWAY_DEFLATE_OFFER_H
#define GATEWAY_DEFLATE_OFFER_H

#include "http.h"

/* All clients of a path share one deflated form, so the server's side is fixed: a window of 15 bits
 * and no context takeover. The client's side has no takeover either, so that nothing is kept
 * between its messages, and a window of 12 bits where it can be told so. */
#define DEFLATE_SERVER_BITS 15
#define DEFLATE_CLIENT_BITS 12

/* Looked at: clients send one or two offers of at most four parameters. It bounds the work. */
#define DEFLATE_MAX_OFFERS     16
#define DEFLATE_MAX_PARAMETERS 16 /* of an offer */

struct deflate_terms {
    bool agreed;
    bool server_bits;    /* the client asked for 15 and is told so */
    uint8_t client_bits; /* 8 to 12; 0: it has not said that it can, so its window may be 15 */
};

/* The first offer that can be met, over all lines of the header. agreed is false when there is
 * none: no header, other extensions only, parameters that are unknown, twice, malformed or not to
 * be met (server_max_window_bits below 15), or a list that is too long or breaks the grammar
 * anywhere. The handshake goes on without the extension then (RFC 6455 section 9.1). Linear in the
 * head. */
struct deflate_terms deflate_offer_choose(const struct http_head *head);

/* Appends the answer's header line. 0, -ENOMEM or -EMSGSIZE. */
MUST_CHECK int deflate_offer_answer(struct buf *out, const struct deflate_terms *terms);

#endif
