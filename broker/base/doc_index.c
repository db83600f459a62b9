/* doc_index.c - finds a key in a large mapping of config_doc.h without walking it. */
#include "doc_index.h"

#include "mem.h"

#include <stdlib.h>

struct doc_index {
    struct siphash_seed seed;
    size_t n_slots, n;        /* a power of two; at most half of them are taken */
    struct doc_node *slots[]; /* each where its hash says, or behind that */
};

static struct doc_node **slot_of(struct doc_index *index, const char *key)
{
    size_t mask = index->n_slots - 1;
    size_t i = (size_t) siphash(&index->seed, 0, slice_str(key)) & mask;
    while (index->slots[i] != NULL && strcmp(index->slots[i]->key, key) != 0)
        i = (i + 1) & mask;
    return &index->slots[i];
}

struct doc_node *doc_index_find(const struct doc_index *index, const char *key)
{
    return *slot_of((struct doc_index *) index, key); /* nothing is written */
}

/* One of all members, with room for as many again. */
static void index_all(struct doc_node *map, const struct siphash_seed *seed)
{
    size_t n_slots = 4 * DOC_INDEX_MIN;
    while (n_slots < 4 * map->n)
        n_slots *= 2;
    free(map->index);
    map->index = xcalloc(1, sizeof(*map->index) + n_slots * sizeof(struct doc_node *));
    map->index->seed = *seed;
    map->index->n_slots = n_slots;
    map->index->n = map->n;
    for (struct doc_node *at = map->first; at != NULL; at = at->next)
        *slot_of(map->index, at->key) = at;
}

void doc_index_added(struct doc_node *map, struct doc_node *node, const struct siphash_seed *seed)
{
    if (map->n < DOC_INDEX_MIN)
        return;
    if (map->index == NULL || 2 * (map->index->n + 1) > map->index->n_slots) {
        index_all(map, seed);
    } else {
        *slot_of(map->index, node->key) = node;
        map->index->n++;
    }
}

void doc_index_removed(struct doc_node *map, const struct siphash_seed *seed)
{
    free(map->index);
    map->index = NULL;
    if (map->n >= DOC_INDEX_MIN)
        index_all(map, seed);
}

void doc_index_free(struct doc_index *index)
{
    free(index);
}
