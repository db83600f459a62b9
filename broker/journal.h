/* journal.h - the journal thread: group commit. Everything that was put while one commit ran is one
 * transaction, the next one. The thread owns the store; it also retires what is over the limits and
 * writes the WAL back.
 *
 * An item belongs to its maker, who gets it back with its answer, in the order in which items were
 * put, by report() on the mailbox's thread. What an item points to must live until then.
 *
 * A full disk or another process's lock refuses webhooks and what depends on them, and changes, and
 * keeps the rest, which is tried again until it goes in. After a failed write or sync, or damage,
 * nothing is written any more: every item comes back with the error. */
#ifndef BROKER_JOURNAL_H
#define BROKER_JOURNAL_H

#include "mailbox.h"
#include "store.h"
#include "work.h"

enum journal_kind {
    JOURNAL_WEBHOOK,
    JOURNAL_BATCH,
    JOURNAL_LETTER,
    JOURNAL_CHANGE,  /* of triggers; refused like a webhook, but alone */
    JOURNAL_SETTLE,  /* store_settle_events(); dropped when its group fails */
    JOURNAL_PATH,    /* store_path(), before the group it came with; refused like a change */
    JOURNAL_LIMITS,  /* store_path_limit() */
    JOURNAL_CUT,     /* store_cut_path() */
    JOURNAL_DAMAGED, /* the store was found damaged elsewhere: fails everything with -EBADMSG */
    JOURNAL_BARRIER  /* comes back when all before it have, or can not be written */
};

struct journal_path {
    uint32_t index; /* the next one, for a path that is new */
    const char *name;
    unsigned span_bits;
    struct store_limits limits;
};

struct journal_cut {
    uint32_t path; /* index */
    uint8_t floor[ID_PACKED_SIZE];
};

struct journal_item {
    struct work work; /* private */
    enum journal_kind kind;
    /* WEBHOOK: its number, each one higher than the last. BATCH, LETTER: the number of the webhook
     * whose events it has and without which it must not be stored, 0 when they are safe. */
    uint64_t serial;
    uint64_t epoch; /* WEBHOOK: once one is refused, all later ones of its epoch are, too */
    size_t bytes;   /* for the account of what waits */
    union {
        struct store_webhook webhook;
        struct store_batch batch;
        struct store_letter letter;
        struct store_change change;
        struct journal_path path; /* PATH; LIMITS: its index and limits */
        struct journal_cut cut;
        uint64_t seq; /* SETTLE */
    };
    /* the answer */
    int err;           /* 0, or why it is not in the store; -ECANCELED: its webhook is not */
    uint64_t position; /* BATCH; PATH, CUT: where its positions go on */
};

enum journal_state { JOURNAL_FAILED, JOURNAL_WORKS, JOURNAL_FULL };

struct journal_report {
    struct journal_item *items; /* linked; journal_next() */
    int err;                    /* of the group: 0, -ENOSPC, -EBUSY, -EIO ... */
    int sqlite;                 /* store_errno() with it */
    uint32_t n_items;
    uint64_t commit_us; /* begin to commit; 0 when nothing was committed */
    enum journal_state state;
};

struct journal;

struct journal_options {
    struct store *store;     /* the journal's from here on, closed at the end */
    struct mailbox *mailbox; /* for reports; outlives the journal */
    void (*report)(void *ctx, const struct journal_report *report);
    void *ctx;
    uint64_t dedup_window_ms;
    size_t n_paths; /* registered with store_path(); those that are added come behind them */
};

MUST_CHECK int journal_new(const struct journal_options *options, struct journal **ret);
/* Commits what was put, closes the store, joins the thread; the last reports are posted. */
void journal_free(struct journal *j); /* NULL is fine */

/* Items linked by journal_link(), all in one group. Never blocks. */
void journal_put(struct journal *j, struct journal_item *first, struct journal_item *last);
static inline void journal_link(struct journal_item *before, struct journal_item *after)
{
    before->work.next = &after->work;
}
struct journal_item *journal_next(const struct journal_item *item); /* NULL: the last one */

/* Any thread. */
uint64_t journal_queued_bytes(const struct journal *j);
enum journal_state journal_state(const struct journal *j);
/* For how long the thread has been at one thing: a commit on a disk that hangs, a lock. */
uint64_t journal_overdue_ms(const struct journal *j);
struct journal_stats {
    uint64_t dead_letters;
    uint64_t *history_messages, *history_bytes; /* of n_paths, by path index, if not NULL */
    size_t n_paths;
};
void journal_stats(struct journal *j, struct journal_stats *ret);

#endif
