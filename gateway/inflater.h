/* inflater.h - permessage-deflate, receiving side (RFC 7692 section 7.2.2): one message at a time,
 * in pieces as they come, without context takeover. (pure) One thread. */
#ifndef GATEWAY_INFLATER_H
#define GATEWAY_INFLATER_H

#include "err.h"
#include "slice.h"

struct inflater; /* 7 KB, and its window once something has been inflated */

struct inflater *inflater_new(void);     /* NULL without memory */
void inflater_free(struct inflater *in); /* NULL is fine */

/* Ready for a message; what was there of another is forgotten. `window_bits`: 8 to 15. */
void inflater_start(struct inflater *in, unsigned window_bits);

/* Takes what it can off `from` and inflates it into `room`: *ret. 1: call again, there is more; 0:
 * all of `from` is used up. -EBADMSG: that is not deflate data; -ENOMEM. *ret is also set on an
 * error: what came before it. */
MUST_CHECK int inflater_next(struct inflater *in, struct slice *from, uint8_t *room, size_t size,
                             struct slice *ret);

/* What the sender has cut off the message, to be fed after its last byte. Nothing after a block
 * that says it is the last (BFINAL): RFC 7692 section 7.2.3.4 wants one more byte there, not all
 * send it. */
struct slice inflater_tail(const struct inflater *in);
/* What was fed, with the tail, is whole blocks and nothing else. */
bool inflater_whole(const struct inflater *in);

#endif
