/* test_completion.c - completion.c: which pushes are asked for when, which answer serves which of
 * them, and what becomes of those without one. The other side is the test: it answers, and takes or
 * refuses what is complete. */
#include "completion.h"

#include "clock.h"
#include "log.h"
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define START_MS UINT64_C(100000)
#define WALL_MS  UINT64_C(1795323041000)
#define D1       "sha256:31a61cd993e3f0c3cc7ea34ab6331037cfa8f8745d16fada5de554a7e4412e6f"
#define D2       "sha256:45d33032d2e088783634054c7fc7ad91d5549dba6eaefbb54f1858b30da36e9f"

static char URL[] = "https://registry.example", ONE[] = "crt1", TWO[] = "crt2", MUTE[] = "crt3";

struct world {
    struct completion *c;
    struct metrics metrics;
    struct config cfg;
    struct config_registry registries[3];
    uint64_t now_ms; /* since the start */
    int can_apply;
    unsigned status;                   /* of what is applied; 0: when the test says so */
    struct lookup_question *asked[16]; /* and not answered */
    size_t n_asked, n_ever;
    struct ingest_call *applying[16];
    size_t n_applying;
    char applied[4096]; /* "crt1 a:v1x2=<digest> ", the number of pushes behind the x */
};
static struct world *world;

static void on_ask(void *ctx, struct lookup_question *q)
{
    struct world *w = ctx;
    assert_true(w->n_asked < ARRAY_LEN(w->asked));
    w->asked[w->n_asked++] = q;
    w->n_ever++;
}

static int can_apply(void *ctx)
{
    return ((struct world *) ctx)->can_apply;
}

static void settle(struct ingest_call *call, unsigned status)
{
    call->done(call, &(struct ingest_answer){.status = status});
}

static void on_apply(void *ctx, const struct ingest_completed *done, struct ingest_call *call)
{
    struct world *w = ctx;
    size_t n = 0, len = strlen(w->applied);
    const struct pending *first = LIST_ENTRY(done->changes->next, const struct pending, in_list);
    char last[ID_SIZE] = "";
    LIST_FOREACH (it, done->changes) {
        const struct pending *one = LIST_ENTRY(it, const struct pending, in_list);
        assert_string_equal(one->tag, first->tag);
        assert_true(strcmp(last, one->id) < 0); /* as they came */
        memcpy(last, one->id, ID_SIZE);
        n++;
    }
    (void) snprintf(w->applied + len, sizeof(w->applied) - len, "%s%s %s:%sx%zu=%.9s ",
                    done->registry == NULL ? "!" : "", first->registry_id, first->repository,
                    first->tag, n, done->digest);
    if (w->status != 0) {
        settle(call, w->status);
        return;
    }
    assert_true(w->n_applying < ARRAY_LEN(w->applying));
    w->applying[w->n_applying++] = call;
}

static void at(struct world *w, uint64_t ms)
{
    w->now_ms = ms;
    clock_freeze(START_MS + ms, WALL_MS + ms);
}

static void renew(struct world *w)
{
    const struct completion_port port = {w, on_ask, can_apply, on_apply};
    w->c = completion_new(&w->cfg, &w->metrics, &port);
}

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    static char *const IDS[] = {ONE, TWO, MUTE};
    for (size_t i = 0; i < ARRAY_LEN(IDS); i++)
        w->registries[i] = (struct config_registry){
            .id = IDS[i], .registry_url = i < 2 ? URL : NULL, .registry_timeout_ms = 600000};
    w->cfg.registries = w->registries;
    w->cfg.n_registries = ARRAY_LEN(w->registries);
    w->status = 202;
    log_set_level(LOG_N_LEVELS);
    at(w, 0);
    renew(w);
    *state = world = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    completion_free(w->c);
    clock_unfreeze();
    log_set_level(LOG_INFO);
    free(w);
    return 0;
}

static struct pending *taken(struct world *w, size_t registry, const char *repository,
                             const char *tag)
{
    return completion_take(w->c, &w->registries[registry],
                           &(struct pending_parts){.registry_id = w->registries[registry].id,
                                                   .repository = repository,
                                                   .tag = tag,
                                                   .created_at = "",
                                                   .actor = "",
                                                   .received_ms = clock_wall_ms()});
}

static void keep(struct world *w, size_t registry, const char *repository, const char *tag)
{
    struct pending *one = taken(w, registry, repository, tag);
    assert_non_null(one);
    completion_keep(w->c, one);
}

/* Answers the question asked longest. */
static void answer(struct world *w, enum lookup_outcome outcome, const char *digest)
{
    assert_true(w->n_asked > 0);
    struct lookup_question *q = w->asked[0];
    w->n_asked--;
    for (size_t i = 0; i < w->n_asked; i++)
        w->asked[i] = w->asked[i + 1];
    q->outcome = outcome;
    (void) snprintf(q->digest, sizeof(q->digest), "%s", digest);
    q->answered(q);
}

static void is_applied(struct world *w, const char *what)
{
    assert_string_equal(w->applied, what);
    w->applied[0] = '\0';
}

static uint64_t count(const struct world *w, enum metric id)
{
    const struct metrics *all[] = {&w->metrics};
    return metrics_get(all, 1, id);
}

/* --- */

static void one_push(void **state)
{
    struct world *w = *state;
    keep(w, 0, "a", "v1");
    assert_int_equal(completion_n(w->c), 1);
    assert_int_equal(w->n_asked, 1);
    assert_string_equal(w->asked[0]->registry_id, "crt1");
    assert_string_equal(w->asked[0]->repository, "a");
    assert_string_equal(w->asked[0]->tag, "v1");
    answer(w, LOOKUP_FOUND, D1);
    is_applied(w, "crt1 a:v1x1=sha256:31 ");
    assert_int_equal(completion_n(w->c), 0);
    assert_int_equal(count(w, M_LOOKUP_FOUND), 1);
    completion_tick(w->c);
    assert_int_equal(w->n_ever, 1);
}

static void nobody_to_ask(void **state)
{
    struct world *w = *state;
    assert_null(taken(w, 2, "a", "v1"));
    assert_int_equal(completion_n(w->c), 0);
}

static void refused_with_its_webhook(void **state)
{
    struct world *w = *state;
    struct pending *one = taken(w, 0, "a", "v1");
    assert_int_equal(completion_n(w->c), 1);
    assert_int_equal(w->n_asked, 0); /* nothing is asked for what is not safe */
    completion_drop(w->c, one);
    assert_int_equal(completion_n(w->c), 0);
}

/* An answer serves what had come before it was asked for, and nothing later. */
static void coalesced(void **state)
{
    struct world *w = *state;
    w->can_apply = -EAGAIN;
    for (int i = 0; i < 3; i++)
        keep(w, 0, "a", "v1");
    assert_int_equal(w->n_asked, 0);
    w->can_apply = 0;
    completion_tick(w->c);
    assert_int_equal(w->n_asked, 1);
    keep(w, 0, "a", "v1"); /* the tag may have moved when its question was under way */
    keep(w, 0, "a", "v1");
    assert_int_equal(w->n_asked, 1);
    answer(w, LOOKUP_FOUND, D1);
    is_applied(w, "crt1 a:v1x3=sha256:31 ");
    assert_int_equal(w->n_asked, 1);
    answer(w, LOOKUP_FOUND, D2);
    is_applied(w, "crt1 a:v1x2=sha256:45 ");
    assert_int_equal(count(w, M_LOOKUP_FOUND), 5);
    assert_int_equal(count(w, M_LOOKUP_ANSWERED), 2);
}

/* Two at a time of a registry, four in all, and every registry gets its turn. */
static void bounded(void **state)
{
    struct world *w = *state;
    static const char *const TAGS[] = {"v1", "v2", "v3", "v4", "v5"};
    for (size_t i = 0; i < ARRAY_LEN(TAGS); i++)
        keep(w, 0, "a", TAGS[i]);
    assert_int_equal(w->n_asked, COMPLETION_PER_REGISTRY);
    for (size_t i = 0; i < ARRAY_LEN(TAGS); i++)
        keep(w, 1, "a", TAGS[i]);
    assert_int_equal(w->n_asked, COMPLETION_IN_FLIGHT);
    while (w->n_asked > 0) {
        assert_true(w->n_asked <= COMPLETION_IN_FLIGHT);
        answer(w, LOOKUP_FOUND, D1);
    }
    assert_int_equal(w->n_ever, 2 * ARRAY_LEN(TAGS));
    assert_int_equal(completion_n(w->c), 0);
}

static void too_many(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < COMPLETION_MAX; i++)
        keep(w, 0, "a", "v1");
    assert_null(taken(w, 0, "a", "v1"));
    assert_int_equal(count(w, M_LOOKUP_OVERFLOW), 1);
    answer(w, LOOKUP_FOUND, D1);
    answer(w, LOOKUP_FOUND, D1);
    assert_int_equal(completion_n(w->c), 0);
    keep(w, 0, "a", "v1");
}

/* When the registry is away, one question at a time tries, after 1, 2, 4 ... 60 seconds. */
static void away(void **state)
{
    static const uint64_t PAUSES[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    struct world *w = *state;
    uint64_t now = 0;
    keep(w, 0, "a", "v1");
    keep(w, 0, "a", "v2");
    answer(w, LOOKUP_AWAY, "");
    assert_int_equal(w->n_asked, 1); /* v2 had been asked before */
    answer(w, LOOKUP_FOUND, D1); /* and the registry is back: v1 waits on its own account only */
    is_applied(w, "crt1 a:v2x1=sha256:31 ");
    for (size_t i = 0; i < ARRAY_LEN(PAUSES); i++) {
        at(w, now + PAUSES[i] - 1);
        completion_tick(w->c);
        assert_int_equal(w->n_asked, 0);
        at(w, now += PAUSES[i]);
        completion_tick(w->c);
        assert_int_equal(w->n_asked, 1);
        answer(w, LOOKUP_AWAY, "");
    }
    keep(w, 0, "b", "v1");
    assert_int_equal(w->n_asked, 0); /* others would be told the same */
    keep(w, 1, "b", "v1");
    assert_int_equal(w->n_asked, 1); /* of another registry */
    answer(w, LOOKUP_FOUND, D2);
    is_applied(w, "crt2 b:v1x1=sha256:45 ");
    at(w, now += 60000);
    completion_tick(w->c);
    assert_int_equal(w->n_asked, 1);
    answer(w, LOOKUP_FOUND, D1);
    assert_int_equal(w->n_asked, 1); /* it is back */
    answer(w, LOOKUP_FOUND, D2);
    assert_int_equal(completion_n(w->c), 0);
}

/* One that the registry refuses does not keep others waiting. */
static void refused(void **state)
{
    struct world *w = *state;
    keep(w, 0, "a", "v1");
    answer(w, LOOKUP_REFUSED, "");
    keep(w, 0, "a", "v2");
    assert_int_equal(w->n_asked, 1);
    answer(w, LOOKUP_FOUND, D1);
    is_applied(w, "crt1 a:v2x1=sha256:31 ");
    assert_int_equal(completion_n(w->c), 1);
    assert_int_equal(count(w, M_LOOKUP_FAILED), 1);
}

static void missing(void **state)
{
    struct world *w = *state;
    keep(w, 0, "a", "v1");
    for (unsigned i = 1; i < COMPLETION_MISSES; i++) {
        answer(w, LOOKUP_MISSING, "");
        is_applied(w, "");
        at(w, w->now_ms + 10000);
        completion_tick(w->c);
    }
    answer(w, LOOKUP_MISSING, "");
    is_applied(w, "crt1 a:v1x1= ");
    assert_int_equal(count(w, M_LOOKUP_MISSING), 1);
    assert_int_equal(completion_n(w->c), 0);
}

/* Each has its own time, from its receipt on. */
static void late(void **state)
{
    struct world *w = *state;
    keep(w, 0, "a", "v1");
    answer(w, LOOKUP_AWAY, "");
    at(w, 500);
    keep(w, 0, "a", "v1");
    at(w, 599999);
    w->registries[0].registry_timeout_ms = 599999;
    completion_tick(w->c);
    is_applied(w, "crt1 a:v1x1= ");
    assert_int_equal(count(w, M_LOOKUP_LATE), 1);
    assert_int_equal(completion_n(w->c), 1);
    assert_int_equal(w->n_asked, 1); /* the other one */
    at(w, 700000);
    completion_tick(w->c);
    is_applied(w, ""); /* while it is asked for, there is hope */
    answer(w, LOOKUP_AWAY, "");
    completion_tick(w->c);
    is_applied(w, "crt1 a:v1x1= ");
    assert_int_equal(completion_n(w->c), 0);
}

/* What could not be made safe is asked for again: its answer may be an old one by then. */
static void refused_by_the_engine(void **state)
{
    struct world *w = *state;
    w->status = 0;
    keep(w, 0, "a", "v1");
    answer(w, LOOKUP_FOUND, D1);
    keep(w, 0, "a", "v1");
    assert_int_equal(w->n_asked, 0); /* one thing at a time about a tag */
    is_applied(w, "crt1 a:v1x1=sha256:31 ");
    settle(w->applying[0], 503);
    assert_int_equal(completion_n(w->c), 2);
    assert_int_equal(count(w, M_LOOKUP_FOUND), 0);
    completion_tick(w->c);
    assert_int_equal(w->n_asked, 0);
    at(w, 1000);
    completion_tick(w->c);
    w->status = 202;
    answer(w, LOOKUP_FOUND, D2);
    is_applied(w, "crt1 a:v1x2=sha256:45 ");
    assert_int_equal(completion_n(w->c), 0);
}

/* A refusal at once, of many that are given up together, ends. */
static void refused_when_given_up(void **state)
{
    struct world *w = *state;
    char tag[16];
    for (int i = 0; i < 1000; i++) {
        (void) snprintf(tag, sizeof(tag), "v%d", i);
        keep(w, 0, "a", tag);
        if (w->n_asked > 0 && i < 10)
            answer(w, LOOKUP_AWAY, "");
    }
    while (w->n_asked > 0)
        answer(w, LOOKUP_AWAY, "");
    at(w, 600000);
    w->status = 503;
    completion_tick(w->c);
    w->applied[0] = '\0';
    assert_int_equal(completion_n(w->c), 1000);
    w->status = 202;
    for (int i = 0; i < 10; i++) {
        while (w->n_asked > 0)
            answer(w, LOOKUP_AWAY, "");
        at(w, w->now_ms + 60000);
        w->applied[0] = '\0';
        completion_tick(w->c);
    }
    assert_int_equal(completion_n(w->c), 0);
    assert_int_equal(count(w, M_LOOKUP_LATE), 1000);
}

/* Nothing is asked or applied while the process goes down, and all goes on if it does not. */
static void draining(void **state)
{
    struct world *w = *state;
    keep(w, 0, "a", "v1");
    w->can_apply = -EAGAIN;
    w->status = 503; /* as ingest would refuse it */
    answer(w, LOOKUP_FOUND, D1);
    at(w, 700000);
    completion_tick(w->c);
    keep(w, 1, "a", "v1");
    assert_int_equal(w->n_asked, 0);
    assert_int_equal(completion_n(w->c), 2);
    w->can_apply = 0;
    w->status = 202;
    w->applied[0] = '\0';
    completion_tick(w->c);
    is_applied(w, "crt1 a:v1x1= ");
    assert_int_equal(w->n_asked, 1);
}

static void configured_anew(void **state)
{
    struct world *w = *state;
    struct config next = w->cfg;
    struct config_registry mute = {.id = ONE};
    keep(w, 0, "a", "v1");
    answer(w, LOOKUP_AWAY, "");
    keep(w, 1, "b", "v1");
    completion_configure(w->c, &w->cfg); /* maybe another password: everybody tries at once */
    assert_int_equal(w->n_asked, 2);
    assert_string_equal(w->asked[0]->registry_id, "crt2");
    assert_string_equal(w->asked[1]->registry_id, "crt1");

    next.registries = &mute;
    next.n_registries = 1;
    completion_configure(w->c, &next);
    answer(w, LOOKUP_FOUND, D1);
    is_applied(w, "!crt2 b:v1x1= ");
    assert_int_equal(count(w, M_LOOKUP_DISCARDED), 1);
    answer(w, LOOKUP_AWAY, "");
    completion_tick(w->c);
    is_applied(w, "crt1 a:v1x1= ");
    assert_int_equal(count(w, M_LOOKUP_UNASKED), 1);
    assert_int_equal(completion_n(w->c), 0);
}

static void from_an_earlier_run(void **state)
{
    struct world *w = *state;
    struct buf value;
    char id[ID_SIZE], next[ID_SIZE];
    struct pending *one = pending_new(&(struct pending_parts){.registry_id = ONE,
                                                              .repository = "a",
                                                              .tag = "v1",
                                                              .created_at = "",
                                                              .actor = "",
                                                              .received_ms = WALL_MS - 599000});
    buf_init(&value, 4096);
    assert_int_equal(pending_pack(one, &value), 0);
    pending_free(one);
    w->can_apply = -EAGAIN; /* before the start */
    pending_id(41, id);
    assert_int_equal(completion_load(w->c, id, buf_slice(&value)), 0);
    pending_id(42, id);
    assert_int_equal(completion_load(w->c, id, slice_str("nonsense")), -EBADMSG);
    assert_int_equal(completion_load(w->c, "nonsense", buf_slice(&value)), -EBADMSG);
    buf_fini(&value);
    one = taken(w, 0, "b", "v1");
    pending_id(43, next);
    assert_string_equal(one->id, next); /* also that of what nobody understands is its own */
    completion_drop(w->c, one);
    w->can_apply = 0;
    completion_tick(w->c);
    assert_int_equal(w->n_asked, 1);
    answer(w, LOOKUP_AWAY, "");
    at(w, 1000); /* its time goes on from its receipt */
    completion_tick(w->c);
    is_applied(w, "crt1 a:v1x1= ");
}

/* Whatever is under way is freed. */
static void ended_at_any_moment(void **state)
{
    struct world *w = *state;
    w->status = 0;
    keep(w, 0, "a", "v1");
    answer(w, LOOKUP_FOUND, D1);
    keep(w, 0, "a", "v1");
    keep(w, 0, "a", "v2");
    keep(w, 0, "a", "v3");
    keep(w, 0, "a", "v4");
    completion_free(w->c);
    completion_free(NULL);
    renew(w);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_push),
        TEST(nobody_to_ask),
        TEST(refused_with_its_webhook),
        TEST(coalesced),
        TEST(bounded),
        TEST(too_many),
        TEST(away),
        TEST(refused),
        TEST(missing),
        TEST(late),
        TEST(refused_by_the_engine),
        TEST(refused_when_given_up),
        TEST(draining),
        TEST(configured_anew),
        TEST(from_an_earlier_run),
        TEST(ended_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
