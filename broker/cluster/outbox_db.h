/* outbox_db.h - the SQLite file of an outbox: synchronous, of one thread at a time. What a group
 * changes is one transaction. Errors as store.h has them.
 *
 *   rows  number | shard, id, body, sum: webhooks, in the order in which they were taken
 *   acks  number | seq, at: those that are in the stream, since `at` (clock_boot_ms())
 *
 * They are apart because a row with a long body would be written a second time to mark it. */
#ifndef BROKER_CLUSTER_OUTBOX_DB_H
#define BROKER_CLUSTER_OUTBOX_DB_H

#include "cluster/outbox.h"

struct outbox_db;

/* Logs where a damaged file was set aside. `found` as outbox_open() has it. -EALREADY: *ret_pid
 * has the directory. */
MUST_CHECK int outbox_db_open(const struct outbox_options *options, struct outbox_db **ret,
                              struct outbox_found *ret_found, int64_t *ret_pid);
void outbox_db_close(struct outbox_db *db); /* NULL is fine */

MUST_CHECK int outbox_db_begin(struct outbox_db *db);
MUST_CHECK int outbox_db_add(struct outbox_db *db, const struct outbox_row *row);
/* -ENOENT: there is no such row any more. */
MUST_CHECK int outbox_db_ack(struct outbox_db *db, uint64_t number, uint64_t seq);
/* Nothing is acknowledged any more. How much that was. */
MUST_CHECK int outbox_db_regress(struct outbox_db *db, uint64_t *ret_n, uint64_t *ret_bytes);
/* Durable when it returns 0; on an error everything since the beginning is undone. */
MUST_CHECK int outbox_db_commit(struct outbox_db *db);
void outbox_db_rollback(struct outbox_db *db);

/* Rows above `after` that are not acknowledged, by number, until `row` returns false. Their slices
 * are borrowed for the call. -EBADMSG: one is damaged. */
MUST_CHECK int outbox_db_read(struct outbox_db *db, uint64_t after,
                              bool (*row)(void *ctx, const struct outbox_row *row), void *ctx);
/* How many those are. */
MUST_CHECK int outbox_db_count(struct outbox_db *db, uint64_t *ret_n, uint64_t *ret_bytes);
/* In a transaction of its own: what was acknowledged before `at` goes, some thousand rows a call.
 * *ret_n: how many went. */
MUST_CHECK int outbox_db_expire(struct outbox_db *db, uint64_t at, uint64_t *ret_n, bool *ret_more);
/* Writes the WAL back when it is long. */
MUST_CHECK int outbox_db_checkpoint(struct outbox_db *db);

#endif
