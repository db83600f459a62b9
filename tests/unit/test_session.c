/* Tests of gateway/session.c: what an open WebSocket answers, and all its clocks. Deadlines of the
 * running loop are tested with short settings; which of several comes first, and what is due when,
 * with session_on_deadline() called at a time of the test's choice. */
#include "fixture.h"

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

/* A connection that cannot send: its peer does not read, and 4 MB wait for it. */
static struct client blocked_client(struct fixture *f, struct conn **ret)
{
    static uint8_t room[100000];
    struct client c = client_with_buffer(f->gateway_name, 4096);
    client_upgrade(f, &c, "/");
    c.deaf = true;
    *ret = client_conn(f, &c);
    for (unsigned n = 0; n < 40; n++)
        fixture_append(f, 0, fixture_payload(room, sizeof(room), n));
    fixture_wake(f, fixture_path(f, 0));
    FIXTURE_UNTIL(f, conn_blocked(*ret) && list_empty(&f->gateway->active));
    return c;
}

/* --- what the client sends --- */

static void test_ping(void **state)
{
    struct fixture *f = *state;
    struct client c = client_ws(f, "/");
    char payload[126];
    memset(payload, 'x', sizeof(payload));
    for (size_t len = 0; len <= 125; len += 25) {
        payload[len] = '\0';
        client_frame(f, &c, FRAME_PING, true, slice_str(payload));
        client_expect(f, &c, FRAME_PONG, payload);
        payload[len] = 'x';
    }
    client_frame(f, &c, FRAME_PONG, true, SLICE_LIT("nobody asked"));
    client_frame(f, &c, FRAME_PING, true, SLICE_LIT("1"));
    client_frame(f, &c, FRAME_PING, true, SLICE_LIT("2"));
    client_expect(f, &c, FRAME_PONG, "1");
    client_expect(f, &c, FRAME_PONG, "2");
    assert_int_equal(fixture_metric(f->gateway, M_PONGS_SENT), 8);
    client_free(&c);
}

/* While the socket is full only the newest pong waits, however many pings come. */
static void test_pings_while_blocked(void **state)
{
    struct fixture *f = *state;
    struct conn *conn;
    struct client c = blocked_client(f, &conn);
    char text[32];
    for (unsigned i = 0; i < 500; i++) {
        (void) snprintf(text, sizeof(text), "ping %u", i);
        client_frame(f, &c, FRAME_PING, true, slice_str(text));
    }
    FIXTURE_UNTIL(f, fixture_metric(f->gateway, M_PONGS_SENT) == 500);
    assert_true(conn_blocked(conn));
    assert_int_equal(conn->out->bytes.len, 0);
    assert_memory_equal(conn->out->pong + 2, "ping 499", 8);
    c.deaf = false;
    unsigned pongs = 0, messages = 0;
    while (messages < 40) {
        struct received got = {0};
        CLIENT_UNTIL(f, &c, client_peek(&c, &got) || c.eof);
        assert_true(got.size > 0);
        if (got.opcode == FRAME_PONG) {
            pongs++;
            assert_memory_equal(got.payload.data, "ping 499", 8);
        }
        messages += got.fin && got.opcode != FRAME_PONG;
        buf_consume(&c.in, got.size);
    }
    assert_int_equal(pongs, 1); /* between two messages, not inside one */
    client_free(&c);
}

/* Frames may come in one packet with the handshake; a flood of them before the 101 may not. */
static void test_early_frames(void **state)
{
    struct fixture *f = *state;
    struct client c = client_new(f->gateway_name);
    static const char EARLY[] = "GET /echo HTTP/1.1\r\n" WS_HEADERS "\x81\x82\0\0\0\0hi";
    client_send(f, &c, slice_of(EARLY, sizeof(EARLY) - 1));
    CLIENT_UNTIL(f, &c, client_head_end(&c) > 0);
    assert_memory_equal(c.in.data, "HTTP/1.1 101 ", 13);
    buf_consume(&c.in, client_head_end(&c));
    client_expect(f, &c, FRAME_TEXT, "hi");
    client_free(&c);

    static char flood[8192] = "GET /echo HTTP/1.1\r\n" WS_HEADERS;
    c = client_new(f->gateway_name);
    client_send(f, &c, slice_of(flood, sizeof(flood)));
    assert_int_equal(client_response(f, &c).status, 400);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_UPGRADE_EARLY), 1);
    client_free(&c);
}

static void test_echo(void **state)
{
    struct fixture *f = *state;
    struct client c = client_ws(f, "/echo");
    client_frame(f, &c, FRAME_TEXT, true, SLICE_LIT("hello"));
    client_expect(f, &c, FRAME_TEXT, "hello");
    client_frame(f, &c, FRAME_BINARY, true, SLICE_LIT("bin"));
    client_expect(f, &c, FRAME_BINARY, "bin");
    client_frame(f, &c, FRAME_TEXT, true, SLICE_LIT(""));
    client_expect(f, &c, FRAME_TEXT, "");
    client_frame(f, &c, FRAME_TEXT, false, SLICE_LIT("one "));
    client_frame(f, &c, FRAME_PING, true, SLICE_LIT("between"));
    client_frame(f, &c, 0, false, SLICE_LIT("two "));
    client_frame(f, &c, 0, true, SLICE_LIT("three"));
    client_expect(f, &c, FRAME_PONG, "between");
    client_expect(f, &c, FRAME_TEXT, "one two three");
    fixture_broadcast(f, 1, "from the path");
    client_expect(f, &c, FRAME_TEXT, "from the path");
    assert_int_equal(fixture_metric(f->gateway, M_INBOUND_MESSAGES), 4);
    assert_int_equal(fixture_metric(f->gateway, M_INBOUND_BYTES), 5 + 3 + 13);
    client_free(&c);
}

/* A client that sends and does not read its echoes is not read either: memory stays bounded by what
 * one read brings, and once it reads, all echoes come. */
static void test_echo_waits_for_its_reader(void **state)
{
    struct fixture *f = *state;
    struct client c = client_with_buffer(f->gateway_name, 4096);
    client_upgrade(f, &c, "/echo");
    c.deaf = true;
    struct conn *conn = client_conn(f, &c);
    static uint8_t room[10000];
    unsigned sent = 0, echoed = 0;
    for (; !conn->paused; sent++) {
        assert_true(sent < 2000);
        client_frame(f, &c, FRAME_TEXT, true, fixture_payload(room, sizeof(room), sent));
        fixture_step(f);
    }
    assert_true(conn_blocked(conn));
    for (; echoed < 10; echoed++, sent++) /* into the kernel's buffers */
        client_frame(f, &c, FRAME_TEXT, true, fixture_payload(room, sizeof(room), sent));
    fixture_idle(f, 20);
    assert_true(conn->paused);
    assert_true(conn->out == NULL || conn->out->bytes.len <= WORKER_READ_BYTES + sizeof(room));
    c.deaf = false;
    client_expect_run(f, &c, sizeof(room), 0, sent - 1);
    FIXTURE_UNTIL(f, !conn->paused);
    client_frame(f, &c, FRAME_TEXT, true, SLICE_LIT("on"));
    client_expect(f, &c, FRAME_TEXT, "on");
    client_free(&c);
}

/* A breach is answered with its code, counted under its name, and nothing after it is looked at. */
static void test_refusals(void **state)
{
    struct fixture *f = *state;
    static const uint8_t UNMASKED[] = {0x81, 0x02, 'h', 'i'}, RSV[] = {0xc1, 0x80, 0, 0, 0, 0};
    static const struct {
        const char *path;
        unsigned opcode;
        struct slice payload, raw;
        enum refuse why;
        unsigned code;
    } CASES[] = {
        {"/reject", FRAME_TEXT, SLICE_LIT("hi"), {0}, REFUSE_INBOUND, 1008},
        {"/reject", FRAME_BINARY, SLICE_LIT("hi"), {0}, REFUSE_INBOUND, 1003},
        {"/", FRAME_TEXT, SLICE_LIT("\xff"), {0}, REFUSE_UTF8, 1007},
        {"/", 3, SLICE_LIT(""), {0}, REFUSE_OPCODE, 1002},
        {"/", 0, SLICE_LIT("nothing to continue"), {0}, REFUSE_CONTINUATION, 1002},
        {"/", FRAME_CLOSE, SLICE_LIT("\x03\xed"), {0}, REFUSE_CLOSE_CODE, 1002},
        {"/", 0, {0}, {UNMASKED, sizeof(UNMASKED)}, REFUSE_MASK, 1002},
        {"/", 0, {0}, {RSV, sizeof(RSV)}, REFUSE_RSV, 1002},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct client c = client_ws(f, CASES[i].path);
        uint64_t before = fixture_refused(f->gateway, CASES[i].why);
        if (CASES[i].raw.len > 0)
            client_send(f, &c, CASES[i].raw);
        else
            client_frame(f, &c, CASES[i].opcode, true, CASES[i].payload);
        client_frame(f, &c, FRAME_PING, true, SLICE_LIT("still there?"));
        client_expect_close(f, &c, CASES[i].code, false);
        client_until_eof(f, &c);
        assert_int_equal(c.in.len, 0);
        assert_int_equal(fixture_refused(f->gateway, CASES[i].why), before + 1);
        assert_int_equal(fixture_metric(f->gateway, M_CLOSED_REFUSED), i + 1);
        client_free(&c);
    }
}

static void test_control_rate(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    f->cfg.gateway.max_control_rate = 20; /* 60 in a window of three seconds */
    fixture_start(f);
    struct client calm = client_ws(f, "/"), wild = client_ws(f, "/");
    for (int i = 0; i < 60; i++)
        client_frame(f, &calm, FRAME_PONG, true, SLICE_LIT(""));
    for (int i = 0; i < 130; i++) /* over the limit of two windows, whenever they turn */
        client_frame(f, &wild, FRAME_PONG, true, SLICE_LIT(""));
    client_expect_close(f, &wild, 1008, false);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_CTRL_RATE), 1);
    assert_non_null(client_conn(f, &calm));
    client_free(&calm);
    client_free(&wild);
    fixture_free(f);
}

static void test_message_rate(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    f->cfg.gateway.max_message_rate = 10;
    fixture_start(f);
    struct client calm = client_ws(f, "/"), wild = client_ws(f, "/");
    for (int i = 0; i < 10; i++)
        client_frame(f, &calm, FRAME_TEXT, true, SLICE_LIT("x"));
    for (int i = 0; i < 21; i++)
        client_frame(f, &wild, FRAME_TEXT, true, SLICE_LIT("x"));
    client_expect_close(f, &wild, 1008, false);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_RATE), 1);
    assert_non_null(client_conn(f, &calm));
    client_free(&calm);
    client_free(&wild);
    fixture_free(f);
}

/* A client that has its 101 gets everything that is broadcast from then on, also what comes before
 * the worker has done its next step: here, inside the send() of the 101. */
static struct fixture *broadcaster;

static ssize_t send_and_broadcast(struct conn *c, struct slice bytes)
{
    ssize_t n = TRANSPORT_TCP.send(c, bytes);
    if (bytes.len > 12 && memcmp(bytes.data, "HTTP/1.1 101", 12) == 0)
        fixture_broadcast(broadcaster, 0, "right behind the 101");
    return n;
}

static void test_nothing_is_missed_after_the_101(void **state)
{
    struct fixture *f = *state;
    struct transport eager = TRANSPORT_TCP;
    eager.send = send_and_broadcast;
    broadcaster = f;
    fixture_append(f, 0, SLICE_LIT("before"));
    struct client c = client_new(f->gateway_name);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 1);
    fixture_conn(f->gateway, CONN_REQUEST)->transport = &eager;
    client_upgrade(f, &c, "/");
    client_expect(f, &c, FRAME_TEXT, "right behind the 101");
    client_free(&c);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
}

/* --- closing --- */

static void test_close_by_the_client(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct slice payload;
        unsigned code; /* of the answer */
    } CASES[] = {
        {SLICE_LIT("\x03\xe8"), 1000},
        {SLICE_LIT("\x03\xe9going away"), 1001},
        {SLICE_LIT("\x0f\xa9"), 4009},
        {SLICE_LIT(""), 1005}, /* empty is answered with empty */
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct client c = client_ws(f, "/");
        fixture_append(f, 0, SLICE_LIT("before")); /* not swept yet, but it was there first */
        client_frame(f, &c, FRAME_CLOSE, true, CASES[i].payload);
        client_frame(f, &c, FRAME_TEXT, true, SLICE_LIT("after"));
        client_expect(f, &c, FRAME_TEXT, "before");
        client_expect_close(f, &c, CASES[i].code, false);
        client_until_eof(f, &c);
        assert_int_equal(c.error, 0);
        client_free(&c);
        FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
        assert_int_equal(fixture_metric(f->gateway, M_CLOSED_PEER), i + 1);
        assert_int_equal(fixture_metric(f->gateway, M_INBOUND_MESSAGES), 0);
    }
}

static void test_close_by_the_server(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    f->cfg.gateway.close_timeout_ms = 60;
    fixture_start(f);
    struct client c = client_ws(f, "/");
    fixture_append(f, 0, SLICE_LIT("before"));
    session_close(client_conn(f, &c), END_DONE, 4000, "because");
    client_expect(f, &c, FRAME_TEXT, "before");
    struct received got = {0};
    CLIENT_UNTIL(f, &c, client_peek(&c, &got));
    assert_int_equal(got.opcode, FRAME_CLOSE);
    assert_int_equal(got.payload.len, 9);
    assert_memory_equal(got.payload.data,
                        "\x0f\xa0"
                        "because",
                        9);
    assert_int_equal(f->gateway->n_conns, 1);   /* it waits for the peer's answer ... */
    FIXTURE_UNTIL(f, f->gateway->n_conns == 0); /* ... for a while */
    client_free(&c);
    fixture_free(f);
}

static void test_lost(void **state)
{
    struct fixture *f = *state;
    struct client a = client_ws(f, "/"), b = client_ws(f, "/");
    client_free(&a); /* FIN without a close frame */
    client_reset(&b);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    assert_int_equal(fixture_metric(f->gateway, M_CLOSED_LOST), 2);
}

/* --- clocks --- */

static void test_ping_and_pong_timeout(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    f->cfg.gateway.ping_interval_ms = 80;
    f->cfg.gateway.pong_timeout_ms = 250;
    fixture_start(f);
    struct client dead = client_ws(f, "/"), alive = client_ws(f, "/"), busy = client_ws(f, "/");
    for (int i = 0; i < 4; i++) { /* any byte proves that the peer lives, not only a pong */
        client_expect(f, &alive, FRAME_PING, "");
        client_frame(f, &alive, FRAME_PONG, true, SLICE_LIT(""));
        client_expect(f, &busy, FRAME_PING, "");
        client_frame(f, &busy, FRAME_TEXT, true, SLICE_LIT("x"));
    }
    client_until_eof(f, &dead);
    assert_int_equal(dead.error, ECONNRESET);
    assert_int_equal(dead.in.len, 2); /* one ping: no second before the first is answered */
    assert_int_equal(fixture_metric(f->gateway, M_CLOSED_PONG), 1);
    assert_non_null(client_conn(f, &alive));
    assert_non_null(client_conn(f, &busy));
    assert_true(fixture_metric(f->gateway, M_PINGS_SENT) >= 9);
    client_free(&dead);
    client_free(&alive);
    client_free(&busy);
    fixture_free(f);
}

/* A ping cannot be sent to a full socket; one that takes nothing for a whole interval is dead. */
static void test_ping_while_blocked(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    f->cfg.gateway.send_buffer_bytes = 65536;
    f->cfg.gateway.ping_interval_ms = 100;
    f->cfg.gateway.pong_timeout_ms = 1000;
    fixture_start(f);
    struct conn *conn;
    struct client c = blocked_client(f, &conn);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    assert_int_equal(fixture_metric(f->gateway, M_CLOSED_PONG), 1);
    client_free(&c);
    fixture_free(f);
}

/* One that takes a little now and then is slow, not dead: that is the path's policy to judge. */
static void test_slow_is_not_dead(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    f->cfg.gateway.send_buffer_bytes = 65536;
    f->cfg.gateway.ping_interval_ms = 400;
    f->cfg.gateway.pong_timeout_ms = 400;
    fixture_start(f);
    struct conn *conn;
    struct client c = blocked_client(f, &conn);
    for (uint64_t began = uv_hrtime(), last = 0; uv_hrtime() - began < 1600000000;) {
        static uint8_t some[4096];
        if (uv_hrtime() - last > 20000000) {
            last = uv_hrtime();
            assert_true(recv(c.fd, some, sizeof(some), MSG_DONTWAIT) > 0);
        }
        fixture_step(f);
        assert_int_equal(f->gateway->n_conns, 1);
    }
    client_free(&c);
    fixture_free(f);
}

/* A ping is due every interval also when that is shorter than the wait for the pong. */
static void test_pings_come_every_interval(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    f->cfg.gateway.ping_interval_ms = 50;
    f->cfg.gateway.pong_timeout_ms = 5000;
    fixture_start(f);
    struct client c = client_ws(f, "/");
    uint64_t began = uv_hrtime();
    for (int i = 0; i < 5; i++) {
        client_expect(f, &c, FRAME_PING, "");
        client_frame(f, &c, FRAME_PONG, true, SLICE_LIT(""));
    }
    assert_true(uv_hrtime() - began < 4000000000ull);
    client_free(&c);
    fixture_free(f);
}

static void test_idle_and_lifetime(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    f->cfg.gateway.idle_timeout_ms = 300;
    f->cfg.gateway.max_lifetime_ms = 900;
    fixture_start(f);
    struct client idle = client_ws(f, "/"), sender = client_ws(f, "/echo"),
                  receiver = client_ws(f, "/teams/x");
    uint64_t began = uv_hrtime();
    struct conn *x = client_conn(f, &sender), *y = client_conn(f, &receiver);
    while (x->state == CONN_OPEN || y->state == CONN_OPEN) { /* until their lifetime is over */
        if (x->state == CONN_OPEN)
            client_frame(f, &sender, FRAME_TEXT, true, SLICE_LIT("x"));
        if (y->state == CONN_OPEN)
            fixture_broadcast(f, 3, "y");
        assert_true(uv_hrtime() - began < 4000000000ull);
        fixture_idle(f, 20);
    }
    assert_true(uv_hrtime() - began >= 800 * 1000000ull);
    client_expect_close(f, &idle, 1001, false);
    client_expect_close(f, &sender, 1001, true);
    client_expect_close(f, &receiver, 1001, true);
    assert_int_equal(fixture_metric(f->gateway, M_CLOSED_IDLE), 1);
    assert_int_equal(fixture_metric(f->gateway, M_CLOSED_LIFETIME), 2);
    client_free(&idle);
    client_free(&sender);
    client_free(&receiver);
    fixture_free(f);
}

static void test_message_timeout(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    f->cfg.gateway.message_timeout_ms = 200;
    fixture_start(f);
    struct client half = client_ws(f, "/"), byte = client_ws(f, "/"), whole = client_ws(f, "/");
    client_frame(f, &half, FRAME_TEXT, false, SLICE_LIT("to be continued"));
    client_say(f, &byte, "\x81");
    for (int i = 0; i < 6; i++) { /* complete ones start the clock anew; control frames do not */
        client_frame(f, &whole, FRAME_TEXT, false, SLICE_LIT("a"));
        client_frame(f, &half, FRAME_PING, true, SLICE_LIT(""));
        fixture_idle(f, 45);
        client_frame(f, &whole, 0, true, SLICE_LIT("b"));
    }
    fixture_step(f);
    client_expect_close(f, &half, 1008, true);
    client_expect_close(f, &byte, 1008, false);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_MSG_TIMEOUT), 2);
    assert_non_null(client_conn(f, &whole));
    client_free(&half);
    client_free(&byte);
    client_free(&whole);
    fixture_free(f);
}

/* What is due first decides; each clock alone and against the others, at times of our choice. */
static void test_deadlines(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint64_t lifetime, idle, message, ping, pong, drain; /* from now; 0: not set */
        uint64_t due;
        enum metric end; /* METRIC_N: it stays open */
    } CASES[] = {
        {900, 800, 0, 700, 0, 0, 700, METRIC_N},
        {900, 800, 0, 700, 600, 0, 600, M_CLOSED_PONG},
        {900, 800, 500, 700, 0, 0, 500, M_CLOSED_REFUSED},
        {900, 400, 500, 700, 0, 0, 400, M_CLOSED_IDLE},
        {300, 400, 500, 700, 0, 0, 300, M_CLOSED_LIFETIME},
        {300, 400, 500, 700, 0, 200, 200, M_CLOSED_DRAIN},
        {300, 300, 300, 300, 300, 300, 300, M_CLOSED_DRAIN},
        {300, 300, 300, 300, 300, 0, 300, M_CLOSED_LIFETIME},
        {0, 0, 0, 0, 0, 0, UINT64_MAX, METRIC_N},
        {0, 0, 0, 50, 0, 0, 50, METRIC_N},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct client c = client_ws(f, "/");
        struct conn *conn = client_conn(f, &c);
        uint64_t now = uv_now(&f->gateway->loop), never = UINT64_MAX;
#define AT(ms) ((ms) == 0 ? never : now + (ms))
        f->cfg.gateway.idle_timeout_ms = CASES[i].idle;
        conn->active_ms = now;
        conn->lifetime_ms = AT(CASES[i].lifetime);
        conn->message_ms = AT(CASES[i].message);
        conn->ping_ms = AT(CASES[i].ping);
        conn->pong_ms = AT(CASES[i].pong);
        conn->awaiting_pong = CASES[i].pong != 0;
        conn->draining = CASES[i].drain != 0;
        conn->drain_ms = AT(CASES[i].drain);
        uint64_t due = CASES[i].due == never ? never : now + CASES[i].due;
        if (session_deadline(conn) != due)
            fail_msg("case %zu: due in %lld", i, (long long) (session_deadline(conn) - now));
        uint64_t pings = fixture_metric(f->gateway, M_PINGS_SENT);
        uint64_t at = due == never ? now + 1000000000 : due;
        session_on_deadline(conn, at - 1); /* a wheel that fires early finds nothing to do */
        assert_int_equal(conn->state, CONN_OPEN);
        assert_int_equal(fixture_metric(f->gateway, M_PINGS_SENT), pings);
        session_on_deadline(conn, at);
        if (CASES[i].end == METRIC_N) {
            assert_int_equal(conn->state, CONN_OPEN);
            assert_int_equal(fixture_metric(f->gateway, M_PINGS_SENT),
                             pings + (CASES[i].ping != 0));
        } else {
            assert_true(conn->state > CONN_OPEN);
            assert_int_equal(fixture_metric(f->gateway, CASES[i].end),
                             1 + (i >= 6)); /* twice: drain, lifetime */
        }
        f->cfg.gateway.idle_timeout_ms = 600000;
        client_free(&c);
        FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    }
}

/* Clocks of connections that were opened together run apart, by up to a tenth and never longer. */
static void test_jitter(void **state)
{
    struct fixture *f = *state;
    enum { N = 50 };
    struct client clients[N];
    uint64_t least = UINT64_MAX, most = 0, ping = f->cfg.gateway.ping_interval_ms,
             life = f->cfg.gateway.max_lifetime_ms;
    for (int i = 0; i < N; i++) {
        clients[i] = client_ws(f, "/");
        const struct conn *c = client_conn(f, &clients[i]);
        assert_in_range(c->ping_ms - c->opened_ms, ping - ping / 10, ping);
        uint64_t lifetime = c->lifetime_ms - c->opened_ms;
        assert_in_range(lifetime, life - life / 10, life);
        least = lifetime < least ? lifetime : least;
        most = lifetime > most ? lifetime : most;
    }
    assert_true(most - least > life / 50);
    for (int i = 0; i < N; i++)
        client_free(&clients[i]);
}

/* One that is to go at `due` but has not read everything yet is given until the end of the drain.
 */
static void test_drain_waits_for_laggards(void **state)
{
    struct fixture *f = *state;
    struct conn *conn;
    struct client c = blocked_client(f, &conn);
    uint64_t now = uv_now(&f->gateway->loop);
    f->shared.drain_code = 1012;
    f->gateway->drain_end_ms = now + 1000;
    session_drain(conn, now + 100);
    assert_int_equal(session_deadline(conn), now + 100);
    session_on_deadline(conn, now + 100);
    assert_int_equal(conn->state, CONN_OPEN);
    assert_in_range(session_deadline(conn), now + 101, now + 300); /* looks again */
    session_on_deadline(conn, now + 1000); /* the end: it has to go as it is */
    assert_int_equal(conn->state, CONN_CLOSING);
    c.deaf = false;
    client_expect_close(f, &c, 1012, true);
    client_free(&c);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_ping),
        WITH(test_pings_while_blocked),
        WITH(test_nothing_is_missed_after_the_101),
        WITH(test_early_frames),
        WITH(test_echo),
        WITH(test_echo_waits_for_its_reader),
        WITH(test_refusals),
        cmocka_unit_test(test_control_rate),
        cmocka_unit_test(test_message_rate),
        WITH(test_close_by_the_client),
        cmocka_unit_test(test_close_by_the_server),
        WITH(test_lost),
        cmocka_unit_test(test_ping_and_pong_timeout),
        cmocka_unit_test(test_ping_while_blocked),
        cmocka_unit_test(test_slow_is_not_dead),
        cmocka_unit_test(test_pings_come_every_interval),
        cmocka_unit_test(test_idle_and_lifetime),
        cmocka_unit_test(test_message_timeout),
        WITH(test_deadlines),
        WITH(test_jitter),
        WITH(test_drain_waits_for_laggards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
