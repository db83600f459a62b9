/* door.h - who is let in at a listener, before anything of a peer is read: networks it must come
 * from, how fast connections may come in all, and the caps of its address, which is the socket's or
 * what a trusted proxy says. One for each kind of listener, for all workers. Any thread. */
#ifndef GATEWAY_DOOR_H
#define GATEWAY_DOOR_H

#include "address_caps.h"
#include "config.h"
#include "metrics.h"
#include "network.h"

#include <stdatomic.h>

struct door {
    struct networks proxies;        /* who begins with a PROXY header */
    struct networks trusted;        /* whose X-Forwarded-For is believed */
    struct networks allowed;        /* empty: anybody */
    struct address_caps *addresses; /* NULL: an address may have any number */
    uint64_t max_rate;              /* connections a second, 0: any */
    _Atomic uint64_t rate_full_us, answers_full_us;
};

void doors_init(struct door doors[LISTENER_N], const struct config *cfg);
void doors_fini(struct door doors[LISTENER_N]); /* no connection is left */

/* A connection has come, from anybody. REFUSE_NONE or REFUSE_HANDSHAKE_RATE. */
enum refuse door_knock(struct door *door, uint64_t now_us);
/* The address is known: REFUSE_NONE, with *ret for door_leave() or NULL; REFUSE_SOURCE,
 * REFUSE_ADDRESS_CAP or REFUSE_ADDRESS_RATE. */
enum refuse door_enter(struct door *door, const struct in6_addr *address, uint64_t now_us,
                       struct address_count **ret);
void door_leave(struct door *door, struct address_count *count, uint64_t now_us); /* NULL is fine */
bool door_allows(const struct door *door, const struct in6_addr *address);
/* Whether who is refused can have an answer: above some rate they cost more than they help. */
bool door_may_answer(struct door *door, uint64_t now_us);

#endif
