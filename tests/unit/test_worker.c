/* Tests of gateway/worker.c: slots, random numbers, and how a worker goes down. */
#include "fixture.h"

static int setup(void **state)
{
    struct fixture *f = fixture_new();
    fixture_start(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static void drain(struct fixture *f, struct worker *w, uint64_t spread_ms, uint16_t code)
{
    f->shared.drain_spread_ms = spread_ms;
    f->shared.drain_code = code;
    f->shared.draining = true;
    worker_drain(w);
}

static bool ended(const struct worker *w)
{
    return w->stopped && !uv_loop_alive(&w->loop);
}

static bool refused(const char *name)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port_of(name))};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int r = connect(fd, (const struct sockaddr *) &at, sizeof(at));
    (void) close(fd);
    return r < 0 && errno == ECONNREFUSED;
}

/* --- slots and random numbers --- */

static void test_slots(void **state)
{
    struct fixture *f = *state;
    struct worker *w = f->gateway;
    enum { N = 1000 };
    static struct conn dummies[N];
    static uint32_t slots[N];
    for (unsigned n = 1; n <= 2; n++) {
        mem_fail_at(n);
        assert_int_equal(worker_slot(w, &dummies[0], &slots[0]), -ENOMEM);
        assert_int_equal(w->n_slots, 0);
    }
    for (int turn = 0; turn < 3; turn++) {
        for (uint32_t i = 0; i < N; i++) {
            assert_int_equal(worker_slot(w, &dummies[i], &slots[i]), 0);
            assert_true(slots[i] < w->n_slots);
        }
        for (uint32_t i = 0; i < N; i++)
            assert_ptr_equal(w->slots[slots[i]], &dummies[i]); /* each its own */
        assert_int_equal(w->n_slots, 1024);                    /* grown once, used again after */
        assert_int_equal(w->n_free_slots, 24);
        for (uint32_t i = 0; i < N; i++) {
            worker_unslot(w, slots[(i * 7) % N]);
            assert_null(w->slots[slots[(i * 7) % N]]);
        }
        assert_int_equal(w->n_free_slots, 1024);
    }
}

static void test_random_numbers(void **state)
{
    struct fixture *f = *state;
    enum { N = 2000 };
    static uint64_t seen[N];
    uint64_t ones = 0;
    for (int i = 0; i < N; i++) {
        seen[i] = worker_random(f->gateway);
        ones += (uint64_t) __builtin_popcountll(seen[i]);
        for (int j = 0; j < i; j++)
            assert_true(seen[i] != seen[j]);
    }
    assert_in_range(ones, N * 31, N * 33); /* eleven standard deviations each way */
}

/* --- going down --- */

static void test_drain_without_connections(void **state)
{
    struct fixture *f = *state;
    drain(f, f->gateway, 60000, 1001);
    FIXTURE_UNTIL(f, ended(f->gateway)); /* at once, whatever the spread */
    assert_true(refused(f->gateway_name));
    assert_false(ended(f->front));
}

static unsigned stopped;

static void on_stopped(struct worker *w)
{
    (void) w;
    stopped++;
}

static void test_on_stopped(void **state)
{
    struct fixture *f = *state;
    stopped = 0;
    f->gateway->on_stopped = on_stopped;
    struct client c = client_ws(f, "/");
    drain(f, f->gateway, 0, 1012);
    client_expect_close(f, &c, 1012, false);
    assert_int_equal(stopped, 0);
    client_free(&c);
    FIXTURE_UNTIL(f, ended(f->gateway));
    assert_int_equal(stopped, 1);
}

/* Those with regcast.v1 are told when their own time is. */
static void test_drain_is_told(void **state)
{
    struct fixture *f = *state;
    struct client v1 = client_new(f->gateway_name), plain = client_ws(f, "/");
    client_shake(f, &v1, "/", "Sec-WebSocket-Protocol: other, regcast.v1\r\n");
    client_shaken(f, &v1);
    uint64_t now = uv_now(&f->gateway->loop);
    f->shared.drain_code = 1012;
    session_drain(client_conn(f, &v1), now + 12345);
    session_drain(client_conn(f, &plain), now + 12345);
    client_expect(f, &v1, FRAME_TEXT,
                  "{\"control\":\"draining\",\"code\":1012,\"close_in_ms\":12345}");
    fixture_broadcast(f, 0, "still here");
    client_expect(f, &v1, FRAME_TEXT, "still here");
    client_expect(f, &plain, FRAME_TEXT, "still here");
    client_free(&v1);
    client_free(&plain);
}

/* Closes are spread over the drain time, with the code that was set; what was broadcast before the
 * drain comes before the close frame; nobody new gets in. */
static void test_drain_spread(void **state)
{
    struct fixture *f = *state;
    enum { N = 60, SPREAD_MS = 600 };
    static struct client clients[N];
    uint64_t closed_ms[N] = {0}, began = uv_hrtime() / 1000000;
    for (int i = 0; i < N; i++)
        clients[i] = client_ws(f, i % 2 == 0 ? "/" : "/teams/x");
    fixture_broadcast(f, 0, "last");
    fixture_broadcast(f, 3, "last");
    began = uv_hrtime() / 1000000;
    drain(f, f->gateway, SPREAD_MS, 1012);
    unsigned left = N, early = 0, late = 0;
    while (left > 0) {
        fixture_step(f);
        uint64_t now = uv_hrtime() / 1000000;
        assert_true(now < began + 6000);
        for (int i = 0; i < N; i++) {
            if (closed_ms[i] != 0 || !client_read(&clients[i]) || clients[i].in.len < 6 + 4)
                continue;
            closed_ms[i] = now - began + 1;
            client_expect(f, &clients[i], FRAME_TEXT, "last");
            client_expect_close(f, &clients[i], 1012, false);
            client_free(&clients[i]);
            left--;
        }
    }
    for (int i = 0; i < N; i++) {
        early += closed_ms[i] <= SPREAD_MS / 2;
        late += closed_ms[i] > SPREAD_MS / 2;
    }
    assert_true(early >= N / 10 && late >= N / 10); /* not as one wave */
    FIXTURE_UNTIL(f, ended(f->gateway));
    assert_int_equal(fixture_metric(f->gateway, M_CLOSED_DRAIN), N);
    assert_true(refused(f->gateway_name));
}

/* A handshake that comes after the drain began is refused; one that never says a word is closed. */
static void test_drain_and_handshakes(void **state)
{
    struct fixture *f = *state;
    struct client silent = client_new(f->gateway_name), half = client_new(f->gateway_name),
                  open = client_ws(f, "/");
    client_say(f, &half, "GET / HTTP/1.1\r\n");
    FIXTURE_UNTIL(f, f->gateway->n_conns == 3);
    fixture_step(f);
    drain(f, f->gateway, 3000, 1001);
    client_until_eof(f, &silent);
    client_say(f, &half, WS_HEADERS);
    struct response r = client_response(f, &half);
    assert_int_equal(r.status, 503);
    assert_string_equal(r.body, "{\"error\":\"draining\"}");
    assert_non_null(client_conn(f, &open)); /* it has its time */
    client_free(&silent);
    client_free(&half);
    client_free(&open);
    FIXTURE_UNTIL(f, ended(f->gateway));
}

/* Clients that neither read nor close do not keep the process alive. */
static void test_drain_ends(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    f->cfg.gateway.send_buffer_bytes = 65536;
    f->cfg.gateway.close_timeout_ms = 100;
    fixture_start(f);
    struct client deaf[3], polite = client_ws(f, "/");
    static uint8_t room[100000];
    for (size_t i = 0; i < ARRAY_LEN(deaf); i++) {
        deaf[i] = client_with_buffer(f->gateway_name, 4096);
        client_upgrade(f, &deaf[i], "/");
        deaf[i].deaf = true;
    }
    for (unsigned n = 0; n < 40; n++)
        fixture_append(f, 0, fixture_payload(room, sizeof(room), n));
    fixture_wake(f, fixture_path(f, 0));
    uint64_t began = uv_hrtime();
    drain(f, f->gateway, 200, 1001);
    client_expect_close(f, &polite, 1001, true);
    FIXTURE_UNTIL(f, ended(f->gateway));
    assert_in_range((uv_hrtime() - began) / 1000000, 200, 2500);
    client_free(&polite);
    for (size_t i = 0; i < ARRAY_LEN(deaf); i++)
        client_free(&deaf[i]);
    fixture_free(f);
}

/* The webhooks listener: idle keep-alive connections go at once, requests in progress are answered
 * first, and the answer says that it is the last. */
static void test_drain_of_the_front(void **state)
{
    struct fixture *f = *state;
    struct client idle = client_new(f->front_name), busy = client_new(f->front_name);
    struct response r = client_ask(f, &idle, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 200);
    assert_false(r.close);
    client_say(f, &busy, "GET /readyz HTTP/1.1\r\nHost");
    FIXTURE_UNTIL(f, f->front->n_conns == 2);
    fixture_step(f);
    drain(f, f->front, 0, 1001);
    client_until_eof(f, &idle);
    assert_int_equal(idle.in.len, 0);
    r = client_ask(f, &busy, ": a\r\n\r\n", 503);
    assert_string_equal(r.body, "draining\n");
    assert_true(r.close);
    client_until_eof(f, &busy);
    client_free(&idle);
    client_free(&busy);
    FIXTURE_UNTIL(f, ended(f->front));
    assert_false(ended(f->gateway));
}

static void test_drain_twice(void **state)
{
    struct fixture *f = *state;
    struct client c = client_ws(f, "/");
    drain(f, f->gateway, 0, 1001);
    client_expect_close(f, &c, 1001, false);
    worker_drain(f->gateway);
    fixture_step(f);
    client_free(&c);
    FIXTURE_UNTIL(f, ended(f->gateway));
}

static void test_close_all(void **state)
{
    struct fixture *f = *state;
    struct client open = client_ws(f, "/"), silent = client_new(f->gateway_name),
                  closing = client_ws(f, "/");
    session_close(client_conn(f, &closing), END_DONE, 1001, "");
    FIXTURE_UNTIL(f, f->gateway->n_conns == 3);
    worker_close_all(f->gateway);
    worker_close_all(f->gateway); /* nothing left: fine */
    FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    client_until_eof(f, &open);
    assert_int_equal(open.error, ECONNRESET);
    client_until_eof(f, &silent);
    assert_false(f->gateway->stopped); /* it has not been drained and goes on */
    struct client again = client_ws(f, "/");
    client_free(&open);
    client_free(&silent);
    client_free(&closing);
    client_free(&again);
}

/* The loop on a thread of its own, as in the daemon: drained from another thread, it returns. */
static void run(void *arg)
{
    worker_run(arg);
}

static void test_run_on_a_thread(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    uv_thread_t thread;
    assert_int_equal(uv_thread_create(&thread, run, f->gateway), 0);
    struct client c = client_new(f->gateway_name);
    struct timeval limit = {.tv_sec = FIXTURE_DEADLINE_MS / 1000};
    assert_int_equal(fcntl(c.fd, F_SETFL, 0), 0); /* this thread waits in recv() */
    assert_int_equal(setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    static const char REQUEST[] = "GET / HTTP/1.1\r\n" WS_HEADERS;
    assert_int_equal(send(c.fd, REQUEST, sizeof(REQUEST) - 1, 0), sizeof(REQUEST) - 1);
    char text[2048];
    ssize_t n = recv(c.fd, text, sizeof(text), 0);
    assert_true(n > 13);
    assert_memory_equal(text, "HTTP/1.1 101 ", 13);
    uint64_t end = uv_hrtime() + FIXTURE_DEADLINE_MS * 1000000ull;
    while (f->gateway->groups[0]->present == 0) /* the 101 is sent just before it joins */
        assert_true(uv_hrtime() < end);
    struct slice frame = SLICE_LIT("\x81\x0e"
                                   "across threads");
    assert_int_equal(pathlog_append(fixture_path(f, 0)->log, frame, 1), 0);
    group_wake(f->gateway->groups[0]);
    assert_int_equal(recv(c.fd, text, 16, MSG_WAITALL), 16);
    drain(f, f->gateway, 0, 1001);
    assert_true(recv(c.fd, text, sizeof(text), 0) > 4);
    assert_int_equal((uint8_t) text[0], 0x88);
    client_free(&c);
    assert_int_equal(uv_thread_join(&thread), 0);
    assert_true(ended(f->gateway));
    fixture_free(f);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_slots),
        WITH(test_random_numbers),
        WITH(test_drain_without_connections),
        WITH(test_on_stopped),
        WITH(test_drain_is_told),
        WITH(test_drain_spread),
        WITH(test_drain_and_handshakes),
        cmocka_unit_test(test_drain_ends),
        WITH(test_drain_of_the_front),
        WITH(test_drain_twice),
        WITH(test_close_all),
        cmocka_unit_test(test_run_on_a_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
