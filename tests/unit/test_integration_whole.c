/* Tests of gateway/backend/integration.c and what is below it as a whole: three operations of one
 * path, a request goes in, what is asked or answered comes out. */
#include "integration.h"

#include "config_doc.h"
#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define HOST "http://h:81"

static const char SPEC[] =
    "openapi: 3.0.0\n"
    "info: {title: t, version: '1'}\n"
    "paths:\n"
    "  /a/{one}/{rest+}:\n"
    "    parameters:\n"
    "    - {name: one, in: path, required: true}\n"
    "    - {name: rest, in: path, required: true}\n"
    "    - {name: q, in: query}\n"
    "    - {name: X-H, in: header}\n"
    "    - {name: c, in: cookie, schema: {default: d}}\n"
    "    x-yc-apigateway-websocket-connect:\n"
    "      x-yc-apigateway-integration:\n"
    "        {type: http, method: PUT, url: '" HOST "/p/{one}/x{q}/{rest}?a={c}',\n"
    "         headers: {X-One: '{q}', X-Two: ['{X-H}', '{c}'], X-No: ''}, omitEmptyHeaders: true,\n"
    "         query: {k: ['{q}', 'z'], e: ''}, omitEmptyQueryParameters: true}\n"
    "    x-yc-apigateway-websocket-message:\n"
    "      x-yc-apigateway-integration:\n"
    "        {type: http, url: '" HOST
    "', headers: {'*': '*', X-Own: mine}, query: {'*': '*', own: '{q}'}}\n"
    "    x-yc-apigateway-websocket-disconnect:\n"
    "      x-yc-apigateway-integration: {type: serverless_containers, container_id: bba}\n"
    "  /must:\n"
    "    x-yc-apigateway-websocket-message:\n"
    "      parameters: [{name: q, in: query, required: true}]\n"
    "      x-yc-apigateway-integration:\n"
    "        {type: dummy, http_code: 201,\n"
    "         http_headers: {X-Q: '{q}', Content-Type: text/csv, Content-Length: '7', Connection: "
    "x},\n"
    "         content: {application/json: '{\"q\":\"{q}\"}', '*': 'any {q}'}}\n";

static struct spec *spec;

static int setup(void **state)
{
    static const struct spec_named CONTAINER = {"bba", HOST "/base/"};
    struct problems problems = {.file = "spec.yaml"};
    const struct spec_options options = {.containers = &CONTAINER, .n_containers = 1};
    (void) state;
    if (spec_parse(slice_of(SPEC, sizeof(SPEC) - 1), &options, &problems, &spec) == 0)
        return 0;
    (void) fprintf(stderr, "%u: %s\n", problems.at[0].line, problems.at[0].text);
    return -1;
}

static int teardown(void **state)
{
    (void) state;
    spec_unref(spec);
    return 0;
}

/* "Name: value|Name: value" as headers; the last one is the gateway's own. */
struct made {
    char *text;
    struct header headers[INTEGRATION_MAX_HEADERS];
    struct integration_request request;
};

static void make(struct made *m, size_t route, const char *path, const char *query,
                 const char *headers)
{
    size_t n = 0;
    m->text = strdup(headers);
    assert_non_null(m->text);
    for (char *line, *rest = m->text; *headers != '\0' && (line = strsep(&rest, "|")) != NULL;) {
        char *value = strchr(line, ':');
        assert_non_null(value);
        *value = '\0';
        m->headers[n++] = (struct header){slice_str(line), slice_str(value + 2)};
    }
    m->headers[n++] =
        (struct header){SLICE_LIT("X-Yc-Apigateway-Websocket-Connection-Id"), SLICE_LIT("d20")};
    m->request = (struct integration_request){.method = "GET",
                                              .route = &spec->routes[route],
                                              .path = slice_str(path),
                                              .query = slice_str(query),
                                              .headers = m->headers,
                                              .n_headers = n,
                                              .n_own = 1};
}

/* "Name: value|..." of what is sent, without the gateway's own. */
static void print_headers(const struct integration_call *call, char *ret, size_t cap)
{
    size_t at = 0;
    ret[0] = '\0';
    for (size_t i = 0; i + 1 <= call->request.n_headers; i++) {
        const struct header *h = &call->request.headers[i];
        if (slice_eq_nocase(h->name, SLICE_LIT("X-Yc-Apigateway-Websocket-Connection-Id"))) {
            assert_true(slice_eq(h->value, SLICE_LIT("d20")));
            continue;
        }
        at += (size_t) snprintf(ret + at, cap - at, "%s%.*s: %.*s", at == 0 ? "" : "|",
                                (int) h->name.len, (const char *) h->name.data, (int) h->value.len,
                                (const char *) h->value.data);
        assert_true(at < cap);
    }
}

enum which { CONNECT, MESSAGE, DISCONNECT };

static const struct spec_operation *operation(const struct spec_route *route, enum which which)
{
    return which == CONNECT   ? route->connect
           : which == MESSAGE ? route->message
                              : route->disconnect;
}

static void test_requests(void **state)
{
    static const struct {
        enum which which;
        const char *path, *query, *headers; /* of the client */
        const char *url, *sent;             /* url NULL: -EINVAL */
    } CASES[] = {
        {CONNECT, "/a/1/2", "", "", HOST "/p/1/x/2?a=d&k=%2Cz", "X-Two: ,d"},
        {CONNECT, "/a/r%20d/x/y%21", "q=5", "X-H: v|Cookie: a=b; c=d2",
         HOST "/p/r%20d/x5/x/y%21?a=d2&k=5%2Cz", "X-One: 5|X-Two: v,d2"},
        {CONNECT, "/a/1/2/", "q=a%26b+c", "X-H: v|x-h: w",
         HOST "/p/1/xa%26b%20c/2?a=d&k=a%26b%20c%2Cz", "X-One: a&b c|X-Two: v,w,d"},
        {CONNECT, "/a/1/2", "q=1&q=2&Q=3", "User-Agent: t|Accept: x|Authorization: y",
         HOST "/p/1/x1/2?a=d&k=1%2Cz", "X-One: 1|X-Two: ,d|User-Agent: t"},
        {CONNECT, "/a/1/2", "", "Sec-WebSocket-Protocol: p, q|Sec-WebSocket-Key: k",
         HOST "/p/1/x/2?a=d&k=%2Cz", "X-Two: ,d|Sec-WebSocket-Protocol: p, q"},
        /* what is not let through */
        {CONNECT, "/a/1/2", "q=%0d%0aX-Evil:%201", "", NULL, NULL},
        {CONNECT, "/a/1/2", "q=%00", "", NULL, NULL},
        {CONNECT, "/a/1/2", "q=%7f", "", NULL, NULL},
        {CONNECT, "/a/1/2", "q=%zz", "", NULL, NULL},
        {CONNECT, "/a/%2e%2e/2", "", "", NULL, NULL},
        {CONNECT, "/a/../2", "", "", NULL, NULL},
        {CONNECT, "/a/1/x/./y", "", "", NULL, NULL},
        {CONNECT, "/a/1/2", "", "Cookie: c=a\x01", NULL, NULL},
        /* what cannot lead elsewhere */
        {CONNECT, "/a/@evil/2", "q=%2f%2fevil%3f%23", "",
         HOST "/p/%40evil/x%2F%2Fevil%3F%23/2?a=d&k=%2F%2Fevil%3F%23%2Cz",
         "X-One: //evil?#|X-Two: ,d"},
        {CONNECT, "/a/%5c%25/http:", "", "", HOST "/p/%5C%25/x/http%3A?a=d&k=%2Cz", "X-Two: ,d"},
        /* '*' */
        {MESSAGE, "/a/1/2", "b=2&a=1&b=3&own=x&q=7",
         "X-B: 2|X-A: 1|Host: h|Connection: X-C|X-C: 3|TE: x|x-own: y",
         HOST "?own=7&b=2&a=1&b=3&q=7", "X-Own: mine|X-B: 2|X-A: 1"},
        {MESSAGE, "/a/1/2", "",
         "X-Yc-Apigateway-Websocket-Connection-Id: forged|X-Yc-Apigateway-Websocket-Evil: 1",
         HOST "?own=", "X-Own: mine"},
        {MESSAGE, "/a/1/2", "&&%41=%2f&=", "", HOST "?own=&%41=%2f&=", "X-Own: mine"},
        /* a container gets it as it came */
        {DISCONNECT, "/a/r%20d/2/", "x=1&x=%2f", "X-A: 1|Upgrade: websocket",
         HOST "/base/a/r%20d/2/?x=1&x=%2f", "X-A: 1"},
        {DISCONNECT, "/a/%2E%2e/2", "", "", NULL, NULL},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct made m;
        struct integration_call call;
        char sent[2048];
        make(&m, 0, CASES[i].path, CASES[i].query, CASES[i].headers);
        int r =
            integration_call(operation(&spec->routes[0], CASES[i].which), &m.request, 10, &call);
        if (CASES[i].url == NULL) {
            if (r != -EINVAL)
                fail_msg("%zu: %d %s", i, r, r == 0 ? call.request.url : "");
        } else {
            if (r != 0)
                fail_msg("%zu: %d", i, r);
            assert_string_equal(call.request.url, CASES[i].url);
            print_headers(&call, sent, sizeof(sent));
            assert_string_equal(sent, CASES[i].sent);
            assert_string_equal(call.request.method, CASES[i].which == CONNECT ? "PUT" : "GET");
            /* Content-Length: 0 with a method that is for a body */
            assert_true(call.request.has_body == (CASES[i].which == CONNECT));
            assert_int_equal(call.request.max_body, 10);
            integration_call_fini(&call);
        }
        free(m.text);
    }
}

static void test_body(void **state)
{
    (void) state;
    struct made m;
    struct integration_call call;
    char sent[256];
    make(&m, 0, "/a/1/2", "", "Content-Type: text/evil|Content-Length: 9");
    m.request.body = SLICE_LIT("{}");
    m.request.content_type = "application/json";
    m.request.method = "POST";
    assert_int_equal(integration_call(spec->routes[0].message, &m.request, 10, &call), 0);
    print_headers(&call, sent, sizeof(sent));
    assert_string_equal(sent, "X-Own: mine|Content-Type: application/json");
    assert_string_equal(call.request.method, "POST");
    assert_true(call.request.has_body && slice_eq(call.request.body, SLICE_LIT("{}")));
    integration_call_fini(&call);
    free(m.text);
}

static void test_too_long(void **state)
{
    (void) state;
    struct made m;
    struct integration_call call;
    static char path[4096] = "/a/";
    for (size_t i = 3; i < 3300; i += 3)
        memcpy(path + i, "%01", 3); /* each byte is three again */
    memcpy(path + 3300, "/2", 3);
    make(&m, 0, path, "", "");
    assert_int_equal(integration_call(spec->routes[0].connect, &m.request, 10, &call), 0);
    integration_call_fini(&call);
    free(m.text);
    static char query[9000] = "q=";
    memset(query + 2, 'x', 8500);
    make(&m, 0, "/a/1/2", query, "");
    assert_int_equal(integration_call(spec->routes[0].connect, &m.request, 10, &call), -EMSGSIZE);
    free(m.text);
}

static void test_dummy(void **state)
{
    static const struct {
        const char *query, *accept;
        int err;
        const char *headers, *body;
    } CASES[] = {
        {"q=1", "", 0, "Content-Type: application/json\r\nX-Q: 1\r\n", "{\"q\":\"1\"}"},
        {"q=1", "Accept: application/json", 0, "Content-Type: application/json\r\nX-Q: 1\r\n",
         "{\"q\":\"1\"}"},
        {"q=1", "Accept: text/html", 0, "Content-Type: text/csv\r\nX-Q: 1\r\n", "any 1"},
        {"", "", -EINVAL, NULL, NULL},
        {"q=%0d%0aEvil:%201", "", -EINVAL, NULL, NULL},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct made m;
        struct integration_answer a;
        make(&m, 1, "/must", CASES[i].query, CASES[i].accept);
        integration_answer_init(&a);
        assert_int_equal(integration_dummy(spec->routes[1].message, &m.request, &a), CASES[i].err);
        if (CASES[i].err == 0) {
            assert_int_equal(a.status, 201);
            assert_true(slice_eq_str(buf_slice(&a.headers), CASES[i].headers));
            assert_true(slice_eq_str(buf_slice(&a.body), CASES[i].body));
        }
        integration_answer_fini(&a);
        free(m.text);
    }
}

static void test_answer(void **state)
{
    static const struct header HEADERS[] = {
        {SLICE_INIT("X-A"), SLICE_INIT("1")},
        {SLICE_INIT("content-type"), SLICE_INIT("Application/JSON; charset=utf-8")},
        {SLICE_INIT("Connection"), SLICE_INIT("keep-alive, X-Hop")},
        {SLICE_INIT("X-Hop"), SLICE_INIT("x")},
        {SLICE_INIT("Transfer-Encoding"), SLICE_INIT("chunked")},
        {SLICE_INIT("Content-Length"), SLICE_INIT("2")},
        {SLICE_INIT("Sec-WebSocket-Accept"), SLICE_INIT("x")},
        {SLICE_INIT("X-Yc-Apigateway-Websocket-Connection-Id"), SLICE_INIT("x")},
        {SLICE_INIT("X-Evil"), SLICE_INIT("a\r\nb: c")},
        {SLICE_INIT("X Space"), SLICE_INIT("x")},
        {SLICE_INIT("Set-Cookie"), SLICE_INIT("a=b")},
        {SLICE_INIT("Set-Cookie"), SLICE_INIT("c=d")},
    };
    (void) state;
    const struct outbound_answer from = {.why = "",
                                         .status = 403,
                                         .headers = HEADERS,
                                         .n_headers = ARRAY_LEN(HEADERS),
                                         .body = SLICE_LIT("no")};
    struct integration_answer a;
    integration_answer_init(&a);
    assert_int_equal(integration_answer(&from, &a), 0);
    assert_int_equal(a.status, 403);
    assert_true(slice_eq_str(buf_slice(&a.headers),
                             "Content-Type: Application/JSON; charset=utf-8\r\nX-A: 1\r\n"
                             "Set-Cookie: a=b\r\nSet-Cookie: c=d\r\n"));
    assert_true(slice_eq_str(buf_slice(&a.content_type), "application/json"));
    assert_true(integration_is_text(&a));
    integration_answer_fini(&a);
}

/* What is kept of a handshake makes the requests that it would have made itself. */
static void test_memory(void **state)
{
    (void) state;
    struct made m;
    struct header headers[INTEGRATION_MAX_HEADERS];
    struct integration_request later;
    struct integration_call call;
    char sent[512];
    int err;
    make(&m, 0, "/a/1/2", "q=3&z=4", "X-A: 1|Host: h|Upgrade: x|Cookie: c=5");
    struct integration_memory *kept = integration_remember(&m.request, &err);
    assert_non_null(kept);
    memset(m.text, 'x', 20); /* nothing of the handshake is needed any more */
    free(m.text);
    const struct header own = {SLICE_LIT("X-Yc-Apigateway-Websocket-Connection-Id"),
                               SLICE_LIT("d20")};
    integration_recall(kept, &spec->routes[0], &own, 1, headers, &later);
    assert_int_equal(later.n_own, 1);
    assert_int_equal(integration_call(spec->routes[0].message, &later, 10, &call), 0);
    assert_string_equal(call.request.url, HOST "?own=3&q=3&z=4");
    print_headers(&call, sent, sizeof(sent));
    assert_string_equal(sent, "X-Own: mine|X-A: 1|Cookie: c=5");
    integration_call_fini(&call);
    integration_memory_free(kept);
    make(&m, 1, "/must", "z=1", "Cookie: c=5"); /* needs its query only */
    kept = integration_remember(&m.request, &err);
    integration_recall(kept, &spec->routes[1], &own, 1, headers, &later);
    assert_int_equal(later.n_headers, 1);
    assert_true(slice_eq_str(later.query, "z=1"));
    assert_int_equal(later.path.len, 0);
    integration_memory_free(kept);
    m.request.query = (struct slice){0};
    assert_null(integration_remember(&m.request, &err));
    assert_int_equal(err, 0);
    free(m.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests), cmocka_unit_test(test_body),
        cmocka_unit_test(test_too_long), cmocka_unit_test(test_dummy),
        cmocka_unit_test(test_answer),   cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
