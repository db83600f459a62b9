/* Which message of a path comes next: cases, and against a model: a stream that two owners of each
 * trigger write, of which a reader loses some, gets some twice and some late. */
#include "cluster/feed_order.h"

#include "err.h"
#include "slice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_judge(void **state)
{
    (void) state;
    static const struct {
        const char *name;
        uint64_t at;
        bool moved;
        uint64_t seq, prev;
        enum feed_verdict is;
    } CASES[] = {
        {"the first of all", 0, false, 7, 0, FEED_TAKE},
        {"one before it", 0, false, 7, 5, FEED_HOLD},
        {"the next", 7, false, 9, 7, FEED_TAKE},
        {"twice", 7, false, 7, 5, FEED_OLD},
        {"late", 7, false, 5, 0, FEED_OLD},
        {"one is missing", 7, false, 12, 9, FEED_HOLD},
        {"what came before has expired", 7, false, 9, 0, FEED_TAKE},
        {"another stream", 7, false, 9, 3, FEED_OTHER},
        {"a stream that was cut", 7, true, 9, 3, FEED_TAKE},
        {"a stream that was cut, one missing", 7, true, 12, 9, FEED_HOLD},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct feed_order o = {.seq = CASES[i].at, .moved = CASES[i].moved};
        print_message("  %s\n", CASES[i].name);
        assert_int_equal(feed_order_judge(&o, CASES[i].seq, CASES[i].prev), CASES[i].is);
    }
    struct feed_order o = {.seq = 7, .moved = true};
    feed_order_pass(&o, 9);
    assert_int_equal(feed_order_judge(&o, 11, 3), FEED_OTHER); /* once only */
}

static void test_triggers(void **state)
{
    (void) state;
    struct feed_order o = {.seq = 0};
    assert_true(feed_order_take(&o, 1, "a1s1", 5, 9));
    assert_true(feed_order_take(&o, 2, "a1s2", 0, 3));  /* another one's numbers */
    assert_false(feed_order_take(&o, 3, "a1s1", 5, 8)); /* went on where the first did */
    assert_int_equal(o.seq, 3);
    assert_true(feed_order_take(&o, 4, "a1s1", 9, 12));
    assert_false(feed_order_take(&o, 5, "a1s1", 11, 20));
    assert_true(feed_order_take(&o, 6, "a1s1", 30, 31)); /* what lay between may have expired */
    feed_order_forget(&o);
    assert_true(feed_order_take(&o, 7, "a1s1", 2, 4));
    feed_order_fini(&o);
}

/* The one that was not used for longest is forgotten. */
static void test_many_triggers(void **state)
{
    (void) state;
    struct feed_order o = {.seq = 0};
    char id[ID_SIZE];
    for (uint64_t i = 1; i <= FEED_TRIGGERS_MAX; i++) {
        (void) snprintf(id, sizeof(id), "a1s%llu", (unsigned long long) i);
        assert_true(feed_order_take(&o, i, id, 0, 10));
    }
    assert_true(feed_order_take(&o, FEED_TRIGGERS_MAX + 1, "a1s1", 10, 20));
    assert_true(feed_order_take(&o, FEED_TRIGGERS_MAX + 2, "another", 0, 10));
    assert_int_equal(o.n, FEED_TRIGGERS_MAX);
    assert_false(feed_order_take(&o, FEED_TRIGGERS_MAX + 3, "a1s1", 5, 6));
    assert_true(feed_order_take(&o, FEED_TRIGGERS_MAX + 4, "a1s2", 5, 6)); /* it was that one */
    feed_order_fini(&o);
}

/* --- a model --- */

#define MESSAGES 200
#define TRIGGERS 3

struct written {
    uint64_t seq, before, prev, last;
    unsigned trigger;
};

static uint64_t draw(uint64_t *seed, uint64_t below)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (*seed >> 33) % below;
}

/* Two owners of each trigger; the one that has lost its lease goes on from where it thinks it is.
 */
static void write_stream(uint64_t *seed, struct written w[MESSAGES])
{
    uint64_t at[TRIGGERS][2] = {{0}};
    uint64_t seq = 0, before = 0;
    for (size_t i = 0; i < MESSAGES; i++) {
        unsigned t = (unsigned) draw(seed, TRIGGERS), owner = (unsigned) draw(seed, 2);
        if (draw(seed, 3) == 0) /* it has read where the other one is */
            at[t][owner] = at[t][0] > at[t][1] ? at[t][0] : at[t][1];
        seq += 1 + draw(seed, 4); /* other paths' lie between */
        w[i] = (struct written){seq, before, at[t][owner], at[t][owner] + 1 + draw(seed, 5), t};
        at[t][owner] = w[i].last;
        before = seq;
    }
}

static bool take(struct feed_order *o, const struct written *w)
{
    static const char *const IDS[TRIGGERS] = {"a1s0", "a1s1", "a1s2"};
    return feed_order_take(o, w->seq, IDS[w->trigger], w->prev, w->last);
}

/* What all readers believe: each message in turn, by the triggers alone. */
static size_t fold(const struct written w[MESSAGES], uint64_t ret[MESSAGES])
{
    uint64_t last[TRIGGERS] = {0};
    size_t n = 0;
    for (size_t i = 0; i < MESSAGES; i++) {
        if (w[i].prev < last[w[i].trigger])
            continue;
        last[w[i].trigger] = w[i].last;
        ret[n++] = w[i].seq;
    }
    return n;
}

struct reader {
    struct feed_order order;
    const struct written *stream;
    uint64_t got[MESSAGES];
    size_t n;
};

static void get(struct reader *r, const struct written *w)
{
    if (take(&r->order, w))
        r->got[r->n++] = w->seq;
}

static void fill(struct reader *r, uint64_t upto)
{
    for (size_t i = 0; i < MESSAGES && r->stream[i].seq <= upto; i++)
        if (r->stream[i].seq > r->order.seq)
            get(r, &r->stream[i]);
}

/* Lost, twice, late; and what is missing is read from the stream. */
static void read_with_losses(struct reader *r, uint64_t *seed)
{
    size_t at = 0;
    while (at < MESSAGES) {
        at += draw(seed, 3); /* 0: the same once more; 2: one is lost */
        size_t back = draw(seed, 4) == 0 ? draw(seed, 10) : 0;
        size_t i = at > back ? at - back : 0;
        if (i >= MESSAGES)
            break;
        const struct written *w = &r->stream[i];
        enum feed_verdict is = feed_order_judge(&r->order, w->seq, w->before);
        assert_true(is != FEED_OTHER);
        if (is == FEED_HOLD)
            fill(r, w->before);
        if (is == FEED_HOLD || is == FEED_TAKE) {
            assert_int_equal(feed_order_judge(&r->order, w->seq, w->before), FEED_TAKE);
            get(r, w);
        }
    }
    fill(r, UINT64_MAX); /* the check that is made from time to time */
}

static void test_against_the_model(void **state)
{
    (void) state;
    size_t left_out = 0;
    for (uint64_t run = 1; run <= 500; run++) {
        uint64_t seed = run, expected[MESSAGES];
        struct written stream[MESSAGES];
        struct reader r = {.stream = stream};
        write_stream(&seed, stream);
        size_t n = fold(stream, expected);
        left_out += MESSAGES - n;
        read_with_losses(&r, &seed);
        if (r.n != n || memcmp(r.got, expected, n * sizeof(expected[0])) != 0)
            fail_msg("run %u: %zu of %zu", (unsigned) run, r.n, n);
        feed_order_fini(&r.order);
    }
    assert_true(left_out > 500); /* else it tried nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judge),
        cmocka_unit_test(test_triggers),
        cmocka_unit_test(test_many_triggers),
        cmocka_unit_test(test_against_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
