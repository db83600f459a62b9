/* test_consumer.c - ordered consumers, against a real server. */
#include "nats_bed.h"

#include <inttypes.h>

#define STREAM  "{\"name\":\"S\",\"subjects\":[\"s.>\"]}"
#define MAX_SEQ 4096

struct heard {
    struct consumer *c;
    uint64_t seqs[MAX_SEQ];
    size_t n;
    unsigned current, lost;
    int err;
    uint64_t first; /* of on_lost */
    size_t n_at_current, pause_at, free_at;
    bool pause_each;
    uint64_t pending;
    char last[64], subject[64];
    size_t headers;
};

static void on_msg(void *ctx, const struct js_msg *m)
{
    struct heard *h = ctx;
    assert_true(h->n < MAX_SEQ);
    h->seqs[h->n++] = m->seq;
    h->pending = m->pending;
    h->headers = m->headers.len;
    assert_true(m->time_ns > UINT64_C(1700000000) * 1000000000);
    bed_text(h->last, sizeof(h->last), m->data);
    (void) snprintf(h->subject, sizeof(h->subject), "%s", m->subject);
    assert_int_equal(consumer_seq(h->c), m->seq);
    if (h->n == h->pause_at || h->pause_each)
        consumer_pause(h->c);
    if (h->n == h->free_at) {
        consumer_free(h->c);
        h->c = NULL;
    }
}

static void on_current(void *ctx)
{
    struct heard *h = ctx;
    h->current++;
    h->n_at_current = h->n;
}

static void on_error(void *ctx, int err)
{
    ((struct heard *) ctx)->err = err;
}

static void on_lost(void *ctx, uint64_t first)
{
    struct heard *h = ctx;
    h->lost++;
    h->first = first;
}

static void listen_to(struct nats_bed *b, struct heard *h, struct consumer_options o)
{
    o.stream = "S";
    o.on_msg = on_msg;
    o.on_current = on_current;
    o.on_error = on_error;
    o.on_lost = on_lost;
    o.ctx = h;
    h->c = consumer_new(b->js, &o);
}

static void fill(struct nats_bed *b, const char *subject, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const struct js_publish p = bed_message(subject, "data");
        assert_int_equal(bed_publish(b, &p).err, 0);
    }
}

static struct nats_bed *bed_with_stream(void)
{
    struct nats_bed *b = bed_new("");
    assert_int_equal(bed_ensure(b, STREAM).err, 0);
    return b;
}

static void test_all(void **state)
{
    (void) state;
    struct nats_bed *b = bed_with_stream();
    struct heard h = {0};
    fill(b, "s.a", 10);
    listen_to(b, &h, (struct consumer_options){.from = FROM_ALL});
    BED_UNTIL(b, h.current == 1);
    assert_int_equal(h.n_at_current, 10);
    assert_int_equal(h.pending, 0);
    fill(b, "s.b", 5);
    BED_UNTIL(b, h.n == 15);
    for (size_t i = 0; i < h.n; i++)
        assert_int_equal(h.seqs[i], i + 1);
    assert_string_equal(h.subject, "s.b");
    assert_string_equal(h.last, "data");
    assert_int_equal(h.current, 1);
    assert_int_equal(h.lost, 0);
    consumer_free(h.c);
    bed_free(b);
}

static void test_empty_is_current(void **state)
{
    (void) state;
    struct nats_bed *b = bed_with_stream();
    struct heard h = {0}, filtered = {0};
    static const char *const NOTHING[] = {"s.nothing", "s.no.*"};
    listen_to(b, &h, (struct consumer_options){.from = FROM_ALL});
    BED_UNTIL(b, h.current == 1);
    fill(b, "s.a", 3);
    listen_to(b, &filtered,
              (struct consumer_options){.from = FROM_ALL, .filters = NOTHING, .n_filters = 2});
    BED_UNTIL(b, filtered.current == 1);
    assert_int_equal(filtered.n, 0);
    consumer_free(h.c);
    consumer_free(filtered.c);
    bed_free(b);
}

static void test_from(void **state)
{
    (void) state;
    struct nats_bed *b = bed_with_stream();
    struct heard seq = {0}, last = {0}, fresh = {0}, time = {0}, filter = {0};
    static const char *const FILTER[] = {"s.b.*"};
    fill(b, "s.a", 4);
    fill(b, "s.b.x", 3);
    fill(b, "s.a", 1);
    struct bed_answer at = {0};
    js_get(b->js, "S", 6, bed_on_js_msg, &at);
    BED_UNTIL(b, at.came);
    listen_to(b, &seq, (struct consumer_options){.from = FROM_SEQ, .seq = 6});
    listen_to(b, &last, (struct consumer_options){.from = FROM_LAST_PER_SUBJECT});
    listen_to(b, &fresh, (struct consumer_options){.from = FROM_NEW});
    listen_to(b, &time, (struct consumer_options){.from = FROM_TIME, .time_ns = at.time_ns});
    listen_to(b, &filter,
              (struct consumer_options){
                  .from = FROM_ALL, .filters = FILTER, .n_filters = 1, .headers_only = true});
    BED_UNTIL(b, seq.current && last.current && fresh.current && time.current && filter.current);
    assert_int_equal(seq.n_at_current, 3);
    assert_int_equal(seq.seqs[0], 6);
    assert_int_equal(last.n_at_current, 2);
    assert_int_equal(last.seqs[0], 7);
    assert_int_equal(fresh.n_at_current, 0);
    assert_int_equal(time.n_at_current, 3);
    assert_int_equal(time.seqs[0], 6);
    assert_int_equal(filter.n_at_current, 3);
    assert_string_equal(filter.last, "");
    assert_true(filter.headers > 0); /* Nats-Msg-Size */
    fill(b, "s.c", 1);
    BED_UNTIL(b, fresh.n == 1);
    assert_int_equal(fresh.seqs[0], 9);
    struct heard *const all[] = {&seq, &last, &fresh, &time, &filter};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        consumer_free(all[i]->c);
    bed_free(b);
}

/* It is tried again until there is a stream. */
static void test_no_stream(void **state)
{
    (void) state;
    struct nats_bed *b = bed_new("");
    struct heard h = {0};
    listen_to(b, &h, (struct consumer_options){.from = FROM_ALL});
    BED_UNTIL(b, h.err == -ENOENT);
    assert_int_equal(bed_ensure(b, STREAM).err, 0);
    BED_UNTIL(b, h.current == 1);
    consumer_free(h.c);
    bed_free(b);
}

static void test_lost(void **state)
{
    (void) state;
    struct nats_bed *b = bed_with_stream();
    struct heard h = {0}, beyond = {0};
    struct bed_answer purged = {0};
    fill(b, "s.a", 8);
    js_purge(b->js, "S", NULL, 5, bed_on_done, &purged);
    BED_UNTIL(b, purged.came);
    listen_to(b, &h, (struct consumer_options){.from = FROM_SEQ, .seq = 3});
    BED_UNTIL(b, h.current == 1);
    assert_int_equal(h.lost, 1);
    assert_int_equal(h.first, 5);
    assert_int_equal(h.seqs[0], 5);
    /* A place that the stream does not have: it is another one than it was. */
    listen_to(b, &beyond, (struct consumer_options){.from = FROM_SEQ, .seq = 20});
    BED_UNTIL(b, beyond.current == 1);
    assert_int_equal(beyond.lost, 1);
    assert_int_equal(beyond.first, 5);
    assert_int_equal(beyond.n, 4);
    consumer_free(h.c);
    consumer_free(beyond.c);
    bed_free(b);
}

static void test_paused(void **state)
{
    (void) state;
    struct nats_bed *b = bed_with_stream();
    struct heard h = {.pause_at = 5};
    static char big[100000];
    fill(b, "s.a", 40);
    listen_to(b, &h, (struct consumer_options){.from = FROM_ALL});
    BED_UNTIL(b, h.n == 5);
    struct js_publish p = bed_message("s.big", "");
    p.data = slice_of(big, sizeof(big));
    for (int i = 0; i < 40; i++) /* more than is held here */
        assert_int_equal(bed_publish(b, &p).err, 0);
    assert_int_equal(h.n, 5);
    consumer_resume(h.c);
    assert_int_equal(h.n, 5);
    BED_UNTIL(b, h.n == 80);
    for (size_t i = 0; i < h.n; i++)
        assert_int_equal(h.seqs[i], i + 1);
    assert_int_equal(h.current, 1);
    consumer_free(h.c);
    bed_free(b);
}

/* Also behind the last of those that were held when there were too many to hold, and behind one
 * after which the server waits to be told to go on. */
static void test_paused_behind_each(void **state)
{
    (void) state;
    struct nats_bed *b = bed_with_stream();
    struct heard h = {.pause_each = true};
    static char big[100000];
    struct js_publish p = bed_message("s.big", "");
    p.data = slice_of(big, sizeof(big));
    for (int i = 0; i < 40; i++)
        assert_int_equal(bed_publish(b, &p).err, 0);
    listen_to(b, &h, (struct consumer_options){.from = FROM_ALL});
    for (size_t i = 1; i <= 40; i++) {
        BED_UNTIL(b, h.n == i);
        consumer_resume(h.c);
    }
    consumer_free(h.c);
    bed_free(b);
}

static void test_freed_within(void **state)
{
    (void) state;
    struct nats_bed *b = bed_with_stream();
    struct heard h = {.free_at = 3};
    fill(b, "s.a", 10);
    listen_to(b, &h, (struct consumer_options){.from = FROM_ALL});
    BED_UNTIL(b, h.c == NULL);
    fill(b, "s.a", 10);
    assert_int_equal(h.n, 3);
    bed_free(b);
}

/* The server dies without a word and comes back: nothing is missed and nothing comes twice. */
static void test_server_dies(void **state)
{
    (void) state;
    struct nats_bed *b = bed_with_stream();
    struct heard h = {0};
    fill(b, "s.a", 10);
    listen_to(b, &h, (struct consumer_options){.from = FROM_ALL});
    BED_UNTIL(b, h.n == 10);
    nats_server_stop(&b->server, SIGKILL);
    BED_UNTIL(b, !nats_connected(b->nats));
    nats_server_run(&b->server);
    BED_UNTIL(b, nats_connected(b->nats));
    fill(b, "s.a", 10);
    BED_UNTIL(b, h.n == 20);
    for (size_t i = 0; i < h.n; i++)
        assert_int_equal(h.seqs[i], i + 1);
    assert_int_equal(h.lost, 0);
    consumer_free(h.c);
    bed_free(b);
}

static void ask(struct nats_bed *b, const char *subject, struct bed_answer *a)
{
    const struct slice nothing = {NULL, 0};
    (void) nats_request(b->nats, subject, nothing, nothing, 3000, bed_on_answer, a);
    BED_UNTIL(b, a->came);
    assert_int_equal(a->err, 0);
}

/* Somebody makes the stream anew while it listens: it is silent then, until that is noticed, which
 * takes seconds, or the connection breaks. */
static void test_stream_anew(void **state)
{
    (void) state;
    struct nats_bed *b = bed_with_stream();
    struct heard h = {0};
    struct bed_answer deleted = {0};
    fill(b, "s.a", 3);
    listen_to(b, &h, (struct consumer_options){.from = FROM_ALL});
    BED_UNTIL(b, h.n == 3);
    ask(b, "$JS.API.STREAM.DELETE.S", &deleted);
    BED_UNTIL(b, bed_ensure(b, STREAM).err == 0);
    fill(b, "s.new", 5);
    if (getenv("REGCAST_SWEEP") == NULL) {
        nats_server_stop(&b->server, SIGKILL);
        BED_UNTIL(b, !nats_connected(b->nats));
        nats_server_run(&b->server);
    }
    BED_UNTIL(b, h.n == 8);
    assert_int_equal(h.lost, 1);
    assert_int_equal(h.first, 1);
    assert_int_equal(h.seqs[3], 1);
    consumer_free(h.c);
    bed_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_empty_is_current),
        cmocka_unit_test(test_from),
        cmocka_unit_test(test_no_stream),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_paused),
        cmocka_unit_test(test_paused_behind_each),
        cmocka_unit_test(test_freed_within),
        cmocka_unit_test(test_server_dies),
        cmocka_unit_test(test_stream_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
