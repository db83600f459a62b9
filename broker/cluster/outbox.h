/* outbox.h - webhooks that this node has taken, on its own disk until they are safely in the
 * stream, and for some time after that. A thread of its own commits in groups: everything that came
 * while one commit ran is the next one. Everything here is called on the mailbox's thread, and so
 * are reports.
 *
 * Full disk: what is to be added comes back with -ENOSPC; what was acknowledged is marked once
 * there is room again. After -EIO or damage (-EBADMSG) nothing is written any more, and everything
 * comes back with the error. Damage found when it is opened sets the file aside.
 *
 * A mark may be lost with the process as long as its group is not committed: then the row counts as
 * not acknowledged, and is sent again under the same id. */
#ifndef BROKER_CLUSTER_OUTBOX_H
#define BROKER_CLUSTER_OUTBOX_H

#include "mailbox.h"
#include "slice.h"
#include "work.h"

#define OUTBOX_ID_LEN 32

struct outbox_row {
    uint64_t number; /* given by the caller: each is higher than the last one added */
    unsigned shard;
    char id[OUTBOX_ID_LEN + 1];
    struct slice body;
};

/* The row that was acknowledged with the highest sequence; 0: none. */
struct outbox_last {
    uint64_t seq;
    char id[OUTBOX_ID_LEN + 1];
};

enum outbox_kind {
    OUTBOX_ADD,
    OUTBOX_READ,   /* what is not acknowledged, behind a number */
    OUTBOX_MARK,   /* private: outbox_ack() */
    OUTBOX_REGRESS /* what was acknowledged by now counts as not acknowledged */
};
/* Belongs to its maker, who gets it back with its answer, in the order in which items were put; but
 * the outbox's in between. */
struct outbox_item {
    struct work work; /* private */
    enum outbox_kind kind;
    struct outbox_row row;    /* ADD; what it points to lives until then */
    uint64_t after;           /* READ */
    size_t max_n, max_bytes;  /* READ: no more than that, but one if any */
    uint64_t seq;             /* MARK */
    int err;                  /* the answer: 0, or why not */
    struct outbox_row *found; /* READ: found[0..n); they and their bodies are from malloc() */
    size_t n;
    uint64_t n_regressed, regressed_bytes; /* REGRESS */
};

struct outbox_report {
    struct outbox_item *items; /* linked; outbox_next() */
    int err;                   /* of the group */
    uint64_t removed;          /* rows that are not kept any more */
};

struct outbox_options {
    const char *dir; /* made with mode 0700; taken by its lock (db_files.h); outbox.db is in it */
    const char *vfs; /* NULL: the system's */
    uint64_t busy_timeout_ms;
    uint64_t keep_ms; /* after the acknowledgement */
    struct mailbox *mailbox;
    void (*report)(void *ctx, const struct outbox_report *r);
    void *ctx;
};
/* What was there. */
struct outbox_found {
    uint64_t rows, waiting, waiting_bytes; /* kept; of them not acknowledged */
    uint64_t last_number;                  /* the highest; 0: none */
    struct outbox_last last;
};

struct outbox;
/* What is wrong is logged. -EALREADY: another process has the directory. */
MUST_CHECK int outbox_open(const struct outbox_options *options, struct outbox **ret,
                           struct outbox_found *ret_found);
/* Writes what was put, ends the thread; the last reports come from inside. NULL is fine. */
void outbox_free(struct outbox *o);

void outbox_put(struct outbox *o, struct outbox_item *item);
struct outbox_item *outbox_next(const struct outbox_item *item); /* NULL: the last one */
void outbox_ack(struct outbox *o, uint64_t number, uint64_t seq);
/* Whether rows go once keep_ms have passed. They do not at first: not before it is known that the
 * stream still has them. */
void outbox_expire(struct outbox *o, bool on);
/* For how long the thread has been at one thing: a disk that hangs. */
uint64_t outbox_overdue_ms(const struct outbox *o);

#endif
