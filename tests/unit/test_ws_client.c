/* Tests of gateway/cli/ws_client.c: the other side is a socket of the test's own. */
#include "ws_client.h"

#include "clock.h"
#include "ws_accept.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define TURNS 2000

struct scene {
    int listener, peer;
    struct ws_url url;
    struct ws_client *c;
    struct ws_client_end end;
    bool over, opened;
    unsigned messages;
    char text[4096]; /* of the last message */
};

static void on_open(void *arg, const struct ws_answer *answer)
{
    struct scene *s = arg;
    assert_int_equal(answer->status, 101);
    s->opened = true;
}

static void on_message(void *arg, struct slice text)
{
    struct scene *s = arg;
    s->messages++;
    (void) snprintf(s->text, sizeof(s->text), "%.*s", (int) text.len, (const char *) text.data);
}

static void turn(struct scene *s, bool read)
{
    struct pollfd fd;
    int timeout = ws_client_poll(s->c, read, &fd);
    assert_true(poll(&fd, 1, timeout < 5 ? timeout : 5) >= 0);
    s->over = ws_client_step(s->c, fd.revents, &s->end) != 0;
}

static void open_scene(struct scene *s, const char *headers)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof(at);
    char url[64];
    const char *why;
    *s = (struct scene){.peer = -1};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *) &at, sizeof(at)), 0);
    assert_int_equal(listen(s->listener, 1), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *) &at, &len), 0);
    (void) snprintf(url, sizeof(url), "ws://127.0.0.1:%u/a?b=c", ntohs(at.sin_port));
    assert_int_equal(ws_url_parse(url, &s->url, &why), 0);
    const struct ws_client_options options = {.url = &s->url,
                                              .headers = headers,
                                              .protocol = "p",
                                              .on_open = on_open,
                                              .on_message = on_message,
                                              .arg = s};
    s->c = ws_client_new(&options);
}

static void close_scene(struct scene *s)
{
    ws_client_free(s->c);
    if (s->peer >= 0)
        (void) close(s->peer);
    (void) close(s->listener);
}

/* Reads what the client has sent until `enough` bytes are there, or an empty line. */
static size_t receive(struct scene *s, char *to, size_t size, size_t enough)
{
    size_t n = 0;
    for (int i = 0; i < TURNS && n < size; i++) {
        if (!s->over)
            turn(s, true);
        ssize_t got = recv(s->peer, to + n, size - n, MSG_DONTWAIT);
        n += got > 0 ? (size_t) got : 0;
        if (enough > 0 ? n >= enough : n > 4 && memmem(to, n, "\r\n\r\n", 4) != NULL)
            return n;
    }
    fail_msg("it has sent %zu bytes only", n);
    return 0;
}

static void read_request(struct scene *s, char request[4096])
{
    turn(s, true);
    s->peer = accept(s->listener, NULL, NULL);
    assert_true(s->peer >= 0);
    request[receive(s, request, 4095, 0)] = '\0';
}

static void send_bytes(struct scene *s, const void *bytes, size_t len)
{
    assert_int_equal(send(s->peer, bytes, len, MSG_NOSIGNAL), (ssize_t) len);
}

/* Answers 101, with bytes of the first frames right behind. */
static void let_in(struct scene *s, const char *behind, size_t len)
{
    char request[4096], answer[4096], accepted[WS_ACCEPT_SIZE];
    read_request(s, request);
    const char *key = strstr(request, "Sec-WebSocket-Key: ");
    assert_non_null(key);
    ws_accept(slice_of(key + strlen("Sec-WebSocket-Key: "), WS_KEY_LEN), accepted);
    int n = snprintf(answer, sizeof(answer),
                     "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Accept: %s\r\n\r\n",
                     accepted);
    memcpy(answer + n, behind, len);
    send_bytes(s, answer, (size_t) n + len);
    for (int i = 0; i < TURNS && !s->opened; i++)
        turn(s, true);
    assert_true(s->opened);
}

static void run_to_end(struct scene *s)
{
    for (int i = 0; i < TURNS && !s->over; i++)
        turn(s, true);
    assert_true(s->over);
}

static void check_end(const struct scene *s, enum ws_client_how how, unsigned status,
                      const char *text)
{
    assert_true(s->over);
    assert_int_equal(s->end.how, how);
    assert_int_equal(s->end.status, status);
    assert_string_equal(s->end.text, text);
}

static void test_request(void **state)
{
    (void) state;
    struct scene s;
    char request[4096];
    open_scene(&s, "X-A: b\r\n");
    read_request(&s, request);
    assert_ptr_equal(strstr(request, "GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:"), request);
    static const char *const LINES[] = {"Upgrade: websocket", "Connection: Upgrade",
                                        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: p",
                                        "X-A: b"};
    for (size_t i = 0; i < ARRAY_LEN(LINES); i++)
        assert_non_null(strstr(request, LINES[i]));
    const char *answer = "HTTP/1.1 503 x\r\nRetry-After: 3\r\n\r\n";
    send_bytes(&s, answer, strlen(answer));
    run_to_end(&s);
    check_end(&s, WS_REFUSED, 503, "HTTP status 503");
    assert_int_equal(s.end.retry_after_ms, 3000);
    close_scene(&s);
}

static void test_messages_and_ping(void **state)
{
    (void) state;
    struct scene s;
    char got[64];
    open_scene(&s, "");
    let_in(&s, "\x81\x02hi\x89\x01p\x82\x01z", 10); /* a text, a ping, something binary */
    size_t n = receive(&s, got, sizeof(got), 7);
    assert_int_equal(n, 7);
    assert_memory_equal(got, "\x8a\x81", 2); /* a pong, masked */
    assert_int_equal(got[6] ^ got[2], 'p');
    assert_int_equal(s.messages, 1);
    assert_string_equal(s.text, "hi");
    send_bytes(&s, "\x01\x02wo\x80\x02ho", 8);
    for (int i = 0; i < TURNS && s.messages < 2; i++)
        turn(&s, true);
    assert_string_equal(s.text, "woho");
    ws_client_close(s.c, 1000);
    n = receive(&s, got, sizeof(got), 8);
    assert_int_equal((uint8_t) got[0], 0x88);
    close_scene(&s);
}

/* Codes that wslay does not know are told as they came. */
static void test_closes(void **state)
{
    (void) state;
    static const struct {
        const char *frame;
        size_t len;
        enum ws_client_how how;
        unsigned status;
        const char *text;
    } CASES[] = {
        {"\x88\x02\x03\xf4", 4, WS_CLOSED, 1012, ""},
        {"\x88\x05\x0f\xa9zyx", 7, WS_CLOSED, 4009, "zyx"},
        {"\x88\x04\x03\xe8\x1b\x07", 6, WS_CLOSED, 1000, "??"},
        {"\x88", 2, WS_CLOSED, 1005, ""},
        {"\x81\x02\xff\xff", 4, WS_FAILED, 0, "the server broke the WebSocket protocol"},
        {"\x81\x81mask!", 7, WS_FAILED, 0, "the server broke the WebSocket protocol"},
        {"\x83", 2, WS_FAILED, 0, "the server broke the WebSocket protocol"},
        {"\xc1", 2, WS_FAILED, 0, "the server broke the WebSocket protocol"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct scene s;
        open_scene(&s, "");
        let_in(&s, "", 0);
        send_bytes(&s, CASES[i].frame, CASES[i].len);
        run_to_end(&s);
        check_end(&s, CASES[i].how, CASES[i].status, CASES[i].text);
        assert_int_equal(s.messages, 0);
        close_scene(&s);
    }
}

static void test_losses(void **state)
{
    (void) state;
    struct scene s;
    open_scene(&s, "");
    let_in(&s, "\x81\x05he", 4);
    assert_int_equal(shutdown(s.peer, SHUT_RDWR), 0);
    run_to_end(&s);
    check_end(&s, WS_CLOSED, 1006, "the connection was lost");
    close_scene(&s);

    char request[4096];
    open_scene(&s, "");
    read_request(&s, request);
    assert_int_equal(shutdown(s.peer, SHUT_RDWR), 0);
    run_to_end(&s);
    check_end(&s, WS_FAILED, 0, "the connection was closed before an answer came");
    close_scene(&s);

    open_scene(&s, "");
    (void) close(s.listener);
    ws_client_free(s.c);
    const struct ws_client_options options = {.url = &s.url, .headers = "", .protocol = "p"};
    s.c = ws_client_new(&options);
    run_to_end(&s);
    check_end(&s, WS_FAILED, 0, "connection refused");
    ws_client_free(s.c);
}

static void test_head_without_end(void **state)
{
    (void) state;
    struct scene s;
    char request[4096];
    open_scene(&s, "");
    read_request(&s, request);
    send_bytes(&s, "HTTP/1.1 101 x\r\n", 16);
    for (int i = 0; i < 3000 && !s.over; i++) {
        (void) send(s.peer, "A: bcdefgh\r\n", 12, MSG_NOSIGNAL);
        turn(&s, true);
    }
    check_end(&s, WS_FAILED, 0, "the answer's head is too long");
    close_scene(&s);
}

/* Who does not read is no reason to take the server for dead; a silent server is. */
static void test_silence(void **state)
{
    (void) state;
    struct scene s;
    char got[64];
    open_scene(&s, "");
    let_in(&s, "", 0);
    uint64_t now = clock_mono_ms();
    clock_freeze(now + 10 * WS_CLIENT_SILENCE_MS, 0);
    turn(&s, false);
    assert_false(s.over);
    clock_freeze(now + 10 * WS_CLIENT_SILENCE_MS + WS_CLIENT_PING_MS, 0);
    assert_int_equal(receive(&s, got, sizeof(got), 6), 6);
    assert_int_equal((uint8_t) got[0], 0x89);
    send_bytes(&s, "\x8a", 2);
    for (int i = 0; i < 20; i++)
        turn(&s, true);
    clock_freeze(now + 11 * WS_CLIENT_SILENCE_MS + WS_CLIENT_PING_MS - 1, 0);
    turn(&s, true);
    assert_false(s.over);
    clock_freeze(now + 11 * WS_CLIENT_SILENCE_MS + WS_CLIENT_PING_MS + 2, 0);
    turn(&s, true);
    check_end(&s, WS_FAILED, 0, "the server has fallen silent");
    clock_unfreeze();
    close_scene(&s);

    char request[4096];
    open_scene(&s, "");
    read_request(&s, request);
    clock_freeze(clock_mono_ms() + WS_CLIENT_OPEN_MS + 1000, 0);
    turn(&s, true);
    clock_unfreeze();
    check_end(&s, WS_FAILED, 0, "no answer in time");
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),          cmocka_unit_test(test_messages_and_ping),
        cmocka_unit_test(test_closes),           cmocka_unit_test(test_losses),
        cmocka_unit_test(test_head_without_end), cmocka_unit_test(test_silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
