/* kinds.h - whose adapter reads a registry's webhook. Where its kind is not configured each request
 * is a guess: what the registry was known as is kept, and a kind that it was not known as before is
 * logged. Broker thread. */
#ifndef BROKER_KINDS_H
#define BROKER_KINDS_H

#include "source.h"

struct kinds;

struct kinds *kinds_new(const struct config *cfg); /* never NULL; copies what it needs */
void kinds_free(struct kinds *k);                  /* NULL is fine */
/* Of another configuration; what registries of the same ids were known as stays. */
void kinds_configure(struct kinds *k, const struct config *cfg);

/* source_of() a request of req->registry. `peer` is for the log. */
const struct source *kinds_choose(struct kinds *k, const struct source_request *req,
                                  const char *peer, const char **ret_known_by);

#endif
