/* completion.h - changes that were acknowledged without a digest, until their registry has said it:
 * which of them are asked for when, and what becomes of those that nobody can tell. Knows neither
 * threads nor the engine. Broker thread.
 *
 * One question at a time is asked about a tag. Its answer serves the changes that had been accepted
 * before it was asked, and no later one: what came since may have moved the tag. So no answer is
 * ever kept. */
#ifndef BROKER_COMPLETION_H
#define BROKER_COMPLETION_H

#include "ingest.h"
#include "lookup.h"
#include "pending.h"

#define COMPLETION_MAX          10000 /* changes; later ones go on without a digest */
#define COMPLETION_IN_FLIGHT    LOOKUP_THREADS
#define COMPLETION_PER_REGISTRY 2
#define COMPLETION_MISSES       3 /* so often a tag is not there before that is believed */
#define COMPLETION_PAUSE_MS     1000
#define COMPLETION_MAX_PAUSE_MS 60000

/* The other side. */
struct completion_port {
    void *ctx;
    void (*ask)(void *ctx, struct lookup_question *q); /* lookup_ask() */
    int (*can_apply)(void *ctx);                       /* as ingest_target.can_submit */
    void (*apply)(void *ctx, const struct ingest_completed *done, struct ingest_call *call);
};

struct completion;

struct completion *completion_new(const struct config *cfg, struct metrics *metrics,
                                  const struct completion_port *port); /* never NULL */
/* What was asked is not answered any more: after lookup_free(). NULL is fine. */
void completion_free(struct completion *c);
/* Of a changed configuration; its settings count from the next question on. */
void completion_configure(struct completion *c, const struct config *cfg);

/* A push without a digest. The caller's, for one of the next two; NULL: it goes on as it is, since
 * nobody can be asked or too many wait. It has the id of its record. */
struct pending *completion_take(struct completion *c, const struct config_registry *registry,
                                const struct pending_parts *parts);
/* Its record is safe: it is asked for. */
void completion_keep(struct completion *c, struct pending *one);
/* It was refused with its webhook. */
void completion_drop(struct completion *c, struct pending *one);
/* A record of an earlier run. -EBADMSG: none that pending_pack() has written; its number is not
 * given out again. */
MUST_CHECK int completion_load(struct completion *c, const char *id, struct slice value);

/* Those of registries for which `gone` says so are another node's from here on. None of them is
 * being applied. */
void completion_forget(struct completion *c, bool (*gone)(void *ctx, const char *registry_id),
                       void *ctx);

/* Every second, and when there is something new to do after completion_keep(). */
void completion_tick(struct completion *c);
size_t completion_n(const struct completion *c); /* changes that wait, accepted or just taken */

#endif
