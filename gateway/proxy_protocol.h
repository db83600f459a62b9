/* proxy_protocol.h - what a proxy says before anything else: whose connection it passes on (the
 * PROXY protocol of HAProxy, versions 1 and 2, in its specification "proxy-protocol.txt"). (pure)
 */
#ifndef GATEWAY_PROXY_PROTOCOL_H
#define GATEWAY_PROXY_PROTOCOL_H

#include "err.h"
#include "slice.h"

#include <netinet/in.h>
#include <stdbool.h>

/* Bytes of a header with all its TLVs; version 2 could have 65551. */
#define PROXY_HEADER_MAX 4096

struct proxy_header {
    size_t len; /* of the header: what follows is the client's */
    bool known; /* else it is the proxy's own connection (LOCAL), or none of TCP (UNKNOWN,
                   UNSPEC): no address is told */
    struct in6_addr source; /* if known; IPv4 as ::ffff:a.b.c.d */
    uint16_t port;
};

/* Reads the header at the start of a connection. 0: *ret is filled. -EAGAIN: these bytes begin one,
 * which is not complete; they are fewer than PROXY_HEADER_MAX. -EINVAL: they do not, or it is
 * malformed, or longer than PROXY_HEADER_MAX, or not about a TCP connection. *ret is untouched on
 * errors. */
MUST_CHECK int proxy_protocol_read(struct slice in, struct proxy_header *ret);

#endif
