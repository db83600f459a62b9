/* Crash points: the n-th pass of the one named is the end, and nothing else is. */
#include "crash.h"
#include "err.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define POINT "test.point"

/* How many passes a child of its own survives with that environment, of the 5 it tries; each is one
 * byte down a pipe. */
static int passes_survived(const char *environment, bool *ret_killed)
{
    int ends[2], status;
    char bytes[16];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (environment != NULL && setenv("REGCAST_CRASH", environment, 1) < 0)
            _exit(1);
        for (int i = 0; i < 5; i++) {
            CRASH_POINT("test.other");
            CRASH_POINT(POINT);
            if (write(ends[1], "x", 1) != 1)
                _exit(1);
        }
        _exit(0);
    }
    assert_int_equal(close(ends[1]), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    ssize_t n = read(ends[0], bytes, sizeof(bytes));
    assert_int_equal(close(ends[0]), 0);
    *ret_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    assert_true(*ret_killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
    return (int) n;
}

static void test_passes(void **state)
{
    (void) state;
#ifdef REGCAST_CRASH_POINTS
    const bool compiled_in = true;
#else
    const bool compiled_in = false;
#endif
    static const struct {
        const char *environment;
        int survives;
    } CASES[] = {
        {POINT ":1", 0},
        {POINT ":3", 2},
        {POINT ":5", 4},
        {POINT ":6", 5},
        {NULL, 5},
        {"", 5},
        {POINT, 5},
        {POINT ":", 5},
        {POINT ":0", 5},
        {"test:1", 5},
        {POINT ".longer:1", 5},
        {"test.other:1", 0},
        {"test.poin:1", 5},
        {" " POINT ":1", 5},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].environment == NULL ? "none" : CASES[i].environment);
        bool killed;
        int want = compiled_in ? CASES[i].survives : 5;
        assert_int_equal(passes_survived(CASES[i].environment, &killed), want);
        assert_int_equal(killed, want < 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_passes)};
    (void) unsetenv("REGCAST_CRASH");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
