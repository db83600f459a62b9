/* Tests of gateway/fanout.c: sweeps, coalescing, full sockets, slow consumers. */
#include "fixture.h"

#define LEN       10000 /* payload of the messages that fill sockets */
#define FRAME_LEN (LEN + 4)

static struct fixture *start(enum config_slow policy, uint64_t max_lag_bytes, uint64_t max_lag_ms,
                             uint64_t history_bytes)
{
    struct fixture *f = fixture_new();
    f->cfg.gateway.send_buffer_bytes = 65536;
    f->paths[0].slow_consumer = policy;
    f->paths[0].max_lag_bytes = max_lag_bytes;
    f->paths[0].max_lag_ms = max_lag_ms;
    f->paths[0].history_bytes = f->paths[0].memory_bytes = history_bytes;
    fixture_start(f);
    return f;
}

static void append_run(struct fixture *f, unsigned first, unsigned last)
{
    static uint8_t room[LEN];
    for (unsigned n = first; n <= last; n++)
        fixture_append(f, 0, fixture_payload(room, LEN, n));
    fixture_wake(f, fixture_path(f, 0));
}

/* A client that does not read, and its connection. */
static struct client deaf_client(struct fixture *f, struct conn **ret)
{
    struct client c = client_with_buffer(f->gateway_name, 4096);
    client_upgrade(f, &c, "/");
    c.deaf = true;
    *ret = client_conn(f, &c);
    assert_non_null(*ret);
    return c;
}

static bool swept(const struct fixture *f)
{
    return f->gateway->dirty == NULL && list_empty(&f->gateway->active);
}

/* --- sending --- */

static void test_everyone_gets_everything(void **state)
{
    (void) state;
    struct fixture *f = start(SLOW_CLOSE, 64 << 20, 60000, 64 << 20);
    enum { N = 150, MESSAGES = 50 };
    static struct client clients[N];
    for (int i = 0; i < N; i++)
        clients[i] = client_ws(f, "/");
    for (unsigned n = 0; n < MESSAGES; n++) {
        append_run(f, n, n);
        fixture_step(f);
    }
    for (int i = 0; i < N; i++) {
        client_expect_run(f, &clients[i], LEN, 0, MESSAGES - 1);
        assert_int_equal(clients[i].in.len, 0);
        client_free(&clients[i]);
    }
    const struct group *g = f->gateway->groups[0];
    assert_int_equal(g->frames, N * MESSAGES);
    assert_int_equal(g->bytes, (uint64_t) N * MESSAGES * FRAME_LEN);
    fixture_free(f);
}

static uint64_t observed(const struct fixture *f, enum metrics_histogram h)
{
    uint64_t n = 0;
    for (size_t i = 0; i <= METRICS_BUCKETS; i++)
        n += f->gateway->metrics.histogram[h].bucket[i];
    return n;
}

/* From the wake to the pass's end, and only where a wake led to it. */
static void test_broadcast_time(void **state)
{
    (void) state;
    struct fixture *f = start(SLOW_CLOSE, 64 << 20, 60000, 64 << 20);
    struct client c = client_ws(f, "/");
    assert_int_equal(observed(f, H_BROADCAST), 0);
    fixture_append(f, 0, SLICE_LIT("one"));
    uint64_t woken_us = uv_hrtime() / 1000;
    fixture_wake(f, fixture_path(f, 0));
    while (uv_hrtime() / 1000 - woken_us < 30000)
        ; /* the worker is late by so much */
    client_expect(f, &c, FRAME_TEXT, "one");
    FIXTURE_UNTIL(f, swept(f));
    assert_int_equal(observed(f, H_BROADCAST), 1);
    assert_true(f->gateway->metrics.histogram[H_BROADCAST].sum >= 30000);
    assert_true(f->gateway->metrics.histogram[H_SWEEP].sum < 30000);
    fanout_start(f->gateway->groups[0]); /* a pass of the worker's own */
    FIXTURE_UNTIL(f, swept(f));
    assert_int_equal(observed(f, H_BROADCAST), 1);
    assert_int_equal(observed(f, H_SWEEP), 2);
    client_free(&c);
    fixture_free(f);
}

/* What was appended since a connection's last turn leaves in one send. */
static void test_coalescing(void **state)
{
    (void) state;
    struct fixture *f = start(SLOW_CLOSE, 64 << 20, 60000, 64 << 20);
    enum { N = 10, MESSAGES = 1000 };
    struct client clients[N];
    uint8_t room[64];
    for (int i = 0; i < N; i++)
        clients[i] = client_ws(f, "/");
    uint64_t before = fixture_metric(f->gateway, M_SENDS);
    for (unsigned n = 0; n < MESSAGES; n++) {
        fixture_append(f, 0, fixture_payload(room, 50, n)); /* 52 KB in all: one segment */
        fixture_wake(f, fixture_path(f, 0));
    }
    for (int i = 0; i < N; i++) {
        client_expect_run(f, &clients[i], 50, 0, MESSAGES - 1);
        client_free(&clients[i]);
    }
    /* One send each if the socket takes 52 KB at once; a full one costs a few more. */
    assert_in_range(fixture_metric(f->gateway, M_SENDS) - before, N, 4 * N);
    assert_int_equal(f->gateway->groups[0]->frames, N * MESSAGES);
    assert_true(fixture_metric(f->gateway, M_SWEEPS) < 10);
    fixture_free(f);
}

/* Messages over several segments arrive whole and in order, one segment a turn. */
static void test_across_segments(void **state)
{
    (void) state;
    struct fixture *f = start(SLOW_CLOSE, 64 << 20, 60000, 64 << 20);
    struct client a = client_ws(f, "/"), b = client_ws(f, "/");
    append_run(f, 0, 499); /* 5 MB */
    client_expect_run(f, &a, LEN, 0, 499);
    client_expect_run(f, &b, LEN, 0, 499);
    client_free(&a);
    client_free(&b);
    fixture_free(f);
}

/* A message above the frame limit is one message of several frames. */
static void test_fragments(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    f->paths[0].max_frame_bytes = 1000;
    fixture_start(f);
    struct client c = client_ws(f, "/");
    static uint8_t room[2500];
    fixture_append(f, 0, fixture_payload(room, sizeof(room), 1));
    fixture_wake(f, fixture_path(f, 0));
    static const struct {
        unsigned opcode;
        size_t len;
        bool fin;
    } WANT[] = {{FRAME_TEXT, 1000, false}, {0, 1000, false}, {0, 500, true}};
    size_t at = 0;
    for (size_t i = 0; i < ARRAY_LEN(WANT); i++) {
        struct received got = {0};
        CLIENT_UNTIL(f, &c, client_peek(&c, &got));
        assert_int_equal(got.opcode, WANT[i].opcode);
        assert_int_equal(got.fin, WANT[i].fin);
        assert_int_equal(got.payload.len, WANT[i].len);
        assert_memory_equal(got.payload.data, room + at, WANT[i].len);
        at += WANT[i].len;
        buf_consume(&c.in, got.size);
    }
    client_free(&c);
    fixture_free(f);
}

/* A transport that takes its time: a slice of sends lasts longer than a turn may. */
static struct conn *sent_to[1000];
static size_t n_sent;

static ssize_t slow_send(struct conn *c, struct slice bytes)
{
    for (uint64_t end = uv_hrtime() + 2 * FANOUT_TURN_US * 1000ull / FANOUT_SLICE;
         uv_hrtime() < end;)
        ;
    sent_to[n_sent++] = c;
    return TRANSPORT_TCP.send(c, bytes);
}

/* From here on every open connection has it. */
static void slow_down(struct fixture *f)
{
    static struct transport slow;
    slow = TRANSPORT_TCP;
    slow.send = slow_send;
    n_sent = 0;
    LIST_FOREACH (it, &f->gateway->by_state[CONN_OPEN]) {
        struct conn *c = LIST_ENTRY(it, struct conn, in_state);
        c->transport = &slow;
        c->group->members[c->member].fd = -1; /* not a plain one */
    }
}

/* A turn ends after its time with work left, and a small group does not wait for a big one. */
static void test_groups_take_turns(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    enum { N = 3 * FANOUT_SLICE };
    static struct client clients[N];
    for (int i = 0; i < N; i++)
        clients[i] = client_ws(f, "/");
    struct client other = client_ws(f, "/teams/x");
    slow_down(f);
    fixture_append(f, 0, SLICE_LIT("big"));
    fixture_append(f, 3, SLICE_LIT("small"));
    struct group *big = f->gateway->groups[0], *small = f->gateway->groups[3];
    fanout_start(big);
    fanout_start(small); /* comes second */
    fanout_start(small); /* twice is fine */
    fanout_turn(f->gateway);
    assert_int_equal(n_sent, FANOUT_SLICE);
    assert_int_equal(big->frames, FANOUT_SLICE);
    assert_true(uv_is_active((uv_handle_t *) &f->gateway->turn)); /* the loop goes on at once */
    assert_int_equal(uv_backend_timeout(&f->gateway->loop), 0);
    fanout_turn(f->gateway);
    assert_ptr_equal(sent_to[FANOUT_SLICE], client_conn(f, &other));
    client_expect(f, &other, FRAME_TEXT, "small");
    for (int i = 0; i < N; i++)
        client_expect(f, &clients[i], FRAME_TEXT, "big");
    assert_int_equal(n_sent, N + 1);                                    /* nobody twice */
    FIXTURE_UNTIL(f, !uv_is_active((uv_handle_t *) &f->gateway->turn)); /* the loop may sleep */
    for (int i = 0; i < N; i++)
        client_free(&clients[i]);
    client_free(&other);
    fixture_free(f);
}

/* Long messages end a slice before it has made all its sends. */
static void test_slices_have_a_limit_of_bytes(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    enum { N = 20, MESSAGE = 131000, FIRST = FANOUT_SLICE_BYTES / MESSAGE + 1 };
    static struct client clients[N];
    static uint8_t room[MESSAGE];
    for (int i = 0; i < N; i++)
        clients[i] = client_ws(f, "/");
    struct client other = client_ws(f, "/teams/x");
    slow_down(f);
    fixture_append(f, 0, fixture_payload(room, sizeof(room), 1));
    fixture_append(f, 3, SLICE_LIT("small"));
    fanout_start(f->gateway->groups[0]);
    fanout_start(f->gateway->groups[3]);
    FIXTURE_UNTIL(f, n_sent > FIRST);
    assert_ptr_equal(sent_to[FIRST], client_conn(f, &other));
    FIXTURE_UNTIL(f, n_sent == N + 1);
    for (int i = 0; i < N; i++)
        client_free(&clients[i]);
    client_free(&other);
    fixture_free(f);
}

/* A member whose peer has reset is found by the sweep's own send; its neighbours are served. */
static void test_reset_inside_a_sweep(void **state)
{
    (void) state;
    struct fixture *f = start(SLOW_CLOSE, 64 << 20, 60000, 64 << 20);
    struct client clients[5];
    for (size_t i = 0; i < ARRAY_LEN(clients); i++)
        clients[i] = client_ws(f, "/");
    client_reset(&clients[0]);
    client_reset(&clients[2]);
    client_reset(&clients[4]);
    fixture_append(f, 0, SLICE_LIT("news"));
    struct group *g = f->gateway->groups[0];
    fanout_start(g);
    while (!list_empty(&f->gateway->active))
        fanout_turn(f->gateway); /* before the loop has read the resets */
    assert_int_equal(g->n, 2);
    client_expect(f, &clients[1], FRAME_TEXT, "news");
    client_expect(f, &clients[3], FRAME_TEXT, "news");
    assert_int_equal(fixture_metric(f->gateway, M_CLOSED_LOST), 3);
    client_free(&clients[1]);
    client_free(&clients[3]);
    fixture_free(f);
}

/* --- full sockets --- */

static void test_blocked_then_everything(void **state)
{
    (void) state;
    struct fixture *f = start(SLOW_CLOSE, 64 << 20, 60000, 64 << 20);
    struct conn *conn;
    struct client c = deaf_client(f, &conn), other = client_ws(f, "/");
    append_run(f, 0, 399); /* 4 MB */
    FIXTURE_UNTIL(f, conn_blocked(conn) && swept(f));
    const struct member *m = &conn->group->members[conn->member];
    assert_true(m->blocked);
    assert_true(m->cursor < pathlog_tail(conn->group->path->log));
    assert_non_null(conn->rest->seg); /* straight from the segment: nothing is copied */
    assert_int_equal(conn->rest->own.len, 0);
    assert_null(conn->out);
    assert_true(fixture_metric(f->gateway, M_PARTIAL_SENDS) >= 1);

    client_expect_run(f, &other, LEN, 0, 399); /* it keeps nobody else waiting */
    append_run(f, 400, 499);
    client_expect_run(f, &other, LEN, 400, 499);
    assert_true(conn_blocked(conn));

    c.deaf = false;
    client_expect_run(f, &c, LEN, 0, 499);
    FIXTURE_UNTIL(f, !conn_blocked(conn) && swept(f));
    assert_false(conn->group->members[conn->member].blocked);
    assert_int_equal(conn->group->members[conn->member].cursor,
                     pathlog_tail(conn->group->path->log));
    assert_int_equal(conn->group->frames, 1000); /* counted once each, cut or not */
    FIXTURE_UNTIL(f, !uv_is_active((uv_handle_t *) &f->gateway->check)); /* nobody to measure */
    append_run(f, 500, 500);
    client_expect_run(f, &c, LEN, 500, 500);
    client_free(&c);
    client_free(&other);
    fixture_free(f);
}

/* A hundred clients that never read cost the log's window and a write request each, not a payload
 * each: what libuv holds for all of them lies in the log's own segments. */
static void test_memory_does_not_follow_the_clients(void **state)
{
    (void) state;
    struct fixture *f = start(SLOW_SKIP, 1 << 20, 60000, 1 << 20);
    enum { N = 100 };
    static struct client clients[N];
    struct conn *conns[N];
    for (int i = 0; i < N; i++)
        clients[i] = deaf_client(f, &conns[i]);
    for (unsigned n = 0; n < 1200; n += 20) { /* 12 MB through a window of 1 MB */
        append_run(f, n, n + 19);
        FIXTURE_UNTIL(f, swept(f));
        LIST_FOREACH (it, &f->gateway->by_state[CONN_OPEN]) {
            const struct conn *c = LIST_ENTRY(it, struct conn, in_state);
            assert_true(c->out == NULL && (c->rest == NULL || c->rest->own.data == NULL));
        }
        fanout_check(f->gateway);
        fixture_step(f);
        assert_true(pathlog_bytes(fixture_path(f, 0)->log) <= 3u << 20);
    }
    assert_int_equal(f->gateway->n_conns, N); /* they share the segment they stopped in */
    for (int i = 0; i < N; i++)
        client_free(&clients[i]);
    fixture_free(f);
}

/* --- slow consumers --- */

static void test_close_policy(void **state)
{
    (void) state;
    static const struct {
        uint64_t max_lag_bytes, max_lag_ms;
        enum metric reason;
    } CASES[] = {
        {1 << 20, 60000, M_SLOW_BYTES},
        {64 << 20, 20, M_SLOW_AGE},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct fixture *f =
            start(SLOW_CLOSE, CASES[i].max_lag_bytes, CASES[i].max_lag_ms, 64 << 20);
        struct conn *conn;
        struct client c = deaf_client(f, &conn), other = client_ws(f, "/");
        append_run(f, 0, 599);
        client_expect_run(f, &other, LEN, 0, 599);
        FIXTURE_UNTIL(f, conn->state == CONN_CLOSING);
        assert_int_equal(fixture_metric(f->gateway, CASES[i].reason), 1);
        assert_int_equal(fixture_metric(f->gateway, M_SLOW_CLOSED), 1);
        assert_int_equal(fixture_metric(f->gateway, M_CLOSED_SLOW), 1);
        assert_int_equal(fixture_refused(f->gateway, REFUSE_SLOW), 1);
        assert_int_equal(f->gateway->groups[0]->slow, 1);
        assert_int_equal(f->gateway->groups[0]->n, 1);
        c.deaf = false; /* a prefix of the messages, whole ones, then the close frame */
        client_expect_run(f, &c, LEN, 0, 0);
        client_expect_close(f, &c, 1013, true);
        client_until_eof(f, &c);
        assert_int_equal(c.in.len, 0);
        append_run(f, 600, 600);
        client_expect_run(f, &other, LEN, 600, 600);
        client_free(&c);
        client_free(&other);
        fixture_free(f);
    }
}

/* The number that fixture_payload() wrote. */
static unsigned number_of(const struct received *r)
{
    return (unsigned) strtoul((const char *) r->payload.data, NULL, 10);
}

static void test_skip_policy(void **state)
{
    (void) state;
    struct fixture *f = start(SLOW_SKIP, 1 << 20, 60000, 64 << 20);
    struct conn *conn;
    struct client c = deaf_client(f, &conn);
    append_run(f, 0, 599);
    FIXTURE_UNTIL(f, fixture_metric(f->gateway, M_SLOW_SKIPPED) > 0);
    assert_int_equal(fixture_metric(f->gateway, M_SLOW_BYTES), 1);
    assert_int_equal(conn->state, CONN_OPEN);
    assert_int_equal(conn->group->members[conn->member].cursor,
                     pathlog_tail(conn->group->path->log));
    append_run(f, 600, 609);
    c.deaf = false;
    unsigned want = 0, gaps = 0;
    static uint8_t room[LEN];
    while (want < 610) {
        struct received got = {0};
        CLIENT_UNTIL(f, &c, client_peek(&c, &got) || c.eof);
        assert_true(got.size > 0);
        unsigned n = number_of(&got);
        if (n != want) {
            gaps++;
            assert_int_equal(n, 600); /* on the first message after the jump, at its beginning */
        }
        struct slice payload = fixture_payload(room, LEN, n);
        assert_int_equal(got.payload.len, payload.len);
        assert_memory_equal(got.payload.data, payload.data, payload.len);
        buf_consume(&c.in, got.size);
        want = n + 1;
    }
    assert_int_equal(gaps, 1);
    client_free(&c);
    fixture_free(f);
}

/* A client with regcast.v1 is told where messages are missing. */
static void test_skip_is_told(void **state)
{
    (void) state;
    static const char GAP[] = "{\"control\":\"gap\",\"reason\":\"slow\",\"oldest\":null}";
    struct fixture *f = start(SLOW_SKIP, 1 << 20, 60000, 64 << 20);
    struct client c = client_with_buffer(f->gateway_name, 4096);
    client_shake(f, &c, "/", "Sec-WebSocket-Protocol: regcast.v1\r\n");
    client_shaken(f, &c);
    c.deaf = true;
    append_run(f, 0, 599);
    FIXTURE_UNTIL(f, fixture_metric(f->gateway, M_SLOW_SKIPPED) > 0);
    append_run(f, 600, 609);
    c.deaf = false;
    unsigned want = 0, gaps = 0;
    while (want < 610) {
        struct received got = {0};
        CLIENT_UNTIL(f, &c, client_peek(&c, &got) || c.eof);
        assert_true(got.size > 0);
        if (got.payload.len == LEN) {
            unsigned n = number_of(&got);
            assert_int_equal(n, want);
            want = n + 1;
        } else { /* exactly between what came before and what came after */
            assert_int_equal(got.payload.len, strlen(GAP));
            assert_memory_equal(got.payload.data, GAP, strlen(GAP));
            want = 600;
            gaps++;
        }
        buf_consume(&c.in, got.size);
    }
    assert_int_equal(gaps, 1);
    client_free(&c);
    fixture_free(f);
}

/* A cursor that has fallen off the window before its connection had a turn. */
static void test_off_the_window(void **state)
{
    (void) state;
    for (int policy = SLOW_CLOSE; policy <= SLOW_SKIP; policy++) {
        struct fixture *f = start((enum config_slow) policy, 64 << 20, 60000, 300000);
        struct client c = client_ws(f, "/");
        struct conn *conn = client_conn(f, &c);
        static uint8_t room[LEN];
        for (unsigned n = 0; n < 300; n++) /* nobody is woken */
            fixture_append(f, 0, fixture_payload(room, LEN, n));
        assert_true(conn->group->members[conn->member].cursor <
                    pathlog_oldest(conn->group->path->log));
        fixture_wake(f, fixture_path(f, 0));
        if (policy == SLOW_CLOSE) {
            client_expect_close(f, &c, 1013, false);
        } else {
            FIXTURE_UNTIL(f, swept(f));
            append_run(f, 300, 301);
            client_expect_run(f, &c, LEN, 300, 301);
        }
        assert_int_equal(fixture_metric(f->gateway, M_SLOW_WINDOW), 1);
        client_free(&c);
        fixture_free(f);
    }
}

/* Clients that stopped at different places each keep the segment they were cut in: of those that
 * have left the window, as many as one more window holds; who stopped first is reset. */
static void test_cut_messages_leave_the_window(void **state)
{
    (void) state;
    struct fixture *f = start(SLOW_SKIP, 64 << 20, 60000, 2 << 20);
    enum { N = 8, STEP = 200 };
    static struct client clients[N];
    struct conn *conns[N];
    unsigned n = 0;
    for (int i = 0; i < N; i++, n += STEP) {
        clients[i] = deaf_client(f, &conns[i]);
        append_run(f, n, n + STEP - 1); /* 2 MB: more than a socket takes */
        FIXTURE_UNTIL(f, conn_blocked(conns[i]) && swept(f));
    }
    append_run(f, n, n + 2 * STEP - 1);
    FIXTURE_UNTIL(f, swept(f));
    fanout_check(f->gateway);
    fixture_step(f);
    uint64_t reset = fixture_metric(f->gateway, M_CLOSED_SLOW);
    assert_in_range(reset, 2, N - 2);
    assert_int_equal(f->gateway->n_conns, N - reset);
    for (uint64_t i = 0; i < N; i++) { /* the first ones, and no others */
        clients[i].deaf = false;
        if (i < reset) {
            client_until_eof(f, &clients[i]);
            assert_int_equal(clients[i].error, ECONNRESET);
        }
        client_free(&clients[i]);
    }
    fixture_free(f);
}

/* A window smaller than a segment: the message that one client was cut in may still be kept. */
static void test_one_segment_may_be_kept(void **state)
{
    (void) state;
    struct fixture *f = start(SLOW_SKIP, 64 << 20, 60000, 128 << 10);
    struct conn *conn;
    struct client c = deaf_client(f, &conn);
    unsigned n = 0;
    for (; !conn_blocked(conn) && n < 2000; n += 10) { /* little by little: it must not fall off */
        append_run(f, n, n + 9);
        FIXTURE_UNTIL(f, swept(f));
    }
    assert_true(conn_blocked(conn));
    append_run(f, n, n + 399); /* what it was cut in has left the window */
    FIXTURE_UNTIL(f, swept(f));
    fanout_check(f->gateway);
    fixture_step(f);
    assert_int_equal(fixture_metric(f->gateway, M_CLOSED_SLOW), 0);
    assert_int_equal(conn->state, CONN_OPEN);
    c.deaf = false;
    FIXTURE_UNTIL(f, client_read(&c) && !conn_blocked(conn));
    client_free(&c);
    fixture_free(f);
}

/* The same while it lingers after a close frame that it never gets to read. */
static void test_lingering_gives_back_the_segment(void **state)
{
    (void) state;
    struct fixture *f = start(SLOW_CLOSE, 1 << 20, 60000, 4 << 20);
    struct conn *conn;
    struct client c = deaf_client(f, &conn);
    append_run(f, 0, 299);
    FIXTURE_UNTIL(f, conn->state == CONN_CLOSING);
    assert_true(conn_blocked(conn)); /* its close frame waits behind the cut message */
    append_run(f, 300, 1299);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 0); /* long before close_timeout_ms */
    client_free(&c);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broadcast_time),
        cmocka_unit_test(test_everyone_gets_everything),
        cmocka_unit_test(test_coalescing),
        cmocka_unit_test(test_across_segments),
        cmocka_unit_test(test_fragments),
        cmocka_unit_test(test_groups_take_turns),
        cmocka_unit_test(test_slices_have_a_limit_of_bytes),
        cmocka_unit_test(test_reset_inside_a_sweep),
        cmocka_unit_test(test_blocked_then_everything),
        cmocka_unit_test(test_memory_does_not_follow_the_clients),
        cmocka_unit_test(test_close_policy),
        cmocka_unit_test(test_skip_policy),
        cmocka_unit_test(test_skip_is_told),
        cmocka_unit_test(test_off_the_window),
        cmocka_unit_test(test_cut_messages_leave_the_window),
        cmocka_unit_test(test_one_segment_may_be_kept),
        cmocka_unit_test(test_lingering_gives_back_the_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
