/* Tests of gateway/cli/ws_url.c. */
#include "ws_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    const char *text, *host, *port, *authority, *target;
} GOOD[] = {
    {"ws://localhost", "localhost", "80", "localhost", "/"},
    {"WS://a:8080", "a", "8080", "a:8080", "/"},
    {"ws://a:1/b/c?d=e/f", "a", "1", "a:1", "/b/c?d=e/f"},
    {"ws://a?x=1", "a", "80", "a", "/?x=1"},
    {"ws://[::1]:65535/", "::1", "65535", "[::1]:65535", "/"},
    {"ws://[::1]", "::1", "80", "[::1]", "/"},
    {"wss://a/b", "a", "443", "a", "/b"},
    {"WSS://a:80", "a", "80", "a:80", "/"},
};

static const struct {
    const char *text, *why;
} BAD[] = {
    {"http://a/", "expected ws://"},
    {"a:8080/", "expected ws://"},
    {"", "expected ws://"},
    {"ws://", "no host"},
    {"ws:///a", "no host"},
    {"ws://:80/", "no host"},
    {"ws://[]:80/", "no host"},
    {"ws://[::1/", "without \"]\""},
    {"ws://[::1]x:80/", "after \"]\""},
    {"ws://[::1]x", "after \"]\""},
    {"ws://a:/", "port"},
    {"ws://a:0/", "port"},
    {"ws://a:65536/", "port"},
    {"ws://a:100000/", "port"},
    {"ws://a:8x/", "port"},
    {"ws://a/b#c", "fragment"},
    {"ws://u:p@a/", "--header"},
    {"ws://a/b c", "%XX"},
    {"ws://a/\r\nHost: b", "%XX"},
    {"ws://a/\xc3\xa4", "%XX"},
};

static void test_good(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++) {
        struct ws_url url;
        const char *why = "";
        assert_int_equal(ws_url_parse(GOOD[i].text, &url, &why), 0);
        assert_string_equal(url.host, GOOD[i].host);
        assert_string_equal(url.port, GOOD[i].port);
        assert_string_equal(url.authority, GOOD[i].authority);
        assert_string_equal(url.target, GOOD[i].target);
        assert_int_equal(url.tls, GOOD[i].text[2] == 's' || GOOD[i].text[2] == 'S');
    }
}

static void test_bad(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        struct ws_url url;
        const char *why = "";
        assert_int_equal(ws_url_parse(BAD[i].text, &url, &why), -EINVAL);
        assert_non_null(strstr(why, BAD[i].why));
    }
    char text[8192] = "ws://a/";
    struct ws_url url;
    const char *why = "";
    memset(text + 7, 'x', WS_URL_PATH_SIZE - 2);
    assert_int_equal(ws_url_parse(text, &url, &why), 0);
    assert_int_equal(ws_url_query(&url, "k", "v"), -EMSGSIZE);
    assert_int_equal(strlen(url.target), WS_URL_PATH_SIZE - 1);
    text[7 + WS_URL_PATH_SIZE - 2] = 'x';
    assert_int_equal(ws_url_parse(text, &url, &why), -EINVAL);
    memset(text + 5, 'x', WS_URL_HOST_SIZE);
    text[5 + WS_URL_HOST_SIZE] = '\0';
    assert_int_equal(ws_url_parse(text, &url, &why), -EINVAL);
}

static void test_query(void **state)
{
    (void) state;
    struct ws_url url;
    const char *why = "";
    assert_int_equal(ws_url_parse("ws://a/b", &url, &why), 0);
    assert_false(ws_url_has(&url, "since"));
    assert_int_equal(ws_url_query(&url, "since", "x"), 0);
    assert_int_equal(ws_url_query(&url, "strict", "1"), 0);
    assert_string_equal(url.target, "/b?since=x&strict=1");
    assert_true(ws_url_has(&url, "since"));
    assert_true(ws_url_has(&url, "strict"));
    assert_int_equal(ws_url_parse("ws://a/since=1?nosince=1&sinceb=2&x", &url, &why), 0);
    assert_false(ws_url_has(&url, "since"));
    assert_true(ws_url_has(&url, "x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_bad),
                                       cmocka_unit_test(test_query)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
