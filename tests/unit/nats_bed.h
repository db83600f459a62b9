/* nats_bed.h - a client of a real nats-server on a loop that the test turns. Nothing sleeps and
 * hopes: BED_UNTIL() turns the loop until a condition holds, and fails when it does not in time. */
#ifndef TESTS_UNIT_NATS_BED_H
#define TESTS_UNIT_NATS_BED_H

#include "nats/consumer.h"
#include "nats_server.h"

#include "log.h"
#include "mem.h"

#define BED_DEADLINE_MS 30000

struct nats_bed {
    struct nats_server_process server;
    uv_loop_t loop;
    uv_timer_t tick; /* so that a turn ends */
    struct nats *nats;
    struct js *js;
    enum nats_state state;
    unsigned n_states, n_lame;
    char why[256];
};

static inline void bed_on_tick(uv_timer_t *timer)
{
    (void) timer;
}

static inline void bed_on_state(void *ctx, enum nats_state state, const char *why)
{
    struct nats_bed *b = ctx;
    b->state = state;
    b->n_states++;
    b->n_lame += state == NATS_LAME_DUCK;
    (void) snprintf(b->why, sizeof(b->why), "%s", why);
}

static inline uint64_t bed_now(void)
{
    return uv_hrtime() / 1000000;
}

#define BED_UNTIL(b, condition)                                                                    \
    do {                                                                                           \
        uint64_t bed_end = bed_now() + BED_DEADLINE_MS;                                            \
        while (!(condition)) {                                                                     \
            if (bed_now() > bed_end)                                                               \
                fail_msg("not in time: %s", #condition);                                           \
            (void) uv_run(&(b)->loop, UV_RUN_ONCE);                                                \
        }                                                                                          \
    } while (0)

static inline void bed_loop(struct nats_bed *b)
{
    log_set_level(LOG_ERROR);
    assert_int_equal(uv_loop_init(&b->loop), 0);
    assert_int_equal(uv_timer_init(&b->loop, &b->tick), 0);
    assert_int_equal(uv_timer_start(&b->tick, bed_on_tick, 5, 5), 0);
}

static inline void bed_connect(struct nats_bed *b, const struct nats_options *given)
{
    struct nats_options o = *given;
    const char *url = b->server.url;
    o.on_state = bed_on_state;
    o.ctx = b;
    if (o.n_urls == 0) {
        o.urls = &url;
        o.n_urls = 1;
    }
    assert_int_equal(nats_new(&b->loop, &o, &b->nats), 0);
    b->js = js_new(b->nats, NULL);
}

/* A server with these lines of configuration, and a client that is connected to it. */
static inline struct nats_bed *bed_new(const char *more)
{
    struct nats_bed *b = xcalloc(1, sizeof(*b));
    (void) signal(SIGPIPE, SIG_IGN);
    nats_server_start(&b->server, more);
    bed_loop(b);
    bed_connect(b, &(struct nats_options){.name = "test"});
    BED_UNTIL(b, nats_connected(b->nats));
    return b;
}

static inline void bed_close(struct nats_bed *b)
{
    js_free(b->js);
    nats_close(b->nats, 0);
    b->js = NULL;
    b->nats = NULL;
}

static inline void bed_free(struct nats_bed *b)
{
    bed_close(b);
    uv_close((uv_handle_t *) &b->tick, NULL);
    assert_int_equal(uv_run(&b->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&b->loop), 0);
    nats_server_end(&b->server);
    free(b);
}

/* --- one answer --- */

struct bed_answer {
    bool came;
    int err;
    struct js_ack ack;
    struct js_stream stream;
    uint64_t seq, time_ns;
    unsigned status;
    char subject[128], data[256], headers[256];
    size_t len;
};

static inline void bed_text(char *ret, size_t size, struct slice s)
{
    size_t n = s.len < size ? s.len : size - 1;
    if (n > 0)
        memcpy(ret, s.data, n);
    ret[n] = '\0';
}

static inline void bed_on_ack(void *ctx, int err, const struct js_ack *ack)
{
    struct bed_answer *a = ctx;
    assert_false(a->came);
    a->came = true;
    a->err = err;
    if (ack != NULL)
        a->ack = *ack;
}

static inline void bed_on_stream(void *ctx, int err, const struct js_stream *s)
{
    struct bed_answer *a = ctx;
    assert_false(a->came);
    a->came = true;
    a->err = err;
    if (s != NULL)
        a->stream = *s;
}

static inline void bed_on_done(void *ctx, int err)
{
    struct bed_answer *a = ctx;
    assert_false(a->came);
    a->came = true;
    a->err = err;
}

static inline void bed_on_js_msg(void *ctx, int err, const struct js_msg *m)
{
    struct bed_answer *a = ctx;
    assert_false(a->came);
    a->came = true;
    a->err = err;
    if (m == NULL)
        return;
    a->seq = m->seq;
    a->time_ns = m->time_ns;
    a->len = m->data.len;
    (void) snprintf(a->subject, sizeof(a->subject), "%s", m->subject);
    bed_text(a->data, sizeof(a->data), m->data);
    bed_text(a->headers, sizeof(a->headers), m->headers);
}

static inline void bed_on_answer(void *ctx, int err, const struct nats_msg *m)
{
    struct bed_answer *a = ctx;
    assert_false(a->came);
    a->came = true;
    a->err = err;
    if (m == NULL)
        return;
    a->len = m->data.len;
    a->status = m->status;
    (void) snprintf(a->subject, sizeof(a->subject), "%s", m->subject);
    bed_text(a->data, sizeof(a->data), m->data);
    bed_text(a->headers, sizeof(a->headers), m->headers);
}

static inline struct js_publish bed_message(const char *subject, const char *data)
{
    return (struct js_publish){.subject = subject,
                               .last_subject_seq = JS_ANY,
                               .last_seq = JS_ANY,
                               .data = slice_str(data)};
}

static inline struct bed_answer bed_publish(struct nats_bed *b, const struct js_publish *p)
{
    struct bed_answer a = {0};
    js_publish(b->js, p, bed_on_ack, &a);
    assert_false(a.came);
    BED_UNTIL(b, a.came);
    return a;
}

static inline struct bed_answer bed_ensure(struct nats_bed *b, const char *config)
{
    struct bed_answer a = {0};
    js_stream_ensure(b->js, config, bed_on_stream, &a);
    BED_UNTIL(b, a.came);
    return a;
}

#endif
