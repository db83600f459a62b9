/* Tests of gateway/upgrade.c. */
#include "upgrade.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#define GET  "GET /prices HTTP/1.1\r\nHost: a\r\n"
#define UPG  "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
#define VER  "Sec-WebSocket-Version: 13\r\n"
#define KEY  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define GOOD GET UPG VER KEY
#define OK   "https://ok.example"

static const char *const SUPPORTED[] = {"v2.regcast", "v1.regcast", NULL};

static const struct {
    const char *name, *request;
    enum refuse expect;
    const char *protocol; /* chosen, NULL: none */
} CASES[] = {
    {"the minimum", GOOD "\r\n", REFUSE_NONE, NULL},
    {"length 0", GOOD "Content-Length: 0\r\n\r\n", REFUSE_NONE, NULL},
    {"other case, lists",
     GET "upgrade: foo, WebSocket\r\nconnection: UPGRADE\r\nsec-websocket-version: \t13 "
         "\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
     REFUSE_NONE, NULL},

    {"WS-01 plain GET", GET "\r\n", REFUSE_UPGRADE_REQUIRED, NULL},
    {"WS-01 plain GET that keeps alive", GET "Connection: keep-alive\r\n\r\n",
     REFUSE_UPGRADE_REQUIRED, NULL},
    {"WS-01 no Connection", GET "Upgrade: websocket\r\n" VER KEY "\r\n", REFUSE_UPGRADE, NULL},
    {"WS-01 no Upgrade", GET "Connection: Upgrade\r\n" VER KEY "\r\n", REFUSE_UPGRADE, NULL},
    {"WS-01 another upgrade", GET "Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n", REFUSE_UPGRADE,
     NULL},
    {"WS-01 token inside another", GET "Upgrade: websockets\r\nConnection: Upgrades\r\n\r\n",
     REFUSE_UPGRADE_REQUIRED, NULL},
    {"WS-01 POST", "POST / HTTP/1.1\r\nHost: a\r\n" UPG VER KEY "\r\n", REFUSE_METHOD, NULL},
    {"WS-01 HEAD", "HEAD / HTTP/1.1\r\nHost: a\r\n" UPG VER KEY "\r\n", REFUSE_METHOD, NULL},
    {"WS-01 CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n" UPG VER KEY "\r\n", REFUSE_METHOD,
     NULL},
    {"WS-01 HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\n" UPG VER KEY "\r\n", REFUSE_UPGRADE, NULL},
    {"HP-10 length", GOOD "Content-Length: 1\r\n\r\n", REFUSE_UPGRADE_BODY, NULL},
    {"HP-10 chunked", GOOD "Transfer-Encoding: chunked\r\n\r\n", REFUSE_UPGRADE_BODY, NULL},

    {"WS-02 absent", GET UPG KEY "\r\n", REFUSE_WS_VERSION, NULL},
    {"WS-02 8", GET UPG KEY "Sec-WebSocket-Version: 8\r\n\r\n", REFUSE_WS_VERSION, NULL},
    {"WS-02 list", GET UPG KEY "Sec-WebSocket-Version: 13, 8\r\n\r\n", REFUSE_WS_VERSION, NULL},
    {"WS-02 twice", GOOD VER "\r\n", REFUSE_WS_VERSION, NULL},
    {"WS-02 013", GET UPG KEY "Sec-WebSocket-Version: 013\r\n\r\n", REFUSE_WS_VERSION, NULL},
    {"WS-02 empty", GET UPG KEY "Sec-WebSocket-Version:\r\n\r\n", REFUSE_WS_VERSION, NULL},

    {"WS-03 absent", GET UPG VER "\r\n", REFUSE_WS_KEY, NULL},
    {"WS-03 twice", GOOD KEY "\r\n", REFUSE_WS_KEY, NULL},
    {"WS-03 empty", GET UPG VER "Sec-WebSocket-Key:\r\n\r\n", REFUSE_WS_KEY, NULL},
    {"WS-03 10 bytes", GET UPG VER "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n\r\n", REFUSE_WS_KEY,
     NULL},
    {"WS-03 15 bytes", GET UPG VER "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n\r\n", REFUSE_WS_KEY,
     NULL},
    {"WS-03 17 bytes", GET UPG VER "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZWU=\r\n\r\n",
     REFUSE_WS_KEY, NULL},
    {"WS-03 18 bytes", GET UPG VER "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZWVl\r\n\r\n",
     REFUSE_WS_KEY, NULL},
    {"WS-03 not base64", GET UPG VER "Sec-WebSocket-Key: dGhlIHNhbXBs*SBub25jZQ==\r\n\r\n",
     REFUSE_WS_KEY, NULL},
    {"WS-03 URL alphabet", GET UPG VER "Sec-WebSocket-Key: dGhlIHNhbXBs-SBub25_ZQ==\r\n\r\n",
     REFUSE_WS_KEY, NULL},
    {"WS-03 both special characters",
     GET UPG VER "Sec-WebSocket-Key: dGhlIHNhbXBs+SBub25/ZQ==\r\n\r\n", REFUSE_NONE, NULL},
    {"WS-03 bits under the padding",
     GET UPG VER "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==\r\n\r\n", REFUSE_WS_KEY, NULL},
    {"WS-03 padding inside", GET UPG VER "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub2=jZQ==\r\n\r\n",
     REFUSE_WS_KEY, NULL},
    {"WS-03 three paddings", GET UPG VER "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ===\r\n\r\n",
     REFUSE_WS_KEY, NULL},
    {"WS-03 no padding", GET UPG VER "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n\r\n",
     REFUSE_WS_KEY, NULL},
    {"WS-03 text after", GET UPG VER "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ== x\r\n\r\n",
     REFUSE_WS_KEY, NULL},

    {"WS-05 none of ours", GOOD "Sec-WebSocket-Protocol: chat, superchat\r\n\r\n", REFUSE_NONE,
     NULL},
    {"WS-05 ours alone", GOOD "Sec-WebSocket-Protocol: v1.regcast\r\n\r\n", REFUSE_NONE,
     "v1.regcast"},
    {"WS-05 our preference", GOOD "Sec-WebSocket-Protocol: a, v1.regcast ,v2.regcast\r\n\r\n",
     REFUSE_NONE, "v2.regcast"},
    {"WS-05 two lines",
     GOOD "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: v1.regcast\r\n\r\n", REFUSE_NONE,
     "v1.regcast"},
    {"WS-05 other case", GOOD "Sec-WebSocket-Protocol: V1.regcast\r\n\r\n", REFUSE_NONE, NULL},
    {"WS-05 a space", GOOD "Sec-WebSocket-Protocol: a b\r\n\r\n", REFUSE_WS_PROTOCOL, NULL},
    {"WS-05 bad character", GOOD "Sec-WebSocket-Protocol: a, b@c\r\n\r\n", REFUSE_WS_PROTOCOL,
     NULL},
    {"WS-05 8-bit", GOOD "Sec-WebSocket-Protocol: \xc3\xa9\r\n\r\n", REFUSE_WS_PROTOCOL, NULL},
    {"WS-05 empty", GOOD "Sec-WebSocket-Protocol:\r\n\r\n", REFUSE_WS_PROTOCOL, NULL},
    {"WS-05 empty entry", GOOD "Sec-WebSocket-Protocol: a,,b\r\n\r\n", REFUSE_WS_PROTOCOL, NULL},
    {"WS-05 comma at the end", GOOD "Sec-WebSocket-Protocol: a,\r\n\r\n", REFUSE_WS_PROTOCOL, NULL},
    {"WS-05 twice", GOOD "Sec-WebSocket-Protocol: a, b, a\r\n\r\n", REFUSE_WS_PROTOCOL, NULL},
    {"WS-05 twice, in two lines",
     GOOD "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b, a\r\n\r\n", REFUSE_WS_PROTOCOL,
     NULL},

    {"WS-06 deflate",
     GOOD "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n",
     REFUSE_NONE, NULL},
    {"WS-06 nonsense",
     GOOD "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=7;;=\"\\\r\n"
          "Sec-WebSocket-Extensions: \"\r\n\r\n",
     REFUSE_NONE, NULL},

    {"WS-04 no origin", GOOD "\r\n", REFUSE_NONE, NULL},
    {"WS-04 listed", GOOD "Origin: " OK "\r\n\r\n", REFUSE_NONE, NULL},
    {"WS-04 listed with a port", GOOD "Origin: http://127.0.0.1:3000\r\n\r\n", REFUSE_NONE, NULL},
    {"WS-04 not listed", GOOD "Origin: https://evil.example\r\n\r\n", REFUSE_ORIGIN, NULL},
    {"WS-04 null", GOOD "Origin: null\r\n\r\n", REFUSE_ORIGIN, NULL},
    {"WS-04 empty", GOOD "Origin:\r\n\r\n", REFUSE_ORIGIN, NULL},
    {"WS-04 other port", GOOD "Origin: " OK ":8443\r\n\r\n", REFUSE_ORIGIN, NULL},
    {"WS-04 default port", GOOD "Origin: " OK ":443\r\n\r\n", REFUSE_ORIGIN, NULL},
    {"WS-04 other scheme", GOOD "Origin: http://ok.example\r\n\r\n", REFUSE_ORIGIN, NULL},
    {"WS-04 longer name", GOOD "Origin: " OK ".evil\r\n\r\n", REFUSE_ORIGIN, NULL},
    {"WS-04 shorter name", GOOD "Origin: https://ok.exampl\r\n\r\n", REFUSE_ORIGIN, NULL},
    {"WS-04 name before", GOOD "Origin: https://not-ok.example\r\n\r\n", REFUSE_ORIGIN, NULL},
    {"WS-04 userinfo", GOOD "Origin: https://u@ok.example\r\n\r\n", REFUSE_ORIGIN, NULL},
    {"WS-04 userinfo of ours", GOOD "Origin: " OK "@evil.example\r\n\r\n", REFUSE_ORIGIN, NULL},
    {"WS-04 upper-case host", GOOD "Origin: https://OK.example\r\n\r\n", REFUSE_ORIGIN, NULL},
    {"WS-04 upper-case scheme", GOOD "Origin: HTTPS://ok.example\r\n\r\n", REFUSE_ORIGIN, NULL},
    {"WS-04 path", GOOD "Origin: " OK "/\r\n\r\n", REFUSE_ORIGIN, NULL},
    {"WS-04 two in one", GOOD "Origin: " OK " https://evil.example\r\n\r\n", REFUSE_ORIGIN, NULL},
    {"WS-04 twice", GOOD "Origin: " OK "\r\nOrigin: " OK "\r\n\r\n", REFUSE_ORIGIN, NULL},
};

static char *ORIGINS[] = {"http://127.0.0.1:3000", OK};

static enum refuse check(struct slice request, bool any_origin, bool deflate, struct upgrade *ret)
{
    struct http *h = http_new();
    struct config_strings origins = {.at = ORIGINS, .n = ARRAY_LEN(ORIGINS)};
    struct slice body;
    size_t used;
    if (http_feed(h, request, &used, &body) != HTTP_HEAD)
        fail_msg("the head was not accepted: %s", refuse_info(http_refusal(h))->name);
    enum refuse why =
        upgrade_check(http_get_head(h), any_origin ? NULL : &origins, SUPPORTED, deflate, ret);
    http_free(h);
    return why;
}

static void test_cases(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct upgrade u = {.accept = "untouched"};
        enum refuse why = check(slice_str(CASES[i].request), false, false, &u);
        if (why != CASES[i].expect)
            fail_msg("%s: got %s, expected %s", CASES[i].name, refuse_info(why)->name,
                     refuse_info(CASES[i].expect)->name);
        if (why != REFUSE_NONE)
            assert_string_equal(u.accept, "untouched");
        else if (!slice_eq_str(u.protocol, CASES[i].protocol == NULL ? "" : CASES[i].protocol))
            fail_msg("%s: chose '%.*s'", CASES[i].name, (int) u.protocol.len,
                     (const char *) u.protocol.data);
        assert_false(u.deflate.agreed);
        /* Without a list every origin passes, and nothing else changes. */
        enum refuse any = check(slice_str(CASES[i].request), true, true, &u);
        assert_int_equal(any, CASES[i].expect == REFUSE_ORIGIN ? REFUSE_NONE : CASES[i].expect);
    }
}

/* WS-05, WS-04, WS-02: a long value of one header. `%u` in the filler counts. */
static void test_long(void **state)
{
    (void) state;
    static const struct {
        const char *name, *start, *filler;
        unsigned times;
        const char *end;
        enum refuse expect;
    } LONG[] = {
        {"200 protocols", GOOD "Sec-WebSocket-Protocol: a", ",%u", 199, "", REFUSE_NONE},
        {"256 protocols", GOOD "Sec-WebSocket-Protocol: a", ",%u", 255, "", REFUSE_NONE},
        {"257 protocols", GOOD "Sec-WebSocket-Protocol: a", ",%u", 256, "", REFUSE_WS_PROTOCOL},
        {"3000 protocols", GOOD "Sec-WebSocket-Protocol: a", ",%u", 3000, "", REFUSE_WS_PROTOCOL},
        {"8 KB of spaces", GOOD "Sec-WebSocket-Protocol: a,", " ", 8192, "b", REFUSE_NONE},
        {"8 KB of spaces alone", GOOD "Sec-WebSocket-Protocol: ", " ", 8192, "",
         REFUSE_WS_PROTOCOL},
        {"8 KB of commas", GOOD "Sec-WebSocket-Protocol: a", ",", 8192, "", REFUSE_WS_PROTOCOL},
        {"8 KB of one token", GOOD "Sec-WebSocket-Protocol: ", "a", 8192, "", REFUSE_NONE},
        {"8 KB origin", GOOD "Origin: " OK, "x", 8192, "", REFUSE_ORIGIN},
        {"10 KB version", GET UPG KEY "Sec-WebSocket-Version: 13", " ", 10240, "3",
         REFUSE_WS_VERSION},
        {"8 KB of Connection", GET VER KEY "Upgrade: websocket\r\nConnection: x", ",y", 4096,
         ",upgrade", REFUSE_NONE},
    };
    for (size_t i = 0; i < ARRAY_LEN(LONG); i++) {
        struct buf request;
        struct upgrade u;
        buf_init(&request, 1 << 20);
        assert_int_equal(buf_append_str(&request, LONG[i].start), 0);
        for (unsigned n = 0; n < LONG[i].times; n++) {
            bool counts = strcmp(LONG[i].filler, ",%u") == 0;
            assert_int_equal(counts ? buf_printf(&request, ",%u", n)
                                    : buf_append_str(&request, LONG[i].filler),
                             0);
        }
        assert_int_equal(buf_printf(&request, "%s\r\n\r\n", LONG[i].end), 0);
        enum refuse why = check(buf_slice(&request), false, false, &u);
        if (why != LONG[i].expect)
            fail_msg("%s: got %s", LONG[i].name, refuse_info(why)->name);
        buf_fini(&request);
    }
}

/* WS-05: the dearest list for the search for duplicates stays far below 1 ms. */
static void test_time(void **state)
{
    (void) state;
    enum { ROUNDS = 200 };
    struct buf request;
    struct upgrade u;
    buf_init(&request, 1 << 20);
    assert_int_equal(buf_append_str(&request, GOOD "Sec-WebSocket-Protocol: x"), 0);
    for (unsigned n = 0; n < 255; n++) /* equal but for the end */
        assert_int_equal(buf_printf(&request, ",%050u", n), 0);
    assert_int_equal(buf_append_str(&request, "\r\n\r\n"), 0);
    clock_t start = clock();
    for (unsigned i = 0; i < ROUNDS; i++)
        assert_int_equal(check(buf_slice(&request), false, false, &u), REFUSE_NONE);
    double ms = (double) (clock() - start) * 1000 / CLOCKS_PER_SEC / ROUNDS;
    if (ms > 5) /* 1 ms is the aim; sanitizers and busy machines get some room */
        fail_msg("%.3f ms for each", ms);
    buf_fini(&request);
}

static void test_response(void **state)
{
    (void) state;
    struct upgrade u;
    struct buf out;
    buf_init(&out, 1000);
    assert_int_equal(check(SLICE_LIT(GOOD "\r\n"), false, false, &u), REFUSE_NONE);
    assert_string_equal(u.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="); /* RFC 6455 section 1.3 */
    assert_int_equal(upgrade_response(&out, &u, "d5d00000000000000001", NULL), 0);
    assert_true(slice_eq_str(
        buf_slice(&out), "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\n"
                         "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                         "X-Yc-Apigateway-Websocket-Connection-Id: d5d00000000000000001\r\n\r\n"));
    buf_clear(&out);
    assert_int_equal(
        check(SLICE_LIT(GOOD "Sec-WebSocket-Protocol: v1.regcast\r\n\r\n"), false, false, &u),
        REFUSE_NONE);
    assert_int_equal(upgrade_response(&out, &u, "x", NULL), 0);
    assert_int_equal(buf_append(&out, slice_of("", 1)), 0);
    assert_non_null(
        strstr((const char *) out.data, "\r\nSec-WebSocket-Protocol: v1.regcast\r\n\r\n"));
    buf_fini(&out);

    static const char OFFER[] = GOOD "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    assert_int_equal(check(slice_str(OFFER), false, false, &u), REFUSE_NONE);
    assert_false(u.deflate.agreed); /* not switched on */
    assert_int_equal(check(slice_str(OFFER), false, true, &u), REFUSE_NONE);
    assert_true(u.deflate.agreed);
    buf_init(&out, 1000);
    assert_int_equal(upgrade_response(&out, &u, "x", NULL), 0);
    assert_int_equal(buf_append(&out, slice_of("", 1)), 0);
    assert_non_null(strstr((const char *) out.data,
                           "\r\nSec-WebSocket-Extensions: permessage-deflate; "
                           "server_no_context_takeover; client_no_context_takeover\r\n\r\n"));
    buf_fini(&out);
    buf_init(&out, 150);
    assert_int_equal(upgrade_response(&out, &u, "x", NULL), -EMSGSIZE);
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_response),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
