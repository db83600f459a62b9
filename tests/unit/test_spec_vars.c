/* Tests of broker/base/spec_vars.c: declared variables are put in wherever a text is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spec_bed.h"

#define VARS "x-yc-apigateway:\n  variables:\n" /* lines 3 and 4 */
#define SAYS(text)                                                                                 \
    "paths: {/ws: {x-yc-apigateway-websocket-message: {x-yc-apigateway-integration: "              \
    "{type: dummy, http_code: \"${var.code}\", content: {'*': '" text "'}}}}}\n"
#define CODE "    code: {default: 201}\n"

static const struct spec_named SET[] = {{"a", "set"}, {"code", "202"}};

static void check(const char *text, const struct spec_options *options, unsigned code,
                  const char *says)
{
    char got[1024];
    struct spec *spec = spec_bed_with(text, options);
    const struct spec_integration *i = &spec->routes[0].message->integration;
    assert_int_equal(i->http_code, code);
    assert_string_equal(spec_bed_text(&i->contents[0].text, got), says);
    spec_unref(spec);
}

static void test_values(void **state)
{
    (void) state;
    static const struct spec_options NONE = {0}, SOME = {.variables = SET, .n_variables = 2};
    check(OPENAPI VARS CODE "    a: {default: prod, enum: [prod, set], description: d}\n" SAYS(
              "It is ${var.a}${var.a}! $ {{ ${1} ${ var.a}"),
          &NONE, 201, "It is prodprod! $ {{ ${1} ${ var.a}");
    check(OPENAPI VARS CODE "    a: {default: prod, enum: [prod, set]}\n" SAYS("<${var.a}>"), &SOME,
          202, "<set>");
    check(OPENAPI VARS CODE "    a: {default: no, enum: [prod, set]}\n" SAYS("<${var.a}>"), &SOME,
          202, "<set>");
    check(OPENAPI VARS CODE "    a.b-c: {default: 1.5}\n" SAYS("${var.a.b-c}"), &NONE, 201, "1.5");
    check(OPENAPI VARS CODE "    a: {default: '${var.'}\n" SAYS("${var.a}code } "), &NONE, 201,
          "${var.code } "); /* once */
}

static void test_paths(void **state)
{
    (void) state;
    static const struct spec_options NONE = {0};
    struct spec *spec = spec_bed_with(OPENAPI VARS "    p: {default: '/v1'}\n"
                                                   "paths: {'${var.p}/ws': {get: {}}}\n",
                                      &NONE);
    assert_string_equal(spec->routes[0].path, "/v1/ws");
    spec_unref(spec);
}

static void test_what_is_refused(void **state)
{
    (void) state;
    static const struct spec_options NONE = {0}, SOME = {.variables = SET, .n_variables = 2};
    static const struct bad_spec BAD[] = {
        {OPENAPI VARS CODE SAYS("${var.b}"), 6,
         "/ws.message.content: expected a variable that x-yc-apigateway.variables declares, got "
         "\"b\""},
        {OPENAPI VARS CODE SAYS("${var.b"), 6, "expected ${var.NAME}, got \"${var.b\""},
        {OPENAPI VARS CODE "    a: {enum: [1]}\n" SAYS(""), 6, "a: expected a default, or a value"},
        {OPENAPI VARS CODE "    a: {default: 1, enum: [2, 3]}\n" SAYS(""), 6,
         "a: expected one of its enum, got \"1\""},
        {OPENAPI VARS CODE "    a: 1\n" SAYS(""), 6, "a: expected a mapping"},
        {OPENAPI VARS CODE "    a: {default: 1, enum: 2}\n" SAYS(""), 6, "enum: expected a list"},
        {OPENAPI VARS CODE "    'a}': {default: 1}\n" SAYS(""), 6, "expected a name without '}'"},
        {OPENAPI "x-yc-apigateway: {variables: []}\npaths: {}\n", 3,
         "expected a mapping, got a li"},
        {OPENAPI VARS "    code: {default: abc}\n" SAYS(""), 6,
         "http_code: expected a number from 200 to 599, got \"abc\""},
        {OPENAPI VARS "    p: {default: /a}\npaths: {'/a': {}, '${var.p}': {}}\n", 6,
         "expected each path once"},
    };
    static const struct bad_spec BAD_SET[] = {
        {OPENAPI VARS CODE "    a: {default: b, enum: [b]}\n" SAYS(""), 6,
         "a: expected one of its enum, got \"set\""},
        {OPENAPI VARS CODE SAYS(""), 4,
         "gateway.variables: expected variables that the specification declares, got \"a\""},
        {OPENAPI "paths: {}\n", 1, "expected variables that the specification declares, got \"a\""},
    };
    spec_bed_refused(BAD, ARRAY_LEN(BAD), &NONE);
    spec_bed_refused(BAD_SET, ARRAY_LEN(BAD_SET), &SOME);
}

/* A value that is used very often does not make more of a text than a text may be. */
static void test_blow_up(void **state)
{
    (void) state;
    struct problems problems = {.file = "f"};
    struct spec *spec = NULL;
    struct buf text;
    buf_init(&text, 4 << 20);
    assert_int_equal(buf_append_str(&text, OPENAPI VARS CODE "    a: {default: "), 0);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(buf_append_str(&text, "0123456789"), 0);
    assert_int_equal(buf_append_str(&text,
                                    "}\npaths: {/ws: {x-yc-apigateway-websocket-message: "
                                    "{x-yc-apigateway-integration: {type: dummy, content: '"),
                     0);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(buf_append_str(&text, "${var.a}"), 0);
    assert_int_equal(buf_append_str(&text, "'}}}}\n"), 0);
    static const struct spec_options NONE = {0};
    assert_int_equal(spec_parse(buf_slice(&text), &NONE, &problems, &spec), -EINVAL);
    assert_non_null(strstr(problems.at[0].text, "expected at most 262144 bytes, got more"));
    buf_clear(&text); /* nor does one that is made of variables which stand for nothing */
    problems.n = 0;
    int r = buf_append_str(&text,
                           OPENAPI VARS "    a: {default: ''}\npaths: {/ws: "
                                        "{x-yc-apigateway-websocket-message: "
                                        "{x-yc-apigateway-integration: {type: dummy, content: '");
    for (unsigned i = 0; i < 110000; i++)
        r |= buf_append_str(&text, "${var.a}");
    r |= buf_append_str(&text, "'}}}}\n");
    assert_int_equal(r, 0);
    assert_int_equal(spec_parse(buf_slice(&text), &NONE, &problems, &spec), -EINVAL);
    assert_non_null(strstr(problems.at[0].text, "expected at most 262144 bytes, got more"));
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_blow_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
