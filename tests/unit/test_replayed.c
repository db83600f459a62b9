/* Tests of broker/replayed.c: the mark, and a message's events in as many messages as it takes. */
#include "replayed.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define MARK "{\"replay\":{\"id\":\"rpl1\",\"at\":\"then\""

static void test_written(void **state)
{
    (void) state;
    struct replayed_mark mark = {.id = "rpl1", .at = "then"};
    struct buf out;
    struct slice events;
    buf_init(&out, 1000);
    assert_int_equal(replayed_write(&mark, SLICE_LIT("{\"a\":1},{}"), &out), 0);
    assert_true(slice_eq_str(buf_slice(&out), MARK "},\"messages\":[{\"a\":1},{}]}"));
    assert_true(replayed_is(buf_slice(&out)));
    assert_int_equal(replayed_events(buf_slice(&out), &events), 0);
    assert_true(slice_eq_str(events, "[{\"a\":1},{}]"));
    buf_clear(&out);
    mark.resume = "crt1";
    assert_int_equal(replayed_write(&mark, SLICE_LIT("0"), &out), 0);
    assert_true(slice_eq_str(buf_slice(&out), MARK ",\"resume\":\"crt1\"},\"messages\":[0]}"));
    buf_fini(&out);
    buf_init(&out, 20);
    assert_int_equal(replayed_write(&mark, SLICE_LIT("0"), &out), -EMSGSIZE);
    buf_fini(&out);
}

/* The largest mark that there is has its room. */
static void test_room(void **state)
{
    (void) state;
    struct replayed_mark mark = {.id = "rpl00000000000000000", .resume = "crt00000000000000000"};
    struct buf out;
    clock_rfc3339(clock_wall_ms(), mark.at);
    buf_init(&out, REPLAYED_MARK_SIZE);
    assert_int_equal(replayed_write(&mark, SLICE_LIT(""), &out), 0);
    buf_fini(&out);
}

static void test_messages(void **state)
{
    static const struct {
        const char *text;
        bool marked;
        int err;
    } CASES[] = {
        {"{\"messages\":[]}", false, 0},        {"{\"replay\":{}, \"messages\":[]}", true, 0},
        {"{\"replay\":{", false, -EBADMSG}, /* that is all of it */
        {"{\"messages\":{}}", false, -EBADMSG}, {"{\"messages\":1}", false, -EBADMSG},
        {"{\"message\":[]}", false, -EBADMSG},  {"", false, -EBADMSG},
    };
    struct slice events;
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct slice text = slice_str(CASES[i].text);
        assert_int_equal(replayed_is(text), CASES[i].marked);
        assert_int_equal(replayed_events(text, &events), CASES[i].err);
    }
}

static void test_one_event(void **state)
{
    struct slice array = SLICE_LIT("[ {\"a\":[1]} , 2]"), event;
    (void) state;
    assert_int_equal(replayed_event(array, 0, &event), 0);
    assert_true(slice_eq_str(event, "{\"a\":[1]}"));
    assert_int_equal(replayed_event(array, 1, &event), 0);
    assert_true(slice_eq_str(event, "2"));
    assert_int_equal(replayed_event(array, 2, &event), -ENOENT);
    assert_int_equal(replayed_event(SLICE_LIT("[1"), 1, &event), -EBADMSG);
}

static void test_pieces(void **state)
{
    static const struct {
        const char *array;
        size_t room; /* besides the mark */
        const char *pieces[4];
        int end;
    } CASES[] = {
        {"[11,22,33]", 100, {"11,22,33"}, 1},
        {"[11,22,33]", 8, {"11,22,33"}, 1},
        {"[11,22,33]", 7, {"11,22", "33"}, 1},
        {"[11,22,33]", 2, {"11", "22", "33"}, 1},
        {"[11,2222,3]", 2, {"11"}, -EMSGSIZE},
        {"[11]", 0, {NULL}, -EMSGSIZE},
        {"[]", 0, {NULL}, 1},
        {"[11,", 100, {NULL}, -EBADMSG},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct replayed_piece piece;
        size_t at = 0, first = 0, n = 0, events = 0;
        struct slice array = slice_str(CASES[i].array);
        int r;
        while ((r = replayed_next(array, REPLAYED_MARK_SIZE + CASES[i].room, &at, &first,
                                  &piece)) == 0) {
            assert_non_null(CASES[i].pieces[n]);
            assert_true(slice_eq_str(piece.events, CASES[i].pieces[n++]));
            assert_int_equal(piece.first, events);
            events += piece.n;
            assert_int_equal(first, events);
        }
        assert_int_equal(r, CASES[i].end);
        assert_true(n == 4 || CASES[i].pieces[n] == NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written),  cmocka_unit_test(test_room),
        cmocka_unit_test(test_messages), cmocka_unit_test(test_one_event),
        cmocka_unit_test(test_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
