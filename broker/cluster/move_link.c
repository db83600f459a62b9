/* move_link.c - see move_link.h. */
#include "cluster/move_link.h"

#include "clock.h"
#include "cluster/streams.h"
#include "log.h"
#include "mem.h"

#include <stdio.h>
#include <stdlib.h>

#define TICK_MS     50 /* so that the loop comes round */
#define AGAIN_MS    500
#define MOST_BYTES  ((size_t) 8 << 20) /* under way */
#define MOST        256
#define PUT_MS      20000
#define KV_MS       10000
#define FLUSH_MS    0
#define REST_MS     200
#define HEADER_ROOM 1024

static const char *const NAMES[MOVE_STREAMS] = {[MOVE_IN] = "IN",
                                                [MOVE_EV] = "EV",
                                                [MOVE_BAT] = "BAT",
                                                [MOVE_REC] = "REC",
                                                [MOVE_SNAP] = "SNAP"};

struct move_link {
    uv_loop_t loop;
    uv_timer_t tick;
    struct cluster cluster;
    struct metrics metrics;
    uint64_t last[MOVE_STREAMS];
    size_t n, bytes; /* under way */
    int err;         /* of a message; nothing more is sent */
    bool ensuring, ensured;
    int ensure_err;
};

/* A message under way. */
struct put {
    struct move_link *link;
    uint64_t seq; /* expected */
    size_t bytes;
};

/* One answer. */
struct answer {
    bool came;
    int err;
    uint64_t seq;
    struct js_stream stream;
    struct buf *value;
};

/* --- turning the loop --- */

static void on_tick(uv_timer_t *timer)
{
    (void) timer;
}

static void turn(struct move_link *l)
{
    (void) uv_run(&l->loop, UV_RUN_ONCE);
}

/* Calls end by their own time limits. */
static int wait_for(struct move_link *l, const struct answer *a)
{
    while (!a->came)
        turn(l);
    return a->err;
}

static void on_done(void *ctx, int err)
{
    struct answer *a = ctx;
    a->came = true;
    a->err = err;
}

static void on_stream(void *ctx, int err, const struct js_stream *s)
{
    struct answer *a = ctx;
    if (s != NULL)
        a->stream = *s;
    on_done(ctx, err);
}

static void on_ack(void *ctx, int err, const struct js_ack *ack)
{
    struct answer *a = ctx;
    if (ack != NULL)
        a->seq = ack->seq;
    on_done(ctx, err);
}

static void on_msg(void *ctx, int err, const struct js_msg *m)
{
    struct answer *a = ctx;
    if (m != NULL) {
        a->seq = m->seq;
        err = buf_append(a->value, m->data);
    }
    on_done(ctx, err);
}

/* --- connecting --- */

static void on_ensured(void *ctx, int err)
{
    struct move_link *l = ctx;
    l->ensuring = false;
    l->ensured = err == 0;
    l->ensure_err = err;
}

static int ensure(struct move_link *l, uint64_t patience_ms)
{
    uint64_t began = clock_mono_ms(), tried = 0;
    while (!l->ensured) {
        uint64_t now = clock_mono_ms();
        if (l->ensure_err == -ENOTSUP || l->ensure_err == -EMSGSIZE)
            return l->ensure_err;
        if (now - began > patience_ms && !l->ensuring)
            return l->ensure_err < 0 ? l->ensure_err : -ETIMEDOUT;
        if (!l->ensuring && nats_connected(l->cluster.nats) && now - tried > AGAIN_MS) {
            tried = now;
            l->ensuring = true;
            streams_ensure(&l->cluster, on_ensured, l);
        }
        turn(l);
    }
    return 0;
}

static void on_state(void *ctx, enum nats_state state, const char *why)
{
    const struct move_link *l = ctx;
    struct log_line line;
    if (state == NATS_CONNECTED || why == NULL || why[0] == '\0')
        return;
    log_open(&line, LOG_WARN, "nats", "not connected");
    log_str(&line, "url", l->cluster.cfg->nats.urls.n == 0 ? "" : l->cluster.cfg->nats.urls.at[0]);
    log_str(&line, "reason", why);
    log_close(&line);
}

static int connect_nats(struct move_link *l)
{
    const struct config *cfg = l->cluster.cfg;
    const struct nats_options options = {
        .urls = (const char *const *) cfg->nats.urls.at,
        .n_urls = cfg->nats.urls.n,
        .user = cfg->nats.user,
        .password = cfg->nats.password,
        .token = cfg->nats.token,
        .ca_file = cfg->nats.ca_file,
        .cert_file = cfg->nats.cert_file,
        .key_file = cfg->nats.key_file,
        .name = "regcast, moving",
        .on_state = on_state,
        .ctx = l,
    };
    int r = nats_new(&l->loop, &options, &l->cluster.nats);
    if (r == 0)
        l->cluster.js = js_new(l->cluster.nats, cfg->nats.domain);
    return r;
}

int move_link_open(const struct config *cfg, uint64_t patience_ms, struct move_link **ret)
{
    struct move_link *l = xcalloc(1, sizeof(*l));
    int r = uv_loop_init(&l->loop);
    if (r < 0) {
        free(l);
        return r;
    }
    cluster_init(&l->cluster, cfg, &l->metrics);
    l->cluster.loop = &l->loop;
    (void) uv_timer_init(&l->loop, &l->tick); /* always 0, as the next */
    (void) uv_timer_start(&l->tick, on_tick, TICK_MS, TICK_MS);
    r = connect_nats(l);
    if (r == 0)
        r = ensure(l, patience_ms);
    if (r < 0) {
        move_link_close(l);
        return r;
    }
    *ret = l;
    return 0;
}

void move_link_close(struct move_link *l)
{
    if (l == NULL)
        return;
    while (l->n > 0) /* they are answered in time: nobody else frees them */
        turn(l);
    js_free(l->cluster.js);
    streams_forget(&l->cluster);
    nats_close(l->cluster.nats, FLUSH_MS);
    uv_close((uv_handle_t *) &l->tick, NULL);
    (void) uv_run(&l->loop, UV_RUN_DEFAULT); /* until the handles are closed */
    (void) uv_loop_close(&l->loop);
    free(l);
}

struct cluster *move_link_cluster(struct move_link *l)
{
    return &l->cluster;
}

uint64_t move_link_max_payload(const struct move_link *l)
{
    uint64_t max = nats_server(l->cluster.nats)->max_payload;
    return max > HEADER_ROOM ? max - HEADER_ROOM : 0;
}

/* --- streams --- */

int move_link_info(struct move_link *l, enum move_stream which, struct js_stream *ret)
{
    char name[CLUSTER_SUBJECT_SIZE];
    struct answer a = {.came = false};
    cluster_name(&l->cluster, name, NAMES[which]);
    js_stream_info(l->cluster.js, name, on_stream, &a);
    int r = wait_for(l, &a);
    if (r == 0) {
        *ret = a.stream;
        l->last[which] = a.stream.last_seq;
    }
    return r;
}

int move_link_purge(struct move_link *l, enum move_stream which)
{
    char name[CLUSTER_SUBJECT_SIZE];
    struct answer a = {.came = false};
    struct js_stream now;
    cluster_name(&l->cluster, name, NAMES[which]);
    js_purge(l->cluster.js, name, NULL, JS_ANY, on_done, &a);
    int r = wait_for(l, &a);
    return r < 0 ? r : move_link_info(l, which, &now);
}

int move_link_nodes(struct move_link *l, uint64_t *ret)
{
    char name[CLUSTER_SUBJECT_SIZE], stream[CLUSTER_SUBJECT_SIZE + 3];
    struct answer a = {.came = false};
    cluster_name(&l->cluster, name, "nodes");
    (void) snprintf(stream, sizeof(stream), "KV_%s", name);
    js_stream_info(l->cluster.js, stream, on_stream, &a);
    int r = wait_for(l, &a);
    *ret = a.stream.messages;
    return r;
}

int move_link_rest(struct move_link *l)
{
    uint64_t began = clock_mono_ms();
    while (clock_mono_ms() - began < REST_MS)
        turn(l);
    return l->err;
}

/* --- messages --- */

static void on_put(void *ctx, int err, const struct js_ack *ack)
{
    struct put *p = ctx;
    struct move_link *l = p->link;
    if (err == 0 && (ack->seq != p->seq || ack->duplicate))
        err = -EEXIST;
    if (l->err == 0)
        l->err = err;
    l->n--;
    l->bytes -= p->bytes;
    free(p);
}

int move_link_put(struct move_link *l, enum move_stream which, const char *subject,
                  struct slice headers, struct slice data, uint64_t *ret_seq)
{
    size_t bytes = headers.len + data.len;
    while (l->err == 0 && l->n > 0 && (l->n >= MOST || l->bytes + bytes > MOST_BYTES))
        turn(l);
    if (l->err < 0)
        return l->err;
    struct put *p = xcalloc(1, sizeof(*p));
    *p = (struct put){l, ++l->last[which], bytes};
    l->n++;
    l->bytes += bytes;
    const struct js_publish publish = {
        .subject = subject,
        .last_subject_seq = JS_ANY,
        .last_seq = JS_ANY,
        .headers = headers,
        .data = data,
        .timeout_ms = PUT_MS,
    };
    js_publish(l->cluster.js, &publish, on_put, p);
    if (ret_seq != NULL)
        *ret_seq = l->last[which];
    return 0;
}

int move_link_settle(struct move_link *l)
{
    while (l->n > 0)
        turn(l);
    return l->err;
}

uint64_t move_link_last(const struct move_link *l, enum move_stream which)
{
    return l->last[which];
}

/* --- marks --- */

int move_link_get(struct move_link *l, const char *key, struct buf *ret, uint64_t *ret_revision)
{
    char bucket[CLUSTER_SUBJECT_SIZE];
    struct answer a = {.value = ret};
    cluster_name(&l->cluster, bucket, "mark");
    kv_get(l->cluster.js, bucket, key, on_msg, &a);
    int r = wait_for(l, &a);
    *ret_revision = a.seq;
    return r;
}

int move_link_set(struct move_link *l, const char *key, struct slice value, uint64_t *revision)
{
    char bucket[CLUSTER_SUBJECT_SIZE];
    struct answer a = {.came = false};
    cluster_name(&l->cluster, bucket, "mark");
    kv_put(l->cluster.js, bucket, key, value, *revision, KV_MS, on_ack, &a);
    int r = wait_for(l, &a);
    if (r == 0)
        *revision = a.seq;
    return r;
}
