/* Tests of broker/deliveries.c: what is found of batches formed, delivered, given up and forgotten.
 */
#include "deliveries.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct path path;

static void id_of(uint64_t n, char ret[ID_SIZE])
{
    id_encode(EVENT_ID_PREFIX, 0, n, ret);
}

/* A batch of the events first..last; the number of its note. */
static uint64_t form(struct deliveries *d, uint64_t first, uint64_t last)
{
    static uint8_t ids[1000 * ID_PACKED_SIZE];
    char first_id[ID_SIZE], last_id[ID_SIZE], id[ID_SIZE];
    struct trigger_spec t;
    trigger_spec_init(&t);
    trigger_spec_set(&t.name, SLICE_LIT("tried"));
    for (uint64_t n = first; n <= last; n++) {
        id_of(n, id);
        assert_true(id_pack(EVENT_ID_PREFIX, slice_str(id), ids + (n - first) * ID_PACKED_SIZE));
    }
    id_of(first, first_id);
    id_of(last, last_id);
    const struct batch_message m = {.n_events = last - first + 1,
                                    .first_event_id = first_id,
                                    .last_event_id = last_id,
                                    .ids = slice_of(ids, (last - first + 1) * ID_PACKED_SIZE)};
    uint64_t note = deliveries_formed(d, &t, "", &path, &m, 100);
    trigger_spec_fini(&t);
    return note;
}

static void keep(void *ctx, const struct delivery_note *n)
{
    *(struct delivery_note *) ctx = *n;
}

static size_t find(const struct deliveries *d, uint64_t n, struct delivery_note *ret)
{
    char id[ID_SIZE];
    id_of(n, id);
    return deliveries_find(d, slice_str(id), keep, ret);
}

static void test_way(void **state)
{
    struct deliveries *d = deliveries_new();
    struct delivery_note n;
    (void) state;
    assert_int_equal(find(d, 1, &n), 0);
    uint64_t first = form(d, 1, 3);
    (void) form(d, 4, 4); /* is given up */
    uint64_t third = form(d, 5, 9);
    assert_int_equal(find(d, 2, &n), 1);
    assert_false(n.delivered);
    deliveries_arrived(d, 0, 1, 7, 1000); /* of nobody who notes */
    deliveries_arrived(d, first, 50, 7, 1000);
    deliveries_arrived(d, third, 60, 7, 1000);
    assert_int_equal(find(d, 3, &n), 1);
    assert_true(n.delivered);
    assert_int_equal(n.position, 50);
    assert_int_equal(n.connections, 7);
    assert_int_equal(n.delivered_ms, 1000);
    assert_int_equal(n.n_events, 3);
    assert_int_equal(find(d, 7, &n), 1);
    assert_int_equal(n.position, 60);
    assert_int_equal(find(d, 4, &n), 1);
    assert_false(n.delivered);
    assert_int_equal(find(d, 10, &n), 0);
    assert_int_equal(find(d, 100, &n), 0);
    (void) form(d, 5, 5); /* another trigger takes it as well */
    assert_int_equal(find(d, 5, &n), 2);
    assert_int_equal(deliveries_find(d, SLICE_LIT("nonsense"), keep, &n), 0);
    deliveries_free(d);
}

static void test_forgotten(void **state)
{
    struct deliveries *d = deliveries_new();
    struct delivery_note n;
    (void) state;
    for (uint64_t i = 1; i <= DELIVERIES_MAX + 1; i++)
        assert_int_equal(form(d, i, i), i);
    assert_int_equal(find(d, 1, &n), 0);
    assert_int_equal(find(d, 2, &n), 1);
    deliveries_arrived(d, 1, 9, 7, 1000); /* its place is another's by now */
    assert_int_equal(find(d, DELIVERIES_MAX + 1, &n), 1);
    assert_false(n.delivered);
    deliveries_arrived(d, 2, 9, 7, 1000);
    assert_int_equal(find(d, 2, &n), 1);
    assert_true(n.delivered);
    deliveries_arrived(d, DELIVERIES_MAX + 2, 9, 7, 1000); /* was never given out */
    uint64_t next = 1000000;
    for (size_t i = 0; i < DELIVERIES_IDS / 1000 + 1; i++, next += 1000)
        (void) form(d, next, next + 999); /* their ids push the others' out */
    assert_int_equal(find(d, 3, &n), 0);
    assert_int_equal(find(d, next - 1, &n), 1);
    deliveries_free(d);
    deliveries_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_way),
                                       cmocka_unit_test(test_forgotten)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
