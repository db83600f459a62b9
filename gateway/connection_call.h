/* connection_call.h - ConnectionService's operations, however a request spells them: who may, what
 * a request must have, and what each failure is called. A connection that is not here is asked of
 * the other nodes. Front's thread. Rules: the API's
 * ConnectionService page. */
#ifndef GATEWAY_CONNECTION_CALL_H
#define GATEWAY_CONNECTION_CALL_H

#include "api_id.h"
#include "connections.h"
#include "manage.h"

#define CONNECTION_CALL_MAX_DATA 131072 /* bytes of a message */

struct connection_call {
    /* The question; filled before connection_call_run(), the caller's again from `done` on. */
    enum connections_kind kind; /* not LIST */
    char id[API_ID_MAX + 1];
    struct buf data;      /* SEND */
    int64_t type;         /* SEND: the number of DataType, any */
    struct status status; /* what is wrong with the request already, then the answer */
    void (*done)(struct connection_call *c); /* once, maybe before connection_call_run() returns */
    /* The answer: what `status` says, and with GET if that is OK: */
    struct connection_info info;
    /* private */
    struct connections_ask ask;
    struct shared *shared;
};

/* Whether the caller may do any of it; a violation of his comes after that. */
bool connection_call_may(const struct manage *m, const struct admin_call *call,
                         struct status *ret_error);
/* `id` is as it was sent: a bad one is added to `found`, which is what the transport has found
 * wrong so far. */
void connection_call_init(struct connection_call *c, enum connections_kind kind, struct slice id,
                          const struct status *found);
void connection_call_fini(struct connection_call *c);
/* Adds what is wrong with the rest of the request, and asks if nothing is. */
void connection_call_run(struct connection_call *c, struct shared *s);

#endif
