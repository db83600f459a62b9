/* catalog_undo.c - the queue of what was done to a catalog and is not committed. */
#include "catalog_undo.h"

#include "mem.h"

#include <stdlib.h>

enum { FIRST_CAP = 64, KEEP_CAP = 4096 };

void catalog_undo_fini(struct catalog_undo *q)
{
    free(q->changes);
    *q = (struct catalog_undo){0};
}

static struct catalog_change *at(const struct catalog_undo *q, uint64_t position)
{
    return &q->changes[position & (q->cap - 1)];
}

static void grow(struct catalog_undo *q)
{
    struct catalog_undo old = *q;
    q->cap = q->cap == 0 ? FIRST_CAP : q->cap * 2;
    q->changes = xmalloc(q->cap * sizeof(q->changes[0]));
    for (uint64_t p = q->first; p < q->end; p++)
        *at(q, p) = *at(&old, p);
    free(old.changes);
}

/* One large request shall not hold its memory for good. */
static void shrink(struct catalog_undo *q)
{
    if (q->first < q->end || q->cap <= KEEP_CAP)
        return;
    free(q->changes);
    q->changes = NULL;
    q->cap = 0;
}

void catalog_undo_push(struct catalog_undo *q, struct catalog_change change)
{
    if (q->end - q->first == q->cap)
        grow(q);
    *at(q, q->end++) = change;
}

const struct catalog_change *catalog_undo_at(const struct catalog_undo *q, uint64_t position)
{
    ASSERT(position >= q->first && position < q->end);
    return at(q, position);
}

struct catalog_change catalog_undo_shift(struct catalog_undo *q)
{
    ASSERT(q->first < q->end);
    struct catalog_change change = *at(q, q->first++);
    shrink(q);
    return change;
}

struct catalog_change catalog_undo_pop(struct catalog_undo *q)
{
    ASSERT(q->first < q->end);
    struct catalog_change change = *at(q, --q->end);
    shrink(q);
    return change;
}
