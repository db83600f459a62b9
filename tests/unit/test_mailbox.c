/* Tests of broker/base/mailbox.c. Under ThreadSanitizer these are its race tests as well. */
#include "mailbox.h"

#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define THREADS 4
#define MAILS   20000

struct note {
    struct mail mail;
    struct fixture *f;
    unsigned from, number;
};

struct fixture {
    uv_loop_t loop;
    struct mailbox box;
    uv_thread_t loop_thread;
    unsigned next[THREADS]; /* the number expected from each thread */
    unsigned run, want, wrong;
    unsigned post_again; /* each mail posts a follower as long as this is above 0 */
};

static struct note *note_new(struct fixture *f, unsigned from, unsigned number);

static void run_note(struct mail *m)
{
    struct note *note = (struct note *) m;
    struct fixture *f = note->f;
    uv_thread_t self = uv_thread_self();
    f->wrong += note->number != f->next[note->from]++ || !uv_thread_equal(&self, &f->loop_thread);
    f->run++;
    if (f->post_again > 0) {
        f->post_again--;
        mailbox_post(&f->box, &note_new(f, note->from, note->number + 1)->mail);
    }
    free(note);
    if (f->run == f->want)
        uv_stop(&f->loop);
}

static struct note *note_new(struct fixture *f, unsigned from, unsigned number)
{
    struct note *note = xcalloc(1, sizeof(*note));
    *note = (struct note){.mail.run = run_note, .f = f, .from = from, .number = number};
    return note;
}

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    f->loop_thread = uv_thread_self();
    *state = f;
    return uv_loop_init(&f->loop) == 0 ? mailbox_init(&f->box, &f->loop) : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    mailbox_fini(&f->box);
    (void) uv_run(&f->loop, UV_RUN_DEFAULT);
    int r = uv_loop_close(&f->loop);
    free(f);
    return r;
}

static void test_order_of_one_thread(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 1000; i++)
        mailbox_post(&f->box, &note_new(f, 0, i)->mail);
    assert_int_equal(f->run, 0); /* never in the poster's call */
    f->want = 1000;
    (void) uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(f->run, 1000);
    assert_int_equal(f->wrong, 0);
}

static void test_mails_that_post(void **state)
{
    struct fixture *f = *state;
    f->post_again = 100;
    f->want = 101;
    mailbox_post(&f->box, &note_new(f, 0, 0)->mail);
    (void) uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(f->run, 101);
    assert_int_equal(f->wrong, 0);
}

struct poster {
    struct fixture *f;
    unsigned from;
    uv_thread_t thread;
};

static void post_all(void *arg)
{
    struct poster *p = arg;
    for (unsigned i = 0; i < MAILS; i++)
        mailbox_post(&p->f->box, &note_new(p->f, p->from, i)->mail);
}

static void test_many_threads(void **state)
{
    struct fixture *f = *state;
    struct poster posters[THREADS];
    f->want = THREADS * MAILS;
    for (unsigned i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){.f = f, .from = i};
        assert_int_equal(uv_thread_create(&posters[i].thread, post_all, &posters[i]), 0);
    }
    (void) uv_run(&f->loop, UV_RUN_DEFAULT);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(uv_thread_join(&posters[i].thread), 0);
    assert_int_equal(f->run, THREADS * MAILS);
    assert_int_equal(f->wrong, 0); /* in order per thread, on the loop's thread */
}

static void test_fini_runs_what_is_left(void **state)
{
    (void) state;
    struct fixture *f = xcalloc(1, sizeof(*f));
    f->loop_thread = uv_thread_self();
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(mailbox_init(&f->box, &f->loop), 0);
    f->post_again = 5;
    mailbox_post(&f->box, &note_new(f, 0, 0)->mail);
    mailbox_fini(&f->box);
    assert_int_equal(f->run, 6);
    assert_int_equal(f->wrong, 0);
    (void) uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order_of_one_thread, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mails_that_post, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_threads, setup, teardown),
        cmocka_unit_test(test_fini_runs_what_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
