/* Tests of gateway/feed_log.c: numbers, messages, what is too much, and where who comes back goes
 * on. */
#include "feed_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "frame.h"
#include "mem.h"

#include <cmocka.h>

static struct feed_log feed;
static struct pathlog_reader *reader;

static int setup(void **state)
{
    (void) state;
    assert_int_equal(feed_log_init(&feed), 0);
    assert_int_equal(pathlog_reader_new(feed.path.log, &reader), 0);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    pathlog_reader_free(reader);
    feed_log_fini(&feed);
    return 0;
}

static bool say(const char *name, uint64_t now_ms)
{
    struct rest_json *j = feed_log_begin(&feed, "event", now_ms);
    if (j == NULL)
        return false;
    rest_json_string(j, "name", name);
    feed_log_end(&feed);
    return true;
}

/* The payloads from a position on, one after the other. */
static const char *text_from(uint64_t position)
{
    static char text[2 * FEED_MESSAGE_BYTES];
    size_t len = 0;
    struct segment_span span;
    uint8_t first;
    pathlog_enter(reader);
    while (pathlog_read(reader, position, &span) == 0 && span.bytes.len > 0) {
        struct slice frames = span.bytes, payload;
        while (frame_next(&frames, &first, &payload)) {
            assert_int_equal(first, FRAME_FIN | FRAME_TEXT);
            assert_true(len + payload.len < sizeof(text));
            memcpy(text + len, payload.data, payload.len);
            len += payload.len;
        }
        position = span.end;
    }
    pathlog_leave(reader);
    text[len] = '\0';
    return text;
}

static struct feed_place find(uint64_t after)
{
    return feed_log_find(&feed, &after);
}

#define ITEM(seq, name) "{\"type\":\"event\",\"seq\":" seq ",\"name\":\"" name "\"}"

static void test_messages(void **state)
{
    (void) state;
    struct feed_place start = feed_log_find(&feed, NULL);
    assert_int_equal(start.seq, 1);
    assert_false(start.gap);
    assert_false(feed_log_waits(&feed));
    assert_false(feed_log_flush(&feed, 0));
    assert_true(say("a", 1));
    assert_true(say("<\"\\", 2));
    assert_true(feed_log_waits(&feed));
    assert_int_equal(feed_log_find(&feed, NULL).seq, 1); /* it will come to who comes now */
    assert_true(feed_log_flush(&feed, 3));
    assert_false(feed_log_waits(&feed));
    assert_true(say("c", 4));
    assert_true(feed_log_flush(&feed, 5));
    assert_string_equal(text_from(start.position),
                        "{\"items\":[" ITEM("2", "a") "," ITEM(
                            "3", "<\\\"\\\\") "]}"
                                              "{\"items\":[" ITEM("4", "c") "]}");
    assert_int_equal(feed_log_find(&feed, NULL).seq, 4);
}

static void test_resume(void **state)
{
    (void) state;
    for (int i = 0; i < 3; i++) {
        assert_true(say("x", (uint64_t) i));
        assert_true(say("y", (uint64_t) i));
        assert_true(feed_log_flush(&feed, (uint64_t) i));
    }
    static const struct {
        uint64_t after;
        bool gap;
        const char *text;
    } CASES[] = {
        {7, false, ""},
        {5, false, "{\"items\":[" ITEM("6", "x") "," ITEM("7", "y") "]}"},
        {6, false, "{\"items\":[" ITEM("6", "x") "," ITEM("7", "y") "]}"}, /* never asked so */
        {0, true, ""}, /* before anything that anybody was told */
        {8, true, ""},
        {UINT64_MAX, true, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct feed_place place = find(CASES[i].after);
        assert_int_equal(place.gap, CASES[i].gap);
        assert_int_equal(place.seq, CASES[i].gap ? 7 : CASES[i].after);
        assert_string_equal(text_from(place.position), CASES[i].text);
    }
    assert_false(find(1).gap); /* everything */
    feed_log_pause(&feed);     /* nobody makes items from here on, */
    assert_true(find(7).gap);
    assert_int_equal(feed_log_find(&feed, NULL).seq, 8);
    assert_false(find(8).gap);
    assert_true(say("z", 9)); /* until somebody listens again */
    assert_true(feed_log_flush(&feed, 9));
    assert_true(find(7).gap);
    assert_string_equal(text_from(find(8).position), "{\"items\":[" ITEM("9", "z") "]}");
}

static void test_forgotten(void **state)
{
    (void) state;
    for (uint64_t i = 0; i <= FEED_MARKS; i++) {
        assert_true(say("x", i * 1000));
        assert_true(feed_log_flush(&feed, i * 1000));
    }
    assert_true(find(1).gap); /* too many messages ago, */
    uint64_t after = FEED_MARKS + 1;
    assert_false(find(after).gap);
    pathlog_expire(feed.path.log, FEED_MARKS * 1000 + FEED_KEEP_MS - 1);
    assert_false(find(after).gap);
}

static void test_bytes(void **state)
{
    static char big[FEED_MESSAGE_BYTES];
    (void) state;
    memset(big, 'x', 100000);
    assert_true(say("first", 0));
    assert_true(feed_log_flush(&feed, 0));
    uint64_t after = feed.seq;
    for (uint64_t i = 0; i < 2 * FEED_BYTES / 100000; i++) { /* is put on the log by itself */
        assert_true(say(big, 1));
        assert_true(feed.items.len < FEED_MESSAGE_BYTES);
    }
    assert_true(feed_log_flush(&feed, 2));
    assert_true(find(after).gap); /* fallen off the log */
    assert_false(find(feed.seq - 1).gap);
    assert_true(pathlog_bytes(feed.path.log) < 2 * FEED_BYTES);
    memset(big, 'x', sizeof(big) - 1); /* no message can be so long: it is left out */
    uint64_t seq = feed.seq;
    assert_true(say(big, 3));
    assert_true(say("next", 3));
    assert_true(feed_log_flush(&feed, 4));
    assert_int_equal(feed.seq, seq + 1);
    assert_true(feed_log_flush(&feed, 1004));
    assert_non_null(strstr(text_from(find(seq + 1).position), "\"skipped\",\"seq\":"));
}

static void test_rate(void **state)
{
    (void) state;
    for (unsigned i = 0; i < FEED_RATE; i++)
        assert_true(say("x", 5000 + i % 1000));
    assert_false(say("too many", 5999));
    assert_false(say("too many", 5999));
    uint64_t seq = feed.seq;
    assert_true(feed_log_flush(&feed, 5999));
    assert_true(feed_log_waits(&feed)); /* to say how many */
    assert_int_equal(feed.seq, seq);
    assert_true(feed_log_flush(&feed, 6000));
    assert_false(feed_log_waits(&feed));
    char wanted[100];
    (void) snprintf(wanted, sizeof(wanted),
                    "{\"items\":[{\"type\":\"skipped\",\"seq\":%llu,\"n\":2}]}",
                    (unsigned long long) seq + 1);
    assert_string_equal(text_from(find(seq).position), wanted);
    assert_true(say("again", 6000));
    for (unsigned i = 0; i < FEED_RATE; i++)
        (void) say("x", 6000);
    assert_true(say("first of the next", 7000)); /* it is said before this one */
    assert_true(feed_log_flush(&feed, 7000));
    assert_non_null(strstr(text_from(find(feed.seq - 2).position), "\"n\":1},{\"type\":\"event\""));
}

static void test_no_memory(void **state)
{
    (void) state;
    uint64_t seq = feed.seq;
    unsigned lost = 0;
    for (unsigned n = 1; n < 40; n++) {
        feed_log_pause(&feed); /* gives the memory back */
        seq = feed.seq;
        mem_fail_at(n);
        bool said = say("x", n) && feed.seq == seq + 1;
        (void) feed_log_flush(&feed, n);
        mem_fail_at(0);
        lost += !said || find(seq).gap;
        if (said && !find(seq).gap) /* what is there is whole */
            assert_non_null(strstr(text_from(find(seq).position), "\"name\":\"x\"}]}"));
    }
    assert_true(lost > 0);
    assert_true(say("x", 5000));
    assert_true(feed_log_flush(&feed, 5000));
}

static void test_said(void **state)
{
    struct buf out;
    uint8_t first;
    struct slice frames, payload;
    (void) state;
    buf_init(&out, 1000);
    assert_int_equal(feed_log_say(&out, "0123456789abcdef", 5), 0);
    assert_int_equal(feed_log_say(&out, NULL, 6), 0);
    frames = buf_slice(&out);
    assert_true(frame_next(&frames, &first, &payload));
    assert_true(slice_eq_str(
        payload, "{\"items\":[{\"type\":\"hello\",\"boot\":\"0123456789abcdef\",\"seq\":5}]}"));
    assert_true(frame_next(&frames, &first, &payload));
    assert_true(slice_eq_str(payload, "{\"items\":[{\"type\":\"gap\",\"seq\":6}]}"));
    assert_int_equal(frames.len, 0);
    buf_fini(&out);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_messages), TEST(test_resume),    TEST(test_forgotten), TEST(test_bytes),
        TEST(test_rate),     TEST(test_no_memory), TEST(test_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
