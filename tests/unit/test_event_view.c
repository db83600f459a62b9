/* Tests of gateway/cli/event_view.c. */
#include "event_view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "event_text.h"

#include <cmocka.h>

static void test_parse(void **state)
{
    (void) state;
    struct event_view v;
    assert_int_equal(event_view_parse(slice_str(EVENT("1")), &v), 0);
    assert_string_equal(v.id, EVENT_ID("1"));
    assert_string_equal(v.type, "CreateImage");
    assert_string_equal(v.repository, "crtreg/a/b");
    assert_string_equal(v.tag, "v1");
    assert_string_equal(v.image_id, "crtimage");
    assert_string_equal(v.digest, "sha256:0123456789abcdef0123");
    event_view_fini(&v);
    static const char *const BAD[] = {
        "",
        "x",
        "[]",
        "{}",
        "{\"event_metadata\":{}}",
        "{\"event_metadata\":{\"event_id\":5}}",
        "{\"event_metadata\":{\"event_id\":\"crt06h0417av8000000/\"}}",
        "{\"event_metadata\":{\"event_id\":\"crt06h0417av80000000\",\"event_id\":\"x\"}}",
    };
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        assert_int_equal(event_view_parse(slice_str(BAD[i]), &v), -EBADMSG);
        event_view_fini(&v);
    }
    const char *bare = "{\"event_metadata\":{\"event_id\":\"crt06h0417av80000000\"}}";
    assert_int_equal(event_view_parse(slice_str(bare), &v), 0);
    assert_string_equal(v.digest, "");
    event_view_fini(&v);
}

static void test_kind(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        enum message_kind kind;
        const char *events;
    } CASES[] = {
        {"{\"messages\":[1,2]}", MESSAGE_EVENTS, "[1,2]"},
        {" {\"a\":1, \"messages\" : [ ] }\n", MESSAGE_EVENTS, "[ ]"},
        {"{\"messages\":5}", MESSAGE_OTHER, ""},
        {"{\"control\":\"gap\"}", MESSAGE_CONTROL, ""},
        {"{\"messages\":[1],\"control\":1}", MESSAGE_EVENTS, "[1]"},
        {"[{\"messages\":[]}]", MESSAGE_OTHER, ""},
        {"hello", MESSAGE_OTHER, ""},
        {"", MESSAGE_OTHER, ""},
        {"{", MESSAGE_OTHER, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct slice events = SLICE_LIT("");
        assert_int_equal(message_kind(slice_str(CASES[i].text), &events), CASES[i].kind);
        assert_true(slice_eq_str(events, CASES[i].events));
    }
}

static void test_replay(void **state)
{
#define ID "crt0123456789abcdefg"
    static const struct {
        const char *text, *id, *resume;
    } CASES[] = {
        {"{\"messages\":[]}", "", ""},
        {"{\"replay\":{\"id\":\"rpl1\",\"resume\":\"" ID "\"},\"messages\":[]}", "rpl1", ID},
        {"{\"messages\":[],\"replay\":{\"id\":\"rpl1\",\"at\":\"x\"}}", "rpl1", ""},
        {"{\"replay\":{\"id\":\"rpl1\",\"resume\":\"x\"}}", "rpl1", ""}, /* no id of an event */
        {"{\"replay\":{\"id\":\"" ID ID "\"}}", ID, ""},
        {"{\"replay\":{\"id\":5}}", "", ""},
        {"{\"replay\":5}", "", ""},
        {"{\"replay\":{\"id\":\"a\\", "", ""},
        {"{\"replay\":{\"id\":\"a\\u00\"}}", "", ""},
        {"", "", ""},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct message_replay got;
        message_replay(slice_str(CASES[i].text), &got);
        assert_string_equal(got.id, CASES[i].id);
        assert_string_equal(got.resume, CASES[i].resume);
    }
#undef ID
}

static void check_line(const char *text, bool color, const char *expected)
{
    struct event_view v;
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(event_view_parse(slice_str(text), &v), 0);
    assert_int_equal(event_view_line(&v, color, &out), 0);
    assert_int_equal(buf_append(&out, SLICE_LIT("\0")), 0);
    assert_string_equal((const char *) out.data, expected);
    event_view_fini(&v);
    buf_fini(&out);
}

#define PAD10 "          "
static void test_line(void **state)
{
    (void) state;
    check_line(EVENT("1"), false,
               "2026-11-22 04:50:41  CreateImage     a/b:v1" PAD10 PAD10 PAD10
               "      sha256:0123456789ab\n");
    check_line(EVENT_TEXT("1", "DeleteImageTag", "other/x", ""), true,
               "2026-11-22 04:50:41  \033[31mDeleteImageTag\033[0m  other/x" PAD10 PAD10 PAD10
               "     \033[2msha256:0123456789ab\033[0m\n");
    check_line(EVENT_TEXT("1", "CreateImage", "a\\u001b[2Jb", "\\n"), true,
               "2026-11-22 04:50:41  \033[32mCreateImage\033[0m     a?[2Jb:?" PAD10 PAD10 PAD10
               "    \033[2msha256:0123456789ab\033[0m\n");
    check_line(EVENT_TEXT("1", "CreateImage", "crtreg", ""), false,
               "2026-11-22 04:50:41  CreateImage     crtreg" PAD10 PAD10 PAD10
               "      sha256:0123456789ab\n");
}

static void test_clean(void **state)
{
    (void) state;
    static const struct {
        const char *in, *out;
    } CASES[] = {{"a b", "a b"},
                 {"\x1b[0m\x7f\t", "?[0m??"},
                 {"\xc3\xa4", "\xc3\xa4"},
                 {"\xc2\x9b", "\xc2?"},
                 {"\xff\xc3\xa4", "???"}};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct buf out;
        buf_init(&out, 64);
        assert_int_equal(event_view_clean(slice_str(CASES[i].in), &out), 0);
        assert_true(slice_eq_str(buf_slice(&out), CASES[i].out));
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parse), cmocka_unit_test(test_kind),
                                       cmocka_unit_test(test_replay), cmocka_unit_test(test_line),
                                       cmocka_unit_test(test_clean)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
