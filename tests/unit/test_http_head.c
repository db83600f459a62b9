/* Tests of gateway/http_head.c: the scan of a head, what a head means, tokens and lists. Whole
 * requests are in test_http.c. */
#include "err.h"
#include "http_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define HOST "Host: a\r\n"

static enum refuse scan(const char *text, size_t *used, bool *done)
{
    struct head_scan s;
    head_scan_init(&s, false);
    enum refuse why = head_scan(&s, slice_str(text), used);
    *done = head_scan_done(&s);
    return why;
}

static void test_scan(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        enum refuse why;
        size_t used;
        bool done;
    } CASES[] = {
        {"GET / HTTP/1.1\r\n" HOST "\r\n", REFUSE_NONE, 27, true},
        {"GET / HTTP/1.1\r\n" HOST "\r\nGET", REFUSE_NONE, 27, true}, /* and not a byte more */
        {"GET / HTTP/1.1\r\n" HOST, REFUSE_NONE, 25, false},
        {"\x16\x03\x01", REFUSE_TLS_HELLO, 1, false},
        {"GET / HTTP/1.1\n", REFUSE_LINE_END, 15, false},
        {"GET / HTTP/1.1\r\n" HOST " fold", REFUSE_OBS_FOLD, 26, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        size_t used = 0;
        bool done = false;
        enum refuse why = scan(CASES[i].text, &used, &done);
        if (why != CASES[i].why || used != CASES[i].used || done != CASES[i].done)
            fail_msg("case %zu: %s after %zu, done %d", i, refuse_info(why)->name, used, done);
    }
}

/* Byte by byte gives what the whole gives. */
static void test_scan_in_pieces(void **state)
{
    (void) state;
    static const char TEXT[] =
        "POST /registries/x/events HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n";
    struct head_scan s;
    head_scan_init(&s, false);
    assert_false(head_scan_started(&s));
    for (size_t at = 0; at < sizeof(TEXT) - 1; at++) {
        size_t used = 0;
        assert_false(head_scan_done(&s));
        assert_int_equal(head_scan(&s, slice_of(TEXT + at, 1), &used), REFUSE_NONE);
        assert_int_equal(used, 1);
        assert_true(head_scan_started(&s));
    }
    assert_true(head_scan_done(&s));
}

static void test_parse(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        enum refuse why;
    } CASES[] = {
        {"GET /a?b=c HTTP/1.1\r\n" HOST "\r\n", REFUSE_NONE},
        {"GET / HTTP/1.1\r\n\r\n", REFUSE_HOST},
        {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", REFUSE_HOST},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
         REFUSE_CL_TE},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
         REFUSE_BAD_CL},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", REFUSE_BAD_TE},
        {"GET / HTTP/1.1\r\n" HOST "Expect: x\r\n\r\n", REFUSE_EXPECT},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct http_head head = {0};
        enum refuse why = head_parse(slice_str(CASES[i].text), &head);
        if (why != CASES[i].why)
            fail_msg("case %zu: %s", i, refuse_info(why)->name);
        if (i == 0) {
            assert_int_equal(head.method, HTTP_M_GET);
            assert_true(slice_eq_str(head.path, "/a"));
            assert_true(slice_eq_str(head.query, "b=c"));
            assert_true(slice_eq_str(head.host, "a"));
            assert_true(head.keep_alive);
            assert_false(head.has_body);
        }
    }
}

static void test_tokens(void **state)
{
    (void) state;
    assert_true(head_is_token(slice_str("regcast.v1")));
    assert_true(head_is_token(slice_str("!#$%&'*+-.^_`|~09azAZ")));
    static const char *const BAD[] = {"", " ", "a b", "a,b", "a\"", "a/b", "a\x7f", "\xc3\xa9"};
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        assert_false(head_is_token(slice_str(BAD[i])));
    assert_true(slice_eq_str(head_trim(slice_str(" \t a b\t ")), "a b"));
    assert_int_equal(head_trim(slice_str(" \t ")).len, 0);
}

static void test_lists(void **state)
{
    (void) state;
    static const struct {
        const char *list, *elements; /* each ended by '|' */
    } CASES[] = {
        {"a", "a|"},     {"a, b ,c", "a|b|c|"}, {"", "|"},
        {" a ,", "a||"}, {",", "||"},           {"a,,b", "a||b|"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char got[64] = "";
        size_t len = 0;
        bool more = true;
        struct slice list = slice_str(CASES[i].list), element;
        while (head_next_element(&list, &more, &element))
            len += (size_t) snprintf(got + len, sizeof(got) - len, "%.*s|", (int) element.len,
                                     (const char *) element.data);
        assert_string_equal(got, CASES[i].elements);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan),  cmocka_unit_test(test_scan_in_pieces),
        cmocka_unit_test(test_parse), cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
