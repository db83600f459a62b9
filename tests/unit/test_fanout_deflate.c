/* Tests of gateway/fanout.c with clients that take permessage-deflate: a deflated form stands for
 * each message that has one. What the forms inflate to is no matter here: they are payloads of
 * their own with the number of their message. */
#include "fixture.h"

#define LEN            10000 /* payload of a message, and of its deflated form */
#define FORM_LEN       4000  /* all forms of a segment's messages fit half a segment */
#define FRAME_LEN      (LEN + 4)
#define FORM_FRAME_LEN (FORM_LEN + 4)
#define SPAN           ((uint64_t) 512 << 10) /* of a segment */

static struct fixture *start(enum config_slow policy, uint64_t max_lag_bytes, uint64_t window)
{
    struct fixture *f = fixture_new();
    f->cfg.gateway.send_buffer_bytes = 65536;
    f->paths[0].slow_consumer = policy;
    f->paths[0].max_lag_bytes = max_lag_bytes;
    f->paths[0].history_bytes = f->paths[0].memory_bytes = window;
    fixture_start(f);
    return f;
}

static void append(struct fixture *f, unsigned n, bool deflated)
{
    static uint8_t room[LEN];
    fixture_append(f, 0, fixture_payload(room, LEN, n));
    if (deflated)
        fixture_add_deflated(f, 0, fixture_payload(room, FORM_LEN, n));
}

/* Both forms of each. */
static void append_run(struct fixture *f, unsigned first, unsigned last)
{
    for (unsigned n = first; n <= last; n++)
        append(f, n, true);
    fixture_wake(f, fixture_path(f, 0));
}

static struct conn *take_deflate(struct fixture *f, const struct client *c)
{
    struct conn *conn = client_conn(f, c);
    assert_non_null(conn);
    struct group *g = conn->group;
    group_leave(g, conn);
    conn->deflate = true;
    assert_int_equal(group_join(g, conn, GROUP_TAIL), 0);
    return conn;
}

static struct client deflate_client(struct fixture *f)
{
    struct client c = client_ws(f, "/");
    (void) take_deflate(f, &c);
    return c;
}

static struct client deaf_client(struct fixture *f, struct conn **ret)
{
    struct client c = client_with_buffer(f->gateway_name, 4096);
    client_upgrade(f, &c, "/");
    c.deaf = true;
    *ret = take_deflate(f, &c);
    return c;
}

/* Waits for one message, takes it out, and checks it whichever form it has. */
static unsigned expect_either(struct fixture *f, struct client *c, bool *ret_deflated)
{
    static uint8_t room[LEN];
    struct received got = {0};
    CLIENT_UNTIL(f, c, client_peek(c, &got) || c->eof);
    if (got.size == 0)
        fail_msg("the end (%d)", c->error);
    assert_int_equal(got.opcode, FRAME_TEXT);
    unsigned n = (unsigned) strtoul((const char *) got.payload.data, NULL, 10);
    struct slice want = fixture_payload(room, got.rsv1 ? FORM_LEN : LEN, n);
    assert_int_equal(got.payload.len, want.len);
    assert_memory_equal(got.payload.data, want.data, want.len);
    buf_consume(&c->in, got.size);
    *ret_deflated = got.rsv1;
    return n;
}

static void expect_deflated(struct fixture *f, struct client *c, unsigned first, unsigned last)
{
    for (unsigned n = first; n <= last; n++) {
        bool deflated;
        assert_int_equal(expect_either(f, c, &deflated), n);
        assert_true(deflated);
    }
}

static bool swept(const struct fixture *f)
{
    return f->gateway->dirty == NULL && list_empty(&f->gateway->active);
}

/* Each kind of client gets its form; the counters say what left; a run leaves with one send. */
static void test_mixed_group(void **state)
{
    (void) state;
    struct fixture *f = start(SLOW_CLOSE, 64 << 20, 64 << 20);
    enum { N = 20, MESSAGES = 50 };
    const struct group *g = f->gateway->groups[0];
    const struct path *p = fixture_path(f, 0);
    static struct client clients[N];
    for (int i = 0; i < N; i++)
        clients[i] = i % 2 == 0 ? deflate_client(f) : client_ws(f, "/");
    assert_int_equal(p->form_clients[FORM_DEFLATED], N / 2);
    for (unsigned n = 0; n < MESSAGES; n++) {
        append_run(f, n, n);
        fixture_step(f);
    }
    for (int i = 0; i < N; i++) {
        if (i % 2 == 0)
            expect_deflated(f, &clients[i], 0, MESSAGES - 1);
        else
            client_expect_run(f, &clients[i], LEN, 0, MESSAGES - 1);
        assert_int_equal(clients[i].in.len, 0);
    }
    assert_int_equal(g->frames, N * MESSAGES);
    assert_int_equal(g->bytes, (uint64_t) N / 2 * MESSAGES * (FRAME_LEN + FORM_FRAME_LEN));

    FIXTURE_UNTIL(f, swept(f));
    uint64_t sends = fixture_metric(f->gateway, M_SENDS);
    for (unsigned n = 0; n < 4; n++)
        append(f, MESSAGES + n, true);
    fixture_wake(f, fixture_path(f, 0));
    for (int i = 0; i < N; i++) {
        if (i % 2 == 0)
            expect_deflated(f, &clients[i], MESSAGES, MESSAGES + 3);
        else
            client_expect_run(f, &clients[i], LEN, MESSAGES, MESSAGES + 3);
    }
    assert_in_range(fixture_metric(f->gateway, M_SENDS) - sends, N, 2 * N); /* maybe two segments */

    for (int i = 0; i < N; i += 2)
        client_free(&clients[i]);
    FIXTURE_UNTIL(f, g->n == N / 2);
    assert_int_equal(p->form_clients[FORM_DEFLATED], 0);
    for (int i = 1; i < N; i += 2)
        client_free(&clients[i]);
    fixture_free(f);
}

/* Messages without a deflated form among others: every message once, in order, in the right form.
 */
static void test_some_have_no_form(void **state)
{
    (void) state;
    struct fixture *f = start(SLOW_CLOSE, 64 << 20, 64 << 20);
    struct client c = deflate_client(f), plain = client_ws(f, "/");
    enum { MESSAGES = 300 };
    for (unsigned n = 0; n < MESSAGES; n++)
        append(f, n, n % 7 < 4);
    fixture_wake(f, fixture_path(f, 0));
    client_expect_run(f, &plain, LEN, 0, MESSAGES - 1);
    for (unsigned n = 0; n < MESSAGES; n++) {
        bool deflated;
        assert_int_equal(expect_either(f, &c, &deflated), n);
        assert_int_equal(deflated, n % 7 < 4);
    }
    FIXTURE_UNTIL(f, swept(f));
    assert_int_equal(f->gateway->groups[0]->frames, 2 * MESSAGES);
    client_free(&c);
    client_free(&plain);
    fixture_free(f);
}

/* The kernel stops inside a deflated message: its rest is sent from where it lies, and the client
 * goes on behind it. */
static void test_blocked_inside_a_deflated_message(void **state)
{
    (void) state;
    struct fixture *f = start(SLOW_CLOSE, 64 << 20, 64 << 20);
    enum { MESSAGES = 1000 };
    struct conn *conn;
    struct client c = deaf_client(f, &conn);
    append_run(f, 0, MESSAGES - 1);
    FIXTURE_UNTIL(f, conn_blocked(conn) && swept(f));
    const struct member *m = &conn->group->members[conn->member];
    assert_true(m->blocked);
    assert_int_equal(m->cursor % SPAN % FRAME_LEN, 0); /* a plain position all the same */
    assert_non_null(conn->rest->seg);                  /* nothing is copied */
    assert_int_equal(conn->rest->own.len, 0);
    assert_int_equal(conn->group->bytes, conn->group->frames * FORM_FRAME_LEN);
    c.deaf = false;
    expect_deflated(f, &c, 0, MESSAGES - 1);
    FIXTURE_UNTIL(f, !conn_blocked(conn) && swept(f));
    assert_int_equal(conn->group->frames, MESSAGES); /* counted once each, cut or not */
    assert_int_equal(conn->group->bytes, MESSAGES * FORM_FRAME_LEN);
    client_free(&c);
    fixture_free(f);
}

/* Lag is counted in positions, so it is the same for both kinds of client. */
static void test_slow(void **state)
{
    (void) state;
    for (int policy = SLOW_CLOSE; policy <= SLOW_SKIP; policy++) {
        struct fixture *f = start((enum config_slow) policy, 2 << 20, 64 << 20);
        struct conn *conn;
        struct client c = deaf_client(f, &conn);
        append_run(f, 0, 999);
        FIXTURE_UNTIL(f, fixture_metric(f->gateway, M_SLOW_BYTES) == 1);
        append_run(f, 1000, 1009);
        c.deaf = false;
        unsigned want = 0, gaps = 0;
        while (policy == SLOW_SKIP && want < 1010) {
            bool deflated;
            unsigned n = expect_either(f, &c, &deflated);
            assert_true(deflated && (n == want || n == 1000));
            gaps += n != want;
            want = n + 1;
        }
        if (policy == SLOW_SKIP) {
            assert_int_equal(gaps, 1);
        } else {
            expect_deflated(f, &c, 0, 0);
            client_expect_close(f, &c, 1013, true);
            client_until_eof(f, &c);
            assert_int_equal(c.in.len, 0);
            assert_int_equal(fixture_path(f, 0)->form_clients[FORM_DEFLATED], 0);
        }
        client_free(&c);
        fixture_free(f);
    }
}

/* What libuv holds keeps the deflated bytes when the log has let go of the segment. */
static void test_retired_while_held(void **state)
{
    (void) state;
    struct fixture *f = start(SLOW_SKIP, 64 << 20, 1 << 20);
    struct conn *conn;
    struct client c = deaf_client(f, &conn);
    unsigned n = 0;
    for (; !conn_blocked(conn) && n < 5000; n += 10) { /* little by little: it must not fall off */
        append_run(f, n, n + 9);
        FIXTURE_UNTIL(f, swept(f));
    }
    assert_true(conn_blocked(conn));
    const struct segment *held = conn->rest->seg;
    append_run(f, n, n + 299);
    FIXTURE_UNTIL(f, swept(f));
    assert_true(segment_end(held) <= pathlog_oldest(conn->group->path->log));
    uint64_t skipped_to = pathlog_tail(conn->group->path->log);
    fanout_check(f->gateway); /* off the window: goes on at the tail, behind the cut message */
    assert_int_equal(conn->group->members[conn->member].cursor, skipped_to);
    append_run(f, n + 300, n + 300);
    c.deaf = false;
    for (unsigned want = 0; want <= n + 300;) {
        bool deflated;
        unsigned got = expect_either(f, &c, &deflated);
        assert_true(deflated && (got == want || got == n + 300));
        want = got + 1;
    }
    client_free(&c);
    fixture_free(f);
}

/* The memory that cut messages keep counts with the siblings. */
static void test_held_memory_is_bounded(void **state)
{
    (void) state;
    enum { N = 8, STEP = 400, WINDOW = 4 << 20 };
    struct fixture *f = start(SLOW_SKIP, 64 << 20, WINDOW);
    static struct client clients[N];
    struct conn *conns[N];
    unsigned n = 0;
    for (int i = 0; i < N; i++, n += STEP) {
        clients[i] = deaf_client(f, &conns[i]);
        append_run(f, n, n + STEP - 1); /* 4 MB: 1.6 MB deflated is more than a socket takes */
        FIXTURE_UNTIL(f, conn_blocked(conns[i]) && swept(f));
    }
    append_run(f, n, n + 2 * STEP - 1);
    FIXTURE_UNTIL(f, swept(f));
    uint64_t one = segment_size(conns[N - 1]->rest->seg);
    assert_in_range(one, SPAN * 3 / 2, SPAN * 3 / 2 + 1024);
    fanout_check(f->gateway);
    fixture_step(f);
    const uint64_t kept = WINDOW / one; /* without the siblings it would be all of them */
    assert_true(kept < N && N * SPAN <= WINDOW);
    assert_int_equal(f->gateway->n_conns, kept);
    assert_int_equal(fixture_metric(f->gateway, M_CLOSED_SLOW), N - kept);
    for (int i = 0; i < N; i++)
        client_free(&clients[i]);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mixed_group),
        cmocka_unit_test(test_some_have_no_form),
        cmocka_unit_test(test_blocked_inside_a_deflated_message),
        cmocka_unit_test(test_slow),
        cmocka_unit_test(test_retired_while_held),
        cmocka_unit_test(test_held_memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
