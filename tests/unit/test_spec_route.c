/* Tests of broker/base/spec_route.c and spec_operation.c: which paths speak WebSocket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spec_bed.h"

#define DUMMY "{x-yc-apigateway-integration: {type: dummy}}"
#define CLOUD "{x-yc-apigateway-integration: {type: cloud_functions, function_id: b09}}"

static void test_kinds(void **state)
{
    (void) state;
    struct spec *spec = spec_bed(OPENAPI "paths:\n"
                                         "  x-other: 5\n"
                                         "  /b:\n"
                                         "    get: " CLOUD "\n    x-yc-apigateway-any-method: {}\n"
                                         "  /a/{x}:\n"
                                         "    x-yc-apigateway-websocket-connect: " DUMMY "\n"
                                         "    x-yc-apigateway-websocket-message: " DUMMY "\n"
                                         "    x-yc-apigateway-websocket-disconnect: " DUMMY "\n"
                                         "    post: " CLOUD "\n"
                                         "  /half: {x-yc-apigateway-websocket-connect: " CLOUD "}\n"
                                         "  /none:\n"
                                         "  /part-{x}: {get: {}}\n");
    assert_int_equal(spec->n_routes, 4);
    const struct spec_route *b = &spec->routes[0], *a = &spec->routes[1], *half = &spec->routes[2];
    assert_string_equal(b->path, "/b");
    assert_int_equal(b->line, 5);
    assert_false(b->websocket);
    assert_string_equal(b->plain, "get (cloud_functions), x-yc-apigateway-any-method");
    assert_true(a->websocket);
    assert_int_equal(a->index, 1);
    assert_int_equal(a->connect->line, 9);
    assert_int_equal(a->message->line, 10);
    assert_int_equal(a->disconnect->line, 11);
    assert_string_equal(a->plain, "post (cloud_functions)");
    assert_false(half->websocket);
    assert_null(half->connect);
    assert_null(half->plain);
    spec_bed_noted(spec, "line 13: x-yc-apigateway-websocket-connect is passed over: without "
                         "x-yc-apigateway-websocket-message");
    spec_bed_noted(spec, "line 15: the path \"/part-{x}\" is passed over, it does not speak");
    spec_unref(spec);
}

static void test_no_paths(void **state)
{
    (void) state;
    struct spec *spec = spec_bed(OPENAPI "paths: {}\n");
    assert_int_equal(spec->n_routes, 0);
    spec_unref(spec);
}

static void test_notes(void **state)
{
    (void) state;
    struct spec *spec = spec_bed(
        OPENAPI "paths:\n  /a:\n    x-yc-apigateway-websocket-message:\n"
                "      x-yc-apigateway-integration: {type: dummy}\n"
                "      x-yc-apigateway-validator: {validateRequestBody: true}\n"
                "      responses: {200: {description: x, content: {a/b: {schema: {}}}}}\n");
    spec_bed_noted(spec, "line 7: x-yc-apigateway-validator is passed over");
    spec_unref(spec);
}

static void test_what_is_refused(void **state)
{
    (void) state;
#define MAPPED(event, more)                                                                        \
    OPENAPI "paths: {/a: {x-yc-apigateway-websocket-message: " DUMMY                               \
            ", x-yc-apigateway-websocket-" event ":\n {x-yc-apigateway-integration: {type: "       \
            "dummy},\n" more "}}}\n"
#define SCHEMA "content: {a/b: {schema: {$ref: '#/s'}}}"
    static const struct bad_spec BAD[] = {
        {OPENAPI, 1, "paths: expected the paths of the gateway, got none"},
        {OPENAPI "paths: []\n", 3, "paths: expected a mapping, got a list"},
        {OPENAPI "paths: {a: {}}\n", 3, "expected a path, got \"a\": it does not begin with '/'"},
        {OPENAPI "paths: {/a: 5}\n", 3, "paths./a: expected a mapping, got text"},
        {OPENAPI "paths: {/a: {$ref: '#/b'}}\n", 3, "a place that is in the document"},
        {OPENAPI "paths: {/a//: {x-yc-apigateway-websocket-message: " DUMMY "}}\n", 3,
         "expected a path, got \"/a//\": it has an empty segment"},
        {OPENAPI "paths: {/a: {}, /b: {}, /a: {}}\n", 3, "paths./a: expected each key once"},
        {OPENAPI "paths: {/a: {x-yc-apigateway-websocket-message: }}\n", 3,
         "/a.message.x-yc-apigateway-websocket-message: expected a mapping, got nothing"},
        {OPENAPI "paths: {/a: {x-yc-apigateway-websocket-message: {}}}\n", 3,
         "/a.message.x-yc-apigateway-integration: expected one, got none"},
        {OPENAPI "paths: {/a: {x-yc-apigateway-websocket-message: " CLOUD "}}\n", 3,
         "/a.message.type: expected an integration that does without the cloud, got cloud_func"},
        {OPENAPI "paths: {/a: {x-yc-apigateway-websocket-message: " DUMMY
                 ",\n x-yc-apigateway-websocket-disconnect: " CLOUD "}}\n",
         4, "/a.disconnect.type: expected an integration that does without"},
        {MAPPED("connect", "responses: {200: {x-yc-status-mapping: 201}}"), 5,
         "/a.connect.x-yc-status-mapping: expected none on a WebSocket operation"},
        {MAPPED("connect",
                "responses: {200: {" SCHEMA "}}}}}\ns: {x-yc-schema-mapping: {a: b}}\n#"),
         6, "/a.connect.x-yc-schema-mapping: expected none"},
        {MAPPED("disconnect", "requestBody: {" SCHEMA "}}}}\ns: {x-yc-schema-mapping: {a: b}}\n#"),
         6, "/a.disconnect.x-yc-schema-mapping: expected none"},
    };
    spec_bed_refused(BAD, ARRAY_LEN(BAD), &BED_OPTIONS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_no_paths),
        cmocka_unit_test(test_notes),
        cmocka_unit_test(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
