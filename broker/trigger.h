/* trigger.h - rules: which events go to which paths. (pure) Broker thread. */
#ifndef BROKER_TRIGGER_H
#define BROKER_TRIGGER_H

#include "config.h"
#include "event.h"

struct trigger {
    char id[ID_SIZE];                  /* a1s... */
    const struct config_trigger *rule; /* borrowed from the configuration */
    bool allowed; /* its service account has api-gateway.websocketBroadcaster */
    void *action; /* the pipeline's: batch and path */
};

struct trigger_set; /* an index registry id > triggers, in the order of the configuration */

struct trigger_set *trigger_set_new(const struct config *cfg); /* never NULL; borrows cfg */
void trigger_set_free(struct trigger_set *set);
size_t trigger_set_size(const struct trigger_set *set);
struct trigger *trigger_set_at(struct trigger_set *set, size_t i);

/* Event type AND image name AND tag, exact; an empty filter is any. image_name matches both
 * "<registry id>/<repository>" and "<repository>". */
bool trigger_matches(const struct trigger *t, const struct event *e);

/* Calls `hit` for each matching trigger in order, allowed or not; returns how many. */
size_t trigger_set_match(struct trigger_set *set, struct event *e,
                         void (*hit)(void *ctx, struct trigger *t, struct event *e), void *ctx);

#endif
