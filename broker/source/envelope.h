/* envelope.h - many events in one body, split by our own scanner before the first of them is read:
 * memory is bounded by one event, and a bad event harms no other. (pure) Any thread. */
#ifndef SOURCE_ENVELOPE_H
#define SOURCE_ENVELOPE_H

#include "err.h"
#include "slice.h"

#define ENVELOPE_FOUND_MAX 256 /* more than registries send at once */

struct envelope { /* for envelope_open() and envelope_next() only, but for `n` */
    size_t n;     /* how many events there are */
    struct slice events, found[ENVELOPE_FOUND_MAX];
    size_t n_found, at, next; /* `next`: where to look for those behind the found */
};

/* The events are the elements of the array `member` of the object `body`; NULL: of the array that
 * `body` is. What lies around them is checked here, each of them is the caller's to check.
 * -EBADMSG with *ret_why, a literal: json_check()'s, "no_events", "events_type"; an array that
 * cannot be split to its end is "syntax", for where the next event begins is then anybody's guess.
 * -ENOMEM. */
MUST_CHECK int envelope_open(struct slice body, const char *member, struct envelope *ret,
                             const char **ret_why);
/* The same of an array somewhere in `body`, where `events` are its bytes. */
MUST_CHECK int envelope_open_at(struct slice body, struct slice events, struct envelope *ret,
                                const char **ret_why);
bool envelope_next(struct envelope *e, struct slice *ret); /* false: there are no more */

/* Without JSON's white space around it. */
struct slice envelope_trim(struct slice body);

#endif
