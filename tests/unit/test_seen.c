/* Sender ids: the window, the limits, taking back, and at random against a model that is a list. */
#include "err.h"
#include "heap.h"
#include "mem.h"
#include "seen.h"

#include "cuts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct seen_key key_of(uint64_t number)
{
    char id[24];
    (void) snprintf(id, sizeof(id), "%llu", (unsigned long long) number);
    return seen_key("crt1", id);
}

static bool add(struct seen *s, uint64_t number, uint64_t now_ms)
{
    struct seen_key key = key_of(number);
    return seen_add(s, &key, now_ms);
}

static void take_back(struct seen *s, uint64_t number)
{
    struct seen_key key = key_of(number);
    seen_remove(s, &key);
}

static void test_key(void **state)
{
    (void) state;
    /* SHA-256 of "a", NUL, "b": it is on disk, so it must stay what it is */
    static const uint8_t A_B[SEEN_KEY_SIZE] = {0x59, 0xb2, 0x71, 0xae, 0x1b, 0xbc, 0xb1, 0xd3,
                                               0x1d, 0x41, 0x92, 0x98, 0x17, 0xf4, 0xb1, 0x6f};
    struct seen_key key = seen_key("a", "b"), other = seen_key("", "ab");
    assert_memory_equal(key.bytes, A_B, sizeof(A_B));
    assert_memory_not_equal(key.bytes, other.bytes, sizeof(key.bytes));
    other = seen_key("ab", "");
    assert_memory_not_equal(key.bytes, other.bytes, sizeof(key.bytes));
}

static void test_window(void **state)
{
    (void) state;
    struct seen *s = seen_new(1000, 100);
    assert_true(add(s, 1, 1000));
    assert_false(add(s, 1, 1000));
    assert_true(add(s, 2, 1050));
    assert_false(add(s, 1, 1099)); /* and is not remembered longer for it */
    assert_int_equal(seen_count(s), 2);
    assert_true(add(s, 1, 1100));
    assert_false(add(s, 2, 1149));
    assert_int_equal(seen_count(s), 2);
    assert_true(add(s, 3, 1150));
    assert_int_equal(seen_count(s), 2);
    assert_true(add(s, 4, 10000));
    assert_int_equal(seen_count(s), 1);
    assert_int_equal(seen_forgotten(s), 0);
    seen_free(s);
    seen_free(NULL);
}

/* A great many run out at once: nobody waits until all of them are let go. */
static void test_many_expire(void **state)
{
    (void) state;
    enum { N = 10000 };
    struct seen *s = seen_new(N, 100);
    for (uint64_t i = 0; i < N; i++)
        assert_true(add(s, i, 0));
    assert_int_equal(seen_count(s), N);
    assert_true(add(s, N - 1, 100)); /* new, wherever it stands in the queue */
    assert_false(add(s, N - 1, 100));
    assert_true(seen_count(s) > N - 100);
    for (uint64_t i = 0; i < N; i++)
        assert_true(add(s, N + i, 100));
    assert_int_equal(seen_count(s), N);
    assert_int_equal(seen_forgotten(s), 1); /* of those of now there was one too many */
    seen_free(s);
}

static void test_limit(void **state)
{
    (void) state;
    static const uint64_t LIMITS[] = {1, 2, 3, 63, 64, 65, 100, 1000, 1024};
    for (size_t i = 0; i < ARRAY_LEN(LIMITS); i++) {
        uint64_t limit = LIMITS[i];
        struct seen *s = seen_new(limit, 1000);
        for (uint64_t k = 0; k < 3 * limit; k++) {
            assert_true(add(s, k, k / limit));
            assert_false(add(s, k, k / limit));
            assert_int_equal(seen_count(s), k < limit ? k + 1 : limit);
        }
        assert_int_equal(seen_forgotten(s), 2 * limit);
        for (uint64_t k = 2 * limit; k < 3 * limit; k++)
            assert_false(add(s, k, 3));
        assert_true(add(s, 2 * limit - 1, 3)); /* forgotten */
        assert_true(add(s, 2 * limit, 3));     /* for that one */
        seen_free(s);
    }
}

static void test_remove(void **state)
{
    (void) state;
    struct seen *s = seen_new(8, 1000);
    take_back(s, 1); /* was never there */
    for (uint64_t i = 0; i < 8; i++)
        assert_true(add(s, i, 0));
    for (uint64_t i = 4; i < 8; i++)
        take_back(s, i);
    take_back(s, 7);
    assert_int_equal(seen_count(s), 4);
    for (uint64_t i = 4; i < 8; i++) /* in the places that became free */
        assert_true(add(s, i, 0));
    assert_int_equal(seen_forgotten(s), 0);
    for (uint64_t i = 0; i < 8; i++)
        assert_false(add(s, i, 0));
    for (uint64_t i = 0; i < 8; i++)
        take_back(s, i);
    assert_int_equal(seen_count(s), 0);
    assert_true(add(s, 3, 0));
    seen_free(s);
}

/* Gaps in the middle do not keep the ring from being used: not for good. */
static void test_gaps(void **state)
{
    (void) state;
    struct seen *s = seen_new(100, 1000);
    for (uint64_t i = 0; i < 100; i++)
        assert_true(add(s, i, 0));
    for (uint64_t i = 10; i < 90; i++)
        take_back(s, i);
    assert_int_equal(seen_count(s), 20);
    for (uint64_t i = 0; i < 80; i++)
        assert_true(add(s, 1000 + i, 0));
    assert_int_equal(seen_count(s), 100);
    assert_int_equal(seen_forgotten(s), 0);
    seen_free(s);
}

/* Where it cannot grow the oldest go. */
static void test_no_memory(void **state)
{
    (void) state;
    for (unsigned fail = 1; fail <= 2; fail++) { /* the ring, the table */
        struct seen *s = seen_new(1000, 1000);
        uint64_t n = 0;
        while (seen_forgotten(s) == 0) {
            assert_true(n < 1000);
            mem_fail_at(fail);
            assert_true(add(s, n++, 0));
        }
        mem_fail_at(0);
        assert_int_equal(seen_count(s), n - 1);
        assert_false(add(s, 1, 0));
        assert_true(add(s, 0, 0)); /* with memory it grows again */
        assert_int_equal(seen_count(s), n);
        assert_false(add(s, 1, 0));
        assert_int_equal(seen_forgotten(s), 1);
        seen_free(s);
    }
}

static void test_memory_per_id(void **state)
{
    (void) state;
    enum { N = 100000, BYTES = 48 };
    size_t before = heap_bytes();
    struct seen *s = seen_new(N, 1000);
    assert_true(heap_bytes() - before < 8192); /* small at first */
    for (uint64_t i = 0; i < N + 1000; i++) {
        struct seen_key key = {.bytes = {0}};
        memcpy(key.bytes, &i, sizeof(i));
        assert_true(seen_add(s, &key, 0));
    }
    assert_int_equal(seen_count(s), N);
    assert_true(heap_bytes() - before <= (size_t) N * BYTES);
    seen_free(s);
}

/* --- at random --- */

enum { NUMBERS = 3000, WINDOW = 500 };

struct model {
    struct {
        uint64_t number, at_ms;
    } ids[NUMBERS]; /* oldest first */
    size_t n, max;
    uint64_t forgotten;
};

static void model_drop(struct model *m, size_t at)
{
    memmove(&m->ids[at], &m->ids[at + 1], (m->n - at - 1) * sizeof(m->ids[0]));
    m->n--;
}

static bool model_add(struct model *m, uint64_t number, uint64_t now_ms)
{
    while (m->n > 0 && now_ms - m->ids[0].at_ms >= WINDOW)
        model_drop(m, 0);
    for (size_t i = 0; i < m->n; i++)
        if (m->ids[i].number == number)
            return false;
    if (m->n == m->max) {
        model_drop(m, 0);
        m->forgotten++;
    }
    m->ids[m->n].number = number;
    m->ids[m->n++].at_ms = now_ms;
    return true;
}

/* Takes back some of the newest, newest first, or (`anywhere`) any. */
static void remove_some(struct seen *s, struct model *m, bool anywhere, uint64_t *seed)
{
    for (uint64_t k = cuts_random(seed) % 20; k > 0 && m->n > 0; k--) {
        size_t at = anywhere ? cuts_random(seed) % m->n : m->n - 1;
        take_back(s, m->ids[at].number);
        model_drop(m, at);
    }
}

static void copy_one(void *ctx, const struct seen_key *key, uint64_t at_ms)
{
    assert_true(seen_add(ctx, key, at_ms));
}

/* What was given out makes another one that answers the same. */
static void check_copy(struct seen *s, size_t max, uint64_t now_ms)
{
    struct seen *copy = seen_new(max, WINDOW), *but_one = seen_new(max, WINDOW);
    seen_each(s, 0, copy_one, copy);
    size_t n = seen_count(copy);
    seen_each(s, 1, copy_one, but_one);
    assert_true(seen_count(but_one) < n);
    assert_true(n > 0 && n <= seen_count(s)); /* some have expired */
    for (uint64_t number = 0; number < NUMBERS; number++)
        assert_int_equal(add(copy, number, now_ms), add(s, number, now_ms));
    seen_free(copy);
    seen_free(but_one);
}

static void run(size_t max, bool anywhere, uint64_t seed)
{
    struct model *m = xcalloc(1, sizeof(*m));
    m->max = max;
    struct seen *s = seen_new(max, WINDOW);
    uint64_t now_ms = 0;
    for (int i = 0; i < 20000; i++) {
        uint64_t number = cuts_random(&seed) % NUMBERS;
        if (cuts_random(&seed) % 4 == 0)
            now_ms += cuts_random(&seed) % 5;
        if (cuts_random(&seed) % 2000 == 0)
            now_ms += WINDOW / 2;
        assert_int_equal(add(s, number, now_ms), model_add(m, number, now_ms));
        assert_true(seen_count(s) >= m->n && seen_count(s) <= max);
        assert_int_equal(seen_forgotten(s), m->forgotten);
        if (cuts_random(&seed) % 50 == 0)
            remove_some(s, m, anywhere, &seed);
    }
    check_copy(s, max, now_ms);
    seen_free(s);
    free(m);
}

static void test_against_model(void **state)
{
    (void) state;
    static const struct {
        const char *name;
        size_t max;
        bool anywhere; /* not where the limit is reached: with gaps it forgets earlier */
    } CASES[] = {
        {"no limit reached", NUMBERS, false},
        {"taken back anywhere", NUMBERS, true},
        {"few", 200, false},
        {"very few", 5, false},
        {"one", 1, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        for (uint64_t seed = 1; seed <= 3; seed++)
            run(CASES[i].max, CASES[i].anywhere, seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key),           cmocka_unit_test(test_window),
        cmocka_unit_test(test_many_expire),   cmocka_unit_test(test_limit),
        cmocka_unit_test(test_remove),        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_no_memory),     cmocka_unit_test(test_memory_per_id),
        cmocka_unit_test(test_against_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
