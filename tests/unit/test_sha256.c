/* SHA-256 against mbedtls: every length over the first blocks, cut everywhere. */
#include "sha256.h"

#include "mem.h"

#include <mbedtls/md.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_vectors(void **state)
{
    (void) state;
    static const uint8_t OF_ABC[SHA256_SIZE] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                                0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                                0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                                0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    static const uint8_t OF_NOTHING[SHA256_SIZE] = {0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14,
                                                    0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
                                                    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c,
                                                    0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55};
    uint8_t sum[SHA256_SIZE];
    sha256(SLICE_LIT("a"), SLICE_LIT("bc"), sum);
    assert_memory_equal(sum, OF_ABC, SHA256_SIZE);
    sha256(slice_str(NULL), slice_str(NULL), sum);
    assert_memory_equal(sum, OF_NOTHING, SHA256_SIZE);
}

static void test_every_length_and_cut(void **state)
{
    (void) state;
    const mbedtls_md_info_t *info = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
    for (size_t len = 0; len < 330; len++) {
        uint8_t *text = xmalloc(len), want[SHA256_SIZE], sum[SHA256_SIZE];
        for (size_t i = 0; i < len; i++)
            text[i] = (uint8_t) (i * 37 + len);
        assert_int_equal(mbedtls_md(info, text, len, want), 0);
        for (size_t cut = 0; cut <= len; cut++) {
            sha256(slice_of(text, cut), slice_of(text + cut, len - cut), sum);
            assert_memory_equal(sum, want, SHA256_SIZE);
        }
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_every_length_and_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
