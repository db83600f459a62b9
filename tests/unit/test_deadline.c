/* A process that hangs ends at its deadline; one that does not is left alone. */
#include "deadline.h"
#include "log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The exit code of a process that has a deadline, and meets it or not. */
static int code_of(uint64_t after_ms, bool meets)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct deadline d;
        log_set_level(LOG_N_LEVELS);
        if (deadline_start(&d, after_ms, 74) < 0)
            _exit(2);
        if (meets)
            deadline_met(&d);
        for (int i = 0; i < 200 && !meets; i++)
            (void) usleep(100000);
        _exit(3);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_hangs(void **state)
{
    (void) state;
    assert_int_equal(code_of(50, false), 74);
}

static void test_met(void **state)
{
    (void) state;
    assert_int_equal(code_of(60000, true), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hangs), cmocka_unit_test(test_met)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
