/* doc_anchors.c - which node an anchor of YAML names now. */
#include "doc_anchors.h"

#include "mem.h"

#include <stdlib.h>

struct anchor {
    struct table_node in_table; /* first, so that one is the other */
    char *name;
    struct doc_node *node;
};

static struct anchor *find(const struct doc_anchors *a, const char *name, uint64_t hash)
{
    struct table_node *at = table_first(&a->table, hash);
    while (at != NULL && strcmp(((struct anchor *) at)->name, name) != 0)
        at = table_next(at);
    return (struct anchor *) at;
}

void doc_anchors_set(struct doc_anchors *a, const char *name, struct doc_node *node,
                     const struct siphash_seed *seed)
{
    uint64_t hash = siphash(seed, 0, slice_str(name));
    struct anchor *anchor = find(a, name, hash);
    if (anchor == NULL) {
        anchor = xcalloc(1, sizeof(*anchor));
        anchor->in_table.hash = hash;
        anchor->name = xstrdup(name);
        table_add(&a->table, &anchor->in_table);
    }
    anchor->node = node;
}

struct doc_node *doc_anchors_get(const struct doc_anchors *a, const char *name,
                                 const struct siphash_seed *seed)
{
    const struct anchor *anchor = find(a, name, siphash(seed, 0, slice_str(name)));
    return anchor == NULL ? NULL : anchor->node;
}

void doc_anchors_fini(struct doc_anchors *a)
{
    for (size_t i = 0; i < a->table.n_slots; i++)
        for (struct table_node *at = a->table.slots[i].first, *next; at != NULL; at = next) {
            next = at->next;
            free(((struct anchor *) at)->name);
            free(at);
        }
    table_fini(&a->table);
}
