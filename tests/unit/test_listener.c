/* Tests of gateway/listener.c: addresses, ports, sharing, and who may have a socket. */
#include "fixture.h"

static void test_addresses(void **state)
{
    (void) state;
    static const struct {
        const char *address, *host; /* host NULL: refused */
    } CASES[] = {
        {"127.0.0.1:0", "127.0.0.1:"},
        {"localhost:0", "127.0.0.1:"},
        {"0.0.0.0:0", "0.0.0.0:"},
        {"[::1]:0", "[::1]:"},
        {"[::]:0", "[::]:"},
        {"127.0.0.1", NULL},
        {"example.org:80", NULL}, /* names are not looked up */
        {"127.0.0.256:0", NULL},
        {"127.0.0:0", NULL},
        {":0", NULL},
        {"", NULL},
        {"[:0", NULL},
        {"[]:0", NULL},
        {"[127.0.0.1]:0", NULL},
        {"::1:0", NULL},
        {"[::1:0", NULL},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:0",
         NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char name[LISTENER_NAME_SIZE] = "untouched";
        int fd = -1, r = listener_bind(CASES[i].address, true, &fd, name);
        if (CASES[i].host == NULL) {
            if (r >= 0)
                fail_msg("'%s' was bound as %s", CASES[i].address, name);
            assert_int_equal(fd, -1);
            assert_string_equal(name, "untouched");
            continue;
        }
        if (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL) {
            assert_true(CASES[i].address[0] == '['); /* a machine without IPv6 */
            continue;
        }
        if (r < 0)
            fail_msg("'%s': %s", CASES[i].address, err_str(r));
        assert_memory_equal(name, CASES[i].host, strlen(CASES[i].host));
        assert_int_not_equal(port_of(name), 0); /* the real one */
        assert_int_equal(close(fd), 0);
    }
}

static int bound(const char *address, bool first, char name[LISTENER_NAME_SIZE])
{
    int fd;
    int r = listener_bind(address, first, &fd, name);
    return r < 0 ? r : fd;
}

/* Sockets of one address share it, but only when somebody asked for that. */
static void test_sharing(void **state)
{
    (void) state;
    char name[LISTENER_NAME_SIZE], again[LISTENER_NAME_SIZE];
    int a = bound("127.0.0.1:0", true, name);
    assert_true(a >= 0);
    int b = bound(name, false, again);
    assert_true(b >= 0);
    assert_string_equal(name, again);
    assert_int_equal(listen(a, 1), 0);
    assert_int_equal(listen(b, 1), 0);
    assert_int_equal(bound(name, true, again), -EADDRINUSE); /* as another process would */
    assert_int_equal(close(a), 0);
    assert_int_equal(bound(name, true, again), -EADDRINUSE); /* one is enough */
    assert_int_equal(close(b), 0);
    a = bound(name, true, again);
    assert_true(a >= 0);
    assert_int_equal(close(a), 0);
}

static void test_taken_by_a_stranger(void **state)
{
    (void) state;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *) &at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &at, &len), 0);
    char address[64], name[LISTENER_NAME_SIZE];
    (void) snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(at.sin_port));
    assert_int_equal(bound(address, true, name), -EADDRINUSE);
    assert_int_equal(bound(address, false, name), -EADDRINUSE); /* it does not share */
    assert_int_equal(close(fd), 0);
}

static void test_flags(void **state)
{
    (void) state;
    char name[LISTENER_NAME_SIZE];
    int fd = bound("127.0.0.1:0", true, name);
    assert_true(fd >= 0);
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    /* Bound but not listening: a client is refused until the worker is ready. */
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port_of(name))};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (const struct sockaddr *) &at, sizeof(at)), -1);
    assert_int_equal(errno, ECONNREFUSED);
    assert_int_equal(close(client), 0);
    assert_int_equal(close(fd), 0);
}

static void test_listening(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    struct client clients[20];
    for (size_t i = 0; i < ARRAY_LEN(clients); i++)
        clients[i] = client_new(f->gateway_name);
    FIXTURE_UNTIL(f, f->gateway->n_conns == ARRAY_LEN(clients));
    assert_int_equal(fixture_metric(f->gateway, M_CONNECTIONS_ACCEPTED), ARRAY_LEN(clients));

    listener_fini(&f->gateway->listeners[0]);
    listener_fini(&f->gateway->listeners[0]); /* twice is fine */
    fixture_step(f);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port_of(f->gateway_name))};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int late = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(late, (const struct sockaddr *) &at, sizeof(at)), -1);
    assert_int_equal(close(late), 0);
    assert_int_equal(f->gateway->n_conns, ARRAY_LEN(clients)); /* those that are in stay */
    for (size_t i = 0; i < ARRAY_LEN(clients); i++)
        client_free(&clients[i]);
    fixture_free(f);
}

/* Held, it accepts nobody, and refuses nobody either. */
static void test_hold(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    listener_hold(&f->gateway->listeners[0]);
    struct client c = client_new(f->gateway_name); /* in the backlog */
    fixture_idle(f, 50);
    assert_int_equal(f->gateway->n_conns, 0);
    listener_go_on(&f->gateway->listeners[0]);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 1);
    listener_fini(&f->gateway->listeners[0]);
    listener_hold(&f->gateway->listeners[0]); /* nothing */
    listener_go_on(&f->gateway->listeners[0]);
    client_free(&c);
    fixture_free(f);
}

static void test_written(void **state)
{
    (void) state;
    static const char *const CASES[][2] = {
        {"localhost:080", "127.0.0.1:80"},
        {"0.0.0.0:0", "0.0.0.0:0"},
        {"[0:0::1]:8080", "[::1]:8080"},
        {"example.org:80", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char name[LISTENER_NAME_SIZE];
        int r = listener_write_address(CASES[i][0], name);
        assert_int_equal(r, CASES[i][1] == NULL ? -EINVAL : 0);
        if (r == 0)
            assert_string_equal(name, CASES[i][1]);
    }
}

/* A socket that cannot listen: the error is told, and the socket is the listener's all the same. */
static void test_bad_socket(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    struct listener l;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_true(listener_init(&l, f->gateway, LISTENER_GATEWAY, fds[0]) < 0);
    listener_fini(&l);
    fixture_step(f);
    assert_int_equal(fcntl(fds[0], F_GETFD), -1);
    assert_int_equal(close(fds[1]), 0);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_sharing),
        cmocka_unit_test(test_taken_by_a_stranger),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_listening),
        cmocka_unit_test(test_bad_socket),
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
