/* The trial file: found again after a death, begun anew when it is damaged, never followed
 * elsewhere. */
#include "err.h"
#include "mem.h"
#include "trial.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], file[80];

static int make_dir(void **state)
{
    (void) state;
    (void) snprintf(dir, sizeof(dir), "/tmp/regcast-trial-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    (void) snprintf(file, sizeof(file), "%s/trial", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void) state;
    (void) unlink(file);
    return rmdir(dir);
}

static struct trial *open_it(struct trial_found *found)
{
    struct trial *t = NULL;
    assert_int_equal(trial_open(dir, &t, found), 0);
    assert_non_null(t);
    return t;
}

static void expect_found(uint64_t webhook, uint64_t event)
{
    struct trial_found found;
    trial_close(open_it(&found));
    assert_int_equal(found.webhook, webhook);
    assert_int_equal(found.event, event);
}

static void test_found(void **state)
{
    (void) state;
    struct trial_found found = {1, 2};
    struct stat st;
    struct trial *t = open_it(&found);
    assert_int_equal(found.webhook, 0);
    assert_int_equal(found.event, 0);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0600);
    assert_int_equal(st.st_size, 4096);
    trial_webhook(t, 77);
    trial_webhook(t, 0);
    trial_event(t, UINT64_MAX);
    trial_close(t);
    expect_found(0, UINT64_MAX);
    expect_found(0, 0); /* cleared by the start that read it */
    t = open_it(&found);
    trial_webhook(t, 78);
    trial_close(t);
    expect_found(78, 0);
}

static void test_killed(void **state)
{
    (void) state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct trial *t;
        struct trial_found found;
        if (trial_open(dir, &t, &found) < 0)
            _exit(1);
        trial_webhook(t, 5);
        trial_webhook(t, 0);
        trial_event(t, 6);
        trial_event(t, 0);
        trial_webhook(t, 0x0102030405060708);
        trial_event(t, 9);
        (void) raise(SIGKILL);
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    expect_found(0x0102030405060708, 9);
}

static void write_file(const void *data, size_t len, mode_t mode)
{
    (void) unlink(file);
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, mode);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    assert_int_equal(close(fd), 0);
}

static void test_damaged(void **state)
{
    (void) state;
    uint8_t page[8192];
    static const size_t SIZES[] = {0, 1, 16, 4095, 4096, 4097, 8192};
    memset(page, 0xa5, sizeof(page));
    for (size_t i = 0; i < ARRAY_LEN(SIZES); i++) {
        struct stat st;
        write_file(page, SIZES[i], 0644);
        expect_found(0, 0);
        assert_int_equal(stat(file, &st), 0);
        assert_int_equal(st.st_size, 4096);
        assert_int_equal(st.st_mode, S_IFREG | 0600);

        struct trial_found found;
        struct trial *t = open_it(&found);
        trial_event(t, 3);
        trial_close(t);
        expect_found(0, 3);
    }
}

static void test_no_file(void **state)
{
    (void) state;
    struct trial *t = NULL;
    struct trial_found found;
    char elsewhere[96];
    (void) snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", dir);
    assert_int_equal(trial_open(elsewhere, &t, &found), -ENOENT);

    (void) unlink(file);
    assert_int_equal(symlink(elsewhere, file), 0);
    assert_int_equal(trial_open(dir, &t, &found), -ELOOP);
    assert_int_equal(access(elsewhere, F_OK), -1);
    assert_int_equal(unlink(file), 0);

    assert_int_equal(mkfifo(file, 0600), 0); /* nobody is waited for */
    assert_int_equal(trial_open(dir, &t, &found), -EINVAL);
    assert_int_equal(unlink(file), 0);

    assert_int_equal(mkdir(file, 0700), 0);
    assert_int_equal(trial_open(dir, &t, &found), -EISDIR);
    assert_int_equal(rmdir(file), 0);
    assert_null(t);
}

static void test_null(void **state)
{
    (void) state;
    trial_webhook(NULL, 1);
    trial_event(NULL, 1);
    trial_close(NULL);
}

static void test_hash(void **state)
{
    (void) state;
    enum { LEN = 100 };
    uint8_t body[LEN];
    for (size_t i = 0; i < LEN; i++)
        body[i] = (uint8_t) i;
    struct slice s = slice_of(body, LEN);
    uint64_t hash = trial_hash("crt1", s);
    /* The same in every process: it is written down. (SipHash-2-4 with a key of zeros) */
    assert_int_equal(trial_hash("", slice_str("")), 0xb7c96d4158f18702);
    assert_int_equal(trial_hash("crt1", s), hash);
    assert_int_not_equal(trial_hash("crt2", s), hash);
    assert_int_not_equal(trial_hash("crt", s), hash);
    assert_int_not_equal(trial_hash("crt1", slice_sub(s, 0, LEN - 1)), hash);
    for (size_t i = 0; i < LEN; i++) {
        body[i] ^= 1;
        assert_int_not_equal(trial_hash("crt1", s), hash);
        body[i] ^= 1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),   cmocka_unit_test(test_killed),
        cmocka_unit_test(test_damaged), cmocka_unit_test(test_no_file),
        cmocka_unit_test(test_null),    cmocka_unit_test(test_hash),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
