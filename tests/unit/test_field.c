/* The fields of registry events: names, tags, digests, times, content types. */
#include "err.h"
#include "source/field.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* `count` times `c`, then `tail`; valid until the next call. */
static const char *repeated(char c, size_t count, const char *tail)
{
    static char text[1024];
    memset(text, c, count);
    (void) snprintf(text + count, sizeof(text) - count, "%s", tail);
    return text;
}

static void test_repository(void **state)
{
    (void) state;
    static const char *const GOOD[] = {
        "a",   "0",    "app", "team/app", "a/b/c/d/e/f", "a.b",
        "a_b", "a__b", "a-b", "a---b",    "a.b-c__d",    "library/a1.2.3",
    };
    static const char *const BAD[] = {
        "",      "/",    "/a",   "a/",   "a//b", "A",     "a/B",         ".a",   "a.",   "a..b",
        "a___b", "a._b", "-a",   "a-",   "a b",  "a\tb",  "a:b",         "a@b",  "../a", "a/../b",
        "a/./b", "_a",   "a_/b", "a/-b", "a\\b", "a%2fb", "caf\xc3\xa9", "a\nb", "a?b",  "a.-b",
    };
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++)
        if (!field_repository(GOOD[i]))
            fail_msg("refused: %s", GOOD[i]);
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        if (field_repository(BAD[i]))
            fail_msg("taken: %s", BAD[i]);
    assert_true(field_repository(repeated('a', FIELD_REPOSITORY_MAX, "")));
    assert_false(field_repository(repeated('a', FIELD_REPOSITORY_MAX + 1, "")));
}

static void test_tag(void **state)
{
    (void) state;
    static const char *const GOOD[] = {"latest", "v1", "1.0", "_x", "A", "a-b.c_D", "0--", "a.."};
    static const char *const BAD[] = {"",    ".a",  "-a",       "a b", "a/b",
                                      "a:b", "a\n", "\xc3\xa9", "a+b"};
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++)
        if (!field_tag(GOOD[i]))
            fail_msg("refused: %s", GOOD[i]);
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        if (field_tag(BAD[i]))
            fail_msg("taken: %s", BAD[i]);
    assert_true(field_tag(repeated('t', 128, "")));
    assert_false(field_tag(repeated('t', 129, "")));
}

#define HEX16 "0123456789abcdef"
#define HEX64 HEX16 HEX16 HEX16 HEX16

static void test_digest(void **state)
{
    (void) state;
    static const char *const GOOD[] = {
        "sha256:" HEX64,     "sha512:" HEX64 HEX64, "sha384:" HEX64, "multihash+base58:Qm123ABC",
        "sha256+b64u:Lz-_=", "a.b_c-d:0",           "x:=",
    };
    static const char *const BAD[] = {
        "",
        ":",
        "sha256",
        "sha256:",
        "sha256:" HEX16,
        "sha256:" HEX64 "0",
        "sha256:0123456789ABCDEF" HEX16 HEX16 HEX16,
        "sha256:x123456789abcdef" HEX16 HEX16 HEX16,
        "sha512:" HEX64,
        "SHA256:" HEX64,
        ":" HEX64,
        "a+:b",
        "+a:b",
        "a++b:c",
        "a/b:c",
        "a:b c",
        "a:b:c",
        "a:b\n",
        "a:\xc3\xa9",
    };
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++)
        if (!field_digest(GOOD[i]))
            fail_msg("refused: %s", GOOD[i]);
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        if (field_digest(BAD[i]))
            fail_msg("taken: %s", BAD[i]);
    assert_true(field_digest(repeated('a', 253, ":b")));
    assert_false(field_digest(repeated('a', 254, ":b")));
}

static void test_time(void **state)
{
    (void) state;
    static const struct {
        const char *sent, *want; /* NULL: malformed */
    } CASES[] = {
        {"2026-11-22T04:50:41Z", "2026-11-22T04:50:41Z"},
        {"2026-11-22T04:50:41.672663264Z", "2026-11-22T04:50:41.672663264Z"},
        {"2026-11-22T04:50:41.5Z", "2026-11-22T04:50:41.5Z"},
        {"2026-11-22T04:50:41.500Z", "2026-11-22T04:50:41.500Z"},
        {"2026-11-22t04:50:41z", "2026-11-22T04:50:41Z"},
        {"2026-11-22T04:50:41+00:00", "2026-11-22T04:50:41Z"},
        {"2026-11-22T04:50:41-00:00", "2026-11-22T04:50:41Z"},
        {"2026-11-22T01:30:00.25+03:00", "2026-11-21T22:30:00.25Z"},
        {"2026-12-31T20:00:00-05:30", "2027-01-01T01:30:00Z"},
        {"2024-03-01T00:10:00+00:30", "2024-02-29T23:40:00Z"},
        {"2000-02-29T00:00:00Z", "2000-02-29T00:00:00Z"},
        {"1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z"},
        {"0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
        {"9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"},
        {"9999-12-31T23:59:59-00:01", NULL},
        {"0000-01-01T00:00:00+00:01", NULL},
        {"1900-02-29T00:00:00Z", NULL},
        {"2023-02-29T00:00:00Z", NULL},
        {"2026-04-31T00:00:00Z", NULL},
        {"2026-00-01T00:00:00Z", NULL},
        {"2026-13-01T00:00:00Z", NULL},
        {"2026-01-00T00:00:00Z", NULL},
        {"2026-01-01T24:00:00Z", NULL},
        {"2026-01-01T00:60:00Z", NULL},
        {"2026-01-01T00:00:60Z", NULL},
        {"2026-01-01T00:00:00.Z", NULL},
        {"2026-01-01T00:00:00.1234567890Z", NULL},
        {"2026-01-01T00:00:00,5Z", NULL},
        {"2026-01-01T00:00:00", NULL},
        {"2026-01-01T00:00:00+0100", NULL},
        {"2026-01-01T00:00:00+24:00", NULL},
        {"2026-01-01T00:00:00+01:60", NULL},
        {"2026-01-01T00:00:00Zx", NULL},
        {"2026-01-01 00:00:00Z", NULL},
        {" 2026-01-01T00:00:00Z", NULL},
        {"26-01-01T00:00:00Z", NULL},
        {"+2026-01-01T00:00:00Z", NULL},
        {"2026-1-1T00:00:00Z", NULL},
        {"1764000000", NULL},
        {"2026", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  '%s'\n", CASES[i].sent);
        char ret[FIELD_TIME_SIZE] = "untouched";
        assert_int_equal(field_time(CASES[i].sent, ret), CASES[i].want != NULL);
        assert_string_equal(ret, CASES[i].want != NULL ? CASES[i].want : "untouched");
    }
}

static void test_unix_time(void **state)
{
    (void) state;
    static const struct {
        double sent;
        const char *want; /* NULL: none */
    } CASES[] = {
        {1714554000, "2024-05-01T09:00:00Z"},
        {1.417566161e+09, "2014-12-03T00:22:41Z"},
        {1417566161.25, "2014-12-03T00:22:41.250000Z"},
        {1417566161.0000009, "2014-12-03T00:22:41.000001Z"},
        {1417566161.9999999, "2014-12-03T00:22:42Z"},
        {0, "1970-01-01T00:00:00Z"},
        {951782400, "2000-02-29T00:00:00Z"},
        {253402300799, "9999-12-31T23:59:59Z"},
        {253402300799.9999999, NULL},
        {253402300800, NULL},
        {1714554000000, NULL},
        {-1, NULL},
        {1e300, NULL},
        {HUGE_VAL, NULL},
        {-HUGE_VAL, NULL},
        {NAN, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %f\n", CASES[i].sent);
        char ret[FIELD_TIME_SIZE] = "untouched";
        assert_int_equal(field_unix_time(CASES[i].sent, ret), CASES[i].want != NULL);
        assert_string_equal(ret, CASES[i].want != NULL ? CASES[i].want : "untouched");
    }
}

static void test_content_type(void **state)
{
    (void) state;
    static const struct {
        const char *header, *type;
        bool utf8;
    } CASES[] = {
        {"", "", true},
        {"application/json", "application/json", true},
        {" application/json \t", "application/json", true},
        {"application/json;charset=utf-8", "application/json", true},
        {"application/json ; Charset=\"UTF-8\"", "application/json", true},
        {"a/b; x=y; charset=utf8", "a/b", true},
        {"a/b; charset=us-ascii", "a/b", true},
        {"a/b; charset=utf-16", "a/b", false},
        {"a/b; charset=UTF-16LE; x=y", "a/b", false},
        {"a/b; charset=\"utf-16\"", "a/b", false},
        {"a/b; charset=", "a/b", false},
        {"a/b; charset", "a/b", false},
        {"a/b; charset=utf-8; charset=utf-16", "a/b", false},
        {"a/b;;; ;", "a/b", true},
        {"a/b; xcharset=utf-16", "a/b", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  '%s'\n", CASES[i].header);
        struct slice header = slice_str(CASES[i].header);
        assert_true(slice_eq_str(field_media_type(header), CASES[i].type));
        assert_int_equal(field_charset_utf8(header), CASES[i].utf8);
    }
    assert_int_equal(field_media_type((struct slice){0}).len, 0);
    assert_true(field_charset_utf8((struct slice){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repository), cmocka_unit_test(test_tag),
        cmocka_unit_test(test_digest),     cmocka_unit_test(test_time),
        cmocka_unit_test(test_unix_time),  cmocka_unit_test(test_content_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
