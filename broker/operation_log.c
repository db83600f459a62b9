/* operation_log.c - the operations that are kept. Ids grow with time, so the order of adding is
 * that of ids, but for what nodes did at the same time, and a binary search finds one. */
#include "operation_log.h"

#include "list.h"
#include "mem.h"
#include "siphash.h"
#include "table.h"

#include <stdlib.h>

struct entry {
    struct operation op;
    struct table_node by_key; /* in the table when there is a key */
};

struct operation_log {
    struct entry **at;
    size_t n, cap, max;
    struct table keys;
    struct siphash_seed seed;
};

struct operation_log *operation_log_new(size_t max)
{
    ASSERT(max > 0);
    struct operation_log *log = xcalloc(1, sizeof(*log));
    log->max = max;
    log->seed = siphash_random_seed();
    return log;
}

static void entry_free(struct operation_log *log, struct entry *e)
{
    if (e->op.idempotency_key[0] != '\0')
        table_remove(&log->keys, &e->by_key);
    operation_fini(&e->op);
    free(e);
}

void operation_log_free(struct operation_log *log)
{
    if (log == NULL)
        return;
    for (size_t i = 0; i < log->n; i++)
        entry_free(log, log->at[i]);
    table_fini(&log->keys);
    free(log->at);
    free(log);
}

static void make_room(struct operation_log *log)
{
    if (log->n == log->max) {
        entry_free(log, log->at[0]);
        memmove(&log->at[0], &log->at[1], --log->n * sizeof(struct entry *));
    }
    if (log->n == log->cap) {
        log->cap = log->cap == 0 ? 16 : log->cap * 2;
        log->at = xrealloc(log->at, log->cap * sizeof(struct entry *));
    }
}

const struct operation *operation_log_add(struct operation_log *log, struct operation *o)
{
    size_t at = operation_log_before(log, o->id);
    bool full = log->n == log->max;
    if ((at < log->n && strcmp(o->id, log->at[at]->op.id) == 0) || (full && at == 0))
        return NULL;
    make_room(log);
    at -= full; /* the oldest has gone */
    struct entry *e = xcalloc(1, sizeof(*e));
    e->op = *o;
    buf_init(&o->response, 0);
    if (e->op.idempotency_key[0] != '\0') {
        e->by_key.hash = siphash(&log->seed, 0, slice_str(e->op.idempotency_key));
        table_add(&log->keys, &e->by_key);
    }
    memmove(&log->at[at + 1], &log->at[at], (log->n++ - at) * sizeof(struct entry *));
    log->at[at] = e;
    return &e->op;
}

size_t operation_log_before(const struct operation_log *log, const char *id)
{
    size_t low = 0, high = log->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(log->at[mid]->op.id, id) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct operation *operation_log_find(const struct operation_log *log, const char *id)
{
    size_t i = operation_log_before(log, id);
    return i < log->n && strcmp(log->at[i]->op.id, id) == 0 ? &log->at[i]->op : NULL;
}

const struct operation *operation_log_by_key(const struct operation_log *log,
                                             const char *created_by, const char *key)
{
    uint64_t hash = siphash(&log->seed, 0, slice_str(key));
    for (struct table_node *n = table_first(&log->keys, hash); n != NULL; n = table_next(n)) {
        const struct entry *e = LIST_ENTRY(n, struct entry, by_key);
        if (strcmp(e->op.idempotency_key, key) == 0 && strcmp(e->op.created_by, created_by) == 0)
            return &e->op;
    }
    return NULL;
}

size_t operation_log_size(const struct operation_log *log)
{
    return log->n;
}

const struct operation *operation_log_at(const struct operation_log *log, size_t i)
{
    ASSERT(i < log->n);
    return &log->at[i]->op;
}
