/* Versions: precedence is a total order of all that can be read, and what a range has is one piece
 * of it where the range is. A run is decided by its seed. */
#include "semver_range.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define VERSIONS 200
#define SIZE     64

static uint64_t rng = 20260102;

static unsigned next(unsigned below)
{
    rng = rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned) (rng >> 33) % below;
}

static char texts[VERSIONS][SIZE];
static struct semver versions[VERSIONS];

static int setup(void **state)
{
    static const char *const WORDS[] = {
        "0", "1", "2", "10", "99999999999999999999", "a", "b", "rc", "A", "-", "0a", "-1"};
    (void) state;
    for (size_t i = 0; i < VERSIONS; i++) {
        int n = snprintf(texts[i], SIZE, "%u.%u.%u", next(3), next(3), next(2));
        for (unsigned k = next(4); k > 0; k--)
            n += snprintf(texts[i] + n, SIZE - (size_t) n, "%c%s",
                          strchr(texts[i], '-') == NULL ? '-' : '.', WORDS[next(12)]);
        if (!semver_read(slice_of(texts[i], (size_t) n), &versions[i]))
            return -1;
    }
    return 0;
}

static int sign(int r)
{
    return (r > 0) - (r < 0);
}

static void test_total_order(void **state)
{
    (void) state;
    for (size_t a = 0; a < VERSIONS; a++) {
        assert_int_equal(semver_compare(&versions[a], &versions[a]), 0);
        for (size_t b = 0; b < VERSIONS; b++) {
            int ab = sign(semver_compare(&versions[a], &versions[b]));
            assert_int_equal(ab, -sign(semver_compare(&versions[b], &versions[a])));
            if (ab == 0)
                assert_string_equal(texts[a], texts[b]); /* there is no build metadata */
            for (size_t c = 0; c < VERSIONS; c++)
                if (ab <= 0 && semver_compare(&versions[b], &versions[c]) <= 0)
                    assert_true(semver_compare(&versions[a], &versions[c]) <= 0);
        }
    }
}

static bool has(const char *form, const char *version, const struct semver *v)
{
    char text[2 * SIZE];
    const char *why;
    (void) snprintf(text, sizeof(text), "%s%s", form, version);
    struct semver_range *range = semver_range_new(slice_str(text), &why);
    assert_non_null(range);
    bool found = semver_range_has(range, v);
    semver_range_free(range);
    return found;
}

/* Of releases each comparator says what the order says; of pre-releases no more than that. */
static void test_comparators(void **state)
{
    (void) state;
    for (size_t a = 0; a < VERSIONS; a++)
        for (size_t b = 0; b < VERSIONS; b++) {
            const struct semver *v = &versions[b];
            int r = semver_compare(v, &versions[a]);
            bool plain = v->prerelease.len == 0;
            const struct {
                const char *form;
                bool in;
            } FORMS[] = {{"<", r < 0}, {"<=", r <= 0}, {"=", r == 0}, {">=", r >= 0}, {">", r > 0}};
            for (size_t i = 0; i < ARRAY_LEN(FORMS); i++) {
                bool found = has(FORMS[i].form, texts[a], v);
                assert_true(plain ? found == FORMS[i].in : !found || FORMS[i].in);
            }
            bool caret = has("^", texts[a], v), tilde = has("~", texts[a], v);
            assert_true(r >= 0 || (!caret && !tilde));
            bool minor =
                v->number[0] == versions[a].number[0] && v->number[1] == versions[a].number[1];
            if (plain)
                assert_int_equal(tilde, r >= 0 && minor);
            assert_true(!caret || v->number[0] == versions[a].number[0]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_total_order),
        cmocka_unit_test(test_comparators),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
