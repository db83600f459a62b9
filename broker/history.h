/* history.h - the history thread: answers where a client that comes back goes on reading, and makes
 * segments out of stored batches. It has a read-only connection of its own, so neither a commit nor
 * a stalled disk write delays it.
 *
 * Segments are shared: clients that catch up through the same part of a path get the same one, and
 * all of them together stay within a budget; over it requests wait until others have been freed.
 *
 * A request belongs to its maker, is not touched by them between asking and its answer (but for
 * `given_up`), and is answered exactly once, by a mail on the maker's mailbox. A mailbox must
 * outlive its requests. */
#ifndef BROKER_HISTORY_H
#define BROKER_HISTORY_H

#include "mailbox.h"
#include "metrics.h"
#include "path.h"
#include "pick.h"
#include "segment.h"
#include "store.h"
#include "work.h"

struct history;

enum history_kind { HISTORY_FIND, HISTORY_LOAD, HISTORY_READ, HISTORY_PICK };

struct history_request {
    /* set by the maker */
    enum history_kind kind;
    struct mailbox *answer_to;
    struct mail mail; /* mail.run is called with the answer */
    const struct path *path;
    char since[ID_SIZE]; /* FIND: an event id, or "" for the earliest kept */
    /* READ: called on the history thread, in one read transaction; what it returns is the answer.
     * Short: clients that come back wait meanwhile. -ENOENT is no failure of the store. */
    int (*read)(void *ctx, struct store_reader *reader);
    void *ctx;
    uint64_t cursor, upto; /* LOAD: messages from `cursor` up to the position `upto`, as many as
                              are in the cursor's segment */
    struct pick *pick;     /* PICK: the maker's; its answer is there with `err` 0 */
    _Atomic bool given_up; /* set at any time: nobody wants the answer. It still comes, perhaps
                              without having been looked for: -ECANCELED */
    /* the answer */
    int err;                 /* 0; FIND: -ENOENT: not all kept any more; LOAD: -EOVERFLOW: the
                                cursor's message has been deleted; PICK: pick_read()'s; others:
                                cannot be read */
    bool between;            /* FIND, with `err` 0: it is in no message that is kept */
    uint64_t position;       /* FIND: where to go on; with -ENOENT: where what is kept begins. LOAD:
                                where to go on after `seg` */
    char oldest_id[ID_SIZE]; /* FIND, PICK: the first event kept, "" when there is none */
    struct segment *seg;     /* LOAD: referenced for the maker; NULL: no message there */
    /* private */
    struct work work;
};

/* Starts the thread. `budget` bounds the bytes of all segments alive. Errors: store_reader_open()'s
 * and libuv's. */
MUST_CHECK int history_new(const struct store_options *options, uint64_t budget,
                           struct history **ret);
/* All requests have been answered and all segments given back. NULL is fine. */
void history_free(struct history *h);
void history_ask(struct history *h, struct history_request *request); /* any thread */
bool history_is_full(const struct history *h); /* any thread: a load waits for room now */

/* Any thread. */
struct history_stats {
    /* loads: segments made; hits: shared ones; waits: times there was no room for the next one */
    uint64_t finds, loads, hits, waits, failures;
    uint64_t bytes; /* of segments alive */
    bool damaged;   /* something read was not what had been written */
};
void history_stats(const struct history *h, struct history_stats *ret);

#endif
