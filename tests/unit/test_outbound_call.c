/* Tests of gateway/backend/outbound_call.c: URLs that are refused before anything is resolved, and
 * what goes out on the wire. */
#include "outbound_bed.h"

static void test_refused(void **state)
{
    (void) state;
    static const char *const URLS[] = {
        "",
        "/",
        "127.0.0.1:@/",
        "ftp://127.0.0.1:@/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:@/",
        "unix:///var/run/docker.sock",
        "httpx://127.0.0.1:@/",
        "http://",
        "http://:@/",
        "http:///",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:00000/",
        "http://127.0.0.1:65536/",
        "http://127.0.0.1:x/",
        "http://127.0.0.1:-1/",
        "http://u@127.0.0.1:@/",
        "http://u:p@127.0.0.1:@/",
        "http://:p@127.0.0.1:@/",
        "http://127.0.0.1:@@10.0.0.1/",
        "http://127.0.0.1 :@/",
        "http://127.0.0.1:@/a b",
        "http://127.0.0.1:@/\r\nX: y",
        "http://127.0.0.1:@/\x01",
        "http://[::1/",
        "http://[::1%25lo\r\n]/",
        "http://a\\b/",
    };
    struct bed bed;
    struct got g = {0};
    bed_new(&bed);
    for (size_t i = 0; i < ARRAY_LEN(URLS); i++) {
        print_message("  %s\n", URLS[i]);
        bed_ask(&bed, &g, "GET", URLS[i], (struct slice){0});
        got_is(&g, -EACCES, 0);
        assert_string_not_equal(g.why, "egress"); /* but what is wrong with it */
    }
    assert_int_equal(bed.b.accepted, 0);
    buf_fini(&g.body);
    bed_end(&bed);
}

static void test_host_length(void **state)
{
    (void) state;
    struct bed bed;
    struct got g = {0};
    char url[600] = "http://";
    bed_new(&bed);
    for (size_t len = 252; len <= 500; len += len < 256 ? 1 : 61) {
        for (size_t i = 0; i < len; i++)
            url[7 + i] = i % 60 == 59 ? '.' : 'a';
        url[7 + len - 1] = '1';
        (void) snprintf(url + 7 + len, 2, "/");
        bed_ask(&bed, &g, "GET", url, (struct slice){0});
        if (len <= 253)
            got_is(&g, -ECONNREFUSED, 0); /* there is no such name */
        else
            got_is(&g, -EACCES, 0);
    }
    buf_fini(&g.body);
    bed_end(&bed);
}

static void send_request(struct bed *bed, struct got *g, struct outbound_request *request)
{
    char url[64];
    (void) snprintf(url, sizeof(url), "http://127.0.0.1:%u/a/../b?c=d#e", bed->b.port);
    request->url = url;
    request->max_body = 100;
    buf_fini(&g->body);
    *g = (struct got){.bed = bed};
    buf_clear(&bed->b.last);
    assert_int_equal(outbound_send(bed->o, request, bed_on_done, g, &g->call), 0);
    memset(url, 'x', sizeof(url) - 1); /* it was copied */
    UNTIL(bed, g->times == 1);
}

/* The request without its Host, which has the port. */
static void heard_is(struct bed *bed, const char *want)
{
    char text[2048] = "";
    struct slice last = buf_slice(&bed->b.last);
    const char *host = memmem(last.data, last.len, "Host: ", 6);
    assert_non_null(host);
    size_t before = (size_t) (host - (const char *) last.data);
    const char *end = memmem(host, last.len - before, "\r\n", 2);
    size_t after = (size_t) (end + 2 - (const char *) last.data);
    (void) snprintf(text, sizeof(text), "%.*s%.*s", (int) before, (const char *) last.data,
                    (int) (last.len - after), (const char *) last.data + after);
    assert_string_equal(text, want);
}

#define H(n, v)                                                                                    \
    {                                                                                              \
        SLICE_INIT(n), SLICE_INIT(v)                                                               \
    }

static void test_wire(void **state)
{
    (void) state;
    static const struct header SOME[] = {H("X-Empty", ""),
                                         H("User-Agent", "me"),
                                         H("accept", "a/b"),
                                         H("Content-Type", "text/x"),
                                         H("Cookie", "a=b"),
                                         H("X", "1"),
                                         H("X", "2"),
                                         H("Accept-Encoding", "gzip"),
                                         H("Authorization", "Bearer t"),
                                         H("X-Spaces", "  ")};
    static const struct header OURS[] = {H("host", "evil"),
                                         H("Content-Length", "99"),
                                         H("Connection", "close"),
                                         H("Transfer-Encoding", "chunked"),
                                         H("TE", "gzip"),
                                         H("Upgrade", "h2c"),
                                         H("Expect", "100-continue"),
                                         H("Proxy-Connection", "x"),
                                         H("Keep-Alive", "x"),
                                         H("Trailer", "x"),
                                         H("HTTP2-Settings", "x"),
                                         H("Proxy-Authorization", "x")};
    static const struct {
        struct outbound_request request;
        const char *want;
    } CASES[] = {
        {{.method = "GET"}, "GET /b?c=d HTTP/1.1\r\n\r\n"},
        {{.method = "POST", .has_body = true, .body = SLICE_INIT("hello")},
         "POST /b?c=d HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"},
        {{.method = "POST", .has_body = true}, "POST /b?c=d HTTP/1.1\r\nContent-Length: 0\r\n\r\n"},
        {{.method = "POST"}, "POST /b?c=d HTTP/1.1\r\n\r\n"},
        {{.method = "DELETE"}, "DELETE /b?c=d HTTP/1.1\r\n\r\n"},
        {{.method = "GET", .has_body = true, .body = SLICE_INIT("x")},
         "GET /b?c=d HTTP/1.1\r\nContent-Length: 1\r\n\r\nx"},
        {{.method = "HEAD"}, "HEAD /b?c=d HTTP/1.1\r\n\r\n"},
        {{.method = "PUT", .has_body = true, .body = SLICE_INIT("a\0b")},
         "PUT /b?c=d HTTP/1.1\r\nContent-Length: 3\r\n\r\na"},
        {{.method = "OPTIONS"}, "OPTIONS /b?c=d HTTP/1.1\r\n\r\n"},
        {{.method = "M-SEARCH"}, "M-SEARCH /b?c=d HTTP/1.1\r\n\r\n"},
        {{.method = "GET"}, "GET /b?c=d HTTP/1.1\r\n\r\n"},
        {{.method = "GET", .headers = SOME, .n_headers = ARRAY_LEN(SOME)},
         "GET /b?c=d HTTP/1.1\r\nX-Empty:\r\nUser-Agent: me\r\naccept: a/b\r\nContent-Type: "
         "text/x\r\n"
         "Cookie: a=b\r\nX: 1\r\nX: 2\r\nAccept-Encoding: gzip\r\nAuthorization: Bearer t\r\n"
         "X-Spaces:\r\n\r\n"},
        {{.method = "POST",
          .headers = OURS,
          .n_headers = ARRAY_LEN(OURS),
          .has_body = true,
          .body = SLICE_INIT("x")},
         "POST /b?c=d HTTP/1.1\r\nContent-Length: 1\r\n\r\nx"},
    };
    struct bed bed;
    struct got g = {0};
    bed_new(&bed);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct outbound_request request = CASES[i].request;
        send_request(&bed, &g, &request);
        got_is(&g, 0, 200);
        heard_is(&bed, CASES[i].want);
    }
    assert_int_equal(bed.b.accepted, 1); /* the same easy: nothing is left of the one before */
    buf_fini(&g.body);
    bed_end(&bed);
}

static void test_injection(void **state)
{
    (void) state;
    static const struct header HEADERS[] = {
        H("X", "a\r\nY: b"), H("X", "a\nY: b"), H("X", "a\rb"),     H("X", "a\0b"),
        H("X", "\x7f"),      H("X\r\nY", "b"),  H("X:", "b"),       H("", "b"),
        H("X Y", "b"),       H("X\0", "b"),     H("\xc3\xa9", "b"), H("X;", "b"),
    };
    static const char *const METHODS[] = {"",
                                          "G T",
                                          "GET /\r\n",
                                          "GET\n",
                                          "CONNECT",
                                          "G\xc3\xa9T",
                                          "AVERYLONGMETHODTHATNOBODYHASEVERUSED"};
    struct bed bed;
    struct got g = {0};
    bed_new(&bed);
    for (size_t i = 0; i < ARRAY_LEN(HEADERS); i++) {
        struct outbound_request request = {.method = "GET", .headers = &HEADERS[i], .n_headers = 1};
        send_request(&bed, &g, &request);
        got_is(&g, -EACCES, 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(METHODS); i++) {
        struct outbound_request request = {.method = METHODS[i]};
        send_request(&bed, &g, &request);
        got_is(&g, -EACCES, 0);
    }
    assert_int_equal(bed.b.accepted, 0);
    buf_fini(&g.body);
    bed_end(&bed);
}

/* No Expect, no splitting into many. */
static void test_large_body(void **state)
{
    (void) state;
    enum { SIZE = 8 << 20 };
    struct bed bed;
    struct got g = {0};
    uint8_t *body = xcalloc(1, SIZE);
    struct outbound_request request = {
        .method = "POST", .has_body = true, .body = slice_of(body, SIZE)};
    bed_new(&bed);
    send_request(&bed, &g, &request);
    got_is(&g, 0, 200);
    assert_true(bed.b.last.len > SIZE);
    assert_null(memmem(bed.b.last.data, 200, "Expect", 6));
    free(body);
    buf_fini(&g.body);
    bed_end(&bed);
}

int main(void)
{
    static const struct CMUnitTest TESTS[] = {
        cmocka_unit_test(test_refused),    cmocka_unit_test(test_host_length),
        cmocka_unit_test(test_wire),       cmocka_unit_test(test_injection),
        cmocka_unit_test(test_large_body),
    };
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
