/* chain.c - batches on their way into P_BAT: chain_core.h carried out on the stream. */
#include "cluster/chain.h"

#include "clock.h"
#include "cluster/chain_core.h"
#include "log.h"
#include "mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define RETRY_TICK_MS 20
#define SEND_MS       2500
#define SAY_MS        1000
#define HEADERS_MAX   512
#define MSG_ID_SIZE   (ID_SIZE + 21)
#define WRITER_SIZE   96

struct chains {
    struct cluster *cluster;
    struct leases *leases;
    struct chains_port port;
    struct chain_core *core;
    uv_timer_t turn;
    char stream[CLUSTER_SUBJECT_SIZE];
    char writer[WRITER_SIZE];
    struct buf headers;
    uint64_t said_ms; /* that something could not be stored */
};

/* --- sending --- */

static void say_trouble(struct chains *cs, const struct chain_message *m, int err)
{
    struct log_line l;
    uint64_t now = clock_mono_ms();
    if (cs->said_ms != 0 && now - cs->said_ms < SAY_MS)
        return;
    cs->said_ms = now;
    log_open(&l, err == -ENOSPC ? LOG_ERROR : LOG_WARN, "chain",
             err == -ENOSPC ? "the stream of batches is full: they wait"
                            : "a batch could not be stored; it is sent again");
    log_str(&l, "trigger", m->trigger_id);
    log_u64(&l, "attempts", m->attempts);
    log_u64(&l, "pending_bytes", chain_core_pending_bytes(cs->core));
    log_str(&l, "error", err_str(err));
    log_close(&l);
}

static void on_turn(uv_timer_t *timer)
{
    struct chains *cs = timer->data;
    if (chain_core_turn(cs->core, clock_boot_ms()))
        (void) uv_timer_start(&cs->turn, on_turn, RETRY_TICK_MS, 0);
}

/* With the loop's next turn: what one turn's answers let go goes together. */
static void turn_soon(struct chains *cs)
{
    (void) uv_timer_start(&cs->turn, on_turn, 0, 0);
}

static void on_ack(void *ctx, int err, const struct js_ack *ack)
{
    struct chain_message *m = ctx;
    struct chains *cs = m->ctx;
    if (cs != NULL && err < 0)
        say_trouble(cs, m, err);
    chain_core_sent(m, err, err < 0 ? 0 : ack->seq, err == 0 && ack->duplicate, clock_boot_ms());
    if (cs != NULL)
        turn_soon(cs);
}

static void on_found(void *ctx, int err, const struct js_msg *found)
{
    struct chain_message *m = ctx;
    struct chains *cs = m->ctx;
    struct batch_wire wire = {.writer = NULL};
    struct slice writer = {0};
    if (err == 0 && batch_wire_read_headers(found->headers, &wire, &writer) < 0)
        writer = (struct slice){0}; /* nobody's: not ours */
    chain_core_looked(m, err, &wire, writer, clock_boot_ms());
    if (cs != NULL)
        turn_soon(cs);
}

static void put(void *ctx, struct chain_message *m)
{
    struct chains *cs = ctx;
    char subject[CLUSTER_SUBJECT_SIZE], msg_id[MSG_ID_SIZE];
    struct batch_wire w = {.prev_seq = m->prev_seq, .last_seq = m->last_seq, .writer = cs->writer};
    memcpy(w.trigger_id, m->trigger_id, sizeof(w.trigger_id));
    cluster_path_subject(cs->cluster, subject, "bat", m->path->name);
    (void) snprintf(msg_id, sizeof(msg_id), "%s@%" PRIu64, m->trigger_id, m->prev_seq);
    buf_clear(&cs->headers);
    int r = batch_wire_put_headers(&cs->headers, &w);
    ASSERT(r == 0);
    js_publish(cs->cluster->js,
               &(struct js_publish){.subject = subject,
                                    .msg_id = msg_id,
                                    .last_subject_seq = JS_ANY,
                                    .last_seq = JS_ANY,
                                    .headers = buf_slice(&cs->headers),
                                    .data = buf_slice(&m->data),
                                    .timeout_ms = SEND_MS},
               on_ack, m);
}

static void look(void *ctx, struct chain_message *m, uint64_t seq)
{
    struct chains *cs = ctx;
    js_get(cs->cluster->js, cs->stream, seq, on_found, m);
}

static bool valid(void *ctx, unsigned shard)
{
    const struct chains *cs = ctx;
    return nats_connected(cs->cluster->nats) && leases_valid(cs->leases, shard);
}

static void refused(void *ctx, unsigned shard)
{
    struct chains *cs = ctx;
    struct log_line l;
    log_open(&l, LOG_WARN, "chain", "another node has gone on with a shard's batches");
    log_u64(&l, "shard", shard);
    log_close(&l);
    cs->port.refused(cs->port.ctx, shard);
}

static void quiet(void *ctx, unsigned shard)
{
    struct chains *cs = ctx;
    cs->port.quiet(cs->port.ctx, shard);
}

/* --- its life --- */

struct chains *chains_new(struct cluster *c, struct leases *l, const struct chains_port *port)
{
    struct chains *cs = xcalloc(1, sizeof(*cs));
    uint8_t *room;
    cs->cluster = c;
    cs->leases = l;
    cs->port = *port;
    cluster_name(c, cs->stream, "BAT");
    (void) snprintf(cs->writer, sizeof(cs->writer), "%s.%s", c->node, c->nonce);
    buf_init_owed(&cs->headers, HEADERS_MAX);
    int r = buf_reserve(&cs->headers, HEADERS_MAX, &room); /* once for all */
    ASSERT(r == 0);
    const struct chain_core_port core = {
        .ctx = cs,
        .writer = cs->writer,
        .send = put,
        .look = look,
        .valid = valid,
        .refused = refused,
        .quiet = quiet,
    };
    cs->core = chain_core_new(&core);
    cs->turn.data = cs;
    (void) uv_timer_init(c->loop, &cs->turn); /* always 0 */
    return cs;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void chains_free(struct chains *cs)
{
    if (cs == NULL)
        return;
    chain_core_free(cs->core);
    buf_fini(&cs->headers);
    uv_close((uv_handle_t *) &cs->turn, on_closed);
}

/* --- what the owner of shards asks --- */

void chains_load(struct chains *cs, unsigned shard, const char *trigger_id, uint64_t batched_seq)
{
    chain_core_load(cs->core, shard, trigger_id, batched_seq);
}

int chains_append(struct chains *cs, const struct engine_broadcast *b)
{
    const struct batch_wire_item item = {
        .why = b->message->why,
        .last_seq = b->message->last_seq,
        .ids = b->message->ids,
        .name = slice_str(b->trigger_name),
        .frames = b->frames,
    };
    return chain_core_append(cs->core, b->trigger_id, b->path, &item);
}

void chains_flush(struct chains *cs)
{
    on_turn(&cs->turn);
}

void chains_drop(struct chains *cs, unsigned shard)
{
    chain_core_drop(cs->core, shard);
}

void chains_drop_trigger(struct chains *cs, const char *trigger_id)
{
    chain_core_drop_trigger(cs->core, trigger_id);
}

uint64_t chains_pending_first(const struct chains *cs, unsigned shard)
{
    return chain_core_pending_first(cs->core, shard);
}

void chains_marks(const struct chains *cs, unsigned shard,
                  void (*one)(void *ctx, const char *trigger_id, uint64_t stored_seq), void *ctx)
{
    chain_core_marks(cs->core, shard, one, ctx);
}

uint64_t chains_stored(const struct chains *cs)
{
    return chain_core_stored(cs->core);
}

uint64_t chains_pending_bytes(const struct chains *cs)
{
    return chain_core_pending_bytes(cs->core);
}
