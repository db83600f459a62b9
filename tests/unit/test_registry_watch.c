/* Tests of broker/registry_watch.c: what is counted of whom, through changes of the configuration,
 * and when a silence begins and ends. */
#include "registry_watch.h"

#include "clock.h"
#include "log.h"
#include "refuse.h"
#include "rhythm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define WALL UINT64_C(1600000000000)

static char A[] = "a", B[] = "b", C[] = "c";
static int log_fd;
static uint64_t mono_ms;

static void at(uint64_t ms)
{
    mono_ms = ms;
    clock_freeze(1000 + ms, WALL + ms);
}

/* What was logged since the last call. */
static const char *logged(void)
{
    static char text[4096];
    ssize_t n = pread(log_fd, text, sizeof(text) - 1, 0);
    assert_true(n >= 0);
    text[n] = '\0';
    assert_int_equal(ftruncate(log_fd, 0), 0);
    assert_int_equal(lseek(log_fd, 0, SEEK_SET), 0);
    return text;
}

static int setup(void **state)
{
    (void) state;
    log_fd = memfd_create("log", 0);
    assert_true(log_fd >= 0);
    log_set_fd(log_fd);
    at(0);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    log_set_fd(STDERR_FILENO);
    clock_unfreeze();
    return close(log_fd);
}

static void event(struct registry_watch *w, const char *id)
{
    registry_watch_answered(w, id, &(struct registry_outcome){.status = 202, .accepted = 1});
}

static bool is_silent(struct registry_watch *w, const char *id)
{
    registry_watch_tick(w, NULL, NULL);
    return registry_watch_find(w, id)->silent;
}

static void test_counts(void **state)
{
    struct config_registry registries[] = {{.id = C}, {.id = A}, {.id = B}};
    struct config cfg = {.registries = registries, .n_registries = 3};
    struct registry_watch *w = registry_watch_new(&cfg);
    (void) state;
    assert_int_equal(registry_watch_n(w), 3);
    assert_string_equal(registry_watch_at(w, 0)->id, "a");
    assert_string_equal(registry_watch_at(w, 2)->id, "c");
    assert_null(registry_watch_find(w, "nobody"));
    at(7);
    const struct registry_outcome all = {202, 1, 2, 3, 4, false};
    registry_watch_answered(w, "b", &all);
    registry_watch_answered(w, "b", &all);
    registry_watch_answered(w, "b", &(struct registry_outcome){.status = 503});
    registry_watch_answered(w, "b", &(struct registry_outcome){.status = 401});
    registry_watch_answered(w, "nobody", &all);
    const struct registry_stats *s = registry_watch_find(w, "b");
    assert_int_equal(s->accepted, 2);
    assert_int_equal(s->ignored, 4);
    assert_int_equal(s->duplicates, 6);
    assert_int_equal(s->set_aside, 8);
    assert_int_equal(s->last_event_ms, WALL + 7);
    assert_int_equal(s->n_answers, 3);
    static const struct registry_count WANTED[] = {{202, 2}, {401, 1}, {503, 1}};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(s->answers[i].status, WANTED[i].status);
        assert_int_equal(s->answers[i].n, WANTED[i].n);
    }
    registry_watch_answered(w, "a", &(struct registry_outcome){.status = 202, .set_aside = 1});
    assert_int_equal(registry_watch_find(w, "a")->last_event_ms, 0); /* nobody understood it */
    registry_watch_free(w);
    registry_watch_free(NULL);
}

/* Whatever may be answered has a place. */
static void test_statuses(void **state)
{
    struct config_registry registries[] = {{.id = A}};
    struct config cfg = {.registries = registries, .n_registries = 1};
    struct registry_watch *w = registry_watch_new(&cfg);
    (void) state;
    uint64_t n = 0;
    for (enum refuse why = REFUSE_NONE + 1; why < REFUSE_N; why++) {
        unsigned status = refuse_info(why)->answer;
        if (status == 0 || status >= 1000)
            continue;
        registry_watch_answered(w, "a", &(struct registry_outcome){.status = status});
        n++;
    }
    registry_watch_answered(w, "a", &(struct registry_outcome){.status = 200});
    registry_watch_answered(w, "a", &(struct registry_outcome){.status = 202});
    const struct registry_stats *s = registry_watch_find(w, "a");
    for (size_t i = 0; i < s->n_answers; i++)
        n -= s->answers[i].n;
    assert_int_equal(n + 2, 0);
    for (unsigned status = 600; status < 700; status++) /* and others do no harm */
        registry_watch_answered(w, "a", &(struct registry_outcome){.status = status});
    assert_int_equal(s->n_answers, REGISTRY_WATCH_STATUSES);
    registry_watch_free(w);
}

static bool listens_to_a(void *ctx, const char *id)
{
    (void) ctx;
    return strcmp(id, "a") == 0;
}

/* Of several nodes the one that reads a registry's webhooks knows when it is silent. */
static void test_heard_elsewhere(void **state)
{
    struct config_registry registries[] = {{.id = A, .silence_alarm_ms = 60000},
                                           {.id = B, .silence_alarm_ms = 60000}};
    struct config cfg = {.registries = registries, .n_registries = 2};
    at(0);
    struct registry_watch *w = registry_watch_new(&cfg);
    const struct registry_outcome answered = {.status = 202, .accepted = 1, .elsewhere = true};
    (void) state;
    at(50000);
    registry_watch_answered(w, "a", &answered);
    at(60001);
    registry_watch_tick(w, listens_to_a, NULL);
    assert_true(registry_watch_find(w, "a")->silent);
    assert_false(registry_watch_find(w, "b")->silent);
    registry_watch_heard(w, "a");
    assert_false(registry_watch_find(w, "a")->silent);
    registry_watch_free(w);
}

static void test_configure(void **state)
{
    struct config_registry before[] = {{.id = A}, {.id = B}}, after[] = {{.id = C}, {.id = A}};
    struct config cfg = {.registries = before, .n_registries = 2};
    struct config next = {.registries = after, .n_registries = 2}, none = {.n_registries = 0};
    struct registry_watch *w = registry_watch_new(&cfg);
    (void) state;
    event(w, "a");
    event(w, "b");
    registry_watch_configure(w, &next);
    assert_int_equal(registry_watch_find(w, "a")->accepted, 1);
    assert_int_equal(registry_watch_find(w, "c")->accepted, 0);
    assert_null(registry_watch_find(w, "b"));
    registry_watch_configure(w, &cfg);
    assert_int_equal(registry_watch_find(w, "a")->accepted, 1);
    assert_int_equal(registry_watch_find(w, "b")->accepted, 0);
    registry_watch_configure(w, &none);
    assert_int_equal(registry_watch_n(w), 0);
    event(w, "a");
    registry_watch_tick(w, NULL, NULL);
    registry_watch_free(w);
}

static void test_fixed(void **state)
{
    struct config_registry registries[] = {{.id = A, .silence_alarm_ms = 60000},
                                           {.id = B, .silence_alarm_ms = CONFIG_ALARM_OFF}};
    struct config cfg = {.registries = registries, .n_registries = 2};
    struct registry_watch *w = registry_watch_new(&cfg);
    (void) state;
    at(59999);
    assert_false(is_silent(w, "a"));
    at(60000); /* none has come since the start */
    assert_true(is_silent(w, "a"));
    assert_false(is_silent(w, "b"));
    assert_int_equal(registry_watch_find(w, "a")->silent_since_ms, WALL);
    const char *text = logged();
    assert_non_null(strstr(text, "\"level\":\"warn\""));
    assert_non_null(strstr(text, "\"msg\":\"registry is silent\",\"registry\":\"a\""));
    assert_non_null(strstr(text, "\"silent_ms\":60000,\"alarm_ms\":60000"));
    at(90000);
    assert_true(is_silent(w, "a"));
    registry_watch_answered(w, "a", &(struct registry_outcome){.status = 401});
    registry_watch_answered(w, "a", &(struct registry_outcome){.status = 202, .set_aside = 1});
    assert_true(is_silent(w, "a"));
    assert_string_equal(logged(), ""); /* once is enough */
    event(w, "a");
    text = logged();
    assert_non_null(strstr(text, "\"level\":\"info\""));
    assert_non_null(strstr(text, "registry is silent no longer"));
    assert_non_null(strstr(text, "\"silent_ms\":90000"));
    assert_false(is_silent(w, "a"));
    at(149999);
    assert_false(is_silent(w, "a"));
    at(150000);
    assert_true(is_silent(w, "a"));
    assert_int_equal(registry_watch_find(w, "a")->silent_since_ms, WALL + 90000);
    (void) logged();

    registries[0].silence_alarm_ms = 120000; /* a longer time: it is not over yet */
    registry_watch_configure(w, &cfg);
    assert_false(is_silent(w, "a"));
    assert_non_null(strstr(logged(), "registry is silent no longer"));
    registries[0].silence_alarm_ms = CONFIG_ALARM_OFF;
    registry_watch_configure(w, &cfg);
    at(10 * RHYTHM_LEARN_MS);
    assert_false(is_silent(w, "a"));
    assert_string_equal(logged(), "");
    registry_watch_free(w);
}

static void test_learnt(void **state)
{
    struct config_registry registries[] = {{.id = A}};
    struct config cfg = {.registries = registries, .n_registries = 1};
    struct registry_watch *w = registry_watch_new(&cfg);
    const struct registry_stats *s = registry_watch_find(w, "a");
    (void) state;
    at(10 * RHYTHM_LEARN_MS);
    assert_false(is_silent(w, "a")); /* nothing is known of it */
    uint64_t begin = mono_ms;
    for (uint64_t ms = 0; ms <= RHYTHM_LEARN_MS; ms += 60000) {
        at(begin + ms);
        event(w, "a");
        assert_false(is_silent(w, "a"));
    }
    assert_in_range(s->usual_ms, 60000, 76000);
    assert_int_equal(s->alarm_ms, RHYTHM_FLOOR_MS);
    uint64_t last = mono_ms;
    at(last + RHYTHM_FLOOR_MS - 1);
    assert_false(is_silent(w, "a"));
    at(last + RHYTHM_FLOOR_MS);
    assert_true(is_silent(w, "a"));
    assert_non_null(strstr(logged(), "\"usual_ms\":"));
    registry_watch_configure(w, &cfg); /* what was learnt stays */
    assert_true(is_silent(w, "a"));
    registry_watch_free(w);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(test_counts),    TEST(test_statuses),
                                       TEST(test_configure), TEST(test_heard_elsewhere),
                                       TEST(test_fixed),     TEST(test_learnt)};
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
