/* Tests of broker/base/base64url.c. */
#include "base64url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void test_both_ways(void **state)
{
    static const struct {
        struct slice bytes;
        const char *text;
    } CASES[] = {
        /* RFC 4648 section 10, without the padding */
        {SLICE_INIT(""), ""},
        {SLICE_INIT("f"), "Zg"},
        {SLICE_INIT("fo"), "Zm8"},
        {SLICE_INIT("foo"), "Zm9v"},
        {SLICE_INIT("foob"), "Zm9vYg"},
        {SLICE_INIT("fooba"), "Zm9vYmE"},
        {SLICE_INIT("foobar"), "Zm9vYmFy"},
        {SLICE_INIT("\xfb\xff\xfe"), "-__-"},
        {SLICE_INIT("\0\0"), "AAA"},
        {SLICE_INIT("\x03\xec\xff\xe0\xc1"), "A-z_4ME"}, /* RFC 7515 appendix C */
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char text[32];
        uint8_t bytes[32];
        base64url_encode(CASES[i].bytes, text);
        assert_string_equal(text, CASES[i].text);
        assert_int_equal(strlen(text), BASE64URL_SIZE(CASES[i].bytes.len));
        int n = base64url_decode(slice_str(CASES[i].text), bytes);
        assert_int_equal(n, CASES[i].bytes.len);
        assert_true(n <= (int) BASE64URL_BYTES(strlen(CASES[i].text)));
        assert_true(slice_eq(slice_of(bytes, (size_t) n), CASES[i].bytes));
    }
}

static void test_every_pair(void **state)
{
    (void) state;
    for (unsigned i = 0; i < 65536; i++) {
        const uint8_t bytes[] = {(uint8_t) (i >> 8), (uint8_t) i};
        char text[4];
        uint8_t back[3];
        base64url_encode(slice_of(bytes, 2), text);
        assert_int_equal(base64url_decode(slice_str(text), back), 2);
        assert_memory_equal(back, bytes, 2);
    }
}

static void test_refused(void **state)
{
    static const char *const CASES[] = {
        "A",    "Zm9vA", "Zg==",  "Zg=",    "Zh",  "Zm9",   "Zm+v",
        "Zm/v", "Zm9v ", " Zm9v", "Zm\n9v", "Z g", "Z\xc3", "Zm.v",
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        uint8_t bytes[32];
        if (base64url_decode(slice_str(CASES[i]), bytes) != -EINVAL)
            fail_msg("taken: %s", CASES[i]);
    }
    uint8_t bytes[32];
    assert_int_equal(base64url_decode(SLICE_LIT("Zm\0v"), bytes), -EINVAL);
    assert_int_equal(base64url_decode((struct slice){0}, bytes), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_every_pair),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
