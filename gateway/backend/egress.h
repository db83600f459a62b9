/* egress.h - which addresses requests to backends may go to. (pure) Any thread.
 *
 * A specification may be written by others than those who run the gateway, and the gateway stands
 * in a network that they are not in: whatever is not the public internet (RFC 6890's registries,
 * and addresses that have IPv4 inside IPv6) is refused unless it was allowed by name. */
#ifndef BACKEND_EGRESS_H
#define BACKEND_EGRESS_H

#include "network.h"

/* IPv4 as ::ffff:a.b.c.d. `allowed` may be NULL: nothing but public addresses. */
bool egress_allows(const struct networks *allowed, const struct in6_addr *address);

#endif
