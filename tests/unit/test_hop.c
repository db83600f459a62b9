/* Tests of gateway/backend/hop.c: what goes on to the next hop, and the type of an answer. */
#include "hop.h"
#include "substitution.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_ours(void **state)
{
    (void) state;
    static const char *const OURS[] = {
        "Connection",
        "connection",
        "KEEP-ALIVE",
        "Transfer-Encoding",
        "Content-Length",
        "Host",
        "TE",
        "Trailer",
        "Upgrade",
        "Expect",
        "HTTP2-Settings",
        "Proxy-Connection",
        "Proxy-Authorization",
        "Proxy-Authenticate",
        "proxy",
        "Proxy-Status",
        "Alt-Svc",
        "Sec-WebSocket-Key",
        "sec-websocket-accept",
        "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Version",
        "X-Yc-Apigateway-Websocket-Connection-Id",
        "x-yc-apigateway-websocket-",
        "X-YC-ApiGateway-Operation-Context",
        "X_Yc_Apigateway_Websocket_Connection_Id",
        "Transfer_Encoding",
        "sec_websocket-key",
        "Proxy_Connection",
    };
    static const char *const THEIRS[] = {
        "",
        "A",
        "Hos",
        "Hosts",
        "X-Host",
        "Proxied",
        "Cookie",
        "Authorization",
        "X-Yc-Apigateway",
        "Sec-WebSocket",
        "Sec_Fetch_Mode",
        "X_Host",
        "_Host",
        "Sec-Fetch-Mode",
        "Content-Type",
        "Accept-Encoding",
        "Set-Cookie",
    };
    for (size_t i = 0; i < ARRAY_LEN(OURS); i++)
        if (!hop_is_ours(slice_str(OURS[i])))
            fail_msg("%s", OURS[i]);
    for (size_t i = 0; i < ARRAY_LEN(THEIRS); i++)
        if (hop_is_ours(slice_str(THEIRS[i])))
            fail_msg("%s", THEIRS[i]);
}

static void test_of_connection(void **state)
{
    (void) state;
    const struct header headers[] = {{SLICE_LIT("X-Other"), SLICE_LIT("x-a")},
                                     {SLICE_LIT("connection"), SLICE_LIT("Upgrade,X-Hop\t, x-b")},
                                     {SLICE_LIT("Connection"), SLICE_LIT(" x-c ,,")}};
    static const struct {
        const char *name;
        bool is;
    } CASES[] = {{"Upgrade", true}, {"x-hop", true}, {"X-B", true},   {"X-C", true},
                 {"x-a", false},    {"x-", false},   {"x-ho", false}, {"op", false}};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        if (hop_is_of_connection(headers, ARRAY_LEN(headers), slice_str(CASES[i].name)) !=
            CASES[i].is)
            fail_msg("%s", CASES[i].name);
    assert_false(hop_is_of_connection(NULL, 0, SLICE_LIT("x")));
}

static void test_takes_along(void **state)
{
    (void) state;
    const struct header headers[] = {
        {SLICE_LIT("Cookie"), SLICE_LIT("a=b")},
        {SLICE_LIT("accept-encoding"), SLICE_LIT("gzip")},
        {SLICE_LIT("Content-Encoding"), SLICE_LIT("br")},
        {SLICE_LIT("content-type"), SLICE_LIT("a/b")},
        {SLICE_LIT("Host"), SLICE_LIT("h")},
        {SLICE_LIT("X-Real-Ip"), SLICE_LIT("h")},
        {SLICE_LIT("X-Hop"), SLICE_LIT("h")},
        {SLICE_LIT("Connection"), SLICE_LIT("Upgrade, X-Hop")},
        {SLICE_LIT("Connection"), SLICE_LIT("X-Real-Ip")}, /* ours: it says nothing of theirs */
    };
    static const bool TAKEN[] = {true, false, false, false, false, true, false, false};
    const struct integration_request request = {
        .headers = headers, .n_headers = ARRAY_LEN(headers), .n_own = 1};
    for (size_t i = 0; i < ARRAY_LEN(TAKEN); i++)
        if (hop_takes_along(&request, i) != TAKEN[i])
            fail_msg("%zu", i);
}

static const struct {
    const char *value;
    int r;
    const char *type, *lines;
} TYPES[] = {
    {"text/plain", 0, "text/plain", "Content-Type: text/plain\r\n"},
    {"Application/JSON", 0, "application/json", "Content-Type: Application/JSON\r\n"},
    {"text/HTML; charset=UTF-8", 0, "text/html", "Content-Type: text/HTML; charset=UTF-8\r\n"},
    {"text/html\t;x", 0, "text/html", "Content-Type: text/html\t;x\r\n"},
    {"a/b\r\nX: y", -EINVAL, "", ""},
    {"a/b\n", -EINVAL, "", ""},
    {"a/b\x01", -EINVAL, "", ""},
};

static void test_type(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(TYPES); i++) {
        struct integration_answer a;
        integration_answer_init(&a);
        assert_int_equal(hop_put_type(&a, slice_str(TYPES[i].value)), TYPES[i].r);
        assert_true(slice_eq_str(buf_slice(&a.content_type), TYPES[i].type));
        assert_true(slice_eq_str(buf_slice(&a.headers), TYPES[i].lines));
        integration_answer_fini(&a);
    }
}

static void test_type_is_bounded(void **state)
{
    (void) state;
    static uint8_t text[HOP_LINE_MAX + 1];
    struct integration_answer a;
    memset(text, 'a', sizeof(text));
    integration_answer_init(&a);
    assert_int_equal(hop_put_type(&a, slice_of(text, HOP_LINE_MAX + 1)), -EINVAL);
    assert_int_equal(hop_put_type(&a, slice_of(text, HOP_LINE_MAX)), 0);
    integration_answer_fini(&a);
}

int main(void)
{
    static const struct CMUnitTest TESTS[] = {
        cmocka_unit_test(test_ours),
        cmocka_unit_test(test_of_connection),
        cmocka_unit_test(test_takes_along),
        cmocka_unit_test(test_type),
        cmocka_unit_test(test_type_is_bounded),
    };
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
