/* Tests of gateway/cli/ws_answer.c. */
#include "ws_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define OPEN   "HTTP/1.1 101 Switching Protocols\r\n"
#define UPG    "Upgrade: WebSocket\r\n"
#define CON    "Connection: keep-alive, Upgrade\r\n"
#define ACC    "Sec-WebSocket-Accept: " ACCEPT "\r\n"
#define END    "\r\n"

static const struct {
    const char *head;
    unsigned status; /* 0: refused */
    uint64_t retry_ms;
} CASES[] = {
    {OPEN UPG CON ACC END, 101, 0},
    {OPEN UPG CON ACC "Sec-WebSocket-Protocol: regcast.v1\r\n" END, 101, 0},
    {"HTTP/1.1 101\r\nupgrade:websocket\r\nCONNECTION:\tupgrade \r\nsec-websocket-accept:" ACCEPT
     "\r\n" END,
     101, 0},
    {OPEN CON ACC END, 0, 0},
    {OPEN UPG ACC END, 0, 0},
    {OPEN UPG CON END, 0, 0},
    {OPEN UPG CON "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOO=\r\n" END, 0, 0},
    {OPEN UPG "Connection: upgraded\r\n" ACC END, 0, 0},
    {OPEN UPG CON ACC "Sec-WebSocket-Protocol: chat\r\n" END, 0, 0},
    {OPEN UPG CON ACC "Sec-WebSocket-Extensions: permessage-deflate\r\n" END, 0, 0},
    {"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n" END, 503, 5000},
    {"HTTP/1.1 503 x\r\nretry-after:120 \r\n" END, 503, 120000},
    {"HTTP/1.1 503 x\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n" END, 503, 0},
    {"HTTP/1.1 429 x\r\nRetry-After: 99999999999999999999999\r\n" END, 429, 86400000},
    {"HTTP/1.0 404 Not Found\r\n\r\n", 404, 0},
    {"HTTP/1.1 4x4 No\r\n\r\n", 0, 0},
    {"HTTP/1.1 4044 No\r\n\r\n", 0, 0},
    {"SSH-2.0-OpenSSH_9\r\n\r\n", 0, 0},
    {"\r\n\r\n", 0, 0},
};

static void test_cases(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct ws_answer answer;
        const char *why = NULL;
        struct slice head = slice_str(CASES[i].head);
        int r = ws_answer_parse(head, ACCEPT, "regcast.v1", &answer, &why);
        assert_int_equal(r, CASES[i].status == 0 ? -EPROTO : 0);
        if (r < 0) {
            assert_non_null(why);
            continue;
        }
        assert_int_equal(answer.status, CASES[i].status);
        assert_int_equal(answer.retry_after_ms, CASES[i].retry_ms);
    }
}

static void test_length(void **state)
{
    (void) state;
    const char *text = OPEN UPG "\r\nfirst frame";
    size_t head = strlen(OPEN UPG) + 2;
    for (size_t n = 0; n <= strlen(text); n++)
        assert_int_equal(ws_answer_length(slice_of(text, n)), n < head ? 0 : head);
    assert_int_equal(ws_answer_length(slice_of(NULL, 0)), 0);
}

static void test_connection_id(void **state)
{
    (void) state;
    struct ws_answer answer;
    const char *why = "";
    const char *head = "HTTP/1.1 404 x\r\nX-Yc-Apigateway-Websocket-Connection-Id: abc\r\n\r\n";
    assert_int_equal(ws_answer_parse(slice_str(head), ACCEPT, "p", &answer, &why), 0);
    assert_string_equal(answer.connection_id, "abc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_length),
                                       cmocka_unit_test(test_connection_id)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
