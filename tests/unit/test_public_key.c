/* Tests of broker/base/public_key.c: which keys are taken, and signatures by them. */
#include "public_key.h"

#include "signer.h"

static struct signer rsa, other, weak, ec;

static int setup(void **state)
{
    (void) state;
    signer_init_rsa(&rsa, 2048);
    signer_init_rsa(&other, 2048);
    signer_init_rsa(&weak, 1024);
    signer_init_ec(&ec);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    signer_fini(&rsa);
    signer_fini(&other);
    signer_fini(&weak);
    signer_fini(&ec);
    return 0;
}

static void test_keys(void **state)
{
    char text[8192], cut[sizeof(rsa.pem)];
    (void) state;
    assert_int_equal(public_key_check_rsa(rsa.pem), 0);
    (void) snprintf(text, sizeof(text), "a line in front\n%s\nand one behind\n", rsa.pem);
    assert_int_equal(public_key_check_rsa(text), 0);
    assert_int_equal(public_key_check_rsa(weak.pem), -ERANGE);
    assert_int_equal(public_key_check_rsa(ec.pem), -ENOTSUP);
    assert_int_equal(public_key_check_rsa(""), -EINVAL);
    assert_int_equal(public_key_check_rsa("0"), -EINVAL);
    assert_int_equal(public_key_check_rsa("-----BEGIN PUBLIC KEY-----\n"), -EINVAL);
    /* The private half has no business here. */
    assert_int_equal(mbedtls_pk_write_key_pem(&rsa.pk, (unsigned char *) text, sizeof(text)), 0);
    assert_int_equal(public_key_check_rsa(text), -EINVAL);
    for (size_t len = 0; len < strlen(rsa.pem) - 1; len++) {
        (void) snprintf(cut, sizeof(cut), "%.*s", (int) len, rsa.pem);
        assert_int_equal(public_key_check_rsa(cut), -EINVAL);
    }
}

static void test_signatures(void **state)
{
    uint8_t signature[512];
    struct slice text = SLICE_LIT("what is signed");
    (void) state;
    size_t len = signer_sign(&rsa, text, SHA256_SIZE, signature);
    struct slice good = slice_of(signature, len);
    assert_int_equal(public_key_verify_pss(rsa.pem, text, good), 0);
    assert_int_equal(public_key_verify_pss(other.pem, text, good), -EACCES);
    assert_int_equal(public_key_verify_pss(rsa.pem, SLICE_LIT("what is Signed"), good), -EACCES);
    assert_int_equal(public_key_verify_pss(rsa.pem, (struct slice){0}, good), -EACCES);
    assert_int_equal(public_key_verify_pss(ec.pem, text, good), -ENOTSUP);
    assert_int_equal(public_key_verify_pss("", text, good), -EINVAL);
    for (size_t n = 0; n < len; n++)
        assert_int_equal(public_key_verify_pss(rsa.pem, text, slice_of(signature, n)), -EACCES);
    assert_int_equal(public_key_verify_pss(rsa.pem, text, slice_of(signature, len + 1)), -EACCES);
    for (size_t i = 0; i < len; i++) {
        signature[i] ^= 1;
        assert_int_equal(public_key_verify_pss(rsa.pem, text, good), -EACCES);
        signature[i] ^= 1;
    }
}

/* RFC 7518 section 3.5: the salt is as long as the hash. */
static void test_salts(void **state)
{
    static const int SALTS[] = {0, 20, 31, 33, 64, 222};
    uint8_t signature[512];
    struct slice text = SLICE_LIT("what is signed");
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(SALTS); i++) {
        size_t len = signer_sign(&rsa, text, SALTS[i], signature);
        assert_int_equal(public_key_verify_pss(rsa.pem, text, slice_of(signature, len)), -EACCES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_salts),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
