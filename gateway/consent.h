/* consent.h - whether a sender of CloudEvents may deliver here: the answer to the OPTIONS request
 * by which it asks before its first delivery (HTTP 1.1 Web Hooks for Event Delivery 1.0, section
 * 4). It is a protection against abuse, no authentication: what is delivered later has to prove
 * itself, and nothing that the request names is fetched. (pure) Any thread. */
#ifndef GATEWAY_CONSENT_H
#define GATEWAY_CONSENT_H

#include "config.h"
#include "http.h"

#define CONSENT_ORIGIN_MAX 253 /* of a DNS name, RFC 1035 section 2.3.4 */
#define CONSENT_SIZE       512

/* True: `ret` has whole header lines for an answer 200. False: not asked by such a sender, not a
 * registry whose kind sends CloudEvents, or the origin is no DNS name. */
bool consent_to(const struct http_head *head, const struct config_registry *registry,
                char ret[CONSENT_SIZE]);

#endif
