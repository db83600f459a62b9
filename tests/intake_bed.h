/* intake_bed.h - an intake with an outbox of its own on a model of a connection and a stream, which
 * does as told: stores or loses what is published, and loses acknowledgements. Clocks are frozen:
 * time goes on when the test says so. */
#ifndef TESTS_INTAKE_BED_H
#define TESTS_INTAKE_BED_H

#include "cluster/intake.h"

#include "buf.h"
#include "clock.h"
#include "cuts.h"
#include "log.h"
#include "mem.h"
#include "nats/nats_random.h"
#include "store_fixture.h"

#define BED_SENT_MAX   20000
#define BED_TURNS_MS   20000
#define BED_WALL_MS    1795323041672
#define BED_INBOX      "_INBOX.bed.s.1"
#define BED_MAX_NUMBER 8192

struct bed_stored {
    char id[33];
    unsigned shard;
    uint64_t what; /* the number that the test gave it */
};
struct bed_call { /* published, and not answered yet */
    char id[33], answer[64];
    unsigned shard;
    uint64_t what;
    js_on_ack *done;
    void *ctx;
};
struct bed {
    char dir[64];
    struct config cfg;
    uv_loop_t loop;
    uv_timer_t tick;
    struct mailbox mailbox;
    struct metrics metrics;
    struct cluster cluster;
    struct intake *intake;
    uint64_t now_ms;
    bool stopped;
    int failed;
    /* the model */
    bool connected;
    uint64_t reconnects;
    struct bed_stored *stored;
    uint64_t n_stored, purged, created_ns; /* stored[i] has the sequence i + 1 */
    struct bed_call *calls;
    size_t n_calls, n_published;
    js_on_stream *info_done;
    void *info_ctx;
    nats_on_msg *on_answer;
    void *answer_ctx;
    /* what was acknowledged */
    int result[BED_MAX_NUMBER]; /* by the test's number; 1: not yet */
    struct ingest_counts counts[BED_MAX_NUMBER];
    uint64_t n_taken, n_done;
};
static struct bed *the_bed;

/* --- the model's side of js.h and nats.h --- */

struct slice nats_header(struct slice headers, const char *name)
{
    size_t len = strlen(name);
    for (size_t at = 0; at < headers.len;) {
        const uint8_t *line = headers.data + at, *end = memchr(line, '\n', headers.len - at);
        assert_non_null(end);
        if (memcmp(line, name, len) == 0 && line[len] == ':')
            return slice_of(line + len + 2, (size_t) (end - line) - len - 3);
        at = (size_t) (end - headers.data) + 1;
    }
    return (struct slice){0};
}

bool nats_connected(const struct nats *n)
{
    (void) n;
    return the_bed->connected;
}

uint64_t nats_reconnects(const struct nats *n)
{
    (void) n;
    return the_bed->reconnects;
}

void nats_inbox(struct nats *n, char ret[NATS_INBOX_SIZE])
{
    (void) n;
    (void) snprintf(ret, NATS_INBOX_SIZE, "%s", BED_INBOX);
}

struct nats_sub *nats_subscribe(struct nats *n, const char *subject, nats_on_msg *on_msg, void *ctx)
{
    (void) n;
    assert_string_equal(subject, BED_INBOX ".*");
    the_bed->on_answer = on_msg;
    the_bed->answer_ctx = ctx;
    return (struct nats_sub *) the_bed;
}

void nats_unsubscribe(struct nats_sub *sub)
{
    if (sub != NULL)
        the_bed->on_answer = NULL;
}

int nats_publish(struct nats *n, const char *subject, const char *reply, struct slice headers,
                 struct slice data)
{
    (void) n;
    (void) headers;
    assert_null(reply);
    if (the_bed->on_answer == NULL)
        return 0;
    const struct nats_msg m = {.subject = subject, .reply = "", .data = data};
    the_bed->on_answer(the_bed->answer_ctx, &m);
    return 0;
}

uint64_t nats_random_below(uint64_t n)
{
    return n / 2;
}

void js_stream_info(struct js *js, const char *stream, js_on_stream *done, void *ctx)
{
    (void) js;
    assert_string_equal(stream, "rc_IN");
    assert_null(the_bed->info_done);
    the_bed->info_done = done;
    the_bed->info_ctx = ctx;
}

/* What is in the stream is not purged here, but by `purged`. */
void js_get(struct js *js, const char *stream, uint64_t seq, js_on_msg *done, void *ctx)
{
    struct bed *b = the_bed;
    char headers[64];
    (void) js;
    assert_string_equal(stream, "rc_IN");
    assert_true(seq > 0 && seq <= b->n_stored);
    int len = snprintf(headers, sizeof(headers), "Id: %s\r\n", b->stored[seq - 1].id);
    const struct js_msg m = {.headers = slice_of(headers, (size_t) len), .seq = seq};
    if (b->purged >= seq)
        done(ctx, -ENOENT, NULL);
    else
        done(ctx, 0, &m);
}

static uint64_t bed_what(struct slice data)
{
    uint64_t what;
    assert_true(data.len >= sizeof(what));
    memcpy(&what, data.data, sizeof(what));
    return what;
}

void js_publish(struct js *js, const struct js_publish *p, js_on_ack *done, void *ctx)
{
    struct bed *b = the_bed;
    struct slice id = nats_header(p->headers, "Id"), answer = nats_header(p->headers, "Answer");
    (void) js;
    assert_true(b->n_calls < BED_SENT_MAX);
    struct bed_call *call = &b->calls[b->n_calls++];
    *call = (struct bed_call){.what = bed_what(p->data), .done = done, .ctx = ctx};
    assert_int_equal(sscanf(p->subject, "rc.in.%2x", &call->shard), 1);
    assert_true(slice_eq_str(id, p->msg_id));
    assert_int_equal(id.len, 32);
    assert_true(slice_eq_str(nats_header(p->headers, "Rec"), "17"));
    memcpy(call->id, id.data, id.len);
    assert_true(answer.len < sizeof(call->answer));
    memcpy(call->answer, answer.data, answer.len);
    b->n_published++;
}

/* --- what becomes of what was published --- */

enum bed_fate { BED_STORED, BED_ACK_LOST, BED_LOST, BED_REFUSED };

static uint64_t bed_store(struct bed *b, const struct bed_call *call, bool *ret_duplicate)
{
    for (uint64_t i = 0; i < b->n_stored; i++)
        if (strcmp(b->stored[i].id, call->id) == 0) {
            *ret_duplicate = true;
            return i + 1;
        }
    struct bed_stored *s = &b->stored[b->n_stored++];
    memcpy(s->id, call->id, sizeof(s->id));
    s->shard = call->shard;
    s->what = call->what;
    *ret_duplicate = false;
    return b->n_stored;
}

/* Ends call number `i`: not the first one only, for others may overtake it on their way back. */
static void bed_end(struct bed *b, size_t i, enum bed_fate fate)
{
    struct bed_call call = b->calls[i];
    struct js_ack ack = {0};
    memmove(&b->calls[i], &b->calls[i + 1], (--b->n_calls - i) * sizeof(call));
    if (fate == BED_STORED || fate == BED_ACK_LOST)
        ack.seq = bed_store(b, &call, &ack.duplicate);
    if (fate == BED_STORED)
        call.done(call.ctx, 0, &ack);
    else
        call.done(call.ctx, fate == BED_REFUSED ? -EHOSTUNREACH : -ETIMEDOUT, NULL);
}

static inline void bed_end_all(struct bed *b, enum bed_fate fate)
{
    for (size_t n = b->n_calls; n > 0; n--)
        bed_end(b, 0, fate);
}

static inline void bed_tell_info(struct bed *b)
{
    const struct js_stream s = {.last_seq = b->n_stored, .created_ns = b->created_ns};
    js_on_stream *done = b->info_done;
    if (done == NULL)
        return;
    b->info_done = NULL;
    done(b->info_ctx, b->connected ? 0 : -ENOTCONN, b->connected ? &s : NULL);
}

/* --- life --- */

static void bed_on_tick(uv_timer_t *timer)
{
    (void) timer;
}

static uint64_t bed_records(void *ctx)
{
    (void) ctx;
    return 17;
}

static void bed_on_failed(void *ctx, int err)
{
    struct bed *b = ctx;
    b->failed = err;
}

static inline void bed_start(struct bed *b)
{
    const struct intake_port port = {b, bed_records, bed_on_failed};
    b->stopped = false;
    assert_int_equal(intake_open(&b->cfg, &b->metrics, &b->mailbox, &b->intake), 0);
    intake_start(b->intake, &b->cluster, &port);
}

static inline void bed_look(struct bed *b)
{
    uint64_t end_ns = uv_hrtime() + BED_TURNS_MS * UINT64_C(1000000);
    while (b->info_done == NULL) {
        assert_true(uv_hrtime() < end_ns);
        (void) uv_run(&b->loop, UV_RUN_ONCE);
    }
    bed_tell_info(b);
}

static inline struct bed *bed_new(enum config_ack ack)
{
    struct bed *b = xcalloc(1, sizeof(*b));
    the_bed = b;
    log_set_level(LOG_ERROR);
    fixture_dir(b->dir);
    b->cfg.data_dir = b->dir;
    b->cfg.nats.prefix = (char *) (uintptr_t) "rc";
    b->cfg.nats.sync_interval_ms = 1000;
    b->cfg.intake.ack = ack;
    b->cfg.intake.outbox_bytes = 64 << 20;
    b->connected = true;
    b->created_ns = 1;
    b->stored = xcalloc(BED_SENT_MAX, sizeof(*b->stored));
    b->calls = xcalloc(BED_SENT_MAX, sizeof(*b->calls));
    for (size_t i = 0; i < BED_MAX_NUMBER; i++)
        b->result[i] = 1;
    b->now_ms = 1000000;
    clock_freeze(b->now_ms, BED_WALL_MS);
    assert_int_equal(uv_loop_init(&b->loop), 0);
    assert_int_equal(mailbox_init(&b->mailbox, &b->loop), 0);
    assert_int_equal(uv_timer_init(&b->loop, &b->tick), 0);
    assert_int_equal(uv_timer_start(&b->tick, bed_on_tick, 2, 2), 0);
    b->cluster = (struct cluster){.cfg = &b->cfg, .metrics = &b->metrics, .loop = &b->loop};
    (void) snprintf(b->cluster.node, sizeof(b->cluster.node), "one");
    (void) snprintf(b->cluster.nonce, sizeof(b->cluster.nonce), "0123456789abcdef");
    bed_start(b);
    bed_look(b);
    return b;
}

/* As a process ends that is killed: what is published may arrive, nobody hears of it. */
static inline void bed_kill(struct bed *b)
{
    for (size_t i = 0; i < b->n_calls; i++) {
        bool duplicate;
        if (i % 2 == 0)
            (void) bed_store(b, &b->calls[i], &duplicate);
    }
    b->n_calls = 0;
    b->info_done = NULL;
    intake_close(b->intake);
    b->intake = NULL;
    b->cluster.nonce[0]++;
}

static inline void bed_free(struct bed *b)
{
    b->n_calls = 0;
    intake_close(b->intake);
    mailbox_fini(&b->mailbox);
    uv_close((uv_handle_t *) &b->tick, NULL);
    assert_int_equal(uv_run(&b->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&b->loop), 0);
    clock_unfreeze();
    fixture_remove(b->dir);
    free(b->stored);
    free(b->calls);
    free(b);
}

/* --- time --- */

static inline void bed_pass(struct bed *b, uint64_t ms)
{
    b->now_ms += ms;
    clock_freeze(b->now_ms, BED_WALL_MS);
}

#define BED_UNTIL(b, condition)                                                                    \
    do {                                                                                           \
        uint64_t end_ns = uv_hrtime() + BED_TURNS_MS * UINT64_C(1000000);                          \
        while (!(condition)) {                                                                     \
            if (uv_hrtime() > end_ns)                                                              \
                fail_msg("not in time: %s", #condition);                                           \
            (void) uv_run(&(b)->loop, UV_RUN_ONCE);                                                \
        }                                                                                          \
    } while (0)

/* --- taking --- */

struct bed_taken {
    struct bed *bed;
    uint64_t what;
};

static void bed_on_done(void *arg, int err, const struct ingest_counts *counts)
{
    struct bed_taken *t = arg;
    assert_int_equal(t->bed->result[t->what], 1);
    assert_true((counts == NULL) == (err < 0));
    t->bed->result[t->what] = err;
    if (counts != NULL)
        t->bed->counts[t->what] = *counts;
    t->bed->n_done++;
    free(t);
}

static inline uint64_t bed_take(struct bed *b, unsigned shard, size_t len)
{
    struct bed_taken *t = xcalloc(1, sizeof(*t));
    uint8_t *body = xcalloc(1, len + sizeof(uint64_t));
    uint64_t what = b->n_taken++;
    assert_true(what < BED_MAX_NUMBER);
    *t = (struct bed_taken){b, what};
    memcpy(body, &what, sizeof(what));
    intake_take(b->intake, shard, slice_of(body, len + sizeof(what)), bed_on_done, t);
    free(body);
    return what;
}

static inline struct intake_stats bed_stats(const struct bed *b)
{
    struct intake_stats s;
    intake_stats(b->intake, &s);
    return s;
}

/* How often it is in the stream. */
static inline unsigned bed_count(const struct bed *b, uint64_t what)
{
    unsigned n = 0;
    for (uint64_t i = 0; i < b->n_stored; i++)
        n += b->stored[i].what == what;
    return n;
}

#endif
