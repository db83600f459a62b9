/* feed_log.h - what the console's feed says: items get numbers, are gathered into messages, and
 * these lie on a path log of their own, which is in memory only and in no table of paths. Front's
 * thread.
 *
 * A message is {"items":[ITEM, ...]}. Every item has "type" and "seq"; numbers go up by one, so
 * whoever has seen one can ask for what comes after it. */
#ifndef GATEWAY_FEED_LOG_H
#define GATEWAY_FEED_LOG_H

#include "path.h"
#include "rest_json.h"

#define FEED_PATH          "/console/live"
#define FEED_MOST          100                  /* consoles */
#define FEED_RATE          2000                 /* items in a second; the rest is counted */
#define FEED_BYTES         ((uint64_t) 8 << 20) /* kept for who comes back */
#define FEED_KEEP_MS       60000                /* the same */
#define FEED_MESSAGE_BYTES (256u << 10)         /* of a message, without its frame's head */
#define FEED_FULL_BYTES    (128u << 10)         /* gathered: a message */
#define FEED_MARKS         4096

struct feed_mark { /* a message */
    uint64_t first_seq, position;
};

struct feed_log {
    struct path path;
    struct config_path cfg; /* of it */
    struct buf items, frame;
    uint64_t seq;          /* of the newest item */
    uint64_t flushed_seq;  /* of the newest on the path log */
    uint64_t first_seq;    /* nothing was left out between this one and the newest; see below */
    uint64_t gathered_seq; /* of the first that is not flushed */
    uint64_t window_ms, n_window, n_skipped;
    struct rest_json json; /* the item under way */
    size_t before;         /* what was gathered before it */
    struct feed_mark marks[FEED_MARKS];
    uint64_t n_marks;
};

MUST_CHECK int feed_log_init(struct feed_log *l); /* errors of pathlog_new() */
void feed_log_fini(struct feed_log *l);           /* fine for a zeroed struct */

/* Begins an item: an object that is open and has its type and number. NULL: there were too many in
 * this second, or there is no memory; it is counted, and an item will say how many. `now_ms` never
 * goes back. */
struct rest_json *feed_log_begin(struct feed_log *l, const char *type, uint64_t now_ms);
void feed_log_end(struct feed_log *l);
/* Puts what was gathered on the path log. True: there is something new for its readers. */
bool feed_log_flush(struct feed_log *l, uint64_t now_ms);
bool feed_log_waits(const struct feed_log *l); /* another feed_log_flush() is wanted */
/* Nobody listens and no items are made from here on: whoever comes back later has missed some. */
void feed_log_pause(struct feed_log *l);

/* Where a console begins: what comes after `after`, or what is new (NULL). */
struct feed_place {
    uint64_t seq, position; /* items after this number; of the path log */
    bool gap;               /* not all after `after` is there any more */
};
struct feed_place feed_log_find(const struct feed_log *l, const uint64_t *after);
/* A whole message that says what is on; `boot` NULL: that there is a gap. Errors of
 * frame_message(). */
MUST_CHECK int feed_log_say(struct buf *out, const char *boot, uint64_t seq);

#endif
