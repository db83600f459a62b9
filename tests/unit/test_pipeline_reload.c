/* Tests of broker/pipeline_reload.c: a changed configuration while events flow. */
#include "broker_fixture.h"

#define N_PATHS 5

/* The configuration after a change: the fixture's, with paths of its own. */
struct changed {
    struct config cfg;
    struct config_path paths[N_PATHS];
    struct path_table *table;
    struct broker *b;
    unsigned n_done;
    int err;
};

static struct changed changed_of(struct broker *b)
{
    struct changed c = {.cfg = b->f->cfg, .b = b};
    for (size_t i = 0; i < FIXTURE_PATHS; i++)
        c.paths[i] = b->f->paths[i];
    return c;
}

static void on_done(void *arg, int err)
{
    struct changed *c = arg;
    c->err = err;
    c->n_done++;
}

static void on_durable(void *arg, int err)
{
    struct changed *c = arg;
    if (err == 0)
        pipeline_configure(c->b->pipeline, &c->cfg, c->table);
    on_done(arg, err);
}

static int add_paths(struct changed *c, size_t n_paths)
{
    size_t at;
    c->cfg.gateway.paths = c->paths;
    c->cfg.gateway.n_paths = n_paths;
    assert_int_equal(path_table_next(c->b->paths, &c->cfg, &c->table, &at), 0);
    c->n_done = 0;
    pipeline_add_paths(c->b->pipeline, c->table, on_done, c);
    BROKER_UNTIL(c->b, c->n_done == 1);
    return c->err;
}

static int change(struct changed *c)
{
    c->n_done = 0;
    pipeline_change_configured(c->b->pipeline, &c->cfg, c->table, on_durable, c);
    BROKER_UNTIL(c->b, c->n_done == 1);
    return c->err;
}

static void apply(struct changed *c, size_t n_paths)
{
    assert_int_equal(add_paths(c, n_paths), 0);
    assert_int_equal(change(c), 0);
}

/* What was there before counts again, so that nothing of `c` does. */
static void undo(struct changed *c)
{
    pipeline_configure(c->b->pipeline, &c->b->f->cfg, c->b->paths);
    path_table_free(c->table);
}

static void push(struct broker *b, unsigned n)
{
    unsigned before = b->answers;
    send_push(b, n, "app");
    BROKER_UNTIL(b, b->answers > before);
    assert_int_equal(b->answer.status, 202);
}

static void expect_soon(struct broker *b, size_t path, const char *events)
{
    uint64_t before = b->cursors[path];
    BROKER_UNTIL(b, pathlog_tail(path_table_known(b->paths, path)->log) > before ||
                        b->seen[path].in.len > 0);
    expect_message(b, path, events);
}

static struct config_trigger *start_with(struct broker *b, bool journal, size_t path, uint64_t size)
{
    struct config_trigger *t = add_trigger(b, path, size, 60000);
    t->event_types.mask = CONFIG_CREATE_IMAGE;
    if (journal)
        use_journal(b);
    start(b);
    return t;
}

/* --- paths --- */

/* What a trigger has gathered for a path that goes is on its log; then it matches nothing, until
 * the path is back. */
static void goes_and_comes(struct broker *b, bool journal)
{
    struct config_trigger *t = start_with(b, journal, 3, 3);
    struct changed without = changed_of(b), with = changed_of(b);
    const struct path *path = path_table_known(b->paths, 3);
    push(b, 1);
    push(b, 2);
    without.cfg.n_triggers = 0; /* it is stored, and stays */
    apply(&without, 3);
    expect_soon(b, 3, "CreateImage v1, CreateImage v2, ");
    assert_true(path_is_gone(path));
    assert_int_equal(pipeline_n_triggers(b->pipeline), 1);
    push(b, 3);
    push(b, 4);
    expect_nothing(b, 3);

    t->batch_size = 3;
    apply(&with, FIXTURE_PATHS);
    assert_false(path_is_gone(path));
    assert_ptr_equal(path_by_name(with.table, path->name), path);
    for (unsigned n = 5; n <= 7; n++)
        push(b, n);
    expect_soon(b, 3, "CreateImage v5, CreateImage v6, CreateImage v7, ");
    path_table_free(without.table);
    undo(&with);
}

static void test_path_goes_and_comes(void **state)
{
    goes_and_comes(*state, false);
}

static void test_path_goes_and_comes_journal(void **state)
{
    goes_and_comes(*state, true);
}

/* A path that nobody knew gets its place in the journal, with the limits it has then. */
static void test_new_path(void **state)
{
    static char name[] = "/new";
    struct broker *b = *state;
    struct engine_stats stats = {0};
    uint64_t messages[N_PATHS] = {0};
    start_with(b, true, 0, 1);
    struct changed c = changed_of(b);
    c.paths[4] = c.paths[0];
    c.paths[4].path = name;
    struct config_trigger t = b->triggers[0];
    t.path = name;
    c.cfg.triggers = &t;
    apply(&c, N_PATHS);
    assert_int_equal(path_table_n_known(b->paths), N_PATHS);
    const struct path *path = path_table_known(b->paths, 4);
    assert_string_equal(pipeline_trigger(b->pipeline, 0)->path, name);
    push(b, 1);
    BROKER_UNTIL(b, pathlog_messages(path->log) == 1);
    assert_int_equal(pathlog_messages(path_table_known(b->paths, 0)->log), 0);
    stats.history_messages = messages;
    stats.n_paths = N_PATHS;
    BROKER_UNTIL(b, (pipeline_stats(b->pipeline, &stats), messages[4] == 1));
    undo(&c);
}

/* --- triggers of the file --- */

static void triggers(struct broker *b, bool journal)
{
    static char added[] = "added", by_hand[] = "by-hand", why[] = "another rule", glob[] = "v*";
    static char *patterns[] = {glob};
    struct config_trigger *t = start_with(b, journal, 0, 1);
    struct config_trigger file[3] = {*t, *t, *t};
    struct changed c = changed_of(b), again = changed_of(b);
    file[0].path = b->f->paths[3].path;
    file[0].description = why;
    file[0].filter[FILTER_TAGS] = (struct config_strings){patterns, 1};
    file[1].name = added;
    file[2].name = by_hand;
    c.cfg.triggers = file;
    c.cfg.n_triggers = 2;
    apply(&c, FIXTURE_PATHS);
    assert_int_equal(pipeline_n_triggers(b->pipeline), 2);
    const struct trigger_spec *changed = pipeline_trigger(b->pipeline, 0),
                              *new = pipeline_trigger(b->pipeline, 1);
    assert_string_equal(changed->path, b->f->paths[3].path);
    assert_string_equal(changed->description, why);
    assert_string_equal(filter_at(changed->filter, FILTER_TAGS, 0), glob);
    assert_int_equal(changed->version, 2);
    assert_string_equal(new->name, added);
    assert_true(new->created_ns > changed->created_ns);
    push(b, 1);
    expect_soon(b, 3, "CreateImage v1, ");
    expect_soon(b, 0, "CreateImage v1, ");

    /* Its owner's since then: what the file says of it is not what it said before. */
    struct trigger_spec spec;
    trigger_spec_copy(changed, &spec);
    trigger_spec_set(&spec.path, slice_str(b->f->paths[0].path));
    c.n_done = 0;
    pipeline_change(b->pipeline,
                    &(struct pipeline_change){.spec = &spec, .done = on_done, .arg = &c});
    BROKER_UNTIL(b, c.n_done == 1);
    trigger_spec_fini(&spec);
    again.cfg.triggers = file;
    again.cfg.n_triggers = 3;
    apply(&again, FIXTURE_PATHS);
    assert_int_equal(pipeline_n_triggers(b->pipeline), 3);
    assert_string_equal(pipeline_trigger(b->pipeline, 0)->path, b->f->paths[0].path);
    path_table_free(c.table);
    undo(&again);
}

static void test_triggers(void **state)
{
    triggers(*state, false);
}

/* They are there after a restart, whatever the file says by then. */
static void test_triggers_journal(void **state)
{
    struct broker *b = *state;
    triggers(b, true);
    restart(b);
    assert_int_equal(pipeline_n_triggers(b->pipeline), 3);
    assert_string_equal(pipeline_trigger(b->pipeline, 0)->description, "another rule");
}

/* --- when it cannot be --- */

static void test_going_down(void **state)
{
    struct broker *b = *state;
    start_with(b, false, 0, 1);
    struct changed c = changed_of(b);
    struct config_trigger t = b->triggers[0];
    assert_int_equal(add_paths(&c, FIXTURE_PATHS), 0);
    drain(b);
    t.path = b->f->paths[3].path;
    c.cfg.triggers = &t;
    assert_int_equal(change(&c), -EAGAIN);
    assert_string_equal(pipeline_trigger(b->pipeline, 0)->path, b->f->paths[0].path);
    path_table_free(c.table);
    assert_int_equal(add_paths(&c, FIXTURE_PATHS), -EAGAIN);
    path_table_free(c.table);
}

/* Who may post, and what is deflated. */
static void test_the_rest(void **state)
{
    static char token[] = "secret";
    struct broker *b = *state;
    start_with(b, false, 0, 1);
    struct changed c = changed_of(b);
    struct config_registry registry = *c.cfg.registries;
    registry.token = token;
    c.cfg.registries = &registry;
    apply(&c, FIXTURE_PATHS);
    post(b, 1, "app", 401);
    undo(&c);
    post(b, 1, "app", 202);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_path_goes_and_comes),
        WITH(test_path_goes_and_comes_journal),
        WITH(test_new_path),
        WITH(test_triggers),
        WITH(test_triggers_journal),
        WITH(test_going_down),
        WITH(test_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
