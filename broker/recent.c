/* recent.c - see recent.h.
 *
 * Records lie one behind the other in a slab and begin anew at its start when they come to its end;
 * whatever is in the way of a new one is forgotten. Since they are made and forgotten in the order
 * of their numbers, the chains of a table from keys to records need no taking out: a chain runs
 * from the newest to older ones, and ends where the numbers are of what is forgotten. */
#include "recent.h"

#include "mem.h"
#include "seen.h"
#include "siphash.h"
#include "utf8.h"

#include <stdlib.h>

enum text {
    TEXT_REGISTRY,
    TEXT_REPOSITORY,
    TEXT_DIGEST,
    TEXT_TAG,
    TEXT_ACTOR,
    TEXT_CREATED,
    TEXT_PEER,
    TEXT_SENDER,
    TEXT_PARENT,
    TEXT_N
};
#define TEXT_MAX 1023 /* their makers keep them shorter; what is longer is cut */

enum state { STATE_UNDER_WAY, STATE_SAFE, STATE_DROPPED };

struct record { /* followed by its strings, in the order of enum text */
    uint64_t number;
    uint64_t key[RECENT_KEYS], older[RECENT_KEYS]; /* older: the next link of the chain */
    uint64_t received_ms, last_duplicate_ms;
    const char *kind; /* a literal */
    uint32_t duplicates, size;
    uint16_t at[TEXT_N]; /* where its strings begin, from the record on */
    uint8_t type;
    bool replayed;
    char id[ID_SIZE], trace_id[33];
};

struct entry {
    uint32_t at; /* in the slab */
    uint8_t state;
};

struct recent {
    struct entry *entries; /* number n is at (n - 1) % max */
    size_t max;
    uint8_t *slab;
    size_t size, head;        /* of the slab; where the next record goes */
    uint64_t oldest, newest;  /* numbers; none are there when oldest > newest */
    uint64_t *chains;         /* the newest link of each, as link_to() makes them */
    size_t mask;              /* chains - 1 */
    struct siphash_seed seed; /* senders choose their ids */
    struct record **restored; /* by age, the oldest first */
    size_t n_restored;
};

/* --- making --- */

struct recent *recent_new(size_t max, size_t bytes)
{
    struct recent *r = xcalloc(1, sizeof(*r));
    size_t chains = 64;
    while (chains < 2 * max)
        chains *= 2;
    ASSERT(bytes <= UINT32_MAX);
    *r = (struct recent){
        .max = max, .size = bytes, .oldest = 1, .mask = chains - 1, .seed = siphash_random_seed()};
    r->entries = xcalloc(max, sizeof(*r->entries));
    r->slab = xcalloc(1, bytes);
    r->chains = xcalloc(chains, sizeof(*r->chains));
    return r;
}

static void drop_restored(struct recent *r)
{
    for (size_t i = 0; i < r->n_restored; i++)
        free(r->restored[i]);
    free(r->restored);
    r->restored = NULL;
    r->n_restored = 0;
}

void recent_free(struct recent *r)
{
    if (r == NULL)
        return;
    drop_restored(r);
    free(r->entries);
    free(r->slab);
    free(r->chains);
    free(r);
}

/* --- records --- */

static struct entry *entry_of(const struct recent *r, uint64_t number)
{
    return &r->entries[(number - 1) % r->max];
}

static struct record *record_of(const struct recent *r, uint64_t number)
{
    return (struct record *) (void *) (r->slab + entry_of(r, number)->at);
}

static bool is_there(const struct recent *r, uint64_t number)
{
    return number >= r->oldest && number <= r->newest;
}

static struct slice text_of(const char *s)
{
    return utf8_cut(slice_str(s), TEXT_MAX);
}

struct texts {
    struct slice at[TEXT_N];
    size_t size; /* of a record with them */
};

static void measure(const struct recent_parts *p, struct texts *ret)
{
    const char *const texts[TEXT_N] = {p->registry_id, p->repository, p->digest,
                                       p->tag,         p->actor,      p->created_at,
                                       p->peer,        p->sender_id,  p->traceparent};
    size_t size = sizeof(struct record);
    for (size_t i = 0; i < TEXT_N; i++) {
        ret->at[i] = text_of(texts[i]);
        size += ret->at[i].len + 1;
    }
    ret->size = (size + 7) & ~(size_t) 7;
}

static void fill(struct record *rec, const struct recent_parts *p, const struct texts *texts)
{
    *rec = (struct record){.received_ms = p->received_ms,
                           .kind = p->kind == NULL ? "" : p->kind,
                           .size = (uint32_t) texts->size,
                           .type = (uint8_t) p->type,
                           .replayed = p->replayed};
    uint8_t *base = (uint8_t *) rec, *to = base + sizeof(*rec);
    for (size_t i = 0; i < TEXT_N; i++) {
        size_t len = texts->at[i].len;
        rec->at[i] = (uint16_t) (to - base);
        memcpy(to, texts->at[i].data, len);
        to[len] = '\0';
        to += len + 1;
    }
    memcpy(rec->id, p->id, ID_SIZE);
    memcpy(rec->trace_id, p->trace_id, strlen(p->trace_id) + 1);
}

static void show(const struct record *rec, struct recent_event *ret)
{
    const char *base = (const char *) rec;
    *ret = (struct recent_event){
        .number = rec->number,
        .type = (enum event_type) rec->type,
        .registry_id = base + rec->at[TEXT_REGISTRY],
        .repository = base + rec->at[TEXT_REPOSITORY],
        .digest = base + rec->at[TEXT_DIGEST],
        .tag = base + rec->at[TEXT_TAG],
        .actor = base + rec->at[TEXT_ACTOR],
        .created_at = base + rec->at[TEXT_CREATED],
        .peer = base + rec->at[TEXT_PEER],
        .kind = rec->kind,
        .sender_id = base + rec->at[TEXT_SENDER],
        .traceparent = base + rec->at[TEXT_PARENT],
        .received_ms = rec->received_ms,
        .duplicates = rec->duplicates,
        .last_duplicate_ms = rec->last_duplicate_ms,
        .replayed = rec->replayed,
    };
    memcpy(ret->id, rec->id, ID_SIZE);
    memcpy(ret->trace_id, rec->trace_id, sizeof(ret->trace_id));
}

/* --- the ring --- */

static void forget_oldest(struct recent *r)
{
    r->oldest++;
    if (r->n_restored > 0)
        drop_restored(r); /* they are older */
}

/* Where a record of `size` goes, with nothing of value there any more. */
static size_t make_room(struct recent *r, size_t size)
{
    if (r->newest - r->oldest + 1 == r->max)
        forget_oldest(r);
    while (r->oldest <= r->newest) {
        size_t tail = entry_of(r, r->oldest)->at;
        if (r->head <= tail && tail - r->head >= size)
            return r->head;
        if (r->head > tail && r->size - r->head >= size)
            return r->head;
        if (r->head > tail && tail >= size)
            return 0; /* what is left at the end stays empty */
        forget_oldest(r);
    }
    return 0;
}

/* To the k-th key of a record: two keys of one may be in the same chain. Never 0 for a number. */
static uint64_t link_to(uint64_t number, size_t k)
{
    return number * RECENT_KEYS + k;
}

static void add_to_chain(struct recent *r, struct record *rec, size_t k, uint64_t key)
{
    if (key == 0)
        return;
    uint64_t *chain = &r->chains[key & r->mask];
    rec->key[k] = key;
    rec->older[k] = *chain;
    *chain = link_to(rec->number, k);
}

uint64_t recent_add(struct recent *r, const struct recent_parts *parts)
{
    struct texts texts;
    measure(parts, &texts);
    ASSERT(texts.size <= r->size);
    size_t at = make_room(r, texts.size);
    uint64_t number = ++r->newest;
    struct entry *e = entry_of(r, number);
    *e = (struct entry){.at = (uint32_t) at, .state = STATE_UNDER_WAY};
    struct record *rec = record_of(r, number);
    fill(rec, parts, &texts);
    rec->number = number;
    for (size_t k = 0; k < RECENT_KEYS; k++)
        add_to_chain(r, rec, k, parts->keys[k]);
    r->head = at + texts.size;
    return number;
}

void recent_settle(struct recent *r, uint64_t first, size_t n, bool safe)
{
    for (uint64_t number = first; number < first + n; number++)
        if (is_there(r, number)) /* else it is forgotten by now */
            entry_of(r, number)->state = safe ? STATE_SAFE : STATE_DROPPED;
}

/* --- what comes again --- */

uint64_t recent_key(const struct recent *r, const uint8_t *seen_key)
{
    uint64_t key = siphash(&r->seed, 0, slice_of(seen_key, SEEN_KEY_SIZE));
    return key == 0 ? 1 : key;
}

void recent_again(struct recent *r, uint64_t key, uint64_t wall_ms)
{
    uint64_t link = r->chains[key & r->mask];
    for (size_t n = 0; is_there(r, link / RECENT_KEYS) && n < RECENT_SAME; n++) {
        struct record *rec = record_of(r, link / RECENT_KEYS);
        size_t k = link % RECENT_KEYS;
        if (rec->key[k] == key) {
            rec->duplicates++;
            rec->last_duplicate_ms = wall_ms;
        }
        link = rec->older[k];
    }
}

/* --- of an earlier run --- */

static struct record *record_new(const struct recent_parts *p)
{
    struct texts texts;
    measure(p, &texts);
    struct record *rec = xmalloc(texts.size);
    fill(rec, p, &texts);
    struct id_gen made = {0};
    (void) id_gen_resume(&made, slice_str(rec->id));
    rec->received_ms = made.last_ms;
    return rec;
}

static int compare_ids(const void *a, const void *b)
{
    const struct record *const *x = a, *const *y = b;
    return strcmp((*x)->id, (*y)->id);
}

void recent_restore(struct recent *r, const struct recent_parts *events, size_t n)
{
    struct recent_event known;
    if (r->oldest > 1)
        return; /* what is older than the ring has been forgotten */
    r->restored = xrealloc(r->restored, (r->n_restored + n + 1) * sizeof(struct record *));
    for (size_t i = 0; i < n; i++)
        if (!recent_find(r, slice_str(events[i].id), &known))
            r->restored[r->n_restored++] = record_new(&events[i]);
    if (r->n_restored > 0)
        qsort(r->restored, r->n_restored, sizeof(struct record *), compare_ids);
    size_t left = 0, over = 0; /* what came twice goes, and then the oldest */
    for (size_t i = 0; i < r->n_restored; i++) {
        if (left > 0 && strcmp(r->restored[left - 1]->id, r->restored[i]->id) == 0)
            free(r->restored[i]);
        else
            r->restored[left++] = r->restored[i];
    }
    for (; left - over > RECENT_RESTORED; over++)
        free(r->restored[over]);
    r->n_restored = left - over;
    memmove(r->restored, r->restored + over, r->n_restored * sizeof(struct record *));
}

/* --- looking --- */

bool recent_at(const struct recent *r, uint64_t number, struct recent_event *ret)
{
    if (!is_there(r, number) || entry_of(r, number)->state != STATE_SAFE)
        return false;
    show(record_of(r, number), ret);
    return true;
}

static bool find_restored(const struct recent *r, const char *id, struct recent_event *ret)
{
    for (size_t i = 0; i < r->n_restored; i++) {
        if (strcmp(r->restored[i]->id, id) != 0)
            continue;
        show(r->restored[i], ret);
        return true;
    }
    return false;
}

bool recent_find(const struct recent *r, struct slice event_id, struct recent_event *ret)
{
    uint8_t packed[ID_PACKED_SIZE];
    char id[ID_SIZE];
    if (!id_pack(EVENT_ID_PREFIX, event_id, packed))
        return false;
    id_unpack(EVENT_ID_PREFIX, packed, id);
    uint64_t low = r->oldest, high = r->newest + 1; /* ids go up as numbers do */
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;
        int order = strcmp(record_of(r, mid)->id, id);
        if (order == 0)
            return recent_at(r, mid, ret);
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return find_restored(r, id, ret);
}

void recent_walk(const struct recent *r, const char *before,
                 bool (*one)(void *ctx, const struct recent_event *e), void *ctx)
{
    struct recent_event e;
    for (uint64_t number = r->newest; is_there(r, number); number--) {
        if (!recent_at(r, number, &e) || (before != NULL && strcmp(e.id, before) >= 0))
            continue;
        if (!one(ctx, &e))
            return;
    }
    for (size_t i = r->n_restored; i > 0; i--) {
        show(r->restored[i - 1], &e);
        if ((before == NULL || strcmp(e.id, before) < 0) && !one(ctx, &e))
            return;
    }
}

struct event recent_probe(const struct recent_event *e)
{
    return (struct event){
        .type = e->type,
        .registry_id = (char *) (uintptr_t) e->registry_id,
        .repository = (char *) (uintptr_t) e->repository,
        .digest = (char *) (uintptr_t) e->digest,
        .tag = (char *) (uintptr_t) e->tag,
        .actor = (char *) (uintptr_t) e->actor,
    };
}
