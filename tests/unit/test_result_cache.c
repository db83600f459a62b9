/* Tests of gateway/backend/result_cache.c. */
#include "result_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void key_of(unsigned n, uint8_t ret[SHA256_SIZE])
{
    char text[16];
    (void) snprintf(text, sizeof(text), "%u", n);
    sha256(slice_str(text), SLICE_LIT(""), ret);
}

static void test_kept_until(void **state)
{
    (void) state;
    struct result_cache *c = result_cache_new();
    const struct result yes = {.expires_s = 7, .subject = "ann"}, no = {.status = 403};
    struct result got;
    uint8_t a[SHA256_SIZE], b[SHA256_SIZE];
    key_of(1, a);
    key_of(2, b);
    assert_false(result_cache_get(c, a, 0, &got));
    result_cache_put(c, a, &yes, 100);
    assert_true(result_cache_get(c, a, 99, &got));
    assert_int_equal(got.status, 0);
    assert_int_equal(got.expires_s, 7);
    assert_string_equal(got.subject, "ann");
    assert_false(result_cache_get(c, b, 99, &got));
    assert_false(result_cache_get(c, a, 100, &got));
    result_cache_put(c, a, &no, 300); /* in its place */
    assert_true(result_cache_get(c, a, 299, &got));
    assert_int_equal(got.status, 403);
    result_cache_free(c);
    result_cache_free(NULL);
}

/* However many come, those that end last are found, and nothing is ever somebody else's. */
static void test_bounded(void **state)
{
    (void) state;
    struct result_cache *c = result_cache_new();
    struct result got;
    uint8_t key[SHA256_SIZE];
    unsigned kept = 0, n = 10 * RESULT_CACHE_MAX;
    for (unsigned i = 0; i < n; i++) {
        struct result r = {.expires_s = i};
        key_of(i, key);
        result_cache_put(c, key, &r, 1000 + i);
        assert_true(result_cache_get(c, key, 0, &got));
    }
    for (unsigned i = 0; i < n; i++) {
        key_of(i, key);
        if (!result_cache_get(c, key, 0, &got))
            continue;
        assert_int_equal(got.expires_s, i);
        kept++;
    }
    assert_true(kept > RESULT_CACHE_MAX / 2 && kept <= RESULT_CACHE_MAX);
    result_cache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept_until),
        cmocka_unit_test(test_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
