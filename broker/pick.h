/* pick.h - messages chosen from a path's history, by a range or by an event that they have; with
 * their text, which is UTF-8. Made by history.h. */
#ifndef BROKER_PICK_H
#define BROKER_PICK_H

#include "buf.h"
#include "id.h"
#include "store.h"

#define PICK_MAX_MESSAGES 1000
#define PICK_MAX_BYTES    ((size_t) 16 << 20)

/* An end of a range: behind or up to the message with an event, or by the time at which events were
 * received, Unix time. Neither: there is none. */
struct pick_bound {
    char event_id[ID_SIZE]; /* "": none */
    bool timed;
    uint64_t ms;
};

struct picked {
    uint64_t position;
    size_t bytes;         /* as it is encoded */
    size_t at, len;       /* its text, in pick.texts */
    size_t ids_at, n_ids; /* packed, in pick.ids */
};

struct pick {
    /* The question. With an event, the messages that have it; else those of the range, but for
     * those that are replays themselves. */
    char event_id[ID_SIZE]; /* "": a range */
    struct pick_bound since, until;
    size_t max_messages, max_bytes; /* at most PICK_MAX_* */
    /* The answer. */
    struct picked *at;
    size_t n;
    struct buf texts, ids;
    bool more; /* there are, beyond the limits */
};

void pick_init(struct pick *p); /* the most that it takes */
void pick_fini(struct pick *p);
struct slice pick_text(const struct pick *p, size_t i);
const uint8_t *pick_id(const struct pick *p, size_t i, size_t event); /* packed */

/* Reads the answer, in one moment that the caller has begun. -ENOENT: what came after `since` is
 * not all kept any more; -EINVAL: an id that is none; -EBADMSG, -ENOMEM, the store's errors. */
MUST_CHECK int pick_read(struct pick *p, struct store_reader *reader, const char *path_name);

#endif
