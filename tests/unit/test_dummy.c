/* Tests of gateway/backend/dummy.c: answers that the specification has itself. */
#include "integration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "integration_bed.h"

#define X  PARAM("query", "x")
#define T  "Content-Type: "
#define NL "\r\n"

static const struct {
    const char *name, *integration;
    struct bed_ask ask;
    int r;
    unsigned status;
    const char *headers, *body;
    bool text;
} CASES[] = {
    {"the original's example of a message",
     "{type: dummy, content: {'*': 'Got new message!'}, http_code: 200, http_headers: "
     "{Content-Type: text/plain}}",
     {.target = "/a"},
     0,
     200,
     T "text/plain" NL,
     "Got new message!",
     true},
    {"the original's redirect",
     "{type: dummy, http_code: 302, http_headers: {Location: /some/location, Set-Cookie: "
     "['a={x}', 'b=2']}, content: {application/json: '{ \"message\": \"elsewhere\" }'}}",
     {.target = "/a?x=1"},
     0,
     302,
     T "application/json" NL "Location: /some/location" NL "Set-Cookie: a=1" NL
       "Set-Cookie: b=2" NL,
     "{ \"message\": \"elsewhere\" }",
     true},
    {"no content at all",
     "{type: dummy, http_code: 204}",
     {.target = "/a", .headers = {"Accept: text/html"}},
     0,
     204,
     "",
     "",
     false},
    {"a type without content",
     "{type: dummy, http_headers: {content-TYPE: a/b}}",
     {.target = "/a"},
     0,
     200,
     T "a/b" NL,
     "",
     false},
    {"without Accept the first",
     "{type: dummy, content: {text/a: A, text/b: B, '*': C}}",
     {.target = "/a"},
     0,
     200,
     T "text/a" NL,
     "A",
     true},
    {"an empty Accept says nothing",
     "{type: dummy, content: {text/a: A, text/b: B, '*': C}}",
     {.target = "/a", .headers = {"Accept: "}},
     0,
     200,
     T "text/a" NL,
     "A",
     true},
    {"the best match",
     "{type: dummy, content: {text/a: A, text/b: B, '*': C}}",
     {.target = "/a", .headers = {"accept: text/*;q=0.5, text/b"}},
     0,
     200,
     T "text/b" NL,
     "B",
     true},
    {"no match, a default whose type the headers say",
     "{type: dummy, content: {text/a: A, '*': C}, http_headers: {Content-Type: image/c}}",
     {.target = "/a", .headers = {"Accept: text/b"}},
     0,
     200,
     T "image/c" NL,
     "C",
     false},
    {"no match, a default without a type",
     "{type: dummy, content: {text/a: A, '*': C}}",
     {.target = "/a", .headers = {"Accept: text/b"}},
     0,
     200,
     T "text/plain; charset=utf-8" NL,
     "C",
     true},
    {"a default that is JSON",
     "{type: dummy, content: {'*': '{}'}}",
     {.target = "/a", .headers = {"Accept: text/b"}},
     0,
     200,
     T "application/json" NL,
     "{}",
     true},
    {"no match and no default",
     "{type: dummy, content: {text/a: A}}",
     {.target = "/a", .headers = {"Accept: text/b"}},
     -ENOTSUP,
     0,
     "",
     "",
     false},
    {"refused by weight",
     "{type: dummy, content: {text/a: A}}",
     {.target = "/a", .headers = {"Accept: text/a;q=0"}},
     -ENOTSUP,
     0,
     "",
     "",
     false},
    {"a content's type is its own",
     "{type: dummy, content: {text/a: A}, http_headers: {Content-Type: image/c}}",
     {.target = "/a"},
     0,
     200,
     T "text/a" NL,
     "A",
     true},
    {"headers in order, lists in one line",
     "{type: dummy, http_headers: {B: [1, '{x}'], A: 'x{x}', E: ''}}",
     {.target = "/a?x=2"},
     0,
     200,
     "B: 1,2" NL "A: x2" NL "E: " NL,
     "",
     false},
    {"a subprotocol",
     "{type: dummy, http_headers: {Sec-WebSocket-Protocol: v1}}",
     {.target = "/a"},
     0,
     200,
     "Sec-WebSocket-Protocol: v1" NL,
     "",
     false},
    {"headers that are ours",
     "{type: dummy, http_headers: {Sec-WebSocket-Accept: x, "
     "X-Yc-Apigateway-Websocket-Connection-Id: y, Connection: close, Content-Length: 7, A: b}}",
     {.target = "/a"},
     0,
     200,
     "A: b" NL,
     "",
     false},
    {"a value in the body as it is",
     "{type: dummy, content: {text/a: '<{x}>'}}",
     {.target = "/a?x=%0d%0a%22..%2f"},
     0,
     200,
     T "text/a" NL,
     "<\r\n\"../>",
     true},
    {"a value as a type",
     "{type: dummy, content: {'*': A}, http_headers: {Content-Type: '{x}'}}",
     {.target = "/a?x=text/B;a=b"},
     0,
     200,
     T "text/B;a=b" NL,
     "A",
     true},
    {"a line end in a header",
     "{type: dummy, http_headers: {A: '{x}'}}",
     {.target = "/a?x=%0d%0aSet-Cookie:%20a=b"},
     -EINVAL,
     0,
     "",
     "",
     false},
    {"a line feed in a cookie",
     "{type: dummy, http_headers: {Set-Cookie: [a, '{x}']}}",
     {.target = "/a?x=%0aX:y"},
     -EINVAL,
     0,
     "",
     "",
     false},
    {"a line end in a type",
     "{type: dummy, content: {'*': A}, http_headers: {Content-Type: '{x}'}}",
     {.target = "/a?x=a%0d%0aX:y"},
     -EINVAL,
     0,
     "",
     "",
     false},
};

static int ask(const char *parameters, const char *integration, const struct bed_ask *what,
               struct integration_answer *ret)
{
    char text[4096];
    struct bed_request b;
    (void) snprintf(text, sizeof(text), OPERATION("/a", "%s", "%s"), parameters, integration);
    struct spec *spec = spec_bed(text);
    int r =
        integration_dummy(spec->routes[0].message, bed_request(&b, &spec->routes[0], what), ret);
    spec_unref(spec);
    return r;
}

static void test_cases(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct integration_answer a;
        integration_answer_init(&a);
        int r = ask(X, CASES[i].integration, &CASES[i].ask, &a);
        if (r != CASES[i].r)
            fail_msg("%s: got %d", CASES[i].name, r);
        if (r == 0) {
            assert_int_equal(a.status, CASES[i].status);
            bed_equal(CASES[i].name, &a.headers, CASES[i].headers);
            bed_equal(CASES[i].name, &a.body, CASES[i].body);
            if (integration_is_text(&a) != CASES[i].text)
                fail_msg("%s: text or not", CASES[i].name);
        }
        integration_answer_fini(&a);
    }
}

static void test_required(void **state)
{
    (void) state;
    static const struct bed_ask ASK = {.target = "/a?y=1"};
    struct integration_answer a;
    integration_answer_init(&a);
    assert_int_equal(ask("{name: x, in: query, required: true, schema: {type: string}}",
                         "{type: dummy, content: {'*': a}}", &ASK, &a),
                     -EINVAL);
    integration_answer_fini(&a);
}

/* A value is a value's length times the number of its places: that has an end. */
static void test_too_much(void **state)
{
    (void) state;
    static char target[100000] = "/a?x=";
    static char integration[4000] = "{type: dummy, content: {'*': '";
    memset(target + strlen(target), 'a', sizeof(target) - strlen(target) - 1);
    for (size_t i = 0; i < 300; i++)
        (void) snprintf(integration + strlen(integration), 8, "{x}");
    (void) snprintf(integration + strlen(integration), 8, "'}}");
    const struct bed_ask what = {.target = target};
    struct integration_answer a;
    integration_answer_init(&a);
    assert_int_equal(ask(X, integration, &what, &a), -EINVAL);
    integration_answer_fini(&a);
    integration_answer_init(&a);
    assert_int_equal(ask(X, "{type: dummy, http_headers: {A: '{x}'}}", &what, &a), -EINVAL);
    integration_answer_fini(&a);
    integration_answer_init(&a);
    assert_int_equal(ask(X, "{type: dummy, content: {'*': '{x}{x}'}}", &what, &a), 0);
    assert_int_equal(a.body.len, 2 * (sizeof(target) - 1 - strlen("/a?x=")));
    integration_answer_fini(&a);
}

static void test_without_memory(void **state)
{
    (void) state;
    struct spec *spec = spec_bed(OPERATION(
        "/a", X, "{type: dummy, content: {'*': '{x}'}, http_headers: {Content-Type: a/b, A: b}}"));
    const struct bed_ask what = {.target = "/a?x=1"};
    struct bed_request b;
    const struct integration_request *request = bed_request(&b, &spec->routes[0], &what);
    int r = -ENOMEM;
    unsigned at = 1;
    for (; r < 0 && at < 50; at++) {
        struct integration_answer a;
        integration_answer_init(&a);
        mem_fail_at(at);
        r = integration_dummy(spec->routes[0].message, request, &a);
        mem_fail_at(0);
        assert_true(r == 0 || r == -ENOMEM);
        integration_answer_fini(&a);
    }
    assert_int_equal(r, 0);
    assert_true(at > 4);
    spec_unref(spec);
}

int main(void)
{
    static const struct CMUnitTest TESTS[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_required),
        cmocka_unit_test(test_too_much),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
