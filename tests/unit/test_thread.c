/* What the kernel says of a thread that asked for short slices, and of the one that made it. */
#include "thread.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

static struct attributes mine(void)
{
    struct attributes a = {.size = sizeof(a)};
    assert_int_equal(syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0), 0);
    return a;
}

/* Slices of one's own came with Linux 6.12; before, what is asked for is ignored. */
static bool has_slices(void)
{
    struct utsname u;
    int major = 0, minor = 0;
    assert_int_equal(uname(&u), 0);
    assert_int_equal(sscanf(u.release, "%d.%d", &major, &minor), 2);
    return major > 6 || (major == 6 && minor >= 12);
}

static void ask(void *arg)
{
    int *result = arg;
    struct attributes before = mine();
    *result = thread_prompt();
    struct attributes after = mine();
    assert_int_equal(after.policy, before.policy);
    assert_int_equal(after.nice, before.nice);
    if (has_slices())
        assert_int_equal(after.runtime, 100000);
}

static void name_it(void *arg)
{
    char name[16] = "";
    (void) arg;
    thread_name("worker-1");
    assert_int_equal(prctl(PR_GET_NAME, name, 0, 0, 0), 0);
    assert_string_equal(name, "worker-1");
}

static void test_name(void **state)
{
    (void) state;
    char before[16] = "", after[16] = "";
    uv_thread_t thread;
    assert_int_equal(prctl(PR_GET_NAME, before, 0, 0, 0), 0);
    assert_int_equal(uv_thread_create(&thread, name_it, NULL), 0);
    assert_int_equal(uv_thread_join(&thread), 0);
    assert_int_equal(prctl(PR_GET_NAME, after, 0, 0, 0), 0);
    assert_string_equal(after, before);
}

static void test_prompt(void **state)
{
    (void) state;
    struct attributes before = mine();
    int result = -1;
    uv_thread_t thread;
    assert_int_equal(uv_thread_create(&thread, ask, &result), 0);
    assert_int_equal(uv_thread_join(&thread), 0);
    assert_int_equal(result, 0);
    assert_int_equal(mine().runtime, before.runtime); /* others are left as they are */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_name), cmocka_unit_test(test_prompt)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
