/* intake_private.h - the parts of the intake:
 *   intake.c       taking: when a webhook is acknowledged, and what its owner has said
 *   intake_send.c  sending: a line for each shard, what is in memory, what waits in the outbox */
#ifndef BROKER_CLUSTER_INTAKE_PRIVATE_H
#define BROKER_CLUSTER_INTAKE_PRIVATE_H

#include "cluster/intake.h"
#include "cluster/outbox.h"
#include "list.h"
#include "table.h"

#define INTAKE_WINDOW_N     4096 /* in memory to be sent; the rest waits in the outbox */
#define INTAKE_WINDOW_BYTES (UINT64_C(64) << 20)

/* A webhook that is in memory: to be sent, or somebody waits for its acknowledgement. */
struct intake_msg {
    struct table_node node; /* by number */
    struct intake *in;
    struct outbox_item item; /* its row: number, shard, id, body */
    uint8_t *body;           /* what row.body points to; NULL: only in the outbox */
    struct list in_line;     /* of intake_line, while `loaded` */
    bool loaded;             /* in a line, and counted there */
    bool flying;             /* published, not answered yet */
    bool acked;              /* in the stream */
    bool adding, stored;     /* its row is being written; is written */
    bool given_up;           /* its sender has been refused: it is not sent again */
    /* who waits */
    struct list in_wait; /* of intake.undecided or .decided */
    uint64_t taken_ms, decided_ms;
    bool answered;
    struct ingest_counts counts;
    intake_done *done; /* NULL: nobody, or not any more */
    void *arg;
};

/* A shard's webhooks in the order of their numbers. Several are on their way as long as all goes
 * well. After a failure nothing is sent until all of them have come back; then the first one goes
 * alone, and the others follow when it has arrived. */
struct intake_line {
    struct list waiting, flying; /* of intake_msg */
    bool failed, probing;        /* one has come back; one goes alone to see */
    uint64_t backoff_ms, retry_ms;
};

struct intake {
    const struct config *cfg;
    struct metrics *metrics;
    struct cluster *c; /* NULL before intake_start() */
    struct intake_port port;
    struct outbox *outbox;
    uv_timer_t *timer; /* frees itself when it is closed */
    struct nats_sub *answers;
    char inbox[NATS_INBOX_SIZE], stream[CLUSTER_SUBJECT_SIZE];
    char origin[OUTBOX_ID_LEN / 2 + 1]; /* of ids: this node and start */
    struct table msgs;
    uint64_t next_number;
    struct list undecided, decided; /* of intake_msg: not acknowledged; the owner may still tell */
    unsigned n_adding;
    bool ticking; /* often, because something is due soon */
    int add_err;  /* of the last row */
    int failure;  /* the outbox takes nothing any more */
    /* sending */
    struct intake_line lines[CLUSTER_SHARDS];
    uint64_t n_loaded, loaded_bytes;
    uint64_t n_paged;   /* in the outbox only, to be sent; also being written */
    uint64_t loaded_to; /* number: what is paged is above it */
    uint64_t paged_ms;  /* since when something is */
    struct outbox_item read;
    bool reading;
    bool read_stale; /* what is being read is of before a rewind */
    unsigned n_flying;
    unsigned regressing; /* under way in the outbox */
    bool rewind;         /* begin anew with the first one, as soon as nothing is flying */
    bool connected, troubled;
    uint64_t reconnects;
    /* P_IN: is it the one that has acknowledged what is marked, with all of that? */
    bool looking, looked;
    uint64_t look_ms, created_ns;
    struct outbox_last last, look; /* that is known; that is looked for */
    uint64_t n_waiting, waiting_bytes, n_kept;
    /* the end */
    bool stopping, stopped;
    uint64_t stop_ms;
    void (*on_stopped)(void *arg);
    void *stop_arg;
};

/* --- intake.c --- */

struct intake_msg *intake_find(const struct intake *in, uint64_t number);
struct intake_msg *intake_msg_new(struct intake *in, const struct outbox_row *row);
/* Frees what is not needed of it any more, perhaps all. */
void intake_msg_release(struct intake_msg *m);
/* Something of `m` has changed: its sender may have an answer now. */
void intake_advance(struct intake_msg *m);

/* --- intake_send.c --- */

void intake_lines_init(struct intake *in);
/* To be sent: now, or when there is room. `m` is the newest there is. */
void intake_enter(struct intake_msg *m);
/* Its sender was refused: not to be sent, unless it is on its way. */
void intake_give_up(struct intake_msg *m);
void intake_was_read(struct intake *in);
void intake_was_regressed(struct intake *in, const struct outbox_item *item);
/* Time has gone by, or something else has changed. */
void intake_send(struct intake *in);
void intake_lines_fini(struct intake *in);

#endif
