/* Tests of gateway/identity_caps.c: how many of a name, and that nothing is kept of who has gone.
 */
#include "identity_caps.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include <cmocka.h>

static void test_cap(void **state)
{
    (void) state;
    struct identity_caps *caps = identity_caps_new();
    struct slice ann = SLICE_LIT("ann"), nobody = slice_str("");
    assert_null(identity_caps_enter(caps, ann, 0));
    struct identity_count *first = identity_caps_enter(caps, ann, 2);
    struct identity_count *second = identity_caps_enter(caps, ann, 2);
    assert_non_null(first);
    assert_ptr_equal(first, second);
    assert_null(identity_caps_enter(caps, ann, 2));
    assert_null(identity_caps_enter(caps, ann, 1)); /* a lower limit ends nobody */
    struct identity_count *other = identity_caps_enter(caps, SLICE_LIT("ann "), 1);
    assert_non_null(other);
    assert_non_null(identity_caps_enter(caps, nobody, 1));
    assert_null(identity_caps_enter(caps, nobody, 1));
    assert_int_equal(identity_caps_size(caps), 3);
    identity_caps_leave(caps, first);
    second = identity_caps_enter(caps, ann, 2);
    assert_ptr_equal(first, second);
    assert_null(identity_caps_enter(caps, ann, 2));
    identity_caps_leave(caps, first);
    identity_caps_leave(caps, first);
    identity_caps_leave(caps, other);
    assert_int_equal(identity_caps_size(caps), 1);
    assert_non_null(other = identity_caps_enter(caps, nobody, 2));
    identity_caps_leave(caps, other);
    identity_caps_leave(caps, other);
    identity_caps_free(caps);
    identity_caps_free(NULL);
}

#define THREADS 4
#define ROUNDS  2000
#define NAMES   8
#define MOST    3

struct crowd {
    struct identity_caps *caps;
    uv_thread_t thread;
    unsigned refused;
};

static void come_and_go(void *arg)
{
    struct crowd *c = arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct identity_count *held[NAMES];
        for (unsigned n = 0; n < NAMES; n++) {
            uint8_t name = (uint8_t) n;
            held[n] = identity_caps_enter(c->caps, slice_of(&name, 1), MOST);
            c->refused += held[n] == NULL;
        }
        for (unsigned n = 0; n < NAMES; n++)
            if (held[n] != NULL)
                identity_caps_leave(c->caps, held[n]);
    }
}

static void test_threads(void **state)
{
    (void) state;
    struct crowd crowd[THREADS];
    struct identity_caps *caps = identity_caps_new();
    for (size_t i = 0; i < THREADS; i++) {
        crowd[i] = (struct crowd){.caps = caps};
        assert_int_equal(uv_thread_create(&crowd[i].thread, come_and_go, &crowd[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(uv_thread_join(&crowd[i].thread), 0);
    assert_int_equal(identity_caps_size(caps), 0);
    identity_caps_free(caps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cap), cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
