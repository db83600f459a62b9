/* Tests of broker/base/spec_explain.c and spec_say.c: what regcastd --check prints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spec_bed.h"

#define TEXT                                                                                       \
    OPENAPI                                                                                        \
    "servers: [{url: 'https://x.apigw.example/v1'}, {url: 'wss://{a}/'}]\n"                        \
    "x-yc-apigateway: {service_account_id: aje, validator: {}, smartWebSecurity: {}}\n"            \
    "paths:\n"                                                                                     \
    "  /plain: {get: {x-yc-apigateway-integration: {type: object_storage}}, post: {}}\n"           \
    "  /ws/{room}:\n"                                                                              \
    "    parameters: [{name: room, in: path}]\n"                                                   \
    "    x-yc-apigateway-cors: {origin: [https://a.org, https://b.org]}\n"                         \
    "    x-yc-apigateway-rate-limit: {$ref: '#/components/x-yc-apigateway-rate-limits/slow'}\n"    \
    "    x-yc-apigateway-websocket-connect:\n"                                                     \
    "      security: [{jwt: [read]}, {}]\n"                                                        \
    "      x-yc-apigateway-integration: {type: dummy, http_code: 204}\n"                           \
    "    x-yc-apigateway-websocket-message:\n"                                                     \
    "      security: [{key: []}]\n"                                                                \
    "      x-yc-apigateway-integration:\n"                                                         \
    "        type: http\n"                                                                         \
    "        url: https://example.com/r/{room}\n"                                                  \
    "        timeouts: {connect: 0.5, read: 5}\n"                                                  \
    "    x-yc-apigateway-websocket-disconnect:\n"                                                  \
    "      x-yc-apigateway-integration: {type: serverless_containers, container_id: bba0}\n"       \
    "    get: {}\n"                                                                                \
    "  /open:\n"                                                                                   \
    "    x-yc-apigateway-websocket-message: {x-yc-apigateway-integration: {type: dummy}}\n"        \
    "components:\n"                                                                                \
    "  x-yc-apigateway-rate-limits: {slow: {allRequests: {rpm: 6}}}\n"                             \
    "  securitySchemes:\n"                                                                         \
    "    jwt: {type: openIdConnect, x-yc-apigateway-authorizer: {type: jwt, jwksUri: 'http://k', " \
    "identitySource: {in: query, name: t}}}\n"                                                     \
    "    key: {type: apiKey, in: header, name: X-Key, x-yc-apigateway-authorizer: {type: "         \
    "function, function_id: d4e0}}\n"

static const char EXPLAINED[] =
    "/plain (line 6): does not speak WebSocket: 404\n"
    "  not served: get (object_storage), post\n"
    "/ws/{room} (line 7): speaks WebSocket\n"
    "  connect (line 11) -> dummy, answers 204\n"
    "  message (line 14) -> http POST https://example.com/r/{room}, connects within 500 ms, reads "
    "within 5000 ms\n"
    "  disconnect (line 20) -> container POST http://127.0.0.1:8080/box\n"
    "  security: jwt (jwt, scopes read), or anybody\n"
    "  and of message: key (function)\n"
    "  cors: https://a.org, https://b.org\n"
    "  rate limit: 6 handshakes a minute, slow\n"
    "  not served: get\n"
    "/open (line 23): speaks WebSocket\n"
    "  connect -> lets in\n"
    "  message (line 24) -> dummy, answers 200\n"
    "  disconnect -> tells nobody\n"
    "  security: anybody\n"
    "notes:\n"
    "line 3: servers only describe: \"/v1\" is not put in front of the paths, and no host is "
    "compared\n"
    "line 4: x-yc-apigateway.service_account_id is passed over: requests to backends carry no "
    "token "
    "of the cloud\n"
    "line 4: x-yc-apigateway.smartWebSecurity is passed over: put a web application firewall in "
    "front of the gateway\n"
    "line 4: x-yc-apigateway.validator is passed over: what clients send is not validated\n";

static void test_words(void **state)
{
    (void) state;
    struct buf out;
    struct spec *spec = spec_bed(TEXT);
    buf_init(&out, 1 << 16);
    assert_int_equal(spec_explain(spec, &out), 0);
    assert_int_equal(buf_append(&out, slice_of("", 1)), 0);
    assert_string_equal((const char *) out.data, EXPLAINED);
    buf_fini(&out);
    for (size_t limit = 0; limit < sizeof(EXPLAINED) - 1; limit++) {
        buf_init(&out, limit);
        assert_int_equal(spec_explain(spec, &out), -EMSGSIZE);
        buf_fini(&out);
    }
    spec_unref(spec);
}

/* It goes to a terminal. */
static void test_nothing_unprintable(void **state)
{
    (void) state;
    struct buf out;
    struct spec *spec = spec_bed(
        OPENAPI "security: [{\"s\\e[2J\": [\"a\\nb\"]}]\nx-yc-apigateway: {cors: {origin: '*'}}\n"
                "paths: {/a: {x-yc-apigateway-websocket-message: {x-yc-apigateway-integration: "
                "{type: dummy, \"\\e[5m\\nx\": 1}}, get: {x-yc-apigateway-integration: "
                "{type: \"\\e[1m\"}}}}\n"
                "components: {securitySchemes: {\"s\\e[2J\": {type: apiKey, in: query, name: a, "
                "x-yc-apigateway-authorizer: {type: function, function_id: d4e0}}}}\n");
    buf_init(&out, 1 << 16);
    assert_int_equal(spec_explain(spec, &out), 0);
    for (size_t i = 0; i < out.len; i++)
        assert_true(out.data[i] == '\n' || (out.data[i] >= ' ' && out.data[i] != 0x7f));
    buf_fini(&out);
    spec_unref(spec);
}

static void test_many_notes(void **state)
{
    (void) state;
    struct problems problems = {.file = "f"};
    struct spec *spec = NULL;
    struct buf text;
    buf_init(&text, 1 << 20);
    int r = buf_append_str(&text, OPENAPI "paths:\n");
    for (unsigned i = 0; i < 1000; i++)
        r |= buf_printf(&text, "  /a%u//: {get: {}}\n", i);
    assert_int_equal(r, 0);
    assert_int_equal(spec_parse(buf_slice(&text), &BED_OPTIONS, &problems, &spec), 0);
    spec_bed_noted(spec, "line 203: the path \"/a199//\"");
    spec_bed_noted(spec, "and 800 more\n");
    spec_unref(spec);
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_nothing_unprintable),
        cmocka_unit_test(test_many_notes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
