/* Tests of broker/action.c: of which event a batch is formed when it is submitted, of which when it
 * has come back; never both, and in order. */
#include "action.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct world {
    struct config cfg;
    struct config_path paths[2];
    struct path_table *table;
    struct trigger_set *set;
    struct trigger *trigger;
};

static void on_flush(void *ctx, const struct batch_message *m)
{
    (void) ctx;
    (void) m;
}

static int setup(void **state)
{
    static struct world w;
    static char names[2][8] = {"/a", "/b"};
    struct trigger_spec spec;
    for (size_t i = 0; i < 2; i++)
        w.paths[i] = (struct config_path){.path = names[i],
                                          .max_message_bytes = 131072 * (i + 1),
                                          .max_frame_bytes = 32768,
                                          .memory_bytes = 16 << 20,
                                          .history_count = 1000,
                                          .history_ms = 60000,
                                          .history_bytes = 16 << 20,
                                          .max_lag_ms = 60000,
                                          .max_lag_bytes = 1 << 20};
    w.cfg.gateway.paths = w.paths;
    w.cfg.gateway.n_paths = 2;
    assert_int_equal(path_table_new(&w.cfg, &w.table), 0);
    trigger_spec_init(&spec);
    trigger_spec_set(&spec.path, SLICE_LIT("/a"));
    w.set = trigger_set_new();
    w.trigger = trigger_set_add(w.set, &spec);
    trigger_spec_fini(&spec);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    action_free(w->trigger->action);
    action_free(NULL);
    trigger_set_free(w->set);
    path_table_free(w->table);
    return 0;
}

static struct action *make(struct world *w, bool may_be_early, uint64_t seq)
{
    return action_new(w->trigger, w->table, may_be_early, seq, on_flush, NULL);
}

static void change(struct world *w, uint64_t size, uint64_t seq, bool resumed, bool quiet)
{
    w->trigger->spec.batch_size = size;
    action_changed(w->trigger->action, w->table, seq, resumed, quiet);
}

static void test_new(void **state)
{
    struct world *w = *state;
    struct action *a = make(w, true, 7);
    assert_true(action_awake(a) && action_is_early(a));
    assert_false(action_takes(a, 7, false)); /* was submitted before it was there */
    assert_false(action_takes(a, 8, false)); /* its batch is formed already */
    assert_int_equal(a->batch.max_bytes, 131072);
}

/* An engine that does not wait has nothing that could be formed before. */
static void test_never_early(void **state)
{
    struct world *w = *state;
    struct action *a = make(w, false, 0);
    assert_false(action_is_early(a));
    assert_true(action_takes(a, 1, false));
    change(w, 3, 5, false, true);
    assert_true(action_takes(a, 5, false) && action_takes(a, 6, false));
    change(w, 1, 9, false, true);
    assert_false(action_is_early(a));
    action_quiet(a, 9);
    assert_false(action_is_early(a));
    assert_true(action_takes(a, 10, false));
}

static void test_early_to_late(void **state)
{
    struct world *w = *state;
    struct action *a = make(w, true, 0);
    change(w, 3, 5, false, false);
    assert_false(action_is_early(a));
    assert_false(action_takes(a, 5, false));
    assert_true(action_takes(a, 6, false));
    change(w, 4, 8, false, false); /* all before the last change have come back by now */
    assert_true(action_takes(a, 8, false) && action_takes(a, 9, false));
}

static void test_late_to_early(void **state)
{
    struct world *w = *state;
    w->trigger->spec.batch_size = 3;
    struct action *a = make(w, true, 0);
    change(w, 1, 5, false, false); /* some are under way: not yet */
    assert_false(action_is_early(a));
    assert_true(action_takes(a, 5, false) && action_takes(a, 6, false));
    action_quiet(a, 6);
    assert_true(action_is_early(a));
    assert_false(action_takes(a, 7, false));
    change(w, 1, 9, false, false); /* stays early: nothing late is under way */
    assert_true(action_is_early(a));
    assert_false(action_takes(a, 9, false));
    change(w, 3, 12, false, true);
    action_quiet(a, 12);
    assert_false(action_is_early(a));
    change(w, 1, 13, false, true);
    assert_true(action_is_early(a));
}

static void test_pause(void **state)
{
    struct world *w = *state;
    w->trigger->spec.batch_size = 3;
    struct action *a = make(w, true, 0);
    a->old_seq = 2;
    w->trigger->spec.status = TRIGGER_PAUSED;
    w->trigger->spec.paused_seq = 5;
    change(w, 3, 6, false, false);
    assert_false(action_awake(a));
    assert_false(action_takes(a, 4, false) || action_takes(a, 7, false));
    assert_true(action_takes(a, 3, true) && action_takes(a, 5, true)); /* by a later run */
    assert_false(action_takes(a, 2, true) || action_takes(a, 6, true));
    w->trigger->spec.status = TRIGGER_ACTIVE;
    change(w, 1, 9, true, false); /* nothing that is under way is its */
    assert_true(action_is_early(a));
    assert_false(action_takes(a, 9, false) || action_takes(a, 10, false));
    assert_true(action_takes(a, 9, true));
}

static void test_path(void **state)
{
    struct world *w = *state;
    struct action *a = make(w, true, 0);
    trigger_spec_set(&w->trigger->spec.path, SLICE_LIT("/nowhere"));
    change(w, 1, 1, false, true);
    assert_null(a->path);
    assert_false(action_awake(a) || action_takes(a, 2, false) || action_takes(a, 2, true));
    trigger_spec_set(&w->trigger->spec.path, SLICE_LIT("/b"));
    change(w, 1, 3, false, true);
    assert_true(action_awake(a));
    assert_string_equal(a->path->cfg->path, "/b");
    assert_int_equal(a->batch.max_bytes, 262144);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_new),           WITH(test_never_early), WITH(test_early_to_late),
        WITH(test_late_to_early), WITH(test_pause),       WITH(test_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
