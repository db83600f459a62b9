/* Tests of broker/issuer_keys.c: which issuers there are, and what another configuration takes
 * over. test_access.c has more about those of paths. */
#include "issuer_keys.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct config_issuer ISSUERS[] = {
    {.issuer = "https://a", .jwks_url = "https://a/keys", .jwks_refresh_ms = 5000, .line = 3},
    {.issuer = "https://b", .secret = "s", .line = 4},
};
static struct config_registry REGISTRIES[] = {
    {.id = "none"},
    {.id = "one",
     .line = 7,
     .oidc = {.audience = "x", .issuer = "https://a", .jwks_url = "https://a/keys"}},
    {.id = "two",
     .line = 8,
     .oidc = {.audience = "y", .issuer = "https://a", .jwks_url = "https://a/keys"}},
    {.id = "three", .line = 9, .oidc = {.audience = "x", .issuer = "https://a", .jwks_file = "f"}},
};
static const struct config CONFIG = {
    .gateway.auth = {.issuers = ISSUERS, .n_issuers = ARRAY_LEN(ISSUERS)},
    .registries = REGISTRIES,
    .n_registries = ARRAY_LEN(REGISTRIES),
};

static void test_sources(void **state)
{
    static const struct issuer_source WANT[] = {
        {"https://a", "https://a/keys", NULL, 5000, "gateway.auth.issuers[0].jwks_file", 3},
        {"https://b", NULL, NULL, 0, "gateway.auth.issuers[1].jwks_file", 4},
        {"https://a", "https://a/keys", NULL, 3600000, "registries[1].oidc.jwks_file", 7},
        {"https://a", NULL, "f", 3600000, "registries[3].oidc.jwks_file", 9},
    };
    struct issuer_keys *k = issuer_keys_new(&CONFIG);
    size_t i = 0;
    (void) state;
    assert_int_equal(issuer_keys_n(k), ARRAY_LEN(WANT));
    for (i = 0; i < ARRAY_LEN(WANT); i++) {
        const struct issuer_source *is = issuer_keys_source(k, i);
        assert_string_equal(is->issuer, WANT[i].issuer);
        assert_true(slice_eq_str(slice_str(is->url), WANT[i].url));
        assert_true(slice_eq_str(slice_str(is->file), WANT[i].file));
        assert_int_equal(is->refresh_ms, WANT[i].refresh_ms);
        assert_string_equal(is->key, WANT[i].key);
        assert_int_equal(is->line, WANT[i].line);
    }
    assert_int_equal(issuer_keys_find(k, &REGISTRIES[1].oidc, &i), 0);
    assert_int_equal(i, 2); /* not that of the paths */
    assert_int_equal(issuer_keys_find(k, &REGISTRIES[2].oidc, &i), 0);
    assert_int_equal(i, 2);
    assert_int_equal(issuer_keys_find(k, &REGISTRIES[3].oidc, &i), 0);
    assert_int_equal(i, 3);
    const struct config_oidc nobody = {.issuer = "https://c", .jwks_url = "https://a/keys"};
    assert_int_equal(issuer_keys_find(k, &nobody, &i), -ENOENT);
    issuer_keys_free(k);
    issuer_keys_free(NULL);
}

static struct jwk_set *some_keys(void)
{
    struct jwk_set *set;
    static const char TEXT[] =
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
        "\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
        "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}]}"; /* RFC 7517 appendix A.1 */
    assert_int_equal(jwk_set_parse(slice_str(TEXT), &set), 0);
    return set;
}

/* Those of a URL go over to the next configuration, a file's do not: it is read again. */
static void test_inherit(void **state)
{
    struct issuer_keys *before = issuer_keys_new(&CONFIG), *after = issuer_keys_new(&CONFIG);
    struct jwk_set *all[4];
    (void) state;
    assert_null(issuer_keys_get(before, 2));
    issuer_keys_set(before, 2, some_keys());
    issuer_keys_set(before, 2, some_keys()); /* in place of those */
    issuer_keys_set(before, 3, some_keys());
    issuer_keys_inherit(after, before);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        all[i] = issuer_keys_get(after, i);
    assert_non_null(all[0]); /* the same issuer with the same URL */
    assert_null(all[1]);
    assert_non_null(all[2]);
    assert_null(all[3]);
    issuer_keys_free(before);
    issuer_keys_free(after);
    assert_int_equal(jwk_set_n(all[2]), 1); /* our own reference */
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        jwk_set_unref(all[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sources),
                                       cmocka_unit_test(test_inherit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
