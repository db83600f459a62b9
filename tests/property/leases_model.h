/* leases_model.h - several nodes with their leases and members on a model of the two buckets: time,
 * clocks, messages that are late, lost or carried out without an answer. One file's, as it keeps
 * everything in `S`. */
#ifndef TESTS_PROPERTY_LEASES_MODEL_H
#define TESTS_PROPERTY_LEASES_MODEL_H

#include "cluster/lease_core.h"
#include "cluster/member_table.h"
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    NODES = 5,
    TTL = 2000,
    TICK = TTL / 40,
    CALL_MS = 400,
    KEYS = CLUSTER_SHARDS + NODES, /* of both buckets: leases, then nodes */
    TAKEOVER_MS = TTL + TTL / 10 + 1000,
    CHAOS_MS = 30000,
    SEEDS = 12
};

/* A thing that happens later. */
enum what { ACT, ANSWER, SEEN, RELEASED };
struct later {
    uint64_t due, order;
    enum what what;
    unsigned node, life, key;
    enum { PUT, DELETE, GET } call;
    uint64_t revision,
        sent; /* SEEN: of the entry; RELEASED: tenure; `sent` is by the node's clock */
    int err;
    bool deleted, silent; /* silent: nobody gets an answer */
    struct member_entry entry;
    char holder[LEASE_HOLDER_SIZE];
};

struct entry {
    bool there, deleted;
    uint64_t revision, stored;
    char holder[LEASE_HOLDER_SIZE];
    struct member_entry member;
};

struct node {
    bool up, stopped, cut, leaving;
    unsigned life;
    double rate;
    uint64_t offset;
    struct lease_core *core;
    struct member_table *members;
    uint64_t announce, last_due, seen_up_to;
    bool owned[CLUSTER_SHARDS];
    uint64_t tenure[CLUSTER_SHARDS]; /* which of ours it is */
    bool able;
};

struct sim {
    uint64_t now, order, revision, rng;
    struct node nodes[NODES];
    struct entry entries[KEYS];
    struct later *heap;
    size_t n, cap;
    bool faults, unfenced;
    unsigned overlaps;
    uint64_t moves, acquisitions;
};
static struct sim S;

static uint64_t below(uint64_t n) /* splitmix64 */
{
    uint64_t z = S.rng += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % n;
}

static bool chance(unsigned of_thousand)
{
    return below(1000) < of_thousand;
}

static uint64_t clock_of(const struct node *n)
{
    return n->offset + (uint64_t) ((double) S.now * n->rate);
}

static unsigned index_of(const struct node *n)
{
    return (unsigned) (n - S.nodes);
}

/* --- what happens later: a heap --- */

static bool sooner(const struct later *a, const struct later *b)
{
    return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void swap(size_t a, size_t b)
{
    struct later old = S.heap[a];
    S.heap[a] = S.heap[b];
    S.heap[b] = old;
}

static void push(struct later e)
{
    if (S.n == S.cap) {
        S.cap = S.cap == 0 ? 256 : 2 * S.cap;
        S.heap = xrealloc(S.heap, S.cap * sizeof(*S.heap));
    }
    e.order = S.order++;
    size_t at = S.n++;
    S.heap[at] = e;
    for (; at > 0 && sooner(&S.heap[at], &S.heap[(at - 1) / 2]); at = (at - 1) / 2)
        swap(at, (at - 1) / 2);
}

static struct later pop(void)
{
    struct later first = S.heap[0];
    S.heap[0] = S.heap[--S.n];
    for (size_t at = 0;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < S.n && sooner(&S.heap[child + 1], &S.heap[child]))
            child++;
        if (child >= S.n || !sooner(&S.heap[child], &S.heap[at]))
            return first;
        swap(at, child);
        at = child;
    }
}

/* --- the buckets --- */

static bool is_there(const struct entry *e)
{
    return e->there && !e->deleted && S.now - e->stored < TTL;
}

static void see(struct node *n, unsigned key)
{
    const struct entry *e = &S.entries[key];
    uint64_t due = S.now + 1 + below(S.faults ? 40 : 3);
    n->last_due = due > n->last_due ? due : n->last_due;
    struct later l = {.due = n->last_due,
                      .what = SEEN,
                      .node = index_of(n),
                      .life = n->life,
                      .key = key,
                      .revision = e->revision,
                      .deleted = e->deleted,
                      .entry = e->member};
    memcpy(l.holder, e->holder, sizeof(l.holder));
    push(l);
    n->seen_up_to = S.revision;
}

static void tell_all(unsigned key)
{
    for (size_t i = 0; i < NODES; i++)
        if (S.nodes[i].up && !S.nodes[i].cut)
            see(&S.nodes[i], key);
}

/* A node that can be reached again gets what has changed since, the last of each. */
static void catch_up(struct node *n)
{
    uint64_t from = n->seen_up_to;
    for (unsigned key = 0; key < KEYS; key++)
        if (S.entries[key].there && S.entries[key].revision > from &&
            S.now - S.entries[key].stored < TTL)
            see(n, key);
}

static int carry_out(struct later *l)
{
    struct entry *e = &S.entries[l->key];
    bool is_node = l->key >= CLUSTER_SHARDS;
    if (l->call == GET) {
        memcpy(l->holder, e->holder, sizeof(l->holder));
        l->revision = e->revision;
        return is_there(e) ? 0 : -ENOENT;
    }
    uint64_t last = is_there(e) || (e->deleted && S.now - e->stored < TTL) ? e->revision : 0;
    bool fits = l->call == PUT && l->revision == 0 ? !is_there(e) : last == l->revision;
    if (!fits && !is_node && !S.unfenced)
        return -EEXIST;
    *e = (struct entry){.there = true,
                        .deleted = l->call == DELETE,
                        .revision = ++S.revision,
                        .stored = S.now,
                        .member = l->entry};
    if (!e->deleted)
        memcpy(e->holder, l->holder, sizeof(e->holder));
    l->revision = e->revision;
    tell_all(l->key);
    return 0;
}

/* A node asks: how long it takes, and what gets lost. */
static void ask(struct node *n, struct later l)
{
    l.node = index_of(n);
    l.life = n->life;
    l.sent = clock_of(n);
    l.what = ACT;
    struct later late = l;
    late.what = ANSWER;
    late.err = -ETIMEDOUT;
    late.due = S.now + CALL_MS;
    uint64_t delay = 1 + below(S.faults ? 60 : 3);
    if (S.faults && chance(10))
        delay += below(3 * TTL); /* it comes when nobody thinks of it any more */
    l.due = S.now + delay;
    if (n->cut) {
        late.err = -ENOTCONN;
        late.due = S.now + 1;
        push(late);
    } else if (S.faults && chance(20)) {
        push(late); /* never carried out */
    } else if (delay >= CALL_MS || (S.faults && chance(20))) {
        l.silent = true;
        push(late);
        push(l);
    } else {
        push(l);
    }
}

/* --- a node --- */

static void aim(struct node *n)
{
    for (unsigned i = 0; i < CLUSTER_SHARDS; i++)
        lease_core_aim(n->core, i,
                       member_table_ours(n->members, i)            ? LEASE_OURS
                       : member_table_owner(n->members, i)[0] == 0 ? LEASE_NOBODYS
                                                                   : LEASE_ANOTHERS);
    lease_core_settled(n->core, member_table_settled(n->members), clock_of(n));
}

static void announce(struct node *n)
{
    struct later l = {.key = CLUSTER_SHARDS + index_of(n), .call = PUT};
    n->announce = clock_of(n) + TTL / 3;
    (void) snprintf(l.entry.peer.node, sizeof(l.entry.peer.node), "n%u", index_of(n));
    (void) snprintf(l.entry.nonce, sizeof(l.entry.nonce), "%u", n->life);
    l.entry.peer.started_ms = n->life;
    l.entry.able = n->able;
    ask(n, l);
}

static void check(void)
{
    for (unsigned shard = 0; shard < CLUSTER_SHARDS; shard++) {
        unsigned owners = 0;
        for (size_t i = 0; i < NODES; i++)
            owners +=
                S.nodes[i].up && lease_core_valid(S.nodes[i].core, shard, clock_of(&S.nodes[i]));
        S.overlaps += owners > 1;
    }
}

static void turn(struct node *n)
{
    if (!n->up || n->stopped)
        return;
    if (member_table_turn(n->members, clock_of(n)))
        aim(n);
    if (!n->cut && clock_of(n) >= n->announce)
        announce(n);
    lease_core_turn(n->core, clock_of(n));
}

static void do_put(void *ctx, unsigned shard, uint64_t revision)
{
    struct node *n = ctx;
    struct later l = {.key = shard, .call = PUT, .revision = revision};
    (void) snprintf(l.holder, sizeof(l.holder), "n%u.%u", index_of(n), n->life);
    ask(n, l);
}

static void do_delete(void *ctx, unsigned shard, uint64_t revision)
{
    ask(ctx, (struct later){.key = shard, .call = DELETE, .revision = revision});
}

static void do_look(void *ctx, unsigned shard)
{
    ask(ctx, (struct later){.key = shard, .call = GET});
}

static bool is_alive(void *ctx, const char *name)
{
    const struct node *n = ctx;
    return member_table_alive(n->members, name);
}

static void on_acquired(void *ctx, unsigned shard)
{
    struct node *n = ctx;
    assert_false(n->owned[shard]);
    n->owned[shard] = true;
    n->tenure[shard]++;
    S.acquisitions++;
}

static void on_lost(void *ctx, unsigned shard, const char *why)
{
    struct node *n = ctx;
    assert_non_null(why);
    assert_true(n->owned[shard]);
    n->owned[shard] = false;
}

static void on_release(void *ctx, unsigned shard)
{
    struct node *n = ctx;
    assert_true(n->owned[shard]);
    S.moves++;
    uint64_t takes = S.faults && chance(50) ? TTL : below(20);
    push((struct later){.due = S.now + takes,
                        .what = RELEASED,
                        .node = index_of(n),
                        .life = n->life,
                        .key = shard,
                        .revision = n->tenure[shard]});
}

static void start_node(struct node *n)
{
    char holder[LEASE_HOLDER_SIZE];
    struct member_entry self = {.able = false};
    n->up = true;
    n->stopped = n->cut = n->leaving = false;
    n->life++;
    memset(n->owned, 0, sizeof(n->owned));
    (void) snprintf(holder, sizeof(holder), "n%u.%u", index_of(n), n->life);
    (void) snprintf(self.peer.node, sizeof(self.peer.node), "n%u", index_of(n));
    (void) snprintf(self.nonce, sizeof(self.nonce), "%u", n->life);
    self.peer.started_ms = n->life;
    n->core = lease_core_new(holder, TTL, below(1u << 30),
                             &(struct lease_core_port){.ctx = n,
                                                       .put = do_put,
                                                       .del = do_delete,
                                                       .look = do_look,
                                                       .alive = is_alive,
                                                       .acquired = on_acquired,
                                                       .lost = on_lost,
                                                       .release = on_release});
    n->members = member_table_new(&self, TTL);
    n->able = true;
    n->last_due = n->seen_up_to = 0;
    n->announce = clock_of(n) + TTL / 10; /* it has read what there is by then */
    catch_up(n);
    lease_core_current(n->core);
}

static void kill_node(struct node *n)
{
    n->up = false;
    lease_core_free(n->core);
    member_table_free(n->members);
}

static void leave_node(struct node *n)
{
    n->able = false;
    n->leaving = true;
    (void) member_table_unable(n->members);
    announce(n);
    lease_core_stop(n->core);
    lease_core_turn(n->core, clock_of(n));
}

/* --- time --- */

static void on_answer(struct node *n, const struct later *l)
{
    uint64_t now = clock_of(n);
    if (l->key >= CLUSTER_SHARDS) {
        if (l->err == 0 && member_table_announced(n->members, l->entry.able && n->able, l->sent))
            aim(n);
    } else if (l->call == PUT) {
        lease_core_put(n->core, l->key, l->err, l->revision, now);
    } else if (l->call == DELETE) {
        lease_core_gone(n->core, l->key, l->err, now);
    } else {
        lease_core_looked(n->core, l->key, l->err, slice_str(l->holder), l->revision, now);
    }
}

static void on_seen(struct node *n, const struct later *l)
{
    uint64_t now = clock_of(n);
    if (l->key < CLUSTER_SHARDS) {
        lease_core_seen(n->core, l->key, l->deleted ? (struct slice){0} : slice_str(l->holder),
                        l->revision, now);
        return;
    }
    bool before = now < n->announce && S.now < TTL;
    char name[8];
    (void) snprintf(name, sizeof(name), "n%u", l->key - CLUSTER_SHARDS);
    if (l->deleted ? member_table_left(n->members, name, l->revision)
                   : member_table_heard(n->members, &l->entry, l->revision, before, now))
        aim(n);
}

static void happen(struct later l)
{
    struct node *n = &S.nodes[l.node];
    if (l.what == ACT) { /* at the bucket, whatever has become of who asked */
        l.err = carry_out(&l);
        l.what = ANSWER;
        l.due = S.now + 1 + below(S.faults ? 60 : 3);
        if (!l.silent)
            push(l);
        return;
    }
    if (!n->up || l.life != n->life)
        return;
    if (n->stopped) {
        l.due = S.now + 10; /* it waits for it to wake up */
        push(l);
        return;
    }
    if (l.what == ANSWER) {
        on_answer(n, &l);
    } else if (l.what == SEEN) {
        on_seen(n, &l);
    } else if (n->owned[l.key] && l.revision == n->tenure[l.key]) {
        n->owned[l.key] = false;
        lease_core_released(n->core, l.key, clock_of(n));
    }
    turn(n);
}

static void run(uint64_t ms)
{
    for (uint64_t end = S.now + ms; S.now < end; S.now++) {
        while (S.n > 0 && S.heap[0].due <= S.now)
            happen(pop());
        for (size_t i = 0; i < NODES; i++)
            if (S.now % TICK == 7 * i)
                turn(&S.nodes[i]);
        if (S.now % 5 == 0)
            check();
    }
}

#endif
