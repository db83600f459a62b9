/* Tests of broker/sse_form.c: messages and events, byte for byte. */
#include "sse_form.h"

#include "frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define A "crt00000000000000001"
#define B "crtvvvvvvvvvvvvvvvvv"

#define EVENT(id) "{\"event_metadata\":{\"event_id\":\"" id "\"},\"details\":{\"tag\":\"\"}}"

static void check_text(const struct buf *out, const char *want)
{
    assert_int_equal(out->len, strlen(want));
    assert_memory_equal(out->data, want, out->len);
}

static void test_messages(void **state)
{
    (void) state;
    static const struct {
        const char *text, *want;
    } CASES[] = {
        {"{\"messages\":[" EVENT(A) "]}", "id: " A "\ndata: {\"messages\":[" EVENT(A) "]}\n\n"},
        {"{\"messages\":[" EVENT(A) "," EVENT(B) "]}",
         "id: " B "\ndata: {\"messages\":[" EVENT(A) "," EVENT(B) "]}\n\n"},
        {"", "data: \n\n"},
        {"plain", "data: plain\n\n"},
        {" x", "data:  x\n\n"},
        {"a\nb\r\nc\rd", "data: a\ndata: b\ndata: c\ndata: d\n\n"},
        {"\n", "data: \ndata: \n\n"},
        {"\r", "data: \ndata: \n\n"},
        {"\n\r", "data: \ndata: \ndata: \n\n"},
        {"\r\r\n\n", "data: \ndata: \ndata: \ndata: \n\n"},
        {"id: x\n\nevent: close", "data: id: x\ndata: \ndata: event: close\n\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        for (size_t max_frame = 1; max_frame < 300; max_frame = max_frame * 3 + 1) {
            struct buf frames, out;
            buf_init(&frames, 65536);
            buf_init(&out, 65536);
            assert_int_equal(
                frame_message(&frames, FRAME_TEXT, slice_str(CASES[i].text), max_frame), 0);
            struct slice rest = buf_slice(&frames);
            assert_int_equal(sse_form_message(&out, &rest), 0);
            assert_int_equal(rest.len, 0);
            check_text(&out, CASES[i].want);
            buf_fini(&out);
            buf_fini(&frames);
        }
    }
}

/* What begins like a key inside a text of strangers is none, and what is not an id is no id. */
/* Each line costs what it is long, not what is left. */
static void test_many_lines(void **state)
{
    enum { LEN = 1 << 21, MOST_S = 10 };
    (void) state;
    static uint8_t text[LEN];
    const char *const ENDS[] = {"\r", "\n"};
    for (size_t i = 0; i < sizeof(ENDS) / sizeof(ENDS[0]); i++) {
        struct buf out;
        buf_init(&out, SIZE_MAX / 2);
        memset(text, ENDS[i][0], LEN);
        clock_t began = clock();
        assert_int_equal(sse_form_event(&out, NULL, slice_of(text, LEN)), 0);
        assert_true(clock() - began < MOST_S * CLOCKS_PER_SEC);
        assert_int_equal(out.len, (LEN + 1) * strlen("data: \n") + 1);
        buf_fini(&out);
    }
}

static void test_ids(void **state)
{
    (void) state;
    static const struct {
        const char *text, *id;
    } CASES[] = {
        {EVENT(A), A},
        {"{\"event_id\":\"" A "\",\"tag\":\"\\\"event_id\\\":\\\"" B "\\\"\"}", A},
        {"{\"event_id\":\"" A, A},
        {"{\"event_id\":\"crt0000000000000000", ""},
        {"{\"event_id\":\"crtZZZZZZZZZZZZZZZZZ\"}", ""},
        {"{\"event_id\":\"d5d00000000000000001\"}", ""},
        {"{\"event_id\":\"", ""},
        {"\"event_id\":", ""},
        {"", ""},
        /* sent again: what it says itself, whatever its events are */
        {"{\"replay\":{\"id\":\"rpl1\",\"at\":\"x\",\"resume\":\"" B
         "\"},\"messages\":[" EVENT(A) "]}",
         B},
        {"{\"replay\":{\"id\":\"rpl1\",\"at\":\"x\"},\"messages\":[" EVENT(A) "]}", ""},
        {"{\"replay\":{\"id\":\"rpl1\"},\"resume\":\"" B "\"}", ""},
        {"{\"replay\":{", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct slice id = sse_form_id(slice_str(CASES[i].text));
        if (!slice_eq_str(id, CASES[i].id))
            fail_msg("case %zu: %.*s", i, (int) id.len, (const char *) id.data);
    }
}

static void test_events(void **state)
{
    (void) state;
    struct buf out;
    buf_init(&out, 40);
    assert_int_equal(sse_form_event(&out, "gap", SLICE_LIT("{}")), 0);
    assert_int_equal(sse_form_event(&out, NULL, SLICE_LIT("x\ny")), 0);
    check_text(&out, "event: gap\ndata: {}\n\ndata: x\ndata: y\n\n");
    assert_int_equal(sse_form_event(&out, "gap", SLICE_LIT("{}")), -EMSGSIZE);
    check_text(&out, "event: gap\ndata: {}\n\ndata: x\ndata: y\n\n"); /* all or nothing */
    buf_fini(&out);
}

/* One message is taken off at a time; what is none is refused, and nothing of it is written. */
static void test_frames(void **state)
{
    (void) state;
    struct buf frames, out;
    buf_init(&frames, 65536);
    buf_init(&out, 65536);
    assert_int_equal(frame_message(&frames, FRAME_TEXT, SLICE_LIT("one"), 2), 0);
    assert_int_equal(frame_message(&frames, FRAME_TEXT, SLICE_LIT("two"), 100), 0);
    struct slice rest = buf_slice(&frames);
    assert_int_equal(sse_form_message(&out, &rest), 0);
    assert_int_equal(rest.len, 5);
    assert_int_equal(sse_form_message(&out, &rest), 0);
    assert_int_equal(rest.len, 0);
    check_text(&out, "data: one\n\ndata: two\n\n");
    assert_int_equal(sse_form_message(&out, &rest), -EINVAL);
    static const struct {
        const char *bytes;
        size_t len;
    } BAD[] = {
        {"\x82\x01x", 3},         /* binary */
        {"\xc1\x01x", 3},         /* deflated */
        {"\x81\x05x", 3},         /* cut */
        {"\x01\x01x", 3},         /* no end */
        {"\x01\x01x\x81\x01y", 6} /* another one inside */
    };
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        rest = slice_of(BAD[i].bytes, BAD[i].len);
        assert_int_equal(sse_form_message(&out, &rest), -EINVAL);
        check_text(&out, "data: one\n\ndata: two\n\n");
    }
    struct buf narrow;
    buf_init(&narrow, 30);
    rest = buf_slice(&frames);
    rest = slice_from(rest, rest.len - 5);
    assert_int_equal(sse_form_message(&narrow, &rest), 0);
    struct buf full;
    buf_init(&full, 8);
    rest = slice_from(buf_slice(&frames), frames.len - 5);
    assert_int_equal(sse_form_message(&full, &rest), -EMSGSIZE);
    assert_int_equal(full.len, 0);
    buf_fini(&full);
    buf_fini(&narrow);
    buf_fini(&out);
    buf_fini(&frames);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages), cmocka_unit_test(test_many_lines),
        cmocka_unit_test(test_ids),      cmocka_unit_test(test_events),
        cmocka_unit_test(test_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
