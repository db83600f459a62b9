/* recent.h - the events accepted of late, for operators who look at them: a ring in memory, bounded
 * by count and bytes, the oldest go first. An event is noted while its webhook is read and is there
 * for others once that is safe. What triggers do with it is not kept: pipeline_verdicts() says it.
 * Behind the ring, in age, lie events that an earlier run has accepted, which recent_restore() has
 * put there. Broker thread. */
#ifndef BROKER_RECENT_H
#define BROKER_RECENT_H

#include "event.h"

#define RECENT_MAX      16384              /* events */
#define RECENT_BYTES    ((size_t) 8 << 20) /* of them, touched as they fill */
#define RECENT_RESTORED 1000               /* events of an earlier run */
#define RECENT_SAME     256                /* events of one sender's id that are told apart */
#define RECENT_KEYS     2                  /* what a sender may send again: event, delivery */

struct recent;

/* Strings are NUL-terminated valid UTF-8, "" where nothing is known. */
struct recent_event {
    uint64_t number; /* in the order they came, from 1 on; 0: of an earlier run, and then only what
                        the message says of it is known */
    enum event_type type;
    char id[ID_SIZE];
    const char *registry_id, *repository, *digest, *tag, *actor;
    const char *created_at;     /* RFC 3339 */
    const char *peer, *kind;    /* who sent it, and by which adapter it was read */
    const char *sender_id;      /* the sender's own event id */
    const char *traceparent;    /* its first 55 characters: version, trace, parent, flags */
    char trace_id[33];          /* "": none */
    uint64_t received_ms;       /* Unix time; of an earlier run: when its id was made */
    uint64_t duplicates;        /* how often the sender has sent it again, */
    uint64_t last_duplicate_ms; /* and when last; Unix time */
    bool replayed;              /* an operator has posted again what was set aside */
};

/* What is known when it is read; all borrowed. */
struct recent_parts {
    enum event_type type;
    const char *id; /* ID_LEN characters */
    const char *registry_id, *repository, *digest, *tag, *actor, *created_at;
    const char *peer, *sender_id;
    const char *kind;     /* a literal; NULL: nobody's */
    const char *trace_id; /* "": none */
    const char *traceparent;
    const uint64_t *keys; /* RECENT_KEYS of them, of recent_key(); 0: none */
    uint64_t received_ms;
    bool replayed;
};

/* Room for `max` events and so many bytes. Never NULL. */
struct recent *recent_new(size_t max, size_t bytes);
void recent_free(struct recent *r); /* NULL is fine */

/* Notes an event, under way; its number. Events of one webhook are noted in a row, and ids go up.
 */
uint64_t recent_add(struct recent *r, const struct recent_parts *parts);
/* What became of the webhook whose `n` events begin with number `first`: `safe`, or nothing came of
 * them. */
void recent_settle(struct recent *r, uint64_t first, size_t n, bool safe);
/* Of a sender's id as seen.h keeps them; never 0. */
uint64_t recent_key(const struct recent *r, const uint8_t *seen_key);
/* A sender has sent again what has this key. */
void recent_again(struct recent *r, uint64_t key, uint64_t wall_ms);
/* Events of an earlier run, in any order, also some that are known: puts the newest in their place.
 * Their ids tell their age. */
void recent_restore(struct recent *r, const struct recent_parts *events, size_t n);

/* What is found is borrowed until the next change. */
bool recent_find(const struct recent *r, struct slice event_id, struct recent_event *ret);
bool recent_at(const struct recent *r, uint64_t number, struct recent_event *ret);
/* Calls `one` for each, the newest first, until it says false; with `before`, an event id, for
 * those that are older than that. */
void recent_walk(const struct recent *r, const char *before,
                 bool (*one)(void *ctx, const struct recent_event *e), void *ctx);

/* As triggers look at it; borrows its strings. */
struct event recent_probe(const struct recent_event *e);

#endif
