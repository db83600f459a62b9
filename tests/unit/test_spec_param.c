/* Tests of broker/base/spec_param.c: what an operation declares, and what its path does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spec_bed.h"

#define DUMMY "        type: dummy\n"

static void test_parameters(void **state)
{
    (void) state;
    struct spec *spec =
        spec_bed(OPENAPI "paths:\n  /{room}/{rest+}:\n    parameters:\n"
                         "    - {name: room, in: path, required: false}\n"
                         "    - {$ref: '#/components/parameters/id'}\n"
                         "    - {name: q, in: query, required: true}\n"
                         "    x-yc-apigateway-websocket-message:\n"
                         "      parameters:\n"
                         "      - {name: rest+, in: path}\n"
                         "      - {name: q, in: query, schema: {default: 5, type: integer}}\n"
                         "      - {name: q, in: cookie, schema: {$ref: '#/components/d'}}\n"
                         "      x-yc-apigateway-integration: {type: dummy}\n"
                         "components:\n  d: {default: x}\n"
                         "  parameters: {id: {name: X-Id, in: header}}\n");
    static const struct spec_param EXPECTED[] = {
        {SPEC_IN_PATH, "rest", true, true, NULL},     {SPEC_IN_QUERY, "q", false, false, "5"},
        {SPEC_IN_COOKIE, "q", false, false, "x"},     {SPEC_IN_PATH, "room", false, true, NULL},
        {SPEC_IN_HEADER, "X-Id", false, false, NULL},
    };
    const struct spec_operation *op = spec->routes[0].message;
    assert_int_equal(op->n_params, ARRAY_LEN(EXPECTED));
    for (size_t i = 0; i < op->n_params; i++) {
        const struct spec_param *got = &op->params[i], *expected = &EXPECTED[i];
        assert_int_equal(got->in, expected->in);
        assert_string_equal(got->name, expected->name);
        assert_int_equal(got->greedy, expected->greedy);
        assert_int_equal(got->required, expected->required);
        assert_int_equal(got->fallback == NULL, expected->fallback == NULL);
        if (got->fallback != NULL)
            assert_string_equal(got->fallback, expected->fallback);
    }
    spec_unref(spec);
}

static void test_what_is_refused(void **state)
{
    (void) state;
    static const struct bad_spec BAD[] = {
        {MESSAGE("/a", "1", DUMMY), 6, "/a.message.parameters: expected a list"},
        {MESSAGE("/a", "[1]", DUMMY), 6, "parameters: expected a mapping"},
        {MESSAGE("/a", "[{name: x}]", DUMMY), 6,
         "expected path, query, header or cookie, got \"\""},
        {MESSAGE("/a", "[{name: x, in: body}]", DUMMY), 6, "got \"body\""},
        {MESSAGE("/a", "[{in: query}]", DUMMY), 6, "expected a name, got none"},
        {MESSAGE("/a", "[{in: path, name: b}]", DUMMY), 6, "expected a parameter of the path, got"},
        {MESSAGE("/a", "[{in: header, name: 'a b'}]", DUMMY), 6, "the name of a header or cookie"},
        {MESSAGE("/a", "[{in: query, name: ''}]", DUMMY), 6, "the name of a query parameter"},
        {MESSAGE("/a", "[{in: query, name: a, required: 5}]", DUMMY), 6, "expected true or false"},
        {MESSAGE("/a", "[{in: query, name: a}, {in: query, name: a}]", DUMMY), 6,
         "expected each parameter once, got again \"a\""},
        {MESSAGE("/a", "[{in: header, name: A}, {in: header, name: a}]", DUMMY), 6, "once"},
        {MESSAGE("/a", "[{$ref: '#/nowhere'}]", DUMMY), 6, "a place that is in the document"},
    };
    spec_bed_refused(BAD, ARRAY_LEN(BAD), &BED_OPTIONS);
}

static void test_many(void **state)
{
    (void) state;
    for (unsigned n = SPEC_MAX_PARAMS; n <= SPEC_MAX_PARAMS + 1; n++) {
        struct problems problems = {.file = "f"};
        struct spec *spec = NULL;
        struct buf text;
        buf_init(&text, 1 << 20);
        int r = buf_append_str(&text, OPENAPI "paths:\n  /a:\n    parameters:\n");
        for (unsigned i = 0; i < 32; i++)
            r |= buf_printf(&text, "    - {in: query, name: a%u}\n", i);
        r |= buf_append_str(&text, "    x-yc-apigateway-websocket-message:\n      parameters:\n");
        for (unsigned i = 32; i < n; i++)
            r |= buf_printf(&text, "      - {in: query, name: a%u}\n", i);
        r |= buf_append_str(&text, "      x-yc-apigateway-integration: {type: dummy}\n");
        assert_int_equal(r, 0);
        r = spec_parse(buf_slice(&text), &BED_OPTIONS, &problems, &spec);
        assert_int_equal(r, n > SPEC_MAX_PARAMS ? -EINVAL : 0);
        if (r < 0)
            assert_non_null(strstr(problems.at[0].text, "expected at most 64 of them, got more"));
        spec_unref(spec);
        buf_fini(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
