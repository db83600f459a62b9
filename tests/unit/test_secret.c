/* Tests of broker/base/secret.c. */
#include "secret.h"

#include "config_value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_hash(void **state)
{
    (void) state;
    uint8_t hash[SECRET_HASH_BYTES], read[SECRET_HASH_BYTES];
    secret_hash(SLICE_LIT("abc"), hash); /* FIPS 180-4's example */
    secret_hash_read("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", read);
    assert_memory_equal(hash, read, sizeof(hash));
}

static void test_make(void **state)
{
    (void) state;
    static const struct {
        enum secret_kind kind;
        const char *prefix;
        size_t len;
    } CASES[] = {{SECRET_TOKEN, "t1.", 46}, {SECRET_API_KEY, "AQVN", 40}};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char secret[SECRET_SIZE], other[SECRET_SIZE], hex[SECRET_HASH_SIZE], ignored[65];
        uint8_t hash[SECRET_HASH_BYTES], read[SECRET_HASH_BYTES];
        assert_int_equal(secret_make(CASES[i].kind, secret, hex), 0);
        assert_int_equal(secret_make(CASES[i].kind, other, ignored), 0);
        assert_string_not_equal(secret, other);
        assert_int_equal(strlen(secret), CASES[i].len);
        assert_int_equal(strncmp(secret, CASES[i].prefix, strlen(CASES[i].prefix)), 0);
        assert_true(value_is_id(secret)); /* nothing that YAML, a shell or a header would change */
        assert_true(value_is_sha256(hex));
        secret_hash(slice_str(secret), hash);
        secret_hash_read(hex, read);
        assert_memory_equal(hash, read, sizeof(hash));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_make),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
