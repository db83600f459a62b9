/* Tests of broker/pipeline_triggers.c: triggers that are loaded, made, changed, paused and deleted
 * while events flow. */
#include "broker_fixture.h"

static int change_err;
static unsigned n_changed;

static void on_changed(void *arg, int err)
{
    (void) arg;
    change_err = err;
    n_changed++;
}

static int submit(struct broker *b, const struct trigger_spec *spec, bool deleted,
                  const char *operation_id)
{
    unsigned before = n_changed;
    pipeline_change(b->pipeline, &(struct pipeline_change){.spec = spec,
                                                           .deleted = deleted,
                                                           .operation_id = operation_id,
                                                           .operation = slice_str(operation_id),
                                                           .done = on_changed});
    BROKER_UNTIL(b, n_changed > before);
    return change_err;
}

/* A copy of the i-th trigger, to be changed; for trigger_spec_fini(). */
static struct trigger_spec copy_of(struct broker *b, size_t i)
{
    struct trigger_spec spec;
    trigger_spec_copy(pipeline_trigger(b->pipeline, i), &spec);
    return spec;
}

static void apply(struct broker *b, struct trigger_spec *spec)
{
    assert_int_equal(submit(b, spec, false, NULL), 0);
    trigger_spec_fini(spec);
}

static void set_status(struct broker *b, enum trigger_status status)
{
    struct trigger_spec spec = copy_of(b, 0);
    spec.status = status;
    apply(b, &spec);
}

static void push(struct broker *b, unsigned n)
{
    unsigned before = b->answers;
    send_push(b, n, "app");
    BROKER_UNTIL(b, b->answers > before);
    assert_int_equal(b->answer.status, 202);
}

/* The message comes, whichever engine. */
static void expect_soon(struct broker *b, size_t path, const char *events)
{
    uint64_t before = b->cursors[path];
    BROKER_UNTIL(b, pathlog_tail(path_table_at(b->paths, path)->log) > before ||
                        b->seen[path].in.len > 0);
    expect_message(b, path, events);
}

static void start_with(struct broker *b, bool journal, uint64_t size)
{
    struct config_trigger *t = add_trigger(b, 0, size, 60000);
    t->event_types.mask = CONFIG_CREATE_IMAGE;
    if (journal)
        use_journal(b);
    start(b);
}

/* --- while events flow --- */

static void changes(struct broker *b, bool journal)
{
    start_with(b, journal, 3);
    push(b, 1);
    push(b, 2);
    expect_nothing(b, 0);

    struct trigger_spec spec = copy_of(b, 0); /* another path; what was gathered goes the old way */
    trigger_spec_set(&spec.path, slice_str(b->f->paths[3].path));
    spec.batch_size = 1;
    apply(b, &spec);
    expect_soon(b, 0, "CreateImage v1, CreateImage v2, ");
    push(b, 3);
    expect_soon(b, 3, "CreateImage v3, ");

    set_status(b, TRIGGER_PAUSED);
    push(b, 4);
    set_status(b, TRIGGER_ACTIVE);
    push(b, 5);
    expect_soon(b, 3, "CreateImage v5, ");

    spec = copy_of(b, 0); /* another trigger beside it */
    (void) snprintf(spec.id, sizeof(spec.id), "a1ssecond00000000001");
    trigger_spec_set(&spec.name, SLICE_LIT("second"));
    trigger_spec_set(&spec.path, slice_str(b->f->paths[0].path));
    apply(b, &spec);
    assert_int_equal(pipeline_n_triggers(b->pipeline), 2);
    assert_string_equal(pipeline_trigger(b->pipeline, 1)->name, "second");
    push(b, 6);
    expect_soon(b, 3, "CreateImage v6, ");
    expect_soon(b, 0, "CreateImage v6, ");

    spec = copy_of(b, 0); /* gathers again, and goes */
    spec.batch_size = 10;
    apply(b, &spec);
    push(b, 7);
    spec = copy_of(b, 0);
    assert_int_equal(submit(b, &spec, true, NULL), 0);
    assert_int_equal(submit(b, &spec, true, NULL), -ENOENT);
    trigger_spec_fini(&spec);
    expect_soon(b, 3, "CreateImage v7, ");
    expect_soon(b, 0, "CreateImage v7, ");
    push(b, 8);
    expect_soon(b, 0, "CreateImage v8, ");
    for (size_t i = 0; i < FIXTURE_PATHS; i++)
        expect_nothing(b, i);
    assert_int_equal(pipeline_n_triggers(b->pipeline), 1);
}

static void test_changes_with_memory(void **state)
{
    changes(*state, false);
}

static void test_changes_with_journal(void **state)
{
    changes(*state, true);
}

static bool nobody(void *ctx, const struct trigger_spec *spec)
{
    unsigned *asked = ctx;
    assert_string_equal(spec->service_account_id, "aje-allowed");
    ++*asked;
    return false;
}

static void test_allowed_is_asked(void **state)
{
    struct broker *b = *state;
    unsigned asked = 0;
    start_with(b, false, 1);
    pipeline_set_allowed(b->pipeline, nobody, &asked);
    assert_int_equal(asked, 1);
    push(b, 1);
    expect_nothing(b, 0);
    assert_int_equal(counted(b, M_TRIGGER_DENIED), 1);
    struct trigger_spec spec = copy_of(b, 0);
    apply(b, &spec);
    assert_int_equal(asked, 2);
}

static void test_no_change_at_the_end(void **state)
{
    struct broker *b = *state;
    start_with(b, true, 1);
    struct trigger_spec spec = copy_of(b, 0);
    pipeline_drain(b->pipeline, on_drained, b);
    assert_int_equal(submit(b, &spec, true, NULL), -EAGAIN);
    assert_int_equal(pipeline_n_triggers(b->pipeline), 1);
    trigger_spec_fini(&spec);
}

/* --- what a start finds --- */

static void see_operation(void *ctx, const char *id, struct slice packed)
{
    struct buf *b = ctx;
    assert_true(slice_eq(packed, slice_str(id)));
    assert_int_equal(buf_printf(b, "%s ", id), 0);
}

static void test_what_is_changed_stays(void **state)
{
    struct broker *b = *state;
    start_with(b, true, 1);
    struct trigger_spec spec = copy_of(b, 0);
    spec.batch_size = 2;
    spec.version = 9;
    assert_int_equal(submit(b, &spec, false, "operation-1"), 0);
    (void) snprintf(spec.id, sizeof(spec.id), "a1ssecond00000000001");
    trigger_spec_set(&spec.name, SLICE_LIT("second"));
    spec.created_ns++;
    spec.status = TRIGGER_PAUSED;
    assert_int_equal(submit(b, &spec, false, "operation-2"), 0);
    trigger_spec_fini(&spec);
    push(b, 1); /* the first has gathered it: the next run will send it */
    restart(b);
    assert_int_equal(pipeline_n_triggers(b->pipeline), 2);
    assert_int_equal(pipeline_trigger(b->pipeline, 0)->batch_size, 2);
    assert_int_equal(pipeline_trigger(b->pipeline, 0)->version, 9);
    assert_int_equal(pipeline_trigger(b->pipeline, 1)->status, TRIGGER_PAUSED);
    struct buf ops;
    buf_init(&ops, 1000);
    pipeline_load_operations(b->pipeline, see_operation, &ops);
    pipeline_load_operations(b->pipeline, see_operation, &ops); /* once */
    assert_true(slice_eq(buf_slice(&ops), SLICE_LIT("operation-1 operation-2 ")));
    buf_fini(&ops);
    push(b, 2);
    expect_soon(b, 0, "CreateImage v1, CreateImage v2, ");
    expect_nothing(b, 0);
}

/* The order of the event types comes from the configuration and outlives a restart; a change of it
 * is a change. */
static void test_order_of_event_types(void **state)
{
    struct broker *b = *state;
    const struct event_list first = {5, {3, 1}}, second = {5, {0}};
    add_trigger(b, 0, 1, 60000)->event_types = first;
    use_journal(b);
    start(b);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(event_list_equal(&pipeline_trigger(b->pipeline, 0)->event_types, &first));
        restart(b);
    }
    struct trigger_spec spec = copy_of(b, 0);
    spec.event_types = second;
    apply(b, &spec);
    restart(b);
    assert_true(event_list_equal(&pipeline_trigger(b->pipeline, 0)->event_types, &second));
    push(b, 1);
    expect_soon(b, 0, "CreateImage v1, ");
}

/* What stands in the configuration only makes a trigger that is not there. */
static void test_configuration(void **state)
{
    struct broker *b = *state;
    static char renamed[] = "renamed", original[] = "trigger-0";
    start_with(b, true, 1);
    char id[ID_SIZE];
    memcpy(id, pipeline_trigger(b->pipeline, 0)->id, ID_SIZE);
    assert_true(pipeline_trigger(b->pipeline, 0)->created_ns > 0);

    b->triggers[0].batch_size = 5; /* what is stored counts */
    restart(b);
    assert_int_equal(pipeline_trigger(b->pipeline, 0)->batch_size, 1);

    b->triggers[0].name = renamed; /* another one, beside the first */
    restart(b);
    assert_int_equal(pipeline_n_triggers(b->pipeline), 2);
    assert_string_equal(pipeline_trigger(b->pipeline, 0)->id, id);
    assert_string_equal(pipeline_trigger(b->pipeline, 1)->name, "renamed");
    assert_int_equal(pipeline_trigger(b->pipeline, 1)->batch_size, 5);

    struct trigger_spec spec = copy_of(b, 0); /* its name is free again; its id is not */
    trigger_spec_set(&spec.name, SLICE_LIT("by its owner"));
    apply(b, &spec);
    b->triggers[0].name = original;
    for (unsigned i = 0; i < 2; i++) {
        restart(b);
        assert_int_equal(pipeline_n_triggers(b->pipeline), 3);
        assert_string_equal(pipeline_trigger(b->pipeline, 0)->name, "by its owner");
        assert_string_equal(pipeline_trigger(b->pipeline, 2)->name, "trigger-0");
        assert_string_not_equal(pipeline_trigger(b->pipeline, 2)->id, id);
    }

    spec = copy_of(b, 2); /* deleted, and back with the next start; without what came meanwhile */
    assert_int_equal(submit(b, &spec, true, NULL), 0);
    push(b, 1);
    assert_int_equal(pipeline_n_triggers(b->pipeline), 2);
    restart(b);
    assert_int_equal(pipeline_n_triggers(b->pipeline), 3);
    assert_string_equal(pipeline_trigger(b->pipeline, 2)->id, spec.id);
    trigger_spec_fini(&spec);
}

/* The path of a stored trigger is not configured any more: it waits. */
static void test_without_its_path(void **state)
{
    struct broker *b = *state;
    static char other[] = "/other";
    start_with(b, true, 1);
    char *path = b->f->paths[0].path;
    b->triggers[0].path = b->f->paths[0].path = other;
    log_set_level(LOG_N_LEVELS);
    restart(b);
    assert_int_equal(pipeline_n_triggers(b->pipeline), 1);
    push(b, 1);
    expect_nothing(b, 0);
    assert_int_equal(counted(b, M_EVENT_CREATE_IMAGE_UNMATCHED), 1);
    b->triggers[0].path = b->f->paths[0].path = path;
    restart(b);
    push(b, 2);
    expect_soon(b, 0, "CreateImage v2, ");
    expect_nothing(b, 0);
    log_set_level(LOG_ERROR);
}

/* Paused with something on the way: it is sent, by the next run if this one dies. */
static void test_pause_with_an_open_batch(void **state)
{
    struct broker *b = *state;
    start_with(b, true, 3);
    push(b, 1);
    set_status(b, TRIGGER_PAUSED);
    assert_true(pipeline_trigger(b->pipeline, 0)->paused_seq > 0);
    expect_soon(b, 0, "CreateImage v1, ");
    push(b, 2);
    restart(b);
    push(b, 3);
    set_status(b, TRIGGER_ACTIVE);
    for (unsigned n = 4; n <= 6; n++)
        push(b, n);
    expect_soon(b, 0, "CreateImage v4, CreateImage v5, CreateImage v6, ");
    expect_nothing(b, 0);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_changes_with_memory),      WITH(test_changes_with_journal),
        WITH(test_allowed_is_asked),         WITH(test_no_change_at_the_end),
        WITH(test_what_is_changed_stays),    WITH(test_configuration),
        WITH(test_order_of_event_types),     WITH(test_without_its_path),
        WITH(test_pause_with_an_open_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
