/* Tests of broker/pipeline_records.c: what others keep by name is there after a restart, once. */
#include "broker_fixture.h"

static void start_with(struct broker *b, bool journal)
{
    if (journal)
        use_journal(b);
    start(b);
}

static int kept_err;
static unsigned n_kept;

static void on_kept(void *arg, int err)
{
    (void) arg;
    kept_err = err;
    n_kept++;
}

static int keep(struct broker *b, const struct engine_record *records, size_t n)
{
    unsigned before = n_kept;
    pipeline_keep(b->pipeline, records, n, on_kept, NULL);
    BROKER_UNTIL(b, n_kept > before);
    return kept_err;
}

static void see(void *ctx, const char *id, struct slice value)
{
    assert_int_equal(buf_printf(ctx, "%s=%.*s ", id, (int) value.len, (const char *) value.data),
                     0);
}

static void expect(struct broker *b, const char *revocations, const char *operations)
{
    struct buf seen;
    buf_init(&seen, 1000);
    pipeline_load_revocations(b->pipeline, see, &seen);
    pipeline_load_revocations(b->pipeline, see, &seen); /* once */
    assert_true(slice_eq_str(buf_slice(&seen), revocations));
    buf_clear(&seen);
    pipeline_load_operations(b->pipeline, see, &seen);
    assert_true(slice_eq_str(buf_slice(&seen), operations));
    buf_fini(&seen);
}

static void test_kept_over_a_restart(void **state)
{
    struct broker *b = *state;
    start_with(b, true);
    const struct engine_record first[] = {{ENGINE_REVOCATION, "one", SLICE_LIT("1")},
                                          {ENGINE_OPERATION, "done", SLICE_LIT("yes")},
                                          {ENGINE_REVOCATION, "two", SLICE_LIT("2")}};
    assert_int_equal(keep(b, first, ARRAY_LEN(first)), 0);
    expect(b, "", ""); /* of earlier runs */
    restart(b);
    expect(b, "one=1 two=2 ", "done=yes ");
    const struct engine_record second[] = {{ENGINE_REVOCATION, "one", SLICE_LIT("")},
                                           {ENGINE_REVOCATION, "two", SLICE_LIT("again")}};
    assert_int_equal(keep(b, second, ARRAY_LEN(second)), 0);
    restart(b);
    expect(b, "two=again ", "done=yes ");
    restart(b); /* nobody asks: nothing leaks, and nothing is lost */
    restart(b);
    expect(b, "two=again ", "done=yes ");
}

static void test_without_a_journal(void **state)
{
    struct broker *b = *state;
    start_with(b, false);
    const struct engine_record record = {ENGINE_REVOCATION, "one", SLICE_LIT("1")};
    assert_int_equal(keep(b, &record, 1), 0);
}

static void test_not_while_going_down(void **state)
{
    struct broker *b = *state;
    start_with(b, true);
    pipeline_drain(b->pipeline, on_drained, b);
    const struct engine_record record = {ENGINE_REVOCATION, "one", SLICE_LIT("1")};
    assert_int_equal(keep(b, &record, 1), -EAGAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kept_over_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_a_journal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_while_going_down, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
