/* address_caps.c - see address_caps.h. */
#include "address_caps.h"

#include "caps.h"
#include "err.h"
#include "list.h"
#include "mem.h"
#include "siphash.h"
#include "table.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define HOST_BYTES   16
#define PREFIX_BYTES 8 /* a /64 */
#define FORGET       2 /* at each newcomer: so that what is idle goes faster than it comes */

struct address_count {
    struct table_node node;
    struct list in_idle; /* shard->idle while nothing is open */
    uint8_t key[HOST_BYTES];
    uint64_t open;
    uint64_t full_at_us; /* see caps_rate_next() */
};

struct shard {
    _Alignas(64) uv_mutex_t lock; /* of all that follows */
    struct table by_address;
    struct list idle; /* who went first comes first */
    size_t n_idle;
};

struct address_caps {
    struct shard shards[ADDRESS_CAPS_SHARDS];
    struct siphash_seed seed; /* outsiders choose addresses: they must not choose the chain */
    _Atomic uint64_t max_open, max_rate;
};

void address_caps_set(struct address_caps *caps, uint64_t max_open, uint64_t max_rate)
{
    atomic_store_explicit(&caps->max_open, max_open, memory_order_relaxed);
    atomic_store_explicit(&caps->max_rate, max_rate, memory_order_relaxed);
}

struct address_caps *address_caps_new(uint64_t max_open, uint64_t max_rate)
{
    struct address_caps *caps = aligned_alloc(_Alignof(struct address_caps), sizeof(*caps));
    ASSERT(caps != NULL);
    memset(caps, 0, sizeof(*caps));
    caps->seed = siphash_random_seed();
    address_caps_set(caps, max_open, max_rate);
    for (size_t i = 0; i < ADDRESS_CAPS_SHARDS; i++) {
        int r = uv_mutex_init(&caps->shards[i].lock);
        ASSERT(r == 0); /* only a lack of memory could fail it */
        list_init(&caps->shards[i].idle);
    }
    return caps;
}

static void forget(struct shard *s, struct address_count *count)
{
    list_remove(&count->in_idle);
    s->n_idle--;
    table_remove(&s->by_address, &count->node);
    free(count);
}

void address_caps_free(struct address_caps *caps)
{
    if (caps == NULL)
        return;
    for (size_t i = 0; i < ADDRESS_CAPS_SHARDS; i++) {
        struct shard *s = &caps->shards[i];
        LIST_FOREACH_SAFE (it, &s->idle) {
            forget(s, LIST_ENTRY(it, struct address_count, in_idle));
        }
        ASSERT(s->by_address.n == 0);
        table_fini(&s->by_address);
        uv_mutex_destroy(&s->lock);
    }
    free(caps);
}

/* The table takes its chain from the lowest bits and its mark from the highest. */
static struct shard *shard_of(struct address_caps *caps, uint64_t hash)
{
    return &caps->shards[(hash >> 32) % ADDRESS_CAPS_SHARDS];
}

static struct address_count *find(const struct shard *s, uint64_t hash,
                                  const uint8_t key[HOST_BYTES])
{
    struct table_node *n = table_first(&s->by_address, hash);
    while (n != NULL &&
           memcmp(LIST_ENTRY(n, struct address_count, node)->key, key, HOST_BYTES) != 0)
        n = table_next(n);
    return n == NULL ? NULL : LIST_ENTRY(n, struct address_count, node);
}

/* Those whose rate is whole again are as good as new ones; the others, when there are too many. */
static void forget_idle(struct shard *s, uint64_t now_us)
{
    for (unsigned i = 0; i < FORGET && !list_empty(&s->idle); i++) {
        struct address_count *first = LIST_ENTRY(s->idle.next, struct address_count, in_idle);
        if (first->full_at_us > now_us && s->n_idle <= ADDRESS_CAPS_IDLE)
            return;
        forget(s, first);
    }
}

static void become_idle(struct shard *s, struct address_count *count)
{
    list_push(&s->idle, &count->in_idle);
    s->n_idle++;
}

static struct address_count *count_new(struct shard *s, uint64_t hash,
                                       const uint8_t key[HOST_BYTES])
{
    struct address_count *count = xcalloc(1, sizeof(*count));
    count->node.hash = hash;
    memcpy(count->key, key, HOST_BYTES);
    list_init(&count->in_idle);
    table_add(&s->by_address, &count->node);
    become_idle(s, count);
    return count;
}

static enum refuse enter(const struct address_caps *caps, struct shard *s,
                         struct address_count *count, uint64_t now_us)
{
    uint64_t max_open = caps->max_open;
    if (max_open != 0 && count->open >= max_open)
        return REFUSE_ADDRESS_CAP;
    uint64_t full_at_us = count->full_at_us;
    if (!caps_rate_next(&full_at_us, now_us, caps->max_rate))
        return REFUSE_ADDRESS_RATE;
    count->full_at_us = full_at_us;
    if (count->open++ == 0) {
        list_remove(&count->in_idle);
        s->n_idle--;
    }
    return REFUSE_NONE;
}

enum refuse address_caps_enter(struct address_caps *caps, const struct in6_addr *address,
                               uint64_t now_us, struct address_count **ret)
{
    uint8_t key[HOST_BYTES] = {0};
    memcpy(key, address, IN6_IS_ADDR_V4MAPPED(address) ? HOST_BYTES : PREFIX_BYTES);
    uint64_t hash = siphash(&caps->seed, 0, slice_of(key, HOST_BYTES));
    struct shard *s = shard_of(caps, hash);
    uv_mutex_lock(&s->lock);
    forget_idle(s, now_us);
    struct address_count *count = find(s, hash, key);
    if (count == NULL)
        count = count_new(s, hash, key);
    enum refuse why = enter(caps, s, count, now_us);
    if (why == REFUSE_NONE)
        *ret = count;
    uv_mutex_unlock(&s->lock);
    return why;
}

void address_caps_leave(struct address_caps *caps, struct address_count *count, uint64_t now_us)
{
    struct shard *s = shard_of(caps, count->node.hash);
    uv_mutex_lock(&s->lock);
    if (--count->open == 0)
        become_idle(s, count);
    forget_idle(s, now_us);
    uv_mutex_unlock(&s->lock);
}

size_t address_caps_size(struct address_caps *caps)
{
    size_t n = 0;
    for (size_t i = 0; i < ADDRESS_CAPS_SHARDS; i++) {
        uv_mutex_lock(&caps->shards[i].lock);
        n += caps->shards[i].by_address.n;
        uv_mutex_unlock(&caps->shards[i].lock);
    }
    return n;
}
