/* segment.h - an immutable-once-published, reference-counted piece of a path log: whole encoded
 * messages growing upwards, their index growing downwards until they would meet.
 *
 *   position:  0 ........ span ........ 2*span ......        segment number = position / span
 *   segment:   [message|message|...          free          ...|index|index]
 *
 * One in the path log (pathlog.c) is written by the broker thread and read by any; one made from
 * stored messages (history.c) is written by one thread, sealed, and then read by any. Its messages
 * stand at the positions they had in the log. A span is a power of two, so a position says by a
 * shift which segment it is in. */
#ifndef BROKER_SEGMENT_H
#define BROKER_SEGMENT_H

#include "err.h"
#include "slice.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct segment;

/* The ways in which a message may be written. Each has the plain one; the others lie beside it. */
enum segment_form {
    FORM_PLAIN,    /* WebSocket frames */
    FORM_DEFLATED, /* the same with permessage-deflate (deflater.h) */
    FORM_SSE,      /* a server-sent event (sse_form.h) */
    SEGMENT_FORMS
};

/* The span of the path whose longest encoded message has `max_message` bytes: 1 << the result, at
 * least 256 KiB and twice the message. */
unsigned segment_span_bits(size_t max_message);

/* Where the next message of a path goes. The path log and the store reckon with the same function,
 * so that the position written to disk is the one in memory. (pure) */
struct segment_place {
    uint64_t tail; /* the position after the last message */
    uint32_t n;    /* messages in the tail's segment */
};
/* Advances `at` by a message of `len` bytes; returns the message's position. A message never
 * straddles two segments: what is left of one that cannot take it are positions nobody has. */
uint64_t segment_place(unsigned span_bits, struct segment_place *at, size_t len);
/* Continues at the beginning of the next segment (after a restart), unless it stands at one. */
void segment_place_skip(unsigned span_bits, struct segment_place *at);

/* A segment of stored messages, for exactly `n` messages of `bytes` bytes in all, the first of them
 * at `position`. NULL without memory. Its size is added to *account until it is freed (NULL: not
 * counted). The caller's reference. */
struct segment *segment_make(unsigned span_bits, uint64_t position, size_t bytes, uint32_t n,
                             _Atomic uint64_t *account);
/* The next message of such a segment; they follow each other without holes. */
void segment_put(struct segment *seg, uint64_t position, struct slice message,
                 uint64_t appended_ms);
void segment_seal(struct segment *seg); /* no more follow: others may read */

/* What a read found. */
struct segment_span {
    struct slice bytes;  /* whole messages in one piece; empty: nothing there */
    uint64_t start, end; /* the positions of the first message and after the last */
    uint32_t n_messages; /* in `bytes` */
    uint8_t form;        /* enum segment_form of all of them */
    struct segment *seg; /* where `bytes` are; NULL when there are none */
};
/* From a sealed segment: everything from `cursor` (between two messages, or below the first) on. */
void segment_read(struct segment *seg, uint64_t cursor, struct segment_span *ret);
/* Where the message that contains byte number `sent` < bytes.len of the span ends: its position,
 * how many of the span's bytes that takes, and how many whole messages; and how many bytes come
 * before it. */
struct segment_cut {
    uint64_t end;
    size_t before, len;
    uint32_t n_messages;
};
void segment_cut(const struct segment_span *span, size_t sent, struct segment_cut *ret);

/* Another form of a message, beside the plain one of the same position. Those of one form lie in a
 * sibling, which grows from nothing when the first is added, never takes more than its part of the
 * segment's room (half of it deflated, a little more than all of it as events), and lives as long.
 *
 * Who puts, right after segment_put(), at most once for each form. Without memory or room the
 * message has no such form. */
void segment_put_form(struct segment *seg, enum segment_form form, uint64_t position,
                      struct slice message);
/* As segment_read_to(), but in that form from `cursor` on; up to where the first message does not
 * have it. When that is the one at the cursor: plain, up to where one has. */
void segment_read_form_to(struct segment *seg, enum segment_form form, uint64_t cursor,
                          uint64_t end, struct segment_span *ret);

void segment_ref(struct segment *seg);   /* inside, or holding a reference already; any thread */
void segment_unref(struct segment *seg); /* any thread; NULL is fine */
bool segment_is_shared(const struct segment *seg); /* somebody besides the caller refers to it */
/* The position after its last message, UINT64_MAX while it may still grow. segment_size() is the
 * memory it takes. */
uint64_t segment_end(const struct segment *seg);
uint64_t segment_size(const struct segment *seg);

/* For the path log, whose segments are read while they grow. One thread opens, puts and seals. */
#define SEGMENT_GROWING UINT64_MAX /* the end of a segment that is not sealed */
/* With room for all that segment_place() puts into one segment from `position` on. NULL without
 * memory. */
struct segment *segment_open(unsigned span_bits, uint64_t position);
/* The same with the memory of one that nobody else refers to. */
void segment_reopen(struct segment *seg, uint64_t position);
uint64_t segment_start(const struct segment *seg);
uint32_t segment_messages(const struct segment *seg);
uint64_t segment_newest_ms(const struct segment *seg); /* who puts: when the last message came */
struct segment **segment_link(struct segment *seg);    /* for a list of its owner's */
/* The published messages from `cursor`, where one begins, to `end`, where one ends. */
void segment_read_to(struct segment *seg, uint64_t cursor, uint64_t end, struct segment_span *ret);
uint64_t segment_appended_ms(struct segment *seg, uint64_t cursor); /* of the message there */

#endif
