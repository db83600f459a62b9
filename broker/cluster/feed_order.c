/* feed_order.c - which message of a path comes next for a reader. */
#include "cluster/feed_order.h"

#include "mem.h"

#include <stdlib.h>
#include <string.h>

void feed_order_fini(struct feed_order *o)
{
    free(o->triggers);
    *o = (struct feed_order){0};
}

void feed_order_forget(struct feed_order *o)
{
    o->n = 0;
}

enum feed_verdict feed_order_judge(const struct feed_order *o, uint64_t seq, uint64_t prev)
{
    if (seq <= o->seq)
        return FEED_OLD;
    if (prev > o->seq)
        return FEED_HOLD;
    /* Of the messages of a path the oldest go first: when there is one before it, the one taken
     * last is there, too. */
    return prev == o->seq || prev == 0 || o->moved ? FEED_TAKE : FEED_OTHER;
}

void feed_order_pass(struct feed_order *o, uint64_t seq)
{
    o->seq = seq;
    o->moved = false;
}

static struct feed_trigger *find(struct feed_order *o, const char *id)
{
    for (size_t i = 0; i < o->n; i++)
        if (strcmp(o->triggers[i].id, id) == 0)
            return &o->triggers[i];
    return NULL;
}

static struct feed_trigger *make_room(struct feed_order *o)
{
    if (o->n == FEED_TRIGGERS_MAX) {
        struct feed_trigger *oldest = &o->triggers[0];
        for (size_t i = 1; i < o->n; i++)
            oldest = o->triggers[i].used < oldest->used ? &o->triggers[i] : oldest;
        return oldest;
    }
    if (o->n == o->cap) {
        o->cap = o->cap == 0 ? 2 : 2 * o->cap;
        o->triggers = xrealloc(o->triggers, o->cap * sizeof(*o->triggers));
    }
    return &o->triggers[o->n++];
}

bool feed_order_take(struct feed_order *o, uint64_t seq, const char *trigger_id, uint64_t prev_seq,
                     uint64_t last_seq)
{
    struct feed_trigger *t = find(o, trigger_id);
    feed_order_pass(o, seq);
    if (t != NULL && prev_seq < t->last)
        return false;
    if (t == NULL) {
        t = make_room(o);
        *t = (struct feed_trigger){.last = 0};
        memcpy(t->id, trigger_id, strlen(trigger_id) + 1); /* ID_SIZE at most */
    }
    t->last = last_seq;
    t->used = seq;
    return true;
}
