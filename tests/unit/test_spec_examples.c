/* Tests of broker/base/spec*.c: specifications like those of the original's documentation, written
 * anew, are read as it says; also those that are only for plain HTTP, of which nothing is served.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spec_bed.h"

#define FUNCTION "{type: cloud_functions, function_id: b095c95icnvb, tag: $latest}"
#define SAYS_HI                                                                                    \
    "        type: dummy\n        content:\n          '*': \"Hello!\"\n        http_code: 200\n"   \
    "        http_headers:\n          'Content-Type': \"text/plain\"\n"

/* Each is accepted, and these are its paths; '+' in front: speaks WebSocket. */
static const struct {
    const char *what, *text, *paths;
} EXAMPLES[] = {
    {"a static answer to each message",
     OPENAPI "paths:\n  /chat:\n    x-yc-apigateway-websocket-message:\n"
             "      x-yc-apigateway-integration:\n" SAYS_HI,
     "+/chat"},
    {"parameters of plain paths",
     OPENAPI "paths:\n  /hello/{name}:\n    get:\n      operationId: hello\n      parameters:\n"
             "      - {name: name, in: path, required: true, schema: {type: string}}\n"
             "      x-yc-apigateway-integration:\n        type: dummy\n"
             "        content: {'*': 'Hello {name}, {nobody}'}\n",
     "/hello/{name}"},
    {"any method, all paths",
     OPENAPI "paths:\n  /{proxy+}:\n    x-yc-apigateway-any-method:\n"
             "      x-yc-apigateway-integration: {type: serverless_containers, container_id: no}\n"
             "      parameters:\n      - explode: false\n        in: path\n        name: proxy\n"
             "        required: false\n        schema: {default: '-', type: string}\n"
             "        style: simple\n",
     "/{proxy+}"},
    {"greedy parameters",
     OPENAPI "paths:\n  /static/{file+}:\n    get:\n      parameters:\n"
             "      - {name: file, in: path, required: true, schema: {type: string}}\n"
             "      x-yc-apigateway-integration: {type: object_storage, bucket: b, object: "
             "'{file}', error_object: e.html}\n"
             "  /prefix/{param+}/suffix:\n    get: {}\n",
     "/static/{file+} /prefix/{param+}/suffix"},
    {"all of it goes to a backend",
     OPENAPI "paths:\n  /{path+}:\n    x-yc-apigateway-websocket-message:\n"
             "      x-yc-apigateway-integration:\n        type: http\n"
             "        url: https://example.com/{path}\n        query:\n          '*': '*'\n"
             "          foo_param: \"\"\n          bar_param: [ \"one\", \"two\" ]\n"
             "        headers:\n          Host: example.com\n          '*': '*'\n"
             "          Foo-Header: \"\"\n          Single-header: three\n"
             "        omitEmptyHeaders: true\n        omitEmptyQueryParameters: true\n"
             "      parameters:\n      - {name: path, in: path, required: false}\n",
     "+/{path+}"},
    {"the id of a connection in an URL",
     OPENAPI "paths:\n  /ws:\n    x-yc-apigateway-websocket-message:\n"
             "      x-yc-apigateway-integration:\n        type: http\n        method: PUT\n"
             "        url: https://example.com/c/{X-Yc-Apigateway-Websocket-Connection-Id}\n"
             "      parameters:\n      - name: X-Yc-Apigateway-Websocket-Connection-Id\n"
             "        in: header\n        schema: {type: string}\n",
     "+/ws"},
    {"variables",
     OPENAPI "x-yc-apigateway:\n  variables:\n    environment:\n      default: \"prod\"\n"
             "      enum:\n      - \"prod\"\n      - \"testing\"\n      description: \"Where\"\n"
             "paths:\n  /env/info:\n    x-yc-apigateway-websocket-message:\n"
             "      x-yc-apigateway-integration:\n        type: dummy\n"
             "        content: {'*': 'It is ${var.environment}'}\n",
     "+/env/info"},
    {"a validator, a profile, an account",
     "openapi: \"3.0.0\"\nx-yc-apigateway:\n  smartWebSecurity: {securityProfileId: fev6}\n"
     "  service_account_id: aje\n  validator:\n    $ref: \"#/components/x-yc-apigateway-validators/"
     "v\"\ninfo: {version: 1.0.0, title: Pets, license: {name: MIT}}\npaths:\n  /:\n"
     "    x-yc-apigateway-websocket-message:\n      x-yc-apigateway-integration:\n" SAYS_HI
     "components: {x-yc-apigateway-validators: {v: {validateRequestParameters: true}}}\n",
     "+/"},
    {"rules of CORS and rates of plain paths",
     OPENAPI "x-yc-apigateway:\n  cors: {origin: '*', methods: '*', allowedHeaders: '*'}\n"
             "  rateLimit: {allRequests: {rps: 10}}\npaths:\n  /pets/{petId}:\n"
             "    x-yc-apigateway-cors: {origin: false}\n"
             "    x-yc-apigateway-rate-limit: {allRequests: {rpm: 100}}\n    options:\n"
             "      parameters:\n      - in: path\n        name: petId\n        required: true\n"
             "      x-yc-apigateway-integration: " FUNCTION "\n"
             "components: {schemas: {Pet: {type: object, properties: {id: {type: integer}}}}}\n",
     "/pets/{petId}"},
    {"mappings of plain answers",
     OPENAPI "paths:\n  /pets:\n    get:\n      responses:\n        200:\n          content:\n"
             "            application/json:\n              schema:\n"
             "                x-yc-schema-mapping: {type: static, template: {Name: Dog}}\n"
             "          x-yc-status-mapping: 201\n"
             "      x-yc-apigateway-integration: " FUNCTION "\n",
     "/pets"},
    {"a token in a header",
     OPENAPI "paths:\n  /jwt:\n    x-yc-apigateway-websocket-connect:\n      security:\n"
             "      - jwtHeader:\n        - profile:read\n        - profile:write\n"
             "      x-yc-apigateway-integration:\n" SAYS_HI
             "    x-yc-apigateway-websocket-message:\n      x-yc-apigateway-integration:\n" SAYS_HI
             "components:\n  securitySchemes:\n    jwtHeader:\n      type: openIdConnect\n"
             "      openIdConnectUrl: https://example.com/.well-known/openid-configuration\n"
             "      x-yc-apigateway-authorizer:\n        type: jwt\n"
             "        authorizer_result_ttl_in_seconds: 3000\n        jwkTtlInSeconds: 5000\n"
             "        jwksUri: https://example.com/.well-known/jwks.json\n"
             "        issuers:\n          - https://example.com\n        audiences: [a-1, a-2]\n"
             "        identitySource: {in: header, name: Authorization, prefix: \"Bearer \"}\n"
             "        requiredClaims:\n          - role\n",
     "+/jwt"},
    {"a WebSocket path whose plain methods need the cloud",
     OPENAPI "paths:\n  /ws:\n    get:\n      x-yc-apigateway-integration: " FUNCTION "\n"
             "    x-yc-apigateway-websocket-message:\n      x-yc-apigateway-integration:\n" SAYS_HI
             "  /queue: {post: {x-yc-apigateway-integration: {type: cloud_ymq, action: Send}}}\n"
             "  /db: {post: {x-yc-apigateway-integration: {type: cloud_ydb}}}\n"
             "  /stream: {post: {x-yc-apigateway-integration: {type: cloud_datastreams}}}\n",
     "+/ws /queue /db /stream"},
    {"functions on all three operations, of a path without messages",
     OPENAPI "paths:\n  /ws:\n    x-yc-apigateway-websocket-connect:\n"
             "      x-yc-apigateway-integration: " FUNCTION "\n",
     "/ws"},
};

static void test_examples(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(EXAMPLES); i++) {
        struct spec *spec = spec_bed(EXAMPLES[i].text);
        struct buf paths;
        buf_init(&paths, 4096);
        for (size_t k = 0; k < spec->n_routes; k++)
            assert_int_equal(buf_printf(&paths, "%s%s%s", k > 0 ? " " : "",
                                        spec->routes[k].websocket ? "+" : "", spec->routes[k].path),
                             0);
        if (!slice_eq_str(buf_slice(&paths), EXAMPLES[i].paths))
            fail_msg("%s: got %.*s", EXAMPLES[i].what, (int) paths.len, (const char *) paths.data);
        buf_fini(&paths);
        spec_unref(spec);
    }
}

/* The original's example of a chat by a function: all three operations need the cloud. */
static void test_functions(void **state)
{
    (void) state;
    struct problems problems = {.file = "f"};
    struct spec *spec = NULL;
    static const char TEXT[] = OPENAPI "paths:\n  /ws:\n"
                                       "    x-yc-apigateway-websocket-connect:\n"
                                       "      x-yc-apigateway-integration: " FUNCTION "\n"
                                       "    x-yc-apigateway-websocket-message:\n"
                                       "      x-yc-apigateway-integration: " FUNCTION "\n"
                                       "    x-yc-apigateway-websocket-disconnect:\n"
                                       "      x-yc-apigateway-integration: " FUNCTION "\n";
    assert_int_equal(spec_parse(slice_str(TEXT), &BED_OPTIONS, &problems, &spec), -EINVAL);
    assert_int_equal(problems.n, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(problems.at[i].line, 6 + 2 * i);
        assert_non_null(strstr(problems.at[i].text, "got cloud_functions: use type http with"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_functions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
