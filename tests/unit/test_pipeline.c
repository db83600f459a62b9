/* Tests of broker/pipeline.c: the way of an event. */
#include "broker_fixture.h"
#include "clock.h"

/* --- flushes --- */

static void test_size_one(void **state)
{
    struct broker *b = *state;
    (void) add_trigger(b, 0, 1, 1000);
    start(b);
    post(b, 1, "app", 202);
    assert_string_equal(b->answer.body, "{\"accepted\":1,\"ignored\":0,\"duplicates\":0}");
    expect_message(b, 0, "CreateImage v1, ");
    expect_message(b, 0, "CreateImageTag v1, ");
    expect_nothing(b, 0);
    expect_nothing(b, 1);
    assert_int_equal(b->wakes[0], 1); /* for both: what one webhook brought leaves together */
    assert_int_equal(b->wakes[1] + b->wakes[2] + b->wakes[3], 0);
    post(b, 1, "app", 202); /* nothing new */
    expect_nothing(b, 0);
    assert_int_equal(b->wakes[0], 1);
    assert_int_equal(counted(b, M_BATCH_SIZE), 2);
    assert_int_equal(counted(b, M_EVENT_CREATE_IMAGE), 1);
    assert_int_equal(counted(b, M_EVENT_CREATE_TAG), 1);
    assert_int_equal(counted(b, M_WEBHOOK_ACCEPTED), 1);
    assert_int_equal(counted(b, M_WEBHOOK_IGNORED), 1);
}

static void test_size_and_cutoff(void **state)
{
    struct broker *b = *state;
    enum { CUTOFF_MS = 150 };
    (void) add_trigger(b, 0, 3, CUTOFF_MS);
    start(b);
    uv_update_time(&b->loop);
    uint64_t first_ms = uv_now(&b->loop);
    post(b, 1, "app", 202);
    expect_nothing(b, 0);
    assert_int_equal(b->wakes[0], 0);
    while (uv_now(&b->loop) < first_ms + CUTOFF_MS / 2)
        (void) uv_run(&b->loop, UV_RUN_NOWAIT);
    uint64_t second_ms = uv_now(&b->loop);
    post(b, 2, "app", 202);
    expect_message(b, 0, "CreateImage v1, CreateImageTag v1, CreateImage v2, ");
    expect_nothing(b, 0);
    assert_int_equal(b->wakes[0], 1);
    /* The fourth event began a new batch: its cutoff counts from there, not from the first. */
    BROKER_UNTIL(b, b->wakes[0] == 2);
    assert_true(uv_now(&b->loop) >= second_ms + CUTOFF_MS);
    expect_message(b, 0, "CreateImageTag v2, ");
    assert_int_equal(counted(b, M_BATCH_SIZE), 1);
    assert_int_equal(counted(b, M_BATCH_CUTOFF), 1);
}

static void test_fired(void **state)
{
    struct broker *b = *state;
    struct pipeline_fired fired;
    (void) add_trigger(b, 0, 3, 60000);
    start(b);
    pipeline_fired(b->pipeline, 0, &fired);
    assert_int_equal(fired.batches + fired.events + fired.last_fired_ms + fired.waiting, 0);
    assert_null(fired.last_error);
    post(b, 1, "app", 202);
    post(b, 2, "app", 202);
    expect_message(b, 0, "CreateImage v1, CreateImageTag v1, CreateImage v2, ");
    pipeline_fired(b->pipeline, 0, &fired);
    assert_int_equal(fired.batches, 1);
    assert_int_equal(fired.events, 3);
    assert_int_equal(fired.waiting, 1);
    assert_true(clock_wall_ms() - fired.last_fired_ms < 60000);
    assert_null(fired.last_error);
}

/* The cutoff counts from the first event of a batch: later ones do not put it off. */
static void test_cutoff_is_not_put_off(void **state)
{
    struct broker *b = *state;
    enum { CUTOFF_MS = 200 };
    (void) add_trigger(b, 0, 1000, CUTOFF_MS);
    (void) add_trigger(b, 3, 1000, 20 * CUTOFF_MS); /* another, far behind */
    start(b);
    uv_update_time(&b->loop);
    uint64_t began_ms = uv_now(&b->loop);
    unsigned n = 0;
    for (uint64_t next_ms = began_ms; b->wakes[0] == 0;) {
        if (uv_now(&b->loop) >= next_ms) {
            post(b, ++n, "app", 202);
            next_ms += 20;
        }
        (void) uv_run(&b->loop, UV_RUN_NOWAIT);
        assert_true(uv_now(&b->loop) < began_ms + 10 * CUTOFF_MS);
    }
    assert_true(uv_now(&b->loop) >= began_ms + CUTOFF_MS);
    assert_true(n > 1);
    char *text = next_message(b, 0);
    assert_non_null(text);
    assert_int_equal(count_in(text, "\"event_metadata\""), 2 * n);
    free(text);
    expect_nothing(b, 3);
    assert_int_equal(counted(b, M_BATCH_CUTOFF), 1);
}

/* A batch is split before it would pass the path's message limit; nothing is lost or reordered. */
static void test_bytes(void **state)
{
    struct broker *b = *state;
    b->f->paths[0].max_message_bytes = 3000;
    b->f->paths[0].max_frame_bytes = 1000;
    (void) add_trigger(b, 0, 1000, 60000);
    start(b);
    for (unsigned n = 1; n <= 100; n++)
        post(b, n, "app", 202);
    drain(b);
    unsigned events = 0;
    for (char *text; (text = next_message(b, 0)) != NULL; free(text)) {
        assert_true(strlen(text) <= 3000);
        for (const char *at = text; (at = strstr(at, "\"tag\":\"v")) != NULL; events++) {
            at += strlen("\"tag\":\"v");
            assert_int_equal(strtoul(at, NULL, 10), events / 2 + 1);
        }
    }
    assert_int_equal(events, 200);
    assert_true(counted(b, M_BATCH_BYTES) > 20);
    assert_int_equal(counted(b, M_BATCH_DRAIN), 1);
    assert_int_equal(counted(b, M_BATCH_DROPPED), 0);
}

static void test_drain(void **state)
{
    struct broker *b = *state;
    (void) add_trigger(b, 0, 1000, 60000);
    (void) add_trigger(b, 3, 1000, 60000);
    add_trigger(b, 1, 1000, 60000)->image_name = b->f->registry.id; /* matches nothing */
    start(b);
    post(b, 1, "app", 202);
    drain(b);
    expect_message(b, 0, "CreateImage v1, CreateImageTag v1, ");
    expect_message(b, 3, "CreateImage v1, CreateImageTag v1, ");
    expect_nothing(b, 1); /* an empty batch is no message */
    assert_int_equal(b->wakes[0], 1);
    assert_int_equal(b->wakes[3], 1);
    assert_int_equal(counted(b, M_BATCH_DRAIN), 2);
    post(b, 2, "app", 503); /* what comes later is not taken: the sender keeps it */
    assert_int_equal(b->answer.why, REFUSE_OVERLOAD);
    assert_int_equal(b->answer.retry_after_s, 1);
    expect_nothing(b, 0);
    drain(b); /* twice is fine */
    assert_int_equal(counted(b, M_BATCH_DRAIN), 2);
}

/* --- which trigger --- */

static void test_several_triggers(void **state)
{
    struct broker *b = *state;
    static char app[] = "app";
    (void) add_trigger(b, 0, 1, 1000);
    add_trigger(b, 0, 2, 1000)->image_name = app;
    add_trigger(b, 3, 1, 1000)->event_types.mask = CONFIG_CREATE_IMAGE_TAG;
    start(b);
    post(b, 1, "app", 202); /* one event for several triggers, on one path and on another */
    expect_message(b, 0, "CreateImage v1, ");
    expect_message(b, 0, "CreateImageTag v1, ");
    expect_message(b, 0, "CreateImage v1, CreateImageTag v1, ");
    expect_nothing(b, 0);
    expect_message(b, 3, "CreateImageTag v1, ");
    expect_nothing(b, 3);
    assert_int_equal(b->wakes[0], 1);
    assert_int_equal(b->wakes[3], 1);
    post(b, 2, "other", 202);
    expect_message(b, 0, "CreateImage v2, ");
    expect_message(b, 0, "CreateImageTag v2, ");
    expect_nothing(b, 0);
    expect_message(b, 3, "CreateImageTag v2, ");
    assert_int_equal(counted(b, M_EVENT_CREATE_TAG), 2); /* once per event, not per trigger */
}

/* A trigger whose account lacks the role does not fire; events that only it matched count as
 * unmatched. Others are not touched. */
static void test_denied(void **state)
{
    struct broker *b = *state;
    static char denied[] = "aje-denied", nobody[] = "aje-nobody", secret[] = "secret";
    add_trigger(b, 0, 1, 1000)->service_account_id = denied;
    add_trigger(b, 1, 1, 1000)->service_account_id = nobody;
    add_trigger(b, 3, 1, 1000)->image_name = secret;
    struct pipeline_fired fired;
    start(b);
    assert_int_equal(counted(b, M_TRIGGER_DENIED), 0); /* nothing has matched yet */
    pipeline_fired(b->pipeline, 0, &fired);
    assert_string_equal(fired.last_error,
                        "its service account lacks the role api-gateway.websocketBroadcaster");
    post(b, 1, "app", 202);
    drain(b);
    for (size_t i = 0; i < FIXTURE_PATHS; i++)
        expect_nothing(b, i);
    assert_int_equal(counted(b, M_TRIGGER_DENIED), 4);
    assert_int_equal(counted(b, M_EVENT_CREATE_IMAGE), 0);
    assert_int_equal(counted(b, M_EVENT_CREATE_IMAGE_UNMATCHED), 1);
    assert_int_equal(counted(b, M_EVENT_CREATE_TAG_UNMATCHED), 1);
}

static void test_denied_beside_allowed(void **state)
{
    struct broker *b = *state;
    static char denied[] = "aje-denied";
    add_trigger(b, 0, 1, 1000)->service_account_id = denied;
    (void) add_trigger(b, 0, 2, 1000);
    start(b);
    post(b, 1, "app", 202);
    expect_message(b, 0, "CreateImage v1, CreateImageTag v1, ");
    expect_nothing(b, 0);
    assert_int_equal(counted(b, M_TRIGGER_DENIED), 2);
    assert_int_equal(counted(b, M_EVENT_CREATE_IMAGE), 1);
}

static void test_no_triggers(void **state)
{
    struct broker *b = *state;
    start(b);
    post(b, 1, "app", 202);
    drain(b);
    expect_nothing(b, 0);
    assert_int_equal(counted(b, M_EVENT_CREATE_IMAGE_UNMATCHED), 1);
}

/* --- what cannot be sent --- */

/* One event that no message can hold: dropped and counted, the others go on. */
static void test_event_too_long(void **state)
{
    struct broker *b = *state;
    char name[256];
    memset(name, 'n', sizeof(name));
    name[250] = '\0';
    b->f->paths[0].max_message_bytes = 700;
    (void) add_trigger(b, 0, 1, 1000);
    (void) add_trigger(b, 3, 2, 1000);
    start(b);
    log_set_level(LOG_N_LEVELS); /* two lines of error are expected */
    post(b, 1, name, 202);
    log_set_level(LOG_ERROR);
    expect_nothing(b, 0);
    expect_message(b, 3, "CreateImage v1, CreateImageTag v1, ");
    assert_int_equal(counted(b, M_BATCH_DROPPED), 2);
    struct pipeline_fired fired;
    pipeline_fired(b->pipeline, 0, &fired);
    assert_string_equal(fired.last_error, "longer than the path's messages");
    post(b, 2, "app", 202);
    expect_message(b, 0, "CreateImage v2, ");
    expect_message(b, 0, "CreateImageTag v2, ");
    pipeline_fired(b->pipeline, 0, &fired);
    assert_null(fired.last_error);
}

/* No memory for the frame or for the log: the batch is counted as dropped, nobody is woken for
 * nothing, and the next one goes out. */
static void test_no_memory(void **state)
{
    struct broker *b = *state;
    (void) add_trigger(b, 0, 1000, 10);
    start(b);
    log_set_level(LOG_N_LEVELS); /* errors are expected */
    for (unsigned at = 1; at <= 3; at++) {
        post(b, at, "app", 202);
        mem_fail_at(at); /* 1: the frame, 2: the log's first segment, 3: nothing */
        BROKER_UNTIL(b, counted(b, M_BATCH_CUTOFF) + counted(b, M_BATCH_DROPPED) == at);
        mem_fail_at(0);
        assert_int_equal(counted(b, M_BATCH_DROPPED), at < 3 ? at : 2);
        assert_int_equal(b->wakes[0], at < 3 ? 0 : 1);
    }
    log_set_level(LOG_ERROR);
    expect_message(b, 0, "CreateImage v3, CreateImageTag v3, ");
    expect_nothing(b, 0);
}

/* What is acknowledged is not dropped: the process ends, and its next start forms the batch. */
static void test_no_memory_with_journal(void **state)
{
    struct broker *b = *state;
    (void) add_trigger(b, 0, 1000, 150);
    use_journal(b);
    start(b);
    log_set_level(LOG_N_LEVELS); /* errors are expected */
    for (unsigned at = 1; at <= 2; at++) {
        unsigned answered = b->answers;
        send_push(b, at, "app");
        BROKER_UNTIL(b, b->answers > answered);
        assert_int_equal(b->answer.status, 202);
        print_message("  allocation %u\n", at);
        b->may_fail = true;
        b->failed = 0;
        mem_fail_at(at); /* 1: the frame, 2: the log's segment; the journal's buffer is there */
        BROKER_UNTIL(b, b->failed != 0 || b->wakes[0] > 0 || counted(b, M_BATCH_DROPPED) > 0);
        mem_fail_at(0);
        assert_int_equal(b->failed, -ENOMEM);
        b->may_fail = false;
        restart(b);
        if (at < 2) { /* the last is in the store, for who asks for it */
            BROKER_UNTIL(b, b->wakes[0] > 0);
            char got[64];
            (void) snprintf(got, sizeof(got), "CreateImage v%u, CreateImageTag v%u, ", at, at);
            expect_message(b, 0, got);
        }
        expect_nothing(b, 0);
        restart(b); /* with no memory kept */
        b->wakes[0] = 0;
    }
    log_set_level(LOG_ERROR);
    assert_int_equal(counted(b, M_BATCH_DROPPED), 0);
}

/* A batch that goes with its webhook and finds no memory takes the webhook along: what is not
 * stored is not acknowledged, whichever allocation fails. */
static void test_no_memory_for_early_batch(void **state)
{
    struct broker *b = *state;
    (void) add_trigger(b, 0, 1, 1000);
    use_journal(b);
    start(b);
    log_set_level(LOG_N_LEVELS); /* errors are expected */
    /* From behind: the last two that matter are the frame and what the journal gets. */
    unsigned failures = 0;
    for (unsigned at = 40; failures < 2; at--) {
        assert_true(at > 0);
        unsigned answered = b->answers;
        b->may_fail = true;
        b->failed = 0;
        mem_fail_at(at);
        send_push(b, at, "app");
        mem_fail_at(0);
        BROKER_UNTIL(b, b->answers > answered);
        if (b->failed != 0) {
            failures++;
            assert_int_equal(b->answer.status, 503);
            restart(b);
        }
        if (b->answer.status != 202) { /* the registry sends it again */
            answered = b->answers;
            send_push(b, at, "app");
            BROKER_UNTIL(b, b->answers > answered);
            assert_int_equal(b->answer.status, 202);
        }
        char image[64], tag[64];
        (void) snprintf(image, sizeof(image), "CreateImage v%u, ", at);
        (void) snprintf(tag, sizeof(tag), "CreateImageTag v%u, ", at);
        BROKER_UNTIL(b, pathlog_messages(path_table_at(b->paths, 0)->log) >= 2);
        expect_message(b, 0, image);
        expect_message(b, 0, tag);
        expect_nothing(b, 0);
        restart(b); /* no memory is kept from one to the next */
    }
    log_set_level(LOG_ERROR);
}

/* A quiet path gives its memory back when its messages are too old. */
static void test_expiry(void **state)
{
    struct broker *b = *state;
    b->f->paths[0].history_ms = 50;
    (void) add_trigger(b, 0, 1, 1000);
    start(b);
    post(b, 1, "app", 202);
    const struct pathlog *log = path_table_at(b->paths, 0)->log;
    assert_true(pathlog_bytes(log) > 0);
    assert_int_equal(pathlog_messages(log), 2);
    BROKER_UNTIL(b, pathlog_bytes(log) == 0);
    assert_int_equal(pathlog_messages(log), 0);
}

static void test_free_nothing(void **state)
{
    (void) state;
    pipeline_free(NULL);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_size_one),
        WITH(test_size_and_cutoff),
        WITH(test_fired),
        WITH(test_cutoff_is_not_put_off),
        WITH(test_bytes),
        WITH(test_drain),
        WITH(test_several_triggers),
        WITH(test_denied),
        WITH(test_denied_beside_allowed),
        WITH(test_no_triggers),
        WITH(test_event_too_long),
        WITH(test_no_memory),
        WITH(test_no_memory_with_journal),
        WITH(test_no_memory_for_early_batch),
        WITH(test_expiry),
        cmocka_unit_test(test_free_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
