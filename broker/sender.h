/* sender.h - who may post webhooks: the registries of the configuration, by id, and their tokens.
 * (pure) Immutable once made; any thread. */
#ifndef BROKER_SENDER_H
#define BROKER_SENDER_H

#include "config.h"
#include "sha256.h"
#include "slice.h"

struct sender {
    const struct config_registry *cfg; /* borrowed from the configuration */
    uint8_t token_hash[SHA256_SIZE];
};

struct sender_set;

struct sender_set *sender_set_new(const struct config *cfg); /* never NULL; borrows cfg */
void sender_set_free(struct sender_set *set);                /* NULL is fine */
/* NULL: there is no such registry. */
const struct sender *sender_find(const struct sender_set *set, struct slice id);
/* Whether an Authorization header (RFC 9110 section 11.6.2; empty: none) has the registry's token,
 * as "Bearer TOKEN" or as the password of "Basic". Every header does for one without a token. */
bool sender_may_post(const struct sender *sender, struct slice authorization);

#endif
