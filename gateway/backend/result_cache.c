/* result_cache.c - see result_cache.h. Four places for each hash, of which the one that ends first
 * makes room: no list to keep, and nobody can make it grow. */
#include "result_cache.h"

#include "mem.h"

#include <stdlib.h>
#include <string.h>

#define WAYS 4
#define SETS (RESULT_CACHE_MAX / WAYS)

struct entry {
    uint8_t key[SHA256_SIZE];
    uint64_t until_ms; /* 0: free */
    struct result result;
};

struct result_cache {
    struct entry sets[SETS][WAYS];
};

struct result_cache *result_cache_new(void)
{
    return xcalloc(1, sizeof(struct result_cache));
}

void result_cache_free(struct result_cache *c)
{
    free(c);
}

static size_t set_of(const uint8_t key[SHA256_SIZE])
{
    return ((size_t) key[0] << 8 | key[1]) % SETS;
}

void result_cache_put(struct result_cache *c, const uint8_t key[SHA256_SIZE],
                      const struct result *result, uint64_t until_ms)
{
    struct entry *set = c->sets[set_of(key)], *place = set;
    for (size_t i = 0; i < WAYS; i++) {
        if (memcmp(set[i].key, key, SHA256_SIZE) == 0) {
            place = &set[i];
            break;
        }
        if (set[i].until_ms < place->until_ms)
            place = &set[i];
    }
    memcpy(place->key, key, SHA256_SIZE);
    place->until_ms = until_ms;
    place->result = *result;
}

bool result_cache_get(const struct result_cache *c, const uint8_t key[SHA256_SIZE], uint64_t now_ms,
                      struct result *ret)
{
    const struct entry *set = c->sets[set_of(key)];
    for (size_t i = 0; i < WAYS; i++)
        if (memcmp(set[i].key, key, SHA256_SIZE) == 0 && now_ms < set[i].until_ms) {
            *ret = set[i].result;
            return true;
        }
    return false;
}
