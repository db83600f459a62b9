/* engine_item.h - what the embedded engine hands to the journal: items, each with everything it
 * points to in one buffer of its own, and what is to be done when it comes back. Broker thread;
 * while it is with the journal an item is not touched. */
#ifndef BROKER_ENGINE_ITEM_H
#define BROKER_ENGINE_ITEM_H

#include "engine.h"
#include "journal.h"

/* A journal item with what is to be done when it comes back. */
struct item {
    struct journal_item journal; /* first: an item is found by its address */
    struct buf bytes;            /* everything the journal item points to */
    struct event **events;       /* WEBHOOK */
    size_t n_events;
    void (*done)(void *arg, int err); /* WEBHOOK, CHANGE, PATH, CUT */
    void (*settled)(void *arg);       /* BARRIER */
    void *arg;
    struct engine_batch batch;    /* BATCH */
    struct store_record *records; /* CHANGE, WEBHOOK */
    struct path *path;            /* PATH, CUT */
    struct item *next_spare;
};

struct item_pool { /* zeroed: empty */
    struct item *spare;
    unsigned n_spare;
};

struct item *item_new(struct item_pool *pool, enum journal_kind kind); /* never NULL */
void item_free(struct item_pool *pool, struct item *it);
void item_pool_fini(struct item_pool *pool);

/* These fill an item once. -ENOMEM: it is only to be freed. `serial`, and the change's next_seq,
 * are the caller's. */

/* Numbers the events from *next_seq on, taken or not. */
MUST_CHECK int item_put_webhook(struct item *it, const struct engine_submission *s,
                                uint64_t *next_seq);
MUST_CHECK int item_put_batch(struct item *it, const struct engine_broadcast *b);
MUST_CHECK int item_put_letter(struct item *it, struct event *event, const char *why);
MUST_CHECK int item_put_kept_letter(struct item *it, const struct store_letter *l);
MUST_CHECK int item_put_change(struct item *it, const struct engine_change *c);

#endif
