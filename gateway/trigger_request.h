/* trigger_request.h - a request that makes or changes a trigger, as REST and gRPC read it: what
 * their spellings have in common. (pure) Any thread. */
#ifndef GATEWAY_TRIGGER_REQUEST_H
#define GATEWAY_TRIGGER_REQUEST_H

#include "admin.h"

struct trigger_request {
    struct trigger_spec spec; /* for trigger_spec_fini() */
    bool has_rule;
    unsigned mask; /* ADMIN_* bits; 0: none was given, or it was empty */
};

/* Takes a path of the update mask. False with a violation: it is none. */
bool trigger_request_mask(struct trigger_request *req, struct slice path, struct status *found);
/* A rule or an action of another kind, by its name in the API: worse than any violation. The first
 * one is told. */
void trigger_request_other(const char *what, struct status *found);

#endif
