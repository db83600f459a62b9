/* Tests of broker/base/json_string.c. */
#include "json_string.h"

#include "json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define S(text)                                                                                    \
    {                                                                                              \
        (const uint8_t *) (text), sizeof(text) - 1                                                 \
    }

static const struct {
    struct slice text;
    const char *want;
} WRITTEN[] = {
    {{NULL, 0}, "\"\""},
    {S("plain / text"), "\"plain / text\""},
    {S("\"\\"), "\"\\\"\\\\\""},
    {S("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\""},
    {S("a\0b\x01\x1f\x7f"), "\"a\\u0000b\\u0001\\u001f\x7f\""},
    {S("\xd0\xb6\xf0\x9f\x90\xb3"), "\"\xd0\xb6\xf0\x9f\x90\xb3\""},
};

static void test_append(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(WRITTEN); i++) {
        struct buf b;
        buf_init(&b, strlen(WRITTEN[i].want) + 1);
        assert_int_equal(buf_append_str(&b, ":"), 0);
        assert_int_equal(json_append_string(&b, WRITTEN[i].text), 0);
        assert_true(slice_eq_str(slice_from(buf_slice(&b), 1), WRITTEN[i].want));
        buf_fini(&b);
    }
}

static void test_append_without_room_appends_nothing(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(WRITTEN); i++)
        for (size_t room = 0; room < strlen(WRITTEN[i].want); room++) {
            struct buf b;
            buf_init(&b, room + 1);
            assert_int_equal(buf_append_str(&b, ":"), 0);
            assert_int_equal(json_append_string(&b, WRITTEN[i].text), -EMSGSIZE);
            assert_true(slice_eq_str(buf_slice(&b), ":"));
            buf_fini(&b);
        }
}

static const struct {
    const char *a, *b;
    int want;
} COMPARED[] = {
    {"", "", 0},
    {"a", "", 1},
    {"a", "b", -1},
    {"ab", "a", 1},
    {"\\u0061", "a", 0},
    {"\\u0061", "b", -1},
    {"\\n", "\\u000a", 0},
    {"\\/", "/", 0},
    {"\\u00e9", "\xc3\xa9", 0},
    {"\\u07ff", "\xdf\xbf", 0},
    {"\\u0800", "\xe0\xa0\x80", 0},
    {"\\uffff", "\xef\xbf\xbf", 0},
    {"\\ud83d\\ude00", "\xf0\x9f\x98\x80", 0},
    {"\\ud83d\\uDE00x", "\\uD83D\\ude00x", 0},
    {"\\ud83d\\ude00", "\xef\xbf\xbf", 1}, /* by bytes: U+1F600 after U+FFFF */
    {"\\ud83d", "\\\\ud83d", 0},           /* malformed: stands for itself */
    {"\\q", "\\\\q", 0},
    {"\\", "\\\\", 0},
    {"\\u12", "\\\\u12", 0},
};

static void test_cmp(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(COMPARED); i++) {
        struct slice a = slice_str(COMPARED[i].a), b = slice_str(COMPARED[i].b);
        int ab = json_string_cmp(a, b), ba = json_string_cmp(b, a);
        int sign = (ab > 0) - (ab < 0);
        if (sign != COMPARED[i].want || (ba > 0) - (ba < 0) != -sign)
            fail_msg("%s %s: %d %d", COMPARED[i].a, COMPARED[i].b, ab, ba);
    }
}

static const struct {
    const char *text;
    int want;
    size_t len;
} ESCAPES[] = {
    {"\\u0041", 'A', 6},
    {"\\uFFff", 0xffff, 6},
    {"\\u00411", 'A', 6},
    {"\\ud800\\udc00", 0x10000, 12},
    {"\\udbff\\udfff", 0x10ffff, 12},
    {"\\ud800", JSON_ESCAPE_SURROGATE, 0},
    {"\\ud800\\n", JSON_ESCAPE_SURROGATE, 0},
    {"\\ud800\\u0041", JSON_ESCAPE_SURROGATE, 0},
    {"\\udc00\\udc00", JSON_ESCAPE_SURROGATE, 0},
    {"\\ud800\\udc0", JSON_ESCAPE_MALFORMED, 0},
    {"\\u004", JSON_ESCAPE_MALFORMED, 0},
    {"\\u", JSON_ESCAPE_MALFORMED, 0},
    {"\\u00g0", JSON_ESCAPE_MALFORMED, 0},
    {"\\u+041", JSON_ESCAPE_MALFORMED, 0},
};

static void test_unicode_escape(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(ESCAPES); i++) {
        size_t len = 0;
        int got = json_unicode_escape(slice_str(ESCAPES[i].text), 0, &len);
        if (got != ESCAPES[i].want || (got >= 0 && len != ESCAPES[i].len))
            fail_msg("%s: %d, %zu", ESCAPES[i].text, got, len);
    }
}

static void test_copy(void **state)
{
    (void) state;
    static const struct {
        const char *string;
        size_t cap;
        const char *copy;
    } CASES[] = {
        {"\"\"", 1, ""},
        {"\"\"", 9, ""},
        {"\"abc\"", 9, "abc"},
        {"\"abc\"", 4, "abc"},
        {"\"abc\"", 3, "ab"},
        {"\"abc\"", 1, ""},
        {"\"\\u0061\\/\\n\\\"\"", 9, "a/\n\""},
        {"\"\\u0061\\/\\n\"", 3, "a/"},
        {"\"\\ud83d\\ude00\"", 9, "\xf0\x9f\x98\x80"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char copy[16];
        memset(copy, 'x', sizeof(copy));
        size_t len = json_string_copy(slice_str(CASES[i].string), copy, CASES[i].cap);
        assert_string_equal(copy, CASES[i].copy);
        assert_int_equal(len, strlen(CASES[i].copy));
        assert_int_equal(copy[len + 1], 'x');
    }
}

static void test_plain_prefix(void **state)
{
    (void) state;
    for (unsigned c = 0; c < 256; c++) {
        bool plain = c >= 0x20 && c != '"' && c != '\\';
        for (size_t at = 0; at < 20; at++) {
            uint8_t text[20];
            memset(text, at % 2 == 0 ? 'a' : 0xff, sizeof(text));
            text[at] = (uint8_t) c;
            assert_int_equal(json_plain_prefix(slice_of(text, sizeof(text))),
                             plain ? sizeof(text) : at);
            assert_int_equal(json_plain_prefix(slice_of(text, at)), at);
        }
    }
    assert_int_equal(json_plain_prefix((struct slice){NULL, 0}), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_append_without_room_appends_nothing),
        cmocka_unit_test(test_cmp),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_plain_prefix),
        cmocka_unit_test(test_unicode_escape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
