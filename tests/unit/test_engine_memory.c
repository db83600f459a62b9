/* The engine that keeps nothing: everything is passed on at once. */
#include "engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct world {
    struct event *const *events;
    size_t n, done, delivered;
    struct path *path;
    uint64_t position;
    int deliver_result;
};

static void on_events(void *ctx, struct event *const *events, size_t n, bool again)
{
    struct world *w = ctx;
    assert_false(again);
    assert_int_equal(w->done, 0); /* safe only when passed on */
    w->events = events;
    w->n = n;
}

static int on_deliver(void *ctx, const struct engine_batch *b)
{
    struct world *w = ctx;
    w->path = b->path;
    w->position = b->position;
    assert_string_equal(b->first_event_id, "crt00000000000000001");
    assert_true(slice_eq_str(b->frames, "frames"));
    return w->deliver_result;
}

static void on_delivered(void *ctx)
{
    ((struct world *) ctx)->delivered++;
}

static void on_done(void *arg, int err)
{
    struct world *w = arg;
    assert_int_equal(err, 0);
    w->done++;
}

static void on_settled(void *arg)
{
    ((struct world *) arg)->done++;
}

static void test_passes_on(void **state)
{
    (void) state;
    struct world w = {0};
    const struct engine_ops *ops = &ENGINE_MEMORY;
    const struct engine_options options = {
        .cb = {.ctx = &w, .events = on_events, .deliver = on_deliver, .delivered = on_delivered}};
    struct engine *e;
    assert_string_equal(ops->name, "memory");
    assert_int_equal(ops->open(&options, &e), 0);

    struct event first = {0}, second = {0}, *events[] = {&first, &second};
    assert_int_equal(ops->can_submit(e), 0);
    ops->submit(e,
                &(struct engine_submission){.events = events, .n = 2, .done = on_done, .arg = &w});
    assert_ptr_equal(w.events, events);
    assert_int_equal(w.n, 2);
    assert_int_equal(w.done, 1);
    assert_int_equal(first.seq, 1);
    assert_int_equal(second.seq, 2);

    struct path p = {.index = 3};
    const struct batch_message m = {.n_events = 1,
                                    .first_event_id = "crt00000000000000001",
                                    .last_event_id = "crt00000000000000002"};
    const struct engine_broadcast b = {.path = &p, .message = &m, .frames = SLICE_LIT("frames")};
    assert_int_equal(ops->broadcast(e, &b), 0);
    assert_ptr_equal(w.path, &p);
    assert_true(w.position == ENGINE_ANYWHERE);
    w.deliver_result = -ENOMEM;
    assert_int_equal(ops->broadcast(e, &b), -ENOMEM);
    ops->flush(e);
    assert_int_equal(w.delivered, 1);
    ops->settle(e, on_settled, &w);
    assert_int_equal(w.done, 2);

    ops->change(e, &(struct engine_change){.done = on_done, .arg = &w});
    assert_int_equal(w.done, 3);
    assert_int_equal(ops->submitted_seq(e), 2);
    assert_int_equal(ops->load_records(e, NULL, NULL), 0); /* there are none */

    struct engine_stats stats = {0};
    ops->stats(e, &stats);
    assert_int_equal(stats.state, 1);
    assert_null(ops->history(e));
    assert_null(ops->trial(e));
    assert_false(ops->suspect(e, 1));
    ops->stop(e);
    ops->close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_passes_on)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
