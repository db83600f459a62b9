/* The mailbox with real threads: many producers, one loop. Each mail runs exactly once, on the
 * loop's thread, and the mails of one producer in the order they were posted. */
#include "mailbox.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define PRODUCERS 8 /* the last one is the loop itself: run() posts again */
#define THREADS   (PRODUCERS - 1)
#define MAILS     20000 /* of each thread */
#define AT_END    100   /* posted when the loop has stopped: mailbox_fini() runs them */

struct office {
    uv_loop_t loop;
    struct mailbox box;
    pthread_t loop_thread;
    size_t posted_again, received[PRODUCERS]; /* loop thread */
    atomic_size_t posted;
};

struct letter {
    struct mail mail;
    struct office *office;
    size_t producer, number;
    unsigned runs;
};

struct producer {
    struct office *office;
    size_t index, mails;
    pthread_t thread;
};

static void letter_run(struct mail *m);

static void post(struct office *o, size_t producer, size_t number)
{
    struct letter *l = malloc(sizeof(*l));
    ASSERT(l != NULL);
    *l = (struct letter){
        .mail.run = letter_run, .office = o, .producer = producer, .number = number};
    mailbox_post(&o->box, &l->mail);
    (void) atomic_fetch_add(&o->posted, 1);
}

static size_t received_by_threads(const struct office *o)
{
    size_t n = 0;
    for (size_t i = 0; i < THREADS; i++)
        n += o->received[i];
    return n;
}

static void letter_run(struct mail *m)
{
    struct letter *l = (struct letter *) (void *) m;
    struct office *o = l->office;
    ASSERT(pthread_equal(pthread_self(), o->loop_thread));
    ASSERT(++l->runs == 1);
    ASSERT(l->number == o->received[l->producer]);
    o->received[l->producer]++;
    if (l->producer < THREADS && l->number % 10 == 0)
        post(o, THREADS, o->posted_again++); /* from inside: the lock must not be held */
    if (l->producer < THREADS && received_by_threads(o) == (size_t) THREADS * MAILS)
        uv_stop(&o->loop);
    free(l);
}

static void *producer_run(void *arg)
{
    struct producer *p = arg;
    for (size_t i = 0; i < p->mails; i++) {
        post(p->office, p->index, i);
        if (i % 1000 == p->index)
            (void) usleep(500); /* let the loop go to sleep now and then: wakes must not get lost */
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void) state;
    static struct office o;
    o.loop_thread = pthread_self();
    assert_int_equal(uv_loop_init(&o.loop), 0);
    assert_int_equal(mailbox_init(&o.box, &o.loop), 0);
    struct producer producers[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        producers[i] = (struct producer){.office = &o, .index = i, .mails = MAILS};
        assert_int_equal(pthread_create(&producers[i].thread, NULL, producer_run, &producers[i]),
                         0);
    }
    (void) uv_run(&o.loop, UV_RUN_DEFAULT); /* letter_run() stops it */
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(producers[i].thread, NULL), 0);
    for (size_t i = 0; i < AT_END; i++)
        post(&o, THREADS, o.posted_again++);
    mailbox_fini(&o.box);
    (void) uv_run(&o.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&o.loop), 0);

    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(o.received[i], MAILS);
    assert_int_equal(o.posted_again, THREADS * (MAILS / 10) + AT_END);
    assert_int_equal(o.received[THREADS], o.posted_again);
    assert_int_equal(atomic_load(&o.posted), THREADS * MAILS + o.posted_again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
