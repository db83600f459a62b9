/* Segments: placing against a brute-force model; those of stored messages; references, account. */
#include "mem.h"
#include "segment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SPAN  ((uint64_t) 256 << 10)
#define BITS  18
#define ENTRY 16

static uint8_t bytes[128 << 10];

static void test_span_bits(void **state)
{
    (void) state;
    static const struct {
        size_t max_message;
        unsigned bits;
    } CASES[] = {
        {1, 18}, {128 << 10, 18}, {(128 << 10) + 1, 19}, {1 << 20, 21}, {(size_t) 1 << 30, 31},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        assert_int_equal(segment_span_bits(CASES[i].max_message), CASES[i].bits);
}

static uint64_t pick(uint64_t *rng, uint64_t n) /* splitmix64 */
{
    uint64_t z = *rng += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % n;
}

/* Every message placed so far, looked at one by one for each question. */
struct placed {
    uint64_t at;
    size_t len;
};

static bool fits(const struct placed *all, size_t n, uint64_t at, size_t len)
{
    uint64_t index = ENTRY, end = at + len;
    for (size_t i = 0; i < n; i++) {
        if (all[i].at / SPAN == at / SPAN)
            index += ENTRY;
    }
    return end + index <= (at / SPAN + 1) * SPAN;
}

static void test_place(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        uint64_t rng = seed, crossed = 0;
        size_t n = 0;
        static struct placed all[2000];
        struct segment_place place = {0};
        uint64_t tail = 0;
        while (n < ARRAY_LEN(all)) {
            size_t most = pick(&rng, 8) == 0 ? sizeof(bytes) : 1500;
            size_t len = 1 + (size_t) pick(&rng, most);
            if (pick(&rng, 300) == 0) { /* a restart */
                segment_place_skip(BITS, &place);
                tail = (tail + SPAN - 1) / SPAN * SPAN;
            }
            uint64_t expect = fits(all, n, tail, len) ? tail : (tail / SPAN + 1) * SPAN;
            if (expect % SPAN == 0 && expect != tail)
                crossed++;
            assert_int_equal(segment_place(BITS, &place, len), expect);
            all[n++] = (struct placed){expect, len};
            tail = expect + len;
            assert_int_equal(place.tail, tail);
        }
        assert_true(crossed > 10);
    }
}

static void test_skip(void **state)
{
    (void) state;
    struct segment_place place = {0, 0};
    segment_place_skip(BITS, &place);
    assert_int_equal(place.tail, 0);
    place = (struct segment_place){5 * SPAN, 0};
    segment_place_skip(BITS, &place);
    assert_int_equal(place.tail, 5 * SPAN);
    place = (struct segment_place){5 * SPAN + 1, 1};
    segment_place_skip(BITS, &place);
    assert_int_equal(place.tail, 6 * SPAN);
    assert_int_equal(place.n, 0);
}

/* Messages of 1, 2, ... bytes from `start` on. */
static struct segment *made(uint64_t start, uint32_t n, _Atomic uint64_t *account)
{
    size_t total = (size_t) n * (n + 1) / 2;
    struct segment *seg = segment_make(BITS, start, total, n, account);
    assert_non_null(seg);
    assert_int_equal(segment_end(seg), UINT64_MAX);
    uint64_t at = start;
    for (uint32_t i = 1; i <= n; at += i, i++)
        segment_put(seg, at, slice_of(bytes, i), 1000 + i);
    segment_seal(seg);
    assert_int_equal(segment_end(seg), start + total);
    return seg;
}

static void test_made(void **state)
{
    (void) state;
    static const uint64_t STARTS[] = {0, 4 * SPAN, 4 * SPAN + 777};
    for (size_t s = 0; s < ARRAY_LEN(STARTS); s++) {
        const uint64_t start = STARTS[s];
        const uint32_t n = 50;
        struct segment *seg = made(start, n, NULL);
        uint64_t end = segment_end(seg), at = start;
        assert_int_equal(segment_start(seg), start);
        assert_int_equal(segment_messages(seg), n);
        assert_true(segment_size(seg) < 2048 + n * ENTRY); /* no more than it needs */
        for (uint32_t i = 1; i <= n; at += i, i++) {
            struct segment_span span;
            segment_read(seg, at, &span);
            assert_ptr_equal(span.seg, seg);
            assert_int_equal(span.start, at);
            assert_int_equal(span.n_messages, n - i + 1);
            assert_int_equal(span.bytes.len, end - at);
            assert_memory_equal(span.bytes.data, bytes, i);
            assert_int_equal(segment_appended_ms(seg, at), 1000 + i);
            assert_int_equal(span.end, end);
            struct segment_cut cut;
            segment_cut(&span, 0, &cut);
            assert_int_equal(cut.end, at + i);
            assert_int_equal(cut.before, 0);
            assert_int_equal(cut.len, i);
            assert_int_equal(cut.n_messages, 1);
            segment_cut(&span, span.bytes.len - 1, &cut);
            assert_int_equal(cut.end, end);
            assert_int_equal(cut.len, span.bytes.len);
            assert_int_equal(cut.before, span.bytes.len - n);
            assert_int_equal(cut.n_messages, n - i + 1);
        }
        struct segment_span span;
        segment_read(seg, end, &span);
        assert_null(span.seg);
        assert_int_equal(span.bytes.len, 0);
        assert_int_equal(span.start, end);
        segment_read(seg, end + 5, &span);
        assert_null(span.seg);
        if (start > 0) { /* below the first: all of it */
            segment_read(seg, start - 1, &span);
            assert_int_equal(span.start, start);
            assert_int_equal(span.n_messages, n);
        }
        segment_unref(seg);
    }
}

static void test_account(void **state)
{
    (void) state;
    _Atomic uint64_t account = 0;
    struct segment *one = made(0, 10, &account);
    assert_int_equal(account, segment_size(one));
    struct segment *two = made(SPAN, 20, &account);
    assert_int_equal(account, segment_size(one) + segment_size(two));
    segment_ref(one);
    assert_true(segment_is_shared(one));
    assert_false(segment_is_shared(two));
    segment_unref(one);
    assert_false(segment_is_shared(one));
    assert_int_equal(account, segment_size(one) + segment_size(two));
    segment_unref(one);
    assert_int_equal(account, segment_size(two));
    segment_unref(two);
    assert_int_equal(account, 0);
    segment_unref(NULL);
    mem_fail_at(1);
    assert_null(segment_make(BITS, 0, 10, 1, &account));
    mem_fail_at(0);
    assert_int_equal(account, 0);
}

/* What the log's segments hold: all that is placed into one, index and all. */
static void test_open_holds_what_is_placed(void **state)
{
    (void) state;
    static const size_t LENGTHS[] = {1, 100, 997, 128 << 10};
    for (size_t i = 0; i < ARRAY_LEN(LENGTHS); i++) {
        struct segment_place place = {0};
        struct segment *seg = segment_open(BITS, 0);
        assert_non_null(seg);
        uint32_t n = 0;
        uint64_t at = segment_place(BITS, &place, LENGTHS[i]);
        for (; at < SPAN; n++) {
            segment_put(seg, at, slice_of(bytes, LENGTHS[i]), n);
            at = segment_place(BITS, &place, LENGTHS[i]);
        }
        assert_int_equal(at, SPAN);
        assert_int_equal(segment_messages(seg), n);
        assert_int_equal(n, SPAN / (LENGTHS[i] + ENTRY));
        assert_int_equal(segment_newest_ms(seg), n - 1);
        struct segment_span span;
        segment_read_to(seg, 0, LENGTHS[i], &span);
        assert_int_equal(span.n_messages, 1);
        segment_seal(seg);
        segment_read(seg, 0, &span);
        assert_int_equal(span.n_messages, n);
        uint64_t size = segment_size(seg);
        segment_reopen(seg, 3 * SPAN + 5); /* the same memory again */
        assert_int_equal(segment_end(seg), UINT64_MAX);
        assert_int_equal(segment_start(seg), 3 * SPAN + 5);
        assert_int_equal(segment_messages(seg), 0);
        assert_int_equal(segment_size(seg), size);
        segment_put(seg, 3 * SPAN + 5, slice_of(bytes, 3), 9);
        segment_seal(seg);
        segment_read(seg, 0, &span);
        assert_int_equal(span.start, 3 * SPAN + 5);
        assert_int_equal(span.bytes.len, 3);
        segment_unref(seg);
    }
}

/* --- deflated forms --- */

/* The form of message i, of i % 5 + 3 bytes, where FORMS[i] is '1'. */
static const char FORMS[] = "0011110101111000";
#define N_FORMS (sizeof(FORMS) - 1)

static struct slice form_of(size_t i)
{
    return slice_of(bytes + 1000 + i, i % 5 + 3);
}

static size_t message_len(size_t i)
{
    return 10 + i * i % 7;
}

static uint64_t start_of(uint64_t start, size_t i)
{
    return i == 0 ? start : start_of(start, i - 1) + message_len(i - 1);
}

static struct segment *with_forms(uint64_t start, size_t n, _Atomic uint64_t *account)
{
    size_t total = (size_t) (start_of(start, n) - start);
    struct segment *seg = segment_make(BITS, start, total, (uint32_t) n, account);
    assert_non_null(seg);
    for (size_t i = 0; i < n; i++) {
        segment_put(seg, start_of(start, i), slice_of(bytes + i, message_len(i)), i);
        if (FORMS[i] == '1')
            segment_put_form(seg, FORM_DEFLATED, start_of(start, i), form_of(i));
    }
    segment_seal(seg);
    return seg;
}

/* The run from message i on, as read up to message `upto`; every cut of it. */
static void check_run(struct segment *seg, uint64_t start, size_t i, size_t upto)
{
    struct segment_span span;
    struct segment_cut cut;
    segment_read_form_to(seg, FORM_DEFLATED, start_of(start, i), start_of(start, upto), &span);
    assert_ptr_equal(span.seg, seg);
    assert_int_equal(span.start, start_of(start, i));
    size_t end = i, at = 0, sent = 0;
    for (; end < upto && FORMS[end] == FORMS[i]; end++) {
        struct slice want =
            FORMS[i] == '1' ? form_of(end) : slice_of(bytes + end, message_len(end));
        assert_true(at + want.len <= span.bytes.len);
        assert_memory_equal(span.bytes.data + at, want.data, want.len);
        for (at += want.len; sent < at; sent++) {
            segment_cut(&span, sent, &cut);
            assert_int_equal(cut.end, start_of(start, end + 1));
            assert_int_equal(cut.len, at);
            assert_int_equal(cut.n_messages, end + 1 - i);
        }
    }
    assert_int_equal(span.bytes.len, at);
    assert_int_equal(span.end, start_of(start, end));
    assert_int_equal(span.n_messages, end - i);
}

static void test_deflated(void **state)
{
    (void) state;
    static const uint64_t STARTS[] = {0, 4 * SPAN + 777};
    for (size_t s = 0; s < ARRAY_LEN(STARTS); s++) {
        struct segment *seg = with_forms(STARTS[s], N_FORMS, NULL);
        for (size_t i = 0; i < N_FORMS; i++) {
            for (size_t upto = i + 1; upto <= N_FORMS; upto++)
                check_run(seg, STARTS[s], i, upto);
        }
        struct segment_span span; /* who does not take them sees nothing of it */
        segment_read(seg, STARTS[s], &span);
        assert_int_equal(span.n_messages, N_FORMS);
        assert_int_equal(span.bytes.len, span.end - span.start);
        segment_unref(seg);
    }
}

/* Between a message and its form there is the plain one to be had. */
static void test_deflated_comes_after(void **state)
{
    (void) state;
    struct segment *seg = segment_open(BITS, 0);
    assert_non_null(seg);
    struct segment_span span;
    for (size_t i = 0; i < 3; i++) {
        uint64_t at = start_of(0, i), end = start_of(0, i + 1);
        segment_put(seg, at, slice_of(bytes, message_len(i)), 1);
        segment_read_form_to(seg, FORM_DEFLATED, at, end, &span);
        assert_int_equal(span.bytes.len, message_len(i));
        segment_read_form_to(seg, FORM_DEFLATED, 0, end, &span);
        assert_int_equal(span.n_messages, i == 0 ? 1 : i); /* the deflated ones before it */
        segment_put_form(seg, FORM_DEFLATED, at, form_of(i));
        segment_read_form_to(seg, FORM_DEFLATED, at, end, &span);
        assert_int_equal(span.bytes.len, form_of(i).len);
        segment_read_form_to(seg, FORM_DEFLATED, 0, end, &span);
        assert_int_equal(span.n_messages, i + 1);
    }
    segment_unref(seg);
}

static void test_deflated_memory(void **state)
{
    (void) state;
    _Atomic uint64_t account = 0;
    struct segment *plain = made(0, N_FORMS, &account), *seg = with_forms(SPAN, N_FORMS, &account);
    assert_int_equal(account, segment_size(plain) + segment_size(seg));
    segment_unref(plain);
    assert_int_equal(account, segment_size(seg));
    segment_unref(seg);
    assert_int_equal(account, 0);

    seg = segment_open(BITS, 0);
    assert_non_null(seg);
    uint64_t size = segment_size(seg), at = 0;
    struct segment_span span;
    segment_put(seg, 0, slice_of(bytes, 100), 1);
    mem_fail_at(1);
    segment_put_form(seg, FORM_DEFLATED, 0, form_of(0)); /* no memory: no form */
    mem_fail_at(0);
    assert_int_equal(segment_size(seg), size);
    segment_read_form_to(seg, FORM_DEFLATED, 0, 100, &span);
    assert_int_equal(span.bytes.len, 100);
    uint32_t n = 1;
    for (at = 100; at + 2000 + (n + 1) * ENTRY <= SPAN; at += 2000, n++) { /* as long as plain */
        segment_put(seg, at, slice_of(bytes, 2000), 1);
        segment_put_form(seg, FORM_DEFLATED, at, slice_of(bytes + 7, 2000));
        assert_true(segment_size(seg) > size && segment_size(seg) <= size * 3 / 2 + 100);
    }
    uint32_t most = (SPAN / 2) / (2000 + ENTRY);
    segment_read_form_to(seg, FORM_DEFLATED, 100, at, &span);
    assert_int_equal(span.n_messages, most); /* half a segment's memory, and no more */
    segment_read_form_to(seg, FORM_DEFLATED, span.end, at, &span);
    assert_int_equal(span.n_messages, n - 1 - most);
    assert_int_equal(span.end, at);
    segment_reopen(seg, SPAN); /* the same memory, and nothing of the forms */
    assert_int_equal(segment_size(seg), size);
    segment_put(seg, SPAN, slice_of(bytes, 2000), 1);
    segment_read_form_to(seg, FORM_DEFLATED, SPAN, SPAN + 2000, &span);
    assert_int_equal(span.bytes.len, 2000);
    assert_memory_equal(span.bytes.data, bytes, 2000);
    segment_unref(seg);
}

/* Two forms of the same messages know nothing of each other. */
static void test_two_forms(void **state)
{
    (void) state;
    struct segment *seg = segment_open(BITS, 0);
    assert_non_null(seg);
    struct segment_span span;
    struct segment_cut cut;
    uint64_t end = start_of(0, N_FORMS), size = segment_size(seg);
    for (size_t i = 0; i < N_FORMS; i++) {
        segment_put(seg, start_of(0, i), slice_of(bytes + i, message_len(i)), i);
        if (FORMS[i] == '1')
            segment_put_form(seg, FORM_DEFLATED, start_of(0, i), form_of(i));
        segment_put_form(seg, FORM_SSE, start_of(0, i), slice_of(bytes + 2000 + i, 100));
    }
    segment_read_form_to(seg, FORM_SSE, 0, end, &span);
    assert_int_equal(span.form, FORM_SSE);
    assert_int_equal(span.n_messages, N_FORMS);
    assert_int_equal(span.bytes.len, N_FORMS * 100);
    for (size_t i = 0; i < N_FORMS; i++) {
        assert_memory_equal(span.bytes.data + i * 100, bytes + 2000 + i, 100);
        segment_cut(&span, i * 100 + 99, &cut);
        assert_int_equal(cut.end, start_of(0, i + 1));
        assert_int_equal(cut.before, i * 100);
    }
    for (size_t i = 0; i < N_FORMS; i++)
        check_run(seg, 0, i, N_FORMS);
    segment_read_to(seg, 0, end, &span);
    assert_int_equal(span.form, FORM_PLAIN);
    assert_int_equal(span.bytes.len, end);
    /* half of its memory, and nine eighths */
    assert_in_range(segment_size(seg) - size, SPAN * 13 / 8, SPAN * 13 / 8 + 1000);
    segment_reopen(seg, SPAN);
    assert_int_equal(segment_size(seg), size);
    segment_unref(seg);
}

/* Events of messages as ours are (some 30 bytes longer) have room beside all that fit a segment. */
static void test_events_fit(void **state)
{
    (void) state;
    enum { LEN = 300 };
    struct segment *seg = segment_open(BITS, 0);
    assert_non_null(seg);
    struct segment_place place = {0};
    struct segment_span span;
    uint32_t n = 0;
    for (;; n++) {
        uint64_t at = segment_place(BITS, &place, LEN);
        if (at >= SPAN)
            break;
        segment_put(seg, at, slice_of(bytes, LEN), 1);
        segment_put_form(seg, FORM_SSE, at, slice_of(bytes + 1, LEN + 33));
    }
    segment_read_form_to(seg, FORM_SSE, 0, (uint64_t) n * LEN, &span);
    assert_int_equal(span.n_messages, n);
    assert_true(n > SPAN / (LEN + ENTRY) - 2);
    segment_unref(seg);
}

int main(void)
{
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t) (i * 7 + i / 256);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_span_bits),
        cmocka_unit_test(test_place),
        cmocka_unit_test(test_skip),
        cmocka_unit_test(test_made),
        cmocka_unit_test(test_account),
        cmocka_unit_test(test_open_holds_what_is_placed),
        cmocka_unit_test(test_deflated),
        cmocka_unit_test(test_deflated_comes_after),
        cmocka_unit_test(test_deflated_memory),
        cmocka_unit_test(test_two_forms),
        cmocka_unit_test(test_events_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
