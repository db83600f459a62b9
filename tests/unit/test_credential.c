/* Tests of gateway/credential.c: where a token is looked for, and in which order. */
#include "credential.h"

#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define AUTH  "Authorization: Bearer "
#define PROTO "Sec-WebSocket-Protocol: "
#define QUERY "/a?access_token="

static const struct {
    const char *target, *headers, *token;
    int err;
} CASES[] = {
    {"/a", "", NULL, -ENOENT},
    {"/a", AUTH "abc\r\n", "abc", 0},
    {"/a", "authorization: bearer   abc\r\n", "abc", 0},
    {"/a", AUTH "\r\n", NULL, -EBADMSG},
    {"/a", "Authorization: Bearer\r\n", NULL, -EBADMSG},
    {"/a", AUTH "a b\r\n", NULL, -EBADMSG},
    {"/a", AUTH "a\xc3\xa9\r\n", NULL, -EBADMSG},
    {"/a", AUTH "abc\r\n" AUTH "abc\r\n", NULL, -EBADMSG},
    {"/a", "Authorization: Bearerabc\r\n", NULL, -ENOENT},
    {"/a", "Authorization: Basic YTpi\r\n", NULL, -ENOENT},
    {"/a", "Authorization: Basic YTpi\r\n" AUTH "abc\r\n", "abc", 0},
    {"/a", PROTO "regcast.v1, regcast-token.abc\r\n", "abc", 0},
    {"/a", PROTO "regcast.v1\r\n" PROTO "regcast-token.abc\r\n", "abc", 0},
    {"/a", PROTO "regcast-token.\r\n", NULL, -EBADMSG},
    {"/a", PROTO "regcast-token.a,regcast-token.b\r\n", NULL, -EBADMSG},
    {"/a", PROTO "Regcast-token.abc\r\n", NULL, -ENOENT},
    {"/a", "Cookie: sid=abc\r\n", "abc", 0},
    {"/a", "Cookie: a=b;sid=\"abc\" ; c\r\n", "abc", 0},
    {"/a", "Cookie: a=b\r\nCookie: sid=abc\r\n", "abc", 0},
    {"/a", "Cookie: sid=a=b\r\n", "a=b", 0},
    {"/a", "Cookie: sid=\"\r\n", "\"", 0},
    {"/a", "Cookie: sid=\r\n", NULL, -EBADMSG},
    {"/a", "Cookie: sid\r\n", NULL, -EBADMSG},
    {"/a", "Cookie: sid=a; sid=b\r\n", NULL, -EBADMSG},
    {"/a", "Cookie: SID=abc; xsid=abc; sidx=abc\r\n", NULL, -ENOENT},
    {QUERY "abc", "", "abc", 0},
    {"/a?x=1&access_token=a%2Eb&y", "", "a.b", 0},
    {QUERY, "", NULL, -EBADMSG},
    {QUERY "%zz", "", NULL, -EBADMSG},
    {QUERY "a%20b", "", NULL, -EBADMSG},
    {QUERY "a&access_token=a", "", NULL, -EBADMSG},
    {"/a?Access_token=abc", "", NULL, -ENOENT},
    /* The order: header, subprotocol, query, cookie. */
    {QUERY "q", AUTH "h\r\n" PROTO "regcast-token.p\r\nCookie: sid=c\r\n", "h", 0},
    {QUERY "q", PROTO "regcast-token.p\r\nCookie: sid=c\r\n", "p", 0},
    {QUERY "q", "Cookie: sid=c\r\n", "q", 0},
    {QUERY "q", AUTH "\r\n", NULL, -EBADMSG}, /* no second chance */
};

static int find(const char *target, const char *headers, const char *cookie, bool query,
                struct credential *ret, struct http **h)
{
    char text[16384];
    size_t used;
    struct slice body;
    int len = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n", target, headers);
    *h = http_new();
    assert_int_equal(http_feed(*h, slice_of(text, (size_t) len), &used, &body), HTTP_HEAD);
    return credential_find(http_get_head(*h), cookie, query, ret);
}

static void test_places(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct credential c;
        struct http *h;
        int r = find(CASES[i].target, CASES[i].headers, "sid", true, &c, &h);
        if (r != CASES[i].err || (r == 0 && !slice_eq_str(c.token, CASES[i].token)))
            fail_msg("%s %s: %d", CASES[i].target, CASES[i].headers, r);
        http_free(h);
    }
}

static void test_switched_off(void **state)
{
    struct credential c;
    struct http *h;
    (void) state;
    assert_int_equal(find(QUERY "q", "Cookie: sid=c\r\n", "", false, &c, &h), -ENOENT);
    http_free(h);
    assert_int_equal(find("/a", "Cookie: =c\r\n", "", false, &c, &h), -ENOENT);
    http_free(h);
}

/* As long as a JWT may be, and no longer. */
static void test_length(void **state)
{
    static char target[JWT_MAX + 40];
    struct credential c;
    struct http *h;
    (void) state;
    size_t len = (size_t) snprintf(target, sizeof(target), QUERY);
    memset(target + len, 'a', JWT_MAX);
    assert_int_equal(find(target, "", "", true, &c, &h), 0);
    assert_int_equal(c.token.len, JWT_MAX);
    http_free(h);
    target[len + JWT_MAX] = 'a';
    assert_int_equal(find(target, "", "", true, &c, &h), -EBADMSG);
    http_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_places),
                                       cmocka_unit_test(test_switched_off),
                                       cmocka_unit_test(test_length)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
