/* sender.h - who may post webhooks: the registries of the configuration, by id, each with what it
 * asks of a request. (pure) Immutable once made; any thread. */
#ifndef BROKER_SENDER_H
#define BROKER_SENDER_H

#include "verify.h"

struct sender {
    const struct config_registry *cfg; /* borrowed from the configuration */
    struct verifier verifier;
};

struct sender_set;

struct sender_set *sender_set_new(const struct config *cfg); /* never NULL; borrows cfg */
void sender_set_free(struct sender_set *set);                /* NULL is fine */
/* NULL: there is no such registry. */
const struct sender *sender_find(const struct sender_set *set, struct slice id);

#endif
