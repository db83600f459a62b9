/* Tests of gateway/h2.c: what the handler hears, what the peer gets, and every limit. */
#include "cases_h2.h"
#include "h2_wall.h"
#include "heap.h"
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct h2_peer p;
static struct buf in, frames;

static int setup(void **state)
{
    (void) state;
    h2_peer_init(&p);
    buf_init(&in, 1 << 26);
    buf_init(&frames, 1 << 26);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    h2_peer_fini(&p);
    buf_fini(&in);
    buf_fini(&frames);
    return 0;
}

/* Gives `in` to the server at that time, and empties it. */
static int feed_at(uint64_t now_ms)
{
    int r = h2_receive(p.h, buf_slice(&in), now_ms);
    assert_int_equal(r, h2_refusal(p.h) == REFUSE_NONE ? 0 : -EPROTO);
    buf_clear(&in);
    return r;
}

static int feed(void)
{
    return feed_at(1000);
}

static const char *sent(void)
{
    h2_peer_take(&p);
    return h2_frames(&p, &frames);
}

static void greet(void)
{
    put_greeting(&in);
    assert_int_equal(feed(), 0);
    assert_string_equal(sent(), "SETTINGS, SETTINGS ack, WINDOW 0 983041");
}

static void expect_refusal(enum refuse why)
{
    if (h2_refusal(p.h) != why)
        fail_msg("%s instead of %s", refuse_info(h2_refusal(p.h))->name, refuse_info(why)->name);
}

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

/* ---- the way of a call ---- */

static void test_greeting(void **state)
{
    (void) state;
    h2_peer_take(&p);
    /* Streams, window, header list, no priorities of RFC 7540. */
    static const uint8_t SETTINGS[] = {0, 0, 24,  4,   0, 0, 0, 0, 0,    0, 3, 0, 0, 0, 100, 0, 4,
                                       0, 0, 255, 255, 0, 6, 0, 0, 0x40, 0, 0, 9, 0, 0, 0,   1};
    assert_true(p.sent.len > sizeof(SETTINGS));
    assert_memory_equal(p.sent.data, SETTINGS, sizeof(SETTINGS));
    assert_false(h2_started(p.h));
    put(&in, SLICE_LIT(H2_PREFACE));
    assert_int_equal(feed(), 0);
    assert_false(h2_started(p.h));
    put_frame_head(&in, 0, F_SETTINGS, 0, 0);
    assert_int_equal(feed(), 0);
    assert_true(h2_started(p.h));
    assert_false(h2_is_over(p.h));
}

static void test_calls(void **state)
{
    (void) state;
    static const struct {
        const char *path, *body; /* NULL: the head ends it */
        const char *events, *frames;
    } CASES[] = {
        {"/x", NULL, "head 1 POST /x a +0, end 1, gone 1 0", "HEADERS 1, DATA 1 5, HEADERS 1 end"},
        {"/x", "hello", "head 1 POST /x a +0, data 1 5, end 1, gone 1 0",
         "HEADERS 1, DATA 1 5, HEADERS 1 end"},
        {"/only", NULL, "head 1 POST /only a +0, gone 1 0", "HEADERS 1 end"},
        {"/only", "hello", "head 1 POST /only a +0, gone 1 0", "HEADERS 1 end, RST 1 0"},
        {"/reset", "hello", "head 1 POST /reset a +0, gone 1 7", "RST 1 7"},
        {"/never", "", "head 1 POST /never a +0, end 1", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        h2_peer_fini(&p);
        h2_peer_init(&p);
        greet();
        put_request(&in, 1, CASES[i].path, CASES[i].body == NULL);
        if (CASES[i].body != NULL)
            put_frame(&in, F_DATA, FLAG_END_STREAM, 1, slice_str(CASES[i].body));
        assert_int_equal(feed(), 0);
        assert_string_equal(sent(), CASES[i].frames);
        assert_string_equal(h2_events(&p), CASES[i].events);
        assert_int_equal(h2_open_streams(p.h), p.n_heads - p.n_gone);
    }
}

static void check_head(void *ctx, struct h2_stream *s, const struct h2_head *head, bool end)
{
    (void) s;
    *(bool *) ctx = true;
    assert_true(end);
    assert_true(slice_eq_str(head->method, "GET"));
    assert_true(slice_eq_str(head->scheme, "http"));
    assert_true(slice_eq_str(head->path, "/a?b"));
    assert_true(slice_eq_str(head->authority, "host.example"));
    assert_int_equal(head->n_fields, 4);
    assert_true(slice_eq_str(h2_header(head, "x"), "1"));
    assert_true(slice_eq_str(h2_header(head, "te"), "trailers"));
    assert_int_equal(h2_header(head, "empty").len, 0);
    assert_null(h2_header(head, "none").data);
}

static void no_gone(void *ctx, struct h2_stream *s, uint32_t error)
{
    (void) s;
    assert_int_equal(error, H2_CANCEL);
    *(bool *) ctx = false;
}

static void test_head_fields(void **state)
{
    (void) state;
    const struct h2_handler handler = {.head = check_head, .gone = no_gone};
    bool called = false;
    struct h2 *h = h2_new(&handler, &called, 0);
    struct buf block;
    buf_init(&block, 1000);
    put(&block, SLICE_LIT("\x82\x86")); /* GET, http: from the static table */
    put_field(&block, 0, SLICE_LIT(":path"), SLICE_LIT("/a?b"));
    put_field(&block, 0, SLICE_LIT("x"), SLICE_LIT("1"));
    put_field(&block, 0, SLICE_LIT("te"), SLICE_LIT("trailers"));
    put_field(&block, 0, SLICE_LIT("empty"), SLICE_LIT(""));
    put_field(&block, 0, SLICE_LIT("host"), SLICE_LIT("host.example")); /* without :authority */
    put_greeting(&in);
    put_frame(&in, F_HEADERS, FLAG_END_HEADERS | FLAG_END_STREAM, 1, buf_slice(&block));
    assert_int_equal(h2_receive(h, buf_slice(&in), 0), 0);
    assert_true(called);
    h2_free(h); /* says that the stream is gone */
    assert_false(called);
    buf_fini(&block);
}

static void test_trailers_of_a_request_are_skipped(void **state)
{
    (void) state;
    greet();
    put_request(&in, 1, "/x", false);
    put_frame(&in, F_DATA, 0, 1, SLICE_LIT("hi"));
    put_frame_head(&in, 5, F_HEADERS, FLAG_END_HEADERS | FLAG_END_STREAM, 1);
    put_field(&in, 0, SLICE_LIT("t"), SLICE_LIT("1"));
    assert_int_equal(feed(), 0);
    assert_string_equal(sent(), "HEADERS 1, DATA 1 5, HEADERS 1 end");
    assert_string_equal(h2_events(&p), "head 1 POST /x a +0, data 1 2, end 1, gone 1 0");
}

/* Bad heads end their stream and nothing else; the handler hears nothing of them. */
static void test_bad_heads(void **state)
{
    (void) state;
    static const struct {
        const char *name, *value;
        bool no_path;
    } CASES[] = {
        {"x", "1", true},
        {"X", "1", false},
        {"connection", "close", false},
        {"te", "gzip", false},
        {"transfer-encoding", "chunked", false},
        {":path", "/two", false},
        {":unknown", "1", false},
        {"a b", "1", false},
        {"x", "a\nb", false},
        {"content-length", "-1", false},
        {"content-length", "5", false}, /* and no body comes */
    };
    greet();
    uint32_t id = 1;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++, id += 2) {
        struct buf block;
        buf_init(&block, 1000);
        if (CASES[i].no_path)
            put(&block, SLICE_LIT("\x83\x86"));
        else
            put_request_fields(&block, "/x");
        put_field(&block, 0, slice_str(CASES[i].name), slice_str(CASES[i].value));
        put_frame(&in, F_HEADERS, FLAG_END_HEADERS | FLAG_END_STREAM, id, buf_slice(&block));
        buf_fini(&block);
        assert_int_equal(feed(), 0);
        char want[32];
        (void) snprintf(want, sizeof(want), "RST %u 1", id);
        assert_string_equal(sent(), want);
    }
    put_request(&in, id, "/x", true);
    assert_int_equal(feed(), 0);
    assert_true(has(sent(), "DATA"));
    assert_int_equal(p.n_heads, 1);
}

static void test_not_http2(void **state)
{
    (void) state;
    static const char *const CASES[] = {
        "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n\r\nXX",
        "PRI * HTTP/1.1\r\n", "\x16\x03\x01",        "\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        h2_peer_fini(&p);
        h2_peer_init(&p);
        assert_true(has(sent(), "SETTINGS"));
        for (const char *c = CASES[i]; *c != '\0'; c++) {
            put(&in, slice_of(c, 1));
            (void) feed();
        }
        expect_refusal(REFUSE_H2_PREFACE);
        assert_string_equal(sent(), ""); /* it would not understand a GOAWAY */
        assert_true(h2_is_over(p.h));
    }
}

/* ---- windows ---- */

static void test_large_answer_waits_for_windows(void **state)
{
    (void) state;
    greet();
    put_request(&in, 1, "/big", true);
    assert_int_equal(feed(), 0);
    assert_string_equal(sent(),
                        "HEADERS 1, DATA 1 16384, DATA 1 16384, DATA 1 16384, DATA 1 16383");
    put_u32_frame(&in, F_WINDOW, 1, 1 << 20); /* the connection's is closed all the same */
    assert_int_equal(feed(), 0);
    assert_string_equal(sent(), "");
    put_u32_frame(&in, F_WINDOW, 0, 100);
    assert_int_equal(feed(), 0);
    assert_string_equal(sent(), "DATA 1 100");
    put_u32_frame(&in, F_WINDOW, 0, 1 << 20);
    assert_int_equal(feed(), 0);
    const char *rest = sent();
    assert_true(has(rest, "HEADERS 1 end"));
    assert_false(has(rest, "DATA 1 0"));
    assert_true(has(h2_events(&p), "gone 1 0"));
}

/* Streams take turns, so a small answer does not wait for a large one. */
static void test_answers_take_turns(void **state)
{
    (void) state;
    put(&in, SLICE_LIT(H2_PREFACE));
    put_setting(&in, 4, 1 << 30);
    put_u32_frame(&in, F_WINDOW, 0, 1 << 30);
    put_request(&in, 1, "/big", true);
    put_request(&in, 3, "/big", true);
    put_request(&in, 5, "/x", true);
    assert_int_equal(feed(), 0);
    const char *all = sent();
    assert_true(strstr(all, "HEADERS 5 end") < strstr(all, "HEADERS 1 end"));
    assert_true(strstr(all, "DATA 3") < strstr(all, "HEADERS 1 end"));
    assert_int_equal(p.n_gone, 3);
}

static struct h2_stream *begun;

static void begin(void *ctx, struct h2_stream *s, const struct h2_head *head, bool end)
{
    h2_on_head(ctx, s, head, end);
    begun = s;
}

static void begin_answer(void) /* on stream 1, by a handler that keeps it */
{
    struct h2_handler handler = H2_HANDLER;
    handler.head = begin;
    h2_free(p.h);
    p.h = h2_new(&handler, &p, 1000);
    greet();
    put_request(&in, 1, "/open", true);
    assert_int_equal(feed(), 0);
    assert_string_equal(sent(), "HEADERS 1");
    assert_non_null(begun);
}

static void test_answer_in_pieces(void **state)
{
    (void) state;
    begin_answer();
    assert_int_equal(h2_write(p.h, begun, SLICE_LIT("one")), 0);
    assert_int_equal(h2_write(p.h, begun, SLICE_LIT("two")), 0);
    assert_string_equal(sent(), "DATA 1 6");
    assert_int_equal(h2_write(p.h, begun, SLICE_LIT("")), 0);
    assert_string_equal(sent(), "");
    assert_int_equal(h2_write(p.h, begun, SLICE_LIT("three")), 0);
    assert_string_equal(sent(), "DATA 1 5");
    h2_trailers(p.h, begun, H2_TRAILERS, 1);
    assert_string_equal(sent(), "HEADERS 1 end");
    assert_string_equal(h2_events(&p), "head 1 POST /open a +0, drained 1, drained 1, gone 1 0");
}

static void test_trailers_need_no_window(void **state)
{
    (void) state;
    begin_answer();
    static uint8_t window[65535];
    assert_int_equal(h2_write(p.h, begun, slice_of(window, sizeof(window))), 0);
    (void) sent();
    h2_trailers(p.h, begun, H2_TRAILERS, 1);
    assert_string_equal(sent(), "HEADERS 1 end");
}

static void test_what_waits_is_limited(void **state)
{
    (void) state;
    begin_answer();
    size_t most = H2_MAX_STREAM_BYTES;
    uint8_t *bytes = xcalloc(1, most);
    assert_int_equal(h2_write(p.h, begun, slice_of(bytes, most)), 0);
    assert_int_equal(h2_write(p.h, begun, SLICE_LIT("x")), -EMSGSIZE);
    (void) sent(); /* 65535 of them */
    assert_int_equal(h2_write(p.h, begun, slice_of(bytes, 65535)), 0);
    assert_int_equal(h2_write(p.h, begun, SLICE_LIT("x")), -EMSGSIZE);
    h2_reset(p.h, begun, H2_CANCEL);
    assert_string_equal(sent(), "RST 1 8");
    free(bytes);
}

static void test_no_memory(void **state)
{
    (void) state;
    begin_answer();
    mem_fail_at(1);
    assert_int_equal(h2_write(p.h, begun, SLICE_LIT("x")), -ENOMEM);
    assert_int_equal(h2_write(p.h, begun, SLICE_LIT("x")), 0);
    struct slice out;
    mem_fail_at(1);
    assert_int_equal(h2_take(p.h, &out), -ENOMEM);
    mem_fail_at(0);
    assert_int_equal(h2_take(p.h, &out), -ENOMEM); /* bytes were lost: it stays so */
}

/* A stream that nobody reads closes its own window; the connection's goes on for the others. */
static void test_unread_stream_does_not_starve_others(void **state)
{
    (void) state;
    static uint8_t full[16384];
    greet();
    put_request(&in, 1, "/never", false);
    put_request(&in, 3, "/x", false);
    for (unsigned i = 0; i < 3; i++)
        put_frame(&in, F_DATA, 0, 1, slice_of(full, sizeof(full)));
    assert_int_equal(feed(), 0);
    assert_string_equal(sent(), "");
    for (unsigned i = 0; i < 40; i++) { /* 640 KB, more than half of the connection's window */
        put_frame(&in, F_DATA, 0, 3, slice_of(full, sizeof(full)));
        assert_int_equal(feed(), 0);
    }
    const char *updates = sent();
    assert_true(has(updates, "WINDOW 0 "));
    assert_true(has(updates, "WINDOW 3 "));
    assert_false(has(updates, "WINDOW 1 "));
    for (unsigned i = 0; i < 2; i++) /* past its window: 5 frames would be */
        put_frame(&in, F_DATA, 0, 1, slice_of(full, sizeof(full)));
    assert_int_equal(feed(), 0);
    assert_string_equal(sent(), "RST 1 3");
}

/* ---- limits: heads ---- */

static void put_crumbs(uint32_t id, unsigned n)
{
    struct buf block;
    buf_init(&block, 1 << 20);
    put_request_fields(&block, "/x");
    for (unsigned i = 0; i < n; i++)
        put_field(&block, 0, SLICE_LIT("cookie"), SLICE_LIT("a=b"));
    size_t at = 0; /* cut into frames */
    do {
        size_t len = block.len - at < 16384 ? block.len - at : 16384;
        bool last = at + len == block.len;
        put_frame(&in, at == 0 ? F_HEADERS : F_CONTINUATION,
                  (at == 0 ? FLAG_END_STREAM : 0) | (last ? FLAG_END_HEADERS : 0), id,
                  slice_sub(buf_slice(&block), at, at + len));
        at += len;
    } while (at < block.len);
    buf_fini(&block);
}

static void test_too_many_fields(void **state)
{
    (void) state;
    greet();
    put_crumbs(1, H2_MAX_FIELDS - 4);
    assert_int_equal(feed(), 0);
    assert_true(has(sent(), "HEADERS 1 end"));
    put_crumbs(3, H2_MAX_FIELDS - 3);
    assert_int_equal(feed(), 0);
    assert_string_equal(sent(), "RST 3 11");
    put_request(&in, 5, "/x", true); /* decoding goes on as it should */
    assert_int_equal(feed(), 0);
    assert_true(has(sent(), "HEADERS 5 end"));
    put_crumbs(7, 10000);
    assert_int_equal(feed(), -EPROTO);
    expect_refusal(REFUSE_H2_HEADERS);
    assert_true(has(sent(), "GOAWAY 7 11"));
    assert_true(h2_is_over(p.h));
    assert_int_equal(p.n_heads, 2);
}

/* One field of nearly 4 KB is put into the table, then named by single bytes. */
static void put_bomb(uint32_t id, bool fresh, unsigned references)
{
    static uint8_t value[4000];
    struct buf block;
    buf_init(&block, 1 << 20);
    memset(value, 'v', sizeof(value));
    put_request_fields(&block, "/x");
    if (fresh)
        put_field(&block, 0x40, SLICE_LIT("x"), slice_of(value, sizeof(value)));
    for (unsigned i = 0; i < references; i++)
        put(&block, SLICE_LIT("\xbe"));
    put_frame(&in, F_HEADERS, FLAG_END_HEADERS | FLAG_END_STREAM, id, buf_slice(&block));
    buf_fini(&block);
}

static void test_header_bomb(void **state)
{
    (void) state;
    greet();
    put_bomb(1, true, 3); /* 4 x 4000 fit into 16 KB */
    assert_int_equal(feed(), 0);
    assert_true(has(sent(), "HEADERS 1 end"));
    put_bomb(3, false, 5);
    size_t before = heap_bytes();
    assert_int_equal(feed(), 0);
    assert_string_equal(sent(), "RST 3 11");
    put_bomb(5, false, 12000);
    assert_int_equal(feed(), -EPROTO);
    assert_true(heap_bytes() < before + 65536);
    expect_refusal(REFUSE_H2_HEADERS);
    assert_true(has(sent(), "GOAWAY 5 11"));
}

static void test_continuation_flood(void **state)
{
    (void) state;
    static const struct {
        unsigned n;
        bool empty;
        enum refuse why;
    } CASES[] = {{H2_MAX_CONTINUATIONS, true, REFUSE_NONE},
                 {H2_MAX_CONTINUATIONS + 1, true, REFUSE_H2_HEADERS},
                 {H2_MAX_CONTINUATIONS + 1, false, REFUSE_H2_HEADERS}};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        h2_peer_fini(&p);
        h2_peer_init(&p);
        greet();
        struct buf block;
        buf_init(&block, 1000);
        put_request_fields(&block, "/x");
        put_frame(&in, F_HEADERS, FLAG_END_STREAM, 1, buf_slice(&block));
        buf_fini(&block);
        for (unsigned k = 0; k < CASES[i].n; k++)
            put_frame(&in, F_CONTINUATION, k + 1 == CASES[i].n ? FLAG_END_HEADERS : 0, 1,
                      CASES[i].empty ? SLICE_LIT("") : SLICE_LIT("\x00\x01x\x01y"));
        (void) feed();
        expect_refusal(CASES[i].why);
        assert_int_equal(has(sent(), "GOAWAY"), CASES[i].why != REFUSE_NONE);
    }
}

/* ---- limits: early ends ---- */

enum { END_RST, END_RST_NO_ERROR, END_OVERFLOW, END_LENGTH, END_HEAD, END_OURS, END_N };

static void put_early_end(int how, uint32_t id)
{
    struct buf block;
    buf_init(&block, 1000);
    if (how == END_LENGTH || how == END_HEAD) {
        put_request_fields(&block, "/never");
        put_field(&block, 0, how == END_HEAD ? SLICE_LIT("Upper") : SLICE_LIT("content-length"),
                  SLICE_LIT("1"));
        put_frame(&in, F_HEADERS, FLAG_END_HEADERS, id, buf_slice(&block));
    } else {
        put_request(&in, id, how == END_OURS ? "/reset" : "/never", false);
    }
    buf_fini(&block);
    if (how == END_RST || how == END_RST_NO_ERROR)
        put_u32_frame(&in, F_RST, id, how == END_RST ? H2_CANCEL : H2_NO_ERROR);
    if (how == END_OVERFLOW)
        put_u32_frame(&in, F_WINDOW, id, 0x7fffffff);
    if (how == END_LENGTH)
        put_frame(&in, F_DATA, 0, id, SLICE_LIT("two"));
}

static void test_early_ends_have_one_budget(void **state)
{
    (void) state;
    for (int how = 0; how <= END_N; how++) { /* the last time all in turn */
        h2_peer_fini(&p);
        h2_peer_init(&p);
        greet();
        uint32_t id = 1;
        for (int i = 0; i < H2_EARLY_BURST; i++, id += 2) {
            put_early_end(how < END_N ? how : i % END_N, id);
            if (feed() < 0)
                fail_msg("how %d: refused after %d", how, i);
        }
        for (int i = 0; i < H2_EARLY_PER_S; i++, id += 2) { /* those that a second gives back */
            put_early_end(how < END_N ? how : i % END_N, id);
            assert_int_equal(feed_at(2000), 0);
        }
        h2_peer_take(&p);
        put_early_end(how < END_N ? how : 0, id);
        assert_int_equal(feed_at(2000), -EPROTO);
        expect_refusal(REFUSE_H2_EARLY);
        assert_true(has(sent(), "GOAWAY"));
        assert_int_equal(h2_open_streams(p.h), 0);
        assert_int_equal(p.n_heads, p.n_gone);
    }
}

/* They count though nobody takes the output, and that stays small. */
static void test_early_ends_count_while_nothing_is_taken(void **state)
{
    (void) state;
    put_greeting(&in);
    assert_int_equal(feed(), 0);
    size_t before = heap_bytes();
    for (uint32_t i = 0; i < H2_EARLY_BURST; i++) {
        put_early_end(END_HEAD, 1 + 2 * i);
        assert_int_equal(feed(), 0);
    }
    put_early_end(END_HEAD, 1001);
    assert_int_equal(feed(), -EPROTO);
    assert_true(heap_bytes() < before + 65536);
}

static void test_answered_calls_are_free(void **state)
{
    (void) state;
    greet();
    for (uint32_t i = 0; i < 5000; i++) {
        put_request(&in, 1 + 2 * i, i % 2 == 0 ? "/x" : "/only", true);
        assert_int_equal(feed(), 0);
        h2_peer_take(&p);
        buf_clear(&p.sent);
        buf_clear(&p.events);
    }
    assert_int_equal(p.n_gone, 5000);
}

/* ---- limits: frames that bring nothing ---- */

enum {
    IDLE_SETTINGS,
    IDLE_PING,
    IDLE_PING_ACK,
    IDLE_PRIORITY,
    IDLE_WINDOW,
    IDLE_STREAM_WINDOW,
    IDLE_EMPTY_DATA,
    IDLE_PADDING,
    IDLE_UNKNOWN,
    IDLE_RST,
    IDLE_GONE_DATA,
    IDLE_GOAWAY,
    IDLE_N
};

static void put_idle(int kind)
{
    static const struct slice EIGHT = SLICE_INIT("12345678");
    switch (kind) {
    case IDLE_SETTINGS:
        put_setting(&in, 4, 1000);
        break;
    case IDLE_PING:
    case IDLE_PING_ACK:
        put_frame(&in, F_PING, kind == IDLE_PING ? 0 : FLAG_ACK, 0, EIGHT);
        break;
    case IDLE_PRIORITY:
        put_frame(&in, F_PRIORITY, 0, 1, slice_sub(EIGHT, 0, 5));
        break;
    case IDLE_WINDOW:
    case IDLE_STREAM_WINDOW:
        put_u32_frame(&in, F_WINDOW, kind == IDLE_WINDOW ? 0 : 1, 1);
        break;
    case IDLE_EMPTY_DATA:
        put_frame_head(&in, 0, F_DATA, 0, 1);
        break;
    case IDLE_PADDING:
        put_frame(&in, F_DATA, FLAG_PADDED, 1, SLICE_LIT("\x02xx"));
        break;
    case IDLE_UNKNOWN:
        put_frame(&in, 77, 0, 0, EIGHT);
        break;
    case IDLE_RST:
        put_u32_frame(&in, F_RST, 3, 8);
        break;
    case IDLE_GONE_DATA:
        put_frame(&in, F_DATA, 0, 3, EIGHT);
        break;
    case IDLE_GOAWAY:
        put_frame(&in, F_GOAWAY, 0, 0, SLICE_LIT("\0\0\0\0\0\0\0\0"));
        break;
    }
}

/* Stream 1 is open, stream 3 was reset by us. */
static void begin_idling(void)
{
    h2_peer_fini(&p);
    h2_peer_init(&p);
    greet();
    put_request(&in, 1, "/never", false);
    put_request(&in, 3, "/reset", false);
    assert_int_equal(feed(), 0);
    h2_peer_take(&p);
}

static void test_idle_frames(void **state)
{
    (void) state;
    for (int kind = 0; kind < IDLE_N; kind++) {
        begin_idling();
        size_t before = heap_bytes();
        int r = 0;
        int n = 0;
        for (; r == 0; n++) {
            put_idle(kind);
            r = feed();
        }
        /* The greeting's SETTINGS was one; the two requests gave some for nothing. */
        if (n < H2_IDLE_FRAMES || n > H2_IDLE_FRAMES + 6)
            fail_msg("kind %d: %d", kind, n);
        expect_refusal(REFUSE_H2_IDLE);
        if (heap_bytes() > before + 65536)
            fail_msg("kind %d: %zu bytes", kind, heap_bytes() - before);
        assert_true(has(sent(), "GOAWAY"));
    }
}

static void test_idle_frames_in_time_are_fine(void **state)
{
    (void) state;
    for (int kind = 0; kind < IDLE_N; kind++) {
        begin_idling();
        for (uint64_t i = 0; i < 900; i++) { /* 100 in 10 s; nghttp2 has a clock of its own */
            put_idle(kind);
            if (feed_at(1000 + i * 100) < 0)
                fail_msg("kind %d: refused after %u", kind, (unsigned) i);
            h2_peer_take(&p);
            buf_clear(&p.sent);
        }
    }
}

/* A peer that opens its windows for each frame it gets, and pings with them. */
static void test_windows_opened_for_data_are_free(void **state)
{
    (void) state;
    greet();
    uint32_t id = 1;
    for (unsigned call = 0; call < 30; call++, id += 2) {
        put_request(&in, id, "/big", true);
        assert_int_equal(feed(), 0);
        const char *got = sent();
        while (!has(got, " end")) {
            for (unsigned i = 0; i < 4; i++) {
                put_u32_frame(&in, F_WINDOW, 0, 16384);
                put_u32_frame(&in, F_WINDOW, id, 16384);
                put_frame(&in, F_PING, 0, 0, SLICE_LIT("12345678"));
            }
            assert_int_equal(feed(), 0);
            got = sent();
        }
    }
    assert_int_equal(p.n_gone, 30);
}

/* One that has us send single bytes is not (the data dribble). */
static void test_dribble(void **state)
{
    (void) state;
    put(&in, SLICE_LIT(H2_PREFACE));
    put_setting(&in, 4, 0);
    put_request(&in, 1, "/big", true);
    assert_int_equal(feed(), 0);
    int n = 0;
    int r = 0;
    for (; r == 0; n++) {
        put_u32_frame(&in, F_WINDOW, 1, 1);
        r = feed();
        h2_peer_take(&p);
    }
    assert_in_range(n, H2_IDLE_FRAMES, H2_IDLE_FRAMES + 6);
    expect_refusal(REFUSE_H2_IDLE);
}

/* ---- limits: stalls ---- */

static int tick(uint64_t now_ms)
{
    int r = h2_tick(p.h, now_ms);
    assert_int_equal(r, h2_refusal(p.h) == REFUSE_NONE ? 0 : -EPROTO);
    h2_peer_take(&p);
    return r;
}

static const struct {
    const char *name;
    uint32_t window;    /* initial, of streams */
    uint32_t of_stream; /* opened every 5 s: the stream's window, */
    uint32_t of_conn;   /* and the connection's, */
    bool stalls;
} STALLS[] = {
    {"nothing is opened", 0, 0, 0, true},
    {"one byte at a time", 0, 1, 1, true},
    {"a little at a time", 0, 2000, 2000, true},
    {"enough", 0, 4000, 4000, false},
    {"the connection's only", 0, 0, 100000, true},
    {"the stream's only", 1 << 30, 1, 0, true},
    {"the connection's bit by bit", 1 << 30, 1, 2000, true},
    {"the connection's well enough", 1 << 30, 1, 4000, false},
};

static void test_stalls(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(STALLS); i++) {
        h2_peer_fini(&p);
        h2_peer_init(&p);
        put(&in, SLICE_LIT(H2_PREFACE));
        put_setting(&in, 4, STALLS[i].window);
        put_request(&in, 1, "/big", true);
        assert_int_equal(feed_at(0), 0);
        h2_peer_take(&p);
        uint64_t now = 0;
        while (now < 120000 && tick(now) == 0) {
            now += 1000;
            if (now % 5000 != 0)
                continue;
            if (STALLS[i].of_stream > 0)
                put_u32_frame(&in, F_WINDOW, 1, STALLS[i].of_stream);
            if (STALLS[i].of_conn > 0)
                put_u32_frame(&in, F_WINDOW, 0, STALLS[i].of_conn);
            assert_int_equal(feed_at(now), 0);
            h2_peer_take(&p);
        }
        if (STALLS[i].stalls != (h2_refusal(p.h) == REFUSE_H2_STALL) ||
            (STALLS[i].stalls && (now < H2_STALL_MS || now > H2_STALL_MS + 10000)))
            fail_msg("%s: %s at %u", STALLS[i].name, refuse_info(h2_refusal(p.h))->name,
                     (unsigned) now);
        if (STALLS[i].stalls)
            assert_true(has(sent(), "GOAWAY 1 11"));
    }
}

static void test_nothing_to_send_is_no_stall(void **state)
{
    (void) state;
    put(&in, SLICE_LIT(H2_PREFACE));
    put_setting(&in, 4, 0);
    put_request(&in, 1, "/open", true);
    assert_int_equal(feed_at(0), 0);
    for (uint64_t now = 0; now < 200000; now += 10000)
        assert_int_equal(tick(now), 0);
}

/* ---- limits: others ---- */

static void test_protocol_errors(void **state)
{
    (void) state;
    static const struct {
        const char *name;
        int type, flags;
        uint32_t id;
        struct slice payload;
    } CASES[] = {
        {"DATA on stream 0", F_DATA, 0, 0, SLICE_INIT("x")},
        {"DATA on an idle stream", F_DATA, 0, 9, SLICE_INIT("x")},
        {"DATA on a half-closed stream", F_DATA, 0, 1, SLICE_INIT("x")},
        {"more padding than frame", F_DATA, FLAG_PADDED, 3, SLICE_INIT("\x09x")},
        {"an even stream", F_HEADERS, FLAG_END_HEADERS, 2, SLICE_INIT("\x82")},
        {"bad HPACK", F_HEADERS, FLAG_END_HEADERS, 9, SLICE_INIT("\xff\xff\xff\xff\xff\xff")},
        {"depends on itself", F_HEADERS, FLAG_END_HEADERS | FLAG_PRIO, 9,
         SLICE_INIT("\0\0\0\x09\x01\x82")},
        {"short PRIORITY", F_PRIORITY, 0, 3, SLICE_INIT("x")},
        {"RST of an idle stream", F_RST, 0, 9, SLICE_INIT("\0\0\0\x08")},
        {"short RST", F_RST, 0, 3, SLICE_INIT("x")},
        {"SETTINGS of 5", F_SETTINGS, 0, 0, SLICE_INIT("12345")},
        {"ACK of nothing", F_SETTINGS, FLAG_ACK, 0, SLICE_INIT("")},
        {"PUSH_PROMISE", F_PUSH, FLAG_END_HEADERS, 3, SLICE_INIT("\0\0\0\x02\x82")},
        {"PING of 7", F_PING, 0, 0, SLICE_INIT("1234567")},
        {"window by 0", F_WINDOW, 0, 0, SLICE_INIT("\0\0\0\0")},
        {"stream's window by 0", F_WINDOW, 0, 3, SLICE_INIT("\0\0\0\0")},
        {"window overflows", F_WINDOW, 0, 0, SLICE_INIT("\x7f\xff\xff\xff")},
        {"CONTINUATION of nothing", F_CONTINUATION, 0, 3, SLICE_INIT("\x82")},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        h2_peer_fini(&p);
        h2_peer_init(&p);
        greet();
        put_frame_head(&in, 0, F_SETTINGS, FLAG_ACK, 0);
        put_request(&in, 1, "/never", true);
        put_request(&in, 3, "/never", false);
        assert_int_equal(feed(), 0);
        put_frame(&in, CASES[i].type, CASES[i].flags, CASES[i].id, CASES[i].payload);
        put_request(&in, 11, "/x", true); /* not served any more */
        if (feed() == 0 || h2_refusal(p.h) != REFUSE_H2_PROTOCOL)
            fail_msg("%s: %s", CASES[i].name, refuse_info(h2_refusal(p.h))->name);
        assert_true(has(sent(), "GOAWAY"));
        assert_int_equal(p.n_heads, 2);
        assert_int_equal(h2_receive(p.h, SLICE_LIT("anything"), 1000), -EPROTO);
        assert_true(h2_is_over(p.h));
    }
}

static void test_long_frame_is_refused_at_its_head(void **state)
{
    (void) state;
    greet();
    put_frame_head(&in, 16384, 77, 0, 0);
    assert_int_equal(feed(), 0);
    h2_peer_fini(&p);
    h2_peer_init(&p);
    greet();
    put_frame_head(&in, 16385, 77, 0, 0);
    assert_int_equal(feed(), -EPROTO);
    expect_refusal(REFUSE_H2_PROTOCOL);
    assert_true(has(sent(), "GOAWAY"));
}

static void test_settings_come_first(void **state)
{
    (void) state;
    put(&in, SLICE_LIT(H2_PREFACE));
    put_frame(&in, F_PING, 0, 0, SLICE_LIT("12345678"));
    assert_int_equal(feed(), -EPROTO);
    expect_refusal(REFUSE_H2_PROTOCOL);
}

static void test_too_many_streams(void **state)
{
    (void) state;
    greet();
    put_frame_head(&in, 0, F_SETTINGS, FLAG_ACK, 0);
    for (uint32_t i = 0; i < H2_MAX_STREAMS; i++)
        put_request(&in, 1 + 2 * i, "/never", false);
    assert_int_equal(feed(), 0);
    assert_int_equal(h2_open_streams(p.h), H2_MAX_STREAMS);
    put_request(&in, 1001, "/never", false);
    assert_int_equal(feed(), -EPROTO);
    assert_int_equal(p.n_heads, H2_MAX_STREAMS);
}

/* Before it has seen our SETTINGS a client may not know. */
static void test_too_many_streams_before_settings_are_known(void **state)
{
    (void) state;
    greet();
    for (uint32_t i = 0; i <= H2_MAX_STREAMS; i++)
        put_request(&in, 1 + 2 * i, "/never", false);
    assert_int_equal(feed(), 0);
    assert_string_equal(sent(), "RST 201 7");
}

/* A peer that asks and never reads: answers wait inside, streams stay open, and end it. */
static void test_output_is_bounded(void **state)
{
    (void) state;
    greet();
    put_frame_head(&in, 0, F_SETTINGS, FLAG_ACK, 0);
    assert_int_equal(feed(), 0);
    size_t before = heap_bytes();
    int r = 0;
    for (uint32_t id = 1; r == 0 && id < 100000; id += 2) {
        put_request(&in, id, "/only", true);
        r = feed();
        buf_clear(&p.events);
    }
    assert_int_equal(r, -EPROTO);
    assert_true(heap_bytes() < before + (1 << 20));
    assert_int_equal(h2_open_streams(p.h), H2_MAX_STREAMS);
}

/* ---- the end ---- */

static void test_drain(void **state)
{
    (void) state;
    greet();
    put_request(&in, 1, "/never", false);
    assert_int_equal(feed(), 0);
    h2_drain(p.h);
    h2_drain(p.h);
    assert_string_equal(sent(), "PING, GOAWAY 2147483647 0");
    put_request(&in, 3, "/x", true); /* it was under way */
    assert_int_equal(feed(), 0);
    assert_true(has(sent(), "HEADERS 3 end"));
    put_frame(&in, F_PING, FLAG_ACK, 0, SLICE_LIT("\0\0\0\0\0\0\0\0"));
    assert_int_equal(feed(), 0);
    assert_string_equal(sent(), "GOAWAY 3 0");
    put_request(&in, 5, "/x", true); /* too late: as if it had not been sent */
    assert_int_equal(feed(), 0);
    assert_string_equal(sent(), "");
    assert_false(h2_is_over(p.h));
    put_u32_frame(&in, F_RST, 1, H2_CANCEL);
    assert_int_equal(feed(), 0);
    assert_true(h2_is_over(p.h));
    expect_refusal(REFUSE_NONE);
    assert_int_equal(p.n_heads, 2);
}

static void test_drain_without_an_answer(void **state)
{
    (void) state;
    greet();
    h2_drain(p.h);
    assert_string_equal(sent(), "PING, GOAWAY 2147483647 0");
    assert_int_equal(h2_tick(p.h, 700000), 0); /* the first look at the time */
    assert_int_equal(h2_tick(p.h, 700000 + H2_DRAIN_MS - 1), 0);
    assert_string_equal(sent(), "");
    assert_false(h2_is_over(p.h));
    assert_int_equal(h2_tick(p.h, 700000 + H2_DRAIN_MS), 0);
    assert_false(h2_is_over(p.h)); /* its GOAWAY is to be sent */
    assert_string_equal(sent(), "GOAWAY 0 0");
    assert_true(h2_is_over(p.h));
}

static void test_drain_before_the_greeting(void **state)
{
    (void) state;
    h2_drain(p.h);
    assert_true(has(sent(), "GOAWAY 0 0"));
    assert_true(h2_is_over(p.h));
}

static void test_peer_leaves(void **state)
{
    (void) state;
    greet();
    put_request(&in, 1, "/x", false);
    put_frame(&in, F_GOAWAY, 0, 0, SLICE_LIT("\0\0\0\0\0\0\0\0"));
    assert_int_equal(feed(), 0);
    assert_false(h2_is_over(p.h));
    put_frame_head(&in, 0, F_DATA, FLAG_END_STREAM, 1);
    assert_int_equal(feed(), 0);
    assert_false(h2_is_over(p.h));
    assert_true(has(sent(), "HEADERS 1 end"));
    assert_true(h2_is_over(p.h));
    expect_refusal(REFUSE_NONE);
}

static void test_idle_connection_holds_little(void **state)
{
    (void) state;
    put(&in, SLICE_LIT(H2_PREFACE));
    put_setting(&in, 4, 1 << 30);
    put_u32_frame(&in, F_WINDOW, 0, 1 << 30);
    assert_int_equal(feed(), 0);
    (void) sent();
    size_t before = heap_bytes();
    put_request(&in, 1, "/big", true);
    assert_int_equal(feed(), 0);
    struct slice out;
    do
        assert_int_equal(h2_take(p.h, &out), 0);
    while (out.len > 0);
    assert_true(heap_bytes() < before + 8192);
    assert_int_equal(p.n_gone, 1);
    h2_free(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_greeting),
        TEST(test_calls),
        TEST(test_head_fields),
        TEST(test_trailers_of_a_request_are_skipped),
        TEST(test_bad_heads),
        TEST(test_not_http2),
        TEST(test_large_answer_waits_for_windows),
        TEST(test_answers_take_turns),
        TEST(test_answer_in_pieces),
        TEST(test_trailers_need_no_window),
        TEST(test_what_waits_is_limited),
        TEST(test_no_memory),
        TEST(test_unread_stream_does_not_starve_others),
        TEST(test_too_many_fields),
        TEST(test_header_bomb),
        TEST(test_continuation_flood),
        TEST(test_early_ends_have_one_budget),
        TEST(test_early_ends_count_while_nothing_is_taken),
        TEST(test_answered_calls_are_free),
        TEST(test_idle_frames),
        TEST(test_idle_frames_in_time_are_fine),
        TEST(test_windows_opened_for_data_are_free),
        TEST(test_dribble),
        TEST(test_stalls),
        TEST(test_nothing_to_send_is_no_stall),
        TEST(test_protocol_errors),
        TEST(test_long_frame_is_refused_at_its_head),
        TEST(test_settings_come_first),
        TEST(test_too_many_streams),
        TEST(test_too_many_streams_before_settings_are_known),
        TEST(test_output_is_bounded),
        TEST(test_drain),
        TEST(test_drain_without_an_answer),
        TEST(test_drain_before_the_greeting),
        TEST(test_peer_leaves),
        TEST(test_idle_connection_holds_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
