/* replayed.h - stored messages that an operator has sent again: the same events, with a mark beside
 * them that tells clients so.
 *
 *   {"replay":{"id":"rpl...","at":"2026-11-22T04:50:41.672Z","resume":"crt..."},"messages":[...]}
 *
 * The mark comes first, so that its first bytes tell what the message is. (pure) */
#ifndef BROKER_REPLAYED_H
#define BROKER_REPLAYED_H

#include "buf.h"
#include "clock.h"
#include "id.h"

#define REPLAY_ID_PREFIX   "rpl"
#define REPLAYED_MARK_SIZE 128 /* more than all but the events take */

struct replayed_mark {
    const char *id;              /* of the replay: the same in all its messages */
    char at[CLOCK_RFC3339_SIZE]; /* when it was asked for */
    const char *resume; /* an event id that is this message's alone: who has it goes on behind it.
                           NULL: the message is on no log */
};

/* Whether a message's text has the mark. */
bool replayed_is(struct slice text);

/* The array of a message's events, with its brackets; -EBADMSG: it has none. */
MUST_CHECK int replayed_events(struct slice text, struct slice *ret);

/* Its event number `i`, from 0 on. -ENOENT: it has fewer; -EBADMSG. */
MUST_CHECK int replayed_event(struct slice array, size_t i, struct slice *ret);
/* Takes off the front of the array as many events as one marked message of `max` bytes holds; *at
 * and *first, the number of its first event, begin at 0. 0, 1 at the end, -EMSGSIZE: one event
 * alone is too long, -EBADMSG. */
struct replayed_piece {
    struct slice events; /* with commas between them, and no brackets */
    size_t first, n;
};
/* Whether one of such a length fits. */
static inline bool replayed_fits(size_t len, size_t max)
{
    return max > REPLAYED_MARK_SIZE && len <= max - REPLAYED_MARK_SIZE;
}
MUST_CHECK int replayed_next(struct slice array, size_t max, size_t *at, size_t *first,
                             struct replayed_piece *ret);

/* Appends the whole message. Errors: buf_append()'s. */
MUST_CHECK int replayed_write(const struct replayed_mark *mark, struct slice events,
                              struct buf *out);

#endif
