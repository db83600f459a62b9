/* Tests of gateway/cli/inbox.c. */
#include "inbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "event_text.h"

#include <cmocka.h>

static void check_front(const struct inbox *box, const char *expected)
{
    struct slice lines;
    assert_true(inbox_front(box, &lines));
    assert_true(slice_eq_str(lines, expected));
}

static void test_in_order(void **state)
{
    (void) state;
    struct inbox box;
    char last[ID_SIZE] = "";
    struct slice lines;
    inbox_init(&box);
    assert_false(inbox_front(&box, &lines));
    assert_int_equal(inbox_add(&box, SLICE_LIT("[" EVENT("1") "," EVENT("2") "]"), last), 0);
    assert_string_equal(last, EVENT_ID("2"));
    assert_int_equal(inbox_add(&box, SLICE_LIT("[ ]"), last), 0);
    assert_string_equal(last, EVENT_ID("2"));
    assert_int_equal(inbox_add(&box, SLICE_LIT("[" EVENT("3") "]"), last), 0);
    assert_int_equal(inbox_add_lines(&box, SLICE_LIT(EVENT("4") "\n")), 0);
    assert_int_equal(inbox_add_lines(&box, SLICE_LIT("")), 0);
    size_t len = strlen(EVENT("1")) + 1;
    assert_int_equal(box.bytes, 4 * len);
    check_front(&box, EVENT("1") "\n" EVENT("2") "\n");
    assert_string_equal(inbox_replay(&box)->id, "");
    inbox_drop(&box, len);
    check_front(&box, EVENT("2") "\n");
    inbox_drop(&box, len);
    check_front(&box, EVENT("3") "\n");
    inbox_drop(&box, len);
    inbox_drop(&box, len);
    assert_false(inbox_front(&box, &lines));
    assert_int_equal(box.bytes, 0);
    inbox_mark(&box, &(struct message_replay){.id = "rpl"}); /* of what had no events */
    assert_int_equal(inbox_add(&box, SLICE_LIT("[" EVENT("5") "]"), last), 0);
    check_front(&box, EVENT("5") "\n");
    assert_string_equal(inbox_replay(&box)->id, "");
    inbox_mark(&box, &(struct message_replay){.id = "rpl", .resume = "crt"});
    assert_string_equal(inbox_replay(&box)->resume, "crt");
    inbox_fini(&box);
}

/* Messages are taken whole or not at all; an event never has two lines. */
static void test_bad_and_spread(void **state)
{
    (void) state;
    struct inbox box;
    char last[ID_SIZE] = "";
    struct slice lines;
    inbox_init(&box);
    static const char *const BAD[] = {"[" EVENT("1") ",{}]", "[" EVENT("1"), "[1]", "{}", ""};
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        assert_int_equal(inbox_add(&box, slice_str(BAD[i]), last), -EBADMSG);
    assert_false(inbox_front(&box, &lines));
    assert_string_equal(last, "");
    const char *spread = "[{\"event_metadata\":\r\n{\"event_id\":\n\"" EVENT_ID("1") "\"}}]";
    assert_int_equal(inbox_add(&box, slice_str(spread), last), 0);
    check_front(&box, "{\"event_metadata\":  {\"event_id\": \"" EVENT_ID("1") "\"}}\n");
    inbox_fini(&box);
}

static void test_join(void **state)
{
    (void) state;
    struct buf out;
    buf_init(&out, 256);
    assert_int_equal(inbox_join(SLICE_LIT("{}\n{\"a\":1}\n"), &out), 0);
    assert_true(slice_eq_str(buf_slice(&out), "{\"messages\":[{},{\"a\":1}]}"));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_in_order),
                                       cmocka_unit_test(test_bad_and_spread),
                                       cmocka_unit_test(test_join)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
