/* table.c - an intrusive hash table with chains. */
#include "table.h"

#include "mem.h"

#include <stdlib.h>

#define FIRST_SLOTS 64
#define PER_SLOT    2 /* nodes, before there are more slots */

void table_fini(struct table *t)
{
    free(t->slots);
    *t = (struct table){0};
}

/* One of the 64 bits, by the part of the hash that does not pick the slot. */
static uint64_t mark_of(uint64_t hash)
{
    return UINT64_C(1) << (hash >> 58);
}

static struct table_slot *slot_of(const struct table *t, uint64_t hash)
{
    return &t->slots[hash & (t->n_slots - 1)];
}

static void enter(struct table_slot *slot, struct table_node *node)
{
    node->next = slot->first;
    slot->first = node;
    slot->marks |= mark_of(node->hash);
}

/* Without memory for it the table stays as it is: longer chains, nothing lost. */
static void grow(struct table *t)
{
    struct table old = *t;
    size_t n_slots = t->n_slots == 0 ? FIRST_SLOTS : t->n_slots * 2;
    size_t bytes = n_slots * sizeof(struct table_slot);
    struct table_slot *slots = t->n_slots == 0 ? xmalloc(bytes) : try_malloc(bytes);
    if (slots == NULL)
        return;
    memset(slots, 0, bytes);
    t->slots = slots;
    t->n_slots = n_slots;
    for (size_t i = 0; i < old.n_slots; i++) {
        for (struct table_node *n = old.slots[i].first, *next; n != NULL; n = next) {
            next = n->next;
            enter(slot_of(t, n->hash), n);
        }
    }
    free(old.slots);
}

void table_add(struct table *t, struct table_node *node)
{
    if (t->n >= t->n_slots * PER_SLOT)
        grow(t);
    enter(slot_of(t, node->hash), node);
    t->n++;
}

void table_remove(struct table *t, struct table_node *node)
{
    struct table_slot *slot = slot_of(t, node->hash);
    uint64_t marks = 0; /* of the others: two may share one */
    for (struct table_node **at = &slot->first; *at != NULL;) {
        if (*at == node) {
            *at = node->next;
            continue;
        }
        marks |= mark_of((*at)->hash);
        at = &(*at)->next;
    }
    slot->marks = marks;
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
    if (t->n_slots == 0)
        return NULL;
    const struct table_slot *slot = slot_of(t, hash);
    return (slot->marks & mark_of(hash)) == 0 ? NULL : same_hash(slot->first, hash);
}

struct table_node *table_next(const struct table_node *n)
{
    return same_hash(n->next, n->hash);
}
