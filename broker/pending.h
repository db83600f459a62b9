/* pending.h - a change that was acknowledged and waits for its digest: its registry has told which
 * tag was pushed, and not to what. Kept as a record until it is complete. (pure) Broker thread. */
#ifndef BROKER_PENDING_H
#define BROKER_PENDING_H

#include "event.h"
#include "list.h"

/* What a webhook said of a push to a tag; borrowed, checked by field.h. */
struct pending_parts {
    const char *registry_id, *repository, *tag;
    const char *created_at, *actor; /* as struct change has them; "" when absent */
    struct event_trace trace;
    uint64_t received_ms; /* wall clock */
};

struct pending {
    char id[ID_SIZE]; /* of its record */
    char *registry_id, *repository, *tag, *created_at, *actor;
    struct event_trace trace;
    uint64_t received_ms;
    int64_t since_ms;    /* its receipt on the monotonic clock, before a restart maybe below 0 */
    struct list in_list; /* of its holder */
};

/* Record ids sort in the order of their numbers, which are 64 bits. */
void pending_id(uint64_t number, char ret[ID_SIZE]);
bool pending_number(const char *id, uint64_t *ret); /* false: none of these */

/* Its id is empty and since_ms 0; for pending_free(). */
struct pending *pending_new(const struct pending_parts *parts);
void pending_free(struct pending *p); /* in no list; NULL is fine */

/* Appends the record's value. buf_append()'s errors, after which nothing was appended. */
MUST_CHECK int pending_pack(const struct pending *p, struct buf *out);
/* -EBADMSG for what pending_pack() would not have written, but for fields of later versions, which
 * are skipped. Its id is empty. */
MUST_CHECK int pending_unpack(struct slice value, struct pending **ret);

#endif
