/* test_offline.c - offline.c: opening the store for a command, and what is said when that fails. */
#include "command_fixture.h"

#include <sys/stat.h>

static void opens_and_locks(void **state)
{
    struct fixture *f = fixture_new();
    struct store *s = NULL, *second = NULL;
    char pid[64];
    (void) state;
    FIXTURE_RUN(f, 0, offline_open(&f->cfg, &s));
    assert_non_null(s);
    assert_string_equal(f->err, "");
    FIXTURE_RUN(f, EXIT_IN_USE, offline_open(&f->cfg, &second));
    assert_null(second);
    (void) snprintf(pid, sizeof(pid), "regcastd (pid %d) runs on this data_dir: stop it first",
                    (int) getpid());
    FIXTURE_SAID(f->err, pid);
    FIXTURE_SAID(f->err, f->data_dir);
    store_close(s);
    FIXTURE_RUN(f, 0, offline_open(&f->cfg, &s));
    store_close(s);
    fixture_free(f);
}

static void another_engine(void **state)
{
    struct fixture *f = fixture_new();
    struct store *s = NULL;
    (void) state;
    (void) snprintf(f->engine, sizeof(f->engine), "memory");
    FIXTURE_RUN(f, EXIT_SETTINGS, offline_open(&f->cfg, &s));
    FIXTURE_SAID(f->err, "'memory' keeps no store");
    assert_int_equal(access(f->data_dir, F_OK), -1); /* nothing was made */
    fixture_free(f);
}

static void a_folder_that_cannot_be(void **state)
{
    struct fixture *f = fixture_new();
    struct store *s = NULL;
    (void) state;
    int fd = open(f->data_dir, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void) close(fd);
    FIXTURE_RUN(f, EXIT_STORE, offline_open(&f->cfg, &s));
    FIXTURE_SAID(f->err, "cannot open the store");
    (void) unlink(f->data_dir);
    fixture_free(f);
}

static void codes(void **state)
{
    static const struct {
        int err, code;
        const char *text;
    } CASES[] = {
        {-ENOTSUP, EXIT_NEWER, "newer version"}, {-EBUSY, EXIT_IN_USE, "busy"},
        {-EIO, EXIT_STORE, "i/o error"},         {-ENOSPC, EXIT_STORE, "no space"},
        {-EBADMSG, EXIT_STORE, "d: doing: "},
    };
    struct fixture *f = fixture_new();
    (void) state;
    f->cfg.data_dir = f->engine; /* any text */
    (void) snprintf(f->engine, sizeof(f->engine), "d");
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        FIXTURE_RUN(f, CASES[i].code, offline_failed(&f->cfg, "doing", CASES[i].err));
        FIXTURE_SAID(f->err, "regcastd: d: doing: ");
        FIXTURE_SAID(f->err, CASES[i].text);
    }
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_and_locks),
        cmocka_unit_test(another_engine),
        cmocka_unit_test(a_folder_that_cannot_be),
        cmocka_unit_test(codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
