/* event.h - one normalised registry event in the original service's terms, and its JSON form
 * (api-compat: the message of the container-registry trigger). An event is made and used on the
 * broker thread only, so its reference count is plain. */
#ifndef BROKER_EVENT_H
#define BROKER_EVENT_H

#include "buf.h"
#include "id.h"

enum event_type {
    EVENT_CREATE_IMAGE,
    EVENT_DELETE_IMAGE,
    EVENT_CREATE_IMAGE_TAG,
    EVENT_DELETE_IMAGE_TAG,
    EVENT_N_TYPES
};
/* "CreateImage", ...; the wire form has the prefix "yandex.cloud.events.containerregistry." */
extern const char *const EVENT_TYPES[EVENT_N_TYPES];

/* W3C Trace Context, already checked: 32 and 16 lower-case hex digits. present = false: none came.
 */
struct event_trace {
    bool present;
    char trace_id[33], parent_id[17];
};
#define EVENT_TRACEPARENT_SIZE 56 /* with the NUL: version, trace, parent, flags */
/* Reads a `traceparent` header value (W3C Trace Context section 3.2); anything malformed gives
 * present = false. (pure) */
struct event_trace event_trace_parse(struct slice traceparent);

/* The trace id that an event's JSON has, or the first event's of a message or frame: empty when
 * there is none. Only what this program has encoded. (pure) */
struct slice event_find_trace_id(struct slice json);

/* What an event is made of; everything borrowed, copied by event_new(). */
struct event_parts {
    enum event_type type;
    const char *id;         /* ID_LEN characters */
    const char *created_at; /* RFC 3339, UTC, "Z" */
    const char *cloud_id, *folder_id, *registry_id;
    const char *repository;          /* bare: "team/app" */
    const char *digest;              /* "sha256:..."; "" when unknown */
    const char *tag;                 /* "" for none */
    const char *actor;               /* for filters, not in the message; "" or NULL: nobody known */
    const struct event_trace *trace; /* NULL: none */
};

/* What filters of triggers said of an event, so that none is asked twice: see trigger.c. All zero:
 * none was asked. */
struct event_verdicts {
    uint64_t generation;    /* of the triggers */
    uint64_t known, passes; /* a bit for each filter, in the order in which they are asked */
};

struct event {
    unsigned refs;
    enum event_type type;
    char id[ID_SIZE];
    uint64_t seq; /* in the order of acceptance, from 1 on; 0 before it is submitted */
    char *registry_id, *repository, *digest, *tag, *actor; /* actor "" when nobody is known */
    struct event_verdicts verdicts;
    struct slice json; /* {"event_metadata":{...},"details":{...}}: compact, valid UTF-8, owned */
};

/* NULL: there is no memory. tracing_context is always there, as its official typings promise: empty
 * strings without a traceparent; span ids are signed decimal strings of 64 bits. The caller's
 * reference. */
struct event *event_new(const struct event_parts *parts);
/* An event that was encoded before: `json` (copied) is taken as it is. NULL: as above. */
struct event *event_restore(enum event_type type, const char *id, const char *registry_id,
                            const char *repository, const char *digest, const char *tag,
                            const char *actor, struct slice json);
struct event *event_ref(struct event *e);
void event_unref(struct event *e); /* NULL is fine */

#endif
