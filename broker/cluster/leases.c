/* leases.c - which shards this node owns: lease_core.h carried out on the bucket. */
#include "cluster/leases.h"

#include "clock.h"
#include "cluster/lease_core.h"
#include "log.h"
#include "mem.h"

#include <stdio.h>
#include <stdlib.h>

#define TICKS       40 /* in a lease's time */
#define TICK_MIN_MS 20
#define CALL_PART   5 /* of it an answer may take so much */
#define CALL_MIN_MS 200
#define KEY_SIZE    8

struct lease_call {
    struct leases *leases;
    unsigned shard;
};

struct leases {
    struct cluster *cluster;
    struct members *members;
    struct leases_port port;
    struct lease_core *core;
    struct consumer *consumer;
    uv_timer_t tick, kick; /* kick: with the loop's next turn */
    unsigned handles;      /* to be closed */
    char bucket[CLUSTER_SUBJECT_SIZE];
    char holder[LEASE_HOLDER_SIZE];
    uint64_t ttl_ms;
    uint64_t stop_ms; /* no longer than that */
    void (*stopped)(void *arg);
    void *stopped_arg;
    struct lease_call call[CLUSTER_SHARDS];
};

/* --- what the bucket is asked --- */

static void key_of(unsigned shard, char ret[KEY_SIZE])
{
    (void) snprintf(ret, KEY_SIZE, "s%02x", shard);
}

static uint64_t call_ms(const struct leases *l)
{
    uint64_t ms = l->ttl_ms / CALL_PART;
    return ms > CALL_MIN_MS ? ms : CALL_MIN_MS;
}

static void turn(struct leases *l);

static void on_put(void *ctx, int err, const struct js_ack *ack)
{
    struct lease_call *call = ctx;
    struct leases *l = call->leases;
    lease_core_put(l->core, call->shard, err, err < 0 ? 0 : ack->seq, clock_boot_ms());
    turn(l);
}

static void on_deleted(void *ctx, int err, const struct js_ack *ack)
{
    struct lease_call *call = ctx;
    struct leases *l = call->leases;
    (void) ack;
    lease_core_gone(l->core, call->shard, err, clock_boot_ms());
    turn(l);
}

static void on_looked(void *ctx, int err, const struct js_msg *m)
{
    struct lease_call *call = ctx;
    struct leases *l = call->leases;
    lease_core_looked(l->core, call->shard, err, err < 0 ? (struct slice){0} : m->data,
                      err < 0 ? 0 : m->seq, clock_boot_ms());
    turn(l);
}

static void ask_put(void *ctx, unsigned shard, uint64_t revision)
{
    struct leases *l = ctx;
    char key[KEY_SIZE];
    key_of(shard, key);
    kv_put(l->cluster->js, l->bucket, key, slice_str(l->holder), revision, call_ms(l), on_put,
           &l->call[shard]);
}

static void ask_delete(void *ctx, unsigned shard, uint64_t revision)
{
    struct leases *l = ctx;
    char key[KEY_SIZE];
    key_of(shard, key);
    kv_delete(l->cluster->js, l->bucket, key, revision, call_ms(l), on_deleted, &l->call[shard]);
}

static void ask_look(void *ctx, unsigned shard)
{
    struct leases *l = ctx;
    char key[KEY_SIZE];
    key_of(shard, key);
    kv_get(l->cluster->js, l->bucket, key, on_looked, &l->call[shard]);
}

/* --- what the core tells --- */

static bool is_alive(void *ctx, const char *node)
{
    const struct leases *l = ctx;
    return members_alive(l->members, node);
}

static void say(enum log_level level, const char *what, unsigned shard, const char *why)
{
    struct log_line line;
    log_open(&line, level, "leases", what);
    log_u64(&line, "shard", shard);
    log_str(&line, "why", why);
    log_close(&line);
}

static void on_acquired(void *ctx, unsigned shard)
{
    struct leases *l = ctx;
    say(LOG_DEBUG, "a shard is ours", shard, NULL);
    l->port.acquired(l->port.ctx, shard);
}

static void on_lost(void *ctx, unsigned shard, const char *why)
{
    struct leases *l = ctx;
    say(LOG_WARN, "a shard is not ours any more", shard, why);
    l->port.lost(l->port.ctx, shard, why);
}

static void on_release(void *ctx, unsigned shard)
{
    struct leases *l = ctx;
    say(LOG_DEBUG, "another node should have a shard of ours", shard, NULL);
    l->port.release(l->port.ctx, shard);
}

/* --- what happens --- */

static void stop_if_done(struct leases *l)
{
    void (*done)(void *) = l->stopped;
    if (done == NULL || (!lease_core_stopped(l->core) && clock_boot_ms() < l->stop_ms))
        return;
    l->stopped = NULL;
    done(l->stopped_arg);
}

static void on_kick(uv_timer_t *timer)
{
    struct leases *l = timer->data;
    lease_core_turn(l->core, clock_boot_ms());
    stop_if_done(l);
}

/* Not from inside a callback: answers of one turn of the loop are acted on together. */
static void turn(struct leases *l)
{
    if (!uv_is_active((uv_handle_t *) &l->kick))
        (void) uv_timer_start(&l->kick, on_kick, 0, 0);
}

static void on_changed(void *ctx)
{
    struct leases *l = ctx;
    for (unsigned i = 0; i < CLUSTER_SHARDS; i++)
        lease_core_aim(l->core, i,
                       members_ours(l->members, i)               ? LEASE_OURS
                       : members_owner(l->members, i)[0] == '\0' ? LEASE_NOBODYS
                                                                 : LEASE_ANOTHERS);
    lease_core_settled(l->core, members_settled(l->members), clock_boot_ms());
    turn(l);
}

static bool shard_of_key(const char *key, unsigned *ret)
{
    char again[KEY_SIZE];
    unsigned shard;
    if (sscanf(key, "s%2x", &shard) != 1 || shard >= CLUSTER_SHARDS) /* NOLINT(cert-err34-c) */
        return false;
    key_of(shard, again);
    *ret = shard;
    return strcmp(key, again) == 0;
}

static void on_seen(void *ctx, const struct js_msg *m)
{
    struct leases *l = ctx;
    const char *key = kv_key(m, l->bucket);
    unsigned shard;
    if (key == NULL || !shard_of_key(key, &shard))
        return;
    lease_core_seen(l->core, shard, kv_deleted(m) ? (struct slice){0} : m->data, m->seq,
                    clock_boot_ms());
    turn(l);
}

static void on_current(void *ctx)
{
    struct leases *l = ctx;
    lease_core_current(l->core);
    turn(l);
}

/* --- its life --- */

struct leases *leases_new(struct cluster *c, struct members *m, const struct leases_port *port)
{
    struct leases *l = xcalloc(1, sizeof(*l));
    uint64_t seed;
    l->cluster = c;
    l->members = m;
    l->port = *port;
    l->ttl_ms = c->cfg->nats.lease_ttl_ms;
    cluster_name(c, l->bucket, "lease");
    (void) snprintf(l->holder, sizeof(l->holder), "%s.%s", c->node, c->nonce);
    memcpy(&seed, c->nonce, sizeof(seed));
    const struct lease_core_port core = {
        .ctx = l,
        .put = ask_put,
        .del = ask_delete,
        .look = ask_look,
        .alive = is_alive,
        .acquired = on_acquired,
        .lost = on_lost,
        .release = on_release,
    };
    l->core = lease_core_new(l->holder, l->ttl_ms, seed, &core);
    for (unsigned i = 0; i < CLUSTER_SHARDS; i++)
        l->call[i] = (struct lease_call){.leases = l, .shard = i};
    l->tick.data = l->kick.data = l;
    (void) uv_timer_init(c->loop, &l->tick); /* always 0 */
    (void) uv_timer_init(c->loop, &l->kick);
    l->handles = 2;
    return l;
}

void leases_start(struct leases *l)
{
    char stream[sizeof("KV_") + CLUSTER_SUBJECT_SIZE];
    uint64_t tick_ms = l->ttl_ms / TICKS;
    (void) snprintf(stream, sizeof(stream), "KV_%s", l->bucket);
    tick_ms = tick_ms > TICK_MIN_MS ? tick_ms : TICK_MIN_MS;
    members_watch(l->members, &(struct members_port){.ctx = l, .changed = on_changed});
    on_changed(l);
    l->consumer =
        consumer_new(l->cluster->js, &(struct consumer_options){.stream = stream,
                                                                .from = FROM_LAST_PER_SUBJECT,
                                                                .on_msg = on_seen,
                                                                .on_current = on_current,
                                                                .ctx = l});
    (void) uv_timer_start(&l->tick, on_kick, tick_ms, tick_ms);
}

void leases_released(struct leases *l, unsigned shard)
{
    lease_core_released(l->core, shard, clock_boot_ms());
    turn(l);
}

void leases_resign(struct leases *l, unsigned shard)
{
    lease_core_resign(l->core, shard, clock_boot_ms());
    turn(l);
}

bool leases_valid(const struct leases *l, unsigned shard)
{
    return lease_core_valid(l->core, shard, clock_boot_ms());
}

unsigned leases_n(const struct leases *l)
{
    return lease_core_n(l->core);
}

void leases_stop(struct leases *l, void (*done)(void *arg), void *arg)
{
    members_set_able(l->members, false);
    lease_core_stop(l->core);
    l->stop_ms = clock_boot_ms() + l->ttl_ms;
    l->stopped = done;
    l->stopped_arg = arg;
    turn(l);
}

static void on_closed(uv_handle_t *handle)
{
    struct leases *l = handle->data;
    if (--l->handles > 0)
        return;
    lease_core_free(l->core);
    free(l);
}

void leases_free(struct leases *l)
{
    if (l == NULL)
        return;
    consumer_free(l->consumer);
    uv_close((uv_handle_t *) &l->tick, on_closed);
    uv_close((uv_handle_t *) &l->kick, on_closed);
}
