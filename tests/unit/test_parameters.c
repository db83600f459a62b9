/* Tests of gateway/backend/parameters.c: values out of paths, queries, headers and cookies. */
#include "parameters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "integration_bed.h"

static const struct {
    const char *route, *path, *name, *value; /* as written */
} PATHS[] = {
    {"/a/{x}", "/a/b", "x", "b"},
    {"/a/{x}", "/a/b", "y", ""},
    {"/a/{x}", "/a/b/", "x", "b"},
    {"/a/{x}", "/a/%62%2d", "x", "%62%2d"},
    {"/{x}/{y}", "/1/2", "x", "1"},
    {"/{x}/{y}", "/1/2", "y", "2"},
    {"/{path+}", "/1/2/3", "path", "1/2/3"},
    {"/{path+}", "/1/2/3/", "path", "1/2/3"},
    {"/{path+}", "/1", "path", "1"},
    {"/p/{path+}/s", "/p/1/2/s", "path", "1/2"},
    {"/p/{path+}/s", "/p/1/s", "path", "1"},
    {"/{a}/{b+}/{c}", "/1/2/3/4", "a", "1"},
    {"/{a}/{b+}/{c}", "/1/2/3/4", "b", "2/3"},
    {"/{a}/{b+}/{c}", "/1/2/3/4", "c", "4"},
    {"/{a}/{b+}/{c}", "/1/2/3/4", "b+", ""},
    {"/{room-id}/{x.y}", "/1/2", "room-id", "1"},
    {"/{room-id}/{x.y}", "/1/2", "x.y", "2"},
    {"/a/{x}/", "/a/b/", "x", "b"},
    {"/a", "/a", "a", ""},
    {"/", "/", "a", ""},
};

static void test_path_value(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(PATHS); i++) {
        struct slice got =
            parameters_path_value(PATHS[i].route, slice_str(PATHS[i].path), PATHS[i].name);
        if (!slice_eq_str(got, PATHS[i].value))
            fail_msg("%s of %s: got %.*s", PATHS[i].name, PATHS[i].path, (int) got.len,
                     (const char *) got.data);
    }
}

/* A reload may have left a connection with another path than its own. */
static void test_path_of_another_route(void **state)
{
    (void) state;
    static const char *const ROUTES[] = {"/{a}/{b+}/{c}/d", "/{a+}", "/{a}", "/", "/x/y/z/{a}"};
    static const char *const ASKED[] = {"", "/", "/1", "/1/2/", "/1/2/3/4/5/6", "//", "x"};
    for (size_t i = 0; i < ARRAY_LEN(ROUTES); i++)
        for (size_t k = 0; k < ARRAY_LEN(ASKED); k++) {
            struct slice path = slice_str(ASKED[k]);
            struct slice got = parameters_path_value(ROUTES[i], path, "a");
            assert_true(got.len == 0 ||
                        (got.data >= path.data && got.data + got.len <= path.data + path.len));
        }
}

static void test_decode(void **state)
{
    (void) state;
    static const struct {
        const char *in;
        bool plus;
        int r;
        const char *out;
    } CASES[] = {
        {"", false, 0, ""},          {"abc", false, 0, "abc"},     {"%61%4A%4a", false, 0, "aJJ"},
        {"a+b", false, 0, "a+b"},    {"a+b", true, 0, "a b"},      {"%2B", true, 0, "+"},
        {"%", false, -EINVAL, ""},   {"%4", false, -EINVAL, ""},   {"a%4g", false, -EINVAL, ""},
        {"%g4", false, -EINVAL, ""}, {"%%41", false, -EINVAL, ""}, {"%ff%0d", false, 0, "\xff\r"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        uint8_t out[16];
        size_t len = 0;
        assert_int_equal(parameters_decode(slice_str(CASES[i].in), CASES[i].plus, out, &len),
                         CASES[i].r);
        assert_true(slice_eq_str(slice_of(out, len), CASES[i].out));
    }
}

static void test_names(void **state)
{
    (void) state;
    static const struct {
        const char *a, *b;
        bool same;
    } CASES[] = {
        {"", "", true},        {"X-A", "x_a", true},   {"_", "-", true},     {"X-A", "XA", false},
        {"X-A", "X.A", false}, {"X-A", "X-AB", false}, {"X-A", "X-", false}, {"?", "_", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        if (parameters_same_name(slice_str(CASES[i].a), slice_str(CASES[i].b)) != CASES[i].same)
            fail_msg("%s, %s", CASES[i].a, CASES[i].b);
    assert_true(parameters_is_own_name(SLICE_LIT("x_YC-apigateway_")));
    assert_false(parameters_is_own_name(SLICE_LIT("x_YC-apigateway")));
    assert_false(parameters_is_own_name((struct slice){0}));
}

#define ALL                                                                                        \
    PARAM("path", "p")                                                                             \
    "," PARAM("query", "q") "," PARAM("header", "X-H") "," PARAM("cookie", "c")

/* The values in their order, each in brackets. */
static const struct {
    const char *name, *parameters;
    struct bed_ask ask;
    int r;
    const char *values;
} CASES[] = {
    {"none", ALL, {.target = "/v"}, 0, "[v][][][]"},
    {"one of each",
     ALL,
     {.target = "/v?q=1", .headers = {"x-h: two", "Cookie: a=b; c=three"}},
     0,
     "[v][1][two][three]"},
    {"decoded once",
     ALL,
     {.target = "/%25%34%31?q=%2541+%2B", .headers = {"X-H: %41", "Cookie: c=%41"}},
     0,
     "[%41][%41 +][%41][%41]"},
    {"not UTF-8", ALL, {.target = "/v?q=%ff%fe"}, 0, "[v][\xff\xfe][][]"},
    {"a bad escape in a query", ALL, {.target = "/v?q=100%"}, -EINVAL, ""},
    {"a bad escape elsewhere in the query", ALL, {.target = "/v?%=%&r=%&q=1"}, 0, "[v][1][][]"},
    {"names of a query are decoded", ALL, {.target = "/v?%71=1"}, 0, "[v][1][][]"},
    {"a '+' in one is a space",
     "{name: 'a b', in: query, schema: {type: string}}",
     {.target = "/v?a%2bb=1&a=2&a+=3&a+b%=4&a+b=5"},
     0,
     "[5]"},
    {"and compared with case", ALL, {.target = "/v?Q=1"}, 0, "[v][][][]"},
    {"without a value", ALL, {.target = "/v?q&r=1"}, 0, "[v][][][]"},
    {"with more signs", ALL, {.target = "/v?q=a=b?c&&"}, 0, "[v][a=b?c][][]"},
    {"of several the first", ALL, {.target = "/v?q=1&q=2"}, 0, "[v][1][][]"},
    {"several headers",
     ALL,
     {.target = "/v", .headers = {"X-H: 1", "x-h: ", "X-H: 3"}},
     0,
     "[v][][1,,3][]"},
    {"cookies in two headers",
     ALL,
     {.target = "/v", .headers = {"Cookie: C=0;b=c", "cookie: ;=; cc=1;  c = 2 ;c=3"}},
     0,
     "[v][][][2]"},
    {"a cookie's quotes stay",
     ALL,
     {.target = "/v", .headers = {"Cookie: c=\"x=y\""}},
     0,
     "[v][][][\"x=y\"]"},
    {"a required query parameter",
     "{name: q, in: query, required: true, schema: {type: string}}",
     {.target = "/v?r=1"},
     -EINVAL,
     ""},
    {"it may be empty",
     "{name: q, in: query, required: true, schema: {type: string}}",
     {.target = "/v?q="},
     0,
     "[]"},
    {"a required header",
     "{name: h, in: header, required: true, schema: {type: string}}",
     {.target = "/v", .headers = {"hh: 1"}},
     -EINVAL,
     ""},
    {"a required cookie",
     "{name: h, in: cookie, required: true, schema: {type: string}}",
     {.target = "/v", .headers = {"h: 1", "Cookie: hh=1"}},
     -EINVAL,
     ""},
    {"a default",
     "{name: q, in: query, schema: {type: integer, default: 7}}",
     {.target = "/v?r=1"},
     0,
     "[7]"},
    {"a default is not for what is empty",
     "{name: q, in: query, schema: {type: integer, default: 7}}",
     {.target = "/v?q="},
     0,
     "[]"},
    {"a default for what is required",
     "{name: q, in: query, required: true, schema: {type: integer, default: 7}}",
     {.target = "/v"},
     0,
     "[7]"},
    {"the gateway's own header",
     PARAM("header", "X-Yc-Apigateway-Websocket-Message-Id"),
     {.target = "/v", .own = {"X-Yc-Apigateway-Websocket-Message-Id: m"}},
     0,
     "[m]"},
    {"a forged one",
     PARAM("header", "X-Yc-Apigateway-Websocket-Message-Id"),
     {.target = "/v", .headers = {"x-yc-apigateway-websocket-message-id: f"}},
     0,
     "[]"},
    {"a forged one before ours",
     PARAM("header", "X-Yc-Apigateway-Websocket-Message-Id"),
     {.target = "/v",
      .headers = {"x-yc-apigateway-websocket-message-id: f"},
      .own = {"X-Yc-Apigateway-Websocket-Message-Id: m"}},
     0,
     "[m]"},
    {"one that a program takes for ours",
     PARAM("header", "X_Yc_Apigateway_Websocket_Message_Id"),
     {.target = "/v", .headers = {"X_Yc_Apigateway_Websocket_Message_Id: f"}},
     0,
     "[]"},
    {"a forged operation context",
     PARAM("header", "X-Yc-ApiGateway-Operation-Context"),
     {.target = "/v", .headers = {"X-Yc-ApiGateway-Operation-Context: e30="}},
     0,
     "[]"},
    {"the type of a body is not the handshake's",
     PARAM("header", "Content-Type"),
     {.target = "/v", .headers = {"Content-Type: x/y"}, .type = "application/json"},
     0,
     "[application/json]"},
    {"but that is, if there is no body",
     PARAM("header", "content-type"),
     {.target = "/v", .headers = {"Content-Type: x/y"}},
     0,
     "[x/y]"},
};

static void tell(const struct parameters *p, struct buf *out)
{
    for (size_t i = 0; i < p->n; i++)
        bed_put(out, "[", p->at[i], "]");
}

static void test_read(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char text[2048];
        (void) snprintf(text, sizeof(text),
                        OPERATION("/{p}", "%s", "{type: dummy, content: {'*': a}}"),
                        CASES[i].parameters);
        struct spec *spec = spec_bed(text);
        struct bed_request b;
        struct parameters p;
        struct buf got;
        buf_init(&got, 4096);
        int r = parameters_read(spec->routes[0].message,
                                bed_request(&b, &spec->routes[0], &CASES[i].ask), &p);
        if (r != CASES[i].r)
            fail_msg("%s: got %d", CASES[i].name, r);
        if (r == 0) {
            tell(&p, &got);
            bed_equal(CASES[i].name, &got, CASES[i].values);
            parameters_fini(&p);
        }
        buf_fini(&got);
        spec_unref(spec);
    }
}

static void test_without_memory(void **state)
{
    (void) state;
    struct spec *spec = spec_bed(OPERATION("/{p}", ALL, "{type: dummy, content: {'*': a}}"));
    const struct bed_ask ask = {.target = "/v?q=1", .headers = {"X-H: 1", "X-H: 2"}};
    struct bed_request b;
    struct parameters p;
    const struct integration_request *request = bed_request(&b, &spec->routes[0], &ask);
    unsigned failed = 0;
    for (unsigned at = 1; at < 10; at++) {
        mem_fail_at(at);
        int r = parameters_read(spec->routes[0].message, request, &p);
        mem_fail_at(0);
        if (r == 0) {
            parameters_fini(&p);
            break;
        }
        assert_int_equal(r, -ENOMEM);
        failed++;
    }
    assert_int_equal(failed, 3); /* path, query, two headers put together */
    spec_unref(spec);
}

int main(void)
{
    static const struct CMUnitTest TESTS[] = {
        cmocka_unit_test(test_path_value),     cmocka_unit_test(test_path_of_another_route),
        cmocka_unit_test(test_decode),         cmocka_unit_test(test_read),
        cmocka_unit_test(test_without_memory), cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
