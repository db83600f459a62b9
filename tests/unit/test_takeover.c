/* Tests of gateway/takeover.c: the giver is another process made here, which follows a script. */
#include "manage_fixture.h"
#include "takeover.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct world {
    char dir[64], lock[96];
    struct sockaddr_un at;
    struct config cfg;
    struct inherited in;
    struct supervisor supervisor;
    struct takeover t;
    int door, lock_fd;
    pid_t giver;
} w;

static int setup(void **state)
{
    static char embedded[] = "embedded";
    int dir_fd;
    (void) state;
    memset(&w, 0, sizeof(w));
    log_set_level(LOG_N_LEVELS);
    (void) snprintf(w.dir, sizeof(w.dir), "/tmp/regcast-takeover-XXXXXX");
    assert_non_null(mkdtemp(w.dir));
    (void) snprintf(w.lock, sizeof(w.lock), "%s/lock", w.dir);
    w.lock_fd = open(w.lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    w.cfg.engine = embedded;
    w.cfg.data_dir = w.dir;
    w.supervisor.fd = -1;
    w.door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(handover_address(w.dir, &w.at, &dir_fd), 0);
    assert_int_equal(bind(w.door, (const struct sockaddr *) &w.at, sizeof(w.at)), 0);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    int status = 0;
    if (w.giver > 0) {
        assert_int_equal(waitpid(w.giver, &status, 0), w.giver);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    courier_fini(&w.t.courier);
    inherited_fini(&w.in);
    supervisor_fini(&w.supervisor);
    assert_int_equal(close(w.door) | close(w.lock_fd), 0);
    assert_int_equal(unlink(w.at.sun_path) | unlink(w.lock) | rmdir(w.dir), 0);
    return 0;
}

/* --- the giver --- */

struct line {
    char does; /* 'h': hears the kind, 's': says it, 'f': says it with a file, 'x': raw bytes */
    enum handover_kind kind;
    const char *text;
};

static void expect(bool right)
{
    if (!right)
        _exit(1);
}

static void hear(struct courier *c, enum handover_kind kind)
{
    struct handover_message m;
    int r;
    while ((r = handover_take(c, &m)) == 0) {
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        r = courier_read(c);
        expect(r == 0 || r == -EAGAIN);
        (void) poll(&p, 1, r == 0 ? 0 : 5000);
    }
    expect(r == 1 && m.kind == kind);
}

static void follow(const struct line *script, size_t n, int file)
{
    struct courier c;
    int fd = accept4(w.door, NULL, NULL, SOCK_CLOEXEC);
    expect(fd >= 0);
    courier_init(&c, fd, HANDOVER_MAX_BODY);
    for (size_t i = 0; i < n; i++) {
        const struct handover_message m = {.kind = script[i].kind,
                                           .number = 1,
                                           .other = 30000,
                                           .text = slice_str(script[i].text),
                                           .file = script[i].does == 'f' ? file : -1};
        if (script[i].does == 'h')
            hear(&c, script[i].kind);
        else if (script[i].does == 'x')
            expect(send(fd, script[i].text, strlen(script[i].text), MSG_NOSIGNAL) > 0);
        else
            expect(handover_put(&c, &m) == 0 && courier_send(&c) == 0);
    }
    courier_fini(&c);
}

#define GIVER(file, ...)                                                                           \
    do {                                                                                           \
        const struct line script_[] = {__VA_ARGS__};                                               \
        begin_giver(script_, ARRAY_LEN(script_), file);                                            \
    } while (0)

static void begin_giver(const struct line *script, size_t n, int file)
{
    assert_int_equal(listen(w.door, 1), 0);
    w.giver = fork();
    assert_true(w.giver >= 0);
    if (w.giver > 0)
        return;
    follow(script, n, file);
    _exit(0);
}

static int meet(void)
{
    return takeover_meet(&w.t, &w.cfg, &w.in, &w.supervisor);
}

static int go(void)
{
    struct path_table *paths;
    static char root[] = "/";
    static struct config_path path = {.path = root,
                                      .max_message_bytes = 131072,
                                      .max_frame_bytes = 32768,
                                      .history_count = 10,
                                      .history_bytes = 1 << 20,
                                      .memory_bytes = 1 << 20,
                                      .history_ms = 1000};
    w.cfg.gateway.paths = &path;
    w.cfg.gateway.n_paths = 1;
    assert_int_equal(path_table_new(&w.cfg, &paths), 0);
    int r = takeover_go(&w.t, &w.cfg, paths);
    path_table_free(paths);
    return r;
}

/* --- */

static void test_nobody(void **state)
{
    (void) state;
    static char memory[] = "memory";
    assert_int_equal(meet(), TAKEOVER_FAILED); /* it is bound, and nobody listens */
    w.cfg.engine = memory;
    assert_int_equal(meet(), TAKEOVER_FAILED);
}

static int listening(void)
{
    char name[LISTENER_NAME_SIZE];
    int fd;
    assert_int_equal(listener_bind("127.0.0.1:0", true, &fd, name), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static void test_offered(void **state)
{
    (void) state;
    int fd = listening();
    GIVER(fd, {'h', WIRE_HELLO, NULL}, {'s', WIRE_WELCOME, "@regcast-test-nobody"},
          {'f', WIRE_SOCKET, NULL}, {'s', WIRE_OFFERED, NULL}, {'h', WIRE_PATH, NULL},
          {'h', WIRE_GO, NULL}, {'s', WIRE_RELEASED, NULL});
    assert_int_equal(meet(), 0);
    assert_int_equal(w.t.pid, getpid()); /* who listens; here that is us */
    assert_int_equal(w.in.n, 1);
    assert_int_equal(w.in.at[0].listener, LISTENER_WEBHOOKS);
    assert_true(w.supervisor.muted);
    assert_int_equal(w.supervisor.watchdog_ms, 30000);
    assert_int_equal(go(), 0);
    assert_true(w.t.courier.fd >= 0);
    assert_int_equal(close(fd), 0);
}

static void test_refused(void **state)
{
    (void) state;
    GIVER(-1, {'h', WIRE_HELLO, NULL}, {'s', WIRE_REFUSED, "another process"});
    assert_int_equal(meet(), TAKEOVER_FAILED);
    assert_int_equal(w.t.courier.fd, -1);
}

static void test_nonsense(void **state)
{
    (void) state;
    GIVER(-1, {'h', WIRE_HELLO, NULL}, {'x', 0, "HTTP/1.1 400 Bad Request\r\n"});
    assert_int_equal(meet(), TAKEOVER_FAILED);
}

static void test_out_of_turn(void **state)
{
    (void) state;
    GIVER(-1, {'h', WIRE_HELLO, NULL}, {'s', WIRE_RELEASED, NULL});
    assert_int_equal(meet(), TAKEOVER_FAILED);
}

static void test_no_socket(void **state)
{
    (void) state;
    GIVER(2, {'h', WIRE_HELLO, NULL}, {'f', WIRE_SOCKET, NULL}); /* stderr */
    assert_int_equal(meet(), TAKEOVER_FAILED);
}

static void test_ends_at_once(void **state)
{
    (void) state;
    GIVER(-1, {'h', WIRE_HELLO, NULL});
    assert_int_equal(meet(), TAKEOVER_FAILED);
}

#define OFFER                                                                                      \
    {'h', WIRE_HELLO, NULL}, {'s', WIRE_WELCOME, NULL},                                            \
    {                                                                                              \
        's', WIRE_OFFERED, NULL                                                                    \
    }

static void test_refused_at_the_end(void **state)
{
    (void) state;
    GIVER(-1, OFFER, {'h', WIRE_PATH, NULL}, {'s', WIRE_REFUSED, "takes a restart"});
    assert_int_equal(meet(), 0);
    assert_int_equal(go(), TAKEOVER_FAILED);
}

/* It dies: data_dir gets free, and we go on in its place. */
static void test_dies(void **state)
{
    (void) state;
    GIVER(-1, OFFER, {'h', WIRE_PATH, NULL}, {'h', WIRE_GO, NULL});
    assert_int_equal(meet(), 0);
    assert_int_equal(go(), 0);
    assert_int_equal(w.t.courier.fd, -1);
    assert_false(w.supervisor.muted);
}

/* It only hangs up: data_dir is not free. */
static void test_hangs_up(void **state)
{
    (void) state;
    assert_int_equal(flock(w.lock_fd, LOCK_EX), 0);
    GIVER(-1, OFFER, {'h', WIRE_PATH, NULL}, {'h', WIRE_GO, NULL});
    assert_int_equal(meet(), 0);
    assert_int_equal(go(), TAKEOVER_FAILED);
}

/* --- serving --- */

static void front_stopped(struct worker *front)
{
    takeover_close(&w.t);
    manage_stopped(front);
}

static struct handover_message heard(struct fixture *f, struct courier *c)
{
    struct handover_message m;
    FIXTURE_UNTIL(f, courier_read(c) != -EPIPE && handover_take(c, &m) == 1);
    return m;
}

static void test_serves(void **state)
{
    void *made;
    (void) state;
    assert_int_equal(manage_setup(&made), 0);
    struct fixture *f = made;
    struct courier giver;
    int fds[2], ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    courier_init(&w.t.courier, fds[0], HANDOVER_MAX_BODY);
    courier_init(&giver, fds[1], HANDOVER_MAX_BODY);
    w.t.supervisor = &w.supervisor;
    w.supervisor.muted = true;
    f->front->on_stopped = front_stopped;
    assert_int_equal(takeover_serve(&w.t, &f->shared, &f->front->loop), 0);
    assert_int_equal(heard(f, &giver).kind, WIRE_SERVING);
    struct client c = client_new(f->front_name);
    FIXTURE_UNTIL(f, f->front->n_conns == 1);
    /* A connection that the giver has accepted goes on here; one for nobody is closed. */
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    const struct handover_message moved = {.kind = WIRE_MOVED, .file = -1},
                                  nobodys = {
                                      .kind = WIRE_CONNECTION, .number = 99, .file = ends[0]};
    assert_int_equal(handover_put(&giver, &moved) | handover_put(&giver, &nobodys), 0);
    assert_int_equal(courier_send(&giver), 0);
    assert_int_equal(close(ends[0]), 0);
    FIXTURE_UNTIL(f, !w.supervisor.muted);
    char byte;
    fixture_idle(f, 10);
    assert_int_equal(recv(ends[1], &byte, 1, MSG_DONTWAIT), 0);
    assert_int_equal(close(ends[1]), 0);
    int at = socket(AF_INET, SOCK_STREAM, 0), fd = listening();
    struct sockaddr_in name;
    socklen_t len = sizeof(name);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &name, &len), 0);
    assert_int_equal(connect(at, (const struct sockaddr *) &name, len), 0);
    int accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    const struct handover_message one = {
        .kind = WIRE_CONNECTION, .number = LISTENER_WEBHOOKS, .file = accepted};
    assert_int_equal(handover_put(&giver, &one), 0);
    assert_int_equal(courier_send(&giver), 0);
    assert_int_equal(close(accepted) | close(fd), 0);
    assert_int_equal(send(at, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 34, 0), 34);
    char answer[16] = "";
    FIXTURE_UNTIL(f, recv(at, answer, sizeof(answer) - 1, MSG_DONTWAIT) > 0);
    assert_memory_equal(answer, "HTTP/1.1 200", 12);
    assert_int_equal(close(at), 0);
    /* The giver goes. */
    courier_fini(&giver);
    FIXTURE_UNTIL(f, w.t.courier.fd < 0);
    client_free(&c);
    assert_int_equal(manage_teardown(&made), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_nobody),       TEST(test_offered),
        TEST(test_refused),      TEST(test_nonsense),
        TEST(test_out_of_turn),  TEST(test_no_socket),
        TEST(test_ends_at_once), TEST(test_refused_at_the_end),
        TEST(test_dies),         TEST(test_hangs_up),
        TEST(test_serves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
