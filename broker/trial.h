/* trial.h - what is being worked on right now, in a mapped file that outlives the process: a start
 * finds there what the last process died over, so that an event which crashes the broker is tried a
 * few times and then set aside instead of for ever. It is not synced: a crash of the process keeps
 * the page, and a power cut is no event's fault. Broker thread. */
#ifndef BROKER_TRIAL_H
#define BROKER_TRIAL_H

#include "err.h"
#include "slice.h"

#include <stdint.h>

#define TRIAL_ATTEMPTS 3 /* then it is set aside */

struct trial; /* NULL is a trial that notes nothing, for engines without a directory */

/* What the last process was at when it ended; 0: nothing. */
struct trial_found {
    uint64_t webhook; /* trial_hash() of a webhook's registry and body */
    uint64_t event;   /* number of an accepted event */
};

/* Opens or makes `dir`/trial (0600); what it said goes to *ret_found and is cleared. */
MUST_CHECK int trial_open(const char *dir, struct trial **ret, struct trial_found *ret_found);
void trial_close(struct trial *t);

uint64_t trial_hash(const char *registry_id, struct slice body); /* (pure) never 0 */
void trial_webhook(struct trial *t, uint64_t hash);              /* 0: done with it */
void trial_event(struct trial *t, uint64_t seq);                 /* 0: done with it */

#endif
