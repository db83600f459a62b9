/* test_ingest_lookups.c - ingest.c with completion.c: the record of a push without a digest goes
 * with its webhook and with its events, and whatever the engine refuses leaves all as it was. */
#include "clock.h"
#include "completion.h"
#include "log.h"
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define DIGEST "sha256:31a61cd993e3f0c3cc7ea34ab6331037cfa8f8745d16fada5de554a7e4412e6f"
#define BODY   "{\"repository\":\"app\",\"docker_url\":\"q/app\",\"updated_tags\":[\"v1\"]}"
#define FIRST  "lkp00000000000000001"

static char ID[] = "crt1", QUAY[] = "quay", URL[] = "https://q", CLOUD[] = "c", FOLDER[] = "f";
static struct config_registry REGISTRY = {
    .id = ID, .kind = QUAY, .registry_url = URL, .registry_timeout_ms = 600000};
static const struct config CONFIG = {
    .cloud_id = CLOUD,
    .folder_id = FOLDER,
    .dedup = {.window_ms = 3600000, .max_ids = 1000},
    .catalog = {.max_images = 1000, .max_tags = 1000},
    .registries = &REGISTRY,
    .n_registries = 1,
};

struct world {
    struct ingest *in;
    struct completion *completion;
    struct metrics metrics;
    struct lookup_question *asked;
    int done_err; /* of the next submissions */
    bool suspect;
    char said[1024]; /* of the last submission: "+lkp..1 -lkp..2 CreateImage@time letter" */
    struct ingest_call call;
    unsigned status;
};

static int can_submit(void *ctx)
{
    (void) ctx;
    return 0;
}

static void say(struct world *w, const char *a, const char *b)
{
    size_t len = strlen(w->said);
    (void) snprintf(w->said + len, sizeof(w->said) - len, "%s%s ", a, b);
}

static void on_submit(void *ctx, const struct engine_submission *s)
{
    struct world *w = ctx;
    w->said[0] = '\0';
    for (size_t i = 0; i < s->n_records; i++) {
        assert_int_equal(s->records[i].kind, ENGINE_LOOKUP);
        say(w, s->records[i].value.len > 0 ? "+" : "-", s->records[i].id);
    }
    for (size_t i = 0; i < s->n; i++) {
        char *json = xslicedup(s->events[i]->json), *at = strstr(json, "\"created_at\":\"");
        assert_non_null(at);
        at += strlen("\"created_at\":\"");
        at[strcspn(at, "\"")] = '\0';
        assert_string_equal(s->events[i]->digest, DIGEST);
        say(w, EVENT_TYPES[s->events[i]->type], "@");
        say(w, at, "");
        free(json);
    }
    if (s->letters.len > 0)
        say(w, "letter", "");
    s->done(s->arg, w->done_err);
}

static uint64_t now_ms(void *ctx)
{
    (void) ctx;
    return 1;
}

static bool is_suspect(void *ctx, uint64_t webhook_hash)
{
    (void) webhook_hash;
    return ((struct world *) ctx)->suspect;
}

static void on_ask(void *ctx, struct lookup_question *q)
{
    struct world *w = ctx;
    assert_null(w->asked);
    w->asked = q;
}

static void on_complete(void *ctx, const struct ingest_completed *done, struct ingest_call *call)
{
    ingest_complete(((struct world *) ctx)->in, done, call);
}

static void on_answer(struct ingest_call *call, const struct ingest_answer *answer)
{
    struct world *w = LIST_ENTRY(call, struct world, call);
    w->status = answer->status;
}

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    const struct ingest_target target = {.ctx = w,
                                         .can_submit = can_submit,
                                         .submit = on_submit,
                                         .now_ms = now_ms,
                                         .suspect = is_suspect};
    const struct completion_port port = {w, on_ask, can_submit, on_complete};
    w->in = ingest_new(&CONFIG, &w->metrics, &target);
    w->completion = completion_new(&CONFIG, &w->metrics, &port);
    ingest_set_completion(w->in, w->completion);
    w->call.done = on_answer;
    log_set_level(LOG_N_LEVELS);
    clock_freeze(1000, 1600000000123); /* 2020-09-13T12:26:40.123Z */
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    completion_free(w->completion);
    ingest_free(w->in);
    clock_unfreeze();
    log_set_level(LOG_INFO);
    free(w);
    return 0;
}

static void post(struct world *w)
{
    const struct ingest_request req = {.registry_id = slice_str(ID),
                                       .content_type = SLICE_LIT("application/json"),
                                       .body = SLICE_LIT(BODY)};
    ingest_post(w->in, &req, &w->call);
}

static void found(struct world *w)
{
    struct lookup_question *q = w->asked;
    assert_non_null(q);
    w->asked = NULL;
    q->outcome = LOOKUP_FOUND;
    memcpy(q->digest, DIGEST, sizeof(DIGEST));
    q->answered(q);
}

static uint64_t count(const struct world *w, enum metric id)
{
    const struct metrics *all[] = {&w->metrics};
    return metrics_get(all, 1, id);
}

#define EVENTS "CreateImage@ 2020-09-13T12:26:40.123Z CreateImageTag@ 2020-09-13T12:26:40.123Z "

/* The time is that of the receipt, whenever the answer comes. */
static void from_webhook_to_events(void **state)
{
    struct world *w = *state;
    post(w);
    assert_int_equal(w->status, 202);
    assert_string_equal(w->said, "+" FIRST " ");
    assert_int_equal(count(w, M_WEBHOOK_ACCEPTED), 1);
    clock_freeze(61000, 1600000060123);
    found(w);
    assert_string_equal(w->said, "-" FIRST " " EVENTS);
    assert_int_equal(completion_n(w->completion), 0);
    assert_int_equal(count(w, M_WEBHOOK_ACCEPTED), 1); /* it was counted */
}

static void refused_webhook(void **state)
{
    struct world *w = *state;
    w->done_err = -ENOSPC;
    post(w);
    assert_true(w->status >= 500);
    assert_null(w->asked);
    assert_int_equal(completion_n(w->completion), 0);
}

static void refused_events(void **state)
{
    struct world *w = *state;
    post(w);
    w->done_err = -ENOSPC;
    found(w);
    assert_int_equal(completion_n(w->completion), 1);
    assert_int_equal(ingest_known(w->in).images, 0);
    w->done_err = 0;
    clock_freeze(2000, 1600000001123);
    completion_tick(w->completion);
    found(w);
    assert_string_equal(w->said, "-" FIRST " " EVENTS);
    assert_int_equal(completion_n(w->completion), 0);
    assert_int_equal(ingest_known(w->in).images, 1);
}

static void what_ended_the_process(void **state)
{
    struct world *w = *state;
    post(w);
    w->suspect = true;
    found(w);
    assert_string_equal(w->said, "-" FIRST " letter ");
    assert_int_equal(completion_n(w->completion), 0);
    assert_int_equal(count(w, M_DEAD_LETTERS), 1);
}

static void without_memory(void **state)
{
    struct world *w = *state;
    post(w);
    mem_fail_at(1);
    found(w);
    mem_fail_at(0);
    assert_int_equal(completion_n(w->completion), 1);
    clock_freeze(2000, 1600000001123);
    completion_tick(w->completion);
    found(w);
    assert_string_equal(w->said, "-" FIRST " " EVENTS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(from_webhook_to_events), TEST(refused_webhook), TEST(refused_events),
        TEST(what_ended_the_process), TEST(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
