/* breaker.c - see breaker.h. A table by origin and a list by when it was asked last. */
#include "breaker.h"

#include "list.h"
#include "mem.h"
#include "siphash.h"
#include "table.h"

#include <stdlib.h>

enum state { CLOSED, OPEN, PROBED };

struct breaker {
    struct table_node node;
    struct list by_use; /* the one asked longest ago is first */
    enum state state;
    uint64_t failures;   /* in a row; while it is closed */
    uint64_t open_until; /* while it is open */
    size_t holders;
    size_t len;
    uint8_t origin[];
};

struct breakers {
    struct siphash_seed seed; /* names of origins may come from parameters */
    struct table table;
    struct list by_use;
    size_t max, n_open;
    uint64_t failures, open_ms;
};

struct breakers *breakers_new(size_t max)
{
    struct breakers *all = try_calloc(1, sizeof(*all));
    if (all == NULL)
        return NULL;
    all->seed = siphash_random_seed();
    all->max = max;
    list_init(&all->by_use);
    return all;
}

void breakers_free(struct breakers *all)
{
    if (all == NULL)
        return;
    LIST_FOREACH_SAFE (it, &all->by_use)
        free(LIST_ENTRY(it, struct breaker, by_use));
    table_fini(&all->table);
    free(all);
}

static void set_state(struct breakers *all, struct breaker *b, enum state next)
{
    if (b->state != CLOSED)
        all->n_open--;
    if (next != CLOSED)
        all->n_open++;
    b->state = next;
    b->failures = 0;
}

void breakers_configure(struct breakers *all, uint64_t failures, uint64_t open_ms)
{
    all->failures = failures;
    all->open_ms = open_ms;
    if (failures > 0)
        return;
    LIST_FOREACH (it, &all->by_use)
        set_state(all, LIST_ENTRY(it, struct breaker, by_use), CLOSED);
}

/* --- origins --- */

static struct breaker *find(const struct breakers *all, uint64_t hash, struct slice origin)
{
    for (struct table_node *n = table_first(&all->table, hash); n != NULL; n = table_next(n)) {
        struct breaker *b = LIST_ENTRY(n, struct breaker, node);
        if (slice_eq(slice_of(b->origin, b->len), origin))
            return b;
    }
    return NULL;
}

static void forget(struct breakers *all, struct breaker *b)
{
    set_state(all, b, CLOSED);
    table_remove(&all->table, &b->node);
    list_remove(&b->by_use);
    free(b);
}

static bool make_room(struct breakers *all)
{
    struct breaker *open = NULL;
    if (all->table.n < all->max)
        return true;
    LIST_FOREACH_SAFE (it, &all->by_use) {
        struct breaker *b = LIST_ENTRY(it, struct breaker, by_use);
        if (b->holders == 0 && b->state == CLOSED) {
            forget(all, b);
            return true;
        }
        if (b->holders == 0 && open == NULL)
            open = b;
    }
    if (open != NULL)
        forget(all, open);
    return open != NULL;
}

static struct breaker *make(struct breakers *all, uint64_t hash, struct slice origin)
{
    if (!make_room(all))
        return NULL;
    struct breaker *b = try_calloc(1, sizeof(*b) + origin.len);
    if (b == NULL)
        return NULL;
    b->node.hash = hash;
    b->len = origin.len;
    if (origin.len > 0)
        memcpy(b->origin, origin.data, origin.len);
    list_init(&b->by_use);
    table_add(&all->table, &b->node);
    return b;
}

struct breaker *breaker_hold(struct breakers *all, struct slice origin)
{
    uint64_t hash = siphash(&all->seed, 0, origin);
    struct breaker *b = find(all, hash, origin);
    if (b == NULL)
        b = make(all, hash, origin);
    if (b == NULL)
        return NULL;
    list_move(&all->by_use, &b->by_use);
    b->holders++;
    return b;
}

void breaker_release(struct breakers *all, struct breaker *b)
{
    (void) all;
    if (b == NULL)
        return;
    ASSERT(b->holders > 0);
    b->holders--;
}

/* --- who passes --- */

bool breaker_would_pass(const struct breakers *all, const struct breaker *b, uint64_t now_ms)
{
    return all->failures == 0 || b == NULL || b->state == CLOSED ||
           (b->state == OPEN && now_ms >= b->open_until);
}

bool breaker_pass(struct breakers *all, struct breaker *b, uint64_t now_ms, bool *ret_probe)
{
    if (!breaker_would_pass(all, b, now_ms))
        return false;
    *ret_probe = all->failures > 0 && b != NULL && b->state == OPEN;
    if (*ret_probe)
        set_state(all, b, PROBED);
    return true;
}

static void open_until(struct breakers *all, struct breaker *b, uint64_t until_ms)
{
    set_state(all, b, OPEN);
    b->open_until = until_ms;
}

void breaker_tell(struct breakers *all, struct breaker *b, bool probe, enum breaker_outcome outcome,
                  uint64_t now_ms)
{
    if (b == NULL || all->failures == 0)
        return;
    if (b->state != CLOSED) {
        if (!probe || b->state != PROBED)
            return;
        if (outcome == BREAKER_SUCCESS)
            set_state(all, b, CLOSED);
        else /* a probe that told nothing: the next call is one */
            open_until(all, b, outcome == BREAKER_FAILURE ? now_ms + all->open_ms : now_ms);
        return;
    }
    if (outcome == BREAKER_SUCCESS)
        b->failures = 0;
    else if (outcome == BREAKER_FAILURE && ++b->failures >= all->failures)
        open_until(all, b, now_ms + all->open_ms);
}

size_t breakers_n(const struct breakers *all)
{
    return all->table.n;
}

size_t breakers_n_open(const struct breakers *all)
{
    return all->n_open;
}
