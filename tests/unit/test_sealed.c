/* Tests of broker/base/sealed.c: what comes back is what was given away, or nothing is. */
#include "sealed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const uint8_t KEY[SEALED_KEY] = {1, 2, 3}, OTHER[SEALED_KEY] = {1, 2, 4};

static void test_there_and_back(void **state)
{
    (void) state;
    static const char *const PAYLOADS[] = {"",        "a", "ab", "abc", "with spaces and . dots",
                                           "\x01\xff"};
    for (size_t i = 0; i < ARRAY_LEN(PAYLOADS); i++) {
        char text[256], back[64];
        sealed_print(KEY, "p1.", PAYLOADS[i], text);
        assert_int_equal(strlen(text) + 1, SEALED_SIZE(3, strlen(PAYLOADS[i])));
        assert_int_equal(sealed_read(KEY, "p1.", slice_str(text), back, sizeof(back)), 0);
        assert_string_equal(back, PAYLOADS[i]);
        assert_int_equal(sealed_read(OTHER, "p1.", slice_str(text), back, sizeof(back)), -EACCES);
        assert_int_equal(sealed_read(KEY, "p2.", slice_str(text), back, sizeof(back)), -EACCES);
        assert_int_equal(sealed_read(KEY, "p1.", slice_str(text), back, strlen(PAYLOADS[i])),
                         -EACCES);
        for (size_t k = 0; k < strlen(text); k++) {
            assert_int_equal(sealed_read(KEY, "p1.", slice_of(text, k), back, sizeof(back)),
                             -EACCES);
            text[k] ^= 1;
            assert_int_equal(sealed_read(KEY, "p1.", slice_str(text), back, sizeof(back)), -EACCES);
            text[k] ^= 1;
        }
    }
}

static void test_malformed(void **state)
{
    (void) state;
    static const char *const CASES[] = {"",     "p1.",  "p1..",      "p1.AAAA", "p1.AAAA.",
                                        "p1.A", "AAAA", "p1.AA.A.A", ".p1."};
    char back[64], large[4096];
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        assert_int_equal(sealed_read(KEY, "p1.", slice_str(CASES[i]), back, sizeof(back)), -EACCES);
    memset(large, 'A', sizeof(large));
    memcpy(large, "p1.", 3);
    large[2000] = '.';
    assert_int_equal(sealed_read(KEY, "p1.", slice_of(large, sizeof(large)), back, sizeof(back)),
                     -EACCES);
    assert_int_equal(sealed_read(KEY, "p1.", slice_of(large, 2001 + 43), back, sizeof(back)),
                     -EACCES);
}

/* RFC 2104 section 2, by hand. */
static void test_mac(void **state)
{
    (void) state;
    uint8_t inner[64 + 5], outer[64 + SHA256_SIZE], want[SHA256_SIZE], got[SHA256_SIZE];
    for (size_t i = 0; i < 64; i++) {
        uint8_t k = i < SEALED_KEY ? KEY[i] : 0;
        inner[i] = k ^ 0x36;
        outer[i] = k ^ 0x5c;
    }
    memcpy(inner + 64, "hello", 5);
    sha256(slice_of(inner, sizeof(inner)), (struct slice){0}, outer + 64);
    sha256(slice_of(outer, sizeof(outer)), (struct slice){0}, want);
    sealed_mac(KEY, SLICE_LIT("hello"), got);
    assert_memory_equal(got, want, sizeof(want));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_there_and_back),
                                       cmocka_unit_test(test_malformed),
                                       cmocka_unit_test(test_mac)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
