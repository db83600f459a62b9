/* seen.h - sender event ids seen within the window: de-duplication of what registries send again.
 * Ids are kept as 128 bits of SHA-256 over registry and id, in a table of bounded size with the
 * oldest forgotten first. Broker thread. */
#ifndef BROKER_SEEN_H
#define BROKER_SEEN_H

#include "slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEEN_KEY_SIZE 16

struct seen;

struct seen_key {
    uint8_t bytes[SEEN_KEY_SIZE];
};

struct seen *seen_new(uint64_t max_ids, uint64_t window_ms); /* never NULL */
void seen_free(struct seen *s);                              /* NULL is fine */

struct seen_key seen_key(const char *registry_id, const char *sender_id); /* (pure) */
/* True when the id is new in the window; it is remembered from `now_ms` on. `now_ms` never goes
 * back. */
bool seen_add(struct seen *s, const struct seen_key *key, uint64_t now_ms);
/* Forgets an id added last or near it: its webhook was refused and will be sent again. */
void seen_remove(struct seen *s, const struct seen_key *key);

/* All that it has, in the order in which they were added, but for the `leave_out` added last:
 * seen_add() of another one, with the same times, makes it know the same. */
void seen_each(const struct seen *s, size_t leave_out,
               void (*one)(void *ctx, const struct seen_key *key, uint64_t at_ms), void *ctx);

uint64_t seen_count(const struct seen *s);
uint64_t seen_forgotten(const struct seen *s); /* early, for being over max_ids */

#endif
