/* registry_watch.h - what each configured registry has sent since the start, and which of them are
 * silent for longer than they should be. Bounded by the configuration: what anybody else posts is
 * in the metrics of refused requests. Broker thread. */
#ifndef BROKER_REGISTRY_WATCH_H
#define BROKER_REGISTRY_WATCH_H

#include "config.h"

#define REGISTRY_WATCH_STATUSES 24 /* more than refuse.h has for HTTP */

struct registry_count {
    unsigned status;
    uint64_t n;
};

/* All since the start, or since the registry is configured; a reload changes none of it. */
struct registry_stats {
    const char *id;
    uint64_t last_event_ms; /* Unix time of its last webhook with an event that was understood,
                               whether it was new or not; 0: none yet */
    /* events of webhooks that were taken, as the answers say */
    uint64_t accepted, ignored, duplicates, set_aside;
    struct registry_count answers[REGISTRY_WATCH_STATUSES]; /* lower statuses first */
    size_t n_answers;
    uint64_t usual_ms; /* between two webhooks with events (rhythm.h); 0: not known yet */
    uint64_t alarm_ms; /* so long a silence is reported; 0: none is */
    bool silent;
    uint64_t silent_since_ms; /* Unix time of its last event, or of when it was first waited for */
};

struct registry_watch;

struct registry_watch *registry_watch_new(const struct config *cfg); /* never NULL */
void registry_watch_free(struct registry_watch *w);                  /* NULL is fine */
/* Those that are gone are forgotten, the others go on; nothing is borrowed. */
void registry_watch_configure(struct registry_watch *w, const struct config *cfg);

/* A webhook was answered: the status, and with 202 what became of its events. */
struct registry_outcome {
    unsigned status;
    uint64_t accepted, ignored, duplicates, set_aside;
    bool elsewhere; /* it is read by registry_watch_heard(), here or on another node */
};
/* One that is not configured is passed over. */
void registry_watch_answered(struct registry_watch *w, const char *id,
                             const struct registry_outcome *a);
/* Looks for silences, and logs where one begins; about once a second. */
/* `listens` NULL: all are heard here. Else those for which it is true: another node hears the
 * others, and would say so. */
void registry_watch_tick(struct registry_watch *w, bool (*listens)(void *ctx, const char *id),
                         void *ctx);
/* A webhook of it was answered elsewhere, and is read here. */
void registry_watch_heard(struct registry_watch *w, const char *id);

size_t registry_watch_n(const struct registry_watch *w);
/* By id in order, and the one of that id, or NULL; borrowed until the next configure(). */
const struct registry_stats *registry_watch_at(const struct registry_watch *w, size_t i);
const struct registry_stats *registry_watch_find(const struct registry_watch *w, const char *id);

#endif
