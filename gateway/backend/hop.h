/* hop.h - which headers are of one connection only (RFC 9110 section 7.6.1) or the gateway's own to
 * say, and what an answer to a client is made of. (pure) */
#ifndef BACKEND_HOP_H
#define BACKEND_HOP_H

#include "integration.h"

#define HOP_LINE_MAX 8192 /* bytes of one header's value */

/* Not passed on in either direction; nor what a program may take for it (parameters.h). */
bool hop_is_ours(struct slice name);
/* A header of that name is of the connection that these came by: they say so themselves. */
bool hop_is_of_connection(const struct header *headers, size_t n, struct slice name);
/* With '*' a client's header number `i` goes along: it is not ours, and not about bytes that a
 * backend would see only if it were the client's own server: the codings that the client takes,
 * and what is said of a body, which is never the handshake's. */
bool hop_takes_along(const struct integration_request *request, size_t i);
/* The first line of an answer's headers, and its type. 0, -EINVAL (it is none), or buf's errors. */
MUST_CHECK int hop_put_type(struct integration_answer *a, struct slice value);

#endif
