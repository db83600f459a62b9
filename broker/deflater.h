/* deflater.h - permessage-deflate (RFC 7692), sending side: one encoded message is deflated once,
 * for every client of its path. Without context takeover, so each message stands alone and any
 * client can begin with it. (pure) A deflater belongs to one thread. */
#ifndef BROKER_DEFLATER_H
#define BROKER_DEFLATER_H

#include "buf.h"

struct deflater; /* some 270 KB: zlib's window and hash tables */

/* `level` 1 (fast) to 9 (small). NULL without memory. */
struct deflater *deflater_new(int level);
void deflater_free(struct deflater *d); /* NULL is fine */

/* Appends to `out` the deflated form of one message: `frames` are its frames as frame_message()
 * wrote them, the result again frames of at most `max_frame` payload bytes, RSV1 set on the first
 * (RFC 7692 section 7.2.1). 0; or, with `out` unchanged: -ENOMEM, -EMSGSIZE (the limit of `out`),
 * -E2BIG (it would not be shorter than `frames`), -EINVAL (those are not exactly one message). */
MUST_CHECK int deflater_message(struct deflater *d, struct slice frames, size_t max_frame,
                                struct buf *out);

#endif
