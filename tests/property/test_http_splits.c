/* However the bytes of a request are cut, the parser says the same: events, bodies, refusal, and
 * how many bytes it took. */
#include "cases_http.h"
#include "cuts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define RANDOM_CUTS    30
#define RANDOM_STREAMS 3000

static struct cuts cuts;

static void check_same(const char *name, struct slice input, const struct http_record *whole)
{
    struct http_record cut = record_http(input, cuts.at, cuts.n);
    if (strcmp(record_text(&cut), record_text(whole)) != 0 || cut.used != whole->used)
        fail_msg("%s, %zu cuts from %zu: '%s' after %zu bytes, whole '%s' after %zu", name, cuts.n,
                 cuts.n > 0 ? cuts.at[0] : 0, record_text(&cut), cut.used, record_text(whole),
                 whole->used);
    record_fini(&cut);
}

static void check_all(const char *name, struct slice input, uint64_t *seed)
{
    struct http_record whole = record_http(input, NULL, 0);
    for (size_t i = 0; i <= input.len; i++) {
        cuts = (struct cuts){.n = 1, .at = {i}};
        check_same(name, input, &whole);
    }
    cuts_each_byte(&cuts, input.len);
    check_same(name, input, &whole);
    for (unsigned i = 0; i < RANDOM_CUTS; i++) {
        cuts_at_random(&cuts, input.len, 1 + cuts_random(seed) % 20, seed);
        check_same(name, input, &whole);
    }
    record_fini(&whole);
}

static void test_cases(void **state)
{
    (void) state;
    uint64_t seed = 1;
    for (size_t i = 0; i < ARRAY_LEN(HTTP_CASES); i++)
        check_all(HTTP_CASES[i].name, HTTP_CASES[i].input, &seed);
}

/* Several cases after each other on one connection. */
static void test_streams(void **state)
{
    (void) state;
    uint64_t seed = 2;
    struct buf input;
    buf_init(&input, 1 << 16);
    for (unsigned n = 0; n < RANDOM_STREAMS; n++) {
        buf_clear(&input);
        for (unsigned i = 0; i < 4; i++) {
            size_t at = cuts_random(&seed) % ARRAY_LEN(HTTP_CASES);
            assert_int_equal(buf_append(&input, HTTP_CASES[at].input), 0);
        }
        struct http_record whole = record_http(buf_slice(&input), NULL, 0);
        for (unsigned i = 0; i < 4; i++) {
            cuts_at_random(&cuts, input.len, 1 + cuts_random(&seed) % 60, &seed);
            check_same("stream", buf_slice(&input), &whole);
        }
        record_fini(&whole);
    }
    buf_fini(&input);
}

/* Limits are hit at the same byte. */
static void test_limits(void **state)
{
    (void) state;
    static const struct {
        const char *prefix, *filler;
    } LONG[] = {
        {"GET /", "x"},
        {GET "X: ", "x"},
        {GET, "X: y\r\n"},
        {CHUNKED "1;", "x"},
    };
    uint64_t seed = 3;
    struct buf input;
    buf_init(&input, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(LONG); i++) {
        buf_clear(&input);
        assert_int_equal(buf_append_str(&input, LONG[i].prefix), 0);
        while (input.len < 20000)
            assert_int_equal(buf_append_str(&input, LONG[i].filler), 0);
        struct http_record whole = record_http(buf_slice(&input), NULL, 0);
        assert_true(whole.refused);
        for (size_t longest = 8; longest < 8192; longest *= 2) {
            cuts_at_random(&cuts, input.len, longest, &seed);
            check_same(LONG[i].prefix, buf_slice(&input), &whole);
        }
        record_fini(&whole);
    }
    buf_fini(&input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
