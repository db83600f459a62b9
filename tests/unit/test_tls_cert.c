/* Tests of gateway/tls_cert.c: pairs of files that fit and that do not, and the names in them. */
#include "tls_fixture.h"

static struct pem_files ec, rsa, wild, none;

static int setup(void **state)
{
    static const char *const NAMES[] = {"a.example", "*.b.example", "*.example", NULL};
    (void) state;
    pem_make(&ec, false, "localhost", NULL);
    pem_make(&rsa, true, "localhost", NULL);
    pem_make(&wild, false, "common.example", NAMES);
    pem_write(none.certificate, "");
    pem_write(none.key, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    pem_remove(&ec);
    pem_remove(&rsa);
    pem_remove(&wild);
    pem_remove(&none);
    return 0;
}

static void test_good_pairs(void **state)
{
    struct pem_files *const FILES[] = {&ec, &rsa, &wild};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(FILES); i++) {
        struct config_certificate files = pem_config(FILES[i]);
        struct tls_cert cert;
        struct tls_problem why;
        assert_int_equal(tls_cert_load(&files, &cert, &why), 0);
        assert_int_equal(mbedtls_pk_can_do(&cert.key, MBEDTLS_PK_RSA), FILES[i] == &rsa);
        tls_cert_fini(&cert);
    }
}

static void test_bad_pairs(void **state)
{
    static char missing[] = "/nowhere/at.pem";
    const struct {
        char *certificate, *private_key;
        const char *key, *text; /* how the problem begins */
    } CASES[] = {
        {missing, ec.key, "certificate_file",
         "expected a file of certificates (PEM), got No such file"},
        {ec.certificate, missing, "private_key_file",
         "expected a file with an RSA or ECDSA key (PEM, no password), got No such file"},
        {none.certificate, ec.key, "certificate_file",
         "expected a file of certificates (PEM), got"},
        {ec.key, ec.key, "certificate_file", "expected a file of certificates (PEM), got"},
        {ec.certificate, none.key, "private_key_file", "expected a file with an RSA or ECDSA key"},
        {ec.certificate, ec.certificate, "private_key_file",
         "expected a file with an RSA or ECDSA key"},
        {ec.certificate, wild.key, "private_key_file",
         "expected the key of the first certificate in certificate_file, got another one"},
        {ec.certificate, rsa.key, "private_key_file", "expected the key of the first"},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct config_certificate files = {CASES[i].certificate, CASES[i].private_key, 1};
        struct tls_cert cert;
        struct tls_problem why;
        assert_int_equal(tls_cert_load(&files, &cert, &why), -EINVAL);
        assert_string_equal(why.key, CASES[i].key);
        if (strncmp(why.text, CASES[i].text, strlen(CASES[i].text)) != 0)
            fail_msg("case %zu: %s", i, why.text);
    }
}

static void test_names(void **state)
{
    static const struct {
        bool wild;
        const char *host;
        bool fits;
    } CASES[] = {
        {false, "localhost", true},
        {false, "LOCALHOST", true},
        {false, "localhost.example", false},
        {false, "", false},
        {true, "a.example", true},
        {true, "x.b.example", true},
        {true, "X.B.Example", true},
        {true, "b.example", true}, /* of *.example */
        {true, "x.y.b.example", false},
        {true, ".b.example", false},
        {true, ".example", false},
        {true, "example", false},
        {true, "*.c.example", false},
        {true, "common.example", true}, /* of *.example as well */
        {true, "localhost", false},
    };
    (void) state;
    struct tls_cert certs[2];
    struct tls_problem why;
    struct config_certificate files[] = {pem_config(&ec), pem_config(&wild)};
    for (size_t i = 0; i < ARRAY_LEN(certs); i++)
        assert_int_equal(tls_cert_load(&files[i], &certs[i], &why), 0);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        if (tls_cert_is_for(&certs[CASES[i].wild], slice_str(CASES[i].host)) != CASES[i].fits)
            fail_msg("%s", CASES[i].host);
    assert_true(slice_eq_str(tls_cert_name(&certs[0]), "localhost"));
    assert_false(slice_eq_str(tls_cert_name(&certs[1]), "common.example"));
    assert_true(tls_cert_is_for(&certs[1], tls_cert_name(&certs[1])));
    for (size_t i = 0; i < ARRAY_LEN(certs); i++)
        tls_cert_fini(&certs[i]);
}

static void test_random(void **state)
{
    (void) state;
    uint8_t a[64] = {0}, b[64] = {0};
    assert_int_equal(tls_random(NULL, a, sizeof(a)), 0);
    assert_int_equal(tls_random(NULL, b, sizeof(b)), 0);
    assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_pairs),
        cmocka_unit_test(test_bad_pairs),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
