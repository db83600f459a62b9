/* server_bed.h - the whole server on mock_net.h: a worker of the gateway, the front with webhooks,
 * REST and gRPC, the pipeline on the engine in memory; and clients whose witnesses check what they
 * are sent. Everything is made anew for each input, so that a run depends on nothing but it.
 *
 * What is broadcast is written down by the wake that follows each append: a client on a path must
 * get these messages in this order, each at most once, and without a gap where the path's policy is
 * to close the slow. */
#ifndef TESTS_FUZZ_SERVER_BED_H
#define TESTS_FUZZ_SERVER_BED_H

#include "mock_net.h"

#include "config_text.h"
#include "deflater.h"
#include "frame.h"
#include "gate.h"
#include "log.h"
#include "manage.h"
#include "mem.h"
#include "path.h"
#include "pipeline.h"
#include "witness.h"
#include "worker.h"

#define BED_PATHS    5
#define BED_PEERS    24 /* in one run */
#define BED_LEDGER   4096
#define BED_TURNS    64    /* until nothing moves any more */
#define BED_STEP_MS  100   /* of time, while the server goes down, */
#define BED_END_MS   20000 /* which must not take longer */
#define BED_REGISTRY "crtregistry000000001"

#define BED_PATH_ECHO 1

/* `secured`: with users, roles and tokens; else whoever comes may do everything. */
static const char BED_CONFIG[] =
    "engine: memory\n"
    "gateway:\n"
    "  id: d5d\n"
    "  listen: ['127.0.0.1:0']\n"
    "  workers: 1\n"
    "  max_connections: 9\n"
    "  max_half_open: 6\n"
    "  max_address_connections: 5\n"
    "  handshake_timeout: 5s\n"
    "  idle_timeout: 10m\n"
    "  max_lifetime: 1h\n"
    "  drain_timeout: 500ms\n"
    "  close_timeout: 1s\n"
    "  max_fragments: 8\n"
    "  deflate: true\n"
    "  deflate_level: 1\n"
    "  deflate_min_bytes: 64\n"
    "  proxy_protocol_from: [10.9.0.0/16]\n"
    "  trusted_proxies: [10.8.0.0/16]\n"
    "  defaults: {max_message_bytes: 8192, max_frame_bytes: 2048, max_lag_bytes: 64KiB}\n"
    "  paths:\n"
    "    - /\n"
    "    - {path: /echo, inbound: echo}\n"
    "    - {path: /reject, inbound: reject, max_connections: 2}\n"
    "    - {path: '/teams/{team}', slow_consumer: skip, max_lag_bytes: 4096}\n"
    "    - {path: /secret, auth: token, allowed_origins: ['https://ok.example']}\n"
    "  auth:\n"
    "    query: true\n"
    "    tokens: [{subject: t, sha256: "
    "36fa28ab40d0861c7c51b73de4aeb9b3e5d6fb7944149c137304c0c1b7b11d11, expires_at: 2033-01-01}]\n"
    "webhooks: {max_body_bytes: 4096, max_inflight_bytes: 6000, max_connections: 6}\n"
    "management: {max_body_bytes: 4096, max_connections: 6, grpc_listen: ['127.0.0.1:0']}\n"
    "registries: [{id: " BED_REGISTRY "}]\n"
    "service_accounts: [{id: aje, roles: [api-gateway.websocketBroadcaster]}]\n"
    "dedup: {max_ids: 1000}\n"
    "catalog: {max_images: 20, max_tags: 20}\n"
    "triggers:\n"
    "  - name: all\n"
    "    rule: {container_registry: {event_type: [CREATE_IMAGE, DELETE_IMAGE, CREATE_IMAGE_TAG,"
    " DELETE_IMAGE_TAG], registry_id: " BED_REGISTRY ", gateway_websocket_broadcast:"
    " {gateway_id: d5d, path: /, service_account_id: aje}}}\n"
    "  - name: tags\n"
    "    rule: {container_registry: {event_type: [CREATE_IMAGE_TAG], registry_id: " BED_REGISTRY
    ", batch_settings: {size: 3, cutoff: 2s}, gateway_websocket_broadcast:"
    " {gateway_id: d5d, path: '/teams/{team}', service_account_id: aje}}}\n";
static const char BED_CONFIG_SECURED[] =
    "users: [{id: alice, roles: [admin]}, {id: bob, roles: [functions.viewer]}]\n"
    "tokens: [{subject: alice, sha256: "
    "36fa28ab40d0861c7c51b73de4aeb9b3e5d6fb7944149c137304c0c1b7b11d11}]\n";

struct bed_client {
    struct mock_peer peer; /* first: on_written() finds us by it */
    struct witness witness;
    enum metrics_listener role;
    bool open;
    size_t path;         /* while open */
    size_t next;         /* of the path's ledger: nothing before it may come */
    bool exact;          /* what comes is at `next` */
    unsigned n_answers;  /* but 1xx */
    uint64_t n_accepted; /* events, by what the answers say */
};

struct bed_ledger {
    struct pathlog_reader *reader;
    uint64_t position;
    size_t n, n_events;
    uint64_t hashes[BED_LEDGER];
};

static struct {
    struct config *cfg; /* one of the next two */
    struct config *open_cfg, *secured_cfg;
    struct shared shared;
    struct worker worker, front;
    int fds[LISTENER_N];
    struct deflater *deflater;
    struct bed_ledger ledgers[BED_PATHS];
    struct bed_client clients[BED_PEERS];
    size_t n_clients;
    uint64_t n_written; /* bytes, to all clients */
    uint8_t messages[BED_PEERS][WITNESS_MESSAGE_MAX];
    bool drained; /* the pipeline */
    bool down;
} bed;

/* --- what is broadcast --- */

static inline uint64_t bed_hash(struct slice s)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ s.data[i]) * 0x100000001b3u;
    return h;
}

static inline size_t bed_count(struct slice s, const char *what)
{
    size_t n = 0, len = strlen(what);
    for (const uint8_t *at = s.data, *end = at + s.len;
         at != NULL && (at = memmem(at, (size_t) (end - at), what, len)) != NULL; at += len)
        n++;
    return n;
}

static inline void bed_note(struct bed_ledger *l, struct slice frames)
{
    struct buf message;
    uint8_t first;
    struct slice payload;
    buf_init(&message, WITNESS_MESSAGE_MAX);
    while (frame_next(&frames, &first, &payload)) {
        ASSERT(buf_append(&message, payload) == 0);
        if ((first & FRAME_FIN) == 0)
            continue;
        ASSERT(l->n < BED_LEDGER);
        l->hashes[l->n++] = bed_hash(buf_slice(&message));
        l->n_events += bed_count(buf_slice(&message), "{\"event_metadata\":");
        buf_clear(&message);
    }
    ASSERT(frames.len == 0);
    buf_fini(&message);
}

static inline void bed_wake(void *ctx, struct path *p)
{
    struct bed_ledger *l = &bed.ledgers[p->index];
    struct segment_span span;
    (void) ctx;
    pathlog_enter(l->reader);
    while (l->position < pathlog_tail(p->log)) {
        ASSERT(pathlog_read(l->reader, l->position, &span) == 0);
        bed_note(l, span.bytes);
        l->position = span.end;
    }
    pathlog_leave(l->reader);
    group_wake(bed.worker.groups[p->index]);
}

static inline bool bed_has_room(size_t path, size_t messages)
{
    return bed.ledgers[path].n + messages < BED_LEDGER / 2;
}

/* As the broker does it: the message, and deflated where somebody wants that. */
static inline void bed_append(size_t path, struct slice payload)
{
    struct path *p = path_table_at(bed.shared.paths, path);
    struct buf frames, packed;
    buf_init(&frames, WITNESS_MESSAGE_MAX);
    buf_init(&packed, WITNESS_MESSAGE_MAX);
    ASSERT(frame_message(&frames, FRAME_TEXT, payload, p->cfg->max_frame_bytes) == 0);
    ASSERT(pathlog_append(p->log, buf_slice(&frames), uv_now(&bed.front.loop)) == 0);
    if (atomic_load(&p->form_clients[FORM_DEFLATED]) > 0 &&
        deflater_message(bed.deflater, buf_slice(&frames), p->cfg->max_frame_bytes, &packed) == 0)
        pathlog_add_form(p->log, FORM_DEFLATED, buf_slice(&packed));
    buf_fini(&frames);
    buf_fini(&packed);
    p->wake(p->wake_ctx, p);
}

/* --- clients --- */

static inline void bed_on_written(struct mock_peer *p, struct slice bytes)
{
    struct bed_client *c = (struct bed_client *) (void *) p;
    bed.n_written += bytes.len;
    witness_feed(&c->witness, bytes);
}

static inline void bed_on_answer(void *ctx, unsigned status, struct slice body)
{
    struct bed_client *c = ctx;
    char text[WITNESS_BODY_MAX + 1];
    if (status < 200 && status != 101)
        return;
    c->n_answers++;
    if (status != 202 || c->role != LISTENER_WEBHOOKS)
        return;
    memcpy(text, body.data, body.len);
    text[body.len] = '\0';
    const char *accepted = strstr(text, "\"accepted\":");
    ASSERT(accepted != NULL);
    c->n_accepted += strtoull(accepted + 11, NULL, 10);
}

static inline struct conn *bed_conn(const struct bed_client *c)
{
    for (size_t i = 0; i < bed.worker.n_slots; i++) {
        struct conn *conn = bed.worker.slots[i];
        struct mock_fd *f = conn == NULL || conn->state == CONN_CLOSED ? NULL : mock_of(conn->fd);
        if (f != NULL && f->peer == &c->peer)
            return conn;
    }
    return NULL;
}

/* It is in its group by now, at the cursor from which it will be served. */
static inline void bed_on_open(void *ctx)
{
    struct bed_client *c = ctx;
    const struct conn *conn = bed_conn(c);
    c->open = true;
    ASSERT(conn != NULL);
    if (conn->group == NULL) { /* its answer was written late, when it was about to end */
        c->path = BED_PATH_ECHO;
        return;
    }
    c->path = conn->group->path->index;
    c->exact = conn->group->members[conn->member].cursor == pathlog_tail(conn->group->path->log) &&
               conn->group->path->cfg->slow_consumer == SLOW_CLOSE;
    c->next = c->exact ? bed.ledgers[c->path].n : 0;
}

static inline bool bed_is_notice(struct slice payload)
{
    static const char START[] = "{\"control\":";
    return payload.len > sizeof(START) && memcmp(payload.data, START, sizeof(START) - 1) == 0;
}

/* Messages to one client only. */
static inline uint64_t bed_api_sent(void)
{
    const struct metrics *all[] = {&bed.worker.metrics, &bed.front.metrics};
    return metrics_get(all, ARRAY_LEN(all), M_API_SENT);
}

static inline void bed_on_message(void *ctx, struct slice payload)
{
    struct bed_client *c = ctx;
    const struct bed_ledger *l = &bed.ledgers[c->path];
    uint64_t hash = bed_hash(payload);
    size_t at = 0;
    if (c->path == BED_PATH_ECHO)
        return;
    while (at < l->n && l->hashes[at] != hash)
        at++;
    if (at == l->n) {
        ASSERT(bed_is_notice(payload) || bed_api_sent() > 0);
        return;
    }
    ASSERT(c->exact ? at == c->next : at >= c->next);
    c->next = at + 1;
    c->exact = c->exact || bed.shared.cfg->gateway.paths[c->path].slow_consumer == SLOW_CLOSE;
}

static inline struct bed_client *bed_connect(enum metrics_listener role, unsigned network)
{
    if (bed.n_clients == BED_PEERS)
        return NULL;
    size_t i = bed.n_clients;
    struct bed_client *c = &bed.clients[i];
    *c = (struct bed_client){.role = role};
    c->peer.address.sin_family = AF_INET;
    c->peer.address.sin_port = htons((uint16_t) (1000 + i));
    c->peer.address.sin_addr.s_addr = htonl(0x0a000001u | (network & 15) << 16);
    c->peer.room = SIZE_MAX;
    c->peer.on_written = bed_on_written;
    c->witness.ctx = c;
    c->witness.on_answer = bed_on_answer;
    c->witness.on_open = bed_on_open;
    c->witness.on_message = bed_on_message;
    c->witness.message = bed.messages[i];
    c->witness.state = role == LISTENER_GRPC ? WITNESS_H2_HEADER : WITNESS_HEAD;
    if (!mock_connect(bed.fds[role], &c->peer))
        return NULL;
    bed.n_clients++;
    return c;
}

/* --- the server --- */

static inline void bed_failed(void *ctx, int err)
{
    (void) ctx, (void) err;
    ASSERT(false); /* the engine in memory has nothing that fails */
}

static inline void bed_front_stopped(struct worker *w)
{
    shed_unwatch(&w->shared->shed);
    pipeline_close(w->shared->pipeline);
}

static inline void bed_gateway_stopped(struct worker *w)
{
    pipeline_stop(w->shared->pipeline);
    worker_drain(w->shared->front);
}

static inline void bed_set_caps(void)
{
    const struct config *cfg = bed.cfg;
    struct caps *caps = bed.shared.caps;
    caps[LISTENER_GATEWAY] = (struct caps){.max_connections = cfg->gateway.max_connections,
                                           .max_half_open = cfg->gateway.max_half_open};
    caps[LISTENER_WEBHOOKS] = (struct caps){.max_connections = cfg->webhooks.max_connections,
                                            .max_half_open = cfg->webhooks.max_connections,
                                            .max_inflight_bytes = cfg->webhooks.max_inflight_bytes};
    caps[LISTENER_MANAGEMENT] = (struct caps){
        .max_connections = cfg->management.max_connections,
        .max_half_open = cfg->management.max_connections,
        .max_inflight_bytes = 2 * cfg->management.max_body_bytes,
    };
    caps[LISTENER_GRPC] = (struct caps){
        .max_connections = cfg->management.max_connections,
        .max_half_open = cfg->management.max_connections,
        .max_inflight_bytes = 1 << 16,
        .max_answer_bytes = 1 << 18,
    };
}

static inline void bed_make_workers(void)
{
    struct shared *s = &bed.shared;
    for (size_t i = 0; i < LISTENER_N; i++)
        bed.fds[i] = mock_open(MOCK_LISTENER);
    const struct worker_sockets gateway = {LISTENER_GATEWAY, &bed.fds[LISTENER_GATEWAY], 1};
    const struct worker_sockets front[] = {
        {LISTENER_WEBHOOKS, &bed.fds[LISTENER_WEBHOOKS], 1},
        {LISTENER_MANAGEMENT, &bed.fds[LISTENER_MANAGEMENT], 1},
        {LISTENER_GRPC, &bed.fds[LISTENER_GRPC], 1},
    };
    ASSERT(worker_init(&bed.front, s, 1, front, ARRAY_LEN(front)) == 0);
    ASSERT(worker_init(&bed.worker, s, 0, &gateway, 1) == 0);
    bed.front.on_stopped = bed_front_stopped;
    bed.worker.on_stopped = bed_gateway_stopped;
}

static inline void bed_open_pipeline(void)
{
    static char name[LISTENER_NAME_SIZE] = "127.0.0.1:1";
    struct shared *s = &bed.shared;
    struct path_table *paths;
    ASSERT(path_table_new(bed.cfg, &paths) == 0);
    ASSERT(path_table_size(paths) == BED_PATHS);
    s->paths = paths;
    ASSERT(pipeline_new(bed.cfg, s->paths, &bed.front.metrics, &bed.front.mailbox, &s->pipeline) ==
           0);
    s->ingest = pipeline_ingest(s->pipeline);
    s->history = pipeline_history(s->pipeline);
    s->manage = manage_new(bed.cfg, s->pipeline, &bed.front.metrics);
    s->manage->rest = s->manage->grpc = s->manage->gateway = s->manage->webhooks = &name;
    s->manage->n_rest = s->manage->n_grpc = s->manage->n_gateway = s->manage->n_webhooks = 1;
    for (size_t i = 0; i < BED_PATHS; i++) {
        struct path *p = path_table_at(s->paths, i);
        p->wake = bed_wake;
        ASSERT(pathlog_reader_new(p->log, &bed.ledgers[i].reader) == 0);
        bed.ledgers[i].position = pathlog_tail(p->log);
    }
}

static inline struct config *bed_config(const char *more)
{
    struct config *cfg = NULL;
    struct buf text, error;
    buf_init(&text, 1 << 16);
    buf_init(&error, 1 << 16);
    ASSERT(buf_append_str(&text, BED_CONFIG) == 0 && buf_append_str(&text, more) == 0);
    if (config_text_load(buf_slice(&text), &cfg, &error) < 0)
        (void) fwrite(error.data, 1, error.len, stderr);
    ASSERT(cfg != NULL);
    for (size_t i = 0; i < cfg->gateway.n_paths; i++)
        cfg->gateway.paths[i].memory_bytes = 1 << 18; /* the file cannot ask for so little */
    buf_fini(&text);
    buf_fini(&error);
    return cfg;
}

/* Once: what all runs have in common. */
static inline void bed_init(void)
{
    uv_loop_t loop;
    if (bed.open_cfg != NULL)
        return;
    bed.open_cfg = bed_config("");
    bed.secured_cfg = bed_config(BED_CONFIG_SECURED);
    bed.deflater = deflater_new(1);
    ASSERT(bed.deflater != NULL);
    ASSERT(uv_loop_init(&loop) == 0); /* libuv makes its pipe for signals with the first */
    ASSERT(uv_loop_close(&loop) == 0);
}

static inline void bed_start(bool secured)
{
    bed_init();
    memset(&bed.shared, 0, sizeof(bed.shared));
    memset(&bed.worker, 0, offsetof(struct worker, rbuf));
    memset(&bed.front, 0, offsetof(struct worker, rbuf));
    for (size_t i = 0; i < BED_PATHS; i++)
        bed.ledgers[i].n = bed.ledgers[i].n_events = 0;
    bed.n_clients = 0;
    bed.drained = bed.down = false;
    bed.cfg = secured ? bed.secured_cfg : bed.open_cfg;
    mock_net_begin();
    struct shared *s = &bed.shared;
    s->cfg = bed.cfg;
    s->workers = &bed.worker;
    s->n_workers = 1;
    s->front = &bed.front;
    bed_set_caps();
    doors_init(s->doors, bed.cfg);
    bed_open_pipeline();
    ASSERT(gate_new(bed.cfg, &s->gate) == 0);
    bed_make_workers();
    ASSERT(shed_watch(&s->shed, s, &bed.front.loop) == 0); /* it looks when it is told to */
    s->shed.max = 1000;
    ASSERT(pipeline_start(s->pipeline, &bed.front.loop, bed_failed, NULL) == 0);
    atomic_store(&s->ready, true);
}

/* One turn of both loops: the front's first, so that what it wakes is served at once. */
static inline void bed_turn(void)
{
    struct worker *all[] = {&bed.front, &bed.worker};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        mock_random(all[i]->random, sizeof(all[i]->random));
        all[i]->random_left = sizeof(all[i]->random);
        if (uv_loop_alive(&all[i]->loop))
            (void) uv_run(&all[i]->loop, UV_RUN_NOWAIT);
    }
}

/* Until nothing is written any more. */
static inline void bed_settle(void)
{
    unsigned quiet = 0;
    for (unsigned i = 0; i < BED_TURNS && quiet < 3; i++) {
        uint64_t before = bed.n_written;
        bed_turn();
        quiet = bed.n_written == before ? quiet + 1 : 0;
    }
}

static inline void bed_on_drained(void *arg)
{
    (void) arg;
    bed.drained = true;
    worker_drain(&bed.worker);
}

static inline void bed_drain(void)
{
    struct shared *s = &bed.shared;
    if (bed.down)
        return;
    bed.down = true;
    s->drain_code = 1012;
    s->drain_spread_ms = bed.cfg->gateway.drain_timeout_ms;
    atomic_store(&s->draining, true);
    pipeline_drain(s->pipeline, bed_on_drained, NULL);
}

/* The server goes down by itself, whatever state its clients are in. */
static inline void bed_stop(void)
{
    struct shared *s = &bed.shared;
    bed_drain();
    for (uint64_t ms = 0; uv_loop_alive(&bed.worker.loop) || uv_loop_alive(&bed.front.loop);
         ms += BED_STEP_MS) {
        ASSERT(ms < BED_END_MS);
        mock_net_set_time(mock.now_ms + BED_STEP_MS);
        bed_turn();
    }
    ASSERT(bed.drained);
    for (size_t i = 0; i < LISTENER_N; i++)
        ASSERT(s->caps[i].connections == 0 && s->caps[i].half_open == 0 &&
               s->caps[i].inflight_bytes == 0 && s->caps[i].answer_bytes == 0);
    gate_free(s->gate);
    manage_free(s->manage);
    pipeline_free(s->pipeline);
    worker_fini(&bed.worker);
    worker_fini(&bed.front);
    for (size_t i = 0; i < BED_PATHS; i++)
        pathlog_reader_free(bed.ledgers[i].reader);
    doors_fini(s->doors);
    path_table_free(s->paths);
    mock_net_end();
}

#endif
