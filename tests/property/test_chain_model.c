/* Owner and fence against a model of the streams: nodes believe at random, and now and then several
 * at once, that the shard is theirs; their appends are late, lost, or carried out without an
 * answer; they are stopped in between and go on with what they knew. Whatever happens, each event
 * is in one stored batch of each trigger that wants it, in order, each batch goes on where the one
 * before it ended, and who reads by that rule sees each event once. Each fence that is taken out
 * must make this fail. */
#include "chain_model.h"

/* --- what is asserted: how much is wrong --- */

/* Of what a trigger's batches hold, in the order of the stream. */
static unsigned wrong(unsigned trigger)
{
    uint64_t at = 0;
    size_t next = 0;
    unsigned errors = 0;
    for (size_t i = 0; i < S.n_batches; i++) {
        const struct stored *b = &S.batches[i];
        if (strcmp(b->trigger_id, TRIGGER_IDS[trigger]) != 0)
            continue;
        errors += b->prev != at; /* a reader would leave it out */
        at = b->last;
        for (size_t k = 0; k < b->n; k++) {
            while (next < S.n_events && (S.events[next].wanted & 1u << trigger) == 0)
                next++;
            errors += next == S.n_events || S.events[next].seq != S.in_batches[b->first + k];
            next += next < S.n_events;
        }
    }
    for (; next < S.n_events; next++)
        errors += (S.events[next].wanted & 1u << trigger) != 0;
    return errors;
}

/* How often a reader sees what he has seen before. */
static unsigned twice(unsigned trigger, bool rule)
{
    uint64_t at = 0, highest = 0;
    unsigned n = 0;
    for (size_t i = 0; i < S.n_batches; i++) {
        const struct stored *b = &S.batches[i];
        if (strcmp(b->trigger_id, TRIGGER_IDS[trigger]) != 0 || (rule && b->prev != at))
            continue;
        at = b->last;
        for (size_t k = 0; k < b->n; k++) {
            uint64_t seq = S.in_batches[b->first + k];
            n += seq <= highest;
            highest = seq > highest ? seq : highest;
        }
    }
    return n;
}

static unsigned run(uint64_t seed, enum fence out)
{
    unsigned errors = 0;
    begin(seed, out);
    for (unsigned i = 0; i < STEPS; i++) {
        struct node *n = &S.nodes[below(NODES)];
        if (chance(2))
            grant(n);
        if (chance(1))
            give_up(n);
        if (chance(2))
            n->stopped = !n->stopped;
        step();
    }
    settle();
    for (unsigned t = 0; t < TRIGGERS; t++)
        errors += wrong(t);
    return errors + S.strange;
}

static void test_each_event_once(void **state)
{
    (void) state;
    uint64_t seeds = getenv("REGCAST_SWEEP") != NULL ? 2000 : 40;
    unsigned duplicates = 0, refusals = 0;
    size_t batches = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        unsigned errors = run(seed, ALL_FENCES);
        if (errors > 0)
            fail_msg("seed %llu: %u errors", (unsigned long long) seed, errors);
        duplicates += S.duplicates;
        refusals += S.refusals;
        batches += S.n_batches;
        end();
    }
    assert_true(duplicates > 10 && refusals > 10 && batches > 1000); /* it was put to the test */
}

static void must_fail(enum fence out)
{
    unsigned found = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        found += run(seed, out) > 0;
        end();
    }
    assert_true(found > 0);
}

/* Batches are lost then; but by the rule none is read twice. */
static void test_without_message_ids(void **state)
{
    (void) state;
    unsigned with_rule = 0, without = 0;
    must_fail(NO_MSG_ID);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        (void) run(seed, NO_MSG_ID);
        for (unsigned t = 0; t < TRIGGERS; t++) {
            with_rule += twice(t, true);
            without += twice(t, false);
        }
        end();
    }
    assert_int_equal(with_rule, 0);
    assert_true(without > 0);
}

static void test_without_looking(void **state)
{
    (void) state;
    must_fail(NO_LOOK);
}

static void test_without_expected_sequences(void **state)
{
    (void) state;
    must_fail(NO_EXPECTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_event_once),
        cmocka_unit_test(test_without_message_ids),
        cmocka_unit_test(test_without_looking),
        cmocka_unit_test(test_without_expected_sequences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
