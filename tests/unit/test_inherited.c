/* Tests of gateway/inherited.c: which sockets are taken for which address. */
#include "inherited.h"

#include "log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int listening(const char *address, char name[LISTENER_NAME_SIZE])
{
    int fd;
    assert_int_equal(listener_bind(address, false, &fd, name), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static size_t take_one(struct inherited *in, size_t listener, const char *address)
{
    int *fds;
    size_t n = inherited_take(in, listener, address, &fds);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(close(fds[i]), 0);
    free(fds);
    return n;
}

static void test_by_address(void **state)
{
    (void) state;
    struct inherited in = {0};
    char a[LISTENER_NAME_SIZE], b[LISTENER_NAME_SIZE];
    assert_int_equal(inherited_add(&in, listening("127.0.0.1:0", a), INHERITED_ANY), 0);
    assert_int_equal(inherited_add(&in, listening("127.0.0.1:0", b), LISTENER_WEBHOOKS), 0);
    assert_string_equal(in.at[0].name, a);
    assert_int_equal(take_one(&in, LISTENER_GATEWAY, "127.0.0.1:1"), 0);
    assert_int_equal(take_one(&in, LISTENER_GATEWAY, "nonsense"), 0);
    assert_int_equal(take_one(&in, LISTENER_GATEWAY, "127.0.0.1:0"), 0); /* whose is it? */
    assert_int_equal(take_one(&in, LISTENER_GATEWAY, b), 0);             /* it is the webhooks' */
    char local[LISTENER_NAME_SIZE + 16];
    (void) snprintf(local, sizeof(local), "localhost%s", strchr(a, ':'));
    assert_int_equal(take_one(&in, LISTENER_GATEWAY, local), 1);
    assert_int_equal(take_one(&in, LISTENER_GATEWAY, a), 0); /* it has been */
    assert_int_equal(take_one(&in, LISTENER_WEBHOOKS, b), 1);
    inherited_fini(&in);
}

/* Port 0 is any port, but one; the same host. */
static void test_any_port(void **state)
{
    (void) state;
    struct inherited in = {0};
    char a[LISTENER_NAME_SIZE], b[LISTENER_NAME_SIZE], again[LISTENER_NAME_SIZE];
    assert_int_equal(inherited_add(&in, listening("127.0.0.1:0", a), LISTENER_GATEWAY), 0);
    assert_int_equal(inherited_add(&in, listening("127.0.0.1:0", b), LISTENER_GATEWAY), 0);
    assert_int_equal(inherited_add(&in, listening(a, again), LISTENER_GATEWAY), 0);
    assert_int_equal(take_one(&in, LISTENER_GATEWAY, "127.0.0.2:0"), 0);
    assert_int_equal(take_one(&in, LISTENER_GATEWAY, "127.0.0.1:0"), 2); /* both of `a` */
    assert_int_equal(take_one(&in, LISTENER_GATEWAY, "127.0.0.1:0"), 1);
    inherited_fini(&in);
}

static void test_refused(void **state)
{
    (void) state;
    struct inherited in = {0};
    char name[LISTENER_NAME_SIZE];
    int ends[2], bound;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(listener_bind("127.0.0.1:0", false, &bound, name), 0);
    int udp = socket(AF_INET, SOCK_DGRAM, 0), local = socket(AF_UNIX, SOCK_STREAM, 0);
    const int WRONG[] = {ends[0], ends[1], bound, udp, local};
    for (size_t i = 0; i < ARRAY_LEN(WRONG); i++) {
        assert_int_equal(inherited_add(&in, WRONG[i], INHERITED_ANY), -EINVAL);
        assert_false(is_open(WRONG[i]));
    }
    int fd = listening("127.0.0.1:0", name), copy = dup(fd);
    assert_int_equal(inherited_add(&in, fd, INHERITED_ANY), 0);
    assert_int_equal(inherited_add(&in, copy, INHERITED_ANY), 0); /* the same socket */
    assert_int_equal(in.n, 1);
    assert_false(is_open(copy));
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    log_set_level(LOG_N_LEVELS);
    inherited_fini(&in);
    assert_false(is_open(fd)); /* nobody took it */
}

static void set(const char *name, const char *value)
{
    assert_int_equal(value == NULL ? unsetenv(name) : setenv(name, value, 1), 0);
}

/* sd_listen_fds(3): files from 3 on, for one process. */
static void test_from_manager(void **state)
{
    (void) state;
    char a[LISTENER_NAME_SIZE], b[LISTENER_NAME_SIZE], pid[32];
    int first = listening("127.0.0.1:0", a), second = listening("127.0.0.1:0", b);
    (void) snprintf(pid, sizeof(pid), "%d", (int) getpid());
    int kept[3];
    for (int i = 0; i < 3; i++)
        kept[i] = fcntl(3 + i, F_DUPFD_CLOEXEC, 100);
    int others[] = {fcntl(first, F_DUPFD_CLOEXEC, 50), fcntl(second, F_DUPFD_CLOEXEC, 50)};
    for (int round = 0; round < 3; round++) {
        struct inherited in = {0};
        assert_int_equal(dup2(others[0], 3), 3);
        assert_int_equal(dup2(others[1], 4), 4);
        assert_int_equal(dup2(2, 5), 5);
        set("LISTEN_PID", round == 0 ? pid : round == 1 ? "1" : NULL);
        set("LISTEN_FDS", "3");
        set("LISTEN_FDNAMES", "gateway:regcastd.socket");
        log_set_level(LOG_N_LEVELS);
        inherited_from_manager(&in);
        assert_null(getenv("LISTEN_PID"));
        assert_null(getenv("LISTEN_FDS"));
        assert_null(getenv("LISTEN_FDNAMES"));
        assert_int_equal(in.n, round == 0 ? 2 : 0);
        if (round == 0) {
            assert_int_equal(in.at[0].listener, LISTENER_GATEWAY);
            assert_string_equal(in.at[0].name, a);
            assert_int_equal(in.at[1].listener, INHERITED_ANY);
            assert_string_equal(in.at[1].name, b);
            assert_false(is_open(5));
        }
        inherited_fini(&in);
    }
    for (int i = 0; i < 3; i++) {
        (void) close(3 + i);
        if (kept[i] >= 0)
            assert_int_equal(dup2(kept[i], 3 + i), 3 + i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_address),
        cmocka_unit_test(test_any_port),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_from_manager),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
