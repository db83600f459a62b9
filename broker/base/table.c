/* table.c - an intrusive hash table with chains. */
#include "table.h"

#include "mem.h"

#include <stdlib.h>

#define FIRST_SLOTS 64

void table_fini(struct table *t)
{
    free(t->slots);
    *t = (struct table){0};
}

static void enter(struct table_node **slots, size_t n_slots, struct table_node *node)
{
    struct table_node **slot = &slots[node->hash & (n_slots - 1)];
    node->next = *slot;
    *slot = node;
}

/* Without memory for it the table stays as it is: longer chains, nothing lost. */
static void grow(struct table *t)
{
    size_t n_slots = t->n_slots == 0 ? FIRST_SLOTS : t->n_slots * 2;
    size_t bytes = n_slots * sizeof(struct table_node *);
    struct table_node **slots = t->n_slots == 0 ? xmalloc(bytes) : try_malloc(bytes);
    if (slots == NULL)
        return;
    memset(slots, 0, bytes);
    for (size_t i = 0; i < t->n_slots; i++) {
        for (struct table_node *n = t->slots[i], *next; n != NULL; n = next) {
            next = n->next;
            enter(slots, n_slots, n);
        }
    }
    free(t->slots);
    t->slots = slots;
    t->n_slots = n_slots;
}

void table_add(struct table *t, struct table_node *node)
{
    if (t->n >= t->n_slots)
        grow(t);
    enter(t->slots, t->n_slots, node);
    t->n++;
}

void table_remove(struct table *t, struct table_node *node)
{
    struct table_node **at = &t->slots[node->hash & (t->n_slots - 1)];
    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    t->n--;
}

static struct table_node *same_hash(struct table_node *n, uint64_t hash)
{
    while (n != NULL && n->hash != hash)
        n = n->next;
    return n;
}

struct table_node *table_first(const struct table *t, uint64_t hash)
{
    return t->n_slots == 0 ? NULL : same_hash(t->slots[hash & (t->n_slots - 1)], hash);
}

struct table_node *table_next(const struct table_node *n)
{
    return same_hash(n->next, n->hash);
}
