/* records_load.c - the records before anything else is there: on a loop and a connection of its
 * own, for as long as it takes: on_state > streams_ensure > on_ensured > on_move > on_info > on_msg
 * ... on_current */
#include "cluster/move.h"
#include "cluster/records_private.h"
#include "cluster/streams.h"

#include <stdio.h>
#include <stdlib.h>

#define SAY_MS   5000
#define AGAIN_MS 1000
#define FLUSH_MS 0

struct loading {
    struct records *records;
    struct cluster cluster;
    uv_loop_t loop;
    uv_timer_t say, again;
    struct consumer *consumer;
    uint64_t last_seq; /* where the stream ended when it was asked */
    bool ensuring, done;
    bool moving; /* somebody fills the streams, or was broken off (move.h) */
    int err;
};

static void finish(struct loading *l, int err)
{
    l->done = true;
    l->err = err;
    uv_stop(&l->loop);
}

/* --- reading --- */

static void on_msg(void *ctx, const struct js_msg *m)
{
    struct loading *l = ctx;
    struct records *r = l->records;
    unsigned kind;
    const char *id;
    r->applied = m->seq > r->applied ? m->seq : r->applied;
    if (!records_subject(r->cfg, m->subject, &kind, &id) || kind == 0)
        return;
    struct slice value = records_gone(m) ? (struct slice){NULL, 0} : m->data;
    (void) records_put(r, (enum engine_record_kind) kind, id, value, m);
}

static void on_current(void *ctx)
{
    struct loading *l = ctx;
    if (l->records->applied < l->last_seq)
        l->records->applied = l->last_seq;
    finish(l, 0);
}

/* All but the letters, which nobody keeps in memory. */
static void on_info(void *ctx, int err, const struct js_stream *s)
{
    struct loading *l = ctx;
    char stream[CLUSTER_SUBJECT_SIZE];
    char subjects[3][CLUSTER_SUBJECT_SIZE];
    const char *filters[3];
    l->ensuring = false;
    if (err < 0)
        return; /* tried again */
    l->last_seq = s->last_seq;
    for (unsigned i = 0; i < 3; i++) {
        cluster_subject(&l->cluster, subjects[i], "rec.%s.*",
                        records_kind_name((enum engine_record_kind)(ENGINE_TRIGGER + i)));
        filters[i] = subjects[i];
    }
    cluster_name(&l->cluster, stream, "REC");
    const struct consumer_options options = {
        .stream = stream,
        .filters = filters,
        .n_filters = 3,
        .from = FROM_ALL,
        .on_msg = on_msg,
        .on_current = on_current,
        .ctx = l,
    };
    l->consumer = consumer_new(l->cluster.js, &options);
}

/* What is moved here has to be there as a whole before anybody looks at it. */
static void on_move(void *ctx, int err, const struct js_msg *m)
{
    struct loading *l = ctx;
    char stream[CLUSTER_SUBJECT_SIZE];
    l->moving = err == 0 && move_is_under_way(m->data);
    if (l->moving || (err < 0 && err != -ENOENT)) {
        l->ensuring = false;
        return; /* tried again */
    }
    cluster_name(&l->cluster, stream, "REC");
    js_stream_info(l->cluster.js, stream, on_info, l);
}

static void on_ensured(void *ctx, int err)
{
    struct loading *l = ctx;
    char bucket[CLUSTER_SUBJECT_SIZE];
    l->ensuring = false;
    if (err == -ENOTSUP || err == -EMSGSIZE) {
        finish(l, err);
    } else if (err == 0 && l->consumer == NULL) {
        l->ensuring = true;
        cluster_name(&l->cluster, bucket, "mark");
        kv_get(l->cluster.js, bucket, MOVE_KEY, on_move, l);
    }
}

/* --- waiting --- */

static void on_again(uv_timer_t *timer)
{
    struct loading *l = timer->data;
    if (l->ensuring || l->consumer != NULL || !nats_connected(l->cluster.nats))
        return;
    l->ensuring = true;
    streams_ensure(&l->cluster, on_ensured, l);
}

static void on_state(void *ctx, enum nats_state state, const char *why)
{
    struct loading *l = ctx;
    (void) why;
    if (state == NATS_CONNECTED)
        (void) uv_timer_start(&l->again, on_again, 0, AGAIN_MS); /* not from inside */
}

static void on_say(uv_timer_t *timer)
{
    const struct loading *l = timer->data;
    struct log_line line;
    log_open(&line, LOG_WARN, "nats",
             !nats_connected(l->cluster.nats) ? "waiting for a nats-server that can be reached"
             : l->moving ? "waiting for a move into the cluster: it is under way, or was broken "
                           "off and is to be begun again"
                         : "waiting for the streams to be there");
    log_str(&line, "url", l->cluster.cfg->nats.urls.n == 0 ? "" : l->cluster.cfg->nats.urls.at[0]);
    log_close(&line);
}

static int connect_nats(struct loading *l)
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
        .name = "regcast, starting",
        .on_state = on_state,
        .ctx = l,
    };
    int r = nats_new(&l->loop, &options, &l->cluster.nats);
    if (r < 0)
        log_error("nats", "cannot be connected to", r);
    return r;
}

static void run(struct loading *l)
{
    l->say.data = l->again.data = l;
    (void) uv_timer_init(&l->loop, &l->say); /* always 0, as the next */
    (void) uv_timer_init(&l->loop, &l->again);
    (void) uv_timer_start(&l->say, on_say, SAY_MS, SAY_MS);
    l->err = connect_nats(l);
    if (l->err == 0) {
        l->cluster.js = js_new(l->cluster.nats, l->cluster.cfg->nats.domain);
        while (!l->done)
            (void) uv_run(&l->loop, UV_RUN_DEFAULT);
        consumer_free(l->consumer);
        js_free(l->cluster.js);
        nats_close(l->cluster.nats, FLUSH_MS);
    }
    uv_close((uv_handle_t *) &l->say, NULL);
    uv_close((uv_handle_t *) &l->again, NULL);
    (void) uv_run(&l->loop, UV_RUN_DEFAULT); /* until their handles are closed */
}

int records_load(const struct config *cfg, struct records **ret)
{
    struct loading l = {.cluster = {.cfg = cfg}};
    int r = uv_loop_init(&l.loop);
    if (r < 0) {
        log_error("nats", "no loop", r);
        return r;
    }
    l.cluster.loop = &l.loop;
    l.records = records_new(cfg);
    run(&l);
    (void) uv_loop_close(&l.loop);
    if (l.err < 0) {
        records_free(l.records);
        return l.err;
    }
    *ret = l.records;
    return 0;
}
