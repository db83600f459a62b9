/* test_nats_parse.c - what a server says, cut anywhere. */
#include "nats/nats_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LIMIT 1000
#define TEXT  8192

/* What was parsed, as text: one line an operation. */
static void print_op(char *to, const struct nats_op *op)
{
    static const char *const NAMES[] = {"info", "msg", "ping", "pong", "ok", "err"};
    const struct nats_msg *m = &op->msg;
    char *at = to + strlen(to);
    size_t room = TEXT - (size_t) (at - to);
    if (op->kind != NATS_OP_MSG)
        (void) snprintf(at, room, "%s(%.*s)", NAMES[op->kind], (int) op->text.len,
                        op->text.len > 0 ? (const char *) op->text.data : "");
    else
        (void) snprintf(at, room, "msg(%s %llu %s %u [%.*s] %.*s)", m->subject,
                        (unsigned long long) op->sid, m->reply, m->status, (int) m->headers.len,
                        m->headers.len > 0 ? (const char *) m->headers.data : "", (int) m->data.len,
                        (const char *) m->data.data);
}

/* Feeds `step` bytes at a time. Each piece of memory is exactly as long as what is in it, so that a
 * byte too much read is found. */
static int feed(const char *input, size_t len, size_t step, char *ret)
{
    struct nats_parse p = {.limit = LIMIT};
    size_t from = 0, here = 0;
    ret[0] = '\0';
    while (from + here < len) {
        here = from + here + step > len ? len - from : here + step;
        for (;;) {
            uint8_t *bytes = malloc(here > 0 ? here : 1);
            struct nats_op op;
            size_t used = 0;
            assert_non_null(bytes);
            memcpy(bytes, input + from, here);
            int r = nats_parse(&p, bytes, here, &used, &op);
            if (r == 1)
                print_op(ret, &op);
            free(bytes);
            if (r < 0)
                return r;
            if (r == 0) {
                assert_true(nats_parse_wants(&p) > here);
                break;
            }
            assert_in_range(used, 1, here);
            from += used;
            here -= used;
        }
    }
    return 0;
}

static const struct {
    const char *name, *input, *output;
    int err;
} CASES[] = {
    {"info", "INFO {\"a\":1} \r\n", "info({\"a\":1})", 0},
    {"ping and pong", "PING\r\nPONG\r\nping\r\n", "ping()pong()ping()", 0},
    {"no carriage return", "PING\n+OK\n", "ping()ok()", 0},
    {"an error", "-ERR 'Unknown Protocol Operation'\r\n", "err(Unknown Protocol Operation)", 0},
    {"an error without quotes", "-ERR what\r\n", "err(what)", 0},
    {"a message", "MSG a.b 7 5\r\nhello\r\n", "msg(a.b 7  0 [] hello)", 0},
    {"with a reply", "MSG a 7 _I.x 2\r\nhi\r\nPING\r\n", "msg(a 7 _I.x 0 [] hi)ping()", 0},
    {"empty", "MSG a 7 0\r\n\r\n", "msg(a 7  0 [] )", 0},
    {"blanks", "MSG  a\t7   1 \r\nx\r\n", "msg(a 7  0 [] x)", 0},
    {"data with line ends", "MSG a 7 4\r\n\r\n\r\n\r\n", "msg(a 7  0 [] \r\n\r\n)", 0},
    {"headers", "HMSG a 1 22 24\r\nNATS/1.0\r\nA: b\r\nC:d\r\n\r\nhi\r\n", "", -EBADMSG},
    {"headers and data", "HMSG a 1 23 25\r\nNATS/1.0\r\nA: b\r\nC:d\r\n\r\nhi\r\n",
     "msg(a 1  0 [A: b\r\nC:d\r\n] hi)", 0},
    {"a status", "HMSG a 1 r 16 16\r\nNATS/1.0 503\r\n\r\n\r\n", "msg(a 1 r 503 [] )", 0},
    {"a status with words", "HMSG a 1 28 28\r\nNATS/1.0 100 Idle Heartbe\r\n\r\n\r\n", "",
     -EBADMSG},
    {"no block", "HMSG a 1 3 5\r\nabchi\r\n", "msg(a 1  0 [] hi)", 0},
    {"more headers than all", "HMSG a 1 6 5\r\nabchi\r\n", "", -EBADMSG},
    {"too few words", "MSG a 5\r\nhello\r\n", "", -EBADMSG},
    {"too many words", "MSG a 5 b c 5\r\nhello\r\n", "", -EBADMSG},
    {"no number", "MSG a b 5\r\nhello\r\n", "", -EBADMSG},
    {"a negative size", "MSG a 1 -5\r\nhello\r\n", "", -EBADMSG},
    {"a large size", "MSG a 1 1001\r\n", "", -EMSGSIZE},
    {"a very large size", "MSG a 1 99999999999999999999\r\n", "", -EBADMSG},
    {"no end", "MSG a 1 2\r\nhello\r\n", "", -EBADMSG},
    {"no operation", "HELLO\r\n", "", -EBADMSG},
    {"nearly one", "PINGS\r\n", "", -EBADMSG},
    {"nothing", "\r\n", "", -EBADMSG},
};

static void test_cases(void **state)
{
    char text[TEXT];
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        size_t len = strlen(CASES[i].input);
        for (size_t step = 1; step <= len; step++) {
            int r = feed(CASES[i].input, len, step, text);
            if (r != CASES[i].err || strcmp(text, CASES[i].output) != 0)
                fail_msg("%s, %zu bytes a time: %d, %s", CASES[i].name, step, r, text);
        }
    }
}

static void test_long_lines(void **state)
{
    static char line[NATS_INFO_MAX + 2];
    static const struct {
        const char *start;
        size_t most;
    } LINES[] = {{"PING ", NATS_LINE_MAX}, {"INFO ", NATS_INFO_MAX}, {"MSG ", NATS_LINE_MAX}};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(LINES); i++) {
        struct nats_parse p = {.limit = LIMIT};
        struct nats_op op;
        size_t used;
        memset(line, 'x', sizeof(line));
        memcpy(line, LINES[i].start, strlen(LINES[i].start));
        assert_int_equal(nats_parse(&p, (uint8_t *) line, LINES[i].most - 1, &used, &op), 0);
        assert_int_equal(nats_parse(&p, (uint8_t *) line, LINES[i].most, &used, &op), -EMSGSIZE);
    }
}

/* Words are given out as strings. */
static void test_nul(void **state)
{
    static const char *const NAMES[] = {"subject", "reply"};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        char line[] = "MSG s.s 1 r.r 0\r\n\r\n";
        struct nats_parse p = {.limit = LIMIT};
        struct nats_op op;
        size_t used;
        line[i == 0 ? 5 : 11] = '\0';
        assert_int_equal(nats_parse(&p, (uint8_t *) line, sizeof(line) - 1, &used, &op), -EBADMSG);
    }
}

static void test_headers(void **state)
{
    const struct slice h = SLICE_LIT("A: one\r\nAB:two\r\nA: three\r\nE:\r\nB:  x y  \r\n");
    (void) state;
    assert_true(slice_eq_str(nats_header(h, "A"), "one"));
    assert_true(slice_eq_str(nats_header(h, "AB"), "two"));
    assert_true(slice_eq_str(nats_header(h, "B"), "x y"));
    assert_true(nats_header(h, "E").data != NULL);
    assert_int_equal(nats_header(h, "E").len, 0);
    assert_null(nats_header(h, "a").data);
    assert_null(nats_header(h, "two").data);
    assert_null(nats_header((struct slice){NULL, 0}, "A").data);
    assert_null(nats_header(SLICE_LIT("A: no end"), "A").data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
