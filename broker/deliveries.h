/* deliveries.h - the batches of late, for "what became of this event": a ring in memory, the oldest
 * go first. It is noted when a batch is formed and completed when it is safe and on its path's log.
 * Broker thread. */
#ifndef BROKER_DELIVERIES_H
#define BROKER_DELIVERIES_H

#include "batch.h"
#include "engine.h"
#include "trigger_spec.h"

#define DELIVERIES_MAX 4096               /* batches */
#define DELIVERIES_IDS ((size_t) 1 << 17) /* events of all of them; 11 bytes each */

struct delivery_note {
    char trigger_id[ID_SIZE], trigger_name[64]; /* "": a message sent again, of */
    char replay_id[ID_SIZE];                    /* this replay; else "" */
    const struct path *path;
    enum batch_flush why;
    size_t n_events, bytes; /* encoded */
    char first_event_id[ID_SIZE], last_event_id[ID_SIZE];
    bool delivered;        /* else what follows is not known: under way, or it failed */
    uint64_t position;     /* on its path; the message takes `bytes` of them */
    uint64_t delivered_ms; /* Unix time */
    uint64_t connections;  /* on the path then */
};

struct deliveries;

struct deliveries *deliveries_new(void);    /* never NULL; 1.5 MB, touched as it fills */
void deliveries_free(struct deliveries *d); /* NULL is fine */

/* The number of its note, never 0. With t NULL it is a message sent again: `replay_id` says of
 * which replay. */
uint64_t deliveries_formed(struct deliveries *d, const struct trigger_spec *t,
                           const char *replay_id, const struct path *path,
                           const struct batch_message *m, size_t bytes);
/* `note` may be forgotten, or 0: NULL then, else what it is now, borrowed until the next one is
 * formed. */
const struct delivery_note *deliveries_arrived(struct deliveries *d, uint64_t note,
                                               uint64_t position, uint64_t connections,
                                               uint64_t wall_ms);
/* Calls `one` for each batch with that event, the oldest first; borrowed for the call. Returns how
 * many there were. */
size_t deliveries_find(const struct deliveries *d, struct slice event_id,
                       void (*one)(void *ctx, const struct delivery_note *n), void *ctx);

#endif
