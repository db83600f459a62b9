/* auth_limit.c - how often one address may fail to authenticate. (pure) */
#include "auth_limit.h"

#include "mem.h"
#include "siphash.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

/* A set of the table: where a peer may stand. Small, so that finding one is a few comparisons, and
 * full sets forget somebody without walking the table. */
#define WAYS 8
#define SETS (AUTH_LIMIT_PEERS / WAYS)

/* `full_at_ms` is when all attempts are back; each failure puts it off by a refill, so a peer has
 * none left while it is AUTH_LIMIT_FAILURES refills ahead. */
struct peer {
    uint8_t key[9];
    bool used;
    uint64_t full_at_ms, forgiven_ms; /* forgiven_ms: when a success has last given one back */
};

struct auth_limit {
    struct siphash_seed seed; /* outsiders choose addresses: they must not choose the set */
    struct peer sets[SETS][WAYS];
};

struct auth_limit *auth_limit_new(void)
{
    struct auth_limit *l = xcalloc(1, sizeof(*l));
    l->seed = siphash_random_seed();
    return l;
}

void auth_limit_free(struct auth_limit *l)
{
    free(l);
}

/* The family's first byte, then the address or its first 64 bits. */
static void key_of(const struct sockaddr *peer, uint8_t ret[9])
{
    static const uint8_t MAPPED[12] = {[10] = 0xff, [11] = 0xff}; /* ::ffff:a.b.c.d */
    memset(ret, 0, 9);
    if (peer->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, peer, sizeof(v4));
        ret[0] = 4;
        memcpy(ret + 1, &v4.sin_addr, sizeof(v4.sin_addr));
    } else if (peer->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, peer, sizeof(v6));
        bool mapped = memcmp(&v6.sin6_addr, MAPPED, sizeof(MAPPED)) == 0;
        ret[0] = mapped ? 4 : 6;
        memcpy(ret + 1, (const uint8_t *) &v6.sin6_addr + (mapped ? 12 : 0), mapped ? 4 : 8);
    }
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static size_t set_of(const struct auth_limit *l, const uint8_t key[9])
{
    return siphash(&l->seed, 0, slice_of(key, 9)) % SETS;
}

static size_t way_of(const struct peer set[WAYS], const uint8_t key[9])
{
    size_t i = 0;
    while (i < WAYS && (!set[i].used || memcmp(set[i].key, key, sizeof(set[i].key)) != 0))
        i++;
    return i;
}

unsigned auth_limit_wait_s(const struct auth_limit *l, const struct sockaddr *peer, uint64_t now_ms)
{
    return auth_limit_wait_for_s(l, peer, 1, now_ms);
}

unsigned auth_limit_wait_for_s(const struct auth_limit *l, const struct sockaddr *peer, unsigned n,
                               uint64_t now_ms)
{
    uint8_t key[9];
    key_of(peer, key);
    const struct peer *set = l->sets[set_of(l, key)];
    size_t way = way_of(set, key);
    uint64_t last = now_ms + (AUTH_LIMIT_FAILURES - (uint64_t) n) * AUTH_LIMIT_REFILL_MS;
    if (way == WAYS || set[way].full_at_ms <= last)
        return 0;
    return (unsigned) ((set[way].full_at_ms - last + 999) / 1000);
}

void auth_limit_failed(struct auth_limit *l, const struct sockaddr *peer, uint64_t now_ms)
{
    uint8_t key[9];
    key_of(peer, key);
    struct peer *set = l->sets[set_of(l, key)];
    size_t way = way_of(set, key);
    if (way == WAYS) {
        way = 0;
        for (size_t i = 1; i < WAYS; i++) /* an unused one is 0 */
            if (set[i].full_at_ms < set[way].full_at_ms)
                way = i;
        memcpy(set[way].key, key, sizeof(set[way].key));
        set[way].used = true;
        set[way].full_at_ms = now_ms;
        set[way].forgiven_ms = 0;
    }
    uint64_t from = set[way].full_at_ms > now_ms ? set[way].full_at_ms : now_ms;
    uint64_t most = now_ms + AUTH_LIMIT_FAILURES * AUTH_LIMIT_REFILL_MS; /* requests at once */
    set[way].full_at_ms = from + AUTH_LIMIT_REFILL_MS < most ? from + AUTH_LIMIT_REFILL_MS : most;
}

void auth_limit_succeeded(struct auth_limit *l, const struct sockaddr *peer, uint64_t now_ms)
{
    uint8_t key[9];
    key_of(peer, key);
    struct peer *set = l->sets[set_of(l, key)];
    size_t way = way_of(set, key);
    if (way == WAYS || set[way].full_at_ms <= now_ms ||
        (set[way].forgiven_ms != 0 && now_ms - set[way].forgiven_ms < AUTH_LIMIT_REFILL_MS))
        return;
    set[way].full_at_ms -= least(AUTH_LIMIT_REFILL_MS, set[way].full_at_ms);
    set[way].forgiven_ms = now_ms;
}
