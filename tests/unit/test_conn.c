/* Tests of gateway/conn.c: states, identity, caps at accept, bytes that wait, and all ways to end.
 */
#include "fixture.h"

#include "grpc.h"
#include "request.h"

#include <signal.h>
#include <sys/wait.h>

static int setup(void **state)
{
    struct fixture *f = fixture_new();
    f->cfg.gateway.send_buffer_bytes = 65536;
    fixture_start(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

/* An idle connection is this struct, its slot, its place in the group and nothing else. */
static void test_size(void **state)
{
    struct fixture *f = *state;
    assert_true(sizeof(struct conn) <= 640);
    assert_true(sizeof(struct conn) + sizeof(struct member) * 2 + sizeof(struct conn *) * 2 +
                    sizeof(uint32_t) * 2 <=
                1024); /* arrays that grow by doubling may be half empty */
    struct client c = client_ws(f, "/");
    fixture_broadcast(f, 0, "hello");
    client_expect(f, &c, FRAME_TEXT, "hello");
    client_frame(f, &c, FRAME_TEXT, true, SLICE_LIT("hi"));
    client_frame(f, &c, FRAME_PING, true, SLICE_LIT("?"));
    client_expect(f, &c, FRAME_PONG, "?");
    const struct conn *conn = client_conn(f, &c);
    assert_true(conn->http == NULL && conn->exchange == NULL && conn->out == NULL &&
                conn->rest == NULL && conn->unread == NULL && conn->ws == NULL);
    client_free(&c);
}

/* --- states --- */

static const char *const NAMES[CONN_N_STATES] = {"proxy",    "tls",       "request", "body",
                                                 "handling", "keepalive", "open",    "serving",
                                                 "closing",  "closed"};

/* What may follow what, in the order of enum conn_state. */
static const char *const MAY[CONN_N_STATES] = {
    /*           PTRBHKOScC */
    /* proxy */ ".**.....**",
    /* tls */ "..*.....**",
    /* request */ "...*******",
    /* body */ "....*...**",
    /* handling */ "....***.**",
    /* keepalive */ "..*.....**",
    /* open */ "........**",
    /* serving */ "........**",
    /* closing */ ".........*",
    /* closed */ "..........",
};

/* Tries one transition in a process of its own: a wrong one aborts. */
static bool possible(struct conn *c, enum conn_state from, enum conn_state to)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void) close(2); /* the message of the assertion */
        (void) signal(SIGABRT, SIG_DFL);
        if (to == CONN_SERVING)
            grpc_received(c, (struct slice){0}); /* it has a session then */
        c->state = (uint8_t) from;
        conn_set_state(c, to);
        _exit(c->state == to ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true((WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
                (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT));
    return WIFEXITED(status);
}

static void test_transitions(void **state)
{
    struct fixture *f = *state;
    struct client client = client_ws(f, "/");
    struct conn *c = client_conn(f, &client);
    for (int from = 0; from < CONN_N_STATES; from++) {
        assert_string_equal(conn_state_name((enum conn_state) from), NAMES[from]);
        for (int to = 0; to < CONN_N_STATES; to++) {
            bool want = MAY[from][to] == '*';
            if (possible(c, (enum conn_state) from, (enum conn_state) to) != want)
                fail_msg("%s -> %s should be %s", NAMES[from], NAMES[to],
                         want ? "possible" : "impossible");
        }
    }
    client_free(&client);
}

/* --- identity --- */

static void test_handshake_timeout(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    f->cfg.gateway.handshake_timeout_ms = 100;
    fixture_start(f);
    struct client silent = client_new(f->gateway_name), slow = client_new(f->gateway_name),
                  quick = client_ws(f, "/");
    uint64_t began = uv_hrtime();
    client_say(f, &slow, "GET / HTTP/1.1\r\nHost: a\r\n");
    struct response r = client_response(f, &silent);
    assert_int_equal(r.status, 408);
    assert_int_equal(client_response(f, &slow).status, 408);
    assert_true(uv_hrtime() - began >= 80 * 1000000ull);
    client_until_eof(f, &silent);
    client_until_eof(f, &slow);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_SLOW_HEADER), 2);
    fixture_idle(f, 100);
    assert_non_null(client_conn(f, &quick)); /* the limit was the handshake's */
    client_free(&silent);
    client_free(&slow);
    client_free(&quick);
    fixture_free(f);
}

/* --- bytes that wait --- */

static struct client blocked_client(struct fixture *f, struct conn **ret, size_t *ret_len)
{
    struct client c = client_with_buffer(f->gateway_name, 4096);
    client_upgrade(f, &c, "/");
    c.deaf = true;
    *ret = client_conn(f, &c);
    static uint8_t zeros[1000];
    uint8_t frame[1004] = {0x82, 126, 1000 >> 8, 1000 & 0xff};
    memcpy(frame + 4, zeros, sizeof(zeros));
    for (*ret_len = 0; !conn_blocked(*ret); *ret_len += sizeof(frame))
        conn_send(*ret, slice_of(frame, sizeof(frame)));
    return c;
}

/* In the order they were sent, behind what was cut; of pongs only the newest. */
static void test_send_while_blocked(void **state)
{
    struct fixture *f = *state;
    struct conn *conn;
    size_t len;
    struct client c = blocked_client(f, &conn, &len);
    assert_null(conn->rest->seg); /* our own bytes: a copy */
    uint8_t frame[FRAME_MAX_CONTROL];
    char text[32];
    for (int i = 0; i < 100; i++) {
        (void) snprintf(text, sizeof(text), "pong %02d", i);
        conn_send_pong(conn, slice_of(frame, frame_control(frame, FRAME_PONG, slice_str(text))));
    }
    for (int i = 0; i < 3; i++) {
        (void) snprintf(text, sizeof(text), "ping %d", i);
        conn_send(conn, slice_of(frame, frame_control(frame, FRAME_PING, slice_str(text))));
    }
    assert_int_equal(conn->out->pong_len, 9);
    assert_int_equal(conn->out->bytes.len, 3 * 8);
    c.deaf = false;
    CLIENT_UNTIL(f, &c, c.in.len == len + 9 + 3 * 8);
    buf_consume(&c.in, len);
    client_expect(f, &c, FRAME_PONG, "pong 99");
    client_expect(f, &c, FRAME_PING, "ping 0");
    client_expect(f, &c, FRAME_PING, "ping 1");
    client_expect(f, &c, FRAME_PING, "ping 2");
    FIXTURE_UNTIL(f, !conn_blocked(conn));
    assert_null(conn->out);
    fixture_broadcast(f, 0, "and the path goes on");
    client_expect(f, &c, FRAME_TEXT, "and the path goes on");
    client_free(&c);
}

static void test_out_limit(void **state)
{
    struct fixture *f = *state;
    struct conn *conn;
    size_t len;
    struct client c = blocked_client(f, &conn, &len);
    static uint8_t zeros[100000];
    for (size_t n = 0; conn->state == CONN_OPEN; n += sizeof(zeros)) {
        assert_true(n <= OUT_LIMIT + f->paths[0].max_message_bytes);
        conn_send(conn, slice_of(zeros, sizeof(zeros)));
    }
    assert_int_equal(conn->end, END_SLOW);
    conn_send(conn, SLICE_LIT("x")); /* closed: harmless */
    FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    client_free(&c);
}

static void test_no_memory_for_the_rest(void **state)
{
    struct fixture *f = *state;
    struct client c = client_with_buffer(f->gateway_name, 4096);
    client_upgrade(f, &c, "/");
    c.deaf = true;
    struct conn *conn = client_conn(f, &c);
    static uint8_t zeros[1 << 20];
    mem_fail_at(1);
    while (conn->state == CONN_OPEN)
        conn_send(conn, slice_of(zeros, sizeof(zeros)));
    mem_fail_at(0);
    assert_int_equal(conn->end, END_LOST);
    assert_null(conn->rest);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    client_free(&c);
}

/* --- the end --- */

/* Whatever waited leaves before the FIN, and the peer has its time to read it. */
static void test_linger(void **state)
{
    struct fixture *f = *state;
    struct conn *conn;
    size_t len;
    struct client c = blocked_client(f, &conn, &len);
    conn_send(conn, SLICE_LIT("last words"));
    conn_linger(conn, END_DONE, 5000);
    conn_linger(conn, END_SLOW, 0); /* twice is fine: the first counts */
    assert_int_equal(conn->state, CONN_CLOSING);
    assert_int_equal(conn->end, END_DONE);
    assert_null(conn->group);
    fixture_idle(f, 30);
    assert_int_equal(conn->state, CONN_CLOSING);
    c.deaf = false;
    client_until_eof(f, &c);
    assert_int_equal(c.error, 0);
    assert_int_equal(c.in.len, len + 10);
    assert_int_equal(f->gateway->n_conns, 1); /* our FIN is out; it waits for the peer's */
    client_say(f, &c, "thrown away");
    fixture_step(f);
    client_free(&c);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
}

static void test_linger_ends(void **state)
{
    struct fixture *f = *state;
    struct conn *conn;
    size_t len;
    struct client c = blocked_client(f, &conn, &len), d = client_ws(f, "/");
    conn_linger(conn, END_DONE, 50);               /* blocked all the time */
    conn_linger(client_conn(f, &d), END_DONE, 50); /* all sent, but the peer does not close */
    FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    c.deaf = false;
    client_until_eof(f, &c);
    assert_int_equal(c.error, ECONNRESET); /* the kernel keeps nothing for it */
    client_free(&c);
    client_free(&d);
}

static void test_close_and_reset(void **state)
{
    struct fixture *f = *state;
    struct client a = client_ws(f, "/"), b = client_ws(f, "/");
    struct conn *x = client_conn(f, &a), *y = client_conn(f, &b);
    conn_close(x, END_IDLE);
    conn_close(x, END_SLOW);
    conn_reset(x, END_SLOW);
    conn_linger(x, END_SLOW, 1000);
    assert_int_equal(x->end, END_IDLE);
    assert_int_equal(x->state, CONN_CLOSED);
    conn_reset(y, END_PONG);
    client_until_eof(f, &a);
    client_until_eof(f, &b);
    assert_int_equal(a.error, 0);
    assert_int_equal(b.error, ECONNRESET);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    assert_int_equal(fixture_metric(f->gateway, M_CLOSED_IDLE), 1);
    assert_int_equal(fixture_metric(f->gateway, M_CLOSED_PONG), 1);
    assert_int_equal(fixture_metric(f->gateway, M_CLOSED_SLOW), 0);
    client_free(&a);
    client_free(&b);
}

/* The peer goes (FIN, reset) after each byte of its handshake. */
static void test_peer_goes_anywhere(void **state)
{
    struct fixture *f = *state;
    static const char REQUEST[] = "GET / HTTP/1.1\r\n" WS_HEADERS;
    for (size_t len = 0; len < sizeof(REQUEST);
         len += len < 20 || len > sizeof(REQUEST) - 5 ? 1 : 7) {
        for (int how = 0; how < 2; how++) {
            struct client c = client_new(f->gateway_name);
            client_send(f, &c, slice_of(REQUEST, len));
            if (len % 2 == 0)
                fixture_step(f);
            if (how == 0)
                client_reset(&c);
            else
                client_free(&c);
        }
    }
    FIXTURE_UNTIL(f, f->gateway->n_conns == 0 &&
                         fixture_metric(f->gateway, M_CONNECTIONS_ACCEPTED) > 10);
    assert_int_equal(f->shared.caps[LISTENER_GATEWAY].half_open, 0);
    assert_int_equal(f->gateway->groups[0]->n, 0);
    struct client c = client_ws(f, "/"); /* it still serves */
    client_free(&c);
}

/* A peer that has sent its FIN still reads: what waits for it is not thrown away. */
static void test_half_closed_peer_gets_the_rest(void **state)
{
    struct fixture *f = *state;
    struct conn *conn;
    size_t len;
    struct client c = blocked_client(f, &conn, &len);
    conn_linger(conn, END_DONE, 5000);
    assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
    fixture_idle(f, 30);
    c.deaf = false;
    client_until_eof(f, &c);
    assert_int_equal(c.error, 0);
    assert_int_equal(c.in.len, len);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 0); /* both have said FIN: at once */
    client_free(&c);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_size),
        WITH(test_transitions),
        cmocka_unit_test(test_handshake_timeout),
        WITH(test_send_while_blocked),
        WITH(test_out_limit),
        WITH(test_no_memory_for_the_rest),
        WITH(test_linger),
        WITH(test_linger_ends),
        WITH(test_close_and_reset),
        WITH(test_peer_goes_anywhere),
        WITH(test_half_closed_peer_gets_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
