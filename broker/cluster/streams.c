/* streams.c - the streams and buckets of a cluster. */
#include "cluster/streams.h"

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "semver.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define OLDEST          "2.12.0" /* allow_atomic */
#define ADVISED         "2.14.6"
#define ROOM_BYTES      (64u << 10) /* of a message, beside a webhook's body */
#define CONFIG_SIZE     1536
#define MS_NS           UINT64_C(1000000)
#define EVENT_WINDOW_MS 120000
#define CHAIN_WINDOW_MS 600000 /* longer than a server takes to drop a client that was stopped */
#define LOOK_MS         5000
#define MIN_HISTORY_MS  120000

/* --- what they are like --- */

static const char *const NAMES[STREAMS_N] = {
    [STREAM_IN] = "IN", [STREAM_EV] = "EV", [STREAM_BAT] = "BAT", [STREAM_REC] = "REC"};

static void in_config(const struct cluster *c, char ret[CONFIG_SIZE])
{
    const char *p = c->cfg->nats.prefix;
    (void) snprintf(ret, CONFIG_SIZE,
                    "{\"name\":\"%s_IN\",\"subjects\":[\"%s.in.*\"],\"retention\":\"limits\","
                    "\"storage\":\"file\",\"discard\":\"new\",\"num_replicas\":%" PRIu64
                    ",\"max_bytes\":%" PRIu64 ",\"duplicate_window\":%" PRIu64 "}",
                    p, p, c->cfg->nats.replicas, c->cfg->nats.intake_bytes,
                    CHAIN_WINDOW_MS * MS_NS);
}

static void ev_config(const struct cluster *c, char ret[CONFIG_SIZE])
{
    const char *p = c->cfg->nats.prefix;
    (void) snprintf(ret, CONFIG_SIZE,
                    "{\"name\":\"%s_EV\",\"subjects\":[\"%s.ev.*\"],\"retention\":\"limits\","
                    "\"storage\":\"file\",\"discard\":\"new\",\"num_replicas\":%" PRIu64
                    ",\"max_bytes\":%" PRIu64 ",\"duplicate_window\":%" PRIu64 "}",
                    p, p, c->cfg->nats.replicas, c->cfg->nats.events_bytes,
                    EVENT_WINDOW_MS * MS_NS);
}

/* A window of de-duplication is never longer than what is kept. */
static void bat_config(const struct cluster *c, char ret[CONFIG_SIZE])
{
    const char *p = c->cfg->nats.prefix;
    uint64_t age = c->cfg->nats.history_age_ms;
    if (age < MIN_HISTORY_MS)
        age = MIN_HISTORY_MS;
    (void) snprintf(
        ret, CONFIG_SIZE,
        "{\"name\":\"%s_BAT\",\"subjects\":[\"%s.bat.*\"],\"retention\":\"limits\","
        "\"storage\":\"file\",\"discard\":\"old\",\"num_replicas\":%" PRIu64
        ",\"max_bytes\":%" PRIu64 ",\"max_age\":%" PRIu64 ",\"max_msgs_per_subject\":%" PRIu64
        ",\"duplicate_window\":%" PRIu64 ",\"allow_direct\":true,"
        "\"republish\":{\"src\":\"%s.bat.>\",\"dest\":\"%s.cast.>\"}}",
        p, p, c->cfg->nats.replicas, c->cfg->nats.batches_bytes, age * MS_NS,
        c->cfg->nats.history_count, (age < CHAIN_WINDOW_MS ? age : CHAIN_WINDOW_MS) * MS_NS, p, p);
}

static void rec_config(const struct cluster *c, char ret[CONFIG_SIZE])
{
    const char *p = c->cfg->nats.prefix;
    (void) snprintf(ret, CONFIG_SIZE,
                    "{\"name\":\"%s_REC\",\"subjects\":[\"%s.rec.*.*\"],\"retention\":\"limits\","
                    "\"storage\":\"file\",\"discard\":\"new\",\"num_replicas\":%" PRIu64
                    ",\"max_msgs_per_subject\":1,\"duplicate_window\":%" PRIu64
                    ",\"allow_atomic\":true}",
                    p, p, c->cfg->nats.replicas, EVENT_WINDOW_MS * MS_NS);
}

static void snap_config(const struct cluster *c, char ret[CONFIG_SIZE])
{
    const char *p = c->cfg->nats.prefix;
    (void) snprintf(ret, CONFIG_SIZE,
                    "{\"name\":\"%s_SNAP\",\"subjects\":[\"%s.snap.>\"],\"retention\":\"limits\","
                    "\"storage\":\"file\",\"discard\":\"new\",\"num_replicas\":%" PRIu64
                    ",\"duplicate_window\":%" PRIu64 "}",
                    p, p, c->cfg->nats.replicas, EVENT_WINDOW_MS * MS_NS);
}

/* --- making them, one after the other --- */

static void (*const CONFIGS[])(const struct cluster *, char[CONFIG_SIZE]) = {
    in_config, ev_config, bat_config, rec_config, snap_config};

struct bucket_row {
    const char *name;
    bool expires; /* after nats.lease_ttl */
};
static const struct bucket_row BUCKETS[] = {{"lease", true}, {"nodes", true}, {"mark", false}};

struct ensuring {
    struct cluster *c;
    void (*done)(void *ctx, int err);
    void *ctx;
    size_t n; /* made */
};

static void ensure_next(struct ensuring *s);

static void finish(struct ensuring *s, int err)
{
    s->c->ensuring = NULL;
    s->done(s->ctx, err);
    free(s);
}

static void name_of(const struct ensuring *s, char ret[CLUSTER_SUBJECT_SIZE])
{
    static const char *const SNAP = "SNAP";
    if (s->n < STREAMS_N)
        cluster_name(s->c, ret, NAMES[s->n]);
    else if (s->n < ARRAY_LEN(CONFIGS))
        cluster_name(s->c, ret, SNAP);
    else
        cluster_name(s->c, ret, BUCKETS[s->n - ARRAY_LEN(CONFIGS)].name);
}

static void on_ensured(void *ctx, int err, const struct js_stream *stream)
{
    struct ensuring *s = ctx;
    (void) stream;
    if (err < 0) {
        char name[CLUSTER_SUBJECT_SIZE];
        struct log_line l;
        name_of(s, name);
        log_open(&l, LOG_ERROR, "nats", "a stream can be neither made nor used");
        log_str(&l, "stream", name);
        log_u64(&l, "replicas", s->c->cfg->nats.replicas);
        log_str(&l, "error", err_str(err));
        log_close(&l);
        finish(s, err);
        return;
    }
    s->n++;
    ensure_next(s);
}

static void ensure_next(struct ensuring *s)
{
    if (s->n < ARRAY_LEN(CONFIGS)) {
        char config[CONFIG_SIZE];
        CONFIGS[s->n](s->c, config);
        js_stream_ensure(s->c->js, config, on_ensured, s);
    } else if (s->n < ARRAY_LEN(CONFIGS) + ARRAY_LEN(BUCKETS)) {
        const struct bucket_row *row = &BUCKETS[s->n - ARRAY_LEN(CONFIGS)];
        char name[CLUSTER_SUBJECT_SIZE];
        cluster_name(s->c, name, row->name);
        const struct kv_config config = {
            .bucket = name,
            .ttl_ms = row->expires ? s->c->cfg->nats.lease_ttl_ms : 0,
            .replicas = (unsigned) s->c->cfg->nats.replicas,
            .history = 1,
        };
        kv_ensure(s->c->js, &config, on_ensured, s);
    } else {
        finish(s, 0);
    }
}

/* --- the server --- */

static void log_server(enum log_level level, const char *what, const struct nats_server *server)
{
    struct log_line l;
    log_open(&l, level, "nats", what);
    log_str(&l, "server", server->name);
    log_str(&l, "address", server->address);
    log_str(&l, "version", server->version);
    log_u64(&l, "max_payload", server->max_payload);
    log_close(&l);
}

static bool older(const char *version, const char *than)
{
    struct semver a, b;
    return !semver_read(slice_str(version), &a) || !semver_read(slice_str(than), &b) ||
           semver_compare(&a, &b) < 0;
}

static int check_server(const struct cluster *c)
{
    const struct nats_server *server = nats_server(c->nats);
    if (older(server->version, OLDEST)) {
        log_server(LOG_ERROR,
                   "the server is too old: " OLDEST " is the oldest, " ADVISED " is advised",
                   server);
        return -ENOTSUP;
    }
    if (!server->jetstream &&
        c->cfg->nats.domain == NULL) { /* a leaf node passes on to a domain's */
        log_server(LOG_ERROR, "the server has no JetStream: its configuration needs jetstream {}",
                   server);
        return -ENOTSUP;
    }
    if (server->max_payload < c->cfg->webhooks.max_body_bytes + ROOM_BYTES) {
        log_server(LOG_ERROR,
                   "the server's messages are too short for our webhooks: max_payload: 8MB",
                   server);
        return -EMSGSIZE;
    }
    if (older(server->version, ADVISED))
        log_server(LOG_WARN,
                   "the server is old: later ones have mended losses; " ADVISED " is advised",
                   server);
    if (server->cluster[0] != '\0' && c->cfg->nats.replicas == 1)
        log_server(LOG_WARN, "nats.replicas is 1: what one server of the cluster loses is lost",
                   server);
    return 0;
}

void streams_ensure(struct cluster *c, void (*done)(void *ctx, int err), void *ctx)
{
    if (c->ensuring != NULL)
        return; /* what is under way ends, if need be by its time limits */
    int r = check_server(c);
    if (r < 0) {
        done(ctx, r);
        return;
    }
    struct ensuring *s = xcalloc(1, sizeof(*s));
    *s = (struct ensuring){.c = c, .done = done, .ctx = ctx};
    c->ensuring = s;
    ensure_next(s);
}

void streams_forget(struct cluster *c)
{
    free(c->ensuring);
    c->ensuring = NULL;
}

/* --- looking at them --- */

struct watched {
    struct streams_watch *watch;
    uint64_t last_seq, created_ns;
    uint64_t answered_ms;
    bool asked;
};
struct streams_watch {
    struct cluster *c;
    uv_timer_t timer;
    void (*regressed)(void *ctx, enum streams_which which);
    void *ctx;
    struct watched at[STREAMS_N];
    uint64_t regresses;
};

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void log_regress(const char *name, const struct watched *s, const struct js_stream *now)
{
    struct log_line l;
    log_open(&l, LOG_ERROR, "nats", "a stream has lost what it had acknowledged");
    log_str(&l, "stream", name);
    log_u64(&l, "last_seq", s->last_seq);
    log_u64(&l, "last_seq_now", now->last_seq);
    log_str(&l, "created", s->created_ns == now->created_ns ? "the same" : "anew");
    log_close(&l);
}

static void on_info(void *ctx, int err, const struct js_stream *now)
{
    struct watched *s = ctx;
    struct streams_watch *w = s->watch;
    enum streams_which which = (enum streams_which)(s - w->at);
    s->asked = false;
    if (err < 0)
        return; /* asked again */
    s->answered_ms = clock_mono_ms();
    bool regressed =
        s->created_ns != 0 && (now->last_seq < s->last_seq || now->created_ns != s->created_ns);
    if (regressed)
        log_regress(NAMES[which], s, now);
    s->last_seq = now->last_seq;
    s->created_ns = now->created_ns;
    if (regressed) {
        w->regresses++;
        w->regressed(w->ctx, which);
    }
}

void streams_look(struct streams_watch *w)
{
    for (size_t i = 0; i < STREAMS_N; i++) {
        char name[CLUSTER_SUBJECT_SIZE];
        if (w->at[i].asked || !nats_connected(w->c->nats))
            continue;
        w->at[i].asked = true;
        cluster_name(w->c, name, NAMES[i]);
        js_stream_info(w->c->js, name, on_info, &w->at[i]);
    }
}

static void on_look(uv_timer_t *timer)
{
    streams_look(timer->data);
}

struct streams_watch *streams_watch_new(struct cluster *c,
                                        void (*regressed)(void *ctx, enum streams_which which),
                                        void *ctx)
{
    struct streams_watch *w = xcalloc(1, sizeof(*w));
    w->c = c;
    w->regressed = regressed;
    w->ctx = ctx;
    for (size_t i = 0; i < STREAMS_N; i++)
        w->at[i].watch = w;
    w->timer.data = w;
    (void) uv_timer_init(c->loop, &w->timer); /* always 0, as the next */
    (void) uv_timer_start(&w->timer, on_look, LOOK_MS, LOOK_MS);
    return w;
}

uint64_t streams_healthy_ms(const struct streams_watch *w)
{
    uint64_t at = UINT64_MAX;
    for (size_t i = 0; i < STREAMS_N; i++)
        at = w->at[i].answered_ms < at ? w->at[i].answered_ms : at;
    return at;
}

uint64_t streams_regresses(const struct streams_watch *w)
{
    return w->regresses;
}

void streams_watch_free(struct streams_watch *w)
{
    if (w == NULL)
        return;
    uv_close((uv_handle_t *) &w->timer, on_timer_closed);
}
