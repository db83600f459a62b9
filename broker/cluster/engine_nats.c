/* engine_nats.c - the engine of several nodes: its parts, and what connects them. See cluster.h for
 * what is kept where.
 *
 * What a path's clients get goes through an embedded engine of our own, over a copy that is emptied
 * at each start: it places the messages, keeps them for who comes back, and reads them again. */
#include "cluster/engine_nats_private.h"
#include "cluster/set_aside.h"

#include "clock.h"
#include "log.h"
#include "mem.h"

#include <stdio.h>
#include <stdlib.h>

#define COPY_DIR       "cache" /* in data_dir */
#define RETRY_MS       2000    /* when the streams can be neither made nor used */
#define SETTLE_POLL_MS 10
#define LEFT_MS        500   /* for what was written last, when we go */
#define QUIET_MS       2000  /* so long without a connection nobody needs to know of */
#define HEALTHY_MS     15000 /* since all streams answered */

/* --- opening --- */

static void nats_engine_close(struct engine *e)
{
    if (e->cache != NULL)
        CACHE.close(e->cache);
    intake_close(e->intake);
    records_free(e->records);
    attempts_close(e->attempts);
    free(e);
}

/* --- the copy --- */

static int open_copy(struct engine *e)
{
    struct engine_options options = e->options;
    int n = snprintf(e->copy_dir, sizeof(e->copy_dir), "%s/" COPY_DIR, e->options.cfg->data_dir);
    if (n < 0 || (size_t) n >= sizeof(e->copy_dir))
        return -ENAMETOOLONG;
    options.copy_dir = e->copy_dir;
    options.cb = engine_nats_copy_callbacks(e);
    return CACHE.open(&options, &e->cache);
}

/* On a full disk, say, nothing is noted in this run. */
static void open_attempts(struct engine *e)
{
    int r = attempts_open(e->options.cfg->data_dir, &e->attempts);
    if (r < 0)
        log_error("engine", "cannot note what is being worked on", r);
}

static int nats_engine_open(const struct engine_options *options, struct engine **ret)
{
    struct engine *e = xcalloc(1, sizeof(*e));
    e->options = *options;
    cluster_init(&e->cluster, options->cfg, options->metrics);
    int r = intake_open(options->cfg, options->metrics, options->mailbox, &e->intake);
    if (r == 0)
        r = open_copy(e);
    if (r == 0)
        r = records_load(options->cfg, &e->records);
    if (r < 0) {
        nats_engine_close(e);
        return r;
    }
    open_attempts(e);
    *ret = e;
    return 0;
}

static int nats_engine_load_records(struct engine *e,
                                    void (*one)(void *, const struct engine_record *), void *ctx)
{
    records_each(e->records, one, ctx);
    return 0;
}

/* How far a trigger's batches are is asked when its shard is loaded. */
static int nats_engine_load_triggers(struct engine *e, const char *const *ids, size_t n,
                                     uint64_t *ret_last_seq)
{
    (void) ids;
    for (size_t i = 0; i < n; i++)
        ret_last_seq[i] = 0;
    return CACHE.load_triggers(e->cache, NULL, 0, NULL);
}

/* --- starting --- */

static void make_streams(struct engine *e);

static void on_retry(uv_timer_t *timer)
{
    make_streams(timer->data);
}

static void on_made(void *ctx, int err)
{
    struct engine *e = ctx;
    if (err < 0) {
        (void) uv_timer_start(&e->retry, on_retry, RETRY_MS, 0);
        return;
    }
    if (e->made)
        return;
    e->made = true;
    engine_nats_start_parts(e);
}

static void make_streams(struct engine *e)
{
    if (!e->made && !e->leaving && nats_connected(e->cluster.nats))
        streams_ensure(&e->cluster, on_made, e);
}

static void log_state(const struct engine *e, enum nats_state state, const char *why)
{
    struct log_line l;
    const struct nats_server *server = nats_server(e->cluster.nats);
    log_open(&l, state == NATS_CONNECTED ? LOG_INFO : LOG_WARN, "nats",
             state == NATS_CONNECTED   ? "connected"
             : state == NATS_LAME_DUCK ? "the server is going down: looking for another"
                                       : "not connected");
    if (state == NATS_CONNECTED) {
        log_str(&l, "server", server->name);
        log_str(&l, "address", server->address);
        log_str(&l, "version", server->version);
    }
    if (why != NULL && why[0] != '\0')
        log_str(&l, "reason", why);
    log_close(&l);
}

static void on_state(void *ctx, enum nats_state state, const char *why)
{
    struct engine *e = ctx;
    bool was_connected = e->disconnected_ms == 0;
    log_state(e, state, why);
    if (state == NATS_CONNECTED) {
        e->disconnected_ms = 0;
        (void) uv_timer_stop(&e->retry);
        if (e->made)
            streams_look(e->watch);
        else
            make_streams(e);
    } else if (state == NATS_CONNECTING && was_connected) {
        e->disconnected_ms = clock_mono_ms();
    }
}

static int connect_nats(struct engine *e, uv_loop_t *loop)
{
    const struct config *cfg = e->options.cfg;
    char name[96];
    (void) snprintf(name, sizeof(name), "regcast %s", e->cluster.node);
    const struct nats_options options = {
        .urls = (const char *const *) cfg->nats.urls.at,
        .n_urls = cfg->nats.urls.n,
        .user = cfg->nats.user,
        .password = cfg->nats.password,
        .token = cfg->nats.token,
        .ca_file = cfg->nats.ca_file,
        .cert_file = cfg->nats.cert_file,
        .key_file = cfg->nats.key_file,
        .name = name,
        .on_state = on_state,
        .ctx = e,
    };
    e->disconnected_ms = clock_mono_ms();
    int r = nats_new(loop, &options, &e->cluster.nats);
    if (r < 0)
        log_error("nats", "cannot be connected to", r);
    return r;
}

static int nats_engine_start(struct engine *e, uv_loop_t *loop)
{
    e->started_ms = clock_wall_ms();
    e->cluster.loop = loop;
    e->retry.data = e->poll.data = e;
    (void) uv_timer_init(loop, &e->retry); /* always 0, as the next */
    (void) uv_timer_init(loop, &e->poll);
    int r = CACHE.start(e->cache, loop);
    if (r == 0)
        r = connect_nats(e, loop);
    if (r == 0) {
        engine_nats_make_parts(e);
        e->started = true;
    }
    return r;
}

/* --- webhooks and events --- */

static int nats_engine_can_submit(const struct engine *e)
{
    return e->leaving ? -EAGAIN : intake_can_take(e->intake);
}

static void nats_engine_take(struct engine *e, unsigned shard, struct slice webhook,
                             void (*done)(void *arg, int err, const struct ingest_counts *counts),
                             void *arg)
{
    intake_take(e->intake, shard, webhook, done, arg);
}

static void nats_engine_submit(struct engine *e, const struct engine_submission *s)
{
    shards_submit(e->shards, s->shard, s);
}

/* What no chain takes is an operator's: a message once more, or a sample, whose event has no
 * number. What a chain cannot take is still in P_EV, so the shard is given up, and formed again by
 * whoever loads it: not from inside here, where its batches are being worked on. */
static int nats_engine_broadcast(struct engine *e, const struct engine_broadcast *b)
{
    if (b->trigger_id[0] == '\0' || b->message->last_seq == 0)
        return resends_send(e->resends, b);
    if (chains_append(e->chains, b) < 0)
        e->unsent |= UINT64_C(1) << b->shard;
    return 0;
}

static void give_up_unsent(struct engine *e)
{
    for (unsigned shard = 0; e->unsent != 0; shard++, e->unsent >>= 1) {
        if ((e->unsent & 1) == 0 || !shards_owned(e->shards, shard))
            continue;
        shards_lost(e->shards, shard, "its batches cannot be sent");
        leases_resign(e->leases, shard);
    }
}

static void nats_engine_withdraw(struct engine *e)
{
    (void) e; /* nothing is provisional here */
}

static void nats_engine_flush(struct engine *e)
{
    if (!e->started)
        return;
    give_up_unsent(e);
    shards_flush(e->shards);
    chains_flush(e->chains);
    CACHE.flush(e->cache);
}

static void nats_engine_change(struct engine *e, const struct engine_change *c)
{
    records_change(e->records, c);
}

static uint64_t nats_engine_submitted_seq(const struct engine *e)
{
    (void) e;
    return 0; /* numbers are each shard's own: what is before a change is in another way */
}

static void nats_engine_batched(struct engine *e, uint64_t seq)
{
    (void) e, (void) seq; /* marks say it, for each shard */
}

/* Of several machines only the wall clock means the same; that it goes back is kept from those who
 * reckon ages. */
static uint64_t nats_engine_now_ms(struct engine *e)
{
    uint64_t now = clock_wall_ms();
    e->now_ms = now > e->now_ms ? now : e->now_ms;
    return e->now_ms;
}

/* --- paths --- */

static void nats_engine_add_path(struct engine *e, struct path *path,
                                 void (*done)(void *arg, int err), void *arg)
{
    path_feed_add_path(e->feed, path);
    CACHE.add_path(e->cache, path, done, arg);
}

static void nats_engine_limit_path(struct engine *e, const struct path *path)
{
    CACHE.limit_path(e->cache, path);
}

static void nats_engine_follow(struct engine *e, struct path *path,
                               void (*done)(void *arg, int err), void *arg)
{
    if (e->made && e->started)
        path_feed_follow(e->feed, path, done, arg);
    else
        done(arg, -EAGAIN); /* there are no streams yet, or no more */
}

/* --- ending --- */

static void poll_settled(uv_timer_t *timer)
{
    struct engine *e = timer->data;
    if (shards_queued_bytes(e->shards) + chains_pending_bytes(e->chains) +
            resends_pending(e->resends) >
        0)
        return;
    struct settling *all = e->settling;
    e->settling = NULL;
    (void) uv_timer_stop(&e->poll); /* always 0 */
    for (struct settling *s = all, *next; s != NULL; s = next) {
        next = s->next;
        CACHE.settle(e->cache, s->done, s->arg);
        free(s);
    }
}

static void nats_engine_settle(struct engine *e, void (*done)(void *arg), void *arg)
{
    struct settling *s = xmalloc(sizeof(*s));
    *s = (struct settling){e->settling, done, arg};
    e->settling = s;
    (void) uv_timer_start(&e->poll, poll_settled, 0, SETTLE_POLL_MS);
}

static void on_outbox_empty(void *arg)
{
    struct engine *e = arg;
    e->intake_stopped = true;
    nats_engine_settle(e, e->left, e->left_arg);
}

static void on_leases_gone(void *arg)
{
    struct engine *e = arg;
    members_leave(e->members);
    intake_stop(e->intake, on_outbox_empty, e);
}

static void nats_engine_leave(struct engine *e, void (*done)(void *arg), void *arg)
{
    e->leaving = true;
    e->left = done;
    e->left_arg = arg;
    if (!e->made) {
        nats_engine_settle(e, done, arg);
        return;
    }
    members_set_able(e->members, false);
    leases_stop(e->leases, on_leases_gone, e);
}

static void on_stopped(void *arg)
{
    (void) arg; /* what is in the outbox is the next start's */
}

static void free_parts(struct engine *e)
{
    if (e->made && !e->intake_stopped)
        intake_stop(e->intake, on_stopped, e);
    peers_free(e->peers);
    e->peers = NULL;
    path_feed_free(e->feed);
    shards_free(e->shards);
    records_stop(e->records);
    resends_free(e->resends);
    chains_free(e->chains);
    leases_free(e->leases);
    members_free(e->members);
    streams_watch_free(e->watch);
    js_free(e->cluster.js);
    streams_forget(&e->cluster);
    intake_close(e->intake);
    e->intake = NULL;
    nats_close(e->cluster.nats, LEFT_MS);
    uv_close((uv_handle_t *) &e->retry, NULL);
    uv_close((uv_handle_t *) &e->poll, NULL);
    for (struct settling *s = e->settling, *next; s != NULL; s = next) {
        next = s->next;
        free(s);
    }
    e->settling = NULL;
}

static void nats_engine_stop(struct engine *e)
{
    if (!e->started)
        return;
    e->started = false;
    e->leaving = true;
    free_parts(e);
    CACHE.stop(e->cache);
}

/* --- the rest --- */

static void nats_engine_set_aside(struct engine *e, struct event *event, const char *why,
                                  bool provisional)
{
    (void) provisional;
    set_aside_event(e->records, event, why);
    metrics_add(e->options.metrics, M_DEAD_LETTERS, 1);
}

static struct trial *nats_engine_trial(struct engine *e)
{
    return attempts_trial(e->attempts);
}

static bool nats_engine_suspect(const struct engine *e, uint64_t hash)
{
    return attempts_exhausted(e->attempts, hash);
}

static struct history *nats_engine_history(struct engine *e)
{
    return CACHE.history(e->cache);
}

static void nats_engine_stats(struct engine *e, struct engine_stats *ret)
{
    CACHE.stats(e->cache, ret);
    if (ret->cluster != NULL)
        engine_nats_cluster_stats(e, ret->cluster);
}

static const char *why_not_ready(const struct engine *e)
{
    uint64_t now = clock_mono_ms();
    if (e->leaving)
        return "it is going down";
    if (!e->made)
        return "the streams are not there yet";
    if (e->disconnected_ms != 0 && now - e->disconnected_ms > QUIET_MS)
        return "no nats-server can be reached";
    if (now - streams_healthy_ms(e->watch) > HEALTHY_MS)
        return "the streams do not answer";
    if (intake_can_take(e->intake) < 0)
        return "the outbox is full or cannot be written";
    return NULL;
}

static void nats_engine_health(struct engine *e, struct engine_health *ret)
{
    const char *why = e->started ? why_not_ready(e) : "it is starting";
    *ret = (struct engine_health){.ready = why == NULL, .why = why};
}

const struct engine_ops ENGINE_NATS = {
    .name = "nats",
    .open = nats_engine_open,
    .shards = CLUSTER_SHARDS,
    .load_records = nats_engine_load_records,
    .load_triggers = nats_engine_load_triggers,
    .start = nats_engine_start,
    .leave = nats_engine_leave,
    .stop = nats_engine_stop,
    .close = nats_engine_close,
    .can_submit = nats_engine_can_submit,
    .submit = nats_engine_submit,
    .waits = true,
    .take = nats_engine_take,
    .broadcast = nats_engine_broadcast,
    .withdraw = nats_engine_withdraw,
    .flush = nats_engine_flush,
    .settle = nats_engine_settle,
    .change = nats_engine_change,
    .add_path = nats_engine_add_path,
    .limit_path = nats_engine_limit_path,
    .follow = nats_engine_follow,
    .submitted_seq = nats_engine_submitted_seq,
    .batched = nats_engine_batched,
    .now_ms = nats_engine_now_ms,
    .set_aside = nats_engine_set_aside,
    .trial = nats_engine_trial,
    .suspect = nats_engine_suspect,
    .history = nats_engine_history,
    .stats = nats_engine_stats,
    .health = nats_engine_health,
    .peers = &ENGINE_NATS_PEERS,
};
