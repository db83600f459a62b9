/* seen.c - sender event ids seen within the window.
 *
 * A ring of ids in the order they came, and a table (open addressing, linear probing, at most 3/4
 * full) from an id to its place in the ring. Both begin small and double up to what max_ids needs.
 * A table entry holds 32 bits of the hash, so that an id that is new touches the table alone: that
 * is one cache line for nearly every event. */
#include "seen.h"

#include "err.h"
#include "mem.h"
#include "sha256.h"

#include <stdlib.h>
#include <sys/random.h>

enum {
    FIRST_CAP = 64,
    EXPIRE_AT_ONCE = 16 /* ids let go per id added: the ring empties, and nobody waits for it */
};
#define NO_TIME UINT64_MAX /* of an id taken out of the middle */

struct entry {
    struct seen_key key;
    uint64_t at_ms; /* NO_TIME: nothing is here */
};

struct place {
    uint32_t hash;
    uint32_t at; /* index in the ring + 1; 0: free */
};

struct seen {
    uint64_t max_ids, window_ms, seed[2];
    struct entry *ring;
    uint32_t cap, first, used; /* used: entries without a time between others included */
    uint32_t n;                /* those with one */
    struct place *table;
    uint32_t mask; /* places - 1 */
    uint64_t forgotten;
};

/* Senders choose their ids, and could choose some whose SHA-256 falls close together: which is
 * close is settled by a seed they do not know. */
static uint32_t hash_of(const struct seen *s, const struct seen_key *key)
{
    uint64_t a, b;
    memcpy(&a, key->bytes, 8);
    memcpy(&b, key->bytes + 8, 8);
    a = (a ^ s->seed[0]) * 0x9e3779b97f4a7c15u;
    a = (a ^ a >> 32 ^ b ^ s->seed[1]) * 0xbf58476d1ce4e5b9u;
    return (uint32_t) (a >> 32);
}

/* --- the table --- */

/* The place of `key`, or the free one where it belongs. */
static struct place *find(const struct seen *s, const struct seen_key *key, uint32_t hash)
{
    for (uint32_t i = hash & s->mask;; i = (i + 1) & s->mask) {
        struct place *p = &s->table[i];
        if (p->at == 0 ||
            (p->hash == hash && memcmp(&s->ring[p->at - 1].key, key, sizeof(*key)) == 0))
            return p;
    }
}

/* Those that stand behind it because it was in their way move up. */
static void vacate(struct seen *s, struct place *p)
{
    uint32_t hole = (uint32_t) (p - s->table);
    for (uint32_t i = (hole + 1) & s->mask; s->table[i].at != 0; i = (i + 1) & s->mask) {
        uint32_t way = (i - s->table[i].hash) & s->mask; /* from where it would be best */
        if (way < ((i - hole) & s->mask))
            continue;
        s->table[hole] = s->table[i];
        hole = i;
    }
    s->table[hole].at = 0;
}

/* --- the ring --- */

static uint32_t ring_index(const struct seen *s, uint32_t k) /* of the k-th entry */
{
    uint64_t i = (uint64_t) s->first + k;
    return (uint32_t) (i >= s->cap ? i - s->cap : i);
}

static struct entry *ring_entry(const struct seen *s, uint32_t k)
{
    return &s->ring[ring_index(s, k)];
}

/* Both ends of the ring are ids, so that an empty middle never fills it alone. */
static void trim(struct seen *s)
{
    while (s->used > 0 && ring_entry(s, s->used - 1)->at_ms == NO_TIME)
        s->used--;
    while (s->used > 0 && ring_entry(s, 0)->at_ms == NO_TIME) {
        s->first = ring_index(s, 1);
        s->used--;
    }
}

static void take_out(struct seen *s, struct place *p)
{
    s->ring[p->at - 1].at_ms = NO_TIME;
    vacate(s, p);
    s->n--;
    trim(s);
}

static void take_out_oldest(struct seen *s)
{
    const struct seen_key *key = &ring_entry(s, 0)->key;
    take_out(s, find(s, key, hash_of(s, key)));
}

static bool expired(const struct seen *s, const struct entry *e, uint64_t now_ms)
{
    return now_ms >= e->at_ms && now_ms - e->at_ms >= s->window_ms;
}

static void expire(struct seen *s, uint64_t now_ms)
{
    for (unsigned i = 0; i < EXPIRE_AT_ONCE && s->n > 0; i++) {
        if (!expired(s, ring_entry(s, 0), now_ms))
            return;
        take_out_oldest(s);
    }
}

/* --- size --- */

static uint64_t places_for(uint64_t cap)
{
    uint64_t n = 2 * FIRST_CAP;
    while (n * 3 / 4 < cap)
        n *= 2;
    return n;
}

/* Moves to a ring of `cap` and a table to go with it; false without memory for them. */
static bool resize(struct seen *s, uint64_t cap)
{
    uint64_t n_places = places_for(cap);
    struct entry *ring = try_malloc(cap * sizeof(*ring));
    struct place *table = ring == NULL ? NULL : try_malloc(n_places * sizeof(*table));
    if (table == NULL) {
        free(ring);
        return false;
    }
    memset(table, 0, n_places * sizeof(*table));

    struct seen old = *s;
    s->ring = ring;
    s->table = table;
    s->cap = (uint32_t) cap;
    s->mask = (uint32_t) (n_places - 1);
    s->first = s->used = 0;
    for (uint32_t k = 0; k < old.used; k++) {
        const struct entry *e = ring_entry(&old, k);
        if (e->at_ms == NO_TIME)
            continue;
        uint32_t hash = hash_of(s, &e->key);
        ring[s->used++] = *e;
        *find(s, &e->key, hash) = (struct place){.hash = hash, .at = s->used};
    }
    free(old.ring);
    free(old.table);
    return true;
}

/* A place at the end of the ring. When it cannot grow the oldest goes, even where gaps in the
 * middle would have done: closing them takes time, and is worth it when they are many. */
static void make_room(struct seen *s, uint64_t now_ms)
{
    if (s->used < s->cap)
        return;
    bool gaps = s->used - s->n > s->cap / 4;
    uint64_t cap = s->cap;
    if (!gaps)
        cap = cap * 2 < s->max_ids ? cap * 2 : s->max_ids;
    if ((gaps || cap > s->cap) && resize(s, cap))
        return;
    if (!expired(s, ring_entry(s, 0), now_ms))
        s->forgotten++;
    take_out_oldest(s);
}

/* --- */

struct seen *seen_new(uint64_t max_ids, uint64_t window_ms)
{
    struct seen *s = xcalloc(1, sizeof(*s));
    ASSERT(max_ids > 0 && max_ids <= UINT32_MAX / 2);
    s->max_ids = max_ids;
    s->window_ms = window_ms;
    s->cap = max_ids < FIRST_CAP ? (uint32_t) max_ids : FIRST_CAP;
    s->ring = xcalloc(s->cap, sizeof(s->ring[0]));
    s->mask = 2 * FIRST_CAP - 1;
    s->table = xcalloc(s->mask + 1, sizeof(s->table[0]));
    ssize_t n = getrandom(s->seed, sizeof(s->seed), 0);
    ASSERT(n == (ssize_t) sizeof(s->seed)); /* up to 256 bytes never come short */
    return s;
}

void seen_free(struct seen *s)
{
    if (s == NULL)
        return;
    free(s->ring);
    free(s->table);
    free(s);
}

struct seen_key seen_key(const char *registry_id, const char *sender_id)
{
    uint8_t sum[SHA256_SIZE];
    /* with the NUL between them, so that no two pairs run on */
    sha256(slice_of(registry_id, strlen(registry_id) + 1), slice_str(sender_id), sum);

    struct seen_key key;
    memcpy(key.bytes, sum, sizeof(key.bytes));
    return key;
}

bool seen_add(struct seen *s, const struct seen_key *key, uint64_t now_ms)
{
    expire(s, now_ms);
    uint32_t hash = hash_of(s, key);
    struct place *p = find(s, key, hash);
    if (p->at != 0) {
        if (!expired(s, &s->ring[p->at - 1], now_ms))
            return false;
        take_out(s, p);
    }
    make_room(s, now_ms);
    uint32_t at = ring_index(s, s->used++);
    s->ring[at] = (struct entry){.key = *key, .at_ms = now_ms};
    *find(s, key, hash) = (struct place){.hash = hash, .at = at + 1};
    s->n++;
    return true;
}

void seen_remove(struct seen *s, const struct seen_key *key)
{
    struct place *p = find(s, key, hash_of(s, key));
    if (p->at != 0)
        take_out(s, p);
}

void seen_each(const struct seen *s, size_t leave_out,
               void (*one)(void *ctx, const struct seen_key *key, uint64_t at_ms), void *ctx)
{
    size_t left = s->n > leave_out ? s->n - leave_out : 0;
    for (uint32_t k = 0; left > 0; k++) {
        const struct entry *e = ring_entry(s, k);
        if (e->at_ms == NO_TIME)
            continue;
        one(ctx, &e->key, e->at_ms);
        left--;
    }
}

uint64_t seen_count(const struct seen *s)
{
    return s->n;
}

uint64_t seen_forgotten(const struct seen *s)
{
    return s->forgotten;
}
