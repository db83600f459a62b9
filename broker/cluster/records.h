/* records.h - records that all nodes share (stream P_REC, the last message of each subject): every
 * node reads all of it, in order. Each change is appended behind the last one its node has seen, so
 * it is made of what is there, or refused (-EAGAIN: somebody else was faster). Dead letters are
 * there, too: they come from shards, and need no order.
 *
 * Subjects P.rec.<kind>.<id>; the data is the value. What is deleted is an empty message with the
 * header Gone, which is purged a week later. Header Change: <node>.<nonce>.<number> of who has made
 * it; a trigger's has Since and Paused: the sequence of the message that made or resumed it last,
 * and of the one that paused it, unless it is that one itself. */
#ifndef BROKER_CLUSTER_RECORDS_H
#define BROKER_CLUSTER_RECORDS_H

#include "cluster/cluster.h"
#include "engine.h"
#include "record.h"

struct records;
struct records_port {
    void *ctx;
    void (*changed)(void *ctx, const struct engine_record *records, size_t n); /* by another node */
    /* A dead letter is there, or (`letter` NULL) is not any more; on every node, also of what was
     * there at the start. NULL: nobody shows them. */
    void (*letter)(void *ctx, uint64_t id, const struct record_letter *letter);
};
/* Who derives events: told before the port. */
struct records_watch {
    void *ctx;
    void (*applied)(void *ctx); /* records_seq() is another */
    /* A trigger of this shard is new. */
    void (*trigger)(void *ctx, unsigned shard, const char *trigger_id);
    bool (*owns)(void *ctx, unsigned shard); /* here, loaded */
};
/* Reads all there is, on a loop and a connection of its own, and waits for as long as that takes.
 * 0, or what only another configuration can mend, logged. */
MUST_CHECK int records_load(const struct config *cfg, struct records **ret);
/* By kind and then id; not letters. */
void records_each(const struct records *r, void (*one)(void *, const struct engine_record *),
                  void *ctx);
void records_start(struct records *r, struct cluster *c, const struct records_port *port);
void records_watch(struct records *r,
                   const struct records_watch *watch); /* NULL: nobody any more */
/* engine_ops.change. It takes effect at its place in the order, everywhere; done() comes when the
 * owners of the triggers' shards have applied it, too, or have not said so for a second. */
void records_change(struct records *r, const struct engine_change *change);
uint64_t records_seq(const struct records *r); /* applied */
/* P_REC has less than it had, or is another one: it is read again from the beginning. */
void records_regressed(struct records *r);

/* The triggers of a shard's registries. */
struct records_trigger {
    const char *id;
    /* The sequences of its record when it was made or resumed last, and when it was paused (0: it
     * is not); events derived with less of P_REC than `since` are not its. */
    uint64_t since, paused;
};
bool records_has_trigger(const struct records *r, const char *id);
void records_triggers(const struct records *r, unsigned shard,
                      void (*one)(void *ctx, const struct records_trigger *t), void *ctx);

/* Changes that wait for an owner's word are answered now: the shard's owner is about to be us. */
void records_answer(struct records *r);
/* A dead letter, to all nodes; the same one again is nothing. Copied; it is tried until it is
 * there.
 */
void records_put_letter(struct records *r, uint64_t id, const struct record_letter *letter);
/* Before js_free(): what is under way is given up, done(-EAGAIN) from inside. */
void records_stop(struct records *r);
void records_free(struct records *r);

#endif
