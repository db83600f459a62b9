/* The command --move-from: what it refuses before any server is asked. */
#include "command_fixture.h"
#include "move_in.h"

static void another_engine(void **state)
{
    struct fixture *f = fixture_new();
    (void) state;
    FIXTURE_RUN(f, EXIT_SETTINGS, move_in(&f->cfg, f->dir));
    FIXTURE_SAID(f->err, "has the engine 'embedded'");
    assert_int_equal(access(f->data_dir, F_OK), -1); /* nothing was made */
    fixture_free(f);
}

static void no_journal(void **state)
{
    struct fixture *f = fixture_new();
    char dir[128];
    (void) state;
    (void) snprintf(f->engine, sizeof(f->engine), "nats");
    (void) snprintf(dir, sizeof(dir), "%s/nowhere", f->dir);
    FIXTURE_RUN(f, EXIT_STORE, move_in(&f->cfg, dir));
    FIXTURE_SAID(f->err, "there is no journal of a single node in");
    FIXTURE_SAID(f->err, "/nowhere");
    fixture_free(f);
}

static void in_use(void **state)
{
    struct fixture *f = fixture_new();
    struct store *s = NULL;
    char pid[64];
    (void) state;
    FIXTURE_RUN(f, 0, offline_open(&f->cfg, &s));
    (void) snprintf(f->engine, sizeof(f->engine), "nats");
    FIXTURE_RUN(f, EXIT_IN_USE, move_in(&f->cfg, f->data_dir));
    (void) snprintf(pid, sizeof(pid), "regcastd (pid %d) runs on", (int) getpid());
    FIXTURE_SAID(f->err, pid);
    store_close(s);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_engine),
        cmocka_unit_test(no_journal),
        cmocka_unit_test(in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
