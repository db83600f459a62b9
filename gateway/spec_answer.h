/* spec_answer.h - what the answer to a handshake on a path of the specification has beside itself:
 * headers of its CORS rule, a line in the access log, and counts. For requests on the gateway's
 * listener that become no connection, and for those that do. Loop's thread. */
#ifndef GATEWAY_SPEC_ANSWER_H
#define GATEWAY_SPEC_ANSWER_H

#include "conn.h"
#include "spec.h"

struct shared;

/* What the paths of s->cfg are counted in. 0 or -ENOMEM. Before there are workers. */
MUST_CHECK int spec_answers_new(struct shared *s);
void spec_answers_free(struct shared *s); /* there are none any more; zeroed is fine */

/* The path of the specification that the request in c->http is for. NULL: there is none, or the
 * request is not there (any more). Good until the loop takes its next mail. */
const struct spec_route *spec_answer_route(const struct conn *c);

/* The header lines that its CORS rule adds to an answer, the preflight's included: a text in
 * `lines`, which was just initialized and is for buf_fini(). NULL: none, or no memory for them. */
const char *spec_answer_headers(const struct conn *c, const struct spec_route *route,
                                struct buf *lines);

/* The handshake that began `since_ms` (loop time) was answered; `error` is NULL when it was let in.
 * `route` may be NULL: nothing is told then. */
void spec_answer_told(const struct conn *c, const struct spec_route *route, unsigned status,
                      const char *error, uint64_t since_ms);

#endif
