/* pathlog.h - the log of one path: whole encoded WebSocket messages, one writer, any number of
 * readers, no lock.
 *
 * A position is a 64-bit address in the log, never reused; it grows with the bytes appended (a
 * little more: a message never straddles two segments, the rest of a segment is left out). A cursor
 * is a position between two messages, kept by a connection. Segments are immutable where published;
 * the writer never waits for a reader.
 *
 * The writer (broker thread) appends and retires. A reader is registered once per worker; between
 * pathlog_enter() and pathlog_leave() nothing it can see is freed (the writer keeps what it retires
 * until no reader that entered before is inside). A segment that must outlive that - a write libuv
 * still holds - is referenced with segment_ref(). */
#ifndef BROKER_PATHLOG_H
#define BROKER_PATHLOG_H

#include "segment.h"

struct pathlog;
struct pathlog_reader;

struct pathlog_limits {
    size_t max_message; /* bytes of one encoded message, headers included */
    uint64_t
        max_bytes; /* retained; whole segments are retired, so up to one segment more is held */
    uint64_t max_count; /* messages retained (at least one segment stays) */
    uint64_t max_age_ms;
    uint64_t count_grace_ms; /* max_count retires nothing younger: a burst must not throw out
                                readers that are only a moment behind */
};

/* 0, -EINVAL (a limit is 0 or too large), -ENOMEM. An empty log holds no segment. */
MUST_CHECK int pathlog_new(const struct pathlog_limits *limits, struct pathlog **ret);
/* NULL is fine. No reader may be inside; segments still referenced live on until unreferenced. */
void pathlog_free(struct pathlog *log);

/* Writer, before anything is appended or read: the log begins at `position` (what is before it lies
 * in the store). */
void pathlog_start(struct pathlog *log, uint64_t position);
/* Writer. Other limits from now on. More max_bytes than it was made with do not count; max_message
 * is at most pathlog_longest(). */
void pathlog_limit(struct pathlog *log, const struct pathlog_limits *limits);
unsigned pathlog_span_bits(const struct pathlog *log); /* any thread */
size_t pathlog_longest(const struct pathlog *log);     /* the same: what max_message may become */

/* Writer. All that is retained goes, and the log goes on at `position`, at the tail or behind it.
 */
void pathlog_cut(struct pathlog *log, uint64_t position);
/* Writer. Copies one encoded message in and publishes it (release), at the position the store gave
 * it: segment_place()'s, after the one before. -EMSGSIZE, -ENOMEM: unchanged. */
MUST_CHECK int pathlog_append_at(struct pathlog *log, uint64_t position, struct slice message,
                                 uint64_t now_ms);
/* The same at the position the log reckons itself, where no store does. */
MUST_CHECK int pathlog_append(struct pathlog *log, struct slice message, uint64_t now_ms);
/* Writer. The message just appended once more, in another form, for readers that ask for it.
 * Without memory it is left out, and they find the plain one. */
void pathlog_add_form(struct pathlog *log, enum segment_form form, struct slice message);
/* Writer. Retires what is over the limits at `now_ms` and frees what no reader holds back. Append
 * does it too; call it now and then for a quiet path. */
void pathlog_expire(struct pathlog *log, uint64_t now_ms);

/* Any thread. */
uint64_t pathlog_tail(const struct pathlog *log);   /* acquire; a cursor there has everything */
uint64_t pathlog_oldest(const struct pathlog *log); /* where retained data begins */
uint64_t
pathlog_bytes(const struct pathlog *log); /* memory held in segments, retired-but-held included */
uint64_t pathlog_messages(const struct pathlog *log); /* retained */

/* Readers: one per thread and log. New: -ENOMEM, or -ENOSPC above PATHLOG_MAX_READERS; any thread,
 * also while the writer runs. */
#define PATHLOG_MAX_READERS 1024
MUST_CHECK int pathlog_reader_new(struct pathlog *log, struct pathlog_reader **ret);
void pathlog_reader_free(struct pathlog_reader *r); /* NULL is fine */
void pathlog_enter(struct pathlog_reader *r);
void pathlog_leave(struct pathlog_reader *r);

/* What a read finds is borrowed until pathlog_leave(), longer with segment_ref(span.seg); from the
 * cursor to the tail or to the end of the cursor's segment. */
/* Inside. 0, or -EOVERFLOW: the cursor has fallen off the window (pathlog_oldest() begins later).
 */
MUST_CHECK int pathlog_read(struct pathlog_reader *r, uint64_t cursor, struct segment_span *ret);
/* The same for a client that takes another form: messages of that form where there are any, else
 * plain ones; one piece has only one of the two (span.form). */
MUST_CHECK int pathlog_read_form(struct pathlog_reader *r, enum segment_form form, uint64_t cursor,
                                 struct segment_span *ret);
/* When (the writer's now_ms) the message at the cursor was appended; UINT64_MAX when nothing is
 * there. -EOVERFLOW as above. */
MUST_CHECK int pathlog_appended_ms(struct pathlog_reader *r, uint64_t cursor, uint64_t *ret);

#endif
