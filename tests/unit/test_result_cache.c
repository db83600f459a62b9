/* Tests of gateway/backend/result_cache.c: what is kept, until when, and who makes room. */
#include "result_cache.h"

#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* Keys with the same first two bytes have the same places. */
static const uint8_t *key(uint8_t a, uint8_t b, uint8_t rest)
{
    static uint8_t ret[SHA256_SIZE];
    memset(ret, rest, sizeof(ret));
    ret[0] = a;
    ret[1] = b;
    return ret;
}

static void put(struct result_cache *c, const uint8_t *k, unsigned status, uint64_t until)
{
    struct result r = {.status = status, .expires_s = until + 1, .subject = "alice"};
    result_cache_put(c, k, &r, until);
}

/* The status that is kept; 1: none. */
static unsigned get(struct result_cache *c, const uint8_t *k, uint64_t now)
{
    struct result r = {.status = 9};
    if (!result_cache_get(c, k, now, &r)) {
        assert_int_equal(r.status, 9); /* untouched */
        return 1;
    }
    assert_string_equal(r.subject, "alice");
    return r.status;
}

static void test_kept(void **state)
{
    (void) state;
    struct result_cache *c = result_cache_new();
    struct result r;
    assert_int_equal(get(c, key(1, 2, 3), 0), 1);
    put(c, key(1, 2, 3), 403, 100);
    assert_int_equal(get(c, key(1, 2, 3), 0), 403);
    assert_int_equal(get(c, key(1, 2, 3), 99), 403);
    assert_int_equal(get(c, key(1, 2, 3), 100), 1); /* until, not through */
    assert_int_equal(get(c, key(1, 2, 4), 0), 1);
    assert_int_equal(get(c, key(2, 2, 3), 0), 1);
    assert_true(result_cache_get(c, key(1, 2, 3), 50, &r));
    assert_int_equal(r.expires_s, 101);
    put(c, key(1, 2, 3), 0, 200); /* in its place */
    assert_int_equal(get(c, key(1, 2, 3), 150), 0);
    result_cache_free(c);
    result_cache_free(NULL);
}

/* An empty place has a key of zeros, which is nobody's. */
static void test_zeros(void **state)
{
    (void) state;
    struct result_cache *c = result_cache_new();
    assert_int_equal(get(c, key(0, 0, 0), 0), 1);
    put(c, key(0, 0, 0), 0, 100);
    assert_int_equal(get(c, key(0, 0, 0), 99), 0);
    result_cache_free(c);
}

static void test_room(void **state)
{
    (void) state;
    struct result_cache *c = result_cache_new();
    put(c, key(9, 9, 1), 0, 1000);
    for (uint8_t i = 1; i <= 4; i++)
        put(c, key(1, 1, i), 0, (uint64_t) (i == 3 ? 10 : i * 100));
    put(c, key(1, 1, 5), 403, 500);
    assert_int_equal(get(c, key(1, 1, 3), 5), 1); /* it would have ended first */
    assert_int_equal(get(c, key(1, 1, 1), 5), 0);
    assert_int_equal(get(c, key(1, 1, 2), 5), 0);
    assert_int_equal(get(c, key(1, 1, 4), 5), 0);
    assert_int_equal(get(c, key(1, 1, 5), 5), 403);
    assert_int_equal(get(c, key(9, 9, 1), 5), 0); /* others are not concerned */
    put(c, key(1, 1, 2), 403, 50);                /* one that is there needs no room */
    put(c, key(1, 1, 1), 403, 600);               /* nor does it take another's place */
    for (uint8_t i = 1; i <= 5; i++)
        assert_int_equal(get(c, key(1, 1, i), 5), i == 1             ? 403
                                                  : i == 3           ? 1
                                                  : i == 2 || i == 5 ? 403
                                                                     : 0);
    result_cache_free(c);
}

/* However many come, as many are kept as there are places, and each as it was put. */
static void test_many(void **state)
{
    (void) state;
    struct result_cache *c = result_cache_new();
    size_t kept = 0;
    for (unsigned i = 0; i < 4 * RESULT_CACHE_MAX; i++) {
        uint8_t k[SHA256_SIZE];
        sha256(slice_of(&i, sizeof(i)), (struct slice){0}, k);
        put(c, k, i, 1000 + i);
    }
    for (unsigned i = 0; i < 4 * RESULT_CACHE_MAX; i++) {
        uint8_t k[SHA256_SIZE];
        sha256(slice_of(&i, sizeof(i)), (struct slice){0}, k);
        unsigned status = get(c, k, 0);
        if (status == 1 && i != 1)
            continue;
        assert_int_equal(status, i);
        kept++;
    }
    assert_true(kept > RESULT_CACHE_MAX / 2);
    assert_true(kept <= RESULT_CACHE_MAX + 1);
    result_cache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_zeros),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
