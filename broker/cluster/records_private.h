/* records_private.h - the parts of the records that all nodes share, by file:
 *   records.c         what there is, by kind and id
 *   records_load.c    reading it before anything else is there; connecting for that
 *   records_follow.c  what comes later, in order, and what is too old
 *   records_change.c  changes of this node, one after the other
 *   records_letter.c  dead letters */
#ifndef BROKER_CLUSTER_RECORDS_PRIVATE_H
#define BROKER_CLUSTER_RECORDS_PRIVATE_H

#include "clock.h"
#include "cluster/records.h"
#include "list.h"
#include "log.h"
#include "mem.h"
#include "table.h"

#define RECORDS_LETTER "letter" /* a kind of P_REC beside those of engine.h */

struct record_item {
    struct table_node by_id;
    struct list in_kind; /* by sequence, the oldest first */
    enum engine_record_kind kind;
    char id[ID_SIZE];
    struct buf value;
    uint64_t seq, time_ms; /* of its message; Unix time */
    uint64_t generation;   /* of the reading that has seen it last */
    unsigned shard;        /* of a trigger: CLUSTER_SHARDS when it cannot be read */
    uint64_t since, paused;
};
struct record_letter_item {
    struct list in_letters; /* by sequence */
    uint64_t id, seq;
    uint64_t generation; /* as record_item.generation */
};
struct record_grave { /* a message that says that something is gone */
    struct list in_graves;
    uint64_t seq, time_ms;
};

/* What is under way for us. */
struct record_call {
    struct list in_records;
    struct records *records; /* NULL: it is gone */
    void *arg;
};
struct record_change {
    struct list in_changes;
    struct engine_record *records; /* copies */
    size_t n;
    uint64_t letter;
    void (*done)(void *arg, int err);
    void *arg;
    uint64_t count;      /* of the header Change; 0: not sent */
    uint64_t others;     /* records.others when it was asked for */
    uint64_t behind;     /* the sequence that it was sent behind */
    uint64_t since_ms;   /* when it was sent */
    size_t n_back;       /* of its messages, how many have come back */
    uint64_t stored_seq; /* of its last message, when the stream has said that it has it */
    uint64_t refused_ms;
    bool sent, refused, unsure;
    unsigned shard; /* whose owner is asked; CLUSTER_SHARDS: nobody's */
    uint64_t seq;   /* of its last message */
};
struct record_question { /* of another node */
    struct list in_questions;
    uint64_t seq;
    char reply[CLUSTER_SUBJECT_SIZE];
};
struct record_sending { /* a letter, until it is there */
    struct list in_sending;
    uint64_t id;
    struct buf value; /* empty: it goes */
};

struct records {
    const struct config *cfg;
    struct cluster *c; /* NULL: not started */
    struct records_port port;
    struct records_watch watch;
    struct consumer *consumer, *letters_consumer;
    uv_timer_t *tick;
    struct list calls;
    struct nats_sub *asked; /* what other nodes ask */

    struct table by_id;
    struct list kinds[ENGINE_LOOKUP + 1];
    size_t n_operations;
    uint64_t applied, generation;
    bool again;      /* it is read again: places of what has not come yet may be another's */
    uint64_t others; /* records that other nodes have changed, so far */

    struct list changes; /* the first may be under way */
    struct list waiting; /* applied here, and its owner asked */
    uint64_t count;
    struct list questions; /* of other nodes, until we have applied so much */

    struct list letters, graves, sending;
    size_t n_letters, n_sending;
    uint64_t letters_to; /* those up to this sequence are read apart from the rest */
    bool sending_one;
    uint64_t retry_ms, aged_ms, looked_ms;
};

/* --- records.c --- */

struct records *records_new(const struct config *cfg);
struct record_item *records_find(const struct records *r, enum engine_record_kind kind,
                                 const char *id);
/* As a message says. True: it is a trigger that was not there. `value` empty: it goes. */
bool records_put(struct records *r, enum engine_record_kind kind, const char *id,
                 struct slice value, const struct js_msg *m);
/* Of a trigger that is there already: the headers that say since when events are its. */
MUST_CHECK int records_put_since(const struct records *r, const struct engine_record *rec,
                                 struct buf *out);
void records_take_away(struct records *r, struct record_item *item);
void records_free_graves(struct records *r);

/* The kind and the id of a subject of P_REC; false: none of ours. *ret_kind 0: a letter. */
bool records_subject(const struct config *cfg, const char *subject, unsigned *ret_kind,
                     const char **ret_id);
const char *records_kind_name(enum engine_record_kind kind);
bool records_gone(const struct js_msg *m);

struct record_call *records_call(struct records *r, void *arg);
struct records *records_call_end(struct record_call *call, void **ret_arg); /* NULL: it is gone */

/* --- records_follow.c --- */

/* Reads on from `seq`; `again`: what does not come is not there any more. */
void records_follow(struct records *r, uint64_t seq, bool again);
void records_delete_msg(struct records *r, uint64_t seq);

/* --- records_change.c --- */

void records_send(struct records *r);
/* A message of ours has come back; false: nobody waits for it any more. */
bool records_came_back(struct records *r, struct slice change, uint64_t seq);
void records_before(struct records *r, uint64_t seq); /* that message is about to be applied */
void records_applied(struct records *r);              /* `applied` is another */
void records_change_regressed(struct records *r);     /* what was stored may be gone */
void records_change_tick(struct records *r, uint64_t now_ms);
void records_listen(struct records *r);
void records_change_fini(struct records *r);

/* --- records_letter.c --- */

void records_letter_applied(struct records *r, const char *id, const struct js_msg *m);
void records_read_letters(struct records *r);
void records_letter_regressed(struct records *r); /* they are read again, with the rest */
void records_letter_sweep(struct records *r);     /* those that were not read again are gone */
void records_letter_tick(struct records *r, uint64_t now_ms);
void records_letter_fini(struct records *r);

#endif
