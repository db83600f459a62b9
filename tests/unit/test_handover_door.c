/* Tests of gateway/handover_door.c: who may come in, and what is left in the directory. */
#include "handover_door.h"

#include "handover_wire.h"
#include "log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    char dir[64];
    uv_loop_t loop;
    struct handover_door door;
    int n, fd;
    int64_t pid;
};

static void on_come(void *ctx, int fd, int64_t pid)
{
    struct world *w = ctx;
    w->n++;
    w->fd = fd;
    w->pid = pid;
}

static void begin(struct world *w)
{
    *w = (struct world){.fd = -1, .dir = "/tmp/regcast-door-XXXXXX"};
    w->door.come = on_come;
    w->door.ctx = w;
    log_set_level(LOG_N_LEVELS);
    assert_non_null(mkdtemp(w->dir));
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(handover_door_open(&w->door, &w->loop, w->dir), 0);
}

static void end(struct world *w)
{
    handover_door_close(&w->door);
    handover_door_close(&w->door); /* twice is fine */
    (void) uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    assert_int_equal(rmdir(w->dir), 0); /* nothing is left in it */
}

static int come_to(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *) at, sizeof(*at)), 0);
    return fd;
}

static void test_our_own(void **state)
{
    (void) state;
    struct world w;
    struct stat st;
    begin(&w);
    assert_int_equal(stat(w.door.at.sun_path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
    int fd = come_to(&w.door.at);
    (void) uv_run(&w.loop, UV_RUN_ONCE);
    assert_int_equal(w.n, 1);
    assert_int_equal(w.pid, getpid());
    assert_int_equal(close(w.fd) | close(fd), 0);
    end(&w);
}

static void test_somebody_else(void **state)
{
    (void) state;
    if (geteuid() != 0)
        skip(); /* only root can come as somebody else */
    struct world w;
    begin(&w);
    assert_int_equal(chmod(w.dir, 0755) | chmod(w.door.at.sun_path, 0666), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char byte;
        int fd = setuid(65534) < 0 ? -1 : come_to(&w.door.at);
        _exit(fd >= 0 && read(fd, &byte, 1) == 0 ? 0 : 1); /* closed without a word */
    }
    (void) uv_run(&w.loop, UV_RUN_ONCE);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(w.n, 0);
    end(&w);
}

/* What a process before us has left is in nobody's way; what is no socket's place is told. */
static void test_leftovers(void **state)
{
    (void) state;
    struct world w;
    begin(&w);
    struct handover_door next = {.come = on_come, .ctx = &w};
    assert_int_equal(handover_door_open(&next, &w.loop, w.dir), 0);
    int fd = come_to(&next.at);
    (void) uv_run(&w.loop, UV_RUN_ONCE);
    assert_int_equal(w.n, 1);
    assert_int_equal(close(w.fd) | close(fd), 0);
    handover_door_close(&next);
    struct handover_door nowhere = {.come = on_come, .ctx = &w}, never = {.fd = 0};
    assert_int_equal(handover_door_open(&nowhere, &w.loop, "/nowhere"), -ENOENT);
    handover_door_close(&nowhere);
    handover_door_close(&never);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_our_own),
        cmocka_unit_test(test_somebody_else),
        cmocka_unit_test(test_leftovers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
