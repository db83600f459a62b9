/* Tests of gateway/backend/integration.c: what becomes of a backend's answer. */
#include "integration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "integration_bed.h"

#define MAX_LINES 8

static const struct {
    const char *name, *lines[MAX_LINES];
    const char *headers, *type;
    bool text;
    int r;
} ANSWERS[] = {
    {"nothing", {NULL}, "", "", false, 0},
    {"the type comes first",
     {"A: b", "content-type: Text/HTML;charset=x", "C: d"},
     "Content-Type: Text/HTML;charset=x\r\nA: b\r\nC: d\r\n",
     "text/html",
     true,
     0},
    {"JSON",
     {"Content-Type: application/json; charset=utf-8"},
     "Content-Type: application/json; charset=utf-8\r\n",
     "application/json",
     true,
     0},
    {"nearly JSON",
     {"Content-Type: application/jsonx"},
     "Content-Type: application/jsonx\r\n",
     "application/jsonx",
     false,
     0},
    {"nearly text",
     {"Content-Type: textual/x"},
     "Content-Type: textual/x\r\n",
     "textual/x",
     false,
     0},
    {"text", {"Content-Type: text/"}, "Content-Type: text/\r\n", "text/", true, 0},
    {"cookies stay apart",
     {"Set-Cookie: a=b", "Set-Cookie: c=d"},
     "Set-Cookie: a=b\r\nSet-Cookie: c=d\r\n",
     "",
     false,
     0},
    {"one type is enough",
     {"Content-Type: a/b", "Content-Type: c/d"},
     "Content-Type: a/b\r\n",
     "a/b",
     false,
     0},
    {"what is a connection's",
     {"Connection: close, X-Hop", "X-Hop: 1", "Keep-Alive: 5", "Transfer-Encoding: chunked",
      "Trailer: x", "Upgrade: h2c", "Proxy-Authenticate: Basic", "A: b"},
     "A: b\r\n",
     "",
     false,
     0},
    {"what is ours",
     {"Content-Length: 5", "Sec-WebSocket-Accept: x", "Sec-WebSocket-Protocol: y",
      "X-Yc-Apigateway-Websocket-Connection-Id: z", "Alt-Svc: h3=\"evil:443\"", "Location: /x"},
     "Location: /x\r\n",
     "",
     false,
     0},
    {"no line of its own",
     {"A: 1\r\nX: y", "B: 2\nX: y", "C: 3\r", "D: 4\x01", "E: \t5\xff"},
     "E: \t5\xff\r\n",
     "",
     false,
     0},
    {"no names of nothing or something else",
     {": 1", "A B: 2", "C\r\nX: 3", "D\xff: 4", "E: 5"},
     "E: 5\r\n",
     "",
     false,
     0},
    {"a type that is none", {"Content-Type: a/b\r\nX: y"}, "", "", false, -EBADMSG},
};

static void test_answers(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(ANSWERS); i++) {
        struct bed_request b = {.request.n_headers = 0};
        for (size_t k = 0; k < MAX_LINES && ANSWERS[i].lines[k] != NULL; k++)
            bed_add(&b, ANSWERS[i].lines[k]);
        const struct outbound_answer from = {.status = 418,
                                             .headers = b.headers,
                                             .n_headers = b.request.n_headers,
                                             .body = SLICE_LIT("tea")};
        struct integration_answer a;
        integration_answer_init(&a);
        int r = integration_answer(&from, &a);
        if (r != ANSWERS[i].r)
            fail_msg("%s: got %d", ANSWERS[i].name, r);
        if (r == 0) {
            assert_int_equal(a.status, 418);
            bed_equal(ANSWERS[i].name, &a.headers, ANSWERS[i].headers);
            bed_equal(ANSWERS[i].name, &a.content_type, ANSWERS[i].type);
            bed_equal(ANSWERS[i].name, &a.body, "tea");
            assert_true(integration_is_text(&a) == ANSWERS[i].text);
        }
        integration_answer_fini(&a);
    }
}

static void test_long_answers(void **state)
{
    (void) state;
    static uint8_t text[100000];
    memset(text, 'a', sizeof(text));
    struct header header = {SLICE_LIT("A"), slice_of(text, sizeof(text))};
    struct outbound_answer from = {.status = 200, .headers = &header, .n_headers = 1};
    struct integration_answer a;
    integration_answer_init(&a);
    assert_int_equal(integration_answer(&from, &a), -EBADMSG);
    integration_answer_fini(&a);
    from.n_headers = 0;
    from.body = slice_of(text, sizeof(text));
    integration_answer_init(&a);
    assert_int_equal(integration_answer(&from, &a), 0);
    assert_true(slice_eq(buf_slice(&a.body), from.body));
    integration_answer_fini(&a);
    integration_answer_init(&a);
    mem_fail_at(1);
    assert_int_equal(integration_answer(&from, &a), -ENOMEM);
    mem_fail_at(0);
    integration_answer_fini(&a);
}

int main(void)
{
    static const struct CMUnitTest TESTS[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_long_answers),
    };
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
