/* lease_core.c - what to do about each lease. */
#include "cluster/lease_core.h"

#include "mem.h"

#include <stdio.h>
#include <stdlib.h>

#define RETRY_MIN_MS 100

enum lease_state { LEASE_FREE, LEASE_HELD, LEASE_RELEASING };
enum lease_call { CALL_NONE, CALL_PUT, CALL_DELETE, CALL_LOOK };

struct lease {
    enum lease_state state;
    enum lease_owner aim;
    enum lease_call call; /* under way */
    uint64_t sent_ms;     /* it was, by this revision: */
    uint64_t asked;
    /* Of one that is ours. */
    uint64_t revision, valid_until_ms, renew_ms, release_by_ms;
    bool unsure; /* a renewal was not answered */
    /* What the bucket has, as far as is known; "": nothing. */
    char holder[LEASE_HOLDER_SIZE];
    uint64_t seen_revision, seen_ms;
    uint64_t retry_ms; /* not before */
};

struct lease_core {
    struct lease_core_port port;
    char holder[LEASE_HOLDER_SIZE];
    size_t node_len; /* of it, the node's name */
    uint64_t ttl_ms, random;
    bool current, stopping;
    uint64_t unsettled_ms; /* since then; 0: it is settled */
    struct lease leases[CLUSTER_SHARDS];
};

struct lease_core *lease_core_new(const char *holder, uint64_t ttl_ms, uint64_t seed,
                                  const struct lease_core_port *port)
{
    struct lease_core *c = xcalloc(1, sizeof(*c));
    const char *dot = strrchr(holder, '.');
    ASSERT(dot != NULL && strlen(holder) < sizeof(c->holder));
    c->port = *port;
    (void) snprintf(c->holder, sizeof(c->holder), "%s", holder);
    c->node_len = (size_t) (dot - holder);
    c->ttl_ms = ttl_ms;
    c->random = seed | 1;
    return c;
}

void lease_core_free(struct lease_core *c)
{
    free(c);
}

static unsigned shard_of(const struct lease_core *c, const struct lease *l)
{
    return (unsigned) (l - c->leases);
}

/* A twentieth to a tenth of a lease's time: nodes that try for the same do not do so in step. */
static uint64_t pause_ms(struct lease_core *c)
{
    c->random ^= c->random << 13;
    c->random ^= c->random >> 7;
    c->random ^= c->random << 17;
    uint64_t ms = c->ttl_ms / 20 + c->random % (c->ttl_ms / 20 + 1);
    return ms > RETRY_MIN_MS ? ms : RETRY_MIN_MS;
}

/* --- what the bucket has --- */

static void note(struct lease *l, struct slice holder, uint64_t revision, uint64_t now_ms)
{
    size_t len = holder.len < LEASE_HOLDER_SIZE ? holder.len : LEASE_HOLDER_SIZE - 1;
    if (len > 0)
        memcpy(l->holder, holder.data, len);
    l->holder[len] = '\0';
    l->seen_revision = revision;
    l->seen_ms = now_ms;
}

static bool is_noted_ours(const struct lease_core *c, const struct lease *l)
{
    return strcmp(l->holder, c->holder) == 0;
}

/* It was renewed last a whole lease's time ago: the bucket lets it go now, if it has not already,
 * and its holder has given it up a fifth of that before. */
static bool is_noted_over(const struct lease_core *c, const struct lease *l, uint64_t now_ms)
{
    return l->holder[0] != '\0' && now_ms - l->seen_ms >= c->ttl_ms;
}

/* What was asked for by its revision is gone. Whether it was noted until now. */
static bool forget(struct lease *l)
{
    bool noted = l->holder[0] != '\0' && l->seen_revision == l->asked;
    if (noted)
        l->holder[0] = '\0';
    return noted;
}

/* Its holder may have gone without a word, or the bucket has let it go by itself. */
static bool may_be_free(const struct lease_core *c, const struct lease *l, uint64_t now_ms)
{
    char node[LEASE_HOLDER_SIZE];
    const char *dot = strrchr(l->holder, '.');
    if (dot == NULL || is_noted_ours(c, l) || is_noted_over(c, l, now_ms))
        return true;
    size_t len = (size_t) (dot - l->holder);
    if (len == c->node_len && memcmp(l->holder, c->holder, len) == 0)
        return true; /* an earlier process of ours */
    memcpy(node, l->holder, len);
    node[len] = '\0';
    return !c->port.alive(c->port.ctx, node);
}

/* --- asking --- */

static void ask_put(struct lease_core *c, struct lease *l, uint64_t revision, uint64_t now_ms)
{
    l->call = CALL_PUT;
    l->sent_ms = now_ms;
    l->asked = revision;
    c->port.put(c->port.ctx, shard_of(c, l), revision);
}

static void ask_delete(struct lease_core *c, struct lease *l, uint64_t now_ms)
{
    l->call = CALL_DELETE;
    l->sent_ms = now_ms;
    l->asked = l->seen_revision;
    c->port.del(c->port.ctx, shard_of(c, l), l->seen_revision);
}

static void ask_look(struct lease_core *c, struct lease *l, uint64_t now_ms)
{
    l->call = CALL_LOOK;
    l->sent_ms = now_ms;
    c->port.look(c->port.ctx, shard_of(c, l));
}

/* --- having it --- */

static uint64_t valid_until(const struct lease_core *c, const struct lease *l)
{
    return l->sent_ms + c->ttl_ms / 5 * 4;
}

static void renewed(struct lease_core *c, struct lease *l, uint64_t revision)
{
    l->revision = revision;
    l->valid_until_ms = valid_until(c, l);
    l->renew_ms = l->sent_ms + c->ttl_ms / 3;
    l->unsure = false;
}

/* What is in the bucket of it is ours still, to be taken up again or deleted. */
static void let_go(struct lease_core *c, struct lease *l, uint64_t now_ms)
{
    l->state = LEASE_FREE;
    note(l, slice_str(c->holder), l->revision, now_ms);
}

static void lose(struct lease_core *c, struct lease *l, const char *why, uint64_t now_ms)
{
    l->state = LEASE_FREE;
    l->retry_ms = now_ms + pause_ms(c);
    c->port.lost(c->port.ctx, shard_of(c, l), why);
}

/* --- answers --- */

static void taken(struct lease_core *c, struct lease *l, uint64_t revision, uint64_t now_ms)
{
    note(l, slice_str(c->holder), revision, now_ms);
    if (c->stopping || l->aim != LEASE_OURS || now_ms >= valid_until(c, l))
        return; /* it is deleted, or taken up once more, by the next turn */
    renewed(c, l, revision);
    l->state = LEASE_HELD;
    c->port.acquired(c->port.ctx, shard_of(c, l));
}

static void put_failed(struct lease_core *c, struct lease *l, int err, uint64_t now_ms)
{
    if (l->state == LEASE_FREE) {
        bool gone = err == -EEXIST && forget(l);
        uint64_t pause = gone ? 0 : pause_ms(c), over_ms = l->seen_ms + c->ttl_ms;
        l->retry_ms = now_ms + pause;
        if (l->holder[0] != '\0' && over_ms > now_ms && over_ms < l->retry_ms)
            l->retry_ms = over_ms;
    } else if (err != -EEXIST) {
        l->unsure = l->unsure || err != -EHOSTUNREACH;
        l->retry_ms = now_ms + pause_ms(c);
    } else if (l->unsure) {
        ask_look(c, l, now_ms);
    } else {
        lose(c, l, "another node has taken it, or it has expired", now_ms);
    }
}

void lease_core_put(struct lease_core *c, unsigned shard, int err, uint64_t revision,
                    uint64_t now_ms)
{
    struct lease *l = &c->leases[shard];
    ASSERT(l->call == CALL_PUT);
    l->call = CALL_NONE;
    if (err < 0)
        put_failed(c, l, err, now_ms);
    else if (l->state == LEASE_FREE)
        taken(c, l, revision, now_ms);
    else
        renewed(c, l, revision);
}

void lease_core_gone(struct lease_core *c, unsigned shard, int err, uint64_t now_ms)
{
    struct lease *l = &c->leases[shard];
    ASSERT(l->call == CALL_DELETE);
    l->call = CALL_NONE;
    l->retry_ms = now_ms + pause_ms(c);
    if (err == 0 || err == -EEXIST || err == -ENOENT)
        (void) forget(l);
}

void lease_core_looked(struct lease_core *c, unsigned shard, int err, struct slice holder,
                       uint64_t revision, uint64_t now_ms)
{
    struct lease *l = &c->leases[shard];
    ASSERT(l->call == CALL_LOOK);
    l->call = CALL_NONE;
    if (l->state == LEASE_FREE)
        return;
    if (err == -ENOENT || (err == 0 && !slice_eq_str(holder, c->holder))) {
        lose(c, l, "another node has taken it, or it has expired", now_ms);
        return;
    }
    if (err == 0) {
        l->revision = revision;
        l->unsure = false;
    }
    l->retry_ms = now_ms + (err == 0 ? 0 : pause_ms(c));
}

/* --- the bucket's changes --- */

void lease_core_seen(struct lease_core *c, unsigned shard, struct slice holder, uint64_t revision,
                     uint64_t now_ms)
{
    struct lease *l = &c->leases[shard];
    bool ours = slice_eq_str(holder, c->holder);
    if (revision <= l->seen_revision)
        return; /* given out once more */
    note(l, holder, revision, now_ms);
    if (l->state == LEASE_FREE) {
        if (holder.len == 0)
            l->retry_ms = now_ms;
    } else if (ours) {
        l->revision = revision > l->revision ? revision : l->revision;
    } else if (revision > l->revision) {
        lose(c, l, holder.len == 0 ? "somebody has deleted it" : "another node has taken it",
             now_ms);
    }
}

void lease_core_current(struct lease_core *c)
{
    c->current = true;
}

void lease_core_aim(struct lease_core *c, unsigned shard, enum lease_owner owner)
{
    c->leases[shard].aim = owner;
}

void lease_core_settled(struct lease_core *c, bool settled, uint64_t now_ms)
{
    if (settled)
        c->unsettled_ms = 0;
    else if (c->unsettled_ms == 0)
        c->unsettled_ms = now_ms;
}

/* --- giving it up --- */

void lease_core_released(struct lease_core *c, unsigned shard, uint64_t now_ms)
{
    struct lease *l = &c->leases[shard];
    if (l->state == LEASE_RELEASING)
        let_go(c, l, now_ms);
}

void lease_core_resign(struct lease_core *c, unsigned shard, uint64_t now_ms)
{
    struct lease *l = &c->leases[shard];
    if (l->state == LEASE_FREE)
        return;
    let_go(c, l, now_ms);
    l->retry_ms = now_ms + pause_ms(c);
}

void lease_core_stop(struct lease_core *c)
{
    c->stopping = true;
}

/* --- what is due --- */

static bool is_anothers(const struct lease_core *c, const struct lease *l)
{
    return c->stopping || l->aim == LEASE_ANOTHERS;
}

/* Nodes that come and go all the time hold nobody up. */
static bool may_take(const struct lease_core *c, uint64_t now_ms)
{
    return c->current && (c->unsettled_ms == 0 || now_ms - c->unsettled_ms >= c->ttl_ms / 2);
}

static void turn_free(struct lease_core *c, struct lease *l, uint64_t now_ms)
{
    if (l->call != CALL_NONE || now_ms < l->retry_ms)
        return;
    if (is_anothers(c, l)) {
        if (is_noted_ours(c, l))
            ask_delete(c, l, now_ms);
    } else if (l->aim == LEASE_OURS && may_take(c, now_ms) && may_be_free(c, l, now_ms)) {
        bool by_revision = is_noted_ours(c, l) || is_noted_over(c, l, now_ms);
        ask_put(c, l, by_revision ? l->seen_revision : 0, now_ms);
    }
}

/* `early_ms`: what is due so soon is renewed as well, so that they go together. */
static void turn_held(struct lease_core *c, struct lease *l, uint64_t early_ms, uint64_t now_ms)
{
    if (now_ms >= l->valid_until_ms) {
        lose(c, l, "it could not be renewed in time", now_ms);
        return;
    }
    if (l->state == LEASE_RELEASING && now_ms >= l->release_by_ms) {
        let_go(c, l, now_ms);
        c->port.lost(c->port.ctx, shard_of(c, l), "handing it over took too long");
        return;
    }
    if (l->call == CALL_NONE && now_ms >= l->retry_ms && now_ms + early_ms >= l->renew_ms)
        ask_put(c, l, l->revision, now_ms);
    if (l->state == LEASE_HELD && is_anothers(c, l)) {
        l->state = LEASE_RELEASING;
        l->release_by_ms = now_ms + c->ttl_ms / 2;
        c->port.release(c->port.ctx, shard_of(c, l));
    }
}

static bool any_due(const struct lease_core *c, uint64_t now_ms)
{
    for (size_t i = 0; i < CLUSTER_SHARDS; i++) {
        const struct lease *l = &c->leases[i];
        if (l->state != LEASE_FREE && l->call == CALL_NONE && now_ms >= l->retry_ms &&
            now_ms >= l->renew_ms)
            return true;
    }
    return false;
}

void lease_core_turn(struct lease_core *c, uint64_t now_ms)
{
    uint64_t early_ms = any_due(c, now_ms) ? c->ttl_ms / 15 : 0;
    for (size_t i = 0; i < CLUSTER_SHARDS; i++) {
        struct lease *l = &c->leases[i];
        if (l->state != LEASE_FREE)
            turn_held(c, l, early_ms, now_ms);
        if (l->state == LEASE_FREE)
            turn_free(c, l, now_ms);
    }
}

bool lease_core_valid(const struct lease_core *c, unsigned shard, uint64_t now_ms)
{
    const struct lease *l = &c->leases[shard];
    return l->state != LEASE_FREE && now_ms < l->valid_until_ms;
}

unsigned lease_core_n(const struct lease_core *c)
{
    unsigned n = 0;
    for (size_t i = 0; i < CLUSTER_SHARDS; i++)
        n += c->leases[i].state != LEASE_FREE;
    return n;
}

bool lease_core_stopped(const struct lease_core *c)
{
    for (size_t i = 0; i < CLUSTER_SHARDS; i++) {
        const struct lease *l = &c->leases[i];
        if (l->state != LEASE_FREE || l->call != CALL_NONE || is_noted_ours(c, l))
            return false;
    }
    return c->stopping;
}
