/* Tests of gateway/replay.c: clients that catch up from stored messages. */
#include "history_double.h"
#include "replay.h"

#include <sys/resource.h>

#define LEN    5000
#define WINDOW (300 << 10) /* of the path log: two or three segments */

static struct fixture *start(struct history **ret, uint64_t max_lag_ms)
{
    struct fixture *f = fixture_new();
    f->cfg.gateway.send_buffer_bytes = 65536;
    f->paths[0].max_message_bytes = DOUBLE_MAX_MESSAGE;
    f->paths[0].memory_bytes = WINDOW;
    f->paths[0].max_lag_bytes = WINDOW;
    f->paths[0].max_lag_ms = max_lag_ms;
    *ret = double_new(f);
    fixture_start(f);
    return f;
}

static void finish(struct fixture *f, struct history *h)
{
    h->hold = false;
    fixture_free(f);
    double_free(h);
}

static struct client comeback(struct fixture *f, size_t n, const char *extra)
{
    struct client c = client_with_buffer(f->gateway_name, 65536);
    double_shake(f, &c, n, extra);
    client_shaken(f, &c);
    return c;
}

static struct client deaf_comeback(struct fixture *f, size_t n, struct conn **ret)
{
    struct client c = comeback(f, n, "");
    c.deaf = true;
    *ret = client_conn(f, &c);
    assert_non_null(*ret);
    return c;
}

static uint64_t oldest(struct fixture *f)
{
    return pathlog_oldest(fixture_path(f, 0)->log);
}

static bool is_live(const struct fixture *f, const struct client *c)
{
    const struct conn *conn = client_conn(f, c);
    return conn != NULL && conn->replay == NULL && !conn->group->members[conn->member].catching;
}

/* Through several segments of the store into memory, while new messages keep coming. */
static void test_from_store_to_live(void **state)
{
    (void) state;
    for (int v1 = 0; v1 <= 1; v1++) {
        struct history *h;
        struct fixture *f = start(&h, 60000);
        double_append_run(h, LEN, 400); /* 2 MB, 8 segments */
        assert_true(oldest(f) > 4 * DOUBLE_SPAN);
        struct client live = client_ws(f, "/"), c = comeback(f, 9, v1 ? V1 : "");
        if (v1)
            double_expect_notice(f, &c, "{\"control\":\"recovered\",\"since\":\"#\"}", 9, 0);
        unsigned sent = 400;
        for (unsigned n = 10; n < 400; n += 10, sent++) {
            client_expect_run(f, &c, LEN, n, n + 9);
            double_append_run(h, LEN, 1);
        }
        client_expect_run(f, &c, LEN, 400, sent - 1);
        FIXTURE_UNTIL(f, is_live(f, &c));
        double_append_run(h, LEN, 10);
        client_expect_run(f, &c, LEN, sent, sent + 9);
        client_expect_run(f, &live, LEN, 400, sent + 9);
        assert_int_equal(c.in.len + live.in.len, 0);
        uint64_t replayed = fixture_metric(f->gateway, M_REPLAYED_MESSAGES);
        assert_in_range(replayed, 200, 400);
        assert_int_equal(fixture_metric(f->gateway, M_REPLAYED_BYTES), replayed * (LEN + 4));
        const struct group *g = f->gateway->groups[0];
        assert_int_equal(g->frames, sent + 10 - 10 + sent + 10 - 400); /* both clients' */
        assert_int_equal(g->slow, 0);
        client_free(&live);
        client_free(&c);
        finish(f, h);
    }
}

/* It has reached memory, then the window moves past it before it has reached the tail: again. */
static void test_falls_back(void **state)
{
    (void) state;
    struct history *h;
    struct fixture *f = start(&h, 60000);
    double_append_run(h, LEN, 200);
    struct conn *conn;
    struct client c = deaf_comeback(f, 0, &conn);
    unsigned rounds = 0, want = 1;
    FIXTURE_UNTIL(f, conn_blocked(conn));
    while (rounds < 5) {
        /* To where it is a member of the sweep and blocked in the log's own segment. */
        while (conn->replay != NULL || !conn_blocked(conn)) {
            c.deaf = false;
            client_expect_run(f, &c, LEN, want, want);
            want++;
            c.deaf = true;
            fixture_step(f);
        }
        assert_true(conn->group->members[conn->member].catching);
        double_append_run(h, LEN, 200);
        assert_true(conn->group->members[conn->member].cursor < oldest(f));
        rounds++;
        c.deaf = false;
        while (conn->replay == NULL) {
            client_expect_run(f, &c, LEN, want, want);
            want++;
        }
        c.deaf = true;
    }
    c.deaf = false;
    client_expect_run(f, &c, LEN, want, 1199);
    FIXTURE_UNTIL(f, is_live(f, &c));
    double_append_run(h, LEN, 1);
    client_expect_run(f, &c, LEN, 1200, 1200);
    assert_int_equal(f->gateway->groups[0]->slow, 0);
    client_free(&c);
    finish(f, h);
}

/* The window moves on while the store is being read: until it has caught up. */
static void test_window_moves_while_asking(void **state)
{
    (void) state;
    struct history *h;
    struct fixture *f = start(&h, 60000);
    double_append_run(h, LEN, 200);
    struct client c = comeback(f, 0, "");
    for (unsigned want = 1; want < 1200;) {
        h->hold = true;
        CLIENT_UNTIL(f, &c, h->n_waiting == 1 || is_live(f, &c)); /* it may be blocked */
        if (h->n < 1200)
            double_append_run(h, LEN, 100);
        h->hold = false;
        FIXTURE_UNTIL(f, h->n_waiting == 0);
        unsigned more = h->n < 1200 ? 20 : (unsigned) h->n - want;
        client_expect_run(f, &c, LEN, want, want + more - 1);
        want += more;
    }
    assert_int_equal(c.in.len, 0);
    client_free(&c);
    finish(f, h);
}

static void test_deleted_meanwhile(void **state)
{
    (void) state;
    for (int v1 = 0; v1 <= 1; v1++) {
        struct history *h;
        struct fixture *f = start(&h, 60000);
        double_append_run(h, LEN, 400);
        struct client c = client_new(f->gateway_name);
        double_shake(f, &c, 5, v1 ? V1 : "");
        FIXTURE_UNTIL(f, f->gateway->n_asked == 1);
        h->hold = true;
        h->n_waiting = 0; /* the answer to its find, by hand: */
        struct history_request *q = h->waiting[0];
        double_find(h, q);
        mailbox_post(q->answer_to, &q->mail);
        FIXTURE_UNTIL(f, h->n_waiting == 1 && h->waiting[0]->kind == HISTORY_LOAD);
        h->first = 50;
        h->hold = false;
        client_shaken(f, &c);
        if (v1) {
            double_expect_notice(f, &c, "{\"control\":\"recovered\",\"since\":\"#\"}", 5, 0);
            client_expect(f, &c, FRAME_TEXT,
                          "{\"control\":\"gap\",\"reason\":\"history_lost\",\"oldest\":null}");
        }
        client_expect_close(f, &c, 4009, false);
        assert_int_equal(fixture_refused(f->gateway, REFUSE_HISTORY), 1);
        client_free(&c);
        finish(f, h);
    }
}

static void test_store_fails(void **state)
{
    (void) state;
    struct history *h;
    struct fixture *f = start(&h, 60000);
    double_append_run(h, LEN, 400);
    h->load_err = -EIO;
    struct client c = comeback(f, 5, V1);
    double_expect_notice(f, &c, "{\"control\":\"recovered\",\"since\":\"#\"}", 5, 0);
    client_expect_close(f, &c, 1011, false);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_HISTORY_FAILED), 1);
    client_free(&c);
    finish(f, h);
}

/* --- ends --- */

static void test_dies_while_asking(void **state)
{
    (void) state;
    struct history *h;
    struct fixture *f = start(&h, 60000);
    double_append_run(h, LEN, 400);
    struct client c = comeback(f, 5, "");
    h->hold = true;
    /* What it has been given may be read yet: until it waits for the store. */
    while (h->n_waiting == 0) {
        (void) client_read(&c);
        fixture_step(f);
    }
    client_reset(&c);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    assert_int_equal(f->gateway->n_asked, 1);
    assert_true(h->waiting[0]->given_up);
    h->hold = false;
    FIXTURE_UNTIL(f, f->gateway->n_asked == 0 && h->alive == 0);
    finish(f, h);
}

static void test_dies_while_blocked(void **state)
{
    (void) state;
    struct history *h;
    struct fixture *f = start(&h, 60000);
    double_append_run(h, LEN, 400);
    struct conn *conn;
    struct client c = deaf_comeback(f, 5, &conn);
    FIXTURE_UNTIL(f, conn_blocked(conn));
    assert_non_null(conn->replay);
    assert_non_null(conn->rest->seg); /* straight from the segment */
    assert_true(h->alive > 0);
    client_reset(&c);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 0 && h->alive == 0);
    finish(f, h);
}

/* Its cursor has nowhere to go: it is closed within the drain time. */
static void test_drain_while_replaying(void **state)
{
    (void) state;
    for (int deaf = 0; deaf <= 1; deaf++) {
        struct history *h;
        struct fixture *f = start(&h, 60000);
        f->cfg.gateway.close_timeout_ms = 100;
        double_append_run(h, LEN, 400);
        struct conn *conn;
        struct client c = deaf_comeback(f, 5, &conn);
        FIXTURE_UNTIL(f, conn_blocked(conn));
        f->shared.drain_spread_ms = 200;
        f->shared.drain_code = 1012;
        f->shared.draining = true;
        worker_drain(f->gateway);
        if (!deaf) { /* it reads on: it is given all of it, then the close frame */
            c.deaf = false;
            client_expect_run(f, &c, LEN, 6, 399);
            client_expect_close(f, &c, 1012, false);
        }
        FIXTURE_UNTIL(f, f->gateway->stopped);
        client_free(&c);
        finish(f, h);
    }
}

static void test_lifetime_needs_no_catching_up(void **state)
{
    (void) state;
    struct history *h;
    struct fixture *f = start(&h, 60000);
    f->cfg.gateway.max_lifetime_ms = 150;
    double_append_run(h, LEN, 400);
    h->hold = true;
    struct client c = client_new(f->gateway_name);
    double_shake(f, &c, 5, "");
    FIXTURE_UNTIL(f, h->n_waiting == 1);
    h->n_waiting = 0;
    double_find(h, h->waiting[0]);
    mailbox_post(h->waiting[0]->answer_to, &h->waiting[0]->mail);
    client_shaken(f, &c);
    client_expect_close(f, &c, 1001, false); /* while the load has not been answered */
    assert_int_equal(fixture_metric(f->gateway, M_CLOSED_LIFETIME), 1);
    client_free(&c);
    finish(f, h);
}

/* --- slow ones --- */

/* Far behind by bytes and by age, but it goes on: it stays. */
static void test_slow_but_steady(void **state)
{
    (void) state;
    struct history *h;
    struct fixture *f = start(&h, 400);
    double_append_run(h, LEN, 600); /* 3 MB against a lag of 300 KiB and 400 ms */
    struct client c = comeback(f, 0, "");
    uint64_t began = uv_hrtime();
    unsigned want = 1;
    for (; uv_hrtime() - began < 1500 * 1000000ull && want + 40 < 600; want += 10) {
        client_expect_run(f, &c, LEN, want, want + 9);
        c.deaf = true;
        fixture_idle(f, 20);
        c.deaf = false;
    }
    assert_true(uv_hrtime() - began > 800 * 1000000ull);
    client_expect_run(f, &c, LEN, want, 599);
    assert_int_equal(f->gateway->groups[0]->slow, 0);
    client_free(&c);
    finish(f, h);
}

/* It goes on, but so slowly that the segment it is sent from is out of others' reach for very long:
 * fine while there is room for theirs, too. */
static void test_in_the_way(void **state)
{
    (void) state;
    for (int full = 0; full <= 1; full++) {
        struct history *h;
        struct fixture *f = start(&h, 300);
        double_append_run(h, LEN, 400);
        if (full)
            h->budget = DOUBLE_SPAN * 3 / 2;
        struct conn *conn;
        struct client slow = deaf_comeback(f, 0, &conn), other = {0};
        FIXTURE_UNTIL(f, conn_blocked(conn));
        if (full)
            other = comeback(f, 100, "");
        uint64_t end = uv_hrtime() + (full ? FIXTURE_DEADLINE_MS : 1000) * 1000000ull;
        while (uv_hrtime() < end && fixture_metric(f->gateway, M_SLOW_CLOSED) == 0) {
            conn->rest->since_ms = uv_now(&f->gateway->loop); /* a message has just left */
            fixture_step(f);
        }
        assert_int_equal(fixture_metric(f->gateway, M_SLOW_CLOSED), full);
        assert_int_equal(fixture_metric(f->gateway, M_SLOW_AGE), full);
        slow.deaf = false;
        if (full)
            client_expect_run(f, &other, LEN, 101, 399);
        else
            client_expect_run(f, &slow, LEN, 1, 399);
        client_free(&slow);
        if (full)
            client_free(&other);
        finish(f, h);
    }
}

/* It takes nothing: closed under either policy, and its segment goes with it. */
static void test_stuck(void **state)
{
    (void) state;
    for (int policy = SLOW_CLOSE; policy <= SLOW_SKIP; policy++) {
        struct history *h;
        struct fixture *f = start(&h, 200);
        f->paths[0].slow_consumer = (enum config_slow) policy;
        f->cfg.gateway.close_timeout_ms = 60000; /* which would pin the segment too long */
        double_append_run(h, LEN, 600);
        struct conn *conn;
        struct client c = deaf_comeback(f, 0, &conn);
        FIXTURE_UNTIL(f, h->alive > 0);
        FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
        assert_int_equal(h->alive, 0);
        assert_int_equal(fixture_metric(f->gateway, M_SLOW_AGE), 1);
        assert_int_equal(fixture_metric(f->gateway, M_SLOW_CLOSED), 1);
        assert_int_equal(fixture_refused(f->gateway, REFUSE_SLOW), 1);
        c.deaf = false;
        client_until_eof(f, &c); /* the message was cut and could not be finished: a reset */
        assert_int_equal(c.error, ECONNRESET);
        client_free(&c);
        finish(f, h);
    }
}

/* Once it has caught up it is measured like anybody else. */
static void test_live_again(void **state)
{
    (void) state;
    struct history *h;
    struct fixture *f = start(&h, 60000);
    double_append_run(h, LEN, 200);
    struct client c = comeback(f, 0, "");
    client_expect_run(f, &c, LEN, 1, 199);
    FIXTURE_UNTIL(f, is_live(f, &c));
    c.deaf = true;
    double_append_run(h, LEN, 400);
    FIXTURE_UNTIL(f, fixture_metric(f->gateway, M_SLOW_CLOSED) == 1);
    assert_int_equal(fixture_metric(f->gateway, M_SLOW_AGE), 0);
    client_free(&c);
    finish(f, h);
}

/* --- many --- */

#define MANY   1000
#define STORED 120

static uint64_t told(struct client *clients, unsigned *want) /* messages, of all of them */
{
    static uint8_t room[LEN];
    uint64_t sum = 0;
    for (size_t i = 0; i < MANY; i++) {
        struct received got;
        (void) client_read(&clients[i]);
        assert_false(clients[i].eof);
        size_t used = 0;
        struct client view = clients[i]; /* taken out of the buffer once, not message by message */
        for (; client_peek(&view, &got); view.in.data += got.size, view.in.len -= got.size) {
            struct slice payload = fixture_payload(room, LEN, want[i]++);
            assert_int_equal(got.payload.len, LEN);
            assert_memory_equal(got.payload.data, payload.data, LEN);
            used += got.size;
        }
        buf_consume(&clients[i].in, used);
        sum += want[i] - 1;
    }
    return sum;
}

/* A thousand come back at once; what history holds for them stays within its budget. */
static void test_a_thousand(void **state)
{
    (void) state;
    struct rlimit files;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_cur < 2 * MANY + 100)
        skip();
    struct history *h;
    struct fixture *f = start(&h, 60000);
    f->shared.caps[LISTENER_GATEWAY].max_connections =
        f->shared.caps[LISTENER_GATEWAY].max_half_open = 2 * MANY;
    double_append_run(h, LEN, STORED);
    assert_true(oldest(f) >= DOUBLE_SPAN / 2);
    h->budget = 32 * DOUBLE_SPAN; /* of the 1000 they would take */
    static struct client clients[MANY];
    static unsigned want[MANY];
    for (size_t i = 0; i < MANY; i++) {
        clients[i] = client_new(f->gateway_name);
        double_shake(f, &clients[i], 0, "");
        fixture_step(f);
    }
    for (size_t i = 0; i < MANY; i++) {
        client_shaken(f, &clients[i]);
        want[i] = 1;
    }
    for (uint64_t n = 0; n < (uint64_t) MANY * (STORED - 1); n = told(clients, want)) {
        /* The deadline is for progress: how long all of it takes is the machine's. */
        FIXTURE_UNTIL(f, told(clients, want) > n);
    }
    assert_true(h->most > 0 && h->most <= h->budget);
    assert_int_equal(fixture_metric(f->gateway, M_RESUME_FOUND), MANY);
    for (size_t i = 0; i < MANY; i++)
        client_free(&clients[i]);
    finish(f, h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_store_to_live),
        cmocka_unit_test(test_falls_back),
        cmocka_unit_test(test_window_moves_while_asking),
        cmocka_unit_test(test_deleted_meanwhile),
        cmocka_unit_test(test_store_fails),
        cmocka_unit_test(test_dies_while_asking),
        cmocka_unit_test(test_dies_while_blocked),
        cmocka_unit_test(test_drain_while_replaying),
        cmocka_unit_test(test_lifetime_needs_no_catching_up),
        cmocka_unit_test(test_slow_but_steady),
        cmocka_unit_test(test_in_the_way),
        cmocka_unit_test(test_stuck),
        cmocka_unit_test(test_live_again),
        cmocka_unit_test(test_a_thousand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
