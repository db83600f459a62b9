/* Tests of gateway/backend/integration.c: what a backend is asked. */
#include "integration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "integration_bed.h"

#define X     PARAM("query", "x")
#define ID    "X-Yc-Apigateway-Websocket-Connection-Id: c1"
#define EVENT "X-Yc-Apigateway-Websocket-Event-Type: MESSAGE"
#define JSON  "application/json"

struct call_case {
    const char *name, *route, *parameters, *integration;
    struct bed_ask ask;
    int r;
    const char *request;
};

/* The path is /a/{p} where the case says nothing else. */
static const struct call_case URLS[] = {
    {"the plainest",
     NULL,
     X,
     "{type: http, url: 'http://h/b'}",
     {.target = "/a/1?x=2"},
     0,
     "POST http://h/b\n"},
    {"a method",
     NULL,
     X,
     "{type: http, url: 'http://h/b', method: put}",
     {.target = "/a/1"},
     0,
     "PUT http://h/b\n"},
    {"path and query",
     NULL,
     X "," PARAM("path", "p"),
     "{type: http, url: 'https://h:81/b/{p}?y={x}&z'}",
     {.target = "/a/1%202?x=%26"},
     0,
     "POST https://h:81/b/1%202?y=%26&z\n"},
    {"the original's proxy, its path",
     "/{path+}",
     PARAM("path", "path"),
     "{type: http, url: 'https://h/{path}'}",
     {.target = "/a/b%20c/d.html?x=1"},
     0,
     "POST https://h/a/b%20c/d.html\n"},
    {"the path of a slash at the end",
     "/{path+}",
     PARAM("path", "path"),
     "{type: http, url: 'https://h/{path}'}",
     {.target = "/a/b/"},
     0,
     "POST https://h/a/b\n"},
    {"a query of its own",
     NULL,
     X,
     "{type: http, url: 'http://h/b', query: {y: '{x}', z: [1, '2&']}}",
     {.target = "/a/1?x=%0d%0a%20"},
     0,
     "POST http://h/b?y=%0D%0A%20&z=1%2C2%26\n"},
    {"without a path",
     NULL,
     X,
     "{type: http, url: 'http://h', query: {y: 1}}",
     {.target = "/a/1"},
     0,
     "POST http://h?y=1\n"},
    {"behind a query that the URL has",
     NULL,
     X,
     "{type: http, url: 'http://h/b?c', query: {y: 1}}",
     {.target = "/a/1"},
     0,
     "POST http://h/b?c&y=1\n"},
    {"behind an empty one",
     NULL,
     X,
     "{type: http, url: 'http://h/b?', query: {y: 1}}",
     {.target = "/a/1"},
     0,
     "POST http://h/b?y=1\n"},
    {"behind an '&'",
     NULL,
     X,
     "{type: http, url: 'http://h/b?c&', query: {y: 1}}",
     {.target = "/a/1"},
     0,
     "POST http://h/b?c&y=1\n"},
    {"behind one that is of the path",
     NULL,
     X,
     "{type: http, url: 'http://h/b&', query: {'*': '*'}}",
     {.target = "/a/1?/x&y"},
     0,
     "POST http://h/b&?/x&y\n"},
    {"names are encoded",
     NULL,
     X,
     "{type: http, url: 'http://h/b', query: {'y z&': 1}}",
     {.target = "/a/1"},
     0,
     "POST http://h/b?y%20z%26=1\n"},
    {"empty ones are sent",
     NULL,
     X,
     "{type: http, url: 'http://h/b', query: {y: '{x}', z: ''}}",
     {.target = "/a/1"},
     0,
     "POST http://h/b?y=&z=\n"},
    {"or not",
     NULL,
     X,
     "{type: http, url: 'http://h/b', query: {y: '{x}', z: 1, n: null}, "
     "omitEmptyQueryParameters: true}",
     {.target = "/a/1"},
     0,
     "POST http://h/b?z=1\n"},
    {"all of the query, as it was written",
     NULL,
     X,
     "{type: http, url: 'http://h/b', query: {'*': '*'}}",
     {.target = "/a/1?b=%20&a=+&b=2&c&=d&&e=%zz"},
     0,
     "POST http://h/b?b=%20&a=+&b=2&c&=d&e=%zz\n"},
    {"but for those that are named",
     NULL,
     X,
     "{type: http, url: 'http://h/b', query: {'*': '*', foo: '', bar: [one, two]}, "
     "omitEmptyQueryParameters: true}",
     {.target = "/a/1?foo=1&%66oo=2&fo=3&bar=4&Foo=5"},
     0,
     "POST http://h/b?bar=one%2Ctwo&fo=3&Foo=5\n"},
    {"no query at all",
     NULL,
     X,
     "{type: http, url: 'http://h/b', query: {'*': '*'}}",
     {.target = "/a/1?"},
     0,
     "POST http://h/b\n"},
    {"a value that would climb",
     NULL,
     X,
     "{type: http, url: 'http://h/b/{x}'}",
     {.target = "/a/1?x=.."},
     -EINVAL,
     ""},
    {"behind encoded slashes",
     NULL,
     X,
     "{type: http, url: 'http://h/b/{x}'}",
     {.target = "/a/1?x=%2e%2e%2fb"},
     -EINVAL,
     ""},
    {"from a header",
     NULL,
     PARAM("header", "X-H"),
     "{type: http, url: 'http://h/b/{X-H}/c'}",
     {.target = "/a/1", .headers = {"X-H: .."}},
     -EINVAL,
     ""},
    {"from a cookie",
     NULL,
     PARAM("cookie", "s"),
     "{type: http, url: 'http://h/b/{s}'}",
     {.target = "/a/1", .headers = {"Cookie: s=%2e%2e"}},
     -EINVAL,
     ""},
    {"an absolute URL",
     NULL,
     X,
     "{type: http, url: 'http://h/{x}'}",
     {.target = "/a/1?x=https://evil@e:1/%23"},
     0,
     "POST http://h/https%3A%2F%2Fevil%40e%3A1%2F%23\n"},
    {"a required parameter is missing",
     NULL,
     "{name: x, in: query, required: true, schema: {type: string}}",
     "{type: http, url: 'http://h/b'}",
     {.target = "/a/1?y=1"},
     -EINVAL,
     ""},
};

static const struct call_case HEADERS[] = {
    {"of the client only who it is",
     NULL,
     X,
     "{type: http, url: 'http://h/b'}",
     {.target = "/a/1",
      .headers = {"Host: g", "User-Agent: curl", "Cookie: a=b", "Authorization: Basic x",
                  "Accept: */*", "Origin: o"},
      .own = {ID, EVENT}},
     0,
     "POST http://h/b\nUser-Agent: curl\n" ID "\n" EVENT "\n"},
    {"or who the specification says",
     NULL,
     X,
     "{type: http, url: 'http://h/b', headers: {user-agent: me}}",
     {.target = "/a/1", .headers = {"User-Agent: curl"}},
     0,
     "POST http://h/b\nuser-agent: me\n"},
    {"or nobody",
     NULL,
     X,
     "{type: http, url: 'http://h/b', headers: {User-Agent: null}, omitEmptyHeaders: true}",
     {.target = "/a/1", .headers = {"User-Agent: curl"}},
     0,
     "POST http://h/b\n"},
    {"texts and lists",
     NULL,
     X,
     "{type: http, url: 'http://h/b', headers: {A: '<{x}>', B: [one, '{x}'], C: '', D: null}}",
     {.target = "/a/1?x=1+2"},
     0,
     "POST http://h/b\nA: <1 2>\nB: one,1 2\nC: \nD: \n"},
    {"nothing but empty ones",
     NULL,
     X,
     "{type: http, url: 'http://h/b', headers: {A: '{x}', B: ''}}",
     {.target = "/a/1"},
     0,
     "POST http://h/b\nA: \nB: \n"},
    {"empty ones left out",
     NULL,
     X,
     "{type: http, url: 'http://h/b', headers: {A: '{x}', B: 1, D: null}, omitEmptyHeaders: true}",
     {.target = "/a/1"},
     0,
     "POST http://h/b\nB: 1\n"},
    {"everything",
     NULL,
     X,
     "{type: http, url: 'http://h/b', headers: {'*': '*'}}",
     {.target = "/a/1",
      .headers = {"Host: g", "User-Agent: curl", "Cookie: a=b", "Authorization: Basic x",
                  "Connection: Upgrade, X-Hop", "X-Hop: 1", "Accept-Encoding: gzip",
                  "Content-Encoding: br", "X-B: 1", "X-B: 2"}},
     0,
     "POST http://h/b\nUser-Agent: curl\nCookie: a=b\nAuthorization: Basic x\nX-B: 1\nX-B: 2\n"},
    {"but not what is a connection's or ours",
     NULL,
     X,
     "{type: http, url: 'http://h/b', headers: {'*': '*'}}",
     {.target = "/a/1",
      .headers = {"Transfer-Encoding: chunked", "Content-Length: 5", "Expect: 100-continue",
                  "TE: trailers", "Trailer: x", "Upgrade: websocket", "Keep-Alive: 1",
                  "Proxy-Authorization: Basic x", "Sec-WebSocket-Key: k",
                  "Sec-WebSocket-Version: 13", "Sec-WebSocket-Extensions: x",
                  "x-yc-apigateway-websocket-connection-id: forged",
                  "X-Yc-Apigateway-Operation-Context: forged", "A: b"},
      .own = {ID}},
     0,
     "POST http://h/b\nA: b\n" ID "\n"},
    {"ours cannot be taken away",
     NULL,
     X,
     "{type: http, url: 'http://h/b', headers: {'*': '*'}}",
     {.target = "/a/1",
      .headers = {"Connection: X-Yc-Apigateway-Websocket-Connection-Id"},
      .own = {ID}},
     0,
     "POST http://h/b\n" ID "\n"},
    {"nor be said by the specification",
     NULL,
     X,
     "{type: http, url: 'http://h/b', headers: {X-Yc-Apigateway-Websocket-Connection-Id: x}}",
     {.target = "/a/1", .own = {ID}},
     0,
     "POST http://h/b\n" ID "\n"},
    {"the original's example of all but one",
     NULL,
     X,
     "{type: http, url: 'http://h/b', headers: {Host: example.com, '*': '*', Foo-Header: '', "
     "Bar-Header: [one, two], Single-header: three}, omitEmptyHeaders: true}",
     {.target = "/a/1", .headers = {"foo-header: 1", "BAR-HEADER: 2", "Baz: 3"}},
     0,
     "POST http://h/b\nBar-Header: one,two\nSingle-header: three\nBaz: 3\n"},
    {"subprotocols",
     NULL,
     X,
     "{type: http, url: 'http://h/b'}",
     {.target = "/a/1", .headers = {"Sec-WebSocket-Protocol: a, b"}, .method = "GET"},
     0,
     "GET http://h/b\nSec-WebSocket-Protocol: a, b\n"},
    {"which are of the handshake only",
     NULL,
     PARAM("header", "Sec-WebSocket-Protocol"),
     "{type: http, url: 'http://h/b', headers: {'*': '*', X-P: '{Sec-WebSocket-Protocol}'}}",
     {.target = "/a/1", .headers = {"Sec-WebSocket-Protocol: a, b"}, .type = JSON, .body = "hi"},
     0,
     "POST http://h/b\nX-P: a, b\nContent-Type: application/json\n"},
    {"names that a program takes for others",
     NULL,
     X,
     "{type: http, url: 'http://h/b', headers: {'*': '*', X-Room: '{x}'}}",
     {.target = "/a/1?x=1",
      .headers = {"X_Yc_Apigateway_Websocket_Connection_Id: forged",
                  "x-yc_apigateway-operation_context: forged", "X_Room: forged", "x_room: forged",
                  "Transfer_Encoding: chunked", "Proxy_Authorization: x", "Sec_WebSocket_Key: k",
                  "X_Other: theirs", "_: theirs"},
      .own = {ID}},
     0,
     "POST http://h/b\nX-Room: 1\nX_Other: theirs\n_: theirs\n" ID "\n"},
    {"a type is not said by another name",
     NULL,
     X,
     "{type: http, url: 'http://h/b', headers: {Content_Type: text/csv}}",
     {.target = "/a/1", .type = JSON, .body = "hi"},
     0,
     "POST http://h/b\nContent_Type: text/csv\nContent-Type: application/json\n"},
    {"subprotocols that the specification says",
     NULL,
     PARAM("header", "Sec-WebSocket-Protocol"),
     "{type: http, url: 'http://h/b', headers: {Sec-WebSocket-Protocol: "
     "'{Sec-WebSocket-Protocol},c'}}",
     {.target = "/a/1", .headers = {"sec-websocket-protocol: a, b"}},
     0,
     "POST http://h/b\nSec-WebSocket-Protocol: a, b,c\n"},
    {"the type of a message",
     NULL,
     X,
     "{type: http, url: 'http://h/b', headers: {'*': '*'}}",
     {.target = "/a/1", .headers = {"Content-Type: x/y"}, .type = JSON, .body = "hi"},
     0,
     "POST http://h/b\nContent-Type: application/json\n"},
    {"the original's proxy, its type",
     NULL,
     PARAM("header", "Content-Type"),
     "{type: http, url: 'http://h/b', headers: {Content-Type: '{Content-Type}'}}",
     {.target = "/a/1", .type = "application/octet-stream", .body = "hi"},
     0,
     "POST http://h/b\nContent-Type: application/octet-stream\n"},
    {"a type that the specification says",
     NULL,
     X,
     "{type: http, url: 'http://h/b', headers: {content-type: text/csv}}",
     {.target = "/a/1", .type = JSON, .body = "hi"},
     0,
     "POST http://h/b\ncontent-type: text/csv\n"},
    {"what is named goes",
     NULL,
     PARAM("header", "Authorization") "," PARAM("cookie", "s"),
     "{type: http, url: 'http://h/b', headers: {Authorization: '{Authorization}', X-S: '{s}'}}",
     {.target = "/a/1", .headers = {"authorization: Bearer t", "Cookie: s=1; t=2"}},
     0,
     "POST http://h/b\nAuthorization: Bearer t\nX-S: 1\n"},
    {"bytes beyond ASCII",
     NULL,
     X,
     "{type: http, url: 'http://h/b', headers: {'*': '*', A: '{x}'}}",
     {.target = "/a/1?x=%c3%a4%ff", .headers = {"B: \xe4"}},
     0,
     "POST http://h/b\nA: \xc3\xa4\xff\nB: \xe4\n"},
    {"a line end out of a query",
     NULL,
     X,
     "{type: http, url: 'http://h/b', headers: {A: '{x}'}}",
     {.target = "/a/1?x=1%0d%0aX:%20y"},
     -EINVAL,
     ""},
    {"a NUL",
     NULL,
     X,
     "{type: http, url: 'http://h/b', headers: {A: '{x}'}}",
     {.target = "/a/1?x=%00"},
     -EINVAL,
     ""},
    {"a line end out of a path",
     NULL,
     PARAM("path", "p"),
     "{type: http, url: 'http://h/b', headers: {A: '{p}'}}",
     {.target = "/a/1%0aX:y"},
     -EINVAL,
     ""},
    {"a raw one in a header",
     NULL,
     X,
     "{type: http, url: 'http://h/b', headers: {'*': '*'}}",
     {.target = "/a/1", .headers = {"A: 1\rX: y"}},
     -EINVAL,
     ""},
    {"in a cookie that is a value",
     NULL,
     PARAM("cookie", "s"),
     "{type: http, url: 'http://h/b', headers: {A: '{s}'}}",
     {.target = "/a/1", .headers = {"Cookie: s=1\nX: y"}},
     -EINVAL,
     ""},
    {"where nobody takes it, it does not matter",
     NULL,
     X,
     "{type: http, url: 'http://h/b'}",
     {.target = "/a/1?x=%0d%0a", .headers = {"A: 1\rX: y"}},
     0,
     "POST http://h/b\n"},
};

static const struct call_case CONTAINERS[] = {
    {"everything as it was written",
     "/{rest+}",
     PARAM("query", "y"),
     "{type: serverless_containers, container_id: bba0}",
     {.target = "/a%20b/c/?x=%zz&&y=1&x=2",
      .headers = {"Host: g", "Cookie: a=b", "Accept-Encoding: br", "User-Agent: u",
                  "Sec-WebSocket-Protocol: p", "Connection: upgrade"},
      .own = {ID},
      .method = "GET"},
     0,
     "GET http://127.0.0.1:8080/box/a%20b/c/?x=%zz&y=1&x=2\nCookie: a=b\nUser-Agent: u\n"
     "Sec-WebSocket-Protocol: p\n" ID "\n"},
    {"the root",
     "/",
     X,
     "{type: serverless_containers, container_id: bba0}",
     {.target = "/"},
     0,
     "POST http://127.0.0.1:8080/box/\n"},
    {"an address that ends with a slash",
     "/{rest+}",
     X,
     "{type: serverless_containers, container_id: slash}",
     {.target = "/a"},
     0,
     "POST http://h/a\n"},
    {"dots, if anybody lets them come so far",
     "/{rest+}",
     X,
     "{type: serverless_containers, container_id: bba0}",
     {.target = "/a/%2E%2e/2"},
     -EINVAL,
     ""},
    {"dots with parameters behind them",
     "/{rest+}",
     X,
     "{type: serverless_containers, container_id: bba0}",
     {.target = "/a/..;x=1/2"},
     -EINVAL,
     ""},
    {"names that a program takes for others",
     "/",
     X,
     "{type: serverless_containers, container_id: bba0}",
     {.target = "/", .headers = {"X_Yc_Apigateway_Websocket_Event_Type: CONNECT", "X_A: b"}},
     0,
     "POST http://127.0.0.1:8080/box/\nX_A: b\n"},
    {"more slashes than one lead nowhere else",
     "/{rest+}",
     X,
     "{type: serverless_containers, container_id: bba0}",
     {.target = "//evil/b"},
     0,
     "POST http://127.0.0.1:8080/box//evil/b\n"},
};

static void run(const struct call_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct call_case *c = &cases[i];
        char text[4096];
        struct bed_request b;
        struct buf got;
        (void) snprintf(text, sizeof(text), OPERATION("%s", "%s", "%s"),
                        c->route == NULL ? "/a/{p}" : c->route, c->parameters, c->integration);
        struct spec *spec = spec_bed(text);
        int r = bed_call(spec->routes[0].message, bed_request(&b, &spec->routes[0], &c->ask), &got);
        if (r != c->r)
            fail_msg("%s: got %d", c->name, r);
        if (r == 0)
            bed_equal(c->name, &got, c->request);
        buf_fini(&got);
        spec_unref(spec);
    }
}

static void test_urls(void **state)
{
    (void) state;
    run(URLS, ARRAY_LEN(URLS));
}

static void test_headers(void **state)
{
    (void) state;
    run(HEADERS, ARRAY_LEN(HEADERS));
}

static void test_containers(void **state)
{
    (void) state;
    run(CONTAINERS, ARRAY_LEN(CONTAINERS));
}

static void test_bodies(void **state)
{
    (void) state;
    static const struct {
        const char *method, *type;
        bool has_body;
    } CASES[] = {
        {"POST", JSON, true}, {"POST", NULL, true}, {"PUT", NULL, true},     {"PATCH", NULL, true},
        {"GET", JSON, true},  {"GET", NULL, false}, {"DELETE", NULL, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char text[1024];
        const struct bed_ask ask = {.target = "/a", .type = CASES[i].type, .body = "hi"};
        struct bed_request b;
        struct integration_call call;
        (void) snprintf(text, sizeof(text),
                        OPERATION("/a", X,
                                  "{type: http, url: 'http://h/', method: %s, timeouts: "
                                  "{connect: 0.5, read: 7}}"),
                        CASES[i].method);
        struct spec *spec = spec_bed(text);
        assert_int_equal(integration_call(spec->routes[0].message,
                                          bed_request(&b, &spec->routes[0], &ask), 1, &call),
                         0);
        if (call.request.has_body != CASES[i].has_body)
            fail_msg("%s", CASES[i].method);
        assert_true(slice_eq_str(call.request.body, "hi"));
        assert_int_equal(call.request.connect_ms, 500);
        assert_int_equal(call.request.read_ms, 7000);
        integration_call_fini(&call);
        spec_unref(spec);
    }
}

int main(void)
{
    static const struct CMUnitTest TESTS[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_containers),
        cmocka_unit_test(test_bodies),
    };
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
