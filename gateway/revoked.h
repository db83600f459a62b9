/* revoked.h - closes the connections of those whom another node has shut out, as the node that was
 * asked to closes its own (rest_revocation.c). Front's thread. */
#ifndef GATEWAY_REVOKED_H
#define GATEWAY_REVOKED_H

#include "connections.h"

struct revoked { /* zeroed, but for `shared` */
    struct shared *shared;
    struct connections_ask ask; /* the rest: private */
    bool asking, again;
};

/* Something was revoked; a pass over all connections that is under way is followed by another. */
void revoked_close(struct revoked *r);

#endif
