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

/* What the configuration says of a door; never changes. */
struct door_rules {
    struct networks proxies; /* who begins with a PROXY header */
    struct networks trusted; /* whose X-Forwarded-For is believed */
    struct networks allowed; /* empty: anybody */
    uint64_t max_rate;       /* connections a second, 0: any */
};

struct door {
    /* Set by the front; who reads them is done with them before his loop takes its next mail. */
    const struct door_rules *_Atomic rules;
    struct address_caps *_Atomic addresses; /* NULL: an address could always have any number */
    _Atomic uint64_t rate_full_us, answers_full_us;
};

void doors_init(struct door doors[LISTENER_N], const struct config *cfg);
void doors_fini(struct door doors[LISTENER_N]); /* no connection is left */
/* A changed configuration counts for whoever comes. Those who came while an address could have any
 * number are not counted. Returns the rules that counted before, for door_rules_free() when no
 * worker can be looking at them any more. Front's thread. */
struct door_rules *doors_configure(struct door doors[LISTENER_N], const struct config *cfg);
void door_rules_free(struct door_rules *rules); /* of all doors; NULL is fine */

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
