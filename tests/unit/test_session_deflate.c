/* Tests of gateway/session.c, request.c and resume.c with permessage-deflate: who gets it, and what
 * becomes of what such a client sends. */
#include "fixture.h"

#define OFFER "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
#define HELLO "\xf2\x48\xcd\xc9\xc9\x07\x00"
#define RSV1  0x40u

static struct fixture *start(bool on)
{
    struct fixture *f = fixture_new();
    f->cfg.gateway.deflate = on;
    fixture_start(f);
    return f;
}

/* Opens a WebSocket and checks what the answer says of extensions. */
static struct client open_client(struct fixture *f, const char *path, const char *extra,
                                 const char *expect)
{
    char got[200];
    struct client c = client_new(f->gateway_name);
    client_shake(f, &c, path, extra);
    CLIENT_UNTIL(f, &c, client_head_end(&c) > 0 || c.eof);
    client_header(&c, "\r\nSec-WebSocket-Extensions", got, sizeof(got));
    assert_string_equal(got, expect);
    client_shaken(f, &c);
    return c;
}

static struct client deflate_client(struct fixture *f, const char *path)
{
    return open_client(f, path, OFFER,
                       "permessage-deflate; server_no_context_takeover; "
                       "client_no_context_takeover; client_max_window_bits=12");
}

static void test_who_gets_it(void **state)
{
    (void) state;
    static const struct {
        const char *path, *extra, *answer;
        bool on, deflate, small_window;
    } CASES[] = {
        {"/", "", "", true, false, false},
        {"/", OFFER, "", false, false, false},
        {"/", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n", "",
         true, false, false},
        {"/", "Sec-WebSocket-Extensions: permessage-deflate\r\n",
         "permessage-deflate; server_no_context_takeover; client_no_context_takeover", true, true,
         false},
        {"/?since=earliest", OFFER,
         "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
         "client_max_window_bits=12",
         true, true, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct fixture *f = start(CASES[i].on);
        struct client c = open_client(f, CASES[i].path, CASES[i].extra, CASES[i].answer);
        const struct conn *conn = client_conn(f, &c);
        assert_int_equal(conn->deflate, CASES[i].deflate);
        assert_int_equal(conn->small_window, CASES[i].small_window);
        assert_int_equal(atomic_load(&fixture_path(f, 0)->form_clients[FORM_DEFLATED]),
                         CASES[i].deflate);
        client_free(&c);
        fixture_free(f);
    }
}

static void test_echo(void **state)
{
    (void) state;
    struct fixture *f = start(true);
    struct client c = deflate_client(f, "/echo");
    client_frame(f, &c, RSV1 | FRAME_TEXT, true, slice_of(HELLO, 7));
    client_expect(f, &c, FRAME_TEXT, "Hello");
    client_frame(f, &c, FRAME_TEXT, true, SLICE_LIT("plain"));
    client_expect(f, &c, FRAME_TEXT, "plain");
    client_frame(f, &c, RSV1 | FRAME_BINARY, false, slice_of(HELLO, 2));
    struct conn *conn = client_conn(f, &c);
    FIXTURE_UNTIL(f, conn->ws != NULL);
    assert_true(conn->message_ms != UINT64_MAX);
    client_frame(f, &c, FRAME_PING, true, SLICE_LIT("between"));
    client_expect(f, &c, FRAME_PONG, "between");
    client_frame(f, &c, 0, true, slice_of(&HELLO[2], 5));
    client_expect(f, &c, FRAME_BINARY, "Hello");
    assert_null(conn->ws); /* nothing is held between messages */
    assert_int_equal(fixture_metric(f->gateway, M_INBOUND_MESSAGES), 3);
    assert_int_equal(fixture_metric(f->gateway, M_INFLATED_MESSAGES), 2);
    assert_int_equal(fixture_metric(f->gateway, M_INBOUND_BYTES), 15);
    client_free(&c);
    fixture_free(f);
}

static void test_refusals(void **state)
{
    (void) state;
    static const struct {
        bool negotiated;
        unsigned opcode;
        struct slice payload;
        unsigned code;
        enum refuse why;
    } CASES[] = {
        {false, RSV1 | FRAME_TEXT, {(const uint8_t *) HELLO, 7}, 1002, REFUSE_RSV},
        {true, RSV1 | FRAME_PING, {(const uint8_t *) HELLO, 7}, 1002, REFUSE_RSV},
        {true, 0x20 | FRAME_TEXT, {(const uint8_t *) HELLO, 7}, 1002, REFUSE_RSV},
        {true, RSV1 | FRAME_TEXT, {(const uint8_t *) HELLO, 3}, 1007, REFUSE_DEFLATE},
        {true, RSV1 | FRAME_TEXT, {(const uint8_t *) "\x06", 1}, 1007, REFUSE_DEFLATE},
        {true,
         RSV1 | FRAME_TEXT,
         {(const uint8_t *) "\x00\x01\x00\xfe\xff\xc0\x00", 7},
         1007,
         REFUSE_UTF8},
        {true, /* 401 bytes */
         RSV1 | FRAME_TEXT,
         {(const uint8_t *) "\x4a\x4c\x1c\x05\x83\x0a\x00\x00", 8},
         1009,
         REFUSE_MESSAGE_SIZE},
    };
    struct fixture *f = fixture_new();
    f->cfg.gateway.deflate = 1;
    f->paths[0].max_message_bytes = f->paths[0].max_frame_bytes = 400;
    fixture_start(f);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct client c =
            CASES[i].negotiated ? deflate_client(f, "/") : open_client(f, "/", "", "");
        uint64_t before = fixture_refused(f->gateway, CASES[i].why);
        client_frame(f, &c, CASES[i].opcode, true, CASES[i].payload);
        client_expect_close(f, &c, CASES[i].code, false);
        assert_int_equal(fixture_refused(f->gateway, CASES[i].why), before + 1);
        client_free(&c);
    }
    assert_int_equal(fixture_metric(f->gateway, M_INFLATED_MESSAGES), 0);
    fixture_free(f);
}

/* Half of a deflated message is cut off by the end of its connection, of whatever kind. */
static void test_half_received(void **state)
{
    (void) state;
    struct fixture *f = start(true);
    for (unsigned i = 0; i < 3; i++) {
        struct client c = deflate_client(f, "/");
        struct conn *conn = client_conn(f, &c);
        client_frame(f, &c, RSV1 | FRAME_TEXT, false, slice_of(HELLO, 3));
        FIXTURE_UNTIL(f, conn->ws != NULL);
        if (i == 0) {
            client_reset(&c);
        } else if (i == 1) {
            client_frame(f, &c, FRAME_CLOSE, true, SLICE_LIT("\x03\xe8"));
            client_expect_close(f, &c, 1000, false);
        } else {
            session_close(conn, END_DONE, 1001, "");
            client_expect_close(f, &c, 1001, false);
        }
        client_free(&c);
    }
    fixture_free(f); /* would tell of an inflater that was not given back: the leak checker does */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_gets_it),
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_half_received),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
