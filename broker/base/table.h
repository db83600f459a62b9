/* table.h - an intrusive hash table with chains. The caller hashes and compares; nodes are the
 * caller's and stay where they are. No locking: a table belongs to the thread of what it holds. */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table_node {
    struct table_node *next;
    uint64_t hash; /* set before table_add(); the low bits pick the chain */
};

/* A chain, and one bit for each hash in it: nearly always they tell that a name is new without a
 * look at the chain, whose nodes are anywhere in memory. */
struct table_slot {
    struct table_node *first;
    uint64_t marks;
};

/* All zero is an empty table. */
struct table {
    struct table_slot *slots;
    size_t n_slots; /* a power of two, or 0 before the first entry */
    size_t n;       /* entries */
};

void table_fini(struct table *t); /* the nodes are left alone */

void table_add(struct table *t, struct table_node *node);
void table_remove(struct table *t, struct table_node *node); /* must be in it */

/* A node with that hash, and another after `n`; NULL: no more. */
struct table_node *table_first(const struct table *t, uint64_t hash);
struct table_node *table_next(const struct table_node *n);

#endif
