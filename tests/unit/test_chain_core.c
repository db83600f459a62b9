/* One trigger's messages, step by step: each answer there can be to one that was sent, and memory
 * that fails. */
#include "cluster/chain_core.h"
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SHARD = 3, PAUSE_MAX = 1000 };
#define OURS "node-a.1"

struct bed {
    struct chain_core *core;
    uint64_t now, looked;
    struct chain_message *sent;
    unsigned n_sent, n_looks, n_refused, n_quiet;
    bool valid, drops; /* drops: what is refused is dropped from inside */
};

static void on_send(void *ctx, struct chain_message *m)
{
    struct bed *b = ctx;
    b->sent = m;
    b->n_sent++;
}

static void on_look(void *ctx, struct chain_message *m, uint64_t seq)
{
    struct bed *b = ctx;
    b->sent = m;
    b->looked = seq;
    b->n_looks++;
}

static bool is_valid(void *ctx, unsigned shard)
{
    const struct bed *b = ctx;
    assert_int_equal(shard, SHARD);
    return b->valid;
}

static void on_refused(void *ctx, unsigned shard)
{
    struct bed *b = ctx;
    b->n_refused++;
    if (b->drops)
        chain_core_drop(b->core, shard);
}

static void on_quiet(void *ctx, unsigned shard)
{
    struct bed *b = ctx;
    assert_int_equal(shard, SHARD);
    b->n_quiet++;
}

static int append(struct bed *b, const char *trigger, uint64_t seq)
{
    const struct batch_wire_item item = {.last_seq = seq, .frames = SLICE_LIT("frames")};
    return chain_core_append(b->core, trigger, NULL, &item);
}

static void begin(struct bed *b)
{
    *b = (struct bed){.now = 5000, .valid = true};
    b->core = chain_core_new(&(struct chain_core_port){.ctx = b,
                                                       .writer = OURS,
                                                       .send = on_send,
                                                       .look = on_look,
                                                       .valid = is_valid,
                                                       .refused = on_refused,
                                                       .quiet = on_quiet});
    chain_core_load(b->core, SHARD, "a", 1);
    assert_int_equal(append(b, "a", 2), 0);
    assert_false(chain_core_turn(b->core, b->now));
    assert_int_equal(b->n_sent, 1);
}

static void answer(struct bed *b, int err, bool duplicate)
{
    chain_core_sent(b->sent, err, err < 0 ? 0 : 40, duplicate, b->now);
}

static void again(struct bed *b, uint64_t after)
{
    unsigned before = b->n_sent;
    const struct chain_message *m = b->sent;
    b->now += after;
    (void) chain_core_turn(b->core, b->now);
    assert_int_equal(b->n_sent, before + 1);
    assert_ptr_equal(b->sent, m); /* the same */
}

static void end(struct bed *b)
{
    chain_core_free(b->core);
}

static void test_errors_are_tried_again(void **state)
{
    (void) state;
    static const int ERRORS[] = {-ETIMEDOUT, -ENOTCONN, -EHOSTUNREACH, -ENOSPC, -EPROTO};
    struct bed b;
    begin(&b);
    for (size_t i = 0; i < ARRAY_LEN(ERRORS); i++) {
        answer(&b, ERRORS[i], false);
        assert_true(chain_core_turn(b.core, b.now)); /* not at once */
        assert_int_equal(b.n_sent, i + 1);
        again(&b, PAUSE_MAX);
    }
    assert_int_equal(append(&b, "a", 3), 0);
    answer(&b, 0, false);
    assert_int_equal(b.n_quiet, 0);
    assert_int_equal(chain_core_stored(b.core), 40);
    assert_int_equal(chain_core_pending_first(b.core, SHARD), 3);
    (void) chain_core_turn(b.core, b.now);
    assert_int_equal(b.sent->prev_seq, 2);
    assert_int_equal(b.sent->last_seq, 3);
    answer(&b, 0, false);
    assert_int_equal(b.n_quiet, 1);
    end(&b);
}

static void test_nothing_without_a_lease(void **state)
{
    (void) state;
    struct bed b;
    begin(&b);
    answer(&b, -ETIMEDOUT, false);
    b.valid = false;
    b.now += PAUSE_MAX;
    assert_true(chain_core_turn(b.core, b.now));
    assert_int_equal(b.n_sent, 1);
    b.valid = true;
    again(&b, 0);
    end(&b);
}

static void test_another_was_first(void **state)
{
    (void) state;
    struct bed b;
    begin(&b);
    answer(&b, 0, true); /* of our first attempt: it cannot be ours */
    assert_int_equal(b.n_refused, 1);
    assert_int_equal(append(&b, "a", 3), 0);
    b.now += PAUSE_MAX;
    (void) chain_core_turn(b.core, b.now);
    assert_int_equal(b.n_sent, 1);
    chain_core_drop(b.core, SHARD);
    assert_int_equal(append(&b, "a", 3), -ENOENT);
    end(&b);
}

static void test_what_the_stream_has(void **state)
{
    (void) state;
    static const struct {
        const char *writer;
        struct batch_wire wire;
        int err;
        bool stored, asked_again;
    } CASES[] = {
        {OURS, {.trigger_id = "a", .prev_seq = 1, .last_seq = 2}, 0, true, false},
        {"node-b.1", {.trigger_id = "a", .prev_seq = 1, .last_seq = 2}, 0, false, false},
        {OURS, {.trigger_id = "a", .prev_seq = 1, .last_seq = 3}, 0, false, false},
        {OURS, {.trigger_id = "a", .prev_seq = 0, .last_seq = 2}, 0, false, false},
        {OURS, {.trigger_id = "b", .prev_seq = 1, .last_seq = 2}, 0, false, false},
        {"", {.prev_seq = 0}, -ENOENT, true, false}, /* it has left the stream */
        {"", {.prev_seq = 0}, -ETIMEDOUT, false, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct bed b;
        begin(&b);
        b.drops = true;
        answer(&b, -ETIMEDOUT, false);
        again(&b, PAUSE_MAX);
        answer(&b, 0, true);
        assert_int_equal(b.n_looks, 1);
        assert_int_equal(b.looked, 40);
        chain_core_looked(b.sent, CASES[i].err, &CASES[i].wire, slice_str(CASES[i].writer), b.now);
        assert_int_equal(b.n_quiet, CASES[i].stored);
        assert_int_equal(chain_core_stored(b.core), CASES[i].stored ? 40 : 0);
        assert_int_equal(b.n_refused, !CASES[i].stored && !CASES[i].asked_again);
        if (CASES[i].asked_again)
            again(&b, PAUSE_MAX);
        end(&b);
    }
}

/* A stream knows what it has stored for so long only. */
static void test_unsure_for_too_long(void **state)
{
    (void) state;
    struct bed b;
    begin(&b);
    for (unsigned i = 0; i < 70 && b.n_refused == 0; i++) {
        answer(&b, i == 0 ? -ENOTCONN : -EHOSTUNREACH, false);
        if (b.n_refused == 0)
            again(&b, PAUSE_MAX);
    }
    assert_int_equal(b.n_refused, 1);
    assert_in_range(b.now, 5000 + 59000, 5000 + 62000);
    end(&b);

    begin(&b); /* what was surely not stored may take its time */
    for (unsigned i = 0; i < 100; i++) {
        answer(&b, -ENOSPC, false);
        again(&b, PAUSE_MAX);
    }
    assert_int_equal(b.n_refused, 0);
    end(&b);
}

static void test_dropped_on_its_way(void **state)
{
    (void) state;
    struct bed b;
    begin(&b);
    chain_core_load(b.core, SHARD, "b", 0);
    struct chain_message *first = b.sent;
    chain_core_drop_trigger(b.core, "a");
    assert_int_equal(b.n_quiet, 1); /* nothing is pending any more */
    assert_null(first->ctx);
    chain_core_sent(first, 0, 50, false, b.now);
    assert_int_equal(chain_core_stored(b.core), 0);
    assert_int_equal(append(&b, "b", 7), 0);
    (void) chain_core_turn(b.core, b.now);
    chain_core_drop(b.core, SHARD);
    assert_int_equal(chain_core_pending_bytes(b.core), 0);
    assert_int_equal(b.n_quiet, 1);
    chain_core_drop_trigger(b.core, "b");
    end(&b); /* the second is not answered any more */
}

static void test_memory_fails(void **state)
{
    (void) state;
    struct bed b;
    begin(&b);
    uint64_t before = chain_core_pending_bytes(b.core);
    for (unsigned n = 1; n <= 2; n++) {
        mem_fail_at(n);
        assert_int_equal(append(&b, "a", 3), -ENOMEM);
        mem_fail_at(0);
        assert_int_equal(chain_core_pending_bytes(b.core), before);
    }
    assert_int_equal(append(&b, "a", 3), 0);
    answer(&b, 0, false);
    assert_int_equal(b.n_quiet, 0);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_are_tried_again),
        cmocka_unit_test(test_nothing_without_a_lease),
        cmocka_unit_test(test_another_was_first),
        cmocka_unit_test(test_what_the_stream_has),
        cmocka_unit_test(test_unsure_for_too_long),
        cmocka_unit_test(test_dropped_on_its_way),
        cmocka_unit_test(test_memory_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
