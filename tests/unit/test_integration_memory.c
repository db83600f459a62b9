/* Tests of gateway/backend/integration_memory.c: what later events have of their handshake. */
#include "integration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "heap.h"
#include "integration_bed.h"

#define WHO   "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
#define AGENT "{type: http, url: 'http://h/'}"
#define SAY   "{type: dummy, content: {'*': a}}"

#define BOTH(message, disconnect)                                                                  \
    OPENAPI "paths:\n  /{p}:\n    x-yc-apigateway-websocket-message: {" message                    \
            "}\n    x-yc-apigateway-websocket-disconnect: {" disconnect "}\n"
#define DOES(parameters, integration)                                                              \
    "parameters: [" parameters "], x-yc-apigateway-integration: " integration

static const struct bed_ask HANDSHAKE = {
    .target = "/kitchen?a=1&b=2",
    .headers = {"Host: h", "Connection: Upgrade, X-Hop", "Upgrade: websocket", WHO, "X-Hop: 1",
                "Cookie: s=1", "Cookie: t=2", "Accept: text/b", "X-A: 1", "X-A: 2",
                "Accept-Encoding: gzip", "X-Yc-Apigateway-Websocket-Message-Id: forged",
                "Sec-WebSocket-Protocol: p"},
    .own = {"X-Yc-Apigateway-Websocket-Connection-Id: c1",
            "X-Yc-Apigateway-Websocket-Event-Type: CONNECT"},
};

#define ADDED "X-Yc-Apigateway-Websocket-Event-Type: MESSAGE\n"

static const struct {
    const char *name, *spec;
    const char *kept; /* path, query and headers; NULL: nothing needs to be */
} CASES[] = {
    {"a dummy", BOTH(DOES("", SAY), DOES("", SAY)), NULL},
    {"a dummy that looks at Accept",
     BOTH(DOES("", "{type: dummy, content: {text/a: a, '*': b}}"), DOES("", SAY)),
     "?\nAccept: text/b\n"},
    {"a dummy with one type", BOTH(DOES("", SAY), DOES("", "{type: dummy, content: {text/b: a}}")),
     "?\nAccept: text/b\n"},
    {"http", BOTH(DOES("", AGENT), DOES("", SAY)), "?\n" WHO "\n"},
    {"http at the end", BOTH(DOES("", SAY), DOES("", AGENT)), "?\n" WHO "\n"},
    {"a path", BOTH(DOES(PARAM("path", "p"), SAY), DOES("", SAY)), "/kitchen?\n"},
    {"a query", BOTH(DOES("", SAY), DOES(PARAM("query", "a"), SAY)), "?a=1&b=2\n"},
    {"a header", BOTH(DOES(PARAM("header", "x-a"), SAY), DOES("", SAY)), "?\nX-A: 1\nX-A: 2\n"},
    {"a header of the end", BOTH(DOES("", SAY), DOES(PARAM("header", "x-a"), SAY)),
     "?\nX-A: 1\nX-A: 2\n"},
    {"one that is not passed on otherwise",
     BOTH(DOES(PARAM("header", "Host") "," PARAM("header", "X-Hop"), SAY), DOES("", SAY)),
     "?\nHost: h\nX-Hop: 1\n"},
    {"but nothing forged",
     BOTH(DOES(PARAM("header", "X-Yc-Apigateway-Websocket-Message-Id"), SAY), DOES("", SAY)), NULL},
    {"nor what was said of the handshake only",
     BOTH(DOES(PARAM("header", "X-Yc-Apigateway-Websocket-Event-Type"), SAY), DOES("", SAY)), NULL},
    {"a cookie", BOTH(DOES(PARAM("cookie", "t"), SAY), DOES("", SAY)),
     "?\nCookie: s=1\nCookie: t=2\n"},
    {"the whole query",
     BOTH(DOES("", "{type: http, url: 'http://h/', query: {'*': '*'}}"), DOES("", SAY)),
     "?a=1&b=2\n" WHO "\n"},
    {"all headers",
     BOTH(DOES("", "{type: http, url: 'http://h/', headers: {'*': '*'}}"), DOES("", SAY)),
     "?\nConnection: Upgrade, X-Hop\n" WHO
     "\nCookie: s=1\nCookie: t=2\nAccept: text/b\nX-A: 1\nX-A: 2\n"},
    {"a container",
     BOTH(DOES("", "{type: serverless_containers, container_id: bba0}"), DOES("", SAY)),
     "/kitchen?a=1&b=2\nConnection: Upgrade, X-Hop\n" WHO
     "\nCookie: s=1\nCookie: t=2\nAccept: text/b\nX-A: 1\nX-A: 2\n"},
};

static void recall(const struct integration_memory *m, const struct spec_route *route,
                   struct buf *ret)
{
    struct header headers[INTEGRATION_MAX_HEADERS];
    const struct header added = {SLICE_LIT("X-Yc-Apigateway-Websocket-Event-Type"),
                                 SLICE_LIT("MESSAGE")};
    struct integration_request r;
    integration_recall(m, route, &added, 1, headers, &r);
    assert_string_equal(r.method, "POST");
    assert_ptr_equal(r.route, route);
    assert_int_equal(r.n_own, 1);
    assert_null(r.content_type);
    assert_int_equal(r.body.len, 0);
    bed_put(ret, "", r.path, "?");
    bed_put(ret, "", r.query, "\n");
    for (size_t i = 0; i < r.n_headers; i++) {
        bed_put(ret, "", r.headers[i].name, ": ");
        bed_put(ret, "", r.headers[i].value, "\n");
    }
}

static void test_cases(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct spec *spec = spec_bed(CASES[i].spec);
        const struct spec_route *route = &spec->routes[0];
        struct bed_request b;
        struct buf got, expected;
        int err = 1;
        buf_init(&got, 4096);
        buf_init(&expected, 4096);
        struct integration_memory *m =
            integration_remember(bed_request(&b, route, &HANDSHAKE), &err);
        assert_int_equal(err, 0);
        if ((m == NULL) != (CASES[i].kept == NULL))
            fail_msg("%s: %s", CASES[i].name, m == NULL ? "nothing is kept" : "something is kept");
        memset(&b, 0, sizeof(b)); /* it has a copy */
        recall(m, route, &got);
        bed_put(&expected, CASES[i].kept == NULL ? "?\n" : CASES[i].kept, (struct slice){0},
                ADDED "");
        assert_int_equal(buf_append(&expected, slice_of("", 1)), 0);
        bed_equal(CASES[i].name, &got, (const char *) expected.data);
        integration_memory_free(m);
        buf_fini(&got);
        buf_fini(&expected);
        spec_unref(spec);
    }
    integration_memory_free(NULL);
}

static void test_no_disconnect(void **state)
{
    (void) state;
    struct spec *spec = spec_bed(OPERATION("/{p}", PARAM("path", "p"), SAY));
    struct bed_request b;
    int err = 1;
    struct integration_memory *m =
        integration_remember(bed_request(&b, &spec->routes[0], &HANDSHAKE), &err);
    assert_non_null(m);
    assert_int_equal(err, 0);
    integration_memory_free(m);
    spec_unref(spec);
}

static void test_without_memory(void **state)
{
    (void) state;
    struct spec *spec = spec_bed(OPERATION("/{p}", PARAM("path", "p"), SAY));
    struct bed_request b;
    int err = 0;
    mem_fail_at(1);
    assert_null(integration_remember(bed_request(&b, &spec->routes[0], &HANDSHAKE), &err));
    mem_fail_at(0);
    assert_int_equal(err, -ENOMEM);
    spec_unref(spec);
}

/* A message that names what the handshake had is asked for like the handshake would be. */
static void test_a_message(void **state)
{
    (void) state;
    struct spec *spec = spec_bed(
        OPERATION("/{p}", PARAM("path", "p") "," PARAM("query", "b") "," PARAM("header", "X-A"),
                  "{type: http, url: 'http://h/{p}?q={b}', headers: {A: '{X-A}'}}"));
    const struct spec_route *route = &spec->routes[0];
    struct header headers[INTEGRATION_MAX_HEADERS];
    const struct header added = {SLICE_LIT("X-Yc-Apigateway-Websocket-Event-Type"),
                                 SLICE_LIT("MESSAGE")};
    struct integration_request request;
    struct bed_request b;
    struct buf got;
    int err = 0;
    struct integration_memory *m = integration_remember(bed_request(&b, route, &HANDSHAKE), &err);
    integration_recall(m, route, &added, 1, headers, &request);
    request.content_type = "application/json";
    assert_int_equal(bed_call(route->message, &request, &got), 0);
    bed_equal("a message", &got,
              "POST http://h/kitchen?q=2\nA: 1,2\n" WHO "\n" ADDED
              "Content-Type: application/json\n");
    buf_fini(&got);
    integration_memory_free(m);
    spec_unref(spec);
}

/* What was named is kept, but '*' takes it along no more than from the handshake. */
static void test_a_header_of_the_connection(void **state)
{
    (void) state;
    struct spec *spec =
        spec_bed(OPERATION("/{p}", PARAM("header", "X-Hop"),
                           "{type: http, url: 'http://h/{X-Hop}', headers: {'*': '*', "
                           "User-Agent: null, Cookie: null, X-A: null, Accept: null}, "
                           "omitEmptyHeaders: true}"));
    const struct spec_route *route = &spec->routes[0];
    struct header headers[INTEGRATION_MAX_HEADERS];
    struct integration_request request;
    struct bed_request b;
    struct buf got;
    int err = 0;
    struct integration_memory *m = integration_remember(bed_request(&b, route, &HANDSHAKE), &err);
    integration_recall(m, route, NULL, 0, headers, &request);
    assert_int_equal(bed_call(route->message, &request, &got), 0);
    bed_equal("a message", &got, "POST http://h/1\n");
    buf_fini(&got);
    integration_memory_free(m);
    spec_unref(spec);
}

/* What each connection costs for as long as it lives. */
static size_t cost(const char *parameters, const char *integration)
{
    char text[1024];
    struct bed_request b;
    int err = 0;
    (void) snprintf(text, sizeof(text), OPERATION("/{p}", "%s", "%s"), parameters, integration);
    struct spec *spec = spec_bed(text);
    const struct integration_request *request = bed_request(&b, &spec->routes[0], &HANDSHAKE);
    size_t before = heap_bytes();
    struct integration_memory *m = integration_remember(request, &err);
    size_t bytes = heap_bytes() - before;
    integration_memory_free(m);
    spec_unref(spec);
    return bytes;
}

static void test_cost(void **state)
{
    (void) state;
    size_t nothing = cost("", SAY), path = cost(PARAM("path", "p"), SAY),
           agent = cost(PARAM("path", "p"), AGENT);
    print_message("bytes of a connection: %zu without, %zu with a path, %zu with User-Agent too\n",
                  nothing, path, agent);
    assert_int_equal(nothing, 0);
    assert_true(path <= 80);
    assert_true(agent <= 240);
}

int main(void)
{
    static const struct CMUnitTest TESTS[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_no_disconnect),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_a_message),
        cmocka_unit_test(test_a_header_of_the_connection),
        cmocka_unit_test(test_cost),
    };
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
