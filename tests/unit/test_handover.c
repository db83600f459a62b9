/* Tests of gateway/handover.c: the taker is the test, which says what it likes when it likes. */
#include "handover.h"
#include "handover_wire.h"
#include "manage_fixture.h"

#include <sys/stat.h>

#define KEEPALIVE "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"

static struct world {
    struct fixture *f;
    struct handover h;
    struct supervisor supervisor;
    struct addresses at;
    char dir[64];
    struct courier taker;
    int gone, n_gone;
} w;

static void on_gone(void *ctx, int err)
{
    (void) ctx;
    w.gone = err;
    w.n_gone++;
    w.f->shared.drain_spread_ms = 60000;
    w.f->shared.drain_code = 1012;
    atomic_store(&w.f->shared.draining, true);
    worker_drain(w.f->gateway);
}

static void on_front_stopped(struct worker *front)
{
    (void) front;
    handover_close(&w.h);
    pipeline_close(w.f->shared.pipeline);
}

static int setup(void **state)
{
    static char embedded[] = "embedded";
    static int fds[1];
    static char names[1][LISTENER_NAME_SIZE];
    memset(&w, 0, sizeof(w));
    w.f = manage_fresh();
    manage_begin(w.f);
    log_set_level(LOG_N_LEVELS);
    (void) snprintf(w.dir, sizeof(w.dir), "/tmp/regcast-handover-XXXXXX");
    assert_non_null(mkdtemp(w.dir));
    w.f->cfg.engine = embedded; /* the pipeline has its own by now */
    w.f->cfg.data_dir = w.dir;
    w.supervisor.fd = -1;
    fds[0] = w.f->gateway->listeners[0].fd;
    w.at.n[LISTENER_GATEWAY] = w.at.per_worker[LISTENER_GATEWAY] = 1;
    w.at.n_workers[LISTENER_GATEWAY] = 1;
    w.at.fds[LISTENER_GATEWAY] = fds;
    w.at.names[LISTENER_GATEWAY] = names;
    w.h = (struct handover){.shared = &w.f->shared,
                            .pipeline = w.f->shared.pipeline,
                            .supervisor = &w.supervisor,
                            .addresses = &w.at,
                            .gone = on_gone};
    assert_int_equal(handover_start(&w.h, &w.f->front->loop), 0);
    w.f->front->on_stopped = on_front_stopped;
    w.taker.fd = -1;
    *state = w.f;
    return 0;
}

static int teardown(void **state)
{
    courier_fini(&w.taker);
    FIXTURE_UNTIL(w.f, w.h.state == HANDOVER_OFF || w.h.state == HANDOVER_WAITING);
    if (w.n_gone > 0) { /* the gateway's worker has been told, and may have ended */
        worker_drain(w.f->front);
        FIXTURE_UNTIL(w.f, w.f->front->draining);
    }
    int r = manage_teardown(state);
    assert_int_equal(rmdir(w.dir), 0); /* the socket went with it */
    return r;
}

/* --- the taker --- */

static void come(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *) &w.h.door.at, sizeof(w.h.door.at)), 0);
    courier_fini(&w.taker);
    courier_init(&w.taker, fd, HANDOVER_MAX_BODY);
}

static void say(const struct handover_message *m)
{
    assert_int_equal(handover_put(&w.taker, m), 0);
    assert_int_equal(courier_send(&w.taker), 0);
}

static void say_kind(enum handover_kind kind, uint64_t number)
{
    const struct handover_message m = {.kind = kind, .number = number, .file = -1};
    say(&m);
}

/* 1: a message, or what courier_read() says of the end. */
static int hear(struct handover_message *ret)
{
    for (;;) {
        int r = handover_take(&w.taker, ret);
        if (r == 0)
            r = courier_read(&w.taker);
        if (r != 0 && r != -EAGAIN)
            return r;
        fixture_step(w.f);
    }
}

static struct handover_message expect(enum handover_kind kind)
{
    struct handover_message m;
    assert_int_equal(hear(&m), 1);
    assert_int_equal(m.kind, kind);
    return m;
}

static void expect_refused(const char *part)
{
    struct handover_message m = expect(WIRE_REFUSED);
    char *why = xslicedup(m.text);
    if (strstr(why, part) == NULL)
        fail_msg("expected '%s', got '%s'", part, why);
    free(why);
    assert_int_equal(hear(&m), -EPIPE);
    assert_int_equal(w.n_gone, 0);
}

static void greet(void)
{
    come();
    say_kind(WIRE_HELLO, HANDOVER_VERSION);
    assert_int_equal(expect(WIRE_WELCOME).number, HANDOVER_VERSION);
    struct handover_message m = expect(WIRE_SOCKET);
    assert_int_equal(m.number, LISTENER_GATEWAY);
    assert_int_equal(close(m.file), 0);
    (void) expect(WIRE_OFFERED);
}

static void expect_serving(void) /* as if nothing had been */
{
    struct client c = client_ws(w.f, "/");
    struct client http = client_new(w.f->front_name);
    (void) client_ask(w.f, &http, KEEPALIVE, 200);
    client_free(&c);
    client_free(&http);
}

/* --- */

static void test_course(void **state)
{
    (void) state;
    struct fixture *f = w.f;
    struct client ws = client_ws(f, "/");
    struct client idle = client_new(f->front_name), late;
    client_say(f, &idle, KEEPALIVE);
    CLIENT_UNTIL(f, &idle, idle.in.len > 0);
    greet();
    struct path *root = path_by_name(f->shared.paths, "/");
    const struct handover_message path = {.kind = WIRE_PATH,
                                          .number = pathlog_span_bits(root->log),
                                          .text = SLICE_LIT("/"),
                                          .file = -1};
    say(&path);
    say_kind(WIRE_GO, 0);
    FIXTURE_UNTIL(f, atomic_load(&f->shared.quiet));
    late = client_new(f->gateway_name); /* is nobody's yet */
    (void) expect(WIRE_RELEASED);
    assert_int_equal(access(w.h.door.at.sun_path, F_OK), -1);
    uint32_t before = f->gateway->n_conns;
    fixture_idle(f, 20);
    assert_int_equal(f->gateway->n_conns, before);
    say_kind(WIRE_SERVING, 0);
    (void) expect(WIRE_MOVED);
    struct handover_message m = expect(WIRE_CONNECTION);
    assert_int_equal(m.number, LISTENER_WEBHOOKS);
    assert_int_equal(send(m.file, "hello", 5, 0), 5); /* the client's, and still open */
    idle.in.len = 0;
    CLIENT_UNTIL(f, &idle, idle.in.len == 5);
    assert_int_equal(close(m.file), 0);
    assert_int_equal(w.n_gone, 1);
    assert_int_equal(w.gone, 0);
    /* A batch of his reaches who is still here. */
    const struct handover_message batch = {.kind = WIRE_BATCH,
                                           .number = pathlog_tail(root->log),
                                           .other = pathlog_span_bits(root->log),
                                           .text = SLICE_LIT("/"),
                                           .bytes = SLICE_LIT("\x81\x05"
                                                              "event"),
                                           .file = -1};
    say(&batch);
    CLIENT_UNTIL(f, &ws, ws.in.len == 7);
    assert_memory_equal(ws.in.data,
                        "\x81\x05"
                        "event",
                        7);
    const struct handover_message unknown = {
        .kind = WIRE_BATCH, .text = SLICE_LIT("/unknown"), .bytes = batch.bytes, .file = -1};
    say(&unknown);
    fixture_idle(f, 10);
    assert_false(atomic_load(&f->shared.hurry));
    /* One that cannot be placed is the end of it. */
    say(&batch);
    FIXTURE_UNTIL(f, atomic_load(&f->shared.hurry));
    assert_int_equal(w.n_gone, 1);
    client_until_eof(f, &ws);
    client_free(&ws);
    client_free(&idle);
    client_free(&late);
}

static void test_refused(void **state)
{
    (void) state;
    come();
    say_kind(WIRE_HELLO, HANDOVER_VERSION + 1);
    expect_refused("version 2");
    come();
    say_kind(WIRE_GO, 0);
    expect_refused("");
    greet();
    const struct handover_message other = {
        .kind = WIRE_PATH, .number = 40, .text = SLICE_LIT("/"), .file = -1};
    say(&other);
    expect_refused("takes a restart");
    greet();
    struct courier first = w.taker;
    w.taker.fd = -1;
    come();
    expect_refused("another process");
    courier_fini(&first);
    FIXTURE_UNTIL(w.f, w.h.state == HANDOVER_WAITING);
    expect_serving();
}

static void test_undone(void **state)
{
    (void) state;
    /* A request that never ends keeps it standing still; meanwhile the taker goes. */
    struct client half = client_new(w.f->front_name), idle = client_new(w.f->front_name);
    client_say(w.f, &half, "GET / HT");
    client_say(w.f, &idle, KEEPALIVE);
    CLIENT_UNTIL(w.f, &idle, idle.in.len > 0);
    greet();
    say_kind(WIRE_GO, 0);
    FIXTURE_UNTIL(w.f, w.h.state == HANDOVER_QUIET);
    fixture_idle(w.f, 20);
    courier_fini(&w.taker);
    FIXTURE_UNTIL(w.f, w.h.state == HANDOVER_WAITING);
    assert_false(atomic_load(&w.f->shared.quiet));
    expect_serving();
    idle.in.len = 0;
    client_say(w.f, &idle, KEEPALIVE); /* it is read again */
    CLIENT_UNTIL(w.f, &idle, idle.in.len > 0);
    client_free(&half);
    client_free(&idle);
}

static void test_dies_before_it_serves(void **state)
{
    (void) state;
    greet();
    say_kind(WIRE_GO, 0);
    (void) expect(WIRE_RELEASED);
    courier_fini(&w.taker);
    FIXTURE_UNTIL(w.f, w.n_gone == 1);
    assert_int_equal(w.gone, -EPIPE);
}

static void test_cancelled(void **state)
{
    (void) state;
    greet();
    assert_true(handover_cancel(&w.h, "it is going down"));
    expect_refused("going down");
    assert_int_equal(access(w.h.door.at.sun_path, F_OK), -1);
    assert_true(handover_cancel(&w.h, "again"));
}

static void test_too_late_to_cancel(void **state)
{
    (void) state;
    greet();
    say_kind(WIRE_GO, 0);
    (void) expect(WIRE_RELEASED);
    assert_false(handover_cancel(&w.h, "it is going down"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_course),    TEST(test_refused),
        TEST(test_undone),    TEST(test_dies_before_it_serves),
        TEST(test_cancelled), TEST(test_too_late_to_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
