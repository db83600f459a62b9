/* What a start finds: what the last process died over is counted, and set aside after a few times.
 */
#include "embedded.h"
#include "recovery.h"

static const struct engine_ops *const OPS = &ENGINE_EMBEDDED;
static const char *const TRIGGERS[] = {"a1strigger0000000001"};

static int setup(void **state)
{
    *state = embedded_new();
    return 0;
}

static int teardown(void **state)
{
    embedded_free(*state);
    return 0;
}

static void submit(struct embedded *m, const char *repository)
{
    struct event *e = embedded_event(m, repository);
    OPS->submit(m->engine,
                &(struct engine_submission){
                    .events = &e, .n = 1, .epoch = 1, .done = embedded_on_done, .arg = m});
    OPS->flush(m->engine);
    size_t before = m->n_done;
    EMBEDDED_UNTIL(m, m->n_done == before + 1);
    event_unref(e);
}

/* The process ends while it works on this. */
static void die_at(struct embedded *m, uint64_t webhook, uint64_t event)
{
    struct trial *t;
    struct trial_found found;
    assert_int_equal(trial_open(m->dir, &t, &found), 0);
    trial_webhook(t, webhook);
    trial_event(t, event);
    trial_close(t);
}

/* The second of three events ends whoever works on it: the others flow, it becomes a letter. */
static void test_poison(void **state)
{
    struct embedded *m = *state;
    embedded_open_(m, TRIGGERS, 1);
    submit(m, "one");
    submit(m, "two");
    submit(m, "three");
    embedded_shut(m);
    for (int attempt = 1; attempt <= TRIAL_ATTEMPTS; attempt++) {
        die_at(m, 0, 2);
        embedded_open_(m, TRIGGERS, 1);
        assert_string_equal(m->said, attempt < TRIAL_ATTEMPTS ? "again 1 again 2 again 3 "
                                                              : "again 1 again 3 ");
        if (attempt < TRIAL_ATTEMPTS)
            embedded_shut(m);
    }
    const struct metrics *all[] = {&m->metrics};
    EMBEDDED_UNTIL(m, metrics_get(all, 1, M_DEAD_LETTERS) == 1);
    OPS->batched(m->engine, 3);
    embedded_shut(m);
    embedded_open_(m, TRIGGERS, 1); /* it is not set aside a second time */
    assert_string_equal(m->said, "");
    struct engine_stats stats = {0};
    OPS->stats(m->engine, &stats);
    assert_int_equal(stats.dead_letters, 1);
}

static void on_settled(void *arg)
{
    ((struct embedded *) arg)->n_settled++;
}

/* So it is when nothing came after it: no later start finds it again. */
static void test_poison_is_last(void **state)
{
    struct embedded *m = *state;
    for (uint64_t n = 1; n <= 2; n++) { /* it is alone; behind another one */
        uint64_t bad = n == 1 ? 1 : 3;
        embedded_open_(m, TRIGGERS, 1);
        for (uint64_t i = 0; i < n; i++)
            submit(m, "app");
        OPS->batched(m->engine, bad - 1);
        embedded_shut(m);
        for (int start = 1; start <= TRIAL_ATTEMPTS + 1; start++) {
            struct engine_stats stats = {0};
            die_at(m, 0, start <= TRIAL_ATTEMPTS ? bad : 0);
            embedded_open_(m, TRIGGERS, 1);
            assert_int_equal(m->n_events, start < TRIAL_ATTEMPTS ? 1 : 0);
            OPS->batched(m->engine, start < TRIAL_ATTEMPTS ? bad - 1 : 0); /* what was seen of it */
            m->n_settled = 0;
            OPS->settle(m->engine, on_settled, m);
            EMBEDDED_UNTIL(m, m->n_settled == 1);
            OPS->stats(m->engine, &stats);
            assert_int_equal(stats.dead_letters, start < TRIAL_ATTEMPTS ? n - 1 : n);
            embedded_shut(m);
        }
    }
}

/* Dying over other things, or over none, counts for nobody. */
static void test_innocent(void **state)
{
    struct embedded *m = *state;
    embedded_open_(m, TRIGGERS, 1);
    submit(m, "one");
    submit(m, "two");
    embedded_shut(m);
    for (unsigned attempt = 0; attempt < 2 * TRIAL_ATTEMPTS; attempt++) {
        die_at(m, 0, attempt % 3); /* 0: nothing, 1 and 2 twice each */
        embedded_open_(m, TRIGGERS, 1);
        assert_string_equal(m->said, "again 1 again 2 ");
        embedded_shut(m);
    }
}

static void test_suspect(void **state)
{
    struct embedded *m = *state;
    uint64_t bad = trial_hash("crtregistry", SLICE_LIT("bad")),
             good = trial_hash("crtregistry", SLICE_LIT("good"));
    for (int attempt = 1; attempt <= TRIAL_ATTEMPTS; attempt++) {
        embedded_open_(m, TRIGGERS, 1);
        assert_false(OPS->suspect(m->engine, bad));
        embedded_shut(m);
        die_at(m, bad, 0);
    }
    for (int again = 0; again < 2; again++) { /* the count is kept */
        embedded_open_(m, TRIGGERS, 1);
        assert_true(OPS->suspect(m->engine, bad));
        assert_false(OPS->suspect(m->engine, good));
        embedded_shut(m);
    }
    embedded_open_(m, TRIGGERS, 1);
}

static void test_numbers(void **state)
{
    (void) state;
    uint64_t at[] = {3, 5};
    const struct numbers none = {0}, some = {.at = at, .n = 2, .cap = 2};
    assert_false(numbers_have(&none, 3));
    assert_true(numbers_have(&some, 5));
    assert_false(numbers_have(&some, 4));
}

/* A store that cannot be read is said to be so, and looked at whole by the next start. */
static void test_damaged_catalog(void **state)
{
    struct embedded *m = *state;
    embedded_open_(m, TRIGGERS, 1);
    submit(m, "one");
    embedded_shut(m);
    char command[256];
    (void) snprintf(command, sizeof(command), "%s/journal.db", m->dir);
    FILE *f = fopen(command, "r+");
    assert_non_null(f);
    for (long at = 8192; at < 16384; at += 512) { /* everything behind the first two pages */
        assert_int_equal(fseek(f, at, SEEK_SET), 0);
        assert_int_equal(fwrite("damage", 1, 6, f), 6);
    }
    assert_int_equal(fclose(f), 0);
    embedded_open_(m, TRIGGERS, 1); /* found at once: moved aside, and begun anew */
    assert_string_equal(m->said, "");
    assert_int_equal(m->old_seq[0], 0);
    submit(m, "two");
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_poison),  WITH(test_poison_is_last),  WITH(test_innocent),
        WITH(test_suspect), WITH(test_damaged_catalog), cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
