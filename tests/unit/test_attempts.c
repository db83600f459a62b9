/* Deaths that are counted through starts: of webhooks and events, of which the latest are kept. */
#include "cluster/attempts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static void file_of(const char *name, char ret[96])
{
    (void) snprintf(ret, 96, "%s/%s", dir, name);
}

static int make_dir(void **state)
{
    (void) state;
    (void) snprintf(dir, sizeof(dir), "/tmp/regcast-attempts-XXXXXX");
    return mkdtemp(dir) == NULL ? -1 : 0;
}

static int remove_dir(void **state)
{
    char file[96];
    (void) state;
    file_of("trial", file);
    (void) unlink(file);
    file_of("attempts", file);
    (void) unlink(file);
    return rmdir(dir);
}

static struct attempts *open_it(void)
{
    struct attempts *a = NULL;
    assert_int_equal(attempts_open(dir, &a), 0);
    assert_non_null(a);
    return a;
}

/* A process that dies over these. */
static void die(uint64_t webhook, uint64_t event)
{
    struct attempts *a = open_it();
    trial_webhook(attempts_trial(a), webhook);
    trial_event(attempts_trial(a), event);
    attempts_close(a);
}

static bool exhausted(uint64_t hash)
{
    struct attempts *a = open_it();
    bool is = attempts_exhausted(a, hash);
    attempts_close(a);
    return is;
}

static void test_counted(void **state)
{
    (void) state;
    for (unsigned i = 1; i < TRIAL_ATTEMPTS; i++) {
        die(7, 9);
        assert_false(exhausted(7));
        assert_false(exhausted(9));
    }
    die(7, 0);
    assert_true(exhausted(7));
    assert_true(exhausted(7));
    assert_false(exhausted(9));
    die(0, 9);
    assert_true(exhausted(9));
    assert_false(exhausted(8));
    assert_false(exhausted(0));
}

static void test_latest(void **state)
{
    (void) state;
    for (unsigned i = 0; i < TRIAL_ATTEMPTS; i++)
        die(1, 0);
    for (uint64_t other = 1000; other < 1249; other++)
        die(other, 0);
    assert_true(exhausted(1));
    die(1249, 0);
    assert_false(exhausted(1));
    for (unsigned i = 1; i < TRIAL_ATTEMPTS; i++)
        die(1100, 0);
    assert_true(exhausted(1100));
}

static void test_damaged(void **state)
{
    char name[96];
    (void) state;
    for (unsigned i = 0; i < TRIAL_ATTEMPTS; i++)
        die(1, 0);
    assert_true(exhausted(1));
    file_of("attempts", name);
    FILE *file = fopen(name, "r+");
    assert_non_null(file);
    assert_int_equal(fputs("something else", file) < 0, 0);
    assert_int_equal(fclose(file), 0);
    assert_false(exhausted(1));
}

static void test_none(void **state)
{
    struct attempts *a = NULL;
    (void) state;
    assert_true(attempts_open("/nowhere", &a) < 0);
    assert_null(a);
    assert_null(attempts_trial(NULL));
    assert_false(attempts_exhausted(NULL, 1));
    attempts_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_counted, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_latest, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_damaged, make_dir, remove_dir),
        cmocka_unit_test(test_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
