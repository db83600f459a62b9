/* address_caps.h - how many connections one address has open, and how fast it opens them: counted
 * for the whole process. IPv6 counts by /64, of which one host has plenty. Only accepting and
 * closing look here: each takes the lock of one of ADDRESS_CAPS_SHARDS parts for some tens of
 * nanoseconds, and nothing that is sent to open connections takes any. Any thread. */
#ifndef GATEWAY_ADDRESS_CAPS_H
#define GATEWAY_ADDRESS_CAPS_H

#include "refuse.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#define ADDRESS_CAPS_SHARDS 64
#define ADDRESS_CAPS_IDLE   1024 /* addresses without connections that a shard remembers at most */

struct address_caps;
struct address_count; /* of one address; is there as long as it has connections */

/* `max_open` connections at once and `max_rate` new ones a second from one address, of which a
 * second's worth may come at once; 0 is any. Never NULL. */
struct address_caps *address_caps_new(uint64_t max_open, uint64_t max_rate);
/* Other limits from now on, for those who come. Any thread. */
void address_caps_set(struct address_caps *caps, uint64_t max_open, uint64_t max_rate);
void address_caps_free(struct address_caps *caps); /* NULL is fine; nothing is open any more */

/* One more connection. REFUSE_NONE: *ret is for address_caps_leave(). REFUSE_ADDRESS_CAP or
 * REFUSE_ADDRESS_RATE: it is not counted. Times are monotonic microseconds. */
enum refuse address_caps_enter(struct address_caps *caps, const struct in6_addr *address,
                               uint64_t now_us, struct address_count **ret);
void address_caps_leave(struct address_caps *caps, struct address_count *count, uint64_t now_us);

/* Addresses remembered: those with connections, and those that opened one within a second. */
size_t address_caps_size(struct address_caps *caps);

#endif
