/* Tests of gateway/h2.c: the connection, from its greeting to its end, and who breaks the rules. */
#include "h2_fixture.h"
#include "heap.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_greeting),
        TEST(test_not_http2),
        TEST(test_protocol_errors),
        TEST(test_long_frame_is_refused_at_its_head),
        TEST(test_settings_come_first),
        TEST(test_too_many_streams),
        TEST(test_too_many_streams_before_settings_are_known),
        TEST(test_drain),
        TEST(test_drain_without_an_answer),
        TEST(test_drain_before_the_greeting),
        TEST(test_peer_leaves),
        TEST(test_idle_connection_holds_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
