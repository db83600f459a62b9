/* Tests of gateway/sse_text.c: spans of plain messages as events, and where they are cut. */
#include "sse_text.h"

#include "frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BITS  18
#define START ((uint64_t) 3 << BITS)

/* `n` messages "0", "1" ... of `len` bytes, from START on. */
static struct segment *messages(size_t n, size_t len)
{
    struct buf frames;
    char *text = test_calloc(1, len + 24);
    struct segment *seg =
        segment_make(BITS, START, n * frame_message_size(len, 1000), (uint32_t) n, NULL);
    assert_non_null(seg);
    buf_init(&frames, 1 << 20);
    for (size_t i = 0; i < n; i++) {
        memset(text, 'x', len);
        (void) snprintf(text, len + 24, "%zu", i);
        text[strlen(text)] = ' ';
        buf_clear(&frames);
        assert_int_equal(frame_message(&frames, FRAME_TEXT, slice_of(text, len), 1000), 0);
        segment_put(seg, START + i * frames.len, buf_slice(&frames), 0);
    }
    segment_seal(seg);
    buf_fini(&frames);
    test_free(text);
    return seg;
}

/* Everything, in as many calls as it takes; each ends where the next begins. */
static void check_all(size_t n, size_t len, size_t at_once)
{
    struct segment *seg = messages(n, len);
    struct sse_text t = {0};
    struct segment_span plain, span;
    uint64_t size = frame_message_size(len, 1000);
    size_t event = len + strlen("data: \n\n"), i = 0;
    for (uint64_t cursor = START; cursor < segment_end(seg); cursor = span.end) {
        segment_read(seg, cursor, &plain);
        size_t want = n - i < at_once ? n - i : at_once;
        assert_int_equal(sse_text_read(&t, &plain, &span), want);
        assert_int_equal(span.n_messages, want);
        assert_int_equal(span.start, cursor);
        assert_int_equal(span.end, cursor + want * size);
        assert_int_equal(span.bytes.len, want * event);
        assert_int_equal(span.form, FORM_SSE);
        assert_null(span.seg);
        for (size_t sent = 0; sent < span.bytes.len; sent += event / 3 + 1) {
            struct segment_cut cut;
            size_t k = sent / event;
            sse_text_cut(&t, sent, &cut);
            assert_int_equal(cut.before, k * event);
            assert_int_equal(cut.len, (k + 1) * event);
            assert_int_equal(cut.end, cursor + (k + 1) * size);
            assert_int_equal(cut.n_messages, k + 1);
            assert_memory_equal(span.bytes.data + cut.before, "data: ", 6);
            assert_int_equal(strtoul((const char *) span.bytes.data + cut.before + 6, NULL, 10),
                             i + k);
        }
        i += want;
    }
    assert_int_equal(i, n);
    sse_text_drop(&t);
    sse_text_drop(&t);
    segment_unref(seg);
}

static void test_limits(void **state)
{
    (void) state;
    check_all(1, 10, 1);
    check_all(5, 10, 5);
    check_all(200, 20, SSE_TEXT_MESSAGES);
    check_all(30, 5000, 14); /* 64 KiB, and the rest of the one that passes them */
    check_all(2, 100000, 1);
}

static void test_no_message(void **state)
{
    (void) state;
    struct sse_text t = {0};
    struct segment_span plain = {.bytes = SLICE_LIT("\x81\x01x\x82\x01y"), .start = 7, .end = 13};
    struct segment_span span;
    assert_int_equal(sse_text_read(&t, &plain, &span), 1); /* those before it */
    assert_int_equal(span.end, 10);
    plain.bytes = slice_from(plain.bytes, 3);
    assert_int_equal(sse_text_read(&t, &plain, &span), -EINVAL);
    sse_text_drop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_no_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
