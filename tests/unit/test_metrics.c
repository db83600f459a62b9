/* Tests of broker/base/metrics.c: sums over threads, and the Prometheus text. */
#include "metrics.h"

#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct metrics *m[3];
    const struct metrics *all[3];
    struct buf out;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    for (size_t i = 0; i < ARRAY_LEN(f->m); i++)
        f->all[i] = f->m[i] = xcalloc(1, sizeof(struct metrics));
    buf_init(&f->out, 1 << 20);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(f->m); i++)
        free(f->m[i]);
    buf_fini(&f->out);
    free(f);
    return 0;
}

static const char *print(struct fixture *f)
{
    buf_clear(&f->out);
    assert_int_equal(metrics_print(f->all, ARRAY_LEN(f->all), &f->out), 0);
    assert_int_equal(buf_append(&f->out, SLICE_LIT("\0")), 0);
    return (const char *) f->out.data;
}

/* `line` stands in the text as a whole line. */
static bool has_line(const char *text, const char *line)
{
    size_t len = strlen(line);
    for (const char *at = text; (at = strstr(at, line)) != NULL; at++)
        if ((at == text || at[-1] == '\n') && at[len] == '\n')
            return true;
    return false;
}

static void test_counters(void **state)
{
    struct fixture *f = *state;
    metrics_add(f->m[0], M_HANDSHAKES, 3);
    metrics_add(f->m[0], M_HANDSHAKES, 4);
    metrics_add(f->m[2], M_HANDSHAKES, 1);
    metrics_add(f->m[1], M_CLOSED_SLOW, UINT64_MAX / 2);
    assert_true(metrics_get(f->all, 3, M_HANDSHAKES) == 8);
    assert_true(metrics_get(f->all, 1, M_HANDSHAKES) == 7);
    assert_true(metrics_get(f->all, 0, M_HANDSHAKES) == 0);
    assert_true(metrics_get(f->all, 3, M_SWEEPS) == 0);

    const char *text = print(f);
    static const char *const WANT[] = {
        "# HELP regcast_handshakes_total WebSocket handshakes answered with 101.",
        "# TYPE regcast_handshakes_total counter",
        "regcast_handshakes_total 8",
        "regcast_closes_total{by=\"slow\"} 9223372036854775807",
        "regcast_closes_total{by=\"peer\"} 0",
        "regcast_events_total{type=\"CreateImage\",outcome=\"matched\"} 0",
        "# TYPE regcast_reject_total counter",
        "# TYPE regcast_http_answers_total counter",
    };
    for (size_t i = 0; i < ARRAY_LEN(WANT); i++)
        if (!has_line(text, WANT[i]))
            fail_msg("missing: %s", WANT[i]);
    assert_null(strstr(text, "regcast_reject_total{"));
    assert_null(strstr(text, "regcast_http_answers_total{"));
}

static void test_refusals_and_answers(void **state)
{
    struct fixture *f = *state;
    metrics_refuse(f->m[0], LISTENER_GATEWAY, REFUSE_CL_TE);
    metrics_refuse(f->m[1], LISTENER_GATEWAY, REFUSE_CL_TE);
    metrics_refuse(f->m[1], LISTENER_WEBHOOKS, REFUSE_AUTH);
    metrics_refuse(f->m[1], LISTENER_WEBHOOKS, REFUSE_N - 1);
    metrics_refuse(f->m[1], LISTENER_WEBHOOKS, REFUSE_NONE); /* not a refusal: not printed */
    metrics_answer(f->m[0], LISTENER_GATEWAY, 101);
    metrics_answer(f->m[2], LISTENER_WEBHOOKS, 505);
    metrics_answer(f->m[2], LISTENER_WEBHOOKS, 299);
    metrics_answer(f->m[2], LISTENER_WEBHOOKS, 0);
    metrics_call(f->m[0], 0);
    metrics_call(f->m[2], METRICS_CODES - 1);
    metrics_call(f->m[2], METRICS_CODES - 1);
    metrics_close(f->m[0], 1013);
    metrics_close(f->m[1], 1013);
    metrics_close(f->m[1], 4999);
    metrics_close(f->m[1], 0);
    const char *text = print(f);
    static const char *const WANT[] = {
        "regcast_close_codes_total{code=\"1013\"} 2",
        "regcast_close_codes_total{code=\"other\"} 2",
        "regcast_reject_total{listener=\"gateway\",stage=\"head\",reason=\"cl_te\"} 2",
        "regcast_reject_total{listener=\"webhooks\",stage=\"webhook\",reason=\"auth\"} 1",
        "regcast_reject_total{listener=\"webhooks\",stage=\"h2\",reason=\"h2_stall\"} 1",
        "regcast_http_answers_total{listener=\"gateway\",code=\"101\"} 1",
        "regcast_http_answers_total{listener=\"webhooks\",code=\"505\"} 1",
        "regcast_http_answers_total{listener=\"webhooks\",code=\"other\"} 2",
        "regcast_grpc_calls_total{code=\"0\"} 1",
        "regcast_grpc_calls_total{code=\"16\"} 2",
    };
    for (size_t i = 0; i < ARRAY_LEN(WANT); i++)
        if (!has_line(text, WANT[i]))
            fail_msg("missing: %s", WANT[i]);
    assert_null(strstr(text, "reason=\"none\""));
    assert_null(strstr(text, "listener=\"gateway\",stage=\"webhook\""));
}

static const struct {
    uint64_t us;
    const char *first_le; /* of the lowest bucket that counts it */
} BUCKETS[] = {
    {0, "0.00005"},   {50, "0.00005"},  {51, "0.0001"},     {1000, "0.001"},
    {1001, "0.0025"}, {10000000, "10"}, {10000001, "+Inf"}, {UINT64_MAX / 4, "+Inf"},
};

static void test_histogram_buckets(void **state)
{
    struct fixture *f = *state;
    static const char *const ALL[] = {"0.00005", "0.0001", "0.00025", "0.0005", "0.001",
                                      "0.0025",  "0.005",  "0.01",    "0.025",  "0.1",
                                      "0.25",    "1",      "2.5",     "10",     "+Inf"};
    for (size_t i = 0; i < ARRAY_LEN(BUCKETS); i++) {
        memset(&f->m[0]->histogram, 0, sizeof(f->m[0]->histogram));
        metrics_observe(f->m[0], H_SWEEP, BUCKETS[i].us);
        const char *text = print(f);
        unsigned count = 0;
        for (size_t b = 0; b < ARRAY_LEN(ALL); b++) { /* cumulative from its own bucket on */
            count |= strcmp(ALL[b], BUCKETS[i].first_le) == 0;
            char line[96];
            (void) snprintf(line, sizeof(line), "regcast_sweep_seconds_bucket{le=\"%s\"} %u",
                            ALL[b], count);
            if (!has_line(text, line))
                fail_msg("%llu us: missing %s", (unsigned long long) BUCKETS[i].us, line);
        }
        assert_true(has_line(text, "regcast_sweep_seconds_count 1"));
        assert_true(has_line(text, "regcast_webhook_seconds_count 0"));
    }
}

static void test_histogram_sum(void **state)
{
    struct fixture *f = *state;
    metrics_observe(f->m[0], H_WEBHOOK, 1500000);
    metrics_observe(f->m[1], H_WEBHOOK, 7);
    const char *text = print(f);
    assert_true(has_line(text, "# TYPE regcast_webhook_seconds histogram"));
    assert_true(has_line(text, "regcast_webhook_seconds_sum 1.500007"));
    assert_true(has_line(text, "regcast_webhook_seconds_count 2"));
    assert_true(has_line(text, "regcast_webhook_seconds_bucket{le=\"0.00005\"} 1"));
    assert_true(has_line(text, "regcast_webhook_seconds_bucket{le=\"2.5\"} 2"));
}

/* One that counts things, not time: whole numbers, also in the sum. */
static void test_counting_histogram(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint64_t value;
        const char *le; /* of the lowest bucket that counts it */
    } CASES[] = {{1, "1"},        {2, "2"},         {3, "4"},       {4, "4"},
                 {5, "8"},        {64, "64"},       {65, "128"},    {4096, "4096"},
                 {4097, "10000"}, {10000, "10000"}, {10001, "+Inf"}};
    static const char *const ALL[] = {"1",   "2",   "4",    "8",    "16",   "32",    "64",  "128",
                                      "256", "512", "1024", "2048", "4096", "10000", "+Inf"};
    uint64_t sum = 0;
    size_t in_bucket[ARRAY_LEN(ALL)] = {0};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        metrics_observe(f->m[i % 3], H_GROUP, CASES[i].value); /* of several threads */
        sum += CASES[i].value;
        for (size_t b = 0; b < ARRAY_LEN(ALL); b++)
            in_bucket[b] += strcmp(ALL[b], CASES[i].le) == 0;
    }
    const char *text = print(f);
    char line[96];
    size_t count = 0;
    for (size_t b = 0; b < ARRAY_LEN(ALL); b++) {
        count += in_bucket[b];
        (void) snprintf(line, sizeof(line), "regcast_journal_group_items_bucket{le=\"%s\"} %zu",
                        ALL[b], count);
        if (!has_line(text, line))
            fail_msg("missing %s", line);
    }
    assert_int_equal(count, ARRAY_LEN(CASES));
    (void) snprintf(line, sizeof(line), "regcast_journal_group_items_count %zu", count);
    assert_true(has_line(text, line));
    (void) snprintf(line, sizeof(line), "regcast_journal_group_items_sum %llu",
                    (unsigned long long) sum);
    assert_true(has_line(text, line));
    assert_true(has_line(text, "regcast_journal_commit_seconds_count 0"));
}

/* The format's rules: HELP, TYPE, then all samples of the family, each family once. */
static void append(char *text, size_t size, const char *more)
{
    size_t len = strlen(text);
    assert_true((size_t) snprintf(text + len, size - len, "%s", more) < size - len);
}

static void test_format(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < METRIC_N; i++)
        metrics_add(f->m[0], (enum metric) i, 1);
    for (int i = 1; i < REFUSE_N; i++)
        metrics_refuse(f->m[0], LISTENER_GATEWAY, (enum refuse) i);
    char *text = xstrdup(print(f));
    char family[64] = "", seen[8192] = "\n", samples[32768] = "\n";
    bool typed = false;
    assert_int_equal(text[strlen(text) - 1], '\n');
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char name[64], key[80], type[16], sample[256];
        if (sscanf(line, "# HELP %63s %*s", name) == 1) {
            if (strlen(line) <= strlen("# HELP ") + strlen(name) + 1)
                fail_msg("no help: %s", line);
            (void) snprintf(key, sizeof(key), "\n%s\n", name);
            if (strstr(seen, key) != NULL)
                fail_msg("twice: %s", name);
            append(seen, sizeof(seen), key + 1);
            (void) snprintf(family, sizeof(family), "%s", name);
            typed = false;
        } else if (sscanf(line, "# TYPE %63s %15s", name, type) == 2) {
            assert_string_equal(name, family);
            typed = true;
        } else {
            assert_true(typed);
            assert_int_equal(strncmp(line, family, strlen(family)), 0);
            (void) snprintf(sample, sizeof(sample), "\n%.*s ", (int) strcspn(line, " "), line);
            if (strstr(samples, sample) != NULL)
                fail_msg("twice: %s", line);
            append(samples, sizeof(samples), sample);
            append(samples, sizeof(samples), "\n");
        }
    }
    free(text);
}

static void test_no_room(void **state)
{
    struct fixture *f = *state;
    size_t whole = strlen(print(f));
    for (size_t limit = 0; limit < whole; limit += 97) {
        struct buf small;
        buf_init(&small, limit);
        assert_int_equal(metrics_print(f->all, 3, &small), -EMSGSIZE);
        buf_fini(&small);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_counters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals_and_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_histogram_buckets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_histogram_sum, setup, teardown),
        cmocka_unit_test_setup_teardown(test_counting_histogram, setup, teardown),
        cmocka_unit_test_setup_teardown(test_format, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_room, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
