/* Tests of gateway/fanout.c with clients that read server-sent events: what was written so is sent
 * as it lies there, what was not is converted, and every message comes once, in order. */
#include "sse_client.h"

#include "sse_form.h"

#define LEN 10000 /* payload of a message */

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

/* As the broker's delivery does it. */
static void append(struct fixture *f, unsigned n, size_t len, bool written)
{
    static uint8_t room[LEN];
    struct slice payload = fixture_payload(room, len, n);
    fixture_append(f, 0, payload);
    if (!written)
        return;
    struct buf event;
    buf_init(&event, 1 << 20);
    assert_int_equal(sse_form_event(&event, NULL, payload), 0);
    pathlog_add_form(fixture_path(f, 0)->log, FORM_SSE, buf_slice(&event));
    buf_fini(&event);
}

static void append_run(struct fixture *f, unsigned first, unsigned last, bool written)
{
    for (unsigned n = first; n <= last; n++)
        append(f, n, LEN, written);
    fixture_wake(f, fixture_path(f, 0));
}

static uint64_t converted(const struct fixture *f)
{
    return fixture_metric(f->gateway, M_SSE_CONVERTED);
}

static struct client deaf_client(struct fixture *f, struct conn **ret)
{
    struct client c = sse_asked(f, "/", 4096);
    sse_opened(f, &c);
    c.deaf = true;
    *ret = client_conn(f, &c);
    assert_non_null(*ret);
    return c;
}

/* WebSocket clients and readers of events on one path. */
static void test_mixed_group(void **state)
{
    (void) state;
    struct fixture *f = start(SLOW_CLOSE, 64 << 20, 64 << 20);
    enum { N = 20, MESSAGES = 50 };
    const struct group *g = f->gateway->groups[0];
    const struct path *p = fixture_path(f, 0);
    static struct client clients[N];
    for (int i = 0; i < N; i++)
        clients[i] = i % 2 == 0 ? sse_client(f, "/") : client_ws(f, "/");
    assert_int_equal(p->form_clients[FORM_SSE], N / 2);
    assert_int_equal(p->form_clients[FORM_PLAIN], N / 2);
    for (unsigned n = 0; n < MESSAGES; n++) {
        append_run(f, n, n, true);
        fixture_step(f);
    }
    for (int i = 0; i < N; i++) {
        if (i % 2 == 0)
            sse_expect_run(f, &clients[i], LEN, 0, MESSAGES - 1);
        else
            client_expect_run(f, &clients[i], LEN, 0, MESSAGES - 1);
        assert_int_equal(clients[i].in.len, 0);
    }
    assert_int_equal(g->frames, N * MESSAGES);
    assert_int_equal(converted(f), 0);
    for (int i = 0; i < N; i++)
        client_free(&clients[i]);
    FIXTURE_UNTIL(f, g->n == 0);
    assert_int_equal(p->form_clients[FORM_SSE], 0);
    assert_int_equal(p->form_clients[FORM_PLAIN], 0);
    fixture_free(f);
}

/* Messages without an event among others, in runs of several lengths: converted, once for all who
 * stand at one place, and nothing twice or left out. */
static void test_messages_without(void **state)
{
    (void) state;
    struct fixture *f = start(SLOW_CLOSE, 64 << 20, 64 << 20);
    struct client a = sse_client(f, "/"), b = sse_client(f, "/"), ws = client_ws(f, "/");
    unsigned plain = 0;
    for (unsigned n = 0; n < 400; n++) {
        bool written = n % 7 < 4 && n > 100;
        plain += !written;
        append(f, n, 500, written);
    }
    fixture_wake(f, fixture_path(f, 0));
    sse_expect_run(f, &a, 500, 0, 399);
    sse_expect_run(f, &b, 500, 0, 399);
    client_expect_run(f, &ws, 500, 0, 399);
    assert_in_range(converted(f), plain, 2 * plain);
    FIXTURE_UNTIL(f, list_empty(&f->gateway->active) && f->gateway->sse_text.text.data == NULL);
    client_free(&a);
    client_free(&b);
    client_free(&ws);
    fixture_free(f);
}

/* The kernel stops inside an event, written before or converted: its rest follows, then the next.
 */
static void test_blocked(void **state)
{
    (void) state;
    for (int written = 0; written < 2; written++) {
        struct fixture *f = start(SLOW_CLOSE, 64 << 20, 64 << 20);
        struct conn *conn;
        struct client c = deaf_client(f, &conn);
        append_run(f, 0, 399, written == 1);
        FIXTURE_UNTIL(f, conn_blocked(conn));
        assert_int_equal(conn->rest->seg == NULL, written == 0);
        assert_true(conn->rest->own.len < 2 * LEN); /* of one message, not of all */
        assert_true(f->gateway->groups[0]->members[conn->member].blocked);
        c.deaf = false;
        sse_expect_run(f, &c, LEN, 0, 399);
        assert_int_equal(c.in.len, 0);
        assert_int_equal(converted(f) > 0, written == 0);
        client_free(&c);
        fixture_free(f);
    }
}

static void test_close_policy(void **state)
{
    (void) state;
    struct fixture *f = start(SLOW_CLOSE, 1 << 20, 64 << 20);
    struct conn *conn;
    struct client c = deaf_client(f, &conn);
    append_run(f, 0, 999, true);
    FIXTURE_UNTIL(f, fixture_metric(f->gateway, M_SLOW_CLOSED) == 1);
    c.deaf = false;
    client_until_eof(f, &c);
    unsigned n = 0;
    while (c.in.data[0] == 'd')
        assert_int_equal(sse_expect_message(f, &c, LEN), n++);
    sse_expect(f, &c, "event: close\ndata: {\"code\":1013,\"reason\":\"slow\"}\n\n");
    assert_int_equal(c.in.len, 0);
    client_free(&c);
    fixture_free(f);
}

static void test_skip_policy(void **state)
{
    (void) state;
    struct fixture *f = start(SLOW_SKIP, 1 << 20, 64 << 20);
    struct conn *conn;
    struct client c = deaf_client(f, &conn);
    append_run(f, 0, 999, true);
    FIXTURE_UNTIL(f, fixture_metric(f->gateway, M_SLOW_SKIPPED) == 1);
    append_run(f, 1000, 1000, true);
    c.deaf = false;
    CLIENT_UNTIL(f, &c, sse_has(&c, "event: gap\n"));
    unsigned n = 0;
    while (c.in.data[0] == 'd')
        assert_int_equal(sse_expect_message(f, &c, LEN), n++);
    assert_true(n < 900);
    sse_expect(f, &c,
               "event: gap\ndata: {\"control\":\"gap\",\"reason\":\"slow\",\"oldest\":null}\n\n");
    assert_int_equal(sse_expect_message(f, &c, LEN), 1000);
    client_free(&c);
    fixture_free(f);
}

/* What cannot be one is not skipped in silence. (The log holds nothing but messages of ours.) */
static void test_no_text(void **state)
{
    (void) state;
    struct fixture *f = start(SLOW_CLOSE, 64 << 20, 64 << 20);
    struct client c = sse_client(f, "/"), ws = client_ws(f, "/");
    assert_int_equal(pathlog_append(fixture_path(f, 0)->log, SLICE_LIT("\x82\x02hi"), 0), 0);
    fixture_wake(f, fixture_path(f, 0));
    sse_expect(f, &c, "event: close\ndata: {\"code\":1011,\"reason\":\"history_failed\"}\n\n");
    client_until_eof(f, &c);
    client_expect(f, &ws, FRAME_BINARY, "hi");
    client_free(&c);
    client_free(&ws);
    fixture_free(f);
}

/* Without memory to convert it the client is sent away; it can come back. */
static void test_no_memory(void **state)
{
    (void) state;
    struct fixture *f = start(SLOW_CLOSE, 64 << 20, 64 << 20);
    struct client c = sse_client(f, "/");
    append(f, 0, LEN, false);
    mem_fail_at(1);
    fixture_wake(f, fixture_path(f, 0));
    sse_expect(f, &c, "event: close\ndata: {\"code\":1013,\"reason\":\"shed\"}\n\n");
    client_until_eof(f, &c);
    client_free(&c);
    fixture_free(f);
}

int main(void)
{
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mixed_group), cmocka_unit_test(test_messages_without),
        cmocka_unit_test(test_blocked),     cmocka_unit_test(test_close_policy),
        cmocka_unit_test(test_skip_policy), cmocka_unit_test(test_no_text),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
