/* The path log on one thread: publication, segment boundaries, retention, guards, references. */
#include "mem.h"
#include "pathlog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SPAN  ((uint64_t) 256 << 10) /* of a segment, for messages up to 128 KiB */
#define ENTRY 16                     /* index bytes per message */
#define UNIT  (1000 + ENTRY)
#define FULL  259                  /* messages of a segment that fill() fills */
#define MANY  ((uint64_t) 1 << 32) /* a limit that is never reached */

static uint8_t bytes[128 << 10]; /* bytes[i] says where in a message it is */

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

/* Appends until the newest segment holds SPAN - `left` bytes, index included; the log must stand at
 * the start of a segment. Returns how many messages that took. */
static uint32_t fill(struct pathlog *log, uint64_t left, uint64_t now_ms)
{
    uint64_t room = SPAN - left;
    uint32_t n = 0;
    for (; room > 0; n++) {
        uint64_t take = room > 2 * UNIT || room == UNIT ? UNIT : room > UNIT ? room / 2 : room;
        assert_true(take > ENTRY);
        append(log, take - ENTRY, now_ms);
        room -= take;
    }
    return n;
}

static struct segment_span read_at(struct pathlog_reader *r, uint64_t cursor)
{
    struct segment_span s;
    assert_int_equal(pathlog_read(r, cursor, &s), 0);
    assert_true((s.bytes.len == 0) == (s.seg == NULL));
    return s;
}

static void test_limits(void **state)
{
    (void) state;
    static const struct {
        const char *name;
        struct pathlog_limits limits;
        int r;
    } CASES[] = {
        {"least", {1, 1, 1, 1, 0}, 0},
        {"no message size", {0, 1, 1, 1, 0}, -EINVAL},
        {"no bytes", {1, 0, 1, 1, 0}, -EINVAL},
        {"no count", {1, 1, 0, 1, 0}, -EINVAL},
        {"no age", {1, 1, 1, 0, 0}, -EINVAL},
        {"message over 1 GiB", {((size_t) 1 << 30) + 1, 1, 1, 1, 0}, -EINVAL},
        {"message of 1 GiB", {(size_t) 1 << 30, 1, 1, 1, 0}, 0},
        {"more than 1 TiB", {1, ((uint64_t) 1 << 40) + 1, 1, 1, 0}, -EINVAL},
        {"endless count and age", {1, 1, UINT64_MAX, UINT64_MAX, 0}, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct pathlog *log = NULL;
        assert_int_equal(pathlog_new(&CASES[i].limits, &log), CASES[i].r);
        assert_true((log == NULL) == (CASES[i].r < 0));
        pathlog_free(log);
    }
    struct pathlog *log = NULL;
    mem_fail_at(1);
    assert_int_equal(pathlog_new(&ROOMY, &log), -ENOMEM);
    mem_fail_at(0);
    assert_null(log);
}

static void test_empty(void **state)
{
    (void) state;
    struct pathlog *log = log_of(ROOMY);
    struct pathlog_reader *r = reader_of(log);
    pathlog_expire(log, MANY);
    assert_int_equal(pathlog_tail(log), 0);
    assert_int_equal(pathlog_oldest(log), 0);
    assert_int_equal(pathlog_bytes(log), 0);
    assert_int_equal(pathlog_messages(log), 0);
    pathlog_enter(r);
    struct segment_span s = read_at(r, 0);
    assert_int_equal(s.start, 0);
    assert_int_equal(s.n_messages, 0);
    uint64_t ms = 1;
    assert_int_equal(pathlog_appended_ms(r, 0, &ms), 0);
    assert_int_equal(ms, UINT64_MAX);
    pathlog_leave(r);
    pathlog_reader_free(r);
    pathlog_free(log);
}

static void test_append_refused(void **state)
{
    (void) state;
    struct pathlog_limits limits = ROOMY;
    limits.max_message = 1000;
    struct pathlog *log = log_of(limits);
    assert_int_equal(pathlog_append(log, slice_of(bytes, 0), 1), -EMSGSIZE);
    assert_int_equal(pathlog_append(log, slice_of(bytes, 1001), 1), -EMSGSIZE);
    mem_fail_at(1);
    assert_int_equal(pathlog_append(log, slice_of(bytes, 10), 1), -ENOMEM);
    assert_int_equal(pathlog_tail(log), 0);
    assert_int_equal(pathlog_bytes(log), 0);
    append(log, 1000, 1);
    mem_fail_at(1); /* not used up: there is room */
    append(log, 10, 1);
    mem_fail_at(0);
    uint32_t n = 2;
    for (; pathlog_tail(log) < SPAN - 2 * (uint64_t) n * ENTRY - 2000; n++)
        append(log, 1000, 1);
    while (pathlog_bytes(log) < 2 * SPAN) { /* until the next append needs memory */
        uint64_t tail = pathlog_tail(log), messages = pathlog_messages(log);
        mem_fail_at(1);
        int err = pathlog_append(log, slice_of(bytes, 1000), 1);
        mem_fail_at(0);
        if (err == 0)
            continue;
        assert_int_equal(err, -ENOMEM);
        assert_int_equal(pathlog_tail(log), tail);
        assert_int_equal(pathlog_messages(log), messages);
        append(log, 1000, 1);
        assert_int_equal(pathlog_tail(log), SPAN + 1000);
        assert_int_equal(pathlog_messages(log), messages + 1);
    }
    pathlog_free(log);
}

static void test_read_coalesces(void **state)
{
    (void) state;
    struct pathlog *log = log_of(ROOMY);
    struct pathlog_reader *r = reader_of(log);
    static const size_t LENGTHS[] = {7, 1, 300, 20, sizeof(bytes), 64};
    uint64_t starts[ARRAY_LEN(LENGTHS) + 1] = {0};
    for (size_t i = 0; i < ARRAY_LEN(LENGTHS); i++) {
        append(log, LENGTHS[i], 100 + i);
        starts[i + 1] = starts[i] + LENGTHS[i];
    }
    assert_int_equal(pathlog_tail(log), starts[ARRAY_LEN(LENGTHS)]);
    assert_int_equal(pathlog_messages(log), ARRAY_LEN(LENGTHS));
    pathlog_enter(r);
    for (size_t i = 0; i < ARRAY_LEN(LENGTHS); i++) {
        struct segment_span s = read_at(r, starts[i]);
        assert_int_equal(s.start, starts[i]);
        assert_int_equal(s.n_messages, ARRAY_LEN(LENGTHS) - i);
        assert_int_equal(s.bytes.len, pathlog_tail(log) - starts[i]);
        uint64_t ms;
        assert_int_equal(pathlog_appended_ms(r, starts[i], &ms), 0);
        assert_int_equal(ms, 100 + i);
        for (size_t k = i; k < ARRAY_LEN(LENGTHS); k++) {
            assert_memory_equal(s.bytes.data + (starts[k] - starts[i]), bytes, LENGTHS[k]);
            uint64_t probes[] = {starts[k], starts[k] + LENGTHS[k] / 2, starts[k + 1] - 1};
            for (size_t p = 0; p < ARRAY_LEN(probes); p++) {
                struct segment_cut cut;
                segment_cut(&s, probes[p] - starts[i], &cut);
                assert_int_equal(cut.end, starts[k + 1]);
                assert_int_equal(cut.len, starts[k + 1] - starts[i]);
                assert_int_equal(cut.n_messages, k - i + 1);
            }
        }
    }
    struct segment_span before = read_at(r, starts[1]);
    append(log, 50, 200); /* what was read does not grow */
    assert_int_equal(before.n_messages, ARRAY_LEN(LENGTHS) - 1);
    struct segment_cut cut;
    segment_cut(&before, before.bytes.len - 1, &cut);
    assert_int_equal(cut.end, starts[ARRAY_LEN(LENGTHS)]);
    assert_int_equal(cut.n_messages, ARRAY_LEN(LENGTHS) - 1);
    pathlog_leave(r);
    pathlog_reader_free(r);
    pathlog_free(log);
}

/* What fits at the end of a segment, and where it goes when it does not. */
static void test_segment_boundary(void **state)
{
    (void) state;
    static const struct {
        const char *name;
        uint64_t left; /* bytes left in the first segment */
        size_t len;    /* of the message appended then */
        bool same;     /* segment */
    } CASES[] = {
        {"exactly full", UNIT, 1000, true},
        {"one byte too many", UNIT, 1001, false},
        {"one byte fits", ENTRY + 1, 1, true},
        {"room for the index entry only", ENTRY, 1, false},
        {"less than an index entry", 8, 1, false},
        {"nothing left", 0, 1, false},
        {"the longest message fits", sizeof(bytes) + ENTRY, sizeof(bytes), true},
        {"the longest message does not", sizeof(bytes) + ENTRY - 1, sizeof(bytes), false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct pathlog *log = log_of(ROOMY);
        struct pathlog_reader *r = reader_of(log);
        uint32_t n = fill(log, CASES[i].left, 1);
        uint64_t cut = pathlog_tail(log);
        assert_int_equal(cut, SPAN - CASES[i].left - (uint64_t) n * ENTRY);
        append(log, CASES[i].len, 2);
        append(log, 77, 3);
        pathlog_enter(r);
        struct segment_span s = read_at(r, 0);
        struct segment_span more = read_at(r, cut);
        uint64_t ms;
        assert_int_equal(pathlog_appended_ms(r, cut, &ms), 0);
        assert_int_equal(ms, 2);
        if (CASES[i].same) {
            bool full = s.bytes.len == cut + CASES[i].len; /* then the 77 bytes are elsewhere */
            assert_int_equal(s.n_messages, n + (full ? 1 : 2));
            assert_ptr_equal(more.seg, s.seg);
            assert_int_equal(more.start, cut);
        } else {
            assert_int_equal(s.n_messages, n);
            assert_int_equal(s.bytes.len, cut);
            assert_int_equal(segment_end(s.seg), cut);
            assert_ptr_not_equal(more.seg, s.seg);
            assert_int_equal(more.start, SPAN); /* the rest was skipped */
            assert_int_equal(more.bytes.len, CASES[i].len + 77);
            assert_int_equal(more.n_messages, 2);
            assert_int_equal(read_at(r, SPAN).bytes.len, more.bytes.len);
            assert_int_equal(pathlog_tail(log), SPAN + CASES[i].len + 77);
        }
        assert_memory_equal(more.bytes.data, bytes, CASES[i].len);
        assert_int_equal(segment_end(read_at(r, cut).seg) == UINT64_MAX,
                         more.start + more.bytes.len == pathlog_tail(log));
        pathlog_leave(r);
        pathlog_reader_free(r);
        pathlog_free(log);
    }
}

static void test_retention(void **state)
{
    (void) state;
    static const struct {
        const char *name;
        uint64_t max_bytes, max_count, max_age_ms, grace_ms;
        uint64_t segments, now_ms; /* full ones are appended, one a second, then the log expires */
        uint64_t kept;             /* segments */
    } CASES[] = {
        {"roomy", MANY, MANY, MANY, 0, 9, 100000, 9},
        {"bytes of one segment", SPAN, MANY, MANY, 0, 9, 0, 2},
        {"just enough without one", 2 * SPAN - FULL * ENTRY, MANY, MANY, 0, 9, 0, 2},
        {"just not enough", 2 * SPAN - FULL * ENTRY + 1, MANY, MANY, 0, 9, 0, 3},
        {"the least bytes", 1, MANY, MANY, 0, 9, 0, 1},
        {"bytes of four segments", 4 * SPAN, MANY, MANY, 0, 9, 0, 5},
        {"the least count", MANY, 1, MANY, 0, 9, 0, 1},
        {"count of one segment", MANY, FULL, MANY, 0, 9, 0, 1},
        {"count of one more", MANY, FULL + 1, MANY, 0, 9, 0, 2},
        {"count of three", MANY, 3 * FULL, MANY, 0, 9, 0, 3},
        {"count, but all too young", MANY, FULL, MANY, 20000, 9, 10000, 9},
        {"count, some too young", MANY, FULL, MANY, 5000, 9, 10000, 4},
        {"bytes, however young", SPAN, MANY, MANY, 20000, 9, 10000, 2},
        {"just young enough", MANY, MANY, 2000, 0, 9, 10000, 2},
        {"just too old", MANY, MANY, 2000, 0, 9, 10001, 1},
        {"all too old", MANY, MANY, 1, 0, 9, 10000, 0},
        {"a clock that went back", MANY, MANY, 5000, 0, 9, 5, 6},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct pathlog *log = log_of((struct pathlog_limits){
            1000, CASES[i].max_bytes, CASES[i].max_count, CASES[i].max_age_ms, CASES[i].grace_ms});
        struct pathlog_reader *r = reader_of(log);
        uint64_t n = 0, ends[16] = {0};
        for (uint64_t s = 0; s < CASES[i].segments; s++) {
            n = fill(log, 0, 1000 * s + 1000);
            ends[s] = pathlog_tail(log);
        }
        assert_int_equal(n, FULL);
        pathlog_expire(log, CASES[i].now_ms);
        uint64_t retired = CASES[i].segments - CASES[i].kept;
        assert_int_equal(pathlog_messages(log), CASES[i].kept * n);
        assert_int_equal(pathlog_oldest(log), retired > 0 ? ends[retired - 1] : 0);
        /* The memory: what is kept and at most one spare. */
        assert_true(pathlog_bytes(log) <= (CASES[i].kept + 1) * (SPAN + 4096));
        pathlog_enter(r);
        struct segment_span span;
        for (uint64_t s = 0; s < CASES[i].segments; s++) {
            uint64_t ms;
            int expect = s < retired ? -EOVERFLOW : 0;
            assert_int_equal(pathlog_read(r, s * SPAN, &span), expect);
            assert_int_equal(pathlog_appended_ms(r, s * SPAN, &ms), expect);
            if (expect == 0) {
                assert_int_equal(span.n_messages, n);
                assert_int_equal(ms, 1000 * s + 1000);
            }
            /* A cursor at the end of a segment has missed nothing when only that is gone. */
            expect = s + 1 < retired ? -EOVERFLOW : 0;
            assert_int_equal(pathlog_read(r, ends[s], &span), expect);
            if (expect == 0 && s + 1 < CASES[i].segments) {
                assert_int_equal(span.start, (s + 1) * SPAN);
            }
        }
        pathlog_leave(r);
        pathlog_reader_free(r);
        pathlog_free(log);
    }
}

static void test_quiet_path(void **state)
{
    (void) state;
    struct pathlog_limits limits = ROOMY;
    limits.max_age_ms = 1000;
    struct pathlog *log = log_of(limits);
    struct pathlog_reader *r = reader_of(log);
    append(log, 100, 5);
    append(log, 60, 6);
    pathlog_expire(log, 1006);
    assert_int_equal(pathlog_messages(log), 2);
    pathlog_expire(log, 1007);
    assert_int_equal(pathlog_messages(log), 0);
    assert_int_equal(pathlog_bytes(log), 0);
    assert_int_equal(pathlog_tail(log), 160); /* cursors there stay good */
    assert_int_equal(pathlog_oldest(log), 160);
    pathlog_enter(r);
    struct segment_span s = read_at(r, 160);
    assert_int_equal(s.bytes.len, 0);
    assert_int_equal(pathlog_read(r, 100, &s), -EOVERFLOW);
    append(log, 40, 2000);
    assert_int_equal(pathlog_tail(log), 200); /* goes on in the same segment */
    assert_int_equal(pathlog_oldest(log), 160);
    s = read_at(r, 160);
    assert_int_equal(s.start, 160);
    assert_int_equal(s.bytes.len, 40);
    assert_int_equal(pathlog_read(r, 100, &s), -EOVERFLOW);
    uint64_t ms;
    assert_int_equal(pathlog_appended_ms(r, 160, &ms), 0);
    assert_int_equal(ms, 2000);
    pathlog_leave(r);
    pathlog_reader_free(r);
    pathlog_free(log);
}

static void test_guard_holds_back(void **state)
{
    (void) state;
    struct pathlog_limits limits = ROOMY;
    limits.max_count = 1; /* each new segment retires the one before */
    struct pathlog *log = log_of(limits);
    struct pathlog_reader *first = reader_of(log), *second = reader_of(log);
    append(log, 1000, 1);
    uint64_t one = pathlog_bytes(log);
    pathlog_enter(first);
    struct segment_span s = read_at(first, 0);
    uint32_t in_first = 1;
    for (; pathlog_tail(log) < SPAN; in_first++)
        append(log, 1000, 1);
    pathlog_enter(second); /* sees the second segment only */
    while (pathlog_tail(log) < 3 * SPAN)
        append(log, 1000, 1);
    assert_int_equal(pathlog_bytes(log), 4 * one);
    struct segment_span lost;
    assert_int_equal(pathlog_read(first, 0, &lost), -EOVERFLOW);
    assert_memory_equal(s.bytes.data, bytes, 1000); /* retired, yet still there */
    assert_true(segment_end(s.seg) <= pathlog_oldest(log));

    pathlog_leave(first);
    pathlog_expire(log, 1);
    assert_int_equal(pathlog_bytes(log), 4 * one); /* the first one is now the spare */
    pathlog_leave(second);
    pathlog_expire(log, 1);
    assert_int_equal(pathlog_bytes(log), 2 * one); /* the newest and the spare */
    pathlog_enter(first);
    assert_int_equal(read_at(first, 3 * SPAN).bytes.len, pathlog_tail(log) - 3 * SPAN);
    pathlog_leave(first);
    pathlog_reader_free(first);
    pathlog_reader_free(second);
    pathlog_free(log);
}

static void test_reference_outlives(void **state)
{
    (void) state;
    struct pathlog_limits limits = ROOMY;
    limits.max_count = 1;
    struct pathlog *log = log_of(limits);
    struct pathlog_reader *r = reader_of(log);
    append(log, 500, 1);
    uint64_t one = pathlog_bytes(log);
    pathlog_enter(r);
    struct segment_span s = read_at(r, 0);
    segment_ref(s.seg);
    pathlog_leave(r);
    while (pathlog_tail(log) < 2 * SPAN)
        append(log, 1000, 1);
    assert_true(segment_end(s.seg) <= pathlog_oldest(log));
    assert_true(pathlog_bytes(log) <= 2 * one); /* what a write holds is not the log's any more */
    assert_memory_equal(s.bytes.data, bytes, 500);
    struct segment_cut cut;
    segment_cut(&s, 0, &cut);
    assert_int_equal(cut.end, 500);

    pathlog_enter(r);
    struct segment_span newest = read_at(r, 2 * SPAN);
    segment_ref(newest.seg);
    segment_ref(newest.seg);
    pathlog_leave(r);
    pathlog_reader_free(r);
    pathlog_free(log);
    assert_memory_equal(s.bytes.data, bytes, 500);
    assert_memory_equal(newest.bytes.data, bytes, 1000);
    segment_unref(s.seg);
    segment_unref(newest.seg);
    assert_memory_equal(newest.bytes.data, bytes, 1000);
    segment_unref(newest.seg);
    segment_unref(NULL);
    pathlog_free(NULL);
    pathlog_reader_free(NULL);
}

static void test_reader_table(void **state)
{
    (void) state;
    struct pathlog *log = log_of(ROOMY);
    static struct pathlog_reader *readers[PATHLOG_MAX_READERS];
    mem_fail_at(1);
    assert_int_equal(pathlog_reader_new(log, &readers[0]), -ENOMEM);
    mem_fail_at(0);
    for (size_t i = 0; i < PATHLOG_MAX_READERS; i++)
        readers[i] = reader_of(log);
    struct pathlog_reader *extra = NULL;
    assert_int_equal(pathlog_reader_new(log, &extra), -ENOSPC);
    assert_null(extra);
    pathlog_reader_free(readers[500]);
    readers[500] = reader_of(log);
    assert_int_equal(pathlog_reader_new(log, &extra), -ENOSPC);
    append(log, 10, 1);
    for (size_t i = 0; i < PATHLOG_MAX_READERS; i++) {
        pathlog_enter(readers[i]);
        assert_int_equal(read_at(readers[i], 0).bytes.len, 10);
        pathlog_leave(readers[i]);
        pathlog_reader_free(readers[i]);
    }
    pathlog_free(log);
}

static void test_long_messages_widen_the_span(void **state)
{
    (void) state;
    struct pathlog_limits limits = ROOMY;
    limits.max_message = sizeof(bytes) + 16; /* as a fragmented one: more than half of 256 KiB */
    struct pathlog *log = log_of(limits);
    struct pathlog_reader *r = reader_of(log);
    for (int i = 0; i < 3; i++)
        append(log, sizeof(bytes), 1);
    assert_int_equal(pathlog_tail(log), 3 * sizeof(bytes)); /* 512 KiB hold three and their index */
    append(log, sizeof(bytes), 1);
    assert_int_equal(pathlog_tail(log), 2 * SPAN + sizeof(bytes));
    pathlog_enter(r);
    assert_int_equal(read_at(r, 0).n_messages, 3);
    assert_int_equal(read_at(r, 3 * sizeof(bytes)).start, 2 * SPAN);
    pathlog_leave(r);
    pathlog_reader_free(r);
    pathlog_free(log);
}

/* Readers of both kinds at one cursor; the siblings' memory is the log's, and goes with their
 * segments. */
static void test_deflated(void **state)
{
    (void) state;
    struct pathlog_limits limits = ROOMY;
    limits.max_count = 1; /* each new segment retires the one before */
    struct pathlog *log = log_of(limits);
    struct pathlog_reader *r = reader_of(log);
    append(log, 1000, 1);
    uint64_t one = pathlog_bytes(log);
    append(log, 1000, 1);
    pathlog_add_form(log, FORM_DEFLATED, slice_of(bytes + 5, 30));
    append(log, 1000, 1);
    pathlog_add_form(log, FORM_DEFLATED, slice_of(bytes + 6, 40));
    uint64_t both = pathlog_bytes(log);
    assert_in_range(both, one + SPAN / 2, one + SPAN / 2 + 100);
    pathlog_enter(r);
    struct segment_span s;
    assert_int_equal(pathlog_read_form(r, FORM_DEFLATED, 0, &s), 0);
    assert_int_equal(s.end, 1000); /* plain up to the first that has another form */
    assert_int_equal(s.bytes.len, 1000);
    assert_int_equal(pathlog_read_form(r, FORM_DEFLATED, 1000, &s), 0);
    assert_int_equal(s.end, 3000);
    assert_int_equal(s.bytes.len, 70);
    assert_int_equal(s.n_messages, 2);
    assert_memory_equal(s.bytes.data, bytes + 5, 30);
    assert_memory_equal(s.bytes.data + 30, bytes + 6, 40);
    assert_int_equal(pathlog_read_form(r, FORM_DEFLATED, 3000, &s), 0);
    assert_null(s.seg);
    assert_int_equal(s.end, 3000);
    assert_int_equal(read_at(r, 1000).bytes.len, 2000);

    while (pathlog_tail(log) < SPAN) /* retires it; it must wait for the reader */
        append(log, 1000, 1);
    assert_int_equal(pathlog_bytes(log), both + one);
    assert_int_equal(pathlog_read_form(r, FORM_DEFLATED, 1000, &s), -EOVERFLOW);
    pathlog_leave(r);
    pathlog_expire(log, 1);
    assert_int_equal(pathlog_bytes(log), both + one); /* it is the spare now */
    while (pathlog_tail(log) < 2 * SPAN)              /* which serves again, without a sibling */
        append(log, 1000, 1);
    assert_int_equal(pathlog_bytes(log), 2 * one);
    pathlog_enter(r);
    assert_int_equal(pathlog_read_form(r, FORM_DEFLATED, 2 * SPAN, &s), 0);
    assert_int_equal(s.bytes.len, 1000);
    segment_ref(s.seg);
    pathlog_add_form(log, FORM_DEFLATED, slice_of(bytes + 7, 50));
    pathlog_leave(r);
    pathlog_expire(log, 1);
    while (pathlog_tail(log) < 3 * SPAN)
        append(log, 1000, 1);
    assert_int_equal(pathlog_bytes(log), one); /* what a write holds is not the log's any more */
    segment_unref(s.seg);
    pathlog_reader_free(r);
    pathlog_free(log);
}

/* Other limits count from the next message on, as far as there are slots. */
static void test_other_limits(void **state)
{
    (void) state;
    struct pathlog_limits limits = {
        .max_message = 100, .max_bytes = 16 << 20, .max_count = 1000000, .max_age_ms = 1000};
    static uint8_t message[100];
    struct pathlog *log = log_of(limits);
    assert_true(pathlog_longest(log) >= 100);
    for (unsigned i = 0; i < 40000; i++)
        assert_int_equal(pathlog_append(log, slice_of(message, sizeof(message)), 1), 0);
    assert_int_equal(pathlog_messages(log), 40000);
    limits.max_bytes = 1 << 20;
    pathlog_limit(log, &limits);
    pathlog_expire(log, 1);
    uint64_t kept = pathlog_messages(log);
    assert_true(kept < 20000 && kept > 5000);
    limits.max_bytes = (uint64_t) 1 << 39; /* never more than it was made with */
    pathlog_limit(log, &limits);
    for (unsigned i = 0; i < 400000; i++)
        assert_int_equal(pathlog_append(log, slice_of(message, sizeof(message)), 1), 0);
    assert_true(pathlog_bytes(log) < 20 << 20);
    limits.max_age_ms = 10;
    pathlog_limit(log, &limits);
    pathlog_expire(log, 100);
    assert_int_equal(pathlog_messages(log), 0);
    pathlog_free(log);
}

int main(void)
{
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t) (i * 7 + i / 256);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_limits),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_append_refused),
        cmocka_unit_test(test_read_coalesces),
        cmocka_unit_test(test_segment_boundary),
        cmocka_unit_test(test_retention),
        cmocka_unit_test(test_quiet_path),
        cmocka_unit_test(test_guard_holds_back),
        cmocka_unit_test(test_reference_outlives),
        cmocka_unit_test(test_reader_table),
        cmocka_unit_test(test_long_messages_widen_the_span),
        cmocka_unit_test(test_deflated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
