/* Tests of gateway/h2_stream.c: what the handler hears of a request, and how answers leave. */
#include "h2_fixture.h"
#include "mem.h"

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
    size_t most = H2_MAX_WAITING;
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

/* Of all streams together. */
static void test_what_waits_on_others_counts(void **state)
{
    (void) state;
    begin_answer();
    struct h2_stream *first = begun;
    uint8_t *bytes = xcalloc(1, H2_MAX_WAITING - 1);
    assert_int_equal(h2_write(p.h, first, slice_of(bytes, H2_MAX_WAITING - 1)), 0);
    put_request(&in, 3, "/open", true);
    assert_int_equal(feed(), 0);
    assert_int_equal(h2_waiting(p.h), H2_MAX_WAITING - 1);
    assert_int_equal(h2_write(p.h, begun, SLICE_LIT("xy")), -EMSGSIZE);
    assert_int_equal(h2_write(p.h, begun, SLICE_LIT("x")), 0);
    h2_reset(p.h, first, H2_CANCEL);
    (void) sent();
    assert_int_equal(h2_write(p.h, begun, SLICE_LIT("xy")), 0);
    assert_string_equal(sent(), "DATA 3 2");
    assert_int_equal(h2_waiting(p.h), 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_calls),
        TEST(test_head_fields),
        TEST(test_trailers_of_a_request_are_skipped),
        TEST(test_bad_heads),
        TEST(test_large_answer_waits_for_windows),
        TEST(test_answers_take_turns),
        TEST(test_answer_in_pieces),
        TEST(test_trailers_need_no_window),
        TEST(test_what_waits_is_limited),
        TEST(test_what_waits_on_others_counts),
        TEST(test_no_memory),
        TEST(test_unread_stream_does_not_starve_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
