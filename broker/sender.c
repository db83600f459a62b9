/* sender.c - see sender.h. */
#include "sender.h"

#include "mem.h"

#include <stdlib.h>

struct sender_set {
    size_t n;
    struct sender at[]; /* sorted by id */
};

static int compare_senders(const void *a, const void *b)
{
    const struct sender *x = a, *y = b;
    return strcmp(x->cfg->id, y->cfg->id);
}

struct sender_set *sender_set_new(const struct config *cfg)
{
    struct sender_set *set = xcalloc(1, sizeof(*set) + cfg->n_registries * sizeof(set->at[0]));
    set->n = cfg->n_registries;
    for (size_t i = 0; i < set->n; i++) {
        set->at[i].cfg = &cfg->registries[i];
        verifier_init(&set->at[i].verifier, &cfg->registries[i]);
    }
    if (set->n > 0)
        qsort(set->at, set->n, sizeof(set->at[0]), compare_senders);
    return set;
}

void sender_set_free(struct sender_set *set)
{
    free(set);
}

const struct sender *sender_find(const struct sender_set *set, struct slice id)
{
    size_t low = 0, high = set->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        struct slice at = slice_str(set->at[mid].cfg->id);
        size_t shared = at.len < id.len ? at.len : id.len;
        int r = shared == 0 ? 0 : memcmp(at.data, id.data, shared);
        if (r == 0 && at.len == id.len)
            return &set->at[mid];
        if (r < 0 || (r == 0 && at.len < id.len))
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}
