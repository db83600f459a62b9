/* Tests of gateway/backend/authorizer_event.c: what a function is told of a handshake. */
#include "authorizer_bed.h"

#include "json.h"

#include <cJSON.h>

/* Sunday, 1 March 2026, 09:05:07 UTC */
#define NOW_S 1772355907u

static char *event_of(const char *template, const struct asked *asked)
{
    const struct spec_route route = {.path = (char *) (uintptr_t) template};
    const struct integration_request request = asked_request(&route, asked);
    return authorizer_event(&request, "2001:db8::1", NOW_S);
}

/* Strict JSON, for cJSON_Delete(). */
static cJSON *read_event(const char *template, const struct asked *asked)
{
    const char *why = "";
    char *text = event_of(template, asked);
    assert_non_null(text);
    if (json_check(slice_str(text), &why) < 0)
        fail_msg("%s: %s", why, text);
    cJSON *root = cJSON_Parse(text);
    assert_non_null(root);
    free(text);
    return root;
}

static void object_is(const cJSON *root, const char *name, const char *want)
{
    char *text = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(root, name));
    assert_non_null(text);
    if (strcmp(text, want) != 0)
        fail_msg("%s: %s instead of %s", name, text, want);
    free(text);
}

static void test_all(void **state)
{
    (void) state;
    const struct header headers[] = {
        HEADER_OF("Host", "gw.example.com"),
        HEADER_OF("User-Agent", "ua/1"),
        HEADER_OF("Cookie", "sid=1"),
        HEADER_OF("X-Yc-Apigateway-Websocket-Connection-Id", "c1"),
        HEADER_OF("X-Yc-Apigateway-Websocket-Event-Type", "CONNECT"),
    };
    char *text = event_of("/rooms/{room}/{rest+}", &(struct asked){.path = "/rooms/a%20b/c/d",
                                                                   .query = "x=1&y=%C3%A4+b",
                                                                   .headers = headers,
                                                                   .n_headers = 5,
                                                                   .n_own = 2});
    assert_string_equal(
        text, "{\"resource\":\"/rooms/{room}/{rest+}\",\"path\":\"/rooms/a%20b/c/d\","
              "\"httpMethod\":\"GET\",\"headers\":{\"Host\":\"gw.example.com\","
              "\"User-Agent\":\"ua/1\",\"Cookie\":\"sid=1\","
              "\"X-Yc-Apigateway-Websocket-Connection-Id\":\"c1\","
              "\"X-Yc-Apigateway-Websocket-Event-Type\":\"CONNECT\"},"
              "\"queryStringParameters\":{\"x\":\"1\",\"y\":\"\xc3\xa4 b\"},"
              "\"pathParameters\":{\"room\":\"a b\",\"rest\":\"c/d\"},"
              "\"cookies\":{\"sid\":\"1\"},"
              "\"requestContext\":{\"identity\":{\"sourceIp\":\"2001:db8::1\","
              "\"userAgent\":\"ua/1\"},\"httpMethod\":\"GET\",\"connectionId\":\"c1\","
              "\"eventType\":\"CONNECT\",\"requestTime\":\"01/Mar/2026:09:05:07 +0000\","
              "\"requestTimeEpoch\":1772355907},\"body\":\"\",\"isBase64Encoded\":false}");
    free(text);
}

static void test_time(void **state)
{
    static const struct {
        uint64_t now_s;
        const char *want;
    } CASES[] = {
        {0, "\"01/Jan/1970:00:00:00 +0000\""},
        {1798761599, "\"31/Dec/2026:23:59:59 +0000\""},
        {1798761600, "\"01/Jan/2027:00:00:00 +0000\""},
        {1835438400, "\"29/Feb/2028:12:00:00 +0000\""},
    };
    (void) state;
    const struct spec_route route = {.path = (char *) (uintptr_t) "/"};
    const struct integration_request request = asked_request(&route, &(struct asked){.path = "/"});
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char *text = authorizer_event(&request, "192.0.2.1", CASES[i].now_s);
        cJSON *root = cJSON_Parse(text);
        object_is(cJSON_GetObjectItemCaseSensitive(root, "requestContext"), "requestTime",
                  CASES[i].want);
        cJSON_Delete(root);
        free(text);
    }
}

static void test_bare(void **state)
{
    (void) state;
    cJSON *root = read_event("/", &(struct asked){.path = "/"});
    object_is(root, "headers", "{}");
    object_is(root, "queryStringParameters", "{}");
    object_is(root, "pathParameters", "{}");
    object_is(root, "cookies", "{}");
    cJSON_Delete(root);
}

/* Only the gateway says which connection it is. */
static void test_forged(void **state)
{
    (void) state;
    const struct header headers[] = {
        HEADER_OF("x-yc-apigateway-websocket-connection-id", "somebody else's"),
        HEADER_OF("X-Yc-Apigateway-Websocket-Event-Type", "MESSAGE"),
        HEADER_OF("X-Yc-Apigateway-Websocket-Anything", "forged"),
        HEADER_OF("User-Agent", "ua/1"),
        HEADER_OF("X-Yc-Apigateway-Websocket-Connection-Id", "c1"),
    };
    cJSON *root = read_event(
        "/", &(struct asked){.path = "/", .headers = headers, .n_headers = 5, .n_own = 1});
    object_is(root, "headers",
              "{\"User-Agent\":\"ua/1\",\"X-Yc-Apigateway-Websocket-Connection-Id\":\"c1\"}");
    const cJSON *context = cJSON_GetObjectItemCaseSensitive(root, "requestContext");
    object_is(context, "connectionId", "\"c1\"");
    object_is(context, "eventType", "\"\"");
    cJSON_Delete(root);
}

static void test_headers(void **state)
{
    (void) state;
    const struct header headers[] = {
        HEADER_OF("X-A", "1"),          HEADER_OF("X-B", "\xff"), HEADER_OF("x-a", "2"),
        HEADER_OF("X-C", "\"\\\t\x01"), HEADER_OF("X-D", ""),     HEADER_OF("user-agent", "first"),
        HEADER_OF("User-Agent", "last")};
    cJSON *root = read_event("/", &(struct asked){.path = "/", .headers = headers, .n_headers = 7});
    object_is(
        root, "headers",
        "{\"x-a\":\"2\",\"X-C\":\"\\\"\\\\\\t\\u0001\",\"X-D\":\"\",\"User-Agent\":\"last\"}");
    object_is(cJSON_GetObjectItemCaseSensitive(root, "requestContext"), "identity",
              "{\"sourceIp\":\"2001:db8::1\",\"userAgent\":\"last\"}");
    cJSON_Delete(root);
}

static void test_query(void **state)
{
    static const struct {
        const char *query, *want;
    } CASES[] = {
        {"a=1&b=2", "{\"a\":\"1\",\"b\":\"2\"}"},
        {"a", "{\"a\":\"\"}"},
        {"a=", "{\"a\":\"\"}"},
        {"a=b=c", "{\"a\":\"b=c\"}"},
        {"=x&&&", "{}"},
        {"a+b=c+d", "{\"a b\":\"c d\"}"},
        {"a=%zz&b=%4&c=%&d=%41", "{\"d\":\"A\"}"},
        {"%zz=1", "{}"},
        {"a=%22%5C%0a", "{\"a\":\"\\\"\\\\\\n\"}"},
        {"a=%ff&b=1", "{\"b\":\"1\"}"},
        {"a%ff=1&b=1", "{\"b\":\"1\"}"},
        /* one of each name, however it is written: the last */
        {"key=1&key=2&a=3&k%65y=4", "{\"a\":\"3\",\"key\":\"4\"}"},
        {"key=1&key", "{\"key\":\"\"}"},
        {"key=1&KEY=2", "{\"KEY\":\"2\",\"key\":\"1\"}"},
        {"a=1&ab=2&a=3&ab=4&b=5", "{\"a\":\"3\",\"ab\":\"4\",\"b\":\"5\"}"},
        /* also if that cannot be told */
        {"key=1&key=%ff", "{}"},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        cJSON *root = read_event("/", &(struct asked){.path = "/", .query = CASES[i].query});
        object_is(root, "queryStringParameters", CASES[i].want);
        cJSON_Delete(root);
    }
}

static void test_cookies(void **state)
{
    static const struct {
        const char *a, *b, *want;
    } CASES[] = {
        {"a=1; b=2", NULL, "{\"a\":\"1\",\"b\":\"2\"}"},
        {"a=1;b=2;", NULL, "{\"a\":\"1\",\"b\":\"2\"}"},
        {" a = 1 ;\tb=2\t", NULL, "{\"a\":\"1\",\"b\":\"2\"}"},
        {"a", NULL, "{\"a\":\"\"}"},
        {"=1; ;;", NULL, "{}"},
        {"a=%41+b", NULL, "{\"a\":\"%41+b\"}"}, /* as it was written */
        {"b=1", "a=2; c=3", "{\"a\":\"2\",\"b\":\"1\",\"c\":\"3\"}"},
        /* one of each name: the first, as it is for parameters and credentials */
        {"sid=1; a=2; sid=3", NULL, "{\"a\":\"2\",\"sid\":\"1\"}"},
        {"sid=1", "sid=2", "{\"sid\":\"1\"}"},
        {"sid=\xff; sid=2", NULL, "{}"},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct header headers[] = {HEADER_OF("Cookie", CASES[i].a),
                                         HEADER_OF("cookie", CASES[i].b)};
        cJSON *root = read_event("/", &(struct asked){.path = "/",
                                                      .headers = headers,
                                                      .n_headers = CASES[i].b == NULL ? 1 : 2});
        object_is(root, "cookies", CASES[i].want);
        cJSON_Delete(root);
    }
}

static void test_path(void **state)
{
    static const struct {
        const char *template, *path, *want;
    } CASES[] = {
        {"/a/{x}", "/a/b", "{\"x\":\"b\"}"},
        {"/a/{x}", "/a/b%2Fc", "{\"x\":\"b/c\"}"},
        {"/a/{x}", "/a/b+c", "{\"x\":\"b+c\"}"},
        {"/a/{x}", "/a/%zz", "{}"},
        {"/a/{x}", "/a/%ff", "{}"},
        {"/{x+}/end", "/a/b/c/end", "{\"x\":\"a/b/c\"}"},
        {"/{x}/{y+}", "/1/2/3", "{\"x\":\"1\",\"y\":\"2/3\"}"},
        {"/a/b", "/a/b", "{}"},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        cJSON *root = read_event(CASES[i].template, &(struct asked){.path = CASES[i].path});
        object_is(root, "pathParameters", CASES[i].want);
        cJSON_Delete(root);
    }
}

/* As many parameters as a request line can have cost little, and what is too long is not told. */
static void test_many(void **state)
{
    (void) state;
    enum { N = 4000 };
    char *query = xcalloc(N, 8), *at = query;
    for (size_t i = 0; i < N; i++)
        at += snprintf(at, 8, "%zx&", i % 2000);
    char *text = event_of("/", &(struct asked){.path = "/", .query = query});
    assert_non_null(text);
    cJSON *root = cJSON_Parse(text);
    assert_int_equal(
        cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(root, "queryStringParameters")), 2000);
    cJSON_Delete(root);
    free(text);
    free(query);
    char *large = xcalloc(1, 262145);
    memset(large, 'x', 262144);
    const struct header header = HEADER_OF("X-A", large);
    assert_null(event_of("/", &(struct asked){.path = "/", .headers = &header, .n_headers = 1}));
    free(large);
}

/* Without memory, anywhere, it is not told at all: never a part of it. */
static void test_no_memory(void **state)
{
    (void) state;
    const struct header header = HEADER_OF("Cookie", "a=1");
    const struct asked asked = {.query = "a=1", .headers = &header, .n_headers = 1};
    char *whole = event_of("/rooms/{room}", &asked), *text = NULL;
    unsigned n = 0;
    while (text == NULL) {
        assert_true(++n < 100);
        mem_fail_at(n);
        text = event_of("/rooms/{room}", &asked);
        mem_fail_at(0);
    }
    assert_true(n > 5);
    assert_string_equal(text, whole);
    free(text);
    free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),     cmocka_unit_test(test_time),
        cmocka_unit_test(test_bare),    cmocka_unit_test(test_forged),
        cmocka_unit_test(test_headers), cmocka_unit_test(test_query),
        cmocka_unit_test(test_cookies), cmocka_unit_test(test_path),
        cmocka_unit_test(test_many),    cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
