/* The path log follows positions that the store gives: jumps, pieces of one segment, messages that
 * memory could not hold. */
#include "mem.h"
#include "pathlog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SPAN  ((uint64_t) 256 << 10) /* of a segment, for messages up to 128 KiB */
#define ENTRY 16                     /* index bytes per message */
#define MANY  ((uint64_t) 1 << 32)   /* a limit that is never reached */

static uint8_t bytes[128 << 10];

static const struct pathlog_limits ROOMY = {
    .max_message = sizeof(bytes), .max_bytes = MANY, .max_count = MANY, .max_age_ms = MANY};

static struct pathlog *log_of(struct pathlog_limits limits)
{
    struct pathlog *log;
    assert_int_equal(pathlog_new(&limits, &log), 0);
    return log;
}

static struct pathlog_reader *reader_of(struct pathlog *log)
{
    struct pathlog_reader *r;
    assert_int_equal(pathlog_reader_new(log, &r), 0);
    return r;
}

static void append(struct pathlog *log, size_t len, uint64_t now_ms)
{
    assert_int_equal(pathlog_append(log, slice_of(bytes, len), now_ms), 0);
}

static struct segment_span read_at(struct pathlog_reader *r, uint64_t cursor)
{
    struct segment_span s;
    assert_int_equal(pathlog_read(r, cursor, &s), 0);
    assert_true((s.bytes.len == 0) == (s.seg == NULL));
    return s;
}

static void append_at(struct pathlog *log, uint64_t position, size_t len, uint64_t now_ms)
{
    assert_int_equal(pathlog_append_at(log, position, slice_of(bytes, len), now_ms), 0);
    assert_int_equal(pathlog_tail(log), position + len);
}

static void test_positions_are_followed(void **state)
{
    (void) state;
    struct pathlog *log = log_of(ROOMY);
    struct pathlog_reader *r = reader_of(log);
    const uint64_t start = 7 * SPAN + 123;
    pathlog_start(log, start);
    assert_int_equal(pathlog_span_bits(log), 18);
    assert_int_equal(pathlog_tail(log), start);
    assert_int_equal(pathlog_oldest(log), start);
    pathlog_enter(r);
    assert_int_equal(read_at(r, start).bytes.len, 0);
    struct segment_span lost;
    assert_int_equal(pathlog_read(r, start - 1, &lost), -EOVERFLOW);
    append_at(log, 8 * SPAN, 10, 1);
    append_at(log, 8 * SPAN + 10, 20, 1);
    append_at(log, 11 * SPAN, 30, 2); /* two numbers left out */
    append_at(log, 12 * SPAN, 40, 3);
    static const struct {
        uint64_t cursor, start;
        uint32_t n;
    } CASES[] = {
        {start, 8 * SPAN, 2},          {8 * SPAN, 8 * SPAN, 2},   {8 * SPAN + 10, 8 * SPAN + 10, 1},
        {8 * SPAN + 30, 11 * SPAN, 1}, {11 * SPAN, 11 * SPAN, 1}, {11 * SPAN + 30, 12 * SPAN, 1},
        {12 * SPAN, 12 * SPAN, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct segment_span s = read_at(r, CASES[i].cursor);
        assert_int_equal(s.start, CASES[i].start);
        assert_int_equal(s.n_messages, CASES[i].n);
    }
    uint64_t ms;
    assert_int_equal(pathlog_appended_ms(r, 8 * SPAN + 30, &ms), 0);
    assert_int_equal(ms, 2);
    append(log, 5, 4); /* its own reckoning goes on from there */
    assert_int_equal(pathlog_tail(log), 12 * SPAN + 45);
    pathlog_leave(r);
    pathlog_reader_free(r);
    pathlog_free(log);
}

/* A jump that the ring is too small for retires what is before it. */
static void test_far_jump(void **state)
{
    (void) state;
    struct pathlog_limits limits = ROOMY;
    limits.max_bytes = 2 * SPAN; /* 8 slots */
    struct pathlog *log = log_of(limits);
    struct pathlog_reader *r = reader_of(log);
    append(log, 10, 1);
    append_at(log, 2 * SPAN, 10, 1);
    append_at(log, SPAN << 30, 10, 2);
    assert_int_equal(pathlog_messages(log), 1);
    assert_int_equal(pathlog_oldest(log), 2 * SPAN + 10);
    pathlog_enter(r);
    assert_int_equal(read_at(r, 2 * SPAN + 10).start, SPAN << 30);
    pathlog_leave(r);
    pathlog_reader_free(r);
    pathlog_free(log);
}

/* A message that is in the store only: who has not read it is sent there. */
static void test_missed_message(void **state)
{
    (void) state;
    enum { NO_MEMORY, TOO_LONG, NEVER_CAME };
    for (int why = NO_MEMORY; why <= NEVER_CAME; why++) {
        struct pathlog_limits limits = ROOMY;
        limits.max_message = 1000;
        struct pathlog *log = log_of(limits);
        struct pathlog_reader *r = reader_of(log);
        append_at(log, 0, 100, 1);
        uint64_t at = why == NO_MEMORY ? SPAN : 100, next = at + 300;
        if (why == NO_MEMORY) {
            mem_fail_at(1);
            assert_int_equal(pathlog_append_at(log, at, slice_of(bytes, 300), 1), -ENOMEM);
            mem_fail_at(0);
        } else if (why == TOO_LONG) {
            assert_int_equal(pathlog_append_at(log, at, slice_of(bytes, 1001), 1), -EMSGSIZE);
            next = at + 1001;
        }
        assert_int_equal(pathlog_tail(log), 100);
        append_at(log, next, 50, 2);
        append_at(log, next + 50, 50, 2);
        assert_int_equal(pathlog_oldest(log), next);
        pathlog_enter(r);
        struct segment_span s;
        assert_int_equal(pathlog_read(r, 0, &s), -EOVERFLOW);
        assert_int_equal(pathlog_read(r, 100, &s), -EOVERFLOW);
        assert_int_equal(read_at(r, next).n_messages, 2);
        assert_int_equal(read_at(r, next + 50).n_messages, 1);
        pathlog_leave(r);
        pathlog_reader_free(r);
        pathlog_free(log);
    }
}

/* Who has not read all that was there has fallen off the window; who has, goes on. */
static void test_cut(void **state)
{
    (void) state;
    const uint64_t places[] = {300, SPAN / 2, 5 * SPAN + 77};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct pathlog *log = log_of(ROOMY);
        struct pathlog_reader *r = reader_of(log);
        struct segment_span s;
        pathlog_cut(log, 0);
        append_at(log, 0, 100, 1);
        append_at(log, 100, 200, 1);
        pathlog_cut(log, places[i]);
        assert_int_equal(pathlog_messages(log), 0);
        assert_int_equal(pathlog_tail(log), places[i]);
        assert_int_equal(pathlog_oldest(log), places[i]);
        append_at(log, places[i], 50, 2);
        pathlog_enter(r);
        assert_int_equal(pathlog_read(r, 100, &s), -EOVERFLOW);
        s = read_at(r, places[i]);
        assert_int_equal(s.bytes.len, 50);
        pathlog_leave(r);
        pathlog_reader_free(r);
        pathlog_free(log);
    }
}

static void test_pieces_of_one_segment(void **state)
{
    (void) state;
    struct pathlog_limits limits = ROOMY;
    limits.max_age_ms = 10;
    struct pathlog *log = log_of(limits);
    struct pathlog_reader *r = reader_of(log);
    uint64_t tail = 0, crossed = 0;
    for (uint64_t piece = 1; piece < 300; piece++) { /* until long after the segment is full */
        pathlog_expire(log, 100 * piece);
        assert_int_equal(pathlog_oldest(log), tail);
        assert_int_equal(pathlog_bytes(log), 0);
        append(log, 1000, 100 * piece);
        append(log, 500, 100 * piece);
        append(log, 100, 100 * piece + 1);
        pathlog_enter(r);
        struct segment_span s = read_at(r, tail);
        assert_true(s.start == tail || (s.start == SPAN && tail > SPAN - 1000 - 1000 * ENTRY));
        crossed += s.start != tail;
        struct segment_span last = read_at(r, pathlog_tail(log) - 100);
        assert_int_equal(last.n_messages, 1);
        assert_memory_equal(last.bytes.data, bytes, 100);
        pathlog_leave(r);
        tail = pathlog_tail(log);
    }
    assert_true(tail > SPAN && crossed <= 1);
    pathlog_reader_free(r);
    pathlog_free(log);
}

/* A cursor may stand in a number that was left out, where history has brought it. */
static void test_cursor_in_a_hole(void **state)
{
    (void) state;
    struct pathlog *log = log_of(ROOMY);
    struct pathlog_reader *r = reader_of(log);
    append_at(log, 0, 10, 1);
    append_at(log, 5 * SPAN, 10, 1);
    pathlog_enter(r);
    static const uint64_t CURSORS[] = {10, 11, SPAN - 1, SPAN, SPAN + 7, 4 * SPAN, 5 * SPAN - 1};
    for (size_t i = 0; i < ARRAY_LEN(CURSORS); i++)
        assert_int_equal(read_at(r, CURSORS[i]).start, 5 * SPAN);
    pathlog_leave(r);
    pathlog_reader_free(r);
    pathlog_free(log);
}

int main(void)
{
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t) (i * 7 + i / 256);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_positions_are_followed), cmocka_unit_test(test_far_jump),
        cmocka_unit_test(test_missed_message),         cmocka_unit_test(test_cut),
        cmocka_unit_test(test_pieces_of_one_segment),  cmocka_unit_test(test_cursor_in_a_hole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
