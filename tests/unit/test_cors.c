/* Tests of gateway/cors.c: each part of a rule, as a preflight and any other answer tell it. */
#include "cors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ASKED                                                                                      \
    "Origin: https://a.example\r\nAccess-Control-Request-Method: GET\r\n"                          \
    "Access-Control-Request-Headers: x-one\r\n"
#define ORIGIN(o)  "Access-Control-Allow-Origin: " o "\r\n"
#define METHODS(m) "Access-Control-Allow-Methods: " m "\r\n"
#define VARY       "Vary: Origin\r\n"

static char ANY[] = "*", A[] = "https://a.example", B[] = "https://b.example";
static char GET_POST[] = "GET, POST", HEADERS[] = "x-one, x-two", EXPOSED[] = "x-three";
static char *ONE_ANY[] = {ANY}, *ONE_B[] = {B}, *TWO[] = {B, A}, *OTHERS[] = {B, B},
            *WITH_ANY[] = {B, ANY};

static const struct spec_cors ECHO = {.any_origin = true, .max_age_s = -1},
                              OFF = {.max_age_s = -1, .methods = GET_POST, .credentials = true};

static const struct {
    const char *name;
    struct spec_cors rule;
    const char *headers; /* of the request */
    const char *preflight, *answer;
} CASES[] = {
    {"true",
     {.any_origin = true, .max_age_s = -1},
     ASKED,
     VARY ORIGIN("https://a.example") METHODS("GET"),
     VARY ORIGIN("https://a.example")},
    {"true, for who is no page", {.any_origin = true, .max_age_s = -1}, "", VARY, VARY},
    {"true, for the origin null",
     {.any_origin = true, .max_age_s = -1},
     "Origin: null\r\n",
     VARY ORIGIN("null"),
     VARY ORIGIN("null")},
    {"true, for two origins",
     {.any_origin = true, .max_age_s = -1},
     "Origin: https://a.example\r\nOrigin: https://b.example\r\n",
     VARY,
     VARY},
    {"true, for an empty origin", {.any_origin = true, .max_age_s = -1}, "Origin:\r\n", VARY, VARY},
    {"false", {.max_age_s = -1, .credentials = true, .methods = GET_POST}, ASKED, "", ""},
    {"*",
     {.origins = ONE_ANY, .n_origins = 1, .max_age_s = -1},
     ASKED,
     ORIGIN("*") METHODS("GET"),
     ORIGIN("*")},
    {"*, for who is no page",
     {.origins = ONE_ANY, .n_origins = 1, .max_age_s = -1},
     "",
     ORIGIN("*"),
     ORIGIN("*")},
    {"one origin, as it is",
     {.origins = ONE_B, .n_origins = 1, .max_age_s = -1},
     ASKED,
     ORIGIN("https://b.example") METHODS("GET"),
     ORIGIN("https://b.example")},
    {"of two the one that asks",
     {.origins = TWO, .n_origins = 2, .max_age_s = -1},
     ASKED,
     VARY ORIGIN("https://a.example") METHODS("GET"),
     VARY ORIGIN("https://a.example")},
    {"none of two",
     {.origins = OTHERS,
      .n_origins = 2,
      .max_age_s = 5,
      .credentials = true,
      .allowed_headers = HEADERS,
      .exposed_headers = EXPOSED,
      .methods = GET_POST},
     ASKED,
     VARY,
     VARY},
    {"of two, for who is no page",
     {.origins = TWO, .n_origins = 2, .max_age_s = -1},
     "",
     VARY,
     VARY},
    {"of two, with another case",
     {.origins = TWO, .n_origins = 2, .max_age_s = -1},
     "Origin: https://A.example\r\n",
     VARY,
     VARY},
    {"of two, with more behind it",
     {.origins = TWO, .n_origins = 2, .max_age_s = -1},
     "Origin: https://a.example.evil\r\n",
     VARY,
     VARY},
    {"* among others",
     {.origins = WITH_ANY, .n_origins = 2, .max_age_s = -1},
     ASKED,
     VARY ORIGIN("*") METHODS("GET"),
     VARY ORIGIN("*")},
    {"all of it",
     {.any_origin = true,
      .methods = GET_POST,
      .allowed_headers = HEADERS,
      .exposed_headers = EXPOSED,
      .credentials = true,
      .max_age_s = 3600},
     ASKED,
     VARY ORIGIN("https://a.example") "Access-Control-Allow-Credentials: true\r\n" METHODS(
         "GET, POST") "Access-Control-Allow-Headers: x-one, x-two\r\n"
                      "Access-Control-Max-Age: 3600\r\n",
     VARY ORIGIN("https://a.example") "Access-Control-Allow-Credentials: true\r\n"
                                      "Access-Control-Expose-Headers: x-three\r\n"},
    {"not to be kept",
     {.origins = ONE_ANY, .n_origins = 1, .max_age_s = 0},
     ASKED,
     ORIGIN("*") METHODS("GET") "Access-Control-Max-Age: 0\r\n",
     ORIGIN("*")},
    {"a method that is none",
     {.origins = ONE_ANY, .n_origins = 1, .max_age_s = -1},
     "Origin: https://a.example\r\nAccess-Control-Request-Method: G T\r\n",
     ORIGIN("*"),
     ORIGIN("*")},
};

/* The head of a request with these header lines; for http_free(). */
static struct http *request(const char *method, const char *headers)
{
    struct http *h = http_new();
    struct buf text;
    struct slice body;
    size_t used;
    buf_init(&text, 1 << 20);
    assert_int_equal(buf_printf(&text, "%s / HTTP/1.1\r\nHost: a\r\n%s\r\n", method, headers), 0);
    if (http_feed(h, buf_slice(&text), &used, &body) != HTTP_HEAD)
        fail_msg("the head was not accepted: %s", headers);
    buf_fini(&text);
    return h;
}

static void check(const char *name, struct buf *out, const char *expect)
{
    if (!slice_eq_str(buf_slice(out), expect))
        fail_msg("%s: got '%.*s', expected '%s'", name, (int) out->len, (const char *) out->data,
                 expect);
    buf_clear(out);
}

static void test_rules(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct http *h = request("OPTIONS", CASES[i].headers);
        struct buf out;
        buf_init(&out, CORS_MAX_BYTES);
        assert_int_equal(cors_preflight(&CASES[i].rule, http_get_head(h), &out), 0);
        check(CASES[i].name, &out, CASES[i].preflight);
        assert_int_equal(cors_headers(&CASES[i].rule, http_get_head(h), &out), 0);
        check(CASES[i].name, &out, CASES[i].answer);
        buf_fini(&out);
        http_free(h);
    }
}

static void test_none(void **state)
{
    (void) state;
    struct http *h = request("OPTIONS", ASKED);
    struct buf out;
    buf_init(&out, 1000);
    assert_false(cors_is_on(NULL));
    assert_false(cors_is_on(&OFF));
    assert_true(cors_is_on(&ECHO));
    assert_int_equal(cors_preflight(NULL, http_get_head(h), &out), 0);
    assert_int_equal(cors_headers(NULL, http_get_head(h), &out), 0);
    assert_int_equal(out.len, 0);
    buf_fini(&out);
    http_free(h);
}

static void test_preflights(void **state)
{
    (void) state;
    static const struct {
        const char *method, *headers;
        bool expect;
    } REQUESTS[] = {
        {"OPTIONS", ASKED, true},
        {"OPTIONS", "Origin: null\r\nAccess-Control-Request-Method: PATCH\r\n", true},
        {"OPTIONS", "oRIGIN: a\r\naccess-control-request-method: x\r\n", true},
        {"GET", ASKED, false},
        {"POST", ASKED, false},
        {"OPTIONS", "", false},
        {"OPTIONS", "Origin: https://a.example\r\n", false},
        {"OPTIONS", "Access-Control-Request-Method: GET\r\n", false},
        {"OPTIONS", "Origin:\r\nAccess-Control-Request-Method: GET\r\n", false},
        {"OPTIONS", "Origin: a\r\nAccess-Control-Request-Method:\r\n", false},
        {"OPTIONS", "Origin: a\r\nAccess-Control-Request-Method: GET, POST\r\n", false},
        {"OPTIONS", ASKED "Origin: https://a.example\r\n", false},
        {"OPTIONS", ASKED "Access-Control-Request-Method: GET\r\n", false},
        {"OPTIONS", ASKED "Content-Length: 1\r\n", false},
        {"OPTIONS", ASKED "Transfer-Encoding: chunked\r\n", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(REQUESTS); i++) {
        struct http *h = request(REQUESTS[i].method, REQUESTS[i].headers);
        if (cors_is_preflight(http_get_head(h)) != REQUESTS[i].expect)
            fail_msg("%s %s", REQUESTS[i].method, REQUESTS[i].headers);
        http_free(h);
    }
}

/* With each limit that is too low nothing is left behind. */
static void test_no_room(void **state)
{
    (void) state;
    const struct spec_cors *rule = &CASES[15].rule;
    struct http *h = request("OPTIONS", ASKED);
    assert_string_equal(CASES[15].name, "all of it");
    size_t need = strlen("before") + strlen(CASES[15].preflight);
    for (size_t limit = strlen("before"); limit <= need; limit++) {
        struct buf out;
        buf_init(&out, limit);
        assert_int_equal(buf_append_str(&out, "before"), 0);
        int r = cors_preflight(rule, http_get_head(h), &out);
        assert_int_equal(r, limit == need ? 0 : -EMSGSIZE);
        assert_int_equal(out.len, limit == need ? need : strlen("before"));
        out.len = strlen("before");
        r = cors_headers(rule, http_get_head(h), &out);
        assert_int_equal(out.len,
                         r < 0 ? strlen("before") : strlen("before") + strlen(CASES[15].answer));
        buf_fini(&out);
    }
    http_free(h);
}

/* What a client sends is echoed whole or not at all, however long its head may be. */
static void test_long_origin(void **state)
{
    (void) state;
    struct buf headers, out;
    buf_init(&headers, 1 << 20);
    buf_init(&out, CORS_MAX_BYTES);
    assert_int_equal(buf_append_str(&headers, "Access-Control-Request-Method: GET\r\nOrigin: "), 0);
    for (size_t i = 0; i < 16000; i++)
        assert_int_equal(buf_append_str(&headers, "o"), 0);
    assert_int_equal(buf_append(&headers, slice_of("\r\n", 3)), 0);
    struct http *h = request("OPTIONS", (const char *) headers.data);
    assert_int_equal(cors_preflight(&ECHO, http_get_head(h), &out), 0);
    assert_in_range(out.len, 16000, 16200);
    http_free(h);
    buf_fini(&headers);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),       cmocka_unit_test(test_none),
        cmocka_unit_test(test_preflights),  cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_long_origin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
