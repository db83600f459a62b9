/* Globs against the slow reference: random patterns of few characters, so that they mean something
 * to random texts, and the patterns that take other matchers for ever. A run is decided by its
 * seed, which is printed when it fails. */
#include "property/glob_reference.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROUNDS 400000

static uint64_t next(uint64_t *rng)
{
    *rng = *rng * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *rng >> 33;
}

static struct slice random_text(uint64_t *rng, const char *alphabet, size_t max, char *ret)
{
    size_t len = next(rng) % (max + 1), n = strlen(alphabet);
    for (size_t i = 0; i < len; i++)
        ret[i] = alphabet[next(rng) % n];
    return slice_of(ret, len);
}

static bool has_empty_part(struct slice text)
{
    bool empty = true, found = false;
    for (size_t i = 0; i < text.len; i++) {
        found = found || (text.data[i] == '/' && empty);
        empty = text.data[i] == '/';
    }
    return found || empty;
}

static void test_random(void **state)
{
    (void) state;
    uint64_t rng = 20260101;
    size_t fits = 0, checked = 0;
    for (size_t i = 0; i < ROUNDS; i++) {
        char p[16], t[16];
        uint64_t seed = rng;
        enum glob_kind kind = next(&rng) % 2 == 0 ? GLOB_TEXT : GLOB_PATH;
        const char *alphabet = next(&rng) % 4 == 0 ? "ab/*?[]!-\\\xc3\xa9" : "aab/**?";
        struct slice pattern = random_text(&rng, alphabet, 12, p);
        struct slice text = random_text(&rng, "aab/\xc3\xa9", 12, t);
        if (glob_check(pattern, kind) != NULL || (kind == GLOB_PATH && has_empty_part(text)))
            continue;
        bool want = reference_match(pattern, kind, text);
        if (glob_match(pattern, kind, text) != want)
            fail_msg("seed %llu: '%.*s' and '%.*s' as %s: want %d", (unsigned long long) seed,
                     (int) pattern.len, p, (int) text.len, t, kind == GLOB_PATH ? "path" : "text",
                     want);
        checked++;
        fits += want;
    }
    assert_true(checked > ROUNDS / 8); /* it was worth it */
    assert_true(fits > checked / 50 && fits < checked);
}

/* Each would take longer than there are atoms, were every way tried; ten thousand times here. */
static void test_long(void **state)
{
    (void) state;
    static const struct {
        enum glob_kind kind;
        const char *repeated, *last; /* the pattern */
        const char *text;            /* repeated */
    } CASES[] = {
        {GLOB_TEXT, "*a", "b", "a"},       {GLOB_TEXT, "a*", "b", "aa"},
        {GLOB_TEXT, "*?", "b", "a"},       {GLOB_TEXT, "*[ab]", "c", "ab"},
        {GLOB_PATH, "**/a/", "b", "a/"},   {GLOB_PATH, "**/*a/", "b", "aaa/"},
        {GLOB_PATH, "**/*a*/", "b", "a/"}, {GLOB_PATH, "*a*a/**/", "b", "aaaa/"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char p[256] = "", t[512] = "";
        while (strlen(p) + strlen(CASES[i].repeated) + 1 < sizeof(p) - 1)
            memcpy(p + strlen(p), CASES[i].repeated, strlen(CASES[i].repeated) + 1);
        memcpy(p + strlen(p), CASES[i].last, 2);
        while (strlen(t) + strlen(CASES[i].text) + 1 < sizeof(t) - 1)
            memcpy(t + strlen(t), CASES[i].text, strlen(CASES[i].text) + 1);
        memcpy(t + strlen(t), "x", 2);
        print_message("  %s\n", CASES[i].repeated);
        assert_null(glob_check(slice_str(p), CASES[i].kind));
        for (size_t n = 0; n < 10000; n++)
            assert_false(glob_match(slice_str(p), CASES[i].kind, slice_str(t)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
