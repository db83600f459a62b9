/* network.h - internet addresses and networks of them, as text and as 16 bytes: IPv4 is
 * ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2) everywhere. (pure) Any thread. */
#ifndef BASE_NETWORK_H
#define BASE_NETWORK_H

#include "slice.h"

#include <netinet/in.h>
#include <stdbool.h>

/* 192.0.2.1 or 2001:db8::1, without brackets, port or zone. False: it is neither, *ret is
 * untouched. */
bool network_parse_address(struct slice text, struct in6_addr *ret);

struct network {
    struct in6_addr address; /* bits beyond `bits` are 0 */
    unsigned bits;           /* of 128 */
};

/* An address, or address/bits. False when it is neither or has bits beyond those of the network,
 * which are a mistake more often than not; *ret is then untouched. */
bool network_parse(struct slice text, struct network *ret);
/* An IPv4 address is in IPv4 networks only: ::/0 is any IPv6 address. */
bool network_has(const struct network *n, const struct in6_addr *address);

struct networks {
    struct network *at;
    size_t n;
};
/* Of `n` texts that network_parse() takes. */
void networks_init(struct networks *all, char *const *texts, size_t n);
void networks_fini(struct networks *all);
bool networks_have(const struct networks *all, const struct in6_addr *address);

#endif
