/* Tests of broker/pipeline_lookups.c, and of ingest.c's part in it: a push without a digest is
 * answered, asked for, and leads to its events once, also over restarts. */
#include "http_stub.h"
/* the whole broker */
#include "broker_fixture.h"

#define DIGEST "sha256:31a61cd993e3f0c3cc7ea34ab6331037cfa8f8745d16fada5de554a7e4412e6f"
#define SAYS                                                                                       \
    "Content-Type: application/vnd.oci.image.manifest.v1+json\r\nDocker-Content-Digest: " DIGEST   \
    "\r\n"
#define EVENTS "CreateImage v1, CreateImageTag v1, "

static const struct stub_row GOOD[] = {
    {"HEAD /v2/app/manifests/v1", NULL, 200, SAYS, "", 0, false}};
static const struct stub_row HANGS[] = {{"HEAD /v2/app/manifests/v1", NULL, 200, "", "", 0, true}};

static char QUAY[] = "quay";

static void prepare(struct broker *b, const struct stub *s, bool journal)
{
    if (journal)
        use_journal(b);
    b->f->registry.kind = QUAY;
    b->f->registry.registry_url = s == NULL ? NULL : (char *) (uintptr_t) s->url;
    b->f->registry.registry_timeout_ms = 600000;
    (void) add_trigger(b, 0, 2, 1000); /* both events of a push are one message */
    start(b);
}

static void post_tag(struct broker *b, const char *tag, unsigned status)
{
    char body[200];
    unsigned before = b->answers;
    (void) snprintf(body, sizeof(body),
                    "{\"repository\":\"app\",\"docker_url\":\"q/app\",\"updated_tags\":[\"%s\"]}",
                    tag);
    struct ingest_request req = {.registry_id = slice_str(b->f->registry.id),
                                 .content_type = SLICE_LIT("application/json"),
                                 .body = slice_str(body),
                                 .peer = "127.0.0.1:1"};
    b->call.done = on_answer;
    ingest_post(pipeline_ingest(b->pipeline), &req, &b->call);
    BROKER_UNTIL(b, b->answers > before);
    assert_int_equal(b->answer.status, status);
    if (status == 202)
        assert_string_equal(b->answer.body, "{\"accepted\":1,\"ignored\":0,\"duplicates\":0}");
}

static void until_delivered(struct broker *b)
{
    BROKER_UNTIL(b, (look(b, 0), b->seen[0].in.len > 0));
    expect_message(b, 0, EVENTS);
    BROKER_UNTIL(b, pipeline_n_lookups(b->pipeline) == 0);
    expect_nothing(b, 0);
}

static void answered_and_asked(void **state)
{
    struct broker *b = *state;
    struct stub *s = stub_start(GOOD, ARRAY_LEN(GOOD));
    prepare(b, s, false);
    post_tag(b, "v1", 202);
    assert_int_equal(pipeline_n_lookups(b->pipeline), 1);
    until_delivered(b);
    post_tag(b, "v1", 202); /* nothing new */
    BROKER_UNTIL(b, counted(b, M_LOOKUP_FOUND) == 2);
    expect_nothing(b, 0);
    stub_stop(s);
}

static void over_restarts(void **state)
{
    struct broker *b = *state;
    struct stub *hangs = stub_start(HANGS, ARRAY_LEN(HANGS));
    struct stub *good = stub_start(GOOD, ARRAY_LEN(GOOD));
    prepare(b, hangs, true);
    post_tag(b, "v1", 202);
    BROKER_UNTIL(b, stub_asked(hangs, "HEAD /v2/app/manifests/v1") == 1);
    restart(b); /* while it is asked for */
    assert_int_equal(pipeline_n_lookups(b->pipeline), 1);
    BROKER_UNTIL(b, stub_asked(hangs, "HEAD /v2/app/manifests/v1") == 2);
    expect_nothing(b, 0);
    b->f->registry.registry_url = good->url;
    restart(b);
    assert_int_equal(pipeline_n_lookups(b->pipeline), 1);
    until_delivered(b);
    restart(b);
    assert_int_equal(pipeline_n_lookups(b->pipeline), 0);
    assert_int_equal(stub_asked(good, "HEAD /v2/app/manifests/v1"), 1);
    stub_stop(hangs);
    stub_stop(good);
}

/* What is asked is not applied while the process goes down, and goes on when it does not. */
static void held_while_draining(void **state)
{
    struct broker *b = *state;
    struct stub *s = stub_start(GOOD, ARRAY_LEN(GOOD));
    prepare(b, s, true);
    post_tag(b, "v1", 202);
    pipeline_drain(b->pipeline, on_drained, b);
    BROKER_UNTIL(b, b->drained == 1);
    post_tag(b, "v1", 503);
    BROKER_UNTIL(b, stub_asked(s, "HEAD /v2/app/manifests/v1") == 1);
    assert_int_equal(pipeline_n_lookups(b->pipeline), 1);
    expect_nothing(b, 0);
    pipeline_resume(b->pipeline);
    until_delivered(b);
    stub_stop(s);
}

static void without_a_url(void **state)
{
    struct broker *b = *state;
    prepare(b, NULL, true);
    post_tag(b, "v1", 202);
    assert_int_equal(pipeline_n_lookups(b->pipeline), 0);
    b->f->registry.registry_url = NULL;
    restart(b);
    assert_int_equal(pipeline_n_lookups(b->pipeline), 0);
}

static void on_kept(void *arg, int err)
{
    assert_int_equal(err, 0);
    ((struct broker *) arg)->drained++;
}

/* It is left to the version that wrote it. */
static void a_record_of_a_later_version(void **state)
{
    struct broker *b = *state;
    const struct engine_record record = {ENGINE_LOOKUP, "lkp00000000000000005", SLICE_LIT("P\x02")};
    prepare(b, NULL, true);
    pipeline_keep(b->pipeline, &record, 1, on_kept, b);
    BROKER_UNTIL(b, b->drained == 1);
    for (int i = 0; i < 2; i++) {
        restart(b);
        assert_int_equal(pipeline_n_lookups(b->pipeline), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answered_and_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(over_restarts, setup, teardown),
        cmocka_unit_test_setup_teardown(held_while_draining, setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_url, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_of_a_later_version, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
