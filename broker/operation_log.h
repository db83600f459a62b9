/* operation_log.h - the operations that are kept, newest last: by id, by idempotency key, and in
 * order. Above its limit the oldest goes. Broker thread. */
#ifndef BROKER_OPERATION_LOG_H
#define BROKER_OPERATION_LOG_H

#include "operation.h"

struct operation_log;

struct operation_log *operation_log_new(size_t max); /* never NULL; max >= 1 */
void operation_log_free(struct operation_log *log);  /* NULL is fine */

/* Takes over what `o` owns, at the place of its id. NULL: that id is there already, or a full log
 * has only newer ones, and `o` is as it was. */
const struct operation *operation_log_add(struct operation_log *log, struct operation *o);
/* Borrowed until the next add. NULL: there is none. */
const struct operation *operation_log_find(const struct operation_log *log, const char *id);
const struct operation *operation_log_by_key(const struct operation_log *log,
                                             const char *created_by, const char *key);
size_t operation_log_size(const struct operation_log *log);
const struct operation *operation_log_at(const struct operation_log *log, size_t i); /* 0: oldest */
/* How many ids are smaller than `id`: where to go on from, towards older ones. */
size_t operation_log_before(const struct operation_log *log, const char *id);

#endif
