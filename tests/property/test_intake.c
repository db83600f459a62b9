/* The intake against a model of the stream that loses what is published, loses acknowledgements,
 * brings them back in any order, and loses its own end, while the node is killed and starts again:
 * whatever was acknowledged is in the stream in the end, exactly once; and in the order in which it
 * was taken, of each shard, if nothing went wrong. */
#include "intake_bed.h"

#define SHARDS 3
#define STEPS  250
#define SEEDS  6

struct trouble {
    bool failures, regresses, kills;
};

static enum bed_fate fate_of(const struct trouble *t, uint64_t *seed)
{
    uint64_t n = cuts_random(seed) % 10;
    if (!t->failures || n > 3)
        return BED_STORED;
    return n == 0 ? BED_REFUSED : n == 1 ? BED_LOST : BED_ACK_LOST;
}

static void turn(struct bed *b)
{
    (void) uv_run(&b->loop, UV_RUN_NOWAIT);
    bed_tell_info(b);
}

/* What is on its way is lost, as is the end of the stream; others fill it up. */
static void lose_end(struct bed *b, uint64_t *seed)
{
    static const struct bed_stored OTHERS = {.id = "others", .what = UINT64_MAX};
    uint64_t lost = cuts_random(seed) % 20;
    bed_end_all(b, BED_LOST);
    b->n_stored -= lost < b->n_stored ? lost : b->n_stored;
    for (uint64_t n = cuts_random(seed) % 30; n > 0; n--)
        b->stored[b->n_stored++] = OTHERS;
    b->reconnects++;
    (void) bed_stats(b);
}

static void start_again(struct bed *b)
{
    bed_kill(b);
    bed_start(b);
}

static void step(struct bed *b, const struct trouble *t, uint64_t *seed)
{
    uint64_t n = cuts_random(seed) % 100;
    if (n < 45)
        (void) bed_take(b, (unsigned) (cuts_random(seed) % SHARDS), cuts_random(seed) % 100);
    else if (n < 80 && b->n_calls > 0)
        bed_end(b, t->failures ? cuts_random(seed) % b->n_calls : 0, fate_of(t, seed));
    else if (n < 95)
        bed_pass(b, cuts_random(seed) % 40);
    else if (n < 97 && t->regresses)
        lose_end(b, seed);
    else if (n < 98 && t->kills)
        start_again(b);
    turn(b);
}

static void heal(struct bed *b)
{
    uint64_t end_ns = uv_hrtime() + BED_TURNS_MS * UINT64_C(1000000);
    unsigned quiet = 0;
    while (quiet < 3) { /* nothing waits, also after the stream was looked at */
        if (uv_hrtime() > end_ns)
            fail_msg("%llu wait", (unsigned long long) bed_stats(b).waiting);
        bed_end_all(b, BED_STORED);
        bed_pass(b, 20);
        (void) uv_run(&b->loop, UV_RUN_ONCE);
        bed_tell_info(b);
        bool done = bed_stats(b).waiting == 0 && b->n_calls == 0 && b->info_done == NULL &&
                    b->n_done == b->n_taken;
        quiet = done ? quiet + 1 : 0;
    }
}

static void check(const struct bed *b, bool ordered, uint64_t seed)
{
    uint64_t last[SHARDS] = {0};
    for (uint64_t what = 0; what < b->n_taken; what++) {
        unsigned n = bed_count(b, what);
        if (n > 1 || (b->result[what] == 0 && n != 1))
            fail_msg("seed %llu: number %llu ended with %d and is %u times in the stream",
                     (unsigned long long) seed, (unsigned long long) what, b->result[what], n);
    }
    for (uint64_t i = 0; ordered && i < b->n_stored; i++) {
        assert_true(b->stored[i].what + 1 > last[b->stored[i].shard]);
        last[b->stored[i].shard] = b->stored[i].what + 1;
    }
}

static void run(enum config_ack ack, const struct trouble *t, uint64_t number)
{
    uint64_t seed = number * 7919 + 1;
    struct bed *b = bed_new(ack);
    log_set_level(LOG_N_LEVELS);
    for (unsigned i = 0; i < STEPS; i++)
        step(b, t, &seed);
    if (t->regresses) { /* the last loss is noticed by the next look */
        b->reconnects++;
        turn(b);
    }
    heal(b);
    check(b, !t->failures && !t->regresses && !t->kills, number);
    bed_free(b);
}

static unsigned n_seeds(void)
{
    const char *sweep = getenv("REGCAST_SWEEP");
    return sweep != NULL && sweep[0] == '1' ? 50 * SEEDS : SEEDS;
}

static void test_order(void **state)
{
    (void) state;
    for (unsigned i = 0; i < n_seeds(); i++)
        run((enum config_ack)(i % 3), &(struct trouble){.failures = false}, i);
}

static void test_failures(void **state)
{
    (void) state;
    for (unsigned i = 0; i < n_seeds(); i++)
        run((enum config_ack)(i % 3), &(struct trouble){.failures = true}, i);
}

static void test_everything(void **state)
{
    (void) state;
    for (unsigned i = 0; i < 2 * n_seeds(); i++)
        run(i % 2 == 0 ? ACK_BOTH : ACK_JOURNAL, &(struct trouble){true, true, true}, i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
