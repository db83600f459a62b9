/* Tests of gateway/http_response.c: whole answers, to the byte, and the fixed refusals. */
#include "http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void check_text(struct buf *out, const char *expect)
{
    if (!slice_eq_str(buf_slice(out), expect))
        fail_msg("got '%.*s', expected '%s'", (int) out->len, (const char *) out->data, expect);
    buf_clear(out);
}

static void test_response(void **state)
{
    (void) state;
    struct buf out;
    buf_init(&out, 1000);
    assert_int_equal(http_response(&out, 202, NULL, SLICE_LIT("{\"a\":1}"), false, false), 0);
    check_text(&out, "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n"
                     "Content-Length: 7\r\n\r\n{\"a\":1}");
    assert_int_equal(http_response(&out, 200, "X: y\r\n", SLICE_LIT("ok\n"), true, false), 0);
    check_text(&out, "HTTP/1.1 200 OK\r\nX: y\r\nContent-Type: text/plain; charset=utf-8\r\n"
                     "Content-Length: 3\r\nConnection: close\r\n\r\nok\n");
    assert_int_equal(http_response(&out, 200, NULL, SLICE_LIT("ok\n"), false, true), 0);
    check_text(&out, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
                     "Content-Length: 3\r\n\r\n");
    assert_int_equal(http_response(&out, 404, NULL, (struct slice){0}, false, false), 0);
    check_text(&out, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(http_response(&out, 100, NULL, (struct slice){0}, false, false), 0);
    check_text(&out, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_int_equal(http_response(&out, 204, NULL, (struct slice){0}, false, false), 0);
    check_text(&out, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_string_equal(http_reason(299), "Unknown");
    buf_fini(&out);
}

static void test_refuse(void **state)
{
    (void) state;
    struct buf out;
    buf_init(&out, 1000);
#define JSON(len, name)                                                                            \
    "Content-Type: application/json\r\nContent-Length: " len                                       \
    "\r\nConnection: close\r\n\r\n{\"error\":\"" name "\"}"
    assert_int_equal(http_refuse(&out, REFUSE_CL_TE, NULL, 5, NULL), 0);
    check_text(&out, "HTTP/1.1 400 Bad Request\r\n" JSON("17", "cl_te"));
    assert_int_equal(http_refuse(&out, REFUSE_METHOD, "GET, HEAD", 5, NULL), 0);
    check_text(&out,
               "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\n" JSON("18", "method"));
    assert_int_equal(http_refuse(&out, REFUSE_GONE, NULL, 5, "Vary: Origin\r\n"), 0);
    check_text(&out, "HTTP/1.1 410 Gone\r\nVary: Origin\r\n" JSON("16", "gone"));
    assert_int_equal(http_refuse(&out, REFUSE_ROUTE_RATE, NULL, 7, "X: y\r\n"), 0);
    check_text(&out, "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nX: y\r\n" JSON(
                         "22", "route_rate"));
    assert_int_equal(http_refuse(&out, REFUSE_OVERLOAD, NULL, 5, NULL), 0);
    check_text(&out,
               "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n" JSON("20", "overload"));
    assert_int_equal(http_refuse(&out, REFUSE_WS_VERSION, NULL, 5, NULL), 0);
    check_text(&out, "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n"
                     "Sec-WebSocket-Version: 13\r\nContent-Type: application/json\r\n"
                     "Content-Length: 22\r\nConnection: Upgrade, close\r\n\r\n"
                     "{\"error\":\"ws_version\"}");
    assert_int_equal(http_refuse(&out, REFUSE_WRITE_STALL, NULL, 5, NULL), 0); /* nothing to say */
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

/* Every reason with an HTTP status: the status, what it asks for, Connection: close, and the
 * reason. */
static void test_every_refusal(void **state)
{
    (void) state;
    unsigned seen = 0;
    for (enum refuse why = REFUSE_NONE + 1; why < REFUSE_N; why++) {
        const struct refuse_info *info = refuse_info(why);
        if (info->answer < 400 || info->answer > 599)
            continue;
        struct buf out;
        buf_init(&out, 4096);
        assert_int_equal(http_refuse(&out, why, info->answer == 405 ? "GET" : NULL, 5, NULL), 0);
        assert_int_equal(buf_append(&out, slice_of("", 1)), 0);
        const char *got = (const char *) out.data;
        char line[64], body[64];
        (void) snprintf(line, sizeof(line), "HTTP/1.1 %u %s\r\n", info->answer,
                        http_reason(info->answer));
        (void) snprintf(body, sizeof(body), "\r\n\r\n{\"error\":\"%s\"}", info->name);
        assert_memory_equal(got, line, strlen(line));
        assert_string_not_equal(http_reason(info->answer), "Unknown");
        assert_string_equal(got + strlen(got) - strlen(body), body);
        const char *connection = strstr(got, "\r\nConnection: ");
        assert_non_null(connection);
        assert_non_null(strstr(connection, "close\r\n"));
        assert_int_equal(strstr(got, "\r\nAllow: GET\r\n") != NULL, info->answer == 405);
        assert_int_equal(strstr(got, "\r\nSec-WebSocket-Version: 13\r\n") != NULL,
                         info->answer == 426);
        assert_int_equal(strstr(got, "\r\nUpgrade: websocket\r\n") != NULL, info->answer == 426);
        assert_int_equal(strstr(got, "\r\nRetry-After: ") != NULL,
                         info->answer == 429 || info->answer == 503);
        assert_int_equal(strstr(got, "\r\nWWW-Authenticate: Bearer") != NULL, info->answer == 401);
        assert_int_equal(strstr(got, "error=\"invalid_token\"") != NULL, why == REFUSE_CREDENTIAL);
        buf_fini(&out);
        seen++;
    }
    assert_true(seen > 20);
}

/* Without room nothing is left half written. */
static void test_no_room(void **state)
{
    (void) state;
    for (size_t room = 0; room < 60; room++) {
        struct buf out;
        buf_init(&out, room);
        assert_true(http_response(&out, 200, NULL, slice_str("0123456789"), true, false) < 0);
        assert_int_equal(out.len, 0);
        buf_fini(&out);
    }
}

/* Its own type is kept, and what was not sent again has no length. */
static void test_types(void **state)
{
    (void) state;
    struct buf out;
    buf_init(&out, 1000);
    assert_int_equal(http_response(&out, 200, "Content-Type: text/css\r\nX: y\r\n", SLICE_LIT("{}"),
                                   false, false),
                     0);
    check_text(&out, "HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nX: y\r\n"
                     "Content-Length: 2\r\n\r\n{}");
    assert_int_equal(http_response(&out, 304, "ETag: \"x\"\r\n", (struct slice){0}, false, false),
                     0);
    check_text(&out, "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n");
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_response), cmocka_unit_test(test_types),
        cmocka_unit_test(test_refuse),   cmocka_unit_test(test_every_refusal),
        cmocka_unit_test(test_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
