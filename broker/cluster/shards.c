/* shards.c - which shards this node owns, their states, and what time brings. */
#include "cluster/shard_private.h"

#include <stdlib.h>

#define FIRST_BACKOFF_MS 100
#define LAST_BACKOFF_MS  5000
#define LOADING_AT_ONCE  8

/* --- calls --- */

static struct shard_call *call_new(struct shard *sh)
{
    struct shard_call *call = xcalloc(1, sizeof(*call));
    call->shard = sh;
    call->run = sh->run;
    list_push(&sh->all->calls, &call->in_shards);
    return call;
}

struct shard_call *shard_call_ack(struct shard *sh,
                                  void (*then)(struct shard *, int, const struct js_ack *))
{
    struct shard_call *call = call_new(sh);
    call->then.ack = then;
    return call;
}

struct shard_call *shard_call_msg(struct shard *sh,
                                  void (*then)(struct shard *, int, const struct js_msg *))
{
    struct shard_call *call = call_new(sh);
    call->then.msg = then;
    return call;
}

struct shard_call *shard_call_done(struct shard *sh, void (*then)(struct shard *, int))
{
    struct shard_call *call = call_new(sh);
    call->then.done = then;
    return call;
}

struct shard_call *shard_call_stream(struct shard *sh,
                                     void (*then)(struct shard *, int, const struct js_stream *))
{
    struct shard_call *call = call_new(sh);
    call->then.stream = then;
    return call;
}

/* Whether anybody still wants to know; the call is gone. */
static bool call_ended(void *ctx, struct shard_call *ret)
{
    struct shard_call *call = ctx;
    *ret = *call;
    list_remove(&call->in_shards);
    free(call);
    return ret->run == ret->shard->run;
}

void shard_on_ack(void *ctx, int err, const struct js_ack *ack)
{
    struct shard_call call;
    if (call_ended(ctx, &call))
        call.then.ack(call.shard, err, ack);
}

void shard_on_msg(void *ctx, int err, const struct js_msg *m)
{
    struct shard_call call;
    if (call_ended(ctx, &call))
        call.then.msg(call.shard, err, m);
}

void shard_on_done(void *ctx, int err)
{
    struct shard_call call;
    if (call_ended(ctx, &call))
        call.then.done(call.shard, err);
}

void shard_on_stream(void *ctx, int err, const struct js_stream *s)
{
    struct shard_call call;
    if (call_ended(ctx, &call))
        call.then.stream(call.shard, err, s);
}

/* --- states --- */

void shard_log(const struct shard *sh, enum log_level level, const char *what, int err)
{
    struct log_line l;
    log_open(&l, level, "shard", what);
    log_u64(&l, "shard", sh->index);
    if (err < 0)
        log_str(&l, "error", err_str(err));
    log_close(&l);
}

#define TO(s) (1u << (s))
static const struct {
    const char *name;
    unsigned next;
} STATES[SHARD_N_STATES] = {
    [SHARD_NONE] = {"none", TO(SHARD_WAITING)},
    [SHARD_WAITING] = {"waiting", TO(SHARD_LOADING) | TO(SHARD_NONE)},
    [SHARD_LOADING] = {"loading", TO(SHARD_OPEN) | TO(SHARD_WAITING) | TO(SHARD_NONE)},
    [SHARD_OPEN] = {"open", TO(SHARD_LEAVING) | TO(SHARD_WAITING) | TO(SHARD_NONE)},
    [SHARD_LEAVING] = {"leaving", TO(SHARD_WAITING) | TO(SHARD_NONE)},
};

void shard_set_state(struct shard *sh, enum shard_state next)
{
    ASSERT((STATES[sh->state].next & TO(next)) != 0);
    struct log_line l;
    log_open(&l, LOG_DEBUG, "shard", "state");
    log_u64(&l, "shard", sh->index);
    log_str(&l, "from", STATES[sh->state].name);
    log_str(&l, "to", STATES[next].name);
    log_close(&l);
    sh->all->loading -= sh->state == SHARD_LOADING;
    sh->all->loading += next == SHARD_LOADING;
    sh->state = next;
}

bool shard_is_open(const struct shard *sh)
{
    return sh->state == SHARD_OPEN || sh->state == SHARD_LEAVING;
}

uint64_t shard_backoff(struct shard *sh)
{
    uint64_t ms = (uint64_t) FIRST_BACKOFF_MS << (sh->failures < 6 ? sh->failures : 6);
    sh->failures++;
    return clock_mono_ms() + (ms < LAST_BACKOFF_MS ? ms : LAST_BACKOFF_MS);
}

/* Nothing of it is left but that it may be ours; whoever is told of a refusal finds it so. */
static void forget(struct shard *sh, enum shard_state next, int err)
{
    const bool open = shard_is_open(sh);
    const struct engine_callbacks *cb = &sh->all->cb;
    shard_set_state(sh, next);
    sh->run++;
    shard_load_fini(sh);
    shard_feed_stop(sh);
    if (open) {
        shard_append_drop(sh, err);
        shard_feed_drop(sh);
        chains_drop(sh->all->chains, sh->index);
        cb->close_shard(cb->ctx, sh->index);
        sh->catalog = NULL; /* were the ingest's */
        sh->seen = NULL;
    }
    shard_mark_fini(sh);
    shard_snapshot_fini(sh);
    shard_state_free(sh);
}

void shard_drop(struct shard *sh, const char *why, int err, bool resign)
{
    if (sh->state == SHARD_NONE || sh->state == SHARD_WAITING)
        return; /* in the middle of that */
    shard_log(sh, LOG_WARN, why, err);
    forget(sh, resign ? SHARD_NONE : SHARD_WAITING, -EAGAIN);
    sh->retry_ms = shard_backoff(sh);
    if (resign)
        leases_resign(sh->all->leases, sh->index);
}

/* --- leases --- */

void shards_acquired(struct shards *s, unsigned shard)
{
    struct shard *sh = &s->at[shard];
    if (sh->state != SHARD_NONE)
        forget(sh, SHARD_NONE, -EAGAIN); /* somebody else may have had it meanwhile */
    shard_set_state(sh, SHARD_WAITING);
    sh->failures = 0;
    sh->retry_ms = 0;
    if (s->loading < LOADING_AT_ONCE)
        shard_load(sh);
}

void shards_lost(struct shards *s, unsigned shard, const char *why)
{
    struct shard *sh = &s->at[shard];
    if (sh->state == SHARD_NONE)
        return;
    struct log_line l;
    log_open(&l, LOG_WARN, "shard", "the lease is lost");
    log_u64(&l, "shard", shard);
    log_str(&l, "why", why);
    log_close(&l);
    forget(sh, SHARD_NONE, -EAGAIN);
}

static void release(struct shard *sh)
{
    shard_log(sh, LOG_DEBUG, "released", 0);
    forget(sh, SHARD_NONE, -EAGAIN);
    leases_released(sh->all->leases, sh->index);
}

/* Everything that was begun here has ended: the next owner begins behind it. */
static void go_on_leaving(struct shard *sh)
{
    const struct shards *s = sh->all;
    if (!list_empty(&sh->fed) || !list_empty(&sh->messages) || sh->reading != NULL)
        return;
    s->cb.flush_shard(s->cb.ctx, sh->index);
    chains_flush(s->chains);
    if (sh->state == SHARD_LEAVING && chains_pending_first(s->chains, sh->index) == UINT64_MAX &&
        list_empty(&sh->messages))
        release(sh);
}

void shards_release(struct shards *s, unsigned shard)
{
    struct shard *sh = &s->at[shard];
    if (sh->state == SHARD_NONE) {
        leases_released(s->leases, shard);
    } else if (sh->state != SHARD_OPEN) {
        if (sh->state != SHARD_LEAVING)
            release(sh);
    } else {
        shard_set_state(sh, SHARD_LEAVING);
        shard_feed_stop(sh);
        go_on_leaving(sh);
    }
}

void shards_quiet(struct shards *s, unsigned shard)
{
    if (s->at[shard].state == SHARD_LEAVING)
        go_on_leaving(&s->at[shard]);
}

void shards_refused(struct shards *s, unsigned shard)
{
    shard_drop(&s->at[shard], "another node has gone on with its batches", 0, true);
}

void shards_regressed(struct shards *s)
{
    for (unsigned i = 0; i < CLUSTER_SHARDS; i++)
        shard_drop(&s->at[i], "a stream has less than it had: it is loaded again", 0, false);
}

/* --- time --- */

static void tick(struct shard *sh, uint64_t now_ms)
{
    switch (sh->state) {
    case SHARD_NONE:
    case SHARD_N_STATES:
        break;
    case SHARD_WAITING:
        if (now_ms >= sh->retry_ms && sh->all->loading < LOADING_AT_ONCE &&
            leases_valid(sh->all->leases, sh->index))
            shard_load(sh);
        break;
    case SHARD_LOADING:
        shard_load_tick(sh, now_ms);
        break;
    case SHARD_OPEN:
        shard_append_tick(sh, now_ms);
        if (sh->state == SHARD_OPEN)
            shard_feed_tick(sh, now_ms);
        if (sh->state == SHARD_OPEN)
            shard_snapshot_tick(sh, now_ms);
        if (sh->state == SHARD_OPEN)
            shard_mark_tick(sh, now_ms);
        break;
    case SHARD_LEAVING:
        shard_append_tick(sh, now_ms);
        if (sh->state == SHARD_LEAVING)
            go_on_leaving(sh);
        break;
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct shards *s = timer->data;
    uint64_t now_ms = clock_mono_ms();
    shard_scan_tick(s->scan, now_ms);
    for (unsigned i = 0; i < CLUSTER_SHARDS; i++)
        tick(&s->at[i], now_ms);
}

/* Records have been applied. */
static void on_records(void *ctx)
{
    struct shards *s = ctx;
    for (unsigned i = 0; i < CLUSTER_SHARDS; i++) {
        struct shard *sh = &s->at[i];
        if (sh->state == SHARD_LOADING)
            shard_load_tick(sh, clock_mono_ms());
        else if (sh->state == SHARD_OPEN)
            shard_feed_watch(sh);
    }
}

struct known {
    const char *id;
    bool known;
};
static void on_known(void *ctx, const char *trigger_id, uint64_t stored_seq)
{
    struct known *k = ctx;
    (void) stored_seq;
    k->known = k->known || strcmp(trigger_id, k->id) == 0;
}

/* A trigger that is new has no batch before its first; one that was deleted goes on behind those
 * that are still in the stream. */
static void on_trigger(void *ctx, unsigned shard, const char *trigger_id)
{
    struct shards *s = ctx;
    struct known k = {.id = trigger_id};
    if (!shard_is_open(&s->at[shard]))
        return;
    chains_marks(s->chains, shard, on_known, &k);
    if (k.known)
        return;
    chains_drop_trigger(s->chains, trigger_id); /* of another shard */
    chains_load(s->chains, shard, trigger_id, 0);
}

static bool on_is_owned(void *ctx, unsigned shard)
{
    return shards_owned(ctx, shard);
}

/* --- life --- */

struct shards *shards_new(struct cluster *c, struct leases *leases, struct chains *chains,
                          struct records *records, const struct engine_callbacks *cb)
{
    struct shards *s = xcalloc(1, sizeof(*s));
    s->c = c;
    s->leases = leases;
    s->chains = chains;
    s->records = records;
    s->cb = *cb;
    s->mark_ms = SHARD_MARK_MS;
    s->snapshot_bytes = SHARD_SNAPSHOT_BYTES;
    list_init(&s->calls);
    for (unsigned i = 0; i < CLUSTER_SHARDS; i++) {
        struct shard *sh = &s->at[i];
        sh->all = s;
        sh->index = i;
        list_init(&sh->held);
        list_init(&sh->fed);
        list_init(&sh->messages);
        list_init(&sh->snapshot.chunks);
    }
    s->scan = shard_scan_new(s);
    const struct records_watch watch = {s, on_records, on_trigger, on_is_owned};
    records_watch(records, &watch);
    s->tick.data = s;
    (void) uv_timer_init(c->loop, &s->tick); /* always 0, as the next */
    (void) uv_timer_start(&s->tick, on_tick, SHARD_TICK_MS, SHARD_TICK_MS);
    return s;
}

static void on_tick_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void shards_free(struct shards *s)
{
    if (s == NULL)
        return;
    records_watch(s->records, NULL);
    for (unsigned i = 0; i < CLUSTER_SHARDS; i++)
        if (s->at[i].state != SHARD_NONE)
            forget(&s->at[i], SHARD_NONE, -EAGAIN);
    LIST_FOREACH_SAFE (it, &s->calls)
        free(LIST_ENTRY(it, struct shard_call, in_shards));
    shard_scan_free(s->scan);
    uv_close((uv_handle_t *) &s->tick, on_tick_closed);
}

uint64_t shards_queued_bytes(const struct shards *s)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < CLUSTER_SHARDS; i++)
        bytes += s->at[i].queued_bytes;
    return bytes;
}

bool shards_owned(const struct shards *s, unsigned shard)
{
    return shard_is_open(&s->at[shard]);
}
