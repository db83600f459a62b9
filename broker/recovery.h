/* recovery.h - what a start finds in data_dir and makes of it: opens and checks the store, lets the
 * paths go on where they were, counts what the last process died over, loads what is kept in
 * memory, and gathers the events that are in no batch yet. Broker thread; the store is still its
 * own.
 *
 * Errors are logged here: they are store.h's. After -EIO and -EBADMSG the next start checks all. */
#ifndef BROKER_RECOVERY_H
#define BROKER_RECOVERY_H

#include "engine.h"
#include "store.h"

struct numbers { /* a short list; searched from the front */
    uint64_t *at;
    size_t n, cap;
};
bool numbers_have(const struct numbers *s, uint64_t value);

struct recovery {
    const char *dir;     /* borrowed */
    struct store *store; /* NULL once it has been handed on */
    struct trial *trial;
    struct numbers suspects; /* hashes of webhooks that ended the process too often */
    struct numbers poison;   /* numbers of such events */
};

struct store_limits recovery_limits(const struct config_path *cfg); /* of a path's history */
struct store_options recovery_store_options(const struct engine_options *o);
/* On an error recovery_fini() is still due. */
MUST_CHECK int recovery_open(struct recovery *r, const struct engine_options *o);
void recovery_fini(struct recovery *r); /* closes what it still has; fine for a zeroed struct */

MUST_CHECK int recovery_load(struct recovery *r, struct catalog *catalog, struct seen *seen,
                             struct id_gen *ids);

/* All records kept, by kind and then id. */
MUST_CHECK int recovery_load_records(struct recovery *r,
                                     void (*one)(void *, const struct engine_record *), void *ctx);

/* Events with numbers above `after`, in order, references the caller's; those that ended the
 * process too often go to `poison` instead (borrowed). */
struct backlog {
    struct event **events;
    size_t n, cap;
    void (*poison)(void *ctx, struct event *event);
    void *ctx;
};
MUST_CHECK int recovery_backlog(struct recovery *r, uint64_t after, struct backlog *ret);
void backlog_fini(struct backlog *b);

/* Logs what went wrong while reading, and marks the store for the next start. Returns `err`. */
int recovery_failed(struct recovery *r, int err);

#endif
