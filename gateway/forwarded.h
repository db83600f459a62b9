/* forwarded.h - whom a request comes from when proxies stand between: X-Forwarded-For, which each
 * proxy extends by the address that it saw, so that what is on the right can be believed as far as
 * the proxies can. (pure) */
#ifndef GATEWAY_FORWARDED_H
#define GATEWAY_FORWARDED_H

#include "network.h"

/* The right-most address that is not one of the trusted proxies' (all are: the left-most): of the
 * header's values in their order, then `from`, who has sent the request. What is left of an element
 * that is no address (with or without a port) was not written by those who are trusted. */
struct in6_addr forwarded_client(const struct slice *values, size_t n,
                                 const struct networks *trusted, struct in6_addr from);

#endif
