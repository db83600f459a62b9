/* The work queue with real threads: many putters, one taker that sleeps in between. Everything
 * arrives once, that of each putter in its order, and closing wakes the taker. */
#include "mem.h"
#include "work.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define PUTTERS 6
#define ITEMS   20000 /* of each */

struct item {
    struct work work;
    size_t putter, number;
};

struct putter {
    struct work_queue *queue;
    size_t index;
    pthread_t thread;
};

struct taker {
    struct work_queue *queue;
    uint64_t timeout_ms;
    size_t received[PUTTERS], wakes, timeouts;
    atomic_bool asleep; /* is about to be, at least */
    pthread_t thread;
};

static void *put_all(void *arg)
{
    struct putter *p = arg;
    for (size_t i = 0; i < ITEMS; i++) {
        struct item *item = xcalloc(1, sizeof(*item));
        item->putter = p->index;
        item->number = i;
        work_put(p->queue, &item->work);
        if (i % 1000 == p->index)
            (void) usleep(500); /* the taker goes to sleep now and then: wakes must not get lost */
    }
    return NULL;
}

static void receive(struct taker *t, struct work *all)
{
    while (all != NULL) {
        struct item *item = (struct item *) (void *) all;
        all = all->next;
        ASSERT(item->number == t->received[item->putter]);
        t->received[item->putter]++;
        free(item);
    }
}

static void *take_all(void *arg)
{
    struct taker *t = arg;
    bool closed = false;
    while (!closed) {
        atomic_store(&t->asleep, true);
        struct work *all = work_take(t->queue, t->timeout_ms, &closed);
        ASSERT(all == NULL || !closed);
        ASSERT(all != NULL || closed || t->timeout_ms != UINT64_MAX);
        t->wakes += all != NULL;
        t->timeouts += all == NULL && !closed;
        receive(t, all);
    }
    return NULL;
}

static void run(uint64_t timeout_ms)
{
    struct work_queue queue;
    struct putter putters[PUTTERS];
    struct taker taker = {.queue = &queue, .timeout_ms = timeout_ms};
    assert_int_equal(work_queue_init(&queue), 0);
    assert_int_equal(pthread_create(&taker.thread, NULL, take_all, &taker), 0);
    for (size_t i = 0; i < PUTTERS; i++) {
        putters[i] = (struct putter){.queue = &queue, .index = i};
        assert_int_equal(pthread_create(&putters[i].thread, NULL, put_all, &putters[i]), 0);
    }
    for (size_t i = 0; i < PUTTERS; i++)
        assert_int_equal(pthread_join(putters[i].thread, NULL), 0);
    work_close(&queue);
    assert_int_equal(pthread_join(taker.thread, NULL), 0);
    work_queue_fini(&queue);
    for (size_t i = 0; i < PUTTERS; i++)
        assert_int_equal(taker.received[i], ITEMS);
    assert_true(taker.wakes > 0 && taker.wakes <= (size_t) PUTTERS * ITEMS);
}

static void test_sleeps_for_ever(void **state)
{
    (void) state;
    run(UINT64_MAX);
}

static void test_sleeps_a_while(void **state)
{
    (void) state;
    run(1);
}

/* With nothing ever put: a taker that does not wake hangs the test. */
static void test_close_wakes(void **state)
{
    (void) state;
    for (int i = 0; i < 200; i++) {
        struct work_queue queue;
        struct taker taker = {.queue = &queue, .timeout_ms = UINT64_MAX};
        assert_int_equal(work_queue_init(&queue), 0);
        assert_int_equal(pthread_create(&taker.thread, NULL, take_all, &taker), 0);
        while (i % 2 == 0 && !atomic_load(&taker.asleep)) /* else it may find it closed */
            (void) usleep(10);
        work_close(&queue);
        assert_int_equal(pthread_join(taker.thread, NULL), 0);
        assert_int_equal(taker.wakes + taker.timeouts, 0);
        work_queue_fini(&queue);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sleeps_for_ever),
                                       cmocka_unit_test(test_sleeps_a_while),
                                       cmocka_unit_test(test_close_wakes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
