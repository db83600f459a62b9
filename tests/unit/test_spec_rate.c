/* Tests of broker/base/spec_rate.c: how many handshakes a path takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spec_bed.h"

#define RATE       "x-yc-apigateway-rate-limit: "
#define PATH(more) OPENAPI WS "    " RATE more "\n"
#define ALL        "x-yc-apigateway: {rateLimit: {allRequests: {rps: 7}}}\n" /* a line more */
#define OP(path, more)                                                                             \
    OPENAPI ALL "paths: {'" path "': {x-yc-apigateway-websocket-connect: {" more                   \
                " x-yc-apigateway-integration: {type: dummy}}, x-yc-apigateway-websocket-message:" \
                " {x-yc-apigateway-integration: {type: dummy}}}}\n"

static void check(const char *text, uint64_t n, uint64_t window_ms, const char *name)
{
    struct spec *spec = spec_bed(text);
    const struct spec_rate *rate = spec->routes[0].rate;
    assert_int_equal(rate == NULL ? 0 : rate->n, n);
    if (rate != NULL) {
        assert_int_equal(rate->window_ms, window_ms);
        assert_int_equal(rate->name == NULL, name == NULL);
        if (name != NULL)
            assert_string_equal(rate->name, name);
    }
    spec_unref(spec);
}

static void test_rules(void **state)
{
    (void) state;
    check(OPENAPI WS, 0, 0, NULL);
    check(OPENAPI ALL WS, 7, 1000, NULL);
    check(PATH("{allRequests: {rpm: 100}}"), 100, 60000, NULL);
    check(OPENAPI ALL WS "    " RATE "{allRequests: {rps: 1}}\n", 1, 1000, NULL);
    check(OP("/a", RATE "{allRequests: {rpm: 5}},"), 5, 60000, NULL);
    check(OP("/a", ""), 7, 1000, NULL);
    check(PATH("{$ref: '#/components/x-yc-apigateway-rate-limits/get-rate'}\n"
               "components: {x-yc-apigateway-rate-limits: {get-rate: {allRequests: {rpm: 10}}}}"),
          10, 60000, "get-rate");
}

/* Which one two paths have is one, so that they can share it. */
static void test_shared(void **state)
{
    (void) state;
    struct spec *spec = spec_bed(OPENAPI ALL WS "  /b:\n    x-yc-apigateway-websocket-message: "
                                                "{x-yc-apigateway-integration: {type: dummy}}\n");
    assert_ptr_equal(spec->routes[0].rate, spec->routes[1].rate);
    spec_unref(spec);
}

static void test_greedy(void **state)
{
    (void) state;
    check(OP("/{a+}", ""), 0, 0, NULL);
    struct spec *spec = spec_bed(OP("/{a+}", RATE "{allRequests: {rpm: 5}},"));
    assert_null(spec->routes[0].rate);
    spec_bed_noted(spec, "x-yc-apigateway-rate-limit is passed over: paths with {name+} have none");
    spec_unref(spec);
}

static void test_of_messages(void **state)
{
    (void) state;
    struct spec *spec = spec_bed(
        OPENAPI "paths: {/a: {x-yc-apigateway-websocket-message: {" RATE
                "{allRequests: {rpm: 5}}, x-yc-apigateway-integration: {type: dummy}}}}\n");
    assert_null(spec->routes[0].rate);
    spec_bed_noted(spec, "line 3: x-yc-apigateway-rate-limit of messages is passed over");
    spec_unref(spec);
}

static void test_what_is_refused(void **state)
{
    (void) state;
    static const struct bad_spec BAD[] = {
        {PATH("5"), 6, "/ws.rate-limit: expected a mapping"},
        {PATH("{}"), 6, "expected allRequests with either rps or rpm, got none"},
        {PATH("{allRequests: {}}"), 6, "got none"},
        {PATH("{allRequests: {rps: 1, rpm: 2}}"), 6, "got both"},
        {PATH("{allRequests: {rps: 0}}"), 6, "expected a number from 1 to 1000000000, got \"0\""},
        {PATH("{allRequests: {rps: 1.5}}"), 6, "expected a number"},
        {PATH("{$ref: '#/nowhere'}"), 6, "a place that is in the document"},
    };
    spec_bed_refused(BAD, ARRAY_LEN(BAD), &BED_OPTIONS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),           cmocka_unit_test(test_shared),
        cmocka_unit_test(test_greedy),          cmocka_unit_test(test_of_messages),
        cmocka_unit_test(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
