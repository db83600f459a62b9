/* Tests of broker/base/spec_security.c and spec_scheme.c: who is let in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spec_bed.h"

#define OP      "{x-yc-apigateway-integration: {type: dummy}}"
#define SCHEMES "components:\n  securitySchemes:\n"
#define BASIC                                                                                      \
    "    basic: {type: http, scheme: basic, x-yc-apigateway-authorizer: {type: function, "         \
    "function_id: d4e0, tag: $latest, service_account_id: aje, "                                   \
    "authorizer_result_ttl_in_seconds: 300, authorizer_result_caching_mode: URI}}\n"
#define BEARER                                                                                     \
    "    bearer: {type: http, scheme: Bearer, x-yc-apigateway-authorizer: {type: function, "       \
    "function_id: d4e0}}\n"
#define KEY                                                                                        \
    "    key: {type: apiKey, in: query, name: api_key, x-yc-apigateway-authorizer: {type: "        \
    "function, function_id: d4e0}}\n"
#define JWT                                                                                        \
    "    jwt:\n      type: openIdConnect\n      openIdConnectUrl: https://example.com/oidc\n"      \
    "      x-yc-apigateway-authorizer:\n        type: jwt\n"                                       \
    "        authorizer_result_ttl_in_seconds: 3000\n        jwkTtlInSeconds: 5000\n"              \
    "        jwksUri: https://example.com/jwks.json\n"                                             \
    "        issuers: [https://example.com, https://example2.com]\n"                               \
    "        audiences:\n        - audience-1\n"                                                   \
    "        identitySource:\n          in: header\n          name: Authorization\n"               \
    "          prefix: \"Bearer \"\n        requiredClaims: [role, email]\n"

static void test_schemes(void **state)
{
    (void) state;
    struct spec *spec =
        spec_bed(OPENAPI "security: [{jwt: [read, write]}, {basic: [], key: []}, {}]\n" WS SCHEMES
                     BASIC BEARER KEY JWT);
    const struct spec_security *s = &spec->routes[0].security;
    assert_int_equal(s->n, 3);
    assert_int_equal(s->ways[0].n, 1);
    assert_int_equal(s->ways[1].n, 2);
    assert_int_equal(s->ways[2].n, 0);
    const struct spec_authorizer *jwt = s->ways[0].grants[0].authorizer;
    assert_int_equal(s->ways[0].grants[0].n_scopes, 2);
    assert_string_equal(s->ways[0].grants[0].scopes[1], "write");
    assert_string_equal(jwt->name, "jwt");
    assert_int_equal(jwt->kind, SPEC_JWT);
    assert_int_equal(jwt->scheme, SPEC_SCHEME_OPENID);
    assert_int_equal(jwt->identity.in, SPEC_IN_HEADER);
    assert_string_equal(jwt->identity.name, "Authorization");
    assert_string_equal(jwt->identity.prefix, "Bearer ");
    assert_int_equal(jwt->result_ttl_ms, 3000000);
    assert_int_equal(jwt->jwk_ttl_ms, 5000000);
    assert_false(jwt->by_uri);
    assert_string_equal(jwt->jwks_uri, "https://example.com/jwks.json");
    assert_null(jwt->openid_url);
    assert_int_equal(jwt->n_issuers, 2);
    assert_int_equal(jwt->n_audiences, 1);
    assert_int_equal(jwt->n_required_claims, 2);
    assert_string_equal(jwt->required_claims[1], "email");
    const struct spec_authorizer *basic = s->ways[1].grants[0].authorizer;
    assert_int_equal(basic->kind, SPEC_FUNCTION);
    assert_string_equal(basic->identity.name, "Authorization");
    assert_string_equal(basic->identity.prefix, "Basic ");
    assert_string_equal(basic->function_id, "d4e0");
    assert_string_equal(basic->function_url, "http://127.0.0.1:8081/f");
    assert_string_equal(basic->tag, "$latest");
    assert_string_equal(basic->service_account_id, "aje");
    assert_true(basic->by_uri);
    assert_int_equal(basic->result_ttl_ms, 300000);
    const struct spec_authorizer *key = s->ways[1].grants[1].authorizer;
    assert_int_equal(key->identity.in, SPEC_IN_QUERY);
    assert_string_equal(key->identity.name, "api_key");
    assert_string_equal(key->identity.prefix, "");
    assert_null(key->tag);
    assert_int_equal(spec->n_authorizers, 3); /* who asks for `bearer`? */
    spec_unref(spec);
}

static void test_other_spelling(void **state)
{
    (void) state;
    struct spec *spec = spec_bed(
        OPENAPI "security: [{j: []}]\n" WS SCHEMES
                "    j: {type: openIdConnect, openIdConnectUrl: 'http://a/o', "
                "x-yc-apigateway-authorizer: {type: jwt, IdentitySource: {in: cookie, name: c}, "
                "issuers: one}}\n");
    const struct spec_authorizer *jwt = &spec->authorizers[0];
    assert_int_equal(jwt->identity.in, SPEC_IN_COOKIE);
    assert_string_equal(jwt->identity.prefix, "");
    assert_null(jwt->jwks_uri);
    assert_string_equal(jwt->openid_url, "http://a/o");
    assert_int_equal(jwt->n_issuers, 1);
    assert_int_equal(jwt->jwk_ttl_ms + jwt->result_ttl_ms, 0);
    spec_unref(spec);
}

/* What a handshake has to pass: `top` is the document's security, the others those of operations.
 */
static void check_route(const char *top, const char *connect, const char *message,
                        const char *security, const char *also)
{
    char text[4096];
    (void) snprintf(text, sizeof(text),
                    OPENAPI "%s\npaths: {/ws: {x-yc-apigateway-websocket-connect: {%s "
                            "x-yc-apigateway-integration: {type: dummy}}, "
                            "x-yc-apigateway-websocket-message: {%s x-yc-apigateway-integration: "
                            "{type: dummy}}}}\n" SCHEMES BASIC BEARER,
                    top, connect, message);
    struct spec *spec = spec_bed(text);
    const struct spec_route *route = &spec->routes[0];
    assert_int_equal(route->security.n, security != NULL);
    assert_int_equal(route->also.n, also != NULL);
    if (security != NULL)
        assert_string_equal(route->security.ways[0].grants[0].authorizer->name, security);
    if (also != NULL)
        assert_string_equal(route->also.ways[0].grants[0].authorizer->name, also);
    spec_unref(spec);
}

static void test_of_a_route(void **state)
{
    (void) state;
    check_route("", "", "", NULL, NULL);
    check_route("security: [{basic: []}]", "", "", "basic", NULL);
    check_route("security: [{basic: []}]", "security: [],", "security: [],", NULL, NULL);
    check_route("security: [{basic: []}]", "security: [],", "", "basic", NULL);
    check_route("security: [{basic: []}]", "", "security: [],", "basic", NULL);
    check_route("security: [{basic: []}]", "security: [{bearer: []}],", "", "bearer", "basic");
    check_route("", "security: [{bearer: []}],", "security: [{bearer: []}],", "bearer", NULL);
    check_route("", "security: [{bearer: [x]}],", "security: [{bearer: []}],", "bearer", "bearer");
}

static void test_what_is_refused(void **state)
{
    (void) state;
#define SCHEME(scheme) OPENAPI "security: [{s: []}]\n" WS SCHEMES "    s: " scheme "\n"
#define JWT_OF(more)                                                                               \
    SCHEME("{type: openIdConnect, x-yc-apigateway-authorizer: {type: jwt, " more "}}")
#define SOURCE "identitySource: {in: header, name: A}"
#define FUNCTION(more)                                                                             \
    SCHEME("{" more ", x-yc-apigateway-authorizer: {type: function, function_id: d4e0}}")
    static const struct bad_spec BAD[] = {
        {OPENAPI "security: {a: []}\n" WS, 3,
         "/ws.message.security: expected a list of at most 16"},
        {OPENAPI "security: [1]\n" WS, 3, "expected a mapping"},
        {OPENAPI "security: [{a: []}]\n" WS, 3,
         "expected a scheme of components.securitySchemes, got \"a\""},
        {SCHEME("{type: http, scheme: basic}"), 9,
         "securitySchemes.s.s: expected an x-yc-apigateway-authorizer, since a WebSocket path"},
        {SCHEME("{$ref: '#/nowhere'}"), 9, "a place that is in the document"},
        {SCHEME("5"), 9, "expected a mapping"},
        {FUNCTION("type: http, scheme: digest"), 9, "expected http with basic or bearer"},
        {FUNCTION("type: oauth2"), 9, "got \"oauth2\""},
        {FUNCTION("type: openIdConnect"), 9, "expected a function in a scheme http or apiKey"},
        {FUNCTION("type: apiKey, in: body, name: x"), 9,
         "expected \"in\": header, query or cookie"},
        {FUNCTION("type: apiKey, in: header, name: 'x y'"), 9, "expected the name of a header"},
        {FUNCTION("type: apiKey, in: query"), 9, "expected the name of a header"},
        {SCHEME("{type: http, scheme: basic, x-yc-apigateway-authorizer: {type: function, "
                "function_id: no}}"),
         9, "expected a function whose address is in gateway.backends.functions, got \"no\""},
        {SCHEME("{type: http, scheme: basic, x-yc-apigateway-authorizer: {type: function, "
                "function_id: bad}}"),
         9, "expected an URL in gateway.backends.functions"},
        {SCHEME("{type: http, scheme: basic, x-yc-apigateway-authorizer: {type: iam}}"), 9,
         "got \"iam\", which needs the cloud: use jwt"},
        {SCHEME("{type: http, scheme: basic, x-yc-apigateway-authorizer: {type: jwt, " SOURCE
                ", jwksUri: 'http://a'}}"),
         9, "expected jwt in a scheme openIdConnect only"},
        {JWT_OF("jwksUri: 'https://a'"), 9,
         "identitySource: expected where the token is, got noth"},
        {JWT_OF(SOURCE), 9, "expected an URL of keys here, or openIdConnectUrl"},
        {JWT_OF(SOURCE ", jwksUri: nowhere"), 9, "jwksUri: expected an URL, got \"nowhere\""},
        {JWT_OF(SOURCE ", jwksUri: 'http://a', jwkTtlInSeconds: -5"), 9, "expected a number from"},
        {JWT_OF(SOURCE ", jwksUri: 'http://a', issuers: {}"), 9, "issuers: expected text, got a m"},
        {JWT_OF(SOURCE ", jwksUri: 'http://a', authorizer_result_caching_mode: all"), 9,
         "expected path or uri, got \"all\""},
    };
    spec_bed_refused(BAD, ARRAY_LEN(BAD), &BED_OPTIONS);
}

/* Whoever does not speak WebSocket may ask for what there is not: nobody will. */
static void test_unused(void **state)
{
    (void) state;
    struct spec *spec = spec_bed(OPENAPI "security: [{s: []}]\npaths: {/a: {get: {}}}\n" SCHEMES
                                         "    s: {type: http, scheme: basic}\n");
    assert_int_equal(spec->n_authorizers, 0);
    spec_unref(spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schemes),         cmocka_unit_test(test_other_spelling),
        cmocka_unit_test(test_of_a_route),      cmocka_unit_test(test_unused),
        cmocka_unit_test(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
