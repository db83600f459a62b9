/* Tests of gateway/metrics_json.c: every form of line in the text, and which families are wanted.
 */
#include "metrics_json.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define A_HEAD "# HELP a Some \\\\ thing\\nelse.\n# TYPE a gauge\n"
#define H                                                                                          \
    "# HELP h_seconds Time.\n# TYPE h_seconds histogram\n"                                         \
    "h_seconds_bucket{le=\"0.1\"} 1\nh_seconds_bucket{le=\"+Inf\"} 2\nh_seconds_sum 0.25\n"        \
    "h_seconds_count 2\n"
#define H_JSON                                                                                     \
    "{\"name\":\"h_seconds\",\"help\":\"Time.\",\"type\":\"histogram\",\"samples\":["              \
    "{\"name\":\"h_seconds_bucket\",\"labels\":{\"le\":\"0.1\"},\"value\":1},"                     \
    "{\"name\":\"h_seconds_bucket\",\"labels\":{\"le\":\"+Inf\"},\"value\":2},"                    \
    "{\"name\":\"h_seconds_sum\",\"labels\":{},\"value\":0.25},"                                   \
    "{\"name\":\"h_seconds_count\",\"labels\":{},\"value\":2}]}"
#define A(samples)                                                                                 \
    "{\"name\":\"a\",\"help\":\"Some \\\\ "                                                        \
    "thing\\nelse.\",\"type\":\"gauge\",\"samples\":[" samples "]}"
#define VALUE(text) "{\"name\":\"a\",\"labels\":{},\"value\":" text "}"

static const struct {
    const char *text, *wanted, *families;
} CASES[] = {
    {"", "", ""},
    {A_HEAD, "", A("")},
    {A_HEAD "a 1\n", "", A(VALUE("1"))},
    {A_HEAD "a 18446744073709551615\n", "", A(VALUE("18446744073709551615"))},
    {A_HEAD "a -1.5e-07\n", "", A(VALUE("-1.5e-07"))},
    {A_HEAD "a 1E+9\n", "", A(VALUE("1E+9"))},
    {A_HEAD "a NaN\n", "", A(VALUE("\"NaN\""))},
    {A_HEAD "a +Inf\n", "", A(VALUE("\"+Inf\""))},
    {A_HEAD "a -Inf\n", "", A(VALUE("\"-Inf\""))},
    {A_HEAD "a 01\n", "", A(VALUE("\"01\""))}, /* numbers elsewhere, not in JSON */
    {A_HEAD "a 1.\n", "", A(VALUE("\"1.\""))},
    {A_HEAD "a .5\n", "", A(VALUE("\".5\""))},
    {A_HEAD "a 1e\n", "", A(VALUE("\"1e\""))},
    {A_HEAD "a -\n", "", A(VALUE("\"-\""))},
    {A_HEAD "a 1 1700000000000\n", "", A(VALUE("1"))}, /* the time is left away */
    {A_HEAD "a{} 1\n", "", A(VALUE("1"))},
    {A_HEAD "a{x=\"1\"} 1\n", "", A("{\"name\":\"a\",\"labels\":{\"x\":\"1\"},\"value\":1}")},
    {A_HEAD "a{x=\"\",y=\"a b\"} 1\n", "",
     A("{\"name\":\"a\",\"labels\":{\"x\":\"\",\"y\":\"a b\"},\"value\":1}")},
    {A_HEAD "a{x=\"}, \\\"=\\\\\\n\",y=\"{\"} 1\n", "",
     A("{\"name\":\"a\",\"labels\":{\"x\":\"}, \\\"=\\\\\\n\",\"y\":\"{\"},\"value\":1}")},
    {A_HEAD "a{path=\"/\xd1\x84\"} 1\n", "",
     A("{\"name\":\"a\",\"labels\":{\"path\":\"/\xd1\x84\"},\"value\":1}")},
    {H, "", H_JSON},
    {A_HEAD "a 1\n" H, "", A(VALUE("1")) "," H_JSON},
    {A_HEAD "a 1\n" H, "a,h_seconds", A(VALUE("1")) "," H_JSON},
    {A_HEAD "a 1\n" H, "h_seconds", H_JSON},
    {A_HEAD "a 1\n" H, "h_seconds,,b,", H_JSON},
    {H A_HEAD "a 1\n", "a", A(VALUE("1"))},
    {A_HEAD "a 1\n" H, "h_seconds_count", ""}, /* no family */
    {A_HEAD "a 1\n" H, ",", ""},
    {A_HEAD "# a comment\n\na 1\n", "", A(VALUE("1"))},
    {A_HEAD "a 1", "", A(VALUE("1"))},
    /* What is no line of ours ends somewhere. */
    {A_HEAD "a{", "", A("{\"name\":\"a\",\"labels\":{},\"value\":\"\"}")},
    {A_HEAD "a{x=\"1\\", "", A("{\"name\":\"a\",\"labels\":{\"x\":\"1\\\\\"},\"value\":\"\"}")},
};

static void test_lines(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct buf out;
        char want[2048];
        buf_init(&out, SIZE_MAX / 2);
        struct rest_json j = rest_json_begin(&out);
        rest_json_open(&j, NULL, '{');
        metrics_json_print(slice_str(CASES[i].text), CASES[i].wanted, &j);
        rest_json_close(&j, '}');
        assert_int_equal(j.err, 0);
        (void) snprintf(want, sizeof(want), "{\"families\":[%s]}", CASES[i].families);
        if (!slice_eq_str(buf_slice(&out), want))
            fail_msg("%zu: %.*s\nnot: %s", i, (int) out.len, (const char *) out.data, want);
        cJSON *parsed = cJSON_ParseWithLength((const char *) out.data, out.len);
        assert_non_null(parsed);
        cJSON_Delete(parsed);
        buf_fini(&out);
    }
}

/* Cut anywhere it is JSON still: nothing is read behind the end. */
static void test_cut(void **state)
{
    (void) state;
    static const char TEXT[] = A_HEAD "a{x=\"\\\"\",y=\"2\"} 1.5\n" H;
    for (size_t n = 0; n < sizeof(TEXT); n++) {
        char *piece = malloc(n + 1); /* so that a sanitizer sees its end */
        struct buf out;
        assert_non_null(piece);
        memcpy(piece, TEXT, n);
        buf_init(&out, SIZE_MAX / 2);
        struct rest_json j = rest_json_begin(&out);
        rest_json_open(&j, NULL, '{');
        metrics_json_print(slice_of(piece, n), "", &j);
        rest_json_close(&j, '}');
        cJSON *parsed = cJSON_ParseWithLength((const char *) out.data, out.len);
        if (parsed == NULL)
            fail_msg("%zu: %.*s", n, (int) out.len, (const char *) out.data);
        cJSON_Delete(parsed);
        buf_fini(&out);
        free(piece);
    }
}

static void test_no_room(void **state)
{
    (void) state;
    for (size_t limit = 0; limit < 40; limit++) {
        struct buf out;
        buf_init(&out, limit);
        struct rest_json j = rest_json_begin(&out);
        metrics_json_print(SLICE_LIT(A_HEAD "a 1\n"), "", &j);
        assert_int_equal(j.err, -EMSGSIZE);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_cut),
                                       cmocka_unit_test(test_no_room)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
