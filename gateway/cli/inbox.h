/* inbox.h - messages that were received and wait to be handled, as lines of one event each. (pure)
 * One thread. */
#ifndef CLI_INBOX_H
#define CLI_INBOX_H

#include "event_view.h"

struct inbox {
    struct inbox_message *first, **last, *newest;
    size_t bytes;
};

void inbox_init(struct inbox *box);
void inbox_fini(struct inbox *box);

/* Adds the events of a message, an array with its brackets; ret_last is the last one's id. 0, or
 * -EBADMSG: nothing was added. An empty array adds nothing and leaves ret_last. */
MUST_CHECK int inbox_add(struct inbox *box, struct slice events, char ret_last[ID_SIZE]);
/* The message added last is a replay. */
void inbox_mark(struct inbox *box, const struct message_replay *replay);
/* Adds lines of events, checked before. */
MUST_CHECK int inbox_add_lines(struct inbox *box, struct slice lines);

/* What is left of the oldest message: whole lines, one at least. False: there is none. */
bool inbox_front(const struct inbox *box, struct slice *ret_lines);
/* Of the same message; its id is "" when it is no replay. */
const struct message_replay *inbox_replay(const struct inbox *box);
/* Drops its first `len` bytes, whole lines. */
void inbox_drop(struct inbox *box, size_t len);

/* {"messages":[...]} of lines. */
MUST_CHECK int inbox_join(struct slice lines, struct buf *out);

#endif
