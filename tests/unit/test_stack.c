/* Tests of broker/base/stack.c: a thread says where it is, also one that waits, and one that does
 * not answer is not waited for long. */
#include "stack.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static atomic_bool over;
static uv_sem_t begun;

static void waits(void *arg)
{
    uv_sem_t *end = arg;
    uv_sem_post(&begun);
    uv_sem_wait(end);
}

static void runs(void *arg)
{
    (void) arg;
    uv_sem_post(&begun);
    while (!atomic_load(&over)) {
    }
}

static void deaf(void *arg)
{
    sigset_t all;
    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_BLOCK, &all, NULL);
    waits(arg);
}

static int setup(void **state)
{
    (void) state;
    return uv_sem_init(&begun, 0) + stack_init();
}

static int teardown(void **state)
{
    (void) state;
    uv_sem_destroy(&begun);
    return 0;
}

static void check_stack(const char *text)
{
    const char *own = strstr(text, "unit_test_stack+0x");
    if (own == NULL)
        fail_msg("no call of ours in: %s", text);
    assert_true(strlen(text) < STACK_TEXT);
    assert_int_not_equal(text[strlen(text) - 1], ' ');
}

static void test_of_threads(void **state)
{
    static void (*const THREADS[])(void *) = {waits, runs};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(THREADS); i++) {
        char text[STACK_TEXT];
        uv_thread_t thread;
        uv_sem_t end;
        atomic_store(&over, false);
        assert_int_equal(uv_sem_init(&end, 0), 0);
        assert_int_equal(uv_thread_create(&thread, THREADS[i], &end), 0);
        uv_sem_wait(&begun);
        for (int again = 0; again < 3; again++) { /* it goes on as if nothing had been */
            stack_of_thread(thread, text);
            check_stack(text);
        }
        atomic_store(&over, true);
        uv_sem_post(&end);
        assert_int_equal(uv_thread_join(&thread), 0);
        uv_sem_destroy(&end);
    }
}

static void test_no_answer(void **state)
{
    char text[STACK_TEXT] = "old";
    uv_thread_t thread;
    uv_sem_t end;
    (void) state;
    assert_int_equal(uv_sem_init(&end, 0), 0);
    assert_int_equal(uv_thread_create(&thread, deaf, &end), 0);
    uv_sem_wait(&begun);
    stack_of_thread(thread, text);
    assert_string_equal(text, "");
    uv_sem_post(&end);
    assert_int_equal(uv_thread_join(&thread), 0);
    uv_sem_destroy(&end);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_of_threads), TEST(test_no_answer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
