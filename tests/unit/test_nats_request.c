/* test_nats_request.c - one answer to one message, in time or not, against a real server. */
#include "nats_bed.h"

#define NONE     ((struct slice){NULL, 0})
#define REQUESTS 300

/* Answers with what it was asked; twice, of which the second is nobody's. */
static void on_question(void *ctx, const struct nats_msg *m)
{
    struct nats_bed *b = ctx;
    for (int i = 0; i < 2; i++)
        assert_int_equal(nats_publish(b->nats, m->reply, NULL, m->headers, m->data), 0);
}

static void on_silence(void *ctx, const struct nats_msg *m)
{
    (void) m;
    ++*(unsigned *) ctx;
}

static void test_answered(void **state)
{
    (void) state;
    struct nats_bed *b = bed_new("");
    static struct bed_answer a[REQUESTS];
    memset(a, 0, sizeof(a));
    (void) nats_subscribe(b->nats, "echo", on_question, b);
    for (int i = 0; i < REQUESTS; i++) {
        char data[16];
        (void) snprintf(data, sizeof(data), "%d", i);
        (void) nats_request(b->nats, "echo", SLICE_LIT("K: v\r\n"), slice_str(data), 20000,
                            bed_on_answer, &a[i]);
        assert_false(a[i].came);
    }
    for (int i = 0; i < REQUESTS; i++) {
        char data[16];
        BED_UNTIL(b, a[i].came);
        (void) snprintf(data, sizeof(data), "%d", i);
        assert_int_equal(a[i].err, 0);
        assert_string_equal(a[i].data, data);
        assert_string_equal(a[i].headers, "K: v\r\n");
    }
    bed_free(b);
}

/* Whoever is asked first and may wait longest is not in the way of the others. */
static void test_late(void **state)
{
    (void) state;
    struct nats_bed *b = bed_new("");
    unsigned heard = 0;
    struct bed_answer longest = {0}, shortest = {0}, middle = {0}, nobody = {0};
    (void) nats_subscribe(b->nats, "silent", on_silence, &heard);
    struct nats_request *r =
        nats_request(b->nats, "silent", NONE, NONE, 60000, bed_on_answer, &longest);
    (void) nats_request(b->nats, "silent", NONE, NONE, 40, bed_on_answer, &middle);
    (void) nats_request(b->nats, "silent", NONE, NONE, 20, bed_on_answer, &shortest);
    (void) nats_request(b->nats, "nobody", NONE, NONE, 60000, bed_on_answer, &nobody);
    BED_UNTIL(b, middle.came && nobody.came);
    assert_true(shortest.came);
    assert_false(longest.came);
    assert_int_equal(shortest.err, -ETIMEDOUT);
    assert_int_equal(middle.err, -ETIMEDOUT);
    assert_int_equal(nobody.err, -EHOSTUNREACH);
    BED_UNTIL(b, heard == 3);
    nats_cancel(r);
    bed_free(b);
}

static void test_refused(void **state)
{
    (void) state;
    struct nats_bed *b = bed_new("max_payload: 1000");
    struct bed_answer big = {0}, bad = {0}, lost = {0}, without = {0};
    static char data[1001];
    (void) nats_request(b->nats, "a", NONE, slice_of(data, 1001), 9, bed_on_answer, &big);
    (void) nats_request(b->nats, "a b", NONE, NONE, 9, bed_on_answer, &bad);
    assert_false(big.came || bad.came);
    BED_UNTIL(b, big.came && bad.came);
    assert_int_equal(big.err, -EMSGSIZE);
    assert_int_equal(bad.err, -EINVAL);
    unsigned heard = 0;
    (void) nats_subscribe(b->nats, "silent", on_silence, &heard);
    (void) nats_request(b->nats, "silent", NONE, NONE, 60000, bed_on_answer, &lost);
    BED_UNTIL(b, heard == 1);
    nats_server_stop(&b->server, SIGKILL);
    BED_UNTIL(b, lost.came);
    assert_int_equal(lost.err, -ENOTCONN);
    (void) nats_request(b->nats, "silent", NONE, NONE, 60000, bed_on_answer, &without);
    BED_UNTIL(b, without.came);
    assert_int_equal(without.err, -ENOTCONN);
    bed_free(b);
}

struct chain {
    struct nats_bed *b;
    unsigned n;
    struct nats_request *other; /* ends with the same turn, and is cancelled by the first */
};

static void on_refused(void *ctx, int err, const struct nats_msg *m)
{
    struct chain *c = ctx;
    assert_int_equal(err, -EINVAL);
    assert_null(m);
    if (c->other != NULL)
        nats_cancel(c->other);
    c->other = NULL;
    if (++c->n < 5)
        (void) nats_request(c->b->nats, "", NONE, NONE, 9, on_refused, c);
}

static void test_asked_within(void **state)
{
    (void) state;
    struct nats_bed *b = bed_new("");
    struct chain c = {.b = b};
    (void) nats_request(b->nats, "", NONE, NONE, 9, on_refused, &c);
    c.other = nats_request(b->nats, "", NONE, NONE, 9, on_refused, &c);
    BED_UNTIL(b, c.n == 5);
    bed_free(b);
}

static void on_close(void *ctx, int err, const struct nats_msg *m)
{
    struct nats_bed *b = ctx;
    (void) err;
    (void) m;
    bed_close(b);
}

static void test_closed_within(void **state)
{
    (void) state;
    struct nats_bed *b = bed_new("");
    struct bed_answer a = {0};
    (void) nats_request(b->nats, "", NONE, NONE, 9, on_close, b);
    (void) nats_request(b->nats, "", NONE, NONE, 9, bed_on_answer, &a);
    BED_UNTIL(b, b->nats == NULL);
    bed_connect(b, &(struct nats_options){0});
    BED_UNTIL(b, nats_connected(b->nats));
    assert_false(a.came);
    bed_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answered),      cmocka_unit_test(test_late),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_asked_within),
        cmocka_unit_test(test_closed_within),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
