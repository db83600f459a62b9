/* Tests of broker/pipeline_shards.c, with an engine of 64 shards that does as told: shards that
 * come and go under triggers, and what other nodes change. */
#include "broker_fixture.h"
#include "cluster/cluster.h"

static struct fake {
    struct engine_callbacks cb;
    struct engine_ops ops;
    struct engine *engine;
    unsigned shard; /* of the fixture's registry */
    uint64_t seq;
    int change_err;
    unsigned changes, n_changed; /* asked for; records in the last */
    bool queue;                  /* what is taken is not read yet */
} fake;

static int fake_open(const struct engine_options *options, struct engine **ret)
{
    fake.cb = options->cb;
    int r = ENGINE_MEMORY.open(options, ret);
    fake.engine = *ret;
    return r;
}

static void fake_submit(struct engine *e, const struct engine_submission *s)
{
    (void) e;
    assert_int_equal(s->shard, fake.shard);
    for (size_t i = 0; i < s->n; i++)
        s->events[i]->seq = ++fake.seq;
    s->done(s->arg, 0);
    fake.cb.events(fake.cb.ctx, s->events, s->n, false);
}

static void fake_take(struct engine *e, unsigned shard, struct slice webhook, ingest_done *done,
                      void *arg)
{
    static const struct ingest_counts QUEUED = {.queued = 1};
    (void) e;
    assert_int_equal(shard, fake.shard);
    if (fake.queue)
        done(arg, 0, &QUEUED);
    else
        fake.cb.read(fake.cb.ctx, shard, webhook, done, arg);
}

static void fake_change(struct engine *e, const struct engine_change *c)
{
    (void) e;
    fake.changes++;
    fake.n_changed = (unsigned) c->n;
    c->done(c->arg, fake.change_err);
}

static void begin(struct broker *b)
{
    fake = (struct fake){.ops = ENGINE_MEMORY};
    fake.ops.open = fake_open;
    fake.ops.shards = CLUSTER_SHARDS;
    fake.ops.load = NULL;
    fake.ops.submit = fake_submit;
    fake.ops.take = fake_take;
    fake.ops.change = fake_change;
    fake.ops.waits = true;
    fake.shard = cluster_shard(b->f->registry.id);
    b->ops = &fake.ops;
}

static void own(const struct engine_mark *marks, size_t n_marks, struct event *const *backlog,
                size_t n_backlog)
{
    const struct engine_shard shard = {.index = fake.shard,
                                       .catalog = catalog_new(1000, 1000, 3600000),
                                       .seen = seen_new(1000, 3600000),
                                       .ids = {.in_lane = true, .lane = (uint8_t) fake.shard},
                                       .marks = marks,
                                       .n_marks = n_marks,
                                       .backlog = backlog,
                                       .n_backlog = n_backlog};
    fake.cb.open_shard(fake.cb.ctx, &shard);
}

static void give_up(void)
{
    fake.cb.close_shard(fake.cb.ctx, fake.shard);
}

static uint64_t gathered(void)
{
    return fake.cb.gathered(fake.cb.ctx, fake.shard);
}

static struct event *old_event(const struct broker *b, uint64_t seq, const char *tag)
{
    char id[ID_SIZE];
    id_encode(EVENT_ID_PREFIX, 0, seq, id);
    struct event *e = event_new(&(struct event_parts){.type = EVENT_CREATE_IMAGE_TAG,
                                                      .id = id,
                                                      .created_at = "2026-11-23T07:00:00Z",
                                                      .cloud_id = "c",
                                                      .folder_id = "f",
                                                      .registry_id = b->f->registry.id,
                                                      .repository = "app",
                                                      .digest = "sha256:1",
                                                      .tag = tag,
                                                      .actor = ""});
    assert_non_null(e);
    e->seq = seq;
    return e;
}

/* --- webhooks --- */

static void test_taken_and_read(void **state)
{
    struct broker *b = *state;
    begin(b);
    (void) add_trigger(b, 0, 2, 1000);
    start(b);
    own(NULL, 0, NULL, 0);
    post(b, 1, "app", 202);
    assert_string_equal(b->answer.body, "{\"accepted\":1,\"ignored\":0,\"duplicates\":0}");
    expect_message(b, 0, "CreateImage v1, CreateImageTag v1, ");
    assert_int_equal(counted(b, M_WEBHOOK_ACCEPTED), 1); /* once */
    assert_int_equal(ingest_known(pipeline_ingest(b->pipeline)).images, 1);
    fake.queue = true;
    post(b, 2, "app", 202);
    assert_string_equal(b->answer.body,
                        "{\"accepted\":0,\"ignored\":0,\"duplicates\":0,\"queued\":1}");
    expect_nothing(b, 0);
}

/* --- triggers --- */

/* What one owner has gathered is not sent by it, but by the next one, who finds it again. */
static void test_gathered_and_given_up(void **state)
{
    struct broker *b = *state;
    begin(b);
    (void) add_trigger(b, 0, 3, 600000);
    start(b);
    own(NULL, 0, NULL, 0);
    assert_true(gathered() == UINT64_MAX);
    post(b, 1, "app", 202);
    assert_int_equal(gathered(), 1);
    give_up();
    assert_true(gathered() == UINT64_MAX);
    assert_int_equal(ingest_known(pipeline_ingest(b->pipeline)).images, 0);
    expect_nothing(b, 0);

    struct event *backlog[] = {old_event(b, 5, "v5"), old_event(b, 6, "v6"), old_event(b, 7, "v7")};
    const struct engine_mark mark = {.trigger_id = pipeline_trigger(b->pipeline, 0)->id,
                                     .batched_seq = 5};
    fake.seq = 10;
    own(&mark, 1, backlog, ARRAY_LEN(backlog));
    assert_int_equal(gathered(), 6);
    fake.cb.flush_shard(fake.cb.ctx, (fake.shard + 1) % CLUSTER_SHARDS); /* nothing of another */
    expect_nothing(b, 0);
    fake.cb.flush_shard(fake.cb.ctx, fake.shard);
    expect_message(b, 0, "CreateImageTag v6, CreateImageTag v7, ");
    assert_true(gathered() == UINT64_MAX);
    for (size_t i = 0; i < ARRAY_LEN(backlog); i++)
        event_unref(backlog[i]);
}

static void test_without_a_mark(void **state)
{
    struct broker *b = *state;
    begin(b);
    (void) add_trigger(b, 0, 2, 600000);
    start(b);
    struct event *old = old_event(b, 5, "v5");
    fake.seq = 10;
    own(NULL, 0, &old, 1);
    assert_true(gathered() == UINT64_MAX); /* it gets what comes from here on */
    post(b, 1, "app", 202);
    expect_message(b, 0, "CreateImage v1, CreateImageTag v1, ");
    event_unref(old);
}

/* --- what other nodes change --- */

static void tell(enum engine_record_kind kind, const char *id, struct slice value)
{
    const struct engine_record rec = {kind, id, value};
    fake.cb.changed(fake.cb.ctx, &rec, 1);
}

static void tell_trigger(const struct trigger_spec *spec)
{
    struct buf packed;
    buf_init(&packed, 1 << 20);
    assert_int_equal(trigger_spec_pack(spec, &packed), 0);
    tell(ENGINE_TRIGGER, spec->id, buf_slice(&packed));
    buf_fini(&packed);
}

static void test_triggers_of_others(void **state)
{
    struct broker *b = *state;
    begin(b);
    (void) add_trigger(b, 0, 3, 600000);
    start(b);
    own(NULL, 0, NULL, 0);
    post(b, 1, "app", 202);
    struct trigger_spec spec;
    trigger_spec_copy(pipeline_trigger(b->pipeline, 0), &spec);
    spec.batch_size = 2;
    tell_trigger(&spec); /* what the old rule has gathered goes first */
    expect_message(b, 0, "CreateImage v1, CreateImageTag v1, ");
    post(b, 2, "app", 202);
    expect_message(b, 0, "CreateImage v2, CreateImageTag v2, ");
    spec.status = TRIGGER_PAUSED;
    tell_trigger(&spec);
    post(b, 3, "app", 202);
    expect_nothing(b, 0);
    spec.status = TRIGGER_ACTIVE;
    trigger_spec_set(&spec.path, SLICE_LIT("/not/here"));
    tell_trigger(&spec);
    post(b, 4, "app", 202);
    expect_nothing(b, 0);
    trigger_spec_set(&spec.path, slice_str(b->f->paths[1].path));
    (void) snprintf(spec.id, sizeof(spec.id), "a1sother000000000001");
    tell_trigger(&spec); /* new */
    assert_int_equal(pipeline_n_triggers(b->pipeline), 2);
    post(b, 5, "app", 202);
    expect_message(b, 1, "CreateImage v5, CreateImageTag v5, ");
    tell(ENGINE_TRIGGER, spec.id, (struct slice){0});
    tell(ENGINE_TRIGGER, spec.id, (struct slice){0}); /* told again */
    tell(ENGINE_TRIGGER, spec.id, SLICE_LIT("nonsense"));
    assert_int_equal(pipeline_n_triggers(b->pipeline), 1);
    trigger_spec_fini(&spec);
}

static void on_record(void *ctx, const char *id, struct slice value)
{
    assert_int_equal(buf_printf(ctx, "%s=%.*s ", id, (int) value.len, (const char *) value.data),
                     0);
}

static void test_other_records(void **state)
{
    struct broker *b = *state;
    struct buf seen;
    begin(b);
    start(b);
    buf_init(&seen, 1000);
    tell(ENGINE_REVOCATION, "r0", SLICE_LIT("nobody looks"));
    pipeline_follow_records(b->pipeline, ENGINE_OPERATION, on_record, &seen);
    tell(ENGINE_OPERATION, "o1", SLICE_LIT("x"));
    tell(ENGINE_REVOCATION, "r1", SLICE_LIT("y"));
    tell(ENGINE_OPERATION, "o2", SLICE_LIT(""));
    assert_true(slice_eq_str(buf_slice(&seen), "o1=x o2= "));
    buf_fini(&seen);
}

/* Of the file, when another node has just made some of them: only the others are made again. */
static void test_others_were_faster(void **state)
{
    struct broker *b = *state;
    begin(b);
    (void) add_trigger(b, 0, 1, 1000);
    (void) add_trigger(b, 1, 1, 1000);
    fake.change_err = -EAGAIN;
    start(b);
    assert_int_equal(fake.changes, 1);
    assert_int_equal(fake.n_changed, 2);
    tell_trigger(pipeline_trigger(b->pipeline, 0));
    fake.change_err = 0;
    BROKER_UNTIL(b, fake.changes == 2);
    assert_int_equal(fake.n_changed, 1);
    assert_int_equal(pipeline_n_triggers(b->pipeline), 2);
    pipeline_store_again(b->pipeline);
    assert_int_equal(fake.changes, 2); /* all are there */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_taken_and_read), TEST(test_gathered_and_given_up),
        TEST(test_without_a_mark), TEST(test_triggers_of_others),
        TEST(test_other_records),  TEST(test_others_were_faster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
