/* Tests of gateway/cli/account_key.c: the JWT that a key's file gives. */
#include "account_key.h"

#include "jwt.h"
#include "signer.h"

#define NOW 1800000000u

static struct signer rsa, weak;
static char good[8192], bad_key[8192];

/* The file of a key, as `yc iam key create` writes it: its PEM has a line in front. */
static void print_file(struct signer *s, char *ret, size_t size)
{
    char pem[4096], *at = ret;
    assert_int_equal(mbedtls_pk_write_key_pem(&s->pk, (unsigned char *) pem, sizeof(pem)), 0);
    at += snprintf(ret, size,
                   "{\n \"id\": \"ajekey1\",\n \"service_account_id\": \"ajerobot\",\n"
                   " \"key_algorithm\": \"RSA_2048\",\n"
                   " \"private_key\": \"PLEASE KEEP THIS LINE\\n");
    for (const char *c = pem; *c != '\0'; c++) {
        if (*c == '\n')
            *at++ = '\\';
        *at++ = *c == '\n' ? 'n' : *c;
    }
    (void) snprintf(at, size - (size_t) (at - ret), "\"\n}\n");
}

static int setup(void **state)
{
    (void) state;
    signer_init_rsa(&rsa, 2048);
    signer_init_rsa(&weak, 1024);
    print_file(&rsa, good, sizeof(good));
    print_file(&weak, bad_key, sizeof(bad_key));
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    signer_fini(&rsa);
    signer_fini(&weak);
    return 0;
}

static bool is_any(const char *audience)
{
    return strcmp(audience, "https://regcast/iam/v1/tokens") == 0;
}

static void test_jwt(void **state)
{
    char *text = NULL;
    const char *why = NULL;
    struct jwt j;
    uint64_t issued = 0, expires = 0;
    (void) state;
    assert_int_equal(account_key_jwt(slice_str(good), NOW, &text, &why), 0);
    assert_int_equal(jwt_parse(slice_str(text), &j), 0);
    assert_int_equal(jwt_verify(&j, JWA_PS256, rsa.pem), 0);
    assert_string_equal(jwt_header_text(&j, "kid"), "ajekey1");
    assert_string_equal(jwt_text(&j, "iss"), "ajerobot");
    assert_true(jwt_is_for(&j, is_any));
    assert_int_equal(jwt_time(&j, "iat", &issued), 0);
    assert_int_equal(jwt_time(&j, "exp", &expires), 0);
    assert_int_equal(issued, NOW);
    assert_int_equal(expires, NOW + 3600);
    jwt_fini(&j);
    free(text);
}

static void test_bad_files(void **state)
{
    const char *const FILES[] = {
        "",
        "{}",
        "[]",
        "no JSON",
        bad_key,
        "{\"id\":\"a\",\"service_account_id\":\"b\",\"private_key\":\"c\"}",
        "{\"id\":\"a\\\"\",\"service_account_id\":\"b\",\"private_key\":\"c\"}",
        "{\"id\":\"a\",\"service_account_id\":5,\"private_key\":\"c\"}",
        "{\"id\":\"a\",\"service_account_id\":\"b\"}",
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(FILES); i++) {
        char *text = NULL;
        const char *why = NULL;
        assert_int_equal(account_key_jwt(slice_str(FILES[i]), NOW, &text, &why), -EINVAL);
        assert_non_null(why);
        assert_null(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jwt),
        cmocka_unit_test(test_bad_files),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
