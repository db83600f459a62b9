/* Tests of the limits of gateway/h2.c, rows AP-07 to AP-10 of the security list. */
#include "h2_fixture.h"
#include "h2_wall.h"
#include "heap.h"

/* ---- heads ---- */

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

/* ---- early ends ---- */

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

/* ---- frames that bring nothing ---- */

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

/* ---- stalls ---- */

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

/* Half a frame, or a head without its end, holds a connection no longer than a closed window. */
static void test_half_frames(void **state)
{
    (void) state;
    for (int kind = 0; kind < 3; kind++) {
        h2_peer_fini(&p);
        h2_peer_init(&p);
        greet();
        put_request(&in, 1, "/never", false);
        if (kind == 0)
            put(&in, SLICE_LIT("\0"));
        else if (kind == 1)
            put_frame(&in, F_HEADERS, 0, 3, SLICE_LIT("\x82"));
        else
            put(&in, SLICE_LIT("\0\0\x05\0\0\0\0\0\x01x"));
        assert_int_equal(feed_at(200000), 0);
        assert_int_equal(tick(200000 + H2_STALL_MS - 1), 0);
        assert_int_equal(tick(200000 + H2_STALL_MS), -EPROTO);
        expect_refusal(REFUSE_H2_STALL);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        TEST(test_half_frames),
        TEST(test_nothing_to_send_is_no_stall),
        TEST(test_output_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
