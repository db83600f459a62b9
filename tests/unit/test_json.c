/* Tests of broker/base/json.c (security list JS-01 to JS-07). */
#include "json.h"

#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define S(text)                                                                                    \
    {                                                                                              \
        (const uint8_t *) (text), sizeof(text) - 1                                                 \
    }

static const struct {
    struct slice text;
    const char *why; /* NULL: fine */
} CHECKS[] = {
    {S("{}"), NULL},
    {S("[]"), NULL},
    {S(" \t\r\n[ ] \n"), NULL},
    {S("\"\""), NULL},
    {S("0"), NULL},
    {S("true"), NULL},
    {S("[true,false,null]"), NULL},
    {S("{\"a\":{\"a\":[{\"a\":1},{\"a\":2}]},\"b\":{\"a\":1}}"), NULL},
    {S("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\""), NULL},
    {S("\"\xd0\xb6 \x7f\""), NULL},
    /* syntax: JS-07 */
    {{NULL, 0}, "syntax"},
    {S(" "), "syntax"},
    {S("{"), "syntax"},
    {S("["), "syntax"},
    {S("]"), "syntax"},
    {S("{]"), "syntax"},
    {S("[}"), "syntax"},
    {S("[1,]"), "syntax"},
    {S("[,1]"), "syntax"},
    {S("[1 2]"), "syntax"},
    {S("{\"a\":1,}"), "syntax"},
    {S("{,}"), "syntax"},
    {S("{\"a\"}"), "syntax"},
    {S("{\"a\" 1}"), "syntax"},
    {S("{\"a\":}"), "syntax"},
    {S("{a:1}"), "syntax"},
    {S("{1:1}"), "syntax"},
    {S("{\"a\":1"), "syntax"},
    {S("1 2"), "syntax"},
    {S("{} {}"), "syntax"},
    {S("[1]x"), "syntax"},
    {S("[1]]"), "syntax"},
    {S("/* */ 1"), "syntax"},
    {S("[1] // end"), "syntax"},
    {S("NaN"), "syntax"},
    {S("Infinity"), "syntax"},
    {S("nul"), "syntax"},
    {S("True"), "syntax"},
    {S("'a'"), "syntax"},
    {S("\"a"), "syntax"},
    {S("\"a\\"), "syntax"},
    {S("\"\\x41\""), "syntax"},
    {S("\"\\u12\""), "syntax"},
    {S("\"\\u12g4\""), "syntax"},
    {S("\"\\ud83d\\u12"), "syntax"},
    {S("\xef\xbb\xbf{}"), "syntax"}, /* byte order mark */
    {S("\v1"), "syntax"},
    {S("+1"), "syntax"},
    {S(".5"), "syntax"},
    /* JS-03 */
    {S("\"x\\u0000y\""), "nul"},
    {S("{\"\\u0000\":1}"), "nul"},
    {S("\"x\0y\""), "nul"},
    {S("[\0]"), "nul"},
    /* JS-04 */
    {S("\"\xff\""), "utf8"},
    {S("\"\xc0\xaf\""), "utf8"},
    {S("\"\xed\xa0\x80\""), "utf8"},
    {S("\"\xe2\x82\""), "utf8"},
    {S("[1,\xff]"), "utf8"},
    {S("\"\\ud800\""), "utf8"},
    {S("\"\\udc00\""), "utf8"},
    {S("\"\\ud800\\ud800\""), "utf8"},
    {S("\"\\ud800\\n\""), "utf8"},
    {S("\"\\udc00\\ud800\""), "utf8"},
    {S("\"\\ud83d\\ude00\""), NULL},
    {S("\"\\uDBFF\\uDFFF\""), NULL},
    {S("\"a\nb\""), "control"},
    {S("\"\x1f\""), "control"},
    {S("{\"\t\":1}"), "control"},
    /* JS-05 */
    {S("[0,-0,1,-1,10,0.5,1.25,1e5,1E+5,1e-5,0e0,-1.5e-7]"), NULL},
    {S("9007199254740993"), NULL},
    {S("1234567890123456789012345678901234567890123456789012345678901234"), NULL},
    {S("01"), "number"},
    {S("-01"), "number"},
    {S("00"), "number"},
    {S("-"), "number"},
    {S("-a"), "number"},
    {S("1."), "number"},
    {S("1.e5"), "number"},
    {S("1e"), "number"},
    {S("1e+"), "number"},
    {S("[1e,2]"), "number"},
    {S("1a"), "syntax"},
    {S("0x10"), "syntax"},
    {S("1e308"), NULL},
    {S("1e309"), NULL},
    {S("1e400"), NULL},
    {S("-1e400"), NULL},
    {S("1e-400"), NULL},
    {S("0e400"), NULL},
    {S("0.0000e99999999999999999999999"), NULL},
    {S("1e99999999999999999999999999"), NULL},
    {S("1e-99999999999999999999999999"), NULL},
    {S("1.7976931348623157e308"), NULL},
    {S("1.7976931348623158e308"), NULL},
    {S("1.7976931348623159e308"), NULL},
    {S("1.8e308"), NULL},
    {S("17.976931348623159e307"), NULL},
    {S("0.00017976931348623159e312"), NULL},
    {S("0.00017976931348623157e312"), NULL},
    {S("0.1e309"), NULL},
    {S("0.01e310"), NULL},
    {S("0.2e309"), NULL},
    {S("100e306"), NULL},
    {S("1000e306"), NULL},
    /* JS-02 */
    {S("{\"id\":1,\"id\":2}"), "duplicate_key"},
    {S("{\"id\":1,\"ID\":2}"), NULL},
    {S("{\"a\":1,\"\\u0061\":2}"), "duplicate_key"},
    {S("{\"\\u0061\":1,\"a\":2}"), "duplicate_key"},
    {S("{\"\\/\":1,\"\\u002F\":2,\"b\":3}"), "duplicate_key"},
    {S("{\"\":1,\"\":2}"), "duplicate_key"},
    {S("{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":2}"), "duplicate_key"},
    {S("{\"\xc3\xa9\":1,\"x\":0,\"\\u00e9\":2}"), "duplicate_key"},
    {S("{\"\xe2\x82\xac\":1,\"\\u20AC\":2}"), "duplicate_key"},
    {S("{\"a\":1,\"ab\":2,\"abc\":3,\"\\u0061bcd\":4}"), NULL},
    {S("{\"a\":{\"x\":1,\"y\":{\"x\":1,\"x\":2}}}"), "duplicate_key"},
    {S("{\"a\":{\"b\":1},\"c\":[{\"b\":1}],\"a\":2}"), "duplicate_key"},
    {S("{\"a\":{\"a\":{\"a\":1}},\"b\":{\"a\":1}}"), NULL},
};

static void test_check(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CHECKS); i++) {
        const char *why = NULL;
        int r = json_check(CHECKS[i].text, &why);
        if (CHECKS[i].why == NULL ? r != 0
                                  : r != -EBADMSG || why == NULL || strcmp(why, CHECKS[i].why) != 0)
            fail_msg("%.*s: %d %s", (int) CHECKS[i].text.len, (const char *) CHECKS[i].text.data, r,
                     why == NULL ? "" : why);
    }
}

/* A copy in memory of exactly its size, so that the sanitizer sees a byte read too far. */
static uint8_t *exact(struct slice text)
{
    uint8_t *copy = xmalloc(text.len);
    if (text.len > 0)
        memcpy(copy, text.data, text.len);
    return copy;
}

static int check_exact(struct slice text, const char **ret_why)
{
    uint8_t *copy = exact(text);
    int r = json_check(slice_of(copy, text.len), ret_why);
    free(copy);
    return r;
}

static void test_no_prefix_is_read_too_far(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CHECKS); i++)
        for (size_t len = 0; len <= CHECKS[i].text.len; len++) {
            const char *why = NULL;
            (void) !check_exact(slice_sub(CHECKS[i].text, 0, len), &why);
        }
    struct slice whole = SLICE_LIT("{\"a\":[1,\"\\ud83d\\ude00\",{\"b\":null}]}");
    for (size_t len = 0; len < whole.len; len++) {
        const char *why = NULL;
        assert_int_equal(check_exact(slice_sub(whole, 0, len), &why), -EBADMSG);
    }
}

static char *repeated(const char *head, const char *unit, size_t n, const char *tail)
{
    struct buf b;
    buf_init(&b, SIZE_MAX / 2);
    assert_int_equal(buf_append_str(&b, head), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(buf_append_str(&b, unit), 0);
    assert_int_equal(buf_append(&b, slice_of(tail, strlen(tail) + 1)), 0);
    return (char *) b.data;
}

static void test_depth(void **state)
{
    (void) state;
    static const struct {
        const char *open, *close;
        size_t depth;
        const char *why;
    } CASES[] = {
        {"[", "]", 32, NULL},
        {"[", "]", 33, "depth"},
        {"{\"a\":", "}", 32, NULL},
        {"{\"a\":", "}", 33, "depth"},
        {"[", "]", 60000, "depth"},
        {"{\"a\":[", "]}", 16, NULL},
        {"{\"a\":[", "]}", 17, "depth"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char *end = repeated("", CASES[i].close, CASES[i].depth, "");
        char *inner = repeated("1", "", 0, end);
        char *text = repeated("", CASES[i].open, CASES[i].depth, inner);
        const char *why = NULL;
        int r = json_check(slice_str(text), &why);
        if ((r == 0) != (CASES[i].why == NULL) || (r < 0 && strcmp(why, CASES[i].why) != 0))
            fail_msg("case %zu: %d %s", i, r, why == NULL ? "" : why);
        free(end);
        free(inner);
        free(text);
    }
}

static void test_tokens(void **state)
{
    (void) state;
    static const struct {
        const char *unit;
        size_t n;
        const char *why;
    } ARRAYS[] = {
        {",1", JSON_MAX_TOKENS - 2, NULL},
        {",1", JSON_MAX_TOKENS - 1, "tokens"},
        {",[]", JSON_MAX_TOKENS - 2, NULL},
        {",[]", JSON_MAX_TOKENS - 1, "tokens"},
        {",{\"a\":1}", JSON_MAX_TOKENS / 3 - 1, NULL},
        {",{\"a\":1}", JSON_MAX_TOKENS / 3 + 1, "tokens"},
    };
    for (size_t i = 0; i < ARRAY_LEN(ARRAYS); i++) {
        char *text = repeated("[0", ARRAYS[i].unit, ARRAYS[i].n, "]");
        const char *why = NULL;
        int r = json_check(slice_str(text), &why);
        if ((r == 0) != (ARRAYS[i].why == NULL) || (r < 0 && strcmp(why, ARRAYS[i].why) != 0))
            fail_msg("case %zu: %d %s", i, r, why == NULL ? "" : why);
        free(text);
    }
}

/* As many keys as the token limit allows: different ones, and one of them twice. */
static void test_many_keys(void **state)
{
    (void) state;
    size_t n = (JSON_MAX_TOKENS - 1) / 2;
    for (int twice = 0; twice < 2; twice++) {
        struct buf b;
        buf_init(&b, 1 << 24);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(buf_printf(&b, "%s\"%skey%zu\":0", i == 0 ? "{" : ",",
                                        i % 2 == 0 ? "" : "\\u0070refix-",
                                        twice && i == n - 1 ? 2 * (i / 4) : i),
                             0);
        assert_int_equal(buf_append_str(&b, "}"), 0);
        const char *why = NULL;
        int r = json_check(buf_slice(&b), &why);
        if (twice) {
            assert_int_equal(r, -EBADMSG);
            assert_string_equal(why, "duplicate_key");
        } else {
            assert_int_equal(r, 0);
        }
        buf_fini(&b);
    }
}

static const struct {
    const char *array;
    const char *want[4]; /* the elements; "!" stands for -EBADMSG */
} ARRAYS[] = {
    {"[]", {NULL}},
    {" [ ] ", {NULL}},
    {"[1]", {"1"}},
    {" [ 1 , \"a,]\\\"[\" , {\"x\":[1,2]} ] \n", {"1", "\"a,]\\\"[\"", "{\"x\":[1,2]}"}},
    {"[[],[[]],{}]", {"[]", "[[]]", "{}"}},
    {"[{\"a\":tru}, 2]", {"{\"a\":tru}", "2"}}, /* bad inside, still delimited */
    {"[{\"a\":[1}, 2]", {"!"}},                 /* brackets counted without looking at their kind */
    {"[nonsense,2]", {"nonsense", "2"}},
    {"", {"!"}},
    {"{}", {"!"}},
    {"[", {"!"}},
    {"[1", {"!"}},
    {"[1,", {"1", "!"}},
    {"[,1]", {"!"}},
    {"[1,]", {"1", "!"}},
    {"[1 2]", {"!"}},
    {"[1,\"a]", {"1", "!"}},
    {"[1,\"a\\\"]", {"1", "!"}},
    {"[1,{]", {"1", "!"}},
    {"[1] 2", {"1", "!"}},
    {"[] 2", {"!"}},
    {"[1}", {"!"}},
    {"[1:2]", {"!"}},
};

static void test_next(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(ARRAYS); i++) {
        size_t at = 0, n = 0;
        for (;; n++) {
            struct slice got = {0};
            int r = json_next(slice_str(ARRAYS[i].array), &at, &got);
            const char *want = ARRAYS[i].want[n];
            int want_r = want == NULL ? 1 : strcmp(want, "!") == 0 ? -EBADMSG : 0;
            if (r != want_r || (r == 0 && !slice_eq_str(got, want)))
                fail_msg("%s: element %zu: %d '%.*s'", ARRAYS[i].array, n, r, (int) got.len,
                         (const char *) got.data);
            if (r != 0)
                break;
        }
    }
}

static const struct {
    const char *object, *key, *want; /* NULL: -ENOENT; "!": -EBADMSG */
} MEMBERS[] = {
    {"{\"events\":[1]}", "events", "[1]"},
    {" { \"a\" : 1 , \"b\" : \"x}\" } ", "b", "\"x}\""},
    {"{\"a\":{\"b\":1}}", "b", NULL},
    {"{\"A\":1}", "a", NULL},
    {"{}", "a", NULL},
    {" { } ", "a", NULL},
    {"{\"\\u0061\":1}", "a", "1"},
    {"{\"a\":1,\"a\":2}", "a", "!"},
    {"{\"a\":1,\"\\u0061\":2}", "a", "!"},
    {"{\"b\":1,\"b\":2,\"a\":3}", "a", "3"},
    {"{\"a\":1,\"b\":bad}", "a", "1"},
    {"{\"a\":1,\"b\":[}", "a", "!"},
    {"{\"a\":1,}", "a", "!"},
    {"{\"a\":1 \"b\":2}", "a", "!"},
    {"{\"a\"}", "a", "!"},
    {"{\"a\":}", "a", "!"},
    {"{\"a\":1} x", "a", "!"},
    {"{} x", "a", "!"},
    {"{a:1}", "a", "!"},
    {"[\"a\",1]", "a", "!"},
    {"", "a", "!"},
    {"{", "a", "!"},
    {"{\"a", "a", "!"},
    {"{\"a\\", "a", "!"},
    {"{\"\\u00\":1,\"a\":2}", "a", "2"},
};

static void test_member(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(MEMBERS); i++) {
        struct slice got = SLICE_LIT("untouched");
        int r = json_member(slice_str(MEMBERS[i].object), MEMBERS[i].key, &got);
        const char *want = MEMBERS[i].want;
        int want_r = want == NULL ? -ENOENT : strcmp(want, "!") == 0 ? -EBADMSG : 0;
        if (r != want_r || !slice_eq_str(got, r == 0 ? want : "untouched"))
            fail_msg("%s: %d '%.*s'", MEMBERS[i].object, r, (int) got.len, (const char *) got.data);
    }
}

/* What is cut anywhere is refused without reading past it. */
static void test_walks_do_not_read_too_far(void **state)
{
    (void) state;
    struct slice object = SLICE_LIT("{\"k\\u0061\":[1,\"a\\\"\",{\"x\":[]}],\"a\":2}");
    struct slice array = SLICE_LIT("[\"a\\\"\", {\"x\":[1 , 2]}, null]");
    for (size_t len = 0; len < object.len; len++) {
        uint8_t *copy = exact(slice_sub(object, 0, len));
        struct slice got;
        assert_int_equal(json_member(slice_of(copy, len), "a", &got), -EBADMSG);
        free(copy);
    }
    for (size_t len = 0; len < array.len; len++) {
        struct slice got;
        size_t at = 0;
        int r;
        uint8_t *copy = exact(slice_sub(array, 0, len));
        while ((r = json_next(slice_of(copy, len), &at, &got)) == 0)
            assert_true(at <= len);
        assert_int_equal(r, -EBADMSG);
        free(copy);
    }
}

/* --- places --- */

enum { NAME, OUTER, INNER, DEEP_NAME, N_PLACES };
static const struct json_place PLACES[N_PLACES] = {
    [NAME] = {S("name"), -1},
    [OUTER] = {S("outer"), -1},
    [INNER] = {S("name"), OUTER},
    [DEEP_NAME] = {S("id"), OUTER},
};

static void test_places(void **state)
{
    (void) state;
    static const struct {
        struct slice text;
        const char *values[N_PLACES]; /* NULL: not there */
    } CASES[] = {
        {S("{}"), {NULL}},
        {S("[]"), {NULL}},
        {S("\"name\""), {NULL}},
        {S(" { \"name\" : \"a\" , \"x\":1} "), {[NAME] = "\"a\""}},
        {S("{\"n\\u0061me\":-1.5e7}"), {[NAME] = "-1.5e7"}},
        {S("{\"name\":null,\"outer\":true}"), {[NAME] = "null", [OUTER] = "true"}},
        {S("{\"name\":[1,2],\"outer\":{}}"), {[NAME] = "[", [OUTER] = "{"}},
        {S("{\"outer\":{\"name\":\"\",\"x\":{\"id\":2},\"id\":1},\"id\":3}"),
         {[OUTER] = "{", [INNER] = "\"\"", [DEEP_NAME] = "1"}},
        {S("{\"other\":{\"name\":1,\"outer\":{\"name\":2}},\"name\":3}"), {[NAME] = "3"}},
        {S("{\"outer\":[{\"name\":1}],\"x\":{\"id\":1}}"), {[OUTER] = "["}},
        {S("{\"outer\":{\"id\":1},\"x\":{\"name\":1}}"), {[OUTER] = "{", [DEEP_NAME] = "1"}},
        {S("[{\"name\":1},{\"outer\":{\"name\":1}}]"), {NULL}},
        {S("{\"outer\":{\"outer\":{\"id\":1}}}"), {[OUTER] = "{"}},
        {S("{\"names\":1,\"nam\":2,\"NAME\":3}"), {NULL}},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct slice values[N_PLACES];
        const char *why = NULL;
        assert_int_equal(json_check_places(CASES[i].text, PLACES, N_PLACES, values, &why), 0);
        for (size_t k = 0; k < N_PLACES; k++) {
            if (!slice_eq_str(values[k], CASES[i].values[k]))
                fail_msg("%s: place %zu is %.*s", (const char *) CASES[i].text.data, k,
                         (int) values[k].len, (const char *) values[k].data);
        }
    }
}

/* Few keys are compared in another way than many: the answer changes nowhere in between. */
static void test_duplicates_among_any_number_of_keys(void **state)
{
    (void) state;
    for (int n = 2; n < 40; n++) {
        for (int same = 0; same < n; same++) { /* the last key is that one again; 0: none is */
            char text[1024] = "{";
            const char *why = "none";
            for (int i = 1; i <= n; i++) {
                size_t len = strlen(text);
                (void) snprintf(text + len, sizeof(text) - len, "%s\"k%d\":0%s", i == 1 ? "" : ",",
                                i == n && same > 0 ? same : i, i == n ? "}" : "");
            }
            int r = json_check(slice_str(text), &why);
            assert_int_equal(r, same > 0 ? -EBADMSG : 0);
            assert_string_equal(why, same > 0 ? "duplicate_key" : "none");
        }
    }
}

/* White space and strings are passed over by words: of any length, at any offset, up to the end. */
static void test_runs_of_any_length(void **state)
{
    (void) state;
    for (size_t space = 0; space < 40; space++) {
        for (size_t len = 0; len < 40; len++) {
            uint8_t *text = xmalloc(space + len + 2);
            const char *why = NULL;
            memset(text, ' ', space);
            memset(text + space, 'a', len + 2);
            text[space] = text[space + len + 1] = '"';
            struct slice all = slice_of(text, space + len + 2);
            assert_int_equal(json_check(all, &why), 0);
            assert_int_equal(json_check(slice_sub(all, 0, all.len - 1), &why), -EBADMSG);
            for (size_t i = 0; i < len; i++) {
                text[space + 1 + i] = '\n';
                assert_int_equal(json_check(all, &why), -EBADMSG);
                assert_string_equal(why, "control");
                text[space + 1 + i] = '"';
                assert_int_equal(json_check(all, &why), -EBADMSG);
                assert_string_equal(why, "syntax");
                text[space + 1 + i] = 'a';
            }
            free(text);
        }
    }
}

static void test_count_members(void **state)
{
    (void) state;
    static const struct {
        const char *object;
        size_t most, want;
    } CASES[] = {
        {" {\"a\":1,\"b\":{\"c\":[2,3]}} ", 9, 2},
        {"{\"a\":1,\"b\":2,\"c\":3}", 2, 2},
        {"{}", 9, 0},
        {"[1,2]", 9, 0},
        {"", 9, 0},
        {"{\"a\":1,", 9, 1},
        {"{\"a\"", 9, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        assert_int_equal(json_count_members(slice_str(CASES[i].object), CASES[i].most),
                         CASES[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_no_prefix_is_read_too_far),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_many_keys),
        cmocka_unit_test(test_next),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_duplicates_among_any_number_of_keys),
        cmocka_unit_test(test_runs_of_any_length),
        cmocka_unit_test(test_member),
        cmocka_unit_test(test_count_members),
        cmocka_unit_test(test_walks_do_not_read_too_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
