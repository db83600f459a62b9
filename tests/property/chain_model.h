/* chain_model.h - several nodes with their chains on a model of the streams of events and batches:
 * messages that are late, lost or carried out without an answer, and fences that can be taken out.
 * One file's, as it keeps everything in `S`. */
#ifndef TESTS_PROPERTY_CHAIN_MODEL_H
#define TESTS_PROPERTY_CHAIN_MODEL_H

#include "cluster/chain_core.h"
#include "mem.h"
#include "path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    NODES = 3,
    TRIGGERS = 3,
    MAX_EVENTS = 4000,
    MAX_BATCHES = 4000,
    MAX_FLIGHTS = 64,
    STEPS = 4000,
    SHARD = 5,
    WINDOW_MS = 120000, /* of de-duplication */
    LINGER_MS = 30000,  /* a message is on its way */
    BELIEF_MS = 20000,  /* a lease counts */
    TIMEOUT_MS = 2500
};

struct numbered {
    uint64_t seq;
    unsigned wanted; /* a bit for each trigger */
};
struct stored {
    char trigger_id[ID_SIZE], writer[16];
    uint64_t prev, last, time;
    size_t first, n; /* of S.in_batches */
};
struct flight {
    bool used, carried_out, lost_answer, look;
    uint64_t due, timeout;
    unsigned node, tenure;
    int err;
    /* an append to the events: */
    bool is_event;
    uint64_t expected, seq;
    size_t n_events;
    /* a batch: */
    struct chain_message *m;
    char trigger_id[ID_SIZE], writer[16];
    uint64_t prev, last;
    bool duplicate;
    struct buf data;
};

struct node {
    bool loaded, stopped, appending;
    unsigned tenure; /* how often it has been given up */
    uint64_t valid_until, event_last;
    struct chain_core *core;
    char writer[16];
    uint64_t gathered[TRIGGERS][MAX_EVENTS]; /* numbers, of what is in no batch yet */
    size_t n_gathered[TRIGGERS];
    bool refused;
};

enum fence { ALL_FENCES, NO_MSG_ID, NO_LOOK, NO_EXPECTED };
static const char *const TRIGGER_IDS[TRIGGERS] = {"trg-a", "trg-b", "trg-c"};
static struct path PATH;

static struct {
    uint64_t now, rng, event_seq;
    enum fence out;
    bool faults;
    struct node nodes[NODES];
    struct numbered events[MAX_EVENTS];
    size_t n_events;
    struct stored batches[MAX_BATCHES];
    size_t n_batches;
    uint64_t in_batches[TRIGGERS * 2 * MAX_EVENTS];
    size_t n_in_batches;
    struct flight flights[MAX_FLIGHTS];
    unsigned duplicates, refusals, strange;
} S;

static uint64_t below(uint64_t n) /* splitmix64 */
{
    uint64_t z = S.rng += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % n;
}

static bool chance(unsigned of_hundred)
{
    return below(100) < of_hundred;
}

/* --- the streams --- */

static void store_events(struct flight *f)
{
    if (f->expected != S.event_seq && S.out != NO_EXPECTED) {
        f->err = -EEXIST;
        return;
    }
    f->seq = ++S.event_seq;
    for (size_t i = 0; i < f->n_events && S.n_events < MAX_EVENTS; i++)
        S.events[S.n_events++] = (struct numbered){cluster_event_seq(f->seq, (unsigned) i),
                                                   (unsigned) below(1u << TRIGGERS)};
}

static struct stored *known(const struct flight *f)
{
    for (size_t i = S.n_batches; i > 0; i--) {
        struct stored *b = &S.batches[i - 1];
        if (S.now - b->time < WINDOW_MS && b->prev == f->prev &&
            strcmp(b->trigger_id, f->trigger_id) == 0)
            return b;
    }
    return NULL;
}

static uint64_t seq_of_id(const uint8_t *packed)
{
    char id[ID_SIZE];
    uint64_t hi, lo;
    id_unpack(EVENT_ID_PREFIX, packed, id);
    assert_true(id_decode(EVENT_ID_PREFIX, slice_of(id, ID_LEN), &hi, &lo));
    return lo;
}

static void store_batch(struct flight *f)
{
    const struct stored *before = S.out == NO_MSG_ID ? NULL : known(f);
    if (before != NULL) {
        f->duplicate = true;
        f->seq = (uint64_t) (before - S.batches) + 1;
        S.duplicates++;
        return;
    }
    assert_true(S.n_batches < MAX_BATCHES);
    struct stored *b = &S.batches[S.n_batches++];
    *b = (struct stored){.prev = f->prev, .last = f->last, .time = S.now, .first = S.n_in_batches};
    memcpy(b->trigger_id, f->trigger_id, sizeof(b->trigger_id));
    memcpy(b->writer, f->writer, sizeof(b->writer));
    struct slice in = buf_slice(&f->data);
    struct batch_wire_item item;
    int r;
    while ((r = batch_wire_next(&in, &item)) == 0)
        for (size_t at = 0; at < item.ids.len; at += ID_PACKED_SIZE) {
            assert_true(S.n_in_batches < ARRAY_LEN(S.in_batches));
            S.in_batches[S.n_in_batches++] = seq_of_id(item.ids.data + at);
        }
    assert_int_equal(r, -ENOENT);
    b->n = S.n_in_batches - b->first;
    f->seq = S.n_batches;
}

/* --- on the way --- */

static struct flight *flight_new(struct node *n)
{
    struct flight *f = NULL;
    for (size_t i = 0; i < MAX_FLIGHTS && f == NULL; i++)
        if (!S.flights[i].used)
            f = &S.flights[i];
    assert_non_null(f);
    *f = (struct flight){.used = true,
                         .due = S.now + 1 + below(20),
                         .timeout = S.now + TIMEOUT_MS,
                         .node = (unsigned) (n - S.nodes),
                         .tenure = n->tenure};
    buf_init(&f->data, SIZE_MAX);
    if (!S.faults)
        return f;
    if (chance(10))
        f->due += below(LINGER_MS);
    if (chance(8))
        f->lost_answer = true;
    if (chance(8))
        f->due = UINT64_MAX; /* lost */
    if (chance(5)) {
        f->due = UINT64_MAX;
        f->timeout = S.now + 1;
        f->err = -EHOSTUNREACH;
    }
    return f;
}

static void flight_end(struct flight *f)
{
    buf_fini(&f->data);
    f->used = false;
}

static void on_send(void *ctx, struct chain_message *m)
{
    struct node *n = ctx;
    struct flight *f = flight_new(n);
    f->m = m;
    memcpy(f->trigger_id, m->trigger_id, sizeof(f->trigger_id));
    memcpy(f->writer, n->writer, sizeof(f->writer));
    f->prev = m->prev_seq;
    f->last = m->last_seq;
    assert_int_equal(buf_append(&f->data, buf_slice(&m->data)), 0);
}

static void on_look(void *ctx, struct chain_message *m, uint64_t seq)
{
    struct flight *f = flight_new(ctx);
    f->m = m;
    f->look = true;
    f->seq = seq;
}

/* --- a node --- */

static bool is_valid(void *ctx, unsigned shard)
{
    const struct node *n = ctx;
    assert_int_equal(shard, SHARD);
    return S.now < n->valid_until;
}

static void on_refused(void *ctx, unsigned shard)
{
    struct node *n = ctx;
    assert_int_equal(shard, SHARD);
    n->refused = true;
    S.refusals++;
}

static void on_quiet(void *ctx, unsigned shard)
{
    const struct node *n = ctx;
    assert_int_equal(chain_core_pending_first(n->core, shard), UINT64_MAX);
}

static void give_up(struct node *n)
{
    chain_core_drop(n->core, SHARD);
    n->loaded = n->refused = n->appending = false;
    n->tenure++;
    n->valid_until = 0;
    memset(n->n_gathered, 0, sizeof(n->n_gathered));
}

static void gather(struct node *n, const struct numbered *e, unsigned trigger)
{
    n->gathered[trigger][n->n_gathered[trigger]++] = e->seq;
}

/* As the shard's next owner reads it: the streams are asked at their leader. */
static void load(struct node *n)
{
    give_up(n);
    n->loaded = true;
    n->event_last = S.event_seq;
    n->valid_until = S.now + BELIEF_MS;
    for (unsigned t = 0; t < TRIGGERS; t++) {
        uint64_t batched = 0;
        for (size_t i = 0; i < S.n_batches; i++)
            if (strcmp(S.batches[i].trigger_id, TRIGGER_IDS[t]) == 0)
                batched = S.batches[i].last;
        chain_core_load(n->core, SHARD, TRIGGER_IDS[t], batched);
        for (size_t i = 0; i < S.n_events; i++)
            if (S.events[i].seq > batched && (S.events[i].wanted & 1u << t) != 0)
                gather(n, &S.events[i], t);
    }
}

static void append_events(struct node *n)
{
    if (n->appending || S.now >= n->valid_until || S.n_events + 8 > MAX_EVENTS)
        return;
    struct flight *f = flight_new(n);
    f->is_event = true;
    f->expected = n->event_last;
    f->n_events = 1 + below(4);
    n->appending = true;
}

static void form(struct node *n, unsigned trigger)
{
    size_t count = n->n_gathered[trigger];
    uint8_t ids[32 * ID_PACKED_SIZE];
    if (count == 0)
        return;
    count = 1 + below(count < 32 ? count : 32);
    for (size_t i = 0; i < count; i++) {
        char id[ID_SIZE];
        id_encode(EVENT_ID_PREFIX, 0, n->gathered[trigger][i], id);
        assert_true(id_pack(EVENT_ID_PREFIX, slice_of(id, ID_LEN), ids + i * ID_PACKED_SIZE));
    }
    const struct batch_wire_item item = {.why = BATCH_SIZE,
                                         .last_seq = n->gathered[trigger][count - 1],
                                         .ids = slice_of(ids, count * ID_PACKED_SIZE),
                                         .name = SLICE_LIT("name"),
                                         .frames = SLICE_LIT("frames")};
    if (chain_core_append(n->core, TRIGGER_IDS[trigger], &PATH, &item) < 0)
        S.strange++;
    n->n_gathered[trigger] -= count;
    memmove(n->gathered[trigger], n->gathered[trigger] + count,
            n->n_gathered[trigger] * sizeof(uint64_t));
}

static void events_answered(struct node *n, const struct flight *f)
{
    if (f->tenure != n->tenure)
        return;
    n->appending = false;
    if (f->err == -EHOSTUNREACH)
        return;
    if (f->err < 0) { /* refused, or who knows: what there is is read again */
        give_up(n);
        return;
    }
    n->event_last = f->seq;
    for (size_t i = 0; i < S.n_events; i++)
        for (unsigned t = 0; t < TRIGGERS; t++)
            if (S.events[i].seq >> CLUSTER_SEQ_BITS == f->seq &&
                (S.events[i].wanted & 1u << t) != 0)
                gather(n, &S.events[i], t);
}

static void look_answered(const struct flight *f, struct node *n)
{
    struct batch_wire found = {.writer = NULL};
    struct slice writer = {0};
    if (f->err == 0) {
        const struct stored *b = &S.batches[f->seq - 1];
        bool lie = S.out == NO_LOOK;
        memcpy(found.trigger_id, b->trigger_id, sizeof(found.trigger_id));
        found.prev_seq = b->prev;
        found.last_seq = lie ? f->m->last_seq : b->last;
        writer = slice_str(lie ? n->writer : b->writer);
    }
    chain_core_looked(f->m, f->err, &found, writer, S.now);
}

static void answer(struct flight *f, int err)
{
    struct node *n = &S.nodes[f->node];
    struct flight copy = *f;
    copy.err = err;
    f->used = f->due != UINT64_MAX && !f->carried_out; /* it may still arrive */
    f->lost_answer = true;
    if (!f->used)
        buf_fini(&f->data);
    if (copy.is_event)
        events_answered(n, &copy);
    else if (copy.look)
        look_answered(&copy, n);
    else
        chain_core_sent(copy.m, err, copy.seq, err == 0 && copy.duplicate, S.now);
}

static void fly(struct flight *f)
{
    struct node *n = &S.nodes[f->node];
    bool waits = f->timeout != UINT64_MAX;
    if (!f->carried_out && S.now >= f->due) {
        f->carried_out = true;
        if (f->is_event)
            store_events(f);
        else if (!f->look)
            store_batch(f);
        f->due = S.now + 1 + below(20);
        if (!waits) {
            flight_end(f); /* nobody asks any more */
            return;
        }
    }
    if (!waits || n->stopped)
        return;
    if (f->carried_out && !f->lost_answer && S.now >= f->due) {
        answer(f, f->err);
    } else if (S.now >= f->timeout) {
        f->timeout = UINT64_MAX;
        answer(f, f->err == -EHOSTUNREACH ? f->err : chance(50) ? -ETIMEDOUT : -ENOTCONN);
    }
}

/* --- what happens --- */

/* A lease goes from one to the other, maybe while the first has not noticed. */
static void grant(struct node *n)
{
    if (n->stopped || n->loaded)
        return;
    load(n);
}

static void live(struct node *n)
{
    if (n->stopped)
        return;
    if (n->refused)
        give_up(n);
    if (!n->loaded)
        return;
    if (S.now >= n->valid_until) {
        give_up(n);
        return;
    }
    if (chance(30))
        append_events(n);
    for (unsigned t = 0; t < TRIGGERS; t++)
        if (chance(40))
            form(n, t);
    (void) chain_core_turn(n->core, S.now);
}

static bool only_owner(const struct node *n)
{
    for (size_t i = 0; i < NODES; i++)
        if (&S.nodes[i] != n && S.nodes[i].loaded && S.now < S.nodes[i].valid_until)
            return false;
    return n->loaded;
}

static void step(void)
{
    S.now += chance(3) && S.faults ? below(4000) : below(30);
    for (size_t i = 0; i < MAX_FLIGHTS; i++)
        if (S.flights[i].used)
            fly(&S.flights[i]);
    for (size_t i = 0; i < NODES; i++) {
        struct node *n = &S.nodes[i];
        if (only_owner(n) && !n->stopped)
            n->valid_until = S.now + BELIEF_MS;
        live(n);
    }
}

static void begin(uint64_t seed, enum fence out)
{
    memset(&S, 0, sizeof(S));
    S.rng = seed;
    S.now = 1000000;
    S.out = out;
    S.faults = true;
    for (size_t i = 0; i < NODES; i++) {
        struct node *n = &S.nodes[i];
        (void) snprintf(n->writer, sizeof(n->writer), "n%zu.1", i);
        n->core = chain_core_new(&(struct chain_core_port){.ctx = n,
                                                           .writer = n->writer,
                                                           .send = on_send,
                                                           .look = on_look,
                                                           .valid = is_valid,
                                                           .refused = on_refused,
                                                           .quiet = on_quiet});
    }
}

static void end(void)
{
    for (size_t i = 0; i < NODES; i++)
        chain_core_free(S.nodes[i].core);
    for (size_t i = 0; i < MAX_FLIGHTS; i++)
        if (S.flights[i].used)
            flight_end(&S.flights[i]);
}

static bool any_flight(void)
{
    for (size_t i = 0; i < MAX_FLIGHTS; i++)
        if (S.flights[i].used && S.flights[i].due != UINT64_MAX)
            return true;
    return false;
}

/* Everybody wakes, all that is on its way arrives, and then one owner ends what is left. */
static void settle(void)
{
    struct node *last = &S.nodes[0];
    S.faults = false;
    for (size_t i = 0; i < NODES; i++)
        S.nodes[i].stopped = false;
    for (unsigned i = 0; i < 5000 || any_flight(); i++) {
        for (size_t k = 1; k < NODES; k++)
            give_up(&S.nodes[k]);
        if (!last->loaded || last->event_last != S.event_seq) /* its next append would tell it */
            load(last);
        S.now += 10;
        for (size_t k = 0; k < MAX_FLIGHTS; k++)
            if (S.flights[k].used)
                fly(&S.flights[k]);
        for (unsigned t = 0; t < TRIGGERS; t++)
            form(last, t);
        last->valid_until = S.now + BELIEF_MS;
        if (last->refused)
            give_up(last);
        else
            (void) chain_core_turn(last->core, S.now);
    }
}

#endif
