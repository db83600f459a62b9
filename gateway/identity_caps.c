/* identity_caps.c - see identity_caps.h. */
#include "identity_caps.h"

#include "err.h"
#include "mem.h"
#include "siphash.h"
#include "table.h"

#include <stdlib.h>
#include <uv.h>

struct identity_count {
    struct table_node node;
    uint64_t open;
    size_t len;
    uint8_t name[];
};

struct identity_caps {
    uv_mutex_t lock; /* of the table and what is in it */
    struct table by_name;
    struct siphash_seed seed; /* the names are outsiders' */
};

struct identity_caps *identity_caps_new(void)
{
    struct identity_caps *caps = xcalloc(1, sizeof(*caps));
    caps->seed = siphash_random_seed();
    int r = uv_mutex_init(&caps->lock);
    ASSERT(r == 0); /* only a lack of memory could fail it */
    return caps;
}

void identity_caps_free(struct identity_caps *caps)
{
    if (caps == NULL)
        return;
    ASSERT(caps->by_name.n == 0);
    table_fini(&caps->by_name);
    uv_mutex_destroy(&caps->lock);
    free(caps);
}

static struct identity_count *of_node(struct table_node *n)
{
    return (struct identity_count *) (void *) ((char *) n - offsetof(struct identity_count, node));
}

static struct identity_count *find(const struct identity_caps *caps, uint64_t hash,
                                   struct slice name)
{
    for (struct table_node *n = table_first(&caps->by_name, hash); n != NULL; n = table_next(n)) {
        struct identity_count *count = of_node(n);
        if (slice_eq(slice_of(count->name, count->len), name))
            return count;
    }
    return NULL;
}

static struct identity_count *count_new(struct identity_caps *caps, uint64_t hash,
                                        struct slice name)
{
    struct identity_count *count = xcalloc(1, sizeof(*count) + name.len);
    count->node.hash = hash;
    count->len = name.len;
    if (name.len > 0)
        memcpy(count->name, name.data, name.len);
    table_add(&caps->by_name, &count->node);
    return count;
}

struct identity_count *identity_caps_enter(struct identity_caps *caps, struct slice name,
                                           uint64_t most)
{
    uint64_t hash = siphash(&caps->seed, 0, name);
    uv_mutex_lock(&caps->lock);
    struct identity_count *count = find(caps, hash, name);
    if (count == NULL && most > 0)
        count = count_new(caps, hash, name);
    if (count != NULL && count->open >= most)
        count = NULL;
    if (count != NULL)
        count->open++;
    uv_mutex_unlock(&caps->lock);
    return count;
}

void identity_caps_leave(struct identity_caps *caps, struct identity_count *count)
{
    uv_mutex_lock(&caps->lock);
    bool last = --count->open == 0;
    if (last)
        table_remove(&caps->by_name, &count->node);
    uv_mutex_unlock(&caps->lock);
    if (last)
        free(count);
}

size_t identity_caps_size(struct identity_caps *caps)
{
    uv_mutex_lock(&caps->lock);
    size_t n = caps->by_name.n;
    uv_mutex_unlock(&caps->lock);
    return n;
}
