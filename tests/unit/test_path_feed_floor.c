/* What is known of what came before a path's history was moved here (move.h). */
#include "feed_desk.h"

/* What a move puts in front of a path's history. */
static void append_floor(struct desk *d, size_t path, uint64_t floor)
{
    struct buf headers;
    char id[ID_SIZE];
    event_id_of(floor, id);
    buf_init(&headers, 1024);
    assert_int_equal(batch_wire_put_headers(&headers, &(struct batch_wire){.writer = "m.1"}), 0);
    assert_int_equal(buf_printf(&headers, BATCH_WIRE_FLOOR ": %s\r\n", id), 0);
    (void) publish(d, path, &headers, &(struct buf){.len = 0});
}

/* Where nothing was ever deleted from the stream, and yet something is missing before it: also when
 * nothing follows, and when it is too old itself. */
static void test_stated_floor(void **state)
{
    struct desk *d = *state;
    struct path_feed_stats stats;
    append_floor(d, 0, 100);
    for (size_t i = 0; i < 2; i++)
        (void) append(d, 0, 110 + i, 111 + i, 10);
    append_floor(d, 1, 200);
    append_floor(d, 2, 300);
    follow(d, 0);
    assert_string_equal(d->said, "acut a111 a112 ");
    assert_int_equal(floor_to(d, 100), 0);
    follow(d, 1);
    assert_string_equal(d->said, "acut a111 a112 bcut ");
    assert_int_equal(floor_to(d, 200), 0);
    path_feed_stats(d->feed, &stats);
    assert_int_equal(stats.dropped, 0);
    clock_freeze(clock_mono_ms(), clock_wall_ms() + d->paths[2].history_ms + 60000);
    follow(d, 2);
    clock_unfreeze();
    assert_int_equal(floor_to(d, 300), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_stated_floor, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
