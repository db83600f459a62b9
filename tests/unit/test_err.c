/* Tests of broker/base/err.c. */
#include "err.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

static const struct {
    int err;
    const char *text;
} CASES[] = {
    {0, "no error"},
    {-ENOSPC, "no space left on device"},
    {-EINVAL, "invalid argument"},
    {UV_ECONNRESET, "connection reset by peer"},
    {UV_EOF, "end of file"},
    {UV_EAI_NONAME, "unknown node or service"},
    {-EBADMSG, "Bad message"}, /* libuv has no text for it */
    {-4095000, "unknown error -4095000"},
    {7, "unknown error 7"},
};

static void test_err_str(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        assert_string_equal(err_str(CASES[i].err), CASES[i].text);
}

static void test_err_str_is_per_thread_or_static(void **state)
{
    (void) state;
    const char *first = err_str(-ENOSPC);
    (void) err_str(-123456);
    assert_string_equal(first, "no space left on device");
}

/* Runs ASSERT in a child and gives its wait status and what it wrote to stderr. */
static int run_assert(int value, char *ret_text, size_t size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void) signal(SIGABRT, SIG_DFL);
        (void) dup2(ends[1], STDERR_FILENO);
        ASSERT(value == 1);
        _exit(0);
    }
    (void) close(ends[1]);
    size_t len = 0;
    ssize_t n;
    while ((n = read(ends[0], ret_text + len, size - 1 - len)) > 0)
        len += (size_t) n;
    ret_text[len] = '\0';
    (void) close(ends[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void test_assert(void **state)
{
    (void) state;
    char text[512];
    int status = run_assert(1, text, sizeof(text));
    assert_true(WIFEXITED(status));
    assert_string_equal(text, "");

    status = run_assert(2, text, sizeof(text));
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "test_err.c:"));
    assert_non_null(strstr(text, "value == 1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_err_str),
        cmocka_unit_test(test_err_str_is_per_thread_or_static),
        cmocka_unit_test(test_assert),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
