/* member_table.c - the nodes that live. */
#include "cluster/member_table.h"

#include "cluster/rendezvous.h"
#include "mem.h"

#include <stdlib.h>

#define SETTLE_PART 10 /* of the lease's time */

struct member {
    struct member_entry entry;
    uint64_t seq;               /* revision of its entry */
    uint64_t heard_ms, able_ms; /* able_ms: since when, if it is */
    bool counts;
};

struct member_table {
    uint64_t ttl_ms;
    struct member self; /* heard_ms: the last that is known to have reached the bucket */
    bool announced;
    struct member twin; /* the newer process of our name */
    bool has_twin;
    struct member *others[MEMBER_TABLE_MAX]; /* by name */
    size_t n;
};

struct member_table *member_table_new(const struct member_entry *self, uint64_t ttl_ms)
{
    struct member_table *t = xcalloc(1, sizeof(*t));
    t->ttl_ms = ttl_ms;
    t->self.entry = *self;
    t->self.entry.able = false;
    return t;
}

void member_table_free(struct member_table *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->n; i++)
        free(t->others[i]);
    free(t);
}

/* --- one member --- */

/* Whether it still counts, or could, is as before; `at_once`: it need not wait. */
static bool set_able(struct member *m, bool able, bool at_once, uint64_t now_ms)
{
    bool changed = able != m->entry.able;
    if (able && changed)
        m->able_ms = now_ms;
    m->entry.able = able;
    m->counts = able && (m->counts || at_once);
    return changed;
}

static bool ripen(struct member *m, uint64_t ttl_ms, uint64_t now_ms)
{
    if (!m->entry.able || m->counts || now_ms - m->able_ms < ttl_ms / SETTLE_PART)
        return false;
    m->counts = true;
    return true;
}

static bool is_silent(const struct member *m, uint64_t ttl_ms, uint64_t now_ms)
{
    return now_ms > m->heard_ms && now_ms - m->heard_ms >= ttl_ms;
}

/* --- the others --- */

/* Where it is, or belongs. */
static size_t place_of(const struct member_table *t, const char *node, bool *ret_found)
{
    size_t i = 0;
    int order = 1;
    while (i < t->n && (order = strcmp(t->others[i]->entry.peer.node, node)) < 0)
        i++;
    *ret_found = i < t->n && order == 0;
    return i;
}

static void drop(struct member_table *t, size_t at)
{
    free(t->others[at]);
    t->n--;
    for (size_t i = at; i < t->n; i++)
        t->others[i] = t->others[i + 1];
}

static struct member *add(struct member_table *t, size_t at)
{
    for (size_t i = t->n; i > at; i--)
        t->others[i] = t->others[i - 1];
    t->n++;
    t->others[at] = xcalloc(1, sizeof(*t->others[at]));
    return t->others[at];
}

/* --- what was heard --- */

static bool twin_heard(struct member_table *t, const struct member_entry *e, uint64_t seq,
                       uint64_t now_ms)
{
    if (strcmp(e->nonce, t->self.entry.nonce) == 0 || !member_entry_newer(e, &t->self.entry) ||
        (t->has_twin && seq <= t->twin.seq))
        return false;
    bool changed = !t->has_twin;
    t->has_twin = true;
    t->twin = (struct member){.entry = *e, .seq = seq, .heard_ms = now_ms};
    return changed;
}

/* What a server gives out once more, because we have connected again, is no news of the node. */
bool member_table_heard(struct member_table *t, const struct member_entry *e, uint64_t seq,
                        bool before, uint64_t now_ms)
{
    bool found;
    if (strcmp(e->peer.node, t->self.entry.peer.node) == 0)
        return twin_heard(t, e, seq, now_ms);
    size_t at = place_of(t, e->peer.node, &found);
    if (!found && t->n == MEMBER_TABLE_MAX)
        return false;
    struct member *m = found ? t->others[at] : add(t, at);
    if (found && seq <= m->seq)
        return false;
    bool other = !found || strcmp(m->entry.nonce, e->nonce) != 0;
    if (other)
        *m = (struct member){.counts = false};
    bool able = m->entry.able;
    m->entry = *e;
    m->entry.able = able;
    m->seq = seq;
    m->heard_ms = now_ms;
    return set_able(m, e->able, before, now_ms) || other;
}

bool member_table_left(struct member_table *t, const char *node, uint64_t seq)
{
    bool found;
    if (strcmp(node, t->self.entry.peer.node) == 0) {
        bool had = t->has_twin && seq > t->twin.seq;
        t->has_twin = t->has_twin && !had;
        return had;
    }
    size_t at = place_of(t, node, &found);
    if (!found || seq <= t->others[at]->seq)
        return false;
    drop(t, at);
    return true;
}

bool member_table_announced(struct member_table *t, bool able, uint64_t sent_ms)
{
    bool changed = !t->announced;
    t->announced = true;
    if (sent_ms > t->self.heard_ms)
        t->self.heard_ms = sent_ms;
    return set_able(&t->self, able, false, sent_ms) || changed;
}

bool member_table_unable(struct member_table *t)
{
    return set_able(&t->self, false, false, 0);
}

bool member_table_turn(struct member_table *t, uint64_t now_ms)
{
    bool changed = false;
    for (size_t i = t->n; i > 0; i--) {
        if (is_silent(t->others[i - 1], t->ttl_ms, now_ms)) {
            drop(t, i - 1);
            changed = true;
        } else {
            changed = ripen(t->others[i - 1], t->ttl_ms, now_ms) || changed;
        }
    }
    if (t->has_twin && is_silent(&t->twin, t->ttl_ms, now_ms)) {
        t->has_twin = false;
        changed = true;
    }
    if (t->announced && is_silent(&t->self, t->ttl_ms, now_ms)) {
        t->announced = false;
        changed = set_able(&t->self, false, false, now_ms) || changed;
    }
    return ripen(&t->self, t->ttl_ms, now_ms) || changed;
}

/* --- what follows --- */

bool member_table_twin(const struct member_table *t)
{
    return t->has_twin;
}

bool member_table_alive(const struct member_table *t, const char *node)
{
    bool found;
    if (strcmp(node, t->self.entry.peer.node) == 0)
        return true;
    (void) place_of(t, node, &found);
    return found;
}

static bool waits(const struct member *m)
{
    return m->entry.able && !m->counts;
}

bool member_table_settled(const struct member_table *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (waits(t->others[i]))
            return false;
    return !waits(&t->self);
}

static const struct member *owner(const struct member_table *t, unsigned shard)
{
    const struct member *best = t->has_twin ? &t->twin : t->self.counts ? &t->self : NULL;
    for (size_t i = 0; i < t->n; i++) {
        const struct member *m = t->others[i];
        if (m->counts &&
            (best == NULL || rendezvous_before(m->entry.peer.node, best->entry.peer.node, shard)))
            best = m;
    }
    return best;
}

const char *member_table_owner(const struct member_table *t, unsigned shard)
{
    const struct member *best = owner(t, shard);
    return best == NULL ? "" : best->entry.peer.node;
}

bool member_table_ours(const struct member_table *t, unsigned shard)
{
    return owner(t, shard) == &t->self;
}

size_t member_table_others(const struct member_table *t, struct engine_peer *ret, size_t cap)
{
    for (size_t i = 0; i < t->n && i < cap; i++) {
        ret[i] = t->others[i]->entry.peer;
        ret[i].seen_ms = t->others[i]->heard_ms;
    }
    return t->n;
}
