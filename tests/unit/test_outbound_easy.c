/* Tests of gateway/backend/outbound_easy.c: what becomes of answers of any kind, cut anywhere, and
 * of backends that are slow or say nothing. */
#include "outbound_bed.h"

static void test_answers(void **state)
{
    (void) state;
    static const struct {
        const char *name, *bytes;
        enum after after;
        int err;
        unsigned status;
        const char *body;
    } CASES[] = {
        {"plain", OK_ANSWER, AFTER_KEEP, 0, 200, "hi"},
        {"until it closes", "HTTP/1.1 200 OK\r\n\r\nhello", AFTER_CLOSE, 0, 200, "hello"},
        {"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nhello", AFTER_CLOSE, 0, 200, "hello"},
        {"chunks",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n1;x=y\r\n!\r\n0\r\n\r\n",
         AFTER_KEEP, 0, 200, "hi!"},
        {"trailers",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-One\r\n\r\n2\r\nhi\r\n0\r\n"
         "X-One: 7\r\nHTTP/1.1 500 X: y\r\n\r\n",
         AFTER_KEEP, 0, 200, "hi"},
        {"no content", "HTTP/1.1 204 No\r\n\r\n", AFTER_KEEP, 0, 204, ""},
        {"a redirect",
         "HTTP/1.1 302 F\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", AFTER_KEEP,
         0, 302, ""},
        {"a redirect away",
         "HTTP/1.1 307 F\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n", AFTER_KEEP, 0,
         307, ""},
        {"401", "HTTP/1.1 401 U\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
         AFTER_KEEP, 0, 401, ""},
        {"500", "HTTP/1.1 500 X\r\nContent-Length: 1\r\n\r\nx", AFTER_KEEP, 0, 500, "x"},
        {"599", "HTTP/1.1 599 X\r\nContent-Length: 0\r\n\r\n", AFTER_KEEP, 0, 599, ""},
        {"encoded", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi",
         AFTER_KEEP, 0, 200, "hi"},
        {"100 before it", "HTTP/1.1 100 Continue\r\nX-One: 9\r\n\r\n" OK_ANSWER, AFTER_KEEP, 0, 200,
         "hi"},
        {"103 before it",
         "HTTP/1.1 103 Early\r\nLink: <a>\r\n\r\nHTTP/1.1 103 Early\r\n\r\n" OK_ANSWER, AFTER_KEEP,
         0, 200, "hi"},
        {"more than it says", OK_ANSWER "more", AFTER_KEEP, 0, 200, "hi"},
        {"101", "HTTP/1.1 101 Sw\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", AFTER_KEEP,
         -EBADMSG, 0, ""},
        {"status 99", "HTTP/1.1 99 X\r\nContent-Length: 0\r\n\r\n", AFTER_CLOSE, -EBADMSG, 0, ""},
        {"status 099", "HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n", AFTER_CLOSE, -EBADMSG, 0, ""},
        {"status 600", "HTTP/1.1 600 X\r\nContent-Length: 0\r\n\r\n", AFTER_CLOSE, -EBADMSG, 0, ""},
        {"status 1000", "HTTP/1.1 1000 X\r\nContent-Length: 0\r\n\r\n", AFTER_CLOSE, -EBADMSG, 0,
         ""},
        {"HTTP/0.9", "<html>hello</html>", AFTER_CLOSE, -EBADMSG, 0, ""},
        {"another protocol", "SSH-2.0-OpenSSH\r\n", AFTER_CLOSE, -EBADMSG, 0, ""},
        {"a bad chunk size",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nhi\r\n0\r\n\r\n", AFTER_KEEP,
         -EBADMSG, 0, ""},
        {"a huge chunk size",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
         "chunked\r\n\r\nfffffffffffffffff\r\nhi\r\n0\r\n\r\n",
         AFTER_KEEP, -EBADMSG, 0, ""},
        {"a negative chunk size",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nhi\r\n0\r\n\r\n", AFTER_KEEP,
         -EBADMSG, 0, ""},
        {"a chunk without its end",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhiXX0\r\n\r\n", AFTER_CLOSE,
         -EBADMSG, 0, ""},
        {"a length that is none", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhi", AFTER_CLOSE,
         -EBADMSG, 0, ""},
        {"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi", AFTER_CLOSE,
         -EBADMSG, 0, ""},
        {"a body cut", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", AFTER_CLOSE, -EBADMSG, 0,
         ""},
        {"10 MB by its length", "HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n", AFTER_KEEP,
         -EMSGSIZE, 0, ""},
        {"gzip as transfer encoding",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", AFTER_KEEP,
         -EBADMSG, 0, ""},
        {"a folded header", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
         AFTER_KEEP, -EBADMSG, 0, ""},
        {"a header without a colon", "HTTP/1.1 200 OK\r\nX\r\nContent-Length: 0\r\n\r\n",
         AFTER_KEEP, -EBADMSG, 0, ""},
        {"nothing", "", AFTER_CLOSE, -EBADMSG, 0, ""},
        {"a reset", "", AFTER_RESET, -EBADMSG, 0, ""},
    };
    struct bed bed;
    struct got g = {0};
    bed_begin(&bed);
    bed.options.breaker_failures = 0;
    bed_open(&bed);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        bed.b.script = (struct script){.bytes = slice_str(CASES[i].bytes), .after = CASES[i].after};
        bed_get(&bed, &g);
        got_is(&g, CASES[i].err, CASES[i].status);
        assert_true(slice_eq_str(buf_slice(&g.body), CASES[i].body));
        if (g.err == 0 && strcmp(CASES[i].body, "hi") == 0 &&
            strstr(CASES[i].bytes, "X-One: 1") != NULL)
            assert_string_equal(g.one, "1"); /* not that of a 1xx */
        else
            assert_string_equal(g.one, "");
    }
    buf_fini(&g.body);
    bed_end(&bed);
}

/* curl takes a CR for the end of the trailers. */
static bool all_but_lf(const char *answer, size_t len)
{
    return len + 1 == strlen(answer) && answer[len] == '\n';
}

/* An answer is whole, or there is none: whatever happens at whichever byte. */
static void test_cut_anywhere(void **state)
{
    (void) state;
    static const char *const ANSWERS[] = {
        OK_ANSWER,
        "HTTP/1.1 103 Early\r\nX-One: 2\r\n\r\n" OK_ANSWER,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-One: 1\r\n\r\n2\r\nhi\r\n0\r\nX-T: "
        "1\r\n\r\n",
    };
    struct bed bed;
    struct got g = {0};
    bed_new(&bed);
    for (size_t i = 0; i < ARRAY_LEN(ANSWERS); i++)
        for (size_t len = 0; len <= strlen(ANSWERS[i]); len++)
            for (unsigned k = 0; k < 2; k++) {
                bool whole = len == strlen(ANSWERS[i]);
                bed.b.script = (struct script){.bytes = slice_of(ANSWERS[i], len),
                                               .after = k == 0 ? AFTER_RESET : AFTER_CLOSE};
                bed_get(&bed, &g);
                bool fine =
                    g.err == 0 ? whole || all_but_lf(ANSWERS[i], len) : g.err == -EBADMSG && !whole;
                if (!fine)
                    fail_msg("answer %zu cut at %zu, %u: %d %s", i, len, k, g.err, g.why);
                if (g.err == 0)
                    assert_true(slice_eq_str(buf_slice(&g.body), "hi"));
            }
    assert_int_equal(outbound_counts(bed.o).under_way, 0);
    buf_fini(&g.body);
    bed_end(&bed);
}

static char *filled(const char *start, const char *text, size_t times, const char *end)
{
    struct buf b;
    buf_init(&b, (size_t) 64 << 20);
    assert_int_equal(buf_append_str(&b, start), 0);
    for (size_t i = 0; i < times; i++)
        assert_int_equal(buf_append_str(&b, text), 0);
    assert_int_equal(buf_append_str(&b, end), 0);
    assert_int_equal(buf_append(&b, slice_of("", 1)), 0);
    return (char *) b.data;
}

static void test_too_much(void **state)
{
    (void) state;
    static const struct {
        const char *name, *start, *text;
        size_t times;
        const char *end;
        int err;
    } CASES[] = {
        {"64 headers", "HTTP/1.1 200 OK\r\n", "X: y\r\n", 63, "Content-Length: 0\r\n\r\n", 0},
        {"65 headers", "HTTP/1.1 200 OK\r\n", "X: y\r\n", 64, "Content-Length: 0\r\n\r\n",
         -EMSGSIZE},
        {"1000 headers", "HTTP/1.1 200 OK\r\n", "X: y\r\n", 1000, "\r\n", -EMSGSIZE},
        {"a header of 15 KB", "HTTP/1.1 200 OK\r\nX: ", "0123456789abcdef", 960,
         "\r\nContent-Length: 0\r\n\r\n", 0},
        {"a header of 17 KB", "HTTP/1.1 200 OK\r\nX: ", "0123456789abcdef", 1088,
         "\r\nContent-Length: 0\r\n\r\n", -EMSGSIZE},
        {"a header of 1 MB", "HTTP/1.1 200 OK\r\nX: ", "0123456789abcdef", 65536,
         "\r\nContent-Length: 0\r\n\r\n", -EMSGSIZE},
        {"a status line of 1 MB", "HTTP/1.1 200 ", "0123456789abcdef", 65536, "\r\n\r\n",
         -EMSGSIZE},
        {"100 without end", "", "HTTP/1.1 100 Continue\r\n\r\n", 4000, "", -EMSGSIZE},
        {"1 MB", "HTTP/1.1 200 OK\r\n\r\n", "0123456789abcdef", 65536, "", 0},
        {"1 MB and a byte", "HTTP/1.1 200 OK\r\n\r\n", "0123456789abcdef", 65536, "x", -EMSGSIZE},
        {"10 MB", "HTTP/1.1 200 OK\r\n\r\n", "0123456789abcdef", 655360, "", -EMSGSIZE},
        {"10 MB in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
         "10\r\n0123456789abcdef\r\n", 655360, "0\r\n\r\n", -EMSGSIZE},
        {"trailers without end",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n",
         "X: 0123456789abcdef\r\n", 10000, "\r\n", -EMSGSIZE},
    };
    struct bed bed;
    struct got g = {0};
    bed_new(&bed);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        char *bytes = filled(CASES[i].start, CASES[i].text, CASES[i].times, CASES[i].end);
        bed.b.script = (struct script){.bytes = slice_str(bytes), .after = AFTER_CLOSE};
        bed_get(&bed, &g);
        got_is(&g, CASES[i].err, CASES[i].err == 0 ? 200 : 0);
        UNTIL(&bed, bed.b.open == 0);
        free(bytes);
    }
    buf_fini(&g.body);
    bed_end(&bed);
}

/* A HEAD's Content-Length is that of what it does not send. */
static void test_head(void **state)
{
    (void) state;
    struct bed bed;
    struct got g = {0};
    bed_new(&bed);
    bed.b.script.bytes = SLICE_LIT("HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n");
    bed_ask(&bed, &g, "HEAD", "http://127.0.0.1:@/", SLICE_LIT("body"));
    got_is(&g, 0, 200);
    assert_null(memmem(bed.b.last.data, bed.b.last.len, "body", 4));
    bed.b.script.bytes = SLICE_LIT(OK_ANSWER);
    bed_get(&bed, &g); /* the same easy, and the same connection */
    got_is(&g, 0, 200);
    assert_true(slice_eq_str(buf_slice(&g.body), "hi"));
    assert_int_equal(bed.b.accepted, 1);
    buf_fini(&g.body);
    bed_end(&bed);
}

/* --- time --- */

static void test_time_limits(void **state)
{
    (void) state;
    static const struct {
        const char *name;
        struct script script;
        uint64_t read_ms, max_ms;
        int err;
        const char *why;
    } CASES[] = {
        {"says nothing", {.bytes = SLICE_INIT("")}, 60, 5000, -ETIMEDOUT, "no answer in time"},
        {"does not read", {.deaf = true}, 60, 5000, -ETIMEDOUT, "no answer in time"},
        {"stops in the status line",
         {.bytes = SLICE_INIT("HTTP/1.1 2")},
         60,
         5000,
         -ETIMEDOUT,
         "no answer in time"},
        {"stops in the head",
         {.bytes = SLICE_INIT("HTTP/1.1 200 OK\r\n")},
         60,
         5000,
         -ETIMEDOUT,
         "no answer in time"},
        {"stops in the body",
         {.bytes = SLICE_INIT("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi")},
         60,
         5000,
         -ETIMEDOUT,
         "the answer stopped"},
        {"drips, and comes to an end",
         {.bytes = SLICE_INIT("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n"),
          .again = SLICE_INIT("x"),
          .times = 20,
          .drip_ms = 20},
         200,
         5000,
         0,
         ""},
        {"drips and goes on",
         {.bytes = SLICE_INIT("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"),
          .again = SLICE_INIT("x"),
          .times = 99999,
          .drip_ms = 5},
         5000,
         150,
         -ETIMEDOUT,
         "the request took too long"},
        {"drips headers",
         {.bytes = SLICE_INIT("HTTP/1.1 200 OK\r\n"),
          .again = SLICE_INIT("X: y\r\n"),
          .times = 99999,
          .drip_ms = 20},
         5000,
         150,
         -ETIMEDOUT,
         "the request took too long"},
        {"a flood of chunk extensions", /* none of it is the answer */
         {.bytes = SLICE_INIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;"),
          .again = SLICE_INIT("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
          .times = SIZE_MAX},
         60,
         5000,
         -ETIMEDOUT,
         "the answer stopped"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct bed bed;
        struct got g = {0};
        bed_begin(&bed);
        bed.options.read_ms = CASES[i].read_ms;
        bed.options.max_ms = CASES[i].max_ms;
        bed_open(&bed);
        bed.b.script = CASES[i].script;
        uint64_t began = uv_hrtime();
        bed_get(&bed, &g);
        uint64_t took = (uv_hrtime() - began) / 1000000;
        got_is(&g, CASES[i].err, CASES[i].err == 0 ? 200 : 0);
        assert_string_equal(g.why, CASES[i].why);
        if (g.err != 0) /* not before its time */
            assert_true(took + 5 >=
                        (CASES[i].read_ms < CASES[i].max_ms ? CASES[i].read_ms : CASES[i].max_ms));
        buf_fini(&g.body);
        bed_end(&bed);
    }
}

/* Takes some of what has come, and answers when that is a request. */
static void drain(struct bed *bed, struct peer *p)
{
    static char room[65536];
    uv_os_fd_t fd;
    assert_int_equal(uv_fileno((uv_handle_t *) &p->tcp, &fd), 0);
    for (unsigned i = 0; i < 2; i++) {
        ssize_t n = recv(fd, room, sizeof(room), MSG_DONTWAIT);
        if (n > 0)
            assert_int_equal(buf_append(&p->in, slice_of(room, (size_t) n)), 0);
    }
    if (peer_request(&p->in) == 0)
        return;
    bed->b.requests++;
    peer_write(p, SLICE_LIT(OK_ANSWER));
}

/* A body that goes out slowly is no silence: time counts from its end. */
static void test_slow_upload(void **state)
{
    (void) state;
    enum { SIZE = 24 << 20, READ_MS = 400, ROOM = 128 << 10, STEP_MS = 8 };
    struct bed bed;
    struct got g = {0};
    uv_os_fd_t fd;
    const int room = ROOM;
    uint8_t *body = xcalloc(1, SIZE);
    bed_begin(&bed);
    bed.options.read_ms = READ_MS;
    bed_open(&bed);
    bed.b.script.deaf = true;
    assert_int_equal(uv_fileno((uv_handle_t *) &bed.b.tcp, &fd), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
    bed_send(&bed, &g, "POST", "http://127.0.0.1:@/", slice_of(body, SIZE));
    UNTIL(&bed, bed.b.accepted == 1);
    uint64_t began = uv_hrtime() / 1000000;
    for (uint64_t next = began; bed.b.requests == 0; next += STEP_MS) {
        UNTIL(&bed, uv_hrtime() / 1000000 >= next);
        got_is(&g, 0, 0);
        drain(&bed, LIST_ENTRY(bed.b.peers.next, struct peer, node));
    }
    assert_true(uv_hrtime() / 1000000 > began + 2 * READ_MS); /* else this has shown nothing */
    UNTIL(&bed, g.times == 1);
    got_is(&g, 0, 200);
    free(body);
    buf_fini(&g.body);
    bed_end(&bed);
}

int main(void)
{
    static const struct CMUnitTest TESTS[] = {
        cmocka_unit_test(test_answers),     cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_too_much),    cmocka_unit_test(test_head),
        cmocka_unit_test(test_time_limits), cmocka_unit_test(test_slow_upload),
    };
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
