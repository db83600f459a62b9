/* Tests of broker/base/spec_cors.c: rules for preflight requests, of a path or of all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spec_bed.h"

#define PATH(more) OPENAPI WS "    x-yc-apigateway-cors: " more "\n"

static void test_rules(void **state)
{
    (void) state;
    struct spec *spec = spec_bed(
        OPENAPI WS "    x-yc-apigateway-cors: {$ref: '#/components/x-yc-apigateway-cors-rules/r'}\n"
                   "components: {x-yc-apigateway-cors-rules: {r: {origin: [https://a.org, "
                   "'https://b.org'], methods: [GET, POST], allowedHeaders: x-1, exposedHeaders: "
                   "[x-1, x-2], credentials: true, maxAge: 3600, optionsSuccessStatus: 204}}}\n");
    const struct spec_cors *cors = spec->routes[0].cors;
    assert_false(cors->any_origin);
    assert_int_equal(cors->n_origins, 2);
    assert_string_equal(cors->origins[1], "https://b.org");
    assert_string_equal(cors->methods, "GET, POST");
    assert_string_equal(cors->allowed_headers, "x-1");
    assert_string_equal(cors->exposed_headers, "x-1, x-2");
    assert_true(cors->credentials);
    assert_int_equal(cors->max_age_s, 3600);
    assert_int_equal(cors->options_status, 204);
    spec_unref(spec);
}

static void test_origins(void **state)
{
    (void) state;
    static const struct {
        const char *origin;
        bool any;
        size_t n;
    } ORIGINS[] = {{"true", true, 0}, {"false", false, 0}, {"'*'", false, 1}, {"[]", false, 0}};
    for (size_t i = 0; i < ARRAY_LEN(ORIGINS); i++) {
        char text[1024];
        (void) snprintf(text, sizeof(text), PATH("{origin: %s}"), ORIGINS[i].origin);
        struct spec *spec = spec_bed(text);
        const struct spec_cors *cors = spec->routes[0].cors;
        assert_int_equal(cors->any_origin, ORIGINS[i].any);
        assert_int_equal(cors->n_origins, ORIGINS[i].n);
        assert_int_equal(cors->max_age_s, -1);
        assert_int_equal(cors->options_status, 200);
        assert_null(cors->methods);
        spec_unref(spec);
    }
}

static void test_of_all(void **state)
{
    (void) state;
    struct spec *spec = spec_bed(OPENAPI "x-yc-apigateway: {cors: {origin: '*'}}\n" WS
                                         "  /b:\n    x-yc-apigateway-cors: {origin: false}\n"
                                         "    x-yc-apigateway-websocket-message: "
                                         "{x-yc-apigateway-integration: {type: dummy}}\n");
    assert_string_equal(spec->routes[0].cors->origins[0], "*");
    assert_int_equal(spec->routes[1].cors->n_origins, 0);
    spec_unref(spec);
    spec = spec_bed(OPENAPI WS);
    assert_null(spec->routes[0].cors);
    spec_unref(spec);
}

static void test_what_is_refused(void **state)
{
    (void) state;
    static const struct bad_spec BAD[] = {
        {PATH("5"), 6, "/ws.cors: expected a mapping"},
        {PATH("{}"), 6, "cors.origin: expected true, false, an origin or a list of them, got noth"},
        {PATH("{origin: {}}"), 6, "cors.origin: expected text"},
        {PATH("{origin: \"a\\r\\nb\"}"), 6, "expected an origin"},
        {PATH("{origin: a, methods: \"a\\r\\nb\"}"), 6, "expected a header of at most"},
        {PATH("{origin: a, credentials: 5}"), 6, "expected true or false"},
        {PATH("{origin: a, maxAge: -5}"), 6, "expected a number"},
        {PATH("{origin: a, optionsSuccessStatus: 404}"), 6, "expected a number from 200 to 299"},
        {PATH("{$ref: '#/nowhere'}"), 6, "a place that is in the document"},
    };
    spec_bed_refused(BAD, ARRAY_LEN(BAD), &BED_OPTIONS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_origins),
        cmocka_unit_test(test_of_all),
        cmocka_unit_test(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
