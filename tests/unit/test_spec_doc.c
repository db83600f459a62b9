/* Tests of broker/base/spec_doc.c: references inside the document, and surrogate pairs of JSON. */
#include "spec_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spec_bed.h"

static void test_pairs(void **state)
{
    (void) state;
    static const struct {
        const char *json, *yaml;
    } TEXTS[] = {
        {"{\"a\":\"\\ud83d\\ude00\"}", "{\"a\":\"\\U0001F600\"}"},
        {" \n{\"a\":\"x\\uD83D\\uDE00y\\n\\ud83d\\ude01\"}",
         " \n{\"a\":\"x\\U0001F600y\\n\\U0001F601\"}"},
        {"\xef\xbb\xbf{\"\\ud83d\\ude00\":1}", "\xef\xbb\xbf{\"\\U0001F600\":1}"},
        {"{\"a\":\"\\\\ud83d\\\\ude00\"}", "{\"a\":\"\\\\ud83d\\\\ude00\"}"},
        {"{\"a\":\"\\\"\\ud83d\\ude00\"}", "{\"a\":\"\\\"\\U0001F600\"}"},
        {"{\"a\":\"\\ud83d\"}", "{\"a\":\"\\ud83d\"}"},
        {"{\"a\":\"\\ude00\\ud83d\"}", "{\"a\":\"\\ude00\\ud83d\"}"},
        {"{\"a\":\"\\u0041\"}", "{\"a\":\"\\u0041\"}"},
        {"{a: '\\ud83d\\ude00', \"b\": \"\\ud83d\\ude00\"}",
         "{a: '\\ud83d\\ude00', \"b\": \"\\ud83d\\ude00\"}"},
        {"a: \"\\ud83d\\ude00\"", "a: \"\\ud83d\\ude00\""},
        {"{\"a\":\"\\", "{\"a\":\"\\"},
        {"{\"a\":\"\\ud83d\\u", "{\"a\":\"\\ud83d\\u"},
        {"", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        struct buf out;
        buf_init(&out, 1024);
        assert_int_equal(spec_doc_pairs(slice_str(TEXTS[i].json), &out), 0);
        if (!slice_eq_str(buf_slice(&out), TEXTS[i].yaml))
            fail_msg("%s: got %.*s", TEXTS[i].json, (int) out.len, (const char *) out.data);
        buf_fini(&out);
    }
}

/* What the text of the dummy of the first path is. */
static void assert_says(const char *text, const char *says)
{
    char got[1024];
    struct spec *spec = spec_bed(text);
    assert_string_equal(spec_bed_text(&spec->routes[0].message->integration.contents[0].text, got),
                        says);
    spec_unref(spec);
}

static void test_json(void **state)
{
    (void) state;
    assert_says("{\n\t\"openapi\":\"3.0.0\",\"paths\":{\"\\/ws\":{\r\n"
                "\t\"x-yc-apigateway-websocket-message\":{\"responses\":{\"200\":{}},"
                "\"x-yc-apigateway-integration\":{\"type\":\"dummy\",\"http_code\":200,"
                "\"content\":{\"*\":\"\\ud83d\\ude00\\t\\u00e4 \\/\"}}}}}}\n",
                "\xf0\x9f\x98\x80\t\xc3\xa4 /");
}

#define REF(ref, components)                                                                       \
    OPENAPI "paths:\n  /ws:\n    x-yc-apigateway-websocket-message:\n"                             \
            "      x-yc-apigateway-integration:\n        $ref: '" ref "'\n"                        \
            "components:\n  x-yc-apigateway-integrations:\n" components

static void test_references(void **state)
{
    (void) state;
    assert_says(REF("#/components/x-yc-apigateway-integrations/a",
                    "    a: {type: dummy, content: {'*': yes it is}}\n"),
                "yes it is");
    assert_says(REF("#/components/x-yc-apigateway-integrations/a~1b~0c~01",
                    "    a/b~c~1: {type: dummy, content: {'*': x}}\n"),
                "x");
    assert_says(REF("#/components/x-yc-apigateway-integrations/%7Ba%7D%20b",
                    "    '{a} b': {type: dummy, content: {'*': x}}\n"),
                "x");
    assert_says(REF("#/components/x-yc-apigateway-integrations/a",
                    "    a: {$ref: '#/components/x-yc-apigateway-integrations/b/1'}\n"
                    "    b: [1, {type: dummy, content: {'*': x}}]\n"),
                "x");
    assert_says(OPENAPI "paths:\n  /ws: {$ref: '#/components/x'}\n"
                        "components: {x: {x-yc-apigateway-websocket-message: {$ref: '#/y/0'}}}\n"
                        "y: [{x-yc-apigateway-integration: {type: dummy, content: x}}]\n",
                "x");
}

static void test_references_that_are_refused(void **state)
{
    (void) state;
    static const struct bad_spec BAD[] = {
        {REF("#/components/x-yc-apigateway-integrations/b", "    a: {type: dummy}\n"), 7,
         "/ws.message.$ref: expected a place that is in the document, got \"#/comp"},
        {REF("#/components/x-yc-apigateway-integrations/b/2", "    b: [1, 2]\n"), 7,
         "a place that"},
        {REF("#/components/x-yc-apigateway-integrations/b/x", "    b: [1, 2]\n"), 7,
         "a place that"},
        {REF("#/components/x-yc-apigateway-integrations/b/x", "    b: 1\n"), 7, "a place that"},
        {REF("other.yaml#/a", "    b: 1\n"), 7, "expected a place in this document"},
        {REF("#", "    b: 1\n"), 7, "expected a place in this document"},
        {REF("#/components/x-yc-apigateway-integrations/a",
             "    a: {$ref: '#/components/x-yc-apigateway-integrations/a'}\n"),
         10, "a circle of them"},
        {REF("#/components/x-yc-apigateway-integrations/a",
             "    a: {$ref: '#/components/x-yc-apigateway-integrations/b'}\n"
             "    b: {$ref: '#/components/x-yc-apigateway-integrations/a'}\n"),
         11, "a circle of them"},
        {REF("#/components/x-yc-apigateway-integrations/a", "    a: {$ref: [1]}\n"), 10,
         "got no text"},
        {REF("#/components/x-yc-apigateway-integrations/a", "    a: [1]\n"), 10,
         "expected a mapping, got a list"},
    };
    spec_bed_refused(BAD, ARRAY_LEN(BAD), &BED_OPTIONS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_references_that_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
