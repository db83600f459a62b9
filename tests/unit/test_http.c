/* Tests of gateway/http.c with the files behind it: whole requests. */
#include "cases_http.h"
#include "heap.h"
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static unsigned check(const char *name, struct slice input, const char *expect)
{
    struct http_record r = record_http(input, NULL, 0);
    bool ok = strcmp(record_text(&r), expect) == 0;
    if (!ok)
        print_error("%s: got '%s', expected '%s'\n", name, record_text(&r), expect);
    record_fini(&r);
    return ok ? 0 : 1;
}

static void test_cases(void **state)
{
    (void) state;
    unsigned wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(HTTP_CASES); i++)
        wrong += check(HTTP_CASES[i].name, HTTP_CASES[i].input, HTTP_CASES[i].expect);
    assert_int_equal(wrong, 0);
}

/* HP-05: what follows a refused request is never looked at, so nothing of it can be dispatched. */
static void test_nothing_after_refusal(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(HTTP_CASES); i++) {
        struct buf input = {0};
        buf_init(&input, 1 << 16);
        assert_int_equal(buf_append(&input, HTTP_CASES[i].input), 0);
        assert_int_equal(buf_append_str(&input, NEXT NEXT), 0);
        struct http_record alone = record_http(HTTP_CASES[i].input, NULL, 0);
        struct http_record more = record_http(buf_slice(&input), NULL, 0);
        if (alone.refused) {
            assert_string_equal(record_text(&more), record_text(&alone));
            assert_int_equal(more.used, alone.used);
            assert_int_equal(more.heads, alone.heads);
        }
        record_fini(&alone);
        record_fini(&more);
        buf_fini(&input);
    }
}

#define X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

/* Input that is built: a prefix, a filler so many times, a suffix. HP-11, HP-07 and their bounds.
 */
static const struct {
    const char *name, *prefix, *filler;
    size_t times;
    const char *suffix, *expect;
} LONG[] = {
    /* "GET /" + "x" + " HTTP/1.1" is 14 bytes and the filler */
    {"request line of 8192", "GET /", "x", 8192 - 14, " HTTP/1.1\r\nHost: a\r\n\r\n", NULL},
    {"request line of 8193", "GET /", "x", 8193 - 14, " HTTP/1.1\r\nHost: a\r\n\r\n", "! uri_long"},
    {"endless target", "GET /", "x", 100000, "", "! uri_long"},
    {"endless method", "", "G", 100000, "", "! request_line"},
    /* "Host: a\r\n" is 9, "X: \r\n" 5 */
    {"headers of 16384", "GET / HTTP/1.1\r\nHost: a\r\nX: ", "x", 16384 - 14, "\r\n\r\n",
     "GET / done"},
    {"headers of 16385", "GET / HTTP/1.1\r\nHost: a\r\nX: ", "x", 16385 - 14, "\r\n\r\n",
     "! headers"},
    {"endless value", "GET / HTTP/1.1\r\nHost: a\r\nX: ", "x", 100000, "", "! headers"},
    {"endless name", "GET / HTTP/1.1\r\nHost: a\r\n", "x", 100000, "", "! headers"},
    {"endless spaces", "GET / HTTP/1.1\r\nHost: a\r\nX:", " ", 100000, "", "! headers"},
    {"64 headers", "GET / HTTP/1.1\r\nHost: a\r\n", "X: y\r\n", 63, "\r\n", "GET / done"},
    {"65 headers", "GET / HTTP/1.1\r\nHost: a\r\n", "X: y\r\n", 64, "\r\n", "! headers"},
    {"a 16 KB header among others", "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nY: ", "y", 16384,
     "\r\nZ: z\r\n\r\n", "! headers"},
    {"extension of 1024", CHUNKED "1;", "x", 1024, "\r\nh\r\n0\r\n\r\n", "POST /e [h] done"},
    {"extension of 1025", CHUNKED "1;", "x", 1025, "\r\nh\r\n0\r\n\r\n", "POST /e ! chunk_ext"},
    {"extensions are counted for each body", CHUNKED, "0;" X50 X50 "\r\n\r\n" CHUNKED, 11,
     "0\r\n\r\n",
     "POST /e done POST /e done POST /e done POST /e done POST /e done POST /e done POST /e done "
     "POST /e done POST /e done POST /e done POST /e done POST /e done"},
    {"extensions of 1030 in all", CHUNKED, "1;0123456789\r\nh\r\n", 103, "0\r\n\r\n",
     "POST /e "
     "[hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh"
     "hhhhhhhhhhhhhh] ! chunk_ext"},
};

static void test_long(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(LONG); i++) {
        struct buf input = {0};
        buf_init(&input, 1 << 20);
        assert_int_equal(buf_append_str(&input, LONG[i].prefix), 0);
        for (size_t n = 0; n < LONG[i].times; n++)
            assert_int_equal(buf_append_str(&input, LONG[i].filler), 0);
        assert_int_equal(buf_append_str(&input, LONG[i].suffix), 0);
        if (LONG[i].expect != NULL) {
            assert_int_equal(check(LONG[i].name, buf_slice(&input), LONG[i].expect), 0);
        } else {
            struct http_record r = record_http(buf_slice(&input), NULL, 0);
            assert_int_equal(r.heads, 1);
            record_fini(&r);
        }
        buf_fini(&input);
    }
}

static const struct http_head *feed_head(struct http *h, struct slice in, size_t *ret_used)
{
    struct slice body;
    assert_int_equal(http_feed(h, in, ret_used, &body), HTTP_HEAD);
    return http_get_head(h);
}

static void test_no_memory(void **state)
{
    enum { NEEDED = 4 }; /* the parser, the head's bytes, the head, llhttp */
    (void) state;
    for (unsigned n = 1; n <= NEEDED + 1; n++) {
        struct slice body;
        size_t used;
        mem_fail_at(n);
        struct http *h = http_new();
        assert_int_equal(h == NULL, n == 1);
        if (h == NULL)
            continue;
        enum http_event event =
            http_feed(h, SLICE_LIT("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), &used, &body);
        mem_fail_at(0);
        assert_int_equal(event, n <= NEEDED ? HTTP_REFUSED : HTTP_HEAD);
        assert_int_equal(http_refusal(h), n <= NEEDED ? REFUSE_MEMORY : REFUSE_NONE);
        http_free(h);
    }
}

static void test_head(void **state)
{
    (void) state;
    struct http *h = http_new();
    assert_false(http_started(h));
    size_t used, count;
    struct slice in =
        SLICE_LIT("POST /a%20b?q=1 HTTP/1.1\r\nhOsT: a.example:80\r\n"
                  "X-One: \t v 1\t \r\nConnection: x ,close\r\nconnection: y\r\n"
                  "Content-Length: 12\r\nX-Two: 1\r\nx-two: 2\r\nEmpty:\r\n\r\nhello");
    const struct http_head *head = feed_head(h, in, &used);
    assert_int_equal(used, in.len - 5);
    assert_true(http_started(h));
    assert_int_equal(head->method, HTTP_M_POST);
    assert_true(slice_eq_str(head->target, "/a%20b?q=1"));
    assert_true(slice_eq_str(head->path, "/a%20b"));
    assert_true(slice_eq_str(head->query, "q=1"));
    assert_true(slice_eq_str(head->host, "a.example:80"));
    assert_true(head->has_body && !head->chunked && !head->keep_alive && !head->expect_continue);
    assert_int_equal(head->content_length, 12);
    assert_int_equal(head->n_headers, 8);
    assert_true(slice_eq_str(http_header(head, "x-one", &count), "v 1"));
    assert_int_equal(count, 1);
    assert_true(slice_eq_str(http_header(head, "X-Two", &count), "1"));
    assert_int_equal(count, 2);
    assert_int_equal(http_header(head, "Empty", &count).len, 0);
    assert_int_equal(count, 1);
    assert_int_equal(http_header(head, "Absent", &count).len, 0);
    assert_int_equal(count, 0);
    assert_true(http_has_token(head, "Connection", "X"));
    assert_true(http_has_token(head, "Connection", "close"));
    assert_true(http_has_token(head, "Connection", "y"));
    assert_false(http_has_token(head, "Connection", "x ,close"));
    assert_false(http_has_token(head, "Absent", "x"));
    http_free(h);
    http_free(NULL);
}

/* HP-10: what follows the head of an upgrade is not the parser's. */
static void test_upgrade_stops(void **state)
{
    (void) state;
    struct http *h = http_new();
    struct slice in = SLICE_LIT(GET "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x80"),
                 body;
    size_t used;
    (void) feed_head(h, in, &used);
    assert_int_equal(used, in.len - 2);
    assert_int_equal(http_feed(h, (struct slice){0}, &used, &body), HTTP_DONE);
    assert_int_equal(used, 0);
    http_free(h);
}

/* LM-03: a peer that has not sent a whole request line holds next to nothing. */
static void test_memory(void **state)
{
    (void) state;
    enum { N = 100 };
    static struct http *h[N];
    char line[2000] = "GET /";
    memset(line + 5, 'x', sizeof(line) - 5);
    struct slice body;
    size_t used, before = heap_bytes();
    for (size_t i = 0; i < N; i++) {
        h[i] = http_new();
        for (size_t n = 0; n < sizeof(line); n++) /* byte by byte: the buffer grows in steps */
            assert_int_equal(http_feed(h[i], slice_of(line + n, 1), &used, &body), HTTP_MORE);
    }
    assert_in_range(heap_bytes() - before, 0, N * 4096);
    for (size_t i = 0; i < N; i++)
        http_free(h[i]);

    struct slice zeros = slice_of(calloc(1, 1 << 20), 1 << 20);
    size_t with_input = heap_bytes();
    for (size_t i = 0; i < N; i++) {
        h[i] = http_new();
        assert_int_equal(http_feed(h[i], zeros, &used, &body), HTTP_REFUSED);
        assert_int_equal(used, 1);
        assert_int_equal(http_feed(h[i], zeros, &used, &body), HTTP_REFUSED);
        assert_int_equal(used, 0);
    }
    assert_in_range(heap_bytes() - with_input, 0, N * 512);
    for (size_t i = 0; i < N; i++)
        http_free(h[i]);
    free((void *) zeros.data);

    h[0] = http_new(); /* between two requests the head is given back */
    before = heap_bytes();
    (void) feed_head(h[0], SLICE_LIT(GET END), &used);
    assert_int_equal(http_feed(h[0], (struct slice){0}, &used, &body), HTTP_DONE);
    http_next(h[0]);
    assert_false(http_started(h[0]));
    assert_int_equal(heap_bytes(), before);
    http_free(h[0]);
}

static void test_percent_decode(void **state)
{
    (void) state;
    static const struct {
        const char *in;
        int result;
        const char *out;
    } CASES[] = {
        {"", 0, ""},
        {"abc", 3, "abc"},
        {"a%20b+c", 5, "a b+c"},
        {"%2f%2F", 2, "//"},
        {"%ff", 1, "\xff"},
        {"%", -EINVAL, NULL},
        {"%2", -EINVAL, NULL},
        {"a%2", -EINVAL, NULL},
        {"%2g", -EINVAL, NULL},
        {"%g2", -EINVAL, NULL},
        {"%00", -EINVAL, NULL},
        {"a%00b", -EINVAL, NULL},
        {"%%20", -EINVAL, NULL},
        {"12345678", 8, "12345678"},
        {"123456789", -EMSGSIZE, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char out[8];
        int r = http_percent_decode(slice_str(CASES[i].in), out, sizeof(out));
        if (r != CASES[i].result || (r > 0 && memcmp(out, CASES[i].out, (size_t) r) != 0))
            fail_msg("%s: got %d, expected %d", CASES[i].in, r, CASES[i].result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),          cmocka_unit_test(test_nothing_after_refusal),
        cmocka_unit_test(test_long),           cmocka_unit_test(test_head),
        cmocka_unit_test(test_upgrade_stops),  cmocka_unit_test(test_memory),
        cmocka_unit_test(test_percent_decode), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
