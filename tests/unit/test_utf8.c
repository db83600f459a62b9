/* Tests of broker/base/utf8.c. */
#include "utf8.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    const char *name;
    struct slice text;
    bool valid;
} CASES[] = {
    {"empty", {NULL, 0}, true},
    {"ASCII with NUL and DEL", {(const uint8_t *) "a\0\x7f", 3}, true},
    {"lowest of two bytes", {(const uint8_t *) "\xc2\x80", 2}, true},
    {"highest of two bytes", {(const uint8_t *) "\xdf\xbf", 2}, true},
    {"lowest of three bytes", {(const uint8_t *) "\xe0\xa0\x80", 3}, true},
    {"before the surrogates", {(const uint8_t *) "\xed\x9f\xbf", 3}, true},
    {"after the surrogates", {(const uint8_t *) "\xee\x80\x80", 3}, true},
    {"U+FFFF", {(const uint8_t *) "\xef\xbf\xbf", 3}, true},
    {"lowest of four bytes", {(const uint8_t *) "\xf0\x90\x80\x80", 4}, true},
    {"U+10FFFF", {(const uint8_t *) "\xf4\x8f\xbf\xbf", 4}, true},
    {"long ASCII then Cyrillic", {(const uint8_t *) "0123456789abcdef\xd0\xb6", 18}, true},
    {"lone continuation", {(const uint8_t *) "\x80", 1}, false},
    {"overlong two bytes", {(const uint8_t *) "\xc0\x80", 2}, false},
    {"overlong two bytes, highest", {(const uint8_t *) "\xc1\xbf", 2}, false},
    {"overlong three bytes", {(const uint8_t *) "\xe0\x9f\xbf", 3}, false},
    {"overlong four bytes", {(const uint8_t *) "\xf0\x8f\xbf\xbf", 4}, false},
    {"first surrogate", {(const uint8_t *) "\xed\xa0\x80", 3}, false},
    {"last surrogate", {(const uint8_t *) "\xed\xbf\xbf", 3}, false},
    {"above U+10FFFF", {(const uint8_t *) "\xf4\x90\x80\x80", 4}, false},
    {"first byte F5", {(const uint8_t *) "\xf5\x80\x80\x80", 4}, false},
    {"first byte FF", {(const uint8_t *) "\xff", 1}, false},
    {"cut after one", {(const uint8_t *) "\xe2", 1}, false},
    {"cut after two", {(const uint8_t *) "\xe2\x82", 2}, false},
    {"ASCII in a sequence", {(const uint8_t *) "\xe2\x82z", 3}, false},
    {"bad third byte", {(const uint8_t *) "\xe2\x82\xc0", 3}, false},
    {"bad after a word of ASCII", {(const uint8_t *) "01234567\xff", 9}, false},
};

static bool valid_in_steps(struct slice text, size_t step)
{
    struct utf8 u;
    utf8_init(&u);
    for (size_t at = 0; at < text.len; at += step) {
        size_t end = at + step < text.len ? at + step : text.len;
        if (!utf8_feed(&u, slice_sub(text, at, end)))
            return false;
    }
    return utf8_complete(&u);
}

static void test_cases_in_every_cut(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        if (utf8_valid(CASES[i].text) != CASES[i].valid)
            fail_msg("%s", CASES[i].name);
        for (size_t step = 1; step <= CASES[i].text.len; step++)
            if (valid_in_steps(CASES[i].text, step) != CASES[i].valid)
                fail_msg("%s in steps of %zu", CASES[i].name, step);
    }
}

/* Every code point is valid in its one encoding; surrogates are not. */
static void test_every_code_point(void **state)
{
    (void) state;
    for (uint32_t c = 0x800; c < 0x110000; c++) {
        uint8_t b[4];
        size_t n = 0;
        if (c < 0x10000) {
            b[n++] = (uint8_t) (0xe0 | c >> 12);
        } else {
            b[n++] = (uint8_t) (0xf0 | c >> 18);
            b[n++] = (uint8_t) (0x80 | (c >> 12 & 0x3f));
        }
        b[n++] = (uint8_t) (0x80 | (c >> 6 & 0x3f));
        b[n++] = (uint8_t) (0x80 | (c & 0x3f));
        if (utf8_valid(slice_of(b, n)) != (c < 0xd800 || c > 0xdfff))
            fail_msg("U+%04X", c);
    }
}

/* Every pair of bytes, against the definition. */
static void test_every_pair(void **state)
{
    (void) state;
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++) {
            uint8_t text[2] = {(uint8_t) a, (uint8_t) b};
            bool want = (a < 0x80 && b < 0x80) || (a >= 0xc2 && a <= 0xdf && b >> 6 == 2);
            if (utf8_valid(slice_of(text, 2)) != want)
                fail_msg("%02x %02x", a, b);
        }
}

static void test_cut(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        size_t max, len;
    } CUTS[] = {
        {"", 0, 0},
        {"", 5, 0},
        {"abc", 3, 3},
        {"abc", 2, 2},
        {"abc", 0, 0},
        {"a\xe2\x82\xac", 4, 4},
        {"a\xe2\x82\xac", 3, 1},
        {"a\xe2\x82\xac", 1, 1},
        {"\xf0\x9f\x98\x80", 3, 0},
        {"\x80\x80", 1, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(CUTS); i++)
        assert_int_equal(utf8_cut(slice_str(CUTS[i].text), CUTS[i].max).len, CUTS[i].len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases_in_every_cut),
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_every_pair),
        cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
