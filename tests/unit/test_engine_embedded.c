/* The engine of one node: everything is passed on at once. */
#include "engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct seen {
    struct event *const *events;
    size_t n, done;
    struct path *path;
    const struct batch_message *message;
    int deliver_result;
};

static void on_events(void *ctx, struct event *const *events, size_t n)
{
    struct seen *s = ctx;
    assert_int_equal(s->done, 0); /* safe only when passed on */
    s->events = events;
    s->n = n;
}

static int on_deliver(void *ctx, struct path *p, const struct batch_message *m)
{
    struct seen *s = ctx;
    s->path = p;
    s->message = m;
    return s->deliver_result;
}

static void on_done(void *arg, int err)
{
    struct seen *s = arg;
    assert_int_equal(err, 0);
    s->done++;
}

static void test_passes_on(void **state)
{
    (void) state;
    struct seen s = {0};
    const struct engine_callbacks cb = {.ctx = &s, .events = on_events, .deliver = on_deliver};
    assert_string_equal(ENGINE_EMBEDDED.name, "embedded");
    struct engine *e = ENGINE_EMBEDDED.open(&cb);
    assert_non_null(e);

    struct event *events[2] = {NULL, NULL};
    assert_int_equal(ENGINE_EMBEDDED.submit(e, events, 2, on_done, &s), 0);
    assert_ptr_equal(s.events, events);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.done, 1);

    struct path p = {.index = 3};
    const struct batch_message m = {.n_events = 1};
    assert_int_equal(ENGINE_EMBEDDED.broadcast(e, &p, &m), 0);
    assert_ptr_equal(s.path, &p);
    assert_ptr_equal(s.message, &m);
    s.deliver_result = -ENOMEM;
    assert_int_equal(ENGINE_EMBEDDED.broadcast(e, &p, &m), -ENOMEM);
    ENGINE_EMBEDDED.close(e);
    ENGINE_EMBEDDED.close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_passes_on)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
