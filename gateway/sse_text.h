/* sse_text.h - plain messages of a path as server-sent events, where nobody has written them so
 * (sse_form.h): made when they are sent, into memory that a worker's connections share. Loop's
 * thread. */
#ifndef GATEWAY_SSE_TEXT_H
#define GATEWAY_SSE_TEXT_H

#include "buf.h"
#include "segment.h"

#define SSE_TEXT_BYTES    (64u << 10) /* converted at once, and the rest of the last message, */
#define SSE_TEXT_MESSAGES 64          /* and at most so many */

/* The events of one span. Fine when zeroed. */
struct sse_text {
    struct buf text;
    uint32_t n;
    struct {
        uint64_t position; /* after the message */
        size_t len;        /* of the text up to there */
    } ends[SSE_TEXT_MESSAGES];
};

/* The first messages of `plain`, at least one, as events: *ret lies in `t` until the next call,
 * with no segment. `ret` may be `plain`. Returns how many, or -ENOMEM; -EINVAL: what comes first is
 * no message. */
MUST_CHECK int sse_text_read(struct sse_text *t, const struct segment_span *plain,
                             struct segment_span *ret);
/* segment_cut() for what the last call gave. */
void sse_text_cut(const struct sse_text *t, size_t sent, struct segment_cut *ret);
/* Gives the memory back. */
void sse_text_drop(struct sse_text *t);

#endif
