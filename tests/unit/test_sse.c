/* Tests of gateway/sse.c: the life of a stream of events on a real worker. */
#include "sse_client.h"

#include "sse.h"

static int set_up(void **state)
{
    struct fixture *f = fixture_new();
    fixture_start(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture_free(*state);
    return 0;
}

static struct conn *conn_of(struct fixture *f, const struct client *c)
{
    struct conn *conn = client_conn(f, c);
    assert_non_null(conn);
    assert_true(conn->sse);
    return conn;
}

static void test_opens(void **state)
{
    struct fixture *f = *state;
    struct client c = sse_client(f, "/");
    struct conn *conn = conn_of(f, &c);
    assert_int_equal(conn->state, CONN_OPEN);
    assert_null(conn->http);
    assert_int_equal(fixture_metric(f->gateway, M_SSE_STREAMS), 1);
    assert_int_equal(fixture_metric(f->gateway, M_HANDSHAKES), 0);
    fixture_broadcast(f, 0, "hello");
    sse_expect(f, &c, "data: hello\n\n");
    client_free(&c); /* the only way to go, so it is one */
    FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    assert_int_equal(fixture_metric(f->gateway, M_CLOSED_PEER), 1);
}

/* What comes after the request is not read, and there may be little of it. */
static void test_input(void **state)
{
    struct fixture *f = *state;
    char room[SSE_UNREAD_MAX + 1];
    memset(room, 'x', sizeof(room));
    struct client c = sse_client(f, "/");
    client_send(f, &c, slice_of(room, 1000));
    client_send(f, &c, slice_of(room, SSE_UNREAD_MAX - 1000));
    struct conn *conn = conn_of(f, &c);
    FIXTURE_UNTIL(f, conn->unread_bytes == SSE_UNREAD_MAX);
    fixture_broadcast(f, 0, "hello");
    sse_expect(f, &c, "data: hello\n\n");
    client_send(f, &c, slice_of(room, 1));
    sse_expect(f, &c, "event: close\ndata: {\"code\":1008,\"reason\":\"sse_input\"}\n\n");
    client_until_eof(f, &c);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_SSE_INPUT), 1);
    client_free(&c);
    c = sse_asked(f, "/", 0);
    client_send(f, &c, slice_of(room, sizeof(room))); /* together with the request or soon after */
    client_until_eof(f, &c);
    client_free(&c);
}

/* Beats come at the times of pings; nobody answers them, and nobody is idle. */
static void test_beats(void **state)
{
    struct fixture *f = *state;
    f->cfg.gateway.ping_interval_ms = 20;
    f->cfg.gateway.pong_timeout_ms = 60000;
    f->cfg.gateway.idle_timeout_ms = 1;
    struct client c = sse_client(f, "/");
    for (int i = 0; i < 5; i++)
        sse_expect(f, &c, ":\n\n");
    struct conn *conn = conn_of(f, &c);
    assert_false(conn->awaiting_pong);
    assert_int_equal(conn->state, CONN_OPEN);
    client_free(&c);
}

/* Whose host acknowledges nothing is dead, and not who has had nothing to acknowledge for long: the
 * interval may have been an hour until a reload. (Here a full host is one: it acknowledges what it
 * has room for.) */
static void test_silent(void **state)
{
    struct fixture *f = *state;
    static char text[1 << 16];
    memset(text, 'x', sizeof(text) - 1);
    struct client c = sse_client(f, "/");
    struct conn *conn = conn_of(f, &c);
    fixture_idle(f, 20);
    sse_beat(conn, 1);
    assert_int_equal(conn->state, CONN_OPEN);
    sse_expect(f, &c, ":\n\n");
    while (!conn_blocked(conn))
        conn_send(conn, slice_str(text));
    fixture_idle(f, 20);
    sse_beat(conn, 0);
    sse_beat(conn, 60000);
    assert_int_equal(conn->state, CONN_OPEN);
    sse_beat(conn, 1);
    assert_int_equal(conn->state, CONN_CLOSED);
    assert_int_equal(fixture_metric(f->gateway, M_CLOSED_PONG), 1);
    client_until_eof(f, &c);
    assert_int_equal(c.error, ECONNRESET);
    client_free(&c);
}

static void test_closes(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum conn_end end;
        uint16_t code;
        const char *reason, *text;
        bool crowd;
    } CASES[] = {
        {END_API, 1000, "", "event: close\ndata: {\"code\":1000,\"reason\":\"\"}\n\n", false},
        {END_REFUSED, 4003, "token_revoked",
         "event: close\ndata: {\"code\":4003,\"reason\":\"token_revoked\"}\n\n", false},
        {END_LIFETIME, 1001, "lifetime",
         "event: close\ndata: {\"code\":1001,\"reason\":\"lifetime\"}\n\n", true},
        {END_PATH, 1001, "path removed",
         "event: close\ndata: {\"code\":1001,\"reason\":\"path removed\"}\n\n", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct client c = sse_client(f, "/");
        fixture_append(f, 0, SLICE_LIT("last")); /* what was broadcast before comes before */
        session_close(conn_of(f, &c), CASES[i].end, CASES[i].code, CASES[i].reason);
        sse_expect(f, &c, "data: last\n\n");
        client_until_eof(f, &c);
        char *text = xslicedup(buf_slice(&c.in));
        unsigned retry = 0;
        int len = 0;
        assert_int_equal(sscanf(text, "retry: %u\n\n%n", &retry, &len) == 1, CASES[i].crowd);
        assert_string_equal(text + len, CASES[i].text);
        free(text);
        client_free(&c);
        FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    }
}

static void test_retry(void **state)
{
    struct fixture *f = *state;
    static const uint64_t SPREADS[] = {0, 10, 4000, 30000};
    for (size_t i = 0; i < ARRAY_LEN(SPREADS); i++) {
        uint64_t most = 1000 + (SPREADS[i] > 4000 ? SPREADS[i] : 4000), low = most, high = 0;
        for (int n = 0; n < 2000; n++) {
            uint64_t ms = sse_retry_ms(f->gateway, SPREADS[i]);
            assert_in_range(ms, 1000, most);
            low = ms < low ? ms : low;
            high = ms > high ? ms : high;
        }
        assert_true(low < 1000 + most / 50 && high > most - most / 50);
    }
}

int main(void)
{
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_opens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_input, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_beats, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_silent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_closes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_retry, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
