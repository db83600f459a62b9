/* Tests of gateway/backend/accept.c: which of several types a client would have. */
#include "accept.h"
#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MAX_TYPES 4
#define JSON      "application/json"
#define XML       "application/xml"
#define HTML      "text/html"
#define PLAIN     "text/plain"

static const struct {
    const char *accept; /* NULL: no such header */
    const char *types[MAX_TYPES];
    int chosen; /* -1: none */
    bool asked;
} CASES[] = {
    {NULL, {JSON}, -1, false},
    {"", {JSON}, -1, false},
    {" , ,", {JSON}, -1, false},
    {JSON, {JSON}, 0, true},
    {JSON, {XML, JSON}, 1, true},
    {"Application/JSON", {XML, JSON}, 1, true},
    {JSON, {XML}, -1, true},
    {JSON, {"*"}, -1, true},
    {"*/*", {"*"}, -1, true},
    {"*/*", {"*", XML, JSON}, 1, true},
    {"*", {XML}, 0, true}, /* as Java's URLConnection has it */
    {"application/*", {HTML, XML}, 1, true},
    {"appl/*", {XML}, -1, true},
    {"application/jso", {JSON}, -1, true},
    {"application/json2", {JSON}, -1, true},
    {"/*", {JSON}, -1, true},
    {"application/", {JSON}, -1, true},
    /* weights */
    {JSON ";q=0.5, " XML, {JSON, XML}, 1, true},
    {JSON "; q=0.5, " XML ";q=0.4", {XML, JSON}, 1, true},
    {JSON ";q=0", {JSON}, -1, true},
    {JSON ";q=0.0, */*", {JSON, XML}, 1, true},
    {JSON ";q=0, */*", {JSON}, -1, true},
    {JSON ";q=0.001", {JSON}, 0, true},
    {JSON ";Q=0.1, " XML ";q=0.2", {JSON, XML}, 1, true},
    {JSON ";q=1.000, " XML ";q=0.999", {XML, JSON}, 1, true},
    {JSON ";q=x, " XML ";q=0.9", {XML, JSON}, 1, true}, /* no weight */
    {JSON ";q=2, " XML, {XML, JSON}, 0, true},
    {JSON ";q=, " XML ";q=0.9", {XML, JSON}, 1, true},
    {JSON ";q=0.0001, " HTML ";q=0.001", {HTML, JSON}, 1, true}, /* more digits than there are: 1 */
    {",;,", {JSON}, -1, true},
    {"text", {PLAIN}, -1, true},
    {"*/*;q=0.1, text/plain;q=0", {PLAIN, HTML}, 1, true},
    {JSON ";q=0.5;more=1, " XML ";q=0.4", {XML, JSON}, 1, true},
    /* who is closer counts, wherever it stands */
    {"*/*;q=0.9, application/*;q=0.1, " JSON ";q=0.5", {JSON, XML, HTML}, 2, true},
    {"application/*;q=0.1, */*;q=0.9, " JSON, {HTML, JSON}, 1, true},
    {"*/*, " JSON ";q=0", {JSON, XML}, 1, true},
    {"text/*;q=0.3, text/html;q=0.7, text/html;level=1, text/html;level=2;q=0.4, */*;q=0.5",
     {"text/html", "text/plain", "text/html;level=1", "image/jpeg"},
     2,
     true}, /* RFC 9110's example, in two */
    {"text/*;q=0.3, text/html;q=0.7, text/html;level=2;q=0.4, */*;q=0.5",
     {"text/plain", "text/html;level=2", "image/jpeg", "text/html"},
     3,
     true},
    {"text/html;level=1", {HTML}, 0, true}, /* it has no level: better than nothing */
    {"text/html;level=1;q=0, text/*", {HTML}, -1, true},
    {"text/*;level=1, text/plain;q=0.5", {PLAIN, HTML}, 1, true},
    {"text/html;level=1;q=0.3, text/html;q=0.7, text/plain;q=0.5", {PLAIN, HTML}, 1, true},
    {"text/html", {"text/html; charset=utf-8"}, 0, true},
    {"text/html;charset=UTF-8", {"text/html; charset=utf-8"}, 0, true},
    {"text/html;charset=latin1", {"text/html; charset=utf-8"}, 0, true},
    {"text/html;charset=utf-8;level=2;q=0.2, text/html;q=0.4", {HTML}, 0, true},
    {"text/html ; level = 1", {"text/html;level=1"}, 0, true},
    /* of those liked as much the first one */
    {XML ", " JSON, {JSON, XML}, 0, true},
    /* of two ranges that are the same the first one */
    {JSON ";q=0.2, " JSON ";q=0.9, " XML ";q=0.5", {JSON, XML}, 1, true},
    /* quoted strings separate nothing */
    {"text/html;a=\"x, application/json\"", {JSON}, -1, true},
    {"text/html;a=\";q=0\", text/plain", {"text/html;a=\";q=0\"", PLAIN}, 0, true},
    {"text/html;a=\"\\\", " JSON, {JSON}, -1, true},
    {"text/html;a=\"", {JSON}, -1, true},
    {"text/html;a=\"\\", {JSON}, -1, true},
    /* nonsense beside sense */
    {";;q=0, ,=, " JSON, {JSON}, 0, true},
    {"\xff\xfe/\x80, " JSON, {JSON}, 0, true},
    {JSON ";", {JSON}, 0, true},
};

static void test_choose(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct header header = {SLICE_LIT("aCCept"), slice_str(CASES[i].accept)};
        size_t n = 0;
        bool asked = !CASES[i].asked;
        while (n < MAX_TYPES && CASES[i].types[n] != NULL)
            n++;
        size_t got =
            accept_choose(&header, CASES[i].accept == NULL ? 0 : 1, CASES[i].types, n, &asked);
        if ((CASES[i].chosen < 0 ? ACCEPT_NONE : (size_t) CASES[i].chosen) != got ||
            asked != CASES[i].asked)
            fail_msg("%zu: %s: got %d%s", i, CASES[i].accept, (int) got, asked ? ", asked" : "");
    }
}

static void test_several_headers_are_one_list(void **state)
{
    (void) state;
    static const char *const TYPES[] = {XML, JSON};
    const struct header headers[] = {{SLICE_LIT("X"), SLICE_LIT(XML)},
                                     {SLICE_LIT("Accept"), SLICE_LIT("application/*;q=0.5")},
                                     {SLICE_LIT("Accepts"), SLICE_LIT(XML)},
                                     {SLICE_LIT("accept"), SLICE_LIT(XML ";q=0.1")}};
    bool asked = false;
    assert_int_equal(accept_choose(headers, ARRAY_LEN(headers), TYPES, 2, &asked), 1);
    assert_true(asked);
}

static void test_no_types(void **state)
{
    (void) state;
    const struct header header = {SLICE_LIT("Accept"), SLICE_LIT("*/*")};
    bool asked = false;
    assert_true(accept_choose(&header, 1, NULL, 0, &asked) == ACCEPT_NONE);
    assert_true(asked);
}

int main(void)
{
    static const struct CMUnitTest TESTS[] = {
        cmocka_unit_test(test_choose),
        cmocka_unit_test(test_several_headers_are_one_list),
        cmocka_unit_test(test_no_types),
    };
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
