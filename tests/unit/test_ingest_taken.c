/* Tests of broker/ingest_taken.c and ingest_shards.c: webhooks that one node takes and another one
 * reads, here both the same ingest. */
#include "cluster/cluster.h"
#include "ingest_bed.h"
#include "mem.h"
#include "record.h"

static struct taken { /* what was taken last, and what the reader said */
    struct buf record;
    unsigned shard;
    ingest_done *done;
    void *arg;
    size_t n;
    int err, read_err;
    struct ingest_counts counts;
    size_t n_read;
} taken;

static void on_take(void *ctx, unsigned shard, struct slice webhook, ingest_done *done, void *arg)
{
    (void) ctx;
    buf_clear(&taken.record);
    assert_int_equal(buf_append(&taken.record, webhook), 0);
    taken.shard = shard;
    taken.done = done;
    taken.arg = arg;
    taken.n++;
}

static int setup_many(void **state)
{
    int r = setup(state);
    struct world *w = *state;
    const struct ingest_target target = {.ctx = w,
                                         .shards = CLUSTER_SHARDS,
                                         .take = on_take,
                                         .can_submit = can_submit,
                                         .wanted = wanted,
                                         .submit = on_submit,
                                         .now_ms = now_ms,
                                         .suspect = is_suspect};
    ingest_free(w->in);
    w->in = ingest_new(&CONFIG, &w->metrics, &target);
    taken = (struct taken){.n = 0};
    buf_init(&taken.record, 1 << 20);
    return r;
}

static int teardown_many(void **state)
{
    buf_fini(&taken.record);
    return teardown(state);
}

static void open_shard(struct world *w, unsigned shard)
{
    const struct engine_shard opened = {.index = shard,
                                        .catalog = catalog_new(1000, 1000, 3600000),
                                        .seen = seen_new(10000, 3600000)};
    ingest_open(w->in, &opened);
}

static void on_read(void *arg, int err, const struct ingest_counts *counts)
{
    assert_ptr_equal(arg, &taken);
    assert_true((err == 0) == (counts != NULL));
    taken.read_err = err;
    taken.counts = err == 0 ? *counts : (struct ingest_counts){0};
    taken.n_read++;
}

static void read_record(struct world *w, struct slice record)
{
    if (!ingest_is_open(w->in, taken.shard))
        open_shard(w, taken.shard);
    ingest_read_record(w->in, taken.shard, record, on_read, &taken);
}

/* A webhook of this body, taken; it is answered by answer(). */
static void take(struct world *w, const struct ingest_request *req)
{
    size_t before = taken.n, answers = w->answers;
    buf_clear(&w->events);
    ingest_post(w->in, req, &w->call);
    assert_int_equal(taken.n, before + 1);
    assert_int_equal(w->answers, answers); /* when the engine says so */
    assert_int_equal(taken.shard, cluster_shard("crtopen"));
}

static void test_there_and_back(void **state)
{
    struct world *w = *state;
    const struct ingest_request req = request("crtopen", BODY(PUSH(DIGEST, "v1") "," PULL));
    take(w, &req);
    read_record(w, buf_slice(&taken.record));
    assert_int_equal(taken.n_read, 1);
    assert_true(taken.counts.accepted == 1 && taken.counts.ignored == 1);
    assert_true(slice_eq_str(buf_slice(&w->events), "CreateImage app v1, CreateImageTag app v1, "));
    assert_int_equal(counted(w, M_WEBHOOK_ACCEPTED), 0); /* that is for who has taken it */
    assert_int_equal(count_of(logged(w), "\"answered\""), 0);
    taken.done(taken.arg, 0, &taken.counts);
    assert_int_equal(w->answer.status, 202);
    assert_string_equal(w->answer.body, "{\"accepted\":1,\"ignored\":1,\"duplicates\":0}");
    assert_int_equal(counted(w, M_WEBHOOK_ACCEPTED), 1);
    assert_int_equal(counted(w, M_WEBHOOK_IGNORED), 1);
    assert_int_equal(count_of(logged(w), "\"answered\""), 1);
    assert_int_equal(registry_watch_find(ingest_watch(w->in), "crtopen")->n_answers, 1);
}

static void test_refused_by_the_engine(void **state)
{
    static const struct {
        int err;
        enum refuse why;
    } CASES[] = {{-EAGAIN, REFUSE_OVERLOAD}, {-ENOSPC, REFUSE_DISK_FULL}, {-EIO, REFUSE_JOURNAL}};
    struct world *w = *state;
    const struct ingest_request req = request("crtopen", BODY(PUSH(DIGEST, "v1")));
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        take(w, &req);
        taken.done(taken.arg, CASES[i].err, NULL);
        assert_int_equal(w->answer.status, 503);
        assert_int_equal(w->answer.why, CASES[i].why);
        assert_int_equal(w->answer.err, CASES[i].err);
    }
}

/* What the reader's engine refuses is as if it had never been. */
static void test_refused_where_it_is_read(void **state)
{
    struct world *w = *state;
    const struct ingest_request req =
        request("crtopen", BODY("{\"id\":\"e1\","
                                "\"action\":\"pull\"}," PUSH(DIGEST, "v1")));
    take(w, &req);
    w->done_err = -EIO;
    read_record(w, buf_slice(&taken.record));
    assert_int_equal(taken.read_err, -EIO);
    assert_int_equal(ingest_known(w->in).images, 0);
    w->done_err = 0;
    read_record(w, buf_slice(&taken.record));
    assert_int_equal(taken.counts.accepted, 1);
    taken.done(taken.arg, 0, &taken.counts);
}

static void expect_letter(struct world *w, const char *reason, const char *registry)
{
    struct slice rest = buf_slice(&w->letters);
    struct record_letter letter;
    assert_int_equal(record_next_letter(&rest, &letter), 0);
    assert_string_equal(letter.reason, reason);
    assert_string_equal(letter.registry_id, registry);
    assert_int_equal(taken.counts.set_aside, 1);
    assert_int_equal(taken.read_err, 0);
}

static void test_set_aside(void **state)
{
    struct world *w = *state;
    const struct ingest_request req = request("crtopen", BODY(PUSH(DIGEST, "v1")));
    take(w, &req);
    taken.done(taken.arg, 0, &(struct ingest_counts){.queued = 1});
    assert_string_equal(w->answer.body,
                        "{\"accepted\":0,\"ignored\":0,\"duplicates\":0,\"queued\":1}");

    read_record(w, SLICE_LIT("no record"));
    expect_letter(w, "no webhook that this version can read", "");
    struct config without = CONFIG;
    without.n_registries = 0;
    ingest_configure(w->in, &without);
    read_record(w, buf_slice(&taken.record));
    expect_letter(w, "its registry is not configured any more", "crtopen");
    ingest_configure(w->in, &CONFIG);
    w->suspect = trial_hash("crtopen", req.body);
    read_record(w, buf_slice(&taken.record));
    expect_letter(w, "ended the process too often", "crtopen");
    take(w, &req); /* here, too: the reader is told */
    taken.done(taken.arg, 0, &(struct ingest_counts){.queued = 1});
    w->suspect = 0;
    read_record(w, buf_slice(&taken.record));
    expect_letter(w, "ended the process too often", "crtopen");
}

/* The engine says at once that it is more than it can keep: a letter is less. */
static void too_large(void *ctx, const struct engine_submission *s)
{
    if (s->n > 0)
        s->done(s->arg, -EMSGSIZE);
    else
        on_submit(ctx, s);
}

static void test_too_large(void **state)
{
    struct world *w = *state;
    const struct ingest_request req = request("crtopen", BODY(PUSH(DIGEST, "v1")));
    const struct ingest_target target = {.ctx = w,
                                         .shards = CLUSTER_SHARDS,
                                         .take = on_take,
                                         .can_submit = can_submit,
                                         .submit = too_large,
                                         .now_ms = now_ms,
                                         .suspect = is_suspect};
    ingest_free(w->in);
    w->in = ingest_new(&CONFIG, &w->metrics, &target);
    take(w, &req);
    read_record(w, buf_slice(&taken.record));
    assert_int_equal(taken.n_read, 1);
    expect_letter(w, "leads to more than can be kept at once", "crtopen");
    assert_int_equal(ingest_known(w->in).images, 0);
    taken.done(taken.arg, 0, &taken.counts);
}

/* The sender's id of a delivery comes along, its signature does not. */
static void test_a_delivery_again(void **state)
{
    struct world *w = *state;
    struct signing s;
    const struct ingest_request req = signed_request(&s, "msg_1", BODY(PUSH(DIGEST, "v1")), 0);
    for (unsigned i = 0; i < 2; i++) {
        ingest_post(w->in, &req, &w->call);
        assert_null(memmem(taken.record.data, taken.record.len, s.signature, strlen(s.signature)));
        read_record(w, buf_slice(&taken.record));
        assert_int_equal(taken.counts.accepted, i == 0);
        assert_int_equal(taken.counts.duplicates, i);
        taken.done(taken.arg, 0, &taken.counts);
    }
}

/* An event that was set aside goes the same way, and takes its letter along. */
static void test_an_event_again(void **state)
{
    struct world *w = *state;
    const struct ingest_request req = request("crtopen", BODY(PUSH(DIGEST, "v1")));
    take(w, &req);
    read_record(w, buf_slice(&taken.record));
    taken.done(taken.arg, 0, &taken.counts);
    struct event *e = event_new(&(struct event_parts){.type = EVENT_CREATE_IMAGE_TAG,
                                                      .id = w->last_id,
                                                      .created_at = "2026-11-23T07:00:00Z",
                                                      .cloud_id = "c",
                                                      .folder_id = "f",
                                                      .registry_id = "crtopen",
                                                      .repository = "app",
                                                      .digest = DIGEST,
                                                      .tag = "v1",
                                                      .actor = ""});
    assert_non_null(e);
    buf_clear(&w->events);
    w->letter_event = true;
    ingest_repeat(w->in, e, 77, &w->call);
    read_record(w, buf_slice(&taken.record));
    assert_int_equal(taken.counts.accepted, 1);
    assert_int_equal(w->letter, 77);
    assert_true(slice_eq_str(buf_slice(&w->events), "CreateImageTag app v1, "));
    taken.done(taken.arg, 0, &taken.counts);
    assert_int_equal(w->answer.counts.accepted, 1);
    assert_int_equal(counted(w, M_DEAD_LETTERS_REPLAYED), 1);
    event_unref(e);
}

/* Whoever asks whether we are there is told at once, and nobody else hears of it. */
static void test_handshake(void **state)
{
    struct world *w = *state;
    struct ingest_request req =
        request("crtopen", "[{\"id\":\"1\",\"topic\":\"t\",\"subject\":\"\",\"eventType\":"
                           "\"Microsoft.EventGrid.SubscriptionValidationEvent\",\"eventTime\":"
                           "\"2026-11-22T18:41:00Z\",\"data\":{\"validationCode\":\"c0de\"},"
                           "\"dataVersion\":\"1\",\"metadataVersion\":\"1\"}]");
    const struct header type = {SLICE_LIT("aeg-event-type"), SLICE_LIT("SubscriptionValidation")};
    req.headers = (struct headers){&type, 1};
    req.content_type = SLICE_LIT("application/json");
    ingest_post(w->in, &req, &w->call);
    assert_int_equal(w->answer.status, 200);
    assert_non_null(strstr(w->handshake, "c0de"));
    assert_int_equal(taken.n, 0);
}

/* Where a shard is not open, nothing is known. */
static void test_not_open(void **state)
{
    struct world *w = *state;
    const struct ingest_request req = request("crtopen", BODY(PUSH(DIGEST, "v1")));
    struct ingest_parts parts;
    char a[ID_SIZE], b[ID_SIZE];
    take(w, &req);
    read_record(w, buf_slice(&taken.record));
    taken.done(taken.arg, 0, &taken.counts);
    ingest_borrow(w->in, "crtopen", &parts);
    assert_int_equal(catalog_images(parts.catalog), 1);
    assert_int_equal(ingest_known(w->in).images, 1);
    ingest_close(w->in, taken.shard);
    ingest_borrow(w->in, "crtopen", &parts);
    assert_int_equal(catalog_images(parts.catalog), 0);
    assert_int_equal(ingest_known(w->in).images, 0);
    ingest_next_id(w->in, EVENT_ID_PREFIX, a);
    ingest_next_id(w->in, EVENT_ID_PREFIX, b);
    assert_true(strcmp(a, b) < 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_many, teardown_many)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_there_and_back), TEST(test_refused_by_the_engine),
        TEST(test_set_aside),      TEST(test_refused_where_it_is_read),
        TEST(test_too_large),      TEST(test_a_delivery_again),
        TEST(test_an_event_again), TEST(test_handshake),
        TEST(test_not_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
