/* Tests of gateway/deflate_offer.c: WS-06 of the security list. */
#include "deflate_offer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define PD   "permessage-deflate"
#define BOTH "; server_no_context_takeover; client_no_context_takeover"
#define S15  "; server_max_window_bits=15"
#define C(n) "; client_max_window_bits=" #n

/* `lines` are header lines with \n between them; `answer` is what comes after the extension's name,
 * NULL: declined. */
static const struct {
    const char *lines, *answer;
} CASES[] = {
    {PD, BOTH},
    {PD "; client_max_window_bits", BOTH C(12)},
    {PD "; client_max_window_bits=15", BOTH C(12)},
    {PD "; client_max_window_bits=12", BOTH C(12)},
    {PD "; client_max_window_bits=11", BOTH C(11)},
    {PD "; client_max_window_bits=8", BOTH C(8)},
    {PD "; client_max_window_bits=9; server_no_context_takeover", BOTH C(9)},
    {PD "; server_no_context_takeover; client_no_context_takeover", BOTH},
    {PD "; server_max_window_bits=15", BOTH S15},
    {PD "; client_max_window_bits; server_max_window_bits=15", BOTH S15 C(12)},
    {PD "; server_max_window_bits=\"15\"", BOTH S15},
    {PD "; client_max_window_bits=\"10\"", BOTH C(10)},
    {PD "; client_max_window_bits=\"1\\0\"", BOTH C(10)},
    {PD "\t ;\tclient_max_window_bits = 10 ", BOTH C(10)},
    {PD ";client_max_window_bits=10", BOTH C(10)},

    /* windows that are none, or cannot be met */
    {PD "; client_max_window_bits=7", NULL},
    {PD "; client_max_window_bits=16", NULL},
    {PD "; client_max_window_bits=08", NULL},
    {PD "; client_max_window_bits=+9", NULL},
    {PD "; client_max_window_bits=1", NULL},
    {PD "; client_max_window_bits=100", NULL},
    {PD "; client_max_window_bits=15x", NULL},
    {PD "; client_max_window_bits=8000000000000000000000000000000000000000000000012", NULL},
    {PD "; client_max_window_bits=-1", NULL},
    {PD "; server_max_window_bits", NULL},
    {PD "; server_max_window_bits=7", NULL},
    {PD "; server_max_window_bits=8", NULL},
    {PD "; server_max_window_bits=14", NULL},
    {PD "; server_max_window_bits=16", NULL},
    {PD "; server_max_window_bits=015", NULL},
    /* values where there are none, repeats, unknown parameters */
    {PD "; server_no_context_takeover=true", NULL},
    {PD "; client_no_context_takeover=\"1\"", NULL},
    {PD "; server_no_context_takeover; server_no_context_takeover", NULL},
    {PD "; client_max_window_bits; client_max_window_bits", NULL},
    {PD "; client_max_window_bits=9; client_max_window_bits=9", NULL},
    {PD "; server_max_window_bits=15; server_max_window_bits=15", NULL},
    {PD "; mem_level=9", NULL},
    {PD "; Client_Max_Window_Bits", NULL},
    /* other extensions */
    {"", NULL},
    {",", NULL},
    {"x-webkit-deflate-frame", NULL},
    {"permessage-deflat", NULL},
    {"permessage-deflate2", NULL},
    {"Permessage-Deflate", NULL},
    {"permessage-bzip2; a=b; c=\"d\"", NULL},

    /* the first offer that can be met, in one line or several */
    {PD "; server_max_window_bits=10, " PD, BOTH},
    {PD "; server_max_window_bits=10," PD "; client_max_window_bits", BOTH C(12)},
    {PD "; client_max_window_bits=9, " PD, BOTH C(9)},
    {PD ", " PD "; client_max_window_bits=9", BOTH},
    {PD "; x, " PD "; server_max_window_bits=8, " PD "; client_max_window_bits=10", BOTH C(10)},
    {"foo; bar=baz, " PD, BOTH},
    {"foo; bar=baz\n" PD, BOTH},
    {PD "; server_max_window_bits=8\n" PD S15, BOTH S15},
    {"foo\nbar\n" PD ", baz", BOTH},
    {", ," PD ",", BOTH},

    /* not the grammar: nothing is agreed, whatever else is there */
    {PD ";", NULL},
    {PD "; ;", NULL},
    {PD "; =8", NULL},
    {PD "=8", NULL},
    {PD "; client_max_window_bits=", NULL},
    {PD "; client_max_window_bits=;", NULL},
    {PD "; client_max_window_bits=\"\"", NULL},
    {PD "; client_max_window_bits=\"9", NULL},
    {PD "; client_max_window_bits=9\"", NULL},
    {PD "; client_max_window_bits=\"9\\", NULL},
    {PD "; client_max_window_bits=\"9\\\"", NULL},
    {PD "; client_max_window_bits=\"\\\"\"", NULL},
    {PD "; client_max_window_bits=\" 9\"", NULL},
    {PD "; client_max_window_bits=\"9\"0", NULL},
    {PD "; client_max_window_bits=9 9", NULL},
    {PD " client_max_window_bits", NULL},
    {PD "; a b", NULL},
    {PD "/", NULL},
    {PD "\xc3\xa9", NULL},
    {PD ", foo; =", NULL},
    {PD "\nfoo;", NULL},
    {"foo; a=\", " PD "\"", NULL},
    {"foo; a=\"\n" PD "\"", NULL},
    {";=\"\\", NULL},
    {"\"", NULL},
};

static struct deflate_terms choose(const char *lines)
{
    static struct http_head head;
    head.n_headers = 1;
    head.headers[0] = (struct header){SLICE_LIT("Host"), SLICE_LIT(PD)};
    for (;;) {
        size_t len = strcspn(lines, "\n");
        head.headers[head.n_headers++] =
            (struct header){SLICE_LIT("sec-websocket-EXTENSIONS"), slice_of(lines, len)};
        if (lines[len] == '\0')
            return deflate_offer_choose(&head);
        lines += len + 1;
    }
}

static void test_cases(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct deflate_terms terms = choose(CASES[i].lines);
        struct buf want, got;
        buf_init(&want, 1000);
        buf_init(&got, 1000);
        if (terms.agreed)
            assert_int_equal(deflate_offer_answer(&got, &terms), 0);
        if (CASES[i].answer != NULL)
            assert_int_equal(
                buf_printf(&want, "Sec-WebSocket-Extensions: " PD "%s\r\n", CASES[i].answer), 0);
        if (!slice_eq(buf_slice(&want), buf_slice(&got)))
            fail_msg("%s: got %.*s", CASES[i].lines, (int) got.len, (const char *) got.data);
        buf_fini(&want);
        buf_fini(&got);
    }
    struct http_head none = {0};
    assert_false(deflate_offer_choose(&none).agreed);
}

/* `start`, then `filler` so many times, then `end`. */
static void test_limits(void **state)
{
    (void) state;
    static const struct {
        const char *start, *filler;
        unsigned times;
        const char *end;
        bool agreed;
    } LONG[] = {
        {PD, ", foo", DEFLATE_MAX_OFFERS - 1, "", true},
        {PD, ", foo", DEFLATE_MAX_OFFERS, "", false},
        {PD, ",", DEFLATE_MAX_OFFERS - 1, "", true},
        {PD, ",", DEFLATE_MAX_OFFERS, "", false},
        {PD, "\nfoo", DEFLATE_MAX_OFFERS - 1, "", true},
        {PD, "\nfoo", DEFLATE_MAX_OFFERS, "", false},
        {"foo", "; a", DEFLATE_MAX_PARAMETERS, ", " PD, true},
        {"foo", "; a", DEFLATE_MAX_PARAMETERS + 1, ", " PD, false},
        {PD, " ", 16000, "; client_max_window_bits", true},
        {"foo; a=\"", "\\b", 8000, "\", " PD, true},
        {"foo; a=", "1", 16000, ", " PD, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(LONG); i++) {
        struct buf lines;
        buf_init(&lines, 1 << 20);
        assert_int_equal(buf_append_str(&lines, LONG[i].start), 0);
        for (unsigned n = 0; n < LONG[i].times; n++)
            assert_int_equal(buf_append_str(&lines, LONG[i].filler), 0);
        assert_int_equal(buf_append_str(&lines, LONG[i].end), 0);
        assert_int_equal(buf_append(&lines, slice_of("", 1)), 0);
        if (choose((const char *) lines.data).agreed != LONG[i].agreed)
            fail_msg("case %zu", i);
        buf_fini(&lines);
    }
}

/* The dearest heads there can be (HTTP_MAX_HEAD bytes) stay far below a millisecond. */
static void test_time(void **state)
{
    (void) state;
    enum { ROUNDS = 200, LEN = 16384 };
    static const char *const FILLERS[] = {" ", "\t;", "\\", "a", "\"", "=", ",", "; a", "\\\""};
    for (size_t i = 0; i < ARRAY_LEN(FILLERS); i++) {
        struct buf lines;
        buf_init(&lines, 1 << 20);
        assert_int_equal(buf_append_str(&lines, PD "; a=\""), 0);
        while (lines.len < LEN)
            assert_int_equal(buf_append_str(&lines, FILLERS[i]), 0);
        assert_int_equal(buf_append(&lines, slice_of("", 1)), 0);
        clock_t start = clock();
        for (unsigned round = 0; round < ROUNDS; round++)
            assert_false(choose((const char *) lines.data).agreed);
        double ms = (double) (clock() - start) * 1000 / CLOCKS_PER_SEC / ROUNDS;
        if (ms > 5) /* 1 ms is the aim; sanitizers and busy machines get some room */
            fail_msg("%.3f ms for each", ms);
        buf_fini(&lines);
    }
}

static void test_answer_refused_whole(void **state)
{
    (void) state;
    struct deflate_terms terms = {.agreed = true, .server_bits = true, .client_bits = 12};
    for (size_t limit = 0; limit < 160; limit++) {
        struct buf out;
        buf_init(&out, limit);
        int r = deflate_offer_answer(&out, &terms);
        assert_true(r == 0 ? out.len > 150 : r == -EMSGSIZE && out.len == 0);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_answer_refused_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
