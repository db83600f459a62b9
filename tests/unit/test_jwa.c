/* Tests of broker/base/jwa.c: names, and what each algorithm asks of a key. */
#include "jwa.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_names(void **state)
{
    static const char *const NONE[] = {"",       "none",  "None",  "rs256",
                                       "RS256 ", "HS384", "EdDSA", "ES256K"};
    enum jwa a = JWA_N;
    (void) state;
    for (size_t i = 0; i < JWA_N; i++) {
        assert_true(jwa_find(JWA[i].name, &a));
        assert_int_equal(a, i);
    }
    for (size_t i = 0; i < sizeof(NONE) / sizeof(NONE[0]); i++)
        assert_false(jwa_find(NONE[i], &a));
}

/* The digits of a name are its hash's; its first letter tells the kind of key. */
static void test_kinds(void **state)
{
    (void) state;
    for (size_t i = 0; i < JWA_N; i++) {
        const struct jwa_info *info = &JWA[i];
        assert_int_equal(atoi(info->name + 2), info->hash_bits);
        bool rsa = info->name[0] == 'R' || info->name[0] == 'P', ec = info->name[0] == 'E';
        assert_int_equal(rsa, info->key == JWA_RSA);
        assert_int_equal(ec,
                         info->key == JWA_P256 || info->key == JWA_P384 || info->key == JWA_P521);
    }
    assert_int_equal(JWA[JWA_ES256].key, JWA_P256);
    assert_int_equal(JWA[JWA_ES384].key, JWA_P384);
    assert_int_equal(JWA[JWA_ES512].key, JWA_P521);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_kinds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
