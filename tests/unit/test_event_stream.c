/* Tests of gateway/event_stream.c: which requests are for events, and what they are answered. */
#include "event_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct http_head head_of(const char *accept)
{
    struct http_head head = {.method = HTTP_M_GET, .minor = 1};
    if (accept != NULL)
        head.headers[head.n_headers++] = (struct header){SLICE_LIT("Accept"), slice_str(accept)};
    return head;
}

static void add(struct http_head *head, const char *name, const char *value)
{
    head->headers[head->n_headers++] = (struct header){slice_str(name), slice_str(value)};
}

static void test_accept(void **state)
{
    (void) state;
    static const struct {
        const char *accept;
        bool wanted;
    } CASES[] = {
        {NULL, false},
        {"", false},
        {"text/event-stream", true},
        {"Text/EVENT-Stream", true},
        {" \ttext/event-stream\t ", true},
        {"text/html,text/event-stream", true},
        {"text/html , , text/event-stream ;q=0.3, */*;q=0", true},
        {"text/event-stream;q=0, text/event-stream", true},
        {"*/*", false},
        {"text/*", false},
        {"text/event-streams", false},
        {"xtext/event-stream", false},
        {"text/event-stream/", false},
        {"text/ event-stream", false},
        {"text/event-stream;charset=utf-8", true},
        {"text/event-stream; Q=1", true},
        {"text/event-stream; q = 0.5", false},
        {"text/event-stream;q=0", false},
        {"text/event-stream;q=0.", false},
        {"text/event-stream;q=0.000", false},
        {"text/event-stream;q=0.001", true},
        {"text/event-stream;q=1.", true},
        {"text/event-stream;q=1.000", true},
        {"text/event-stream;q=1.001", false},
        {"text/event-stream;q=0.0001", false},
        {"text/event-stream;q=2", false},
        {"text/event-stream;q=-1", false},
        {"text/event-stream;q=", false},
        {"text/event-stream;q", false},
        {"text/event-stream;q=01", false},
        {"text/event-stream;q=0.5x", false},
        {"text/event-stream;q=0;q=1", false}, /* the first counts */
        {"text/event-stream;qq=0", true},
        {"text/event-stream;", true},
        {"text/event-stream;a=\";q=0\"", true},
        {"text/event-stream;a=\"\\\";q=0\"", true},
        {"text/event-stream;a=\"\\\\\";q=0", false},
        {"a/b;c=\",text/event-stream,\"", false},
        {"a/b;c=\",text/event-stream", false},
        {"a/b;c=\"\\", false},
        {"text/event-stream;c=\"", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct http_head head = head_of(CASES[i].accept);
        if (event_stream_wanted(&head) != CASES[i].wanted)
            fail_msg("%s", CASES[i].accept);
    }
}

static void test_others(void **state)
{
    (void) state;
    struct http_head head = head_of("text/html");
    add(&head, "accept", "text/event-stream"); /* in another line */
    assert_true(event_stream_wanted(&head));
    add(&head, "Connection", "close, keep-alive");
    assert_true(event_stream_wanted(&head));
    head.minor = 0;
    assert_true(event_stream_wanted(&head));
    add(&head, "Upgrade", "websocket");
    assert_false(event_stream_wanted(&head));
    head = head_of("text/event-stream");
    add(&head, "Connection", "keep-alive, Upgrade");
    assert_false(event_stream_wanted(&head));
    for (enum http_method m = HTTP_M_HEAD; m <= HTTP_M_OTHER; m++) {
        head = head_of("text/event-stream");
        head.method = m;
        assert_false(event_stream_wanted(&head));
    }
}

static char *ORIGINS[] = {"https://a.example", "https://b.example"};
static const struct config_strings LISTED = {.at = ORIGINS, .n = 2}, NONE = {.n = 0};

static void check_rule(const struct http_head *head, const struct config_strings *origins,
                       const char *rule, const char *cors)
{
    struct buf out, want;
    buf_init(&out, 1024);
    buf_init(&want, 1024);
    assert_int_equal(event_stream_answer(&out, head, origins, rule, "d5d00000000000000001", 1234),
                     0);
    assert_int_equal(buf_printf(&want,
                                "HTTP/1.1 200 OK\r\n"
                                "Content-Type: text/event-stream\r\n"
                                "Cache-Control: no-store\r\n"
                                "X-Accel-Buffering: no\r\n"
                                "X-Yc-Apigateway-Websocket-Connection-Id: d5d00000000000000001\r\n"
                                "%s"
                                "Connection: close\r\n"
                                "\r\n"
                                "retry: 1234\n\n",
                                cors),
                     0);
    assert_int_equal(out.len, want.len);
    assert_memory_equal(out.data, want.data, want.len);
    buf_fini(&out);
    buf_fini(&want);
}

static void check_answer(const struct http_head *head, const struct config_strings *origins,
                         const char *cors)
{
    check_rule(head, origins, NULL, cors);
}

static void test_answer(void **state)
{
    (void) state;
    struct http_head head = head_of("text/event-stream");
    assert_int_equal(event_stream_check(&head, NULL), REFUSE_NONE);
    assert_int_equal(event_stream_check(&head, &LISTED), REFUSE_NONE);
    check_answer(&head, NULL, "Access-Control-Allow-Origin: *\r\n");
    check_answer(&head, &LISTED, "Vary: Origin\r\n");
    add(&head, "Origin", "https://b.example");
    check_answer(&head, NULL, "Access-Control-Allow-Origin: *\r\n");
    check_answer(&head, &LISTED,
                 "Vary: Origin\r\n"
                 "Access-Control-Allow-Origin: https://b.example\r\n"
                 "Access-Control-Allow-Credentials: true\r\n");
    /* a rule of the specification takes its place, also one that says nothing */
    check_rule(&head, &LISTED, "Access-Control-Allow-Origin: x\r\n",
               "Access-Control-Allow-Origin: x\r\n");
    check_rule(&head, NULL, "Access-Control-Allow-Origin: x\r\n",
               "Access-Control-Allow-Origin: x\r\n");
    check_rule(&head, &LISTED, "", "");
    check_rule(&head, NULL, "", "");
    assert_int_equal(event_stream_check(&head, &LISTED), REFUSE_NONE);
    assert_int_equal(event_stream_check(&head, &NONE), REFUSE_ORIGIN);
    add(&head, "Origin", "https://b.example");
    assert_int_equal(event_stream_check(&head, &LISTED), REFUSE_ORIGIN);
    head.has_body = true;
    assert_int_equal(event_stream_check(&head, NULL), REFUSE_UPGRADE_BODY);
    struct buf narrow;
    buf_init(&narrow, 200);
    assert_int_equal(event_stream_answer(&narrow, &head, NULL, NULL, "x", 1), -EMSGSIZE);
    assert_int_equal(narrow.len, 0);
    buf_fini(&narrow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
