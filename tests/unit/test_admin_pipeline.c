/* Management on the real pipeline, iam and engines: changes are durable when they are answered,
 * also those asked for at once, and another run finds triggers, operations and keys again. */
#include "admin.h"
#include "fixture.h"

#include <ftw.h>

struct bed {
    struct fixture *f; /* its configuration only */
    char dir[64];
    char gateway[21], account[21];
    struct config_account accounts[1];
    uv_loop_t loop;
    struct mailbox mailbox;
    struct path_table *paths;
    struct metrics metrics;
    struct pipeline *pipeline;
    struct iam *iam;
    struct admin *admin;
    struct admin_call call;
    struct trigger_spec spec;
};

struct answer {
    unsigned n;
    enum status_code code;
    char message[STATUS_TEXT], operation_id[ID_SIZE], trigger_id[ID_SIZE];
    struct trigger_spec trigger;
};

static void on_answer(void *arg, const struct admin_answer *a)
{
    struct answer *r = arg;
    r->n++;
    r->code = a->error == NULL ? STATUS_OK : a->error->code;
    (void) snprintf(r->message, sizeof(r->message), "%s",
                    a->error == NULL ? "" : a->error->message);
    trigger_spec_fini(&r->trigger);
    trigger_spec_init(&r->trigger);
    if (a->error != NULL)
        return;
    memcpy(r->operation_id, a->operation->id, ID_SIZE);
    memcpy(r->trigger_id, a->operation->trigger_id, ID_SIZE);
    if (a->operation->response.len > 0) {
        trigger_spec_fini(&r->trigger);
        assert_int_equal(trigger_spec_unpack(buf_slice(&a->operation->response), &r->trigger), 0);
    }
}

static void on_failed(void *ctx, int err)
{
    (void) ctx;
    fail_msg("the pipeline failed: %s", err_str(err));
}

static void start(struct bed *b)
{
    assert_int_equal(uv_loop_init(&b->loop), 0);
    assert_int_equal(mailbox_init(&b->mailbox, &b->loop), 0);
    assert_int_equal(path_table_new(&b->f->cfg, &b->paths), 0);
    assert_int_equal(pipeline_new(&b->f->cfg, b->paths, &b->metrics, &b->mailbox, &b->pipeline), 0);
    assert_int_equal(pipeline_start(b->pipeline, &b->loop, on_failed, b), 0);
    b->iam = iam_new(&b->f->cfg, NULL); /* open */
    b->admin = admin_new(&(struct admin_options){
        .cfg = &b->f->cfg, .pipeline = b->pipeline, .metrics = &b->metrics, .iam = b->iam});
}

static void stop(struct bed *b)
{
    admin_free(b->admin);
    iam_free(b->iam);
    pipeline_stop(b->pipeline);
    mailbox_fini(&b->mailbox);
    pipeline_close(b->pipeline);
    (void) uv_run(&b->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&b->loop), 0);
    pipeline_free(b->pipeline);
    path_table_free(b->paths);
}

static void set(char **member, const char *value)
{
    trigger_spec_set(member, slice_str(value));
}

static int setup(void **state)
{
    struct bed *b = xcalloc(1, sizeof(*b));
    b->f = fixture_new();
    struct config *cfg = &b->f->cfg;
    (void) snprintf(b->gateway, sizeof(b->gateway), "%s", "d5dgateway0000000001");
    (void) snprintf(b->account, sizeof(b->account), "%s", "ajebroadcaster000001");
    b->accounts[0].id = b->account;
    cfg->gateway.id = b->gateway;
    cfg->service_accounts = b->accounts;
    cfg->n_service_accounts = 1;
    cfg->management.max_triggers = 100;
    b->call = (struct admin_call){
        .subject = {IAM_ANYBODY, false}, .idempotency_key = "", .request_id = "r"};
    trigger_spec_init(&b->spec);
    set(&b->spec.folder_id, cfg->folder_id);
    set(&b->spec.name, "one");
    b->spec.event_types.mask = CONFIG_CREATE_IMAGE;
    set(&b->spec.registry_id, b->f->registry.id);
    set(&b->spec.gateway_id, b->gateway);
    set(&b->spec.path, "/");
    set(&b->spec.service_account_id, b->account);
    *state = b;
    return 0;
}

static int setup_journal(void **state)
{
    static char embedded[] = "embedded";
    int r = setup(state);
    struct bed *b = *state;
    (void) snprintf(b->dir, sizeof(b->dir), "/tmp/regcast-admin-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    b->f->cfg.engine = embedded;
    b->f->cfg.data_dir = b->dir;
    b->f->cfg.gateway.replay_bytes = 1 << 20;
    b->f->cfg.journal.busy_timeout_ms = 200;
    b->f->cfg.journal.max_dead_letters = 100;
    start(b);
    return r;
}

static int setup_memory(void **state)
{
    int r = setup(state);
    start(*state);
    return r;
}

static int unlink_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
    (void) st, (void) flag, (void) f;
    return remove(path);
}

static int teardown(void **state)
{
    struct bed *b = *state;
    stop(b);
    if (b->dir[0] != '\0')
        (void) nftw(b->dir, unlink_one, 8, FTW_DEPTH | FTW_PHYS);
    trigger_spec_fini(&b->spec);
    fixture_free(b->f);
    free(b);
    return 0;
}

static void wait_for(struct bed *b, const struct answer *r, unsigned n)
{
    uint64_t end = uv_hrtime() + FIXTURE_DEADLINE_MS * 1000000ull;
    while (r->n < n) {
        if (uv_hrtime() > end)
            fail_msg("no answer");
        (void) uv_run(&b->loop, UV_RUN_ONCE);
    }
    assert_int_equal(r->n, n);
}

static void expect_ok(struct bed *b, const struct answer *r, unsigned n)
{
    wait_for(b, r, n);
    assert_string_equal(r->message, "");
    assert_int_equal(r->code, STATUS_OK);
}

static void create(struct bed *b, const char *name, struct answer *r)
{
    set(&b->spec.name, name);
    admin_trigger_create(b->admin, &b->call, &b->spec, true, on_answer, r);
}

/* Everything at once; the answers come in order and each sees what those before it did. */
static void test_life_of_a_trigger(void **state)
{
    struct bed *b = *state;
    struct answer r[7] = {{.n = 0}};
    create(b, "one", &r[0]);
    expect_ok(b, &r[0], 1);
    const char *id = r[0].trigger_id;
    assert_int_equal(pipeline_n_triggers(b->pipeline), 1);

    set(&b->spec.tag, "first");
    set(&b->spec.description, "of the first");
    admin_trigger_update(b->admin, &b->call, id, ADMIN_RULE | ADMIN_DESCRIPTION, &b->spec, true,
                         on_answer, &r[1]);
    set(&b->spec.tag, "second");
    set(&b->spec.description, "not asked for");
    admin_trigger_update(b->admin, &b->call, id, ADMIN_RULE, &b->spec, true, on_answer, &r[2]);
    admin_trigger_pause(b->admin, &b->call, id, on_answer, &r[3]);
    admin_trigger_resume(b->admin, &b->call, id, on_answer, &r[4]);
    admin_trigger_delete(b->admin, &b->call, id, on_answer, &r[5]);
    create(b, "one", &r[6]); /* the name is free by then */
    for (size_t i = 1; i < ARRAY_LEN(r); i++)
        expect_ok(b, &r[i], 1);
    for (size_t i = 1; i < ARRAY_LEN(r); i++)
        assert_true(strcmp(r[i - 1].operation_id, r[i].operation_id) < 0);
    assert_string_equal(r[1].trigger.tag, "first");
    assert_string_equal(r[2].trigger.tag, "second");
    assert_string_equal(r[2].trigger.description, "of the first");
    assert_int_equal(r[3].trigger.status, TRIGGER_PAUSED);
    assert_int_equal(r[4].trigger.status, TRIGGER_ACTIVE);
    assert_int_equal(r[4].trigger.version, 5);
    assert_int_equal(pipeline_n_triggers(b->pipeline), 1);
    assert_string_equal(pipeline_trigger(b->pipeline, 0)->id, r[6].trigger_id);
    for (size_t i = 0; i < ARRAY_LEN(r); i++)
        trigger_spec_fini(&r[i].trigger);
}

static void test_another_run(void **state)
{
    struct bed *b = *state;
    struct answer r[3] = {{.n = 0}};
    b->call.idempotency_key = "the first";
    create(b, "one", &r[0]);
    b->call.idempotency_key = "the second";
    create(b, "two", &r[1]);
    expect_ok(b, &r[0], 1);
    expect_ok(b, &r[1], 1);
    stop(b);
    start(b);
    assert_int_equal(pipeline_n_triggers(b->pipeline), 2);
    assert_string_equal(pipeline_trigger(b->pipeline, 0)->id, r[0].trigger_id);
    assert_string_equal(pipeline_trigger(b->pipeline, 1)->id, r[1].trigger_id);
    admin_operation_get(b->admin, &b->call, r[0].operation_id, on_answer, &r[2]);
    expect_ok(b, &r[2], 1);
    assert_string_equal(r[2].trigger_id, r[0].trigger_id);
    assert_string_equal(r[2].trigger.name, "one");
    create(b, "two", &r[2]); /* the same request again */
    expect_ok(b, &r[2], 2);
    assert_string_equal(r[2].operation_id, r[1].operation_id);
    create(b, "three", &r[2]);
    wait_for(b, &r[2], 3);
    assert_int_equal(r[2].code, STATUS_INVALID_ARGUMENT);
    b->call.idempotency_key = "";
    create(b, "one", &r[2]);
    wait_for(b, &r[2], 4);
    assert_int_equal(r[2].code, STATUS_ALREADY_EXISTS);
    create(b, "three", &r[2]);
    expect_ok(b, &r[2], 5);
    assert_true(strcmp(r[1].operation_id, r[2].operation_id) < 0); /* ids go on */
    for (size_t i = 0; i < ARRAY_LEN(r); i++)
        trigger_spec_fini(&r[i].trigger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_life_of_a_trigger, setup_memory, teardown),
        cmocka_unit_test_setup_teardown(test_life_of_a_trigger, setup_journal, teardown),
        cmocka_unit_test_setup_teardown(test_another_run, setup_journal, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
