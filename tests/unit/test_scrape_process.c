/* Tests of gateway/scrape_process.c, on this process. */
#include "scrape_process.h"

#include "clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cmocka.h>

static char text[4096];

static void print(void)
{
    struct buf out;
    buf_init(&out, sizeof(text) - 1);
    assert_int_equal(scrape_process_print(&out), 0);
    memcpy(text, out.data, out.len);
    text[out.len] = '\0';
    buf_fini(&out);
}

static double value_of(const char *name)
{
    char line[128];
    (void) snprintf(line, sizeof(line), "\n%s ", name);
    const char *at = strstr(text, line);
    assert_non_null(at);
    return strtod(at + strlen(line), NULL);
}

static void test_values(void **state)
{
    struct rlimit limit;
    (void) state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    print();
    double now = (double) clock_wall_ms() / 1000, start = value_of("process_start_time_seconds");
    double cpu = value_of("process_cpu_seconds_total");
    assert_true(start > now - 3600 && start <= now + 1);
    assert_true(cpu > 0 && cpu < 3600);
    assert_true(value_of("process_max_fds") == (double) limit.rlim_cur);
    double rss = value_of("process_resident_memory_bytes");
    assert_true(rss > 100000 && rss < 1e11);
}

/* A name may have brackets and spaces, and the start does not move. */
static void test_odd_name(void **state)
{
    (void) state;
    print();
    double start = value_of("process_start_time_seconds");
    assert_int_equal(prctl(PR_SET_NAME, "a) b (c 1 2 3"), 0);
    print();
    assert_true(value_of("process_start_time_seconds") == start);
    assert_true(value_of("process_resident_memory_bytes") > 100000);
}

static void test_no_room(void **state)
{
    (void) state;
    print();
    for (size_t room = 0; room < strlen(text); room += 16) {
        struct buf out;
        buf_init(&out, room);
        assert_int_equal(scrape_process_print(&out), -EMSGSIZE);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_odd_name),
        cmocka_unit_test(test_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
