/* Tests of gateway/supervisor.c: what arrives at a real socket, by path and by abstract name. */
#include "supervisor.h"

#include "clock.h"
#include "log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct manager {
    int fd;
    char dir[64], name[128];
    struct supervisor s;
};

static void listen_at(struct manager *m, bool abstract)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = 5};
    size_t len;
    if (abstract) {
        len = (size_t) snprintf(m->name, sizeof(m->name), "@regcast-test-%d", (int) getpid());
    } else {
        (void) snprintf(m->dir, sizeof(m->dir), "/tmp/regcast-notify-XXXXXX");
        assert_non_null(mkdtemp(m->dir));
        len = (size_t) snprintf(m->name, sizeof(m->name), "%s/notify", m->dir);
    }
    memcpy(at.sun_path, m->name, len);
    if (abstract)
        at.sun_path[0] = '\0';
    m->fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_true(m->fd >= 0);
    assert_int_equal(setsockopt(m->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    socklen_t size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + len);
    assert_int_equal(bind(m->fd, (struct sockaddr *) &at, size), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", m->name, 1), 0);
}

static void leave(struct manager *m)
{
    supervisor_fini(&m->s);
    assert_int_equal(close(m->fd), 0);
    if (m->dir[0] != '\0') {
        assert_int_equal(unlink(m->name), 0);
        assert_int_equal(rmdir(m->dir), 0);
    }
    assert_int_equal(
        unsetenv("NOTIFY_SOCKET") | unsetenv("WATCHDOG_USEC") | unsetenv("WATCHDOG_PID"), 0);
}

static void arrives(const struct manager *m, const char *text)
{
    char got[512];
    ssize_t n = recv(m->fd, got, sizeof(got) - 1, 0);
    assert_true(n > 0);
    got[n] = '\0';
    assert_string_equal(got, text);
}

static void talk(bool abstract)
{
    struct manager m = {.fd = -1};
    listen_at(&m, abstract);
    assert_int_equal(supervisor_init(&m.s), 0);
    assert_int_equal(m.s.watchdog_ms, 0);
    supervisor_ready(&m.s, "serving");
    arrives(&m, "READY=1\nSTATUS=serving\n");
    supervisor_alive(&m.s);
    arrives(&m, "WATCHDOG=1\n");
    clock_freeze(1234, 0);
    supervisor_reloading(&m.s);
    arrives(&m, "RELOADING=1\nMONOTONIC_USEC=1234000\n");
    clock_unfreeze();
    supervisor_stopping(&m.s, 53000);
    arrives(&m, "STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=53000000\n");
    leave(&m);
}

static void test_path(void **state)
{
    (void) state;
    talk(false);
}

static void test_abstract(void **state)
{
    (void) state;
    talk(true);
}

static void test_watchdog(void **state)
{
    (void) state;
    struct manager m = {.fd = -1};
    char pid[32];
    listen_at(&m, true);
    assert_int_equal(setenv("WATCHDOG_USEC", "30000000", 1), 0);
    assert_int_equal(supervisor_init(&m.s), 0);
    assert_int_equal(m.s.watchdog_ms, 30000); /* whoever it is for */
    supervisor_fini(&m.s);
    (void) snprintf(pid, sizeof(pid), "%d", (int) getpid());
    assert_int_equal(setenv("WATCHDOG_PID", pid, 1), 0);
    assert_int_equal(supervisor_init(&m.s), 0);
    assert_int_equal(m.s.watchdog_ms, 30000);
    supervisor_fini(&m.s);
    assert_int_equal(setenv("WATCHDOG_PID", "1", 1), 0);
    assert_int_equal(supervisor_init(&m.s), 0);
    assert_int_equal(m.s.watchdog_ms, 0); /* our parent's */
    leave(&m);
}

/* Another process's manager hears us once that one has said that it is us. */
static void test_hand_over(void **state)
{
    (void) state;
    struct manager m = {.fd = -1};
    struct supervisor next = {.fd = -1};
    listen_at(&m, false);
    assert_int_equal(supervisor_init(&m.s), 0);
    assert_int_equal(supervisor_adopt(&next, m.s.name, 30000), 0);
    assert_int_equal(next.watchdog_ms, 30000);
    supervisor_ready(&next, "serving"); /* nobody would believe it yet */
    supervisor_hand_over(&m.s, 4711);
    arrives(&m, "MAINPID=4711\n");
    supervisor_stopping(&m.s, 1000); /* it is not our business any more */
    supervisor_unmute(&next);
    supervisor_ready(&next, "serving");
    arrives(&m, "READY=1\nSTATUS=serving\n");
    assert_int_equal(supervisor_adopt(&next, "", 30000), 0);
    assert_int_equal(next.fd, -1);
    assert_int_equal(next.watchdog_ms, 0);
    assert_int_equal(supervisor_adopt(&next, "relative", 30000), -EINVAL);
    assert_int_equal(next.watchdog_ms, 0);
    supervisor_fini(&next);
    leave(&m);
}

static void test_nobody(void **state)
{
    (void) state;
    struct supervisor s;
    char longer[256] = "/";
    memset(longer + 1, 'x', sizeof(longer) - 2);
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    assert_int_equal(supervisor_init(&s), 0);
    assert_int_equal(s.fd, -1);
    supervisor_ready(&s, "serving"); /* nothing */
    supervisor_fini(&s);
    const char *const WRONG[] = {"relative", "/", "@", "vsock:2:1", longer};
    for (size_t i = 0; i < ARRAY_LEN(WRONG); i++) {
        assert_int_equal(setenv("NOTIFY_SOCKET", WRONG[i], 1), 0);
        assert_int_equal(supervisor_init(&s), -EINVAL);
        assert_int_equal(s.fd, -1);
        supervisor_alive(&s); /* nothing */
    }
    assert_int_equal(setenv("NOTIFY_SOCKET", "", 1), 0);
    assert_int_equal(supervisor_init(&s), 0);
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
}

/* A manager that is gone, or does not read, holds nobody up: it only is a line of the log. */
static void test_manager_gone(void **state)
{
    (void) state;
    struct manager m = {.fd = -1};
    listen_at(&m, true);
    assert_int_equal(supervisor_init(&m.s), 0);
    struct timeval none = {.tv_usec = 1};
    assert_int_equal(setsockopt(m.fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none)), 0);
    int null = open("/dev/null", O_WRONLY);
    log_set_fd(null);
    for (int i = 0; i < 5000; i++)
        supervisor_alive(&m.s);
    int n = 0;
    for (char got[64]; recv(m.fd, got, sizeof(got), 0) > 0;)
        n++;
    assert_in_range(n, 1, 4999); /* the queue was full before that, and nobody waited */
    leave(&m);
    listen_at(&m, true);
    assert_int_equal(supervisor_init(&m.s), 0);
    assert_int_equal(close(m.fd), 0);
    supervisor_alive(&m.s);
    m.fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    leave(&m);
    log_set_fd(2);
    (void) close(null);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path),         cmocka_unit_test(test_abstract),
        cmocka_unit_test(test_watchdog),     cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_manager_gone), cmocka_unit_test(test_hand_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
