/* Tests of broker/pipeline_explain.c: samples, dry runs and what they leave behind. */
#include "pipeline_explain.h"

#include "fixture.h"

#define PUSH                                                                                       \
    "{\"events\":[{\"id\":\"e1\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"action\":\"push\","      \
    "\"target\":{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":"         \
    "\"sha256:1111111111111111111111111111111111111111111111111111111111111111\","                 \
    "\"repository\":\"team/app\",\"tag\":\"v1\"},\"request\":{\"id\":\"r\",\"method\":\"PUT\"}}]}"

struct world {
    struct fixture *f;
    struct pipeline *p;
    struct path_table *paths;
    struct metrics metrics;
    struct mailbox mailbox;
    uv_loop_t loop;
};

static char *no_v[] = {(char *) (uintptr_t) "!v*"};
static struct config_trigger triggers[] = {
    {.name = (char *) (uintptr_t) "images",
     .event_types.mask = CONFIG_CREATE_IMAGE,
     .image_name = (char *) (uintptr_t) "crtregistry000000001/team/app"},
    {.name = (char *) (uintptr_t) "tags",
     .event_types.mask = 15,
     .tag = (char *) (uintptr_t) "latest"},
    {.name = (char *) (uintptr_t) "denied", .event_types.mask = 15},
    {.name = (char *) (uintptr_t) "filtered",
     .event_types.mask = 15,
     .filter[FILTER_TAGS] = {no_v, 1}},
};

static void on_failed(void *ctx, int err)
{
    (void) ctx;
    fail_msg("failed: %d", err);
}

static int setup(void **state)
{
    static char gateway[] = "d5d", account[] = "aje", none[] = "none", root[] = "/",
                role[] = "api-gateway.websocketBroadcaster", registry[] = "crtregistry000000001";
    static char *roles[] = {role};
    static struct config_account accounts[] = {{.id = account, .roles = {roles, 1}}, {.id = none}};
    struct world *w = xcalloc(1, sizeof(*w));
    w->f = fixture_new();
    struct config *cfg = &w->f->cfg;
    cfg->gateway.id = gateway;
    cfg->service_accounts = accounts;
    cfg->n_service_accounts = 2;
    for (size_t i = 0; i < ARRAY_LEN(triggers); i++) {
        triggers[i].gateway_id = gateway;
        triggers[i].service_account_id = i == 2 ? none : account;
        triggers[i].path = root;
        triggers[i].registry_id = registry;
        triggers[i].batch_size = 10;
        triggers[i].batch_cutoff_ms = 60000;
    }
    cfg->triggers = triggers;
    cfg->n_triggers = ARRAY_LEN(triggers);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(mailbox_init(&w->mailbox, &w->loop), 0);
    assert_int_equal(path_table_new(cfg, &w->paths), 0);
    assert_int_equal(pipeline_new(cfg, w->paths, &w->metrics, &w->mailbox, &w->p), 0);
    assert_int_equal(pipeline_start(w->p, &w->loop, on_failed, NULL), 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    pipeline_stop(w->p);
    mailbox_fini(&w->mailbox);
    pipeline_close(w->p);
    (void) uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    pipeline_free(w->p);
    path_table_free(w->paths);
    fixture_free(w->f);
    free(w);
    return 0;
}

struct seen_dry {
    size_t changes, events, ignored, nothing, set_aside, n;
    struct pipeline_dry_result result;
    const char *why[16]; /* of each trigger of each event; NULL: it takes it */
};

static void on_change(void *ctx, const struct change *c)
{
    struct seen_dry *s = ctx;
    assert_string_equal(c->repository, "team/app");
    assert_string_equal(c->sender_id, "e1");
    assert_string_equal(c->request_id, "r");
    assert_string_equal(c->created_at, "2026-01-01T00:00:00Z");
    s->changes++;
}

static bool on_event(void *ctx, const struct event *probe)
{
    struct seen_dry *s = ctx;
    assert_true(s->changes > 0); /* it is told first */
    assert_string_equal(probe->repository, "team/app");
    s->events++;
    return true;
}

static void on_trigger(void *ctx, const struct trigger_spec *t, const char *why)
{
    struct seen_dry *s = ctx;
    (void) t;
    assert_true(s->n < ARRAY_LEN(s->why));
    s->why[s->n++] = why;
}

static void on_ignored(void *ctx, const char *why)
{
    (void) why;
    ((struct seen_dry *) ctx)->ignored++;
}

static void on_nothing(void *ctx, const char *why)
{
    assert_string_equal(why, "nothing is new");
    ((struct seen_dry *) ctx)->nothing++;
}

static void on_set_aside(void *ctx, const char *why, struct slice excerpt)
{
    (void) why;
    assert_true(excerpt.len > 0);
    ((struct seen_dry *) ctx)->set_aside++;
}

static int dry_as(struct world *w, const char *registry, const char *type, const char *body,
                  const char *id, struct seen_dry *ret)
{
    const struct source_request req = {.content_type = slice_str(type), .body = slice_str(body)};
    const struct pipeline_dry_sink sink = {.ctx = ret,
                                           .change = on_change,
                                           .event = on_event,
                                           .trigger = on_trigger,
                                           .nothing = on_nothing,
                                           .ignored = on_ignored,
                                           .set_aside = on_set_aside};
    *ret = (struct seen_dry){0};
    return pipeline_dry_run(w->p, slice_str(registry), &req, id, &sink, &ret->result);
}

static int dry(struct world *w, const char *registry, const char *body, const char *id,
               struct seen_dry *ret)
{
    return dry_as(w, registry, "application/vnd.docker.distribution.events.v2+json", body, id, ret);
}

static void test_dry_run(void **state)
{
    struct world *w = *state;
    struct seen_dry s;
    for (unsigned again = 0; again < 2; again++) { /* nothing is learnt from it */
        assert_int_equal(dry(w, "crtregistry000000001", PUSH, NULL, &s), 0);
        assert_int_equal(s.events, 2); /* CreateImage, CreateImageTag */
        assert_int_equal(s.n, 8);
        assert_null(s.why[0]);
        assert_non_null(strstr(s.why[1], "tag"));
        assert_non_null(strstr(s.why[2], "role"));
        assert_non_null(strstr(s.why[3], "filter.tags"));
        assert_non_null(strstr(s.why[4], "event types"));
        assert_string_equal(s.why[5], "its tag is another");
    }
    assert_int_equal(ingest_known(pipeline_ingest(w->p)).images, 0);
    assert_int_equal(dry(w, "crtregistry000000001", PUSH, pipeline_trigger(w->p, 0)->id, &s), 0);
    assert_int_equal(s.n, 2);
    assert_int_equal(dry(w, "crtregistry000000001", PUSH, "nobody", &s), -ENOENT);
    assert_int_equal(dry(w, "nobody", PUSH, NULL, &s), -ENXIO);
    assert_int_equal(dry(w, "crtregistry000000001", "[1]", NULL, &s), -EBADMSG);
    assert_int_equal(pathlog_messages(path_by_name(w->paths, "/")->log), 0);
}

static void keep(void *ctx, const struct delivery_note *n)
{
    *(struct delivery_note *) ctx = *n;
}

static void test_sample(void **state)
{
    struct world *w = *state;
    struct delivery_note n;
    char id[ID_SIZE], second[ID_SIZE];
    assert_int_equal(pipeline_test(w->p, "nobody", id), -ENOENT);
    assert_int_equal(pipeline_test(w->p, pipeline_trigger(w->p, 2)->id, id), -EACCES);
    assert_int_equal(pipeline_test(w->p, pipeline_trigger(w->p, 0)->id, id), 0);
    assert_int_equal(pipeline_test(w->p, pipeline_trigger(w->p, 0)->id, second), 0);
    assert_true(strcmp(id, second) < 0);
    assert_int_equal(pathlog_messages(path_by_name(w->paths, "/")->log), 2);
    assert_int_equal(deliveries_find(pipeline_deliveries(w->p), slice_str(id), keep, &n), 1);
    assert_true(n.delivered);
    assert_string_equal(n.trigger_name, "images");
    assert_int_equal(n.n_events, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_dry_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sample, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
