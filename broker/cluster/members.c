/* members.c - the nodes that live: member_table.h kept by the bucket P_nodes. */
#include "cluster/members.h"

#include "clock.h"
#include "cluster/member_table.h"
#include "log.h"
#include "mem.h"

#include <stdio.h>
#include <stdlib.h>

#define PORTS         4
#define TICKS         40 /* in a lease's time */
#define TICK_MIN_MS   20
#define ANNOUNCE_PART 3
#define CALL_PART     5
#define CALL_MIN_MS   200
#define ENTRY_MAX     2048

struct members {
    struct cluster *cluster;
    struct members_port ports[PORTS];
    size_t n_ports;
    struct member_table *table;
    struct consumer *consumer;
    uv_timer_t tick, tell; /* tell: what has changed, with the loop's next turn */
    unsigned handles;      /* to be closed */
    char bucket[CLUSTER_SUBJECT_SIZE];
    uint64_t ttl_ms, started_ms;
    bool current, able, leaving, twin;
    bool announcing;      /* is under way */
    bool announced_able;  /* what it says */
    uint64_t sent_ms;     /* it was */
    uint64_t announce_ms; /* the next one is due */
    uint64_t revision;    /* of our entry; 0: none */
};

/* --- what has changed --- */

static void on_tell(uv_timer_t *timer)
{
    struct members *m = timer->data;
    for (size_t i = 0; i < m->n_ports; i++)
        if (m->ports[i].changed != NULL)
            m->ports[i].changed(m->ports[i].ctx);
}

static void say_twin(struct members *m)
{
    struct log_line l;
    bool twin = member_table_twin(m->table);
    if (twin == m->twin)
        return;
    m->twin = twin;
    m->announce_ms = 0;
    log_open(&l, twin ? LOG_ERROR : LOG_WARN, "members",
             twin ? "a newer process has this node's name: nothing is ours any more"
                  : "the newer process of this node's name is gone");
    log_str(&l, "node", m->cluster->node);
    log_close(&l);
}

static void note(struct members *m, bool changed)
{
    say_twin(m);
    if (changed && !uv_is_active((uv_handle_t *) &m->tell))
        (void) uv_timer_start(&m->tell, on_tell, 0, 0);
}

/* --- saying that we live --- */

static uint64_t call_ms(const struct members *m)
{
    uint64_t ms = m->ttl_ms / CALL_PART;
    return ms > CALL_MIN_MS ? ms : CALL_MIN_MS;
}

static void self_of(const struct members *m, struct engine_peer *ret)
{
    *ret = (struct engine_peer){.started_ms = m->started_ms};
    for (size_t i = 0; i < m->n_ports; i++)
        if (m->ports[i].self != NULL)
            m->ports[i].self(m->ports[i].ctx, ret);
    (void) snprintf(ret->node, sizeof(ret->node), "%s", m->cluster->node);
    ret->started_ms = m->started_ms;
    ret->self = true;
}

static void say_live(struct members *m);
static void say_gone(struct members *m);

static void on_announced(void *ctx, int err, const struct js_ack *ack)
{
    struct members *m = ctx;
    m->announcing = false;
    if (err == 0) {
        m->revision = ack->seq;
        note(m, member_table_announced(m->table, m->announced_able && m->able, m->sent_ms));
    } else {
        m->announce_ms = m->sent_ms + call_ms(m);
    }
    if (m->leaving)
        say_gone(m);
    else if (m->announced_able != m->able)
        say_live(m);
}

static void say_live(struct members *m)
{
    struct member_entry e = {.able = m->able};
    struct buf json;
    if (m->announcing || m->leaving || m->twin)
        return;
    self_of(m, &e.peer);
    (void) snprintf(e.nonce, sizeof(e.nonce), "%s", m->cluster->nonce);
    buf_init(&json, ENTRY_MAX);
    if (member_entry_write(&json, &e) == 0) {
        m->announcing = true;
        m->announced_able = m->able;
        m->sent_ms = clock_boot_ms();
        m->announce_ms = m->sent_ms + m->ttl_ms / ANNOUNCE_PART;
        kv_put(m->cluster->js, m->bucket, m->cluster->node, buf_slice(&json), JS_ANY, call_ms(m),
               on_announced, m);
    }
    buf_fini(&json);
}

static void on_left(void *ctx, int err, const struct js_ack *ack)
{
    (void) ctx;
    (void) err; /* it goes by itself as well */
    (void) ack;
}

/* By its revision: a newer process of our name may have put its own there. */
static void say_gone(struct members *m)
{
    if (m->revision == 0)
        return;
    kv_delete(m->cluster->js, m->bucket, m->cluster->node, m->revision, call_ms(m), on_left, m);
    m->revision = 0;
}

/* --- what the others say --- */

static void on_seen(void *ctx, const struct js_msg *msg)
{
    struct members *m = ctx;
    const char *key = kv_key(msg, m->bucket);
    struct member_entry e;
    if (key == NULL)
        return;
    bool own = strcmp(key, m->cluster->node) == 0;
    if (kv_deleted(msg)) {
        note(m, member_table_left(m->table, key, msg->seq));
    } else {
        if (member_entry_read(msg->data, &e) < 0 || strcmp(e.peer.node, key) != 0)
            return;
        own = own && strcmp(e.nonce, m->cluster->nonce) != 0;
        note(m, member_table_heard(m->table, &e, msg->seq, !m->current, clock_boot_ms()));
    }
    if (own && msg->seq > m->revision)
        m->announce_ms = 0; /* an older process of our name has overwritten or deleted it */
}

static void on_current(void *ctx)
{
    struct members *m = ctx;
    m->current = true;
    m->announce_ms = 0;
}

static void on_tick(uv_timer_t *timer)
{
    struct members *m = timer->data;
    uint64_t now = clock_boot_ms();
    note(m, member_table_turn(m->table, now));
    if (m->current && now >= m->announce_ms)
        say_live(m);
}

/* --- its life --- */

struct members *members_new(struct cluster *c)
{
    struct members *m = xcalloc(1, sizeof(*m));
    struct member_entry self = {.able = false};
    m->cluster = c;
    m->ttl_ms = c->cfg->nats.lease_ttl_ms;
    m->started_ms = clock_wall_ms();
    cluster_name(c, m->bucket, "nodes");
    self_of(m, &self.peer);
    (void) snprintf(self.nonce, sizeof(self.nonce), "%s", c->nonce);
    m->table = member_table_new(&self, m->ttl_ms);
    m->tick.data = m->tell.data = m;
    (void) uv_timer_init(c->loop, &m->tick); /* always 0 */
    (void) uv_timer_init(c->loop, &m->tell);
    m->handles = 2;
    return m;
}

void members_watch(struct members *m, const struct members_port *port)
{
    ASSERT(m->n_ports < PORTS);
    m->ports[m->n_ports++] = *port;
}

void members_start(struct members *m)
{
    char stream[sizeof("KV_") + CLUSTER_SUBJECT_SIZE];
    uint64_t tick_ms = m->ttl_ms / TICKS;
    (void) snprintf(stream, sizeof(stream), "KV_%s", m->bucket);
    tick_ms = tick_ms > TICK_MIN_MS ? tick_ms : TICK_MIN_MS;
    m->consumer =
        consumer_new(m->cluster->js, &(struct consumer_options){.stream = stream,
                                                                .from = FROM_LAST_PER_SUBJECT,
                                                                .on_msg = on_seen,
                                                                .on_current = on_current,
                                                                .ctx = m});
    (void) uv_timer_start(&m->tick, on_tick, tick_ms, tick_ms);
}

void members_set_able(struct members *m, bool able)
{
    if (m->able == able)
        return;
    m->able = able;
    if (!able)
        note(m, member_table_unable(m->table));
    if (m->current)
        say_live(m);
}

void members_leave(struct members *m)
{
    if (m->leaving)
        return;
    members_set_able(m, false);
    m->leaving = true;
    if (!m->announcing)
        say_gone(m);
}

size_t members_list(const struct members *m, struct engine_peer *ret, size_t cap)
{
    uint64_t boot = clock_boot_ms(), wall = clock_wall_ms();
    if (cap == 0)
        return 1 + member_table_others(m->table, NULL, 0);
    self_of(m, ret);
    ret->seen_ms = wall;
    size_t n = 1 + member_table_others(m->table, ret + 1, cap - 1);
    for (size_t i = 1; i < n && i < cap; i++)
        ret[i].seen_ms = wall - (boot - ret[i].seen_ms);
    return n;
}

const char *members_owner(const struct members *m, unsigned shard)
{
    return member_table_owner(m->table, shard);
}

bool members_ours(const struct members *m, unsigned shard)
{
    return member_table_ours(m->table, shard);
}

bool members_settled(const struct members *m)
{
    return member_table_settled(m->table);
}

bool members_alive(const struct members *m, const char *node)
{
    return member_table_alive(m->table, node);
}

static void on_closed(uv_handle_t *handle)
{
    struct members *m = handle->data;
    if (--m->handles > 0)
        return;
    member_table_free(m->table);
    free(m);
}

void members_free(struct members *m)
{
    if (m == NULL)
        return;
    consumer_free(m->consumer);
    uv_close((uv_handle_t *) &m->tick, on_closed);
    uv_close((uv_handle_t *) &m->tell, on_closed);
}
