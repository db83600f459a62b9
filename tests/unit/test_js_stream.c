/* test_js_stream.c - streams, and taking messages out of them, against a real server. */
#include "nats_bed.h"

#include <time.h>

static struct bed_answer info(struct nats_bed *b)
{
    struct bed_answer a = {0};
    js_stream_info(b->js, "S", bed_on_stream, &a);
    BED_UNTIL(b, a.came);
    return a;
}

static void test_made_and_changed(void **state)
{
    (void) state;
    struct nats_bed *b = bed_new("");
    assert_int_equal(info(b).err, -ENOENT);
    struct bed_answer a = bed_ensure(
        b, "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"max_age\":60000000000,\"discard\":\"new\","
           "\"duplicate_window\":1000000000,\"max_bytes\":1000000,"
           "\"republish\":{\"src\":\"s.*\",\"dest\":\"cast.>\"}}");
    /* A destination must not have more wildcards than there are. */
    assert_int_equal(a.err, -EPROTO);
    static const char CONFIG[] =
        "{\"name\":\"S\",\"subjects\":[\"s.*\"],\"max_age\":60000000000,\"discard\":\"new\","
        "\"duplicate_window\":1000000000,\"max_bytes\":1000000,\"allow_direct\":false,"
        "\"republish\":{\"src\":\"s.>\",\"dest\":\"cast.>\"}}";
    a = bed_ensure(b, CONFIG);
    assert_int_equal(a.err, 0);
    assert_int_equal(a.stream.replicas, 1);
    assert_int_equal(a.stream.last_seq, 0);
    assert_in_range(a.stream.created_ns / 1000000000, time(NULL) - 60, time(NULL) + 60);
    uint64_t created = a.stream.created_ns;
    const struct js_publish p = bed_message("s.a", "one");
    assert_int_equal(bed_publish(b, &p).err, 0);
    a = bed_ensure(b, CONFIG); /* there is nothing to change */
    assert_int_equal(a.err, 0);
    assert_int_equal(a.stream.last_seq, 1);
    a = bed_ensure(b, "{\"name\":\"S\",\"max_bytes\":2000000}"); /* the rest stays */
    assert_int_equal(a.err, 0);
    a = bed_ensure(b, CONFIG);
    assert_int_equal(a.err, 0);
    assert_int_equal(a.stream.created_ns, created);
    a = info(b);
    assert_int_equal(a.stream.messages, 1);
    assert_int_equal(a.stream.first_seq, 1);
    assert_true(a.stream.bytes > 0);
    assert_true(a.stream.last_ns >= created);
    assert_int_equal(bed_ensure(b, "{\"name\":\"S\",\"storage\":\"memory\"}").err, -EPROTO);
    assert_int_equal(bed_ensure(b, "{\"name\":\"T\",\"num_replicas\":3}").err, -EPROTO);
    assert_int_equal(
        bed_ensure(b, "{\"name\":\"T\",\"max_bytes\":2000000000,\"subjects\":[\"t\"]}").err,
        -ENOSPC);
    bed_free(b);
}

static void test_taken_out(void **state)
{
    (void) state;
    struct nats_bed *b = bed_new("");
    assert_int_equal(bed_ensure(b, "{\"name\":\"S\",\"subjects\":[\"s.*\"]}").err, 0);
    const struct js_publish one = bed_message("s.a", "x"), other = bed_message("s.b", "x");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(bed_publish(b, &one).err, 0);
        assert_int_equal(bed_publish(b, &other).err, 0);
    }
    static const struct {
        const char *stream, *subject;
        uint64_t before, messages, first;
        int err;
    } CASES[] = {
        {"S", NULL, 3, 4, 3, 0},          {"S", "s.a", 5, 3, 4, 0},
        {"S", "s.b", JS_ANY, 1, 5, 0},    {"S", NULL, JS_ANY, 0, 7, 0},
        {"NONE", NULL, 1, 0, 7, -ENOENT},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct bed_answer a = {0};
        js_purge(b->js, CASES[i].stream, CASES[i].subject, CASES[i].before, bed_on_done, &a);
        BED_UNTIL(b, a.came);
        assert_int_equal(a.err, CASES[i].err);
        a = info(b);
        assert_int_equal(a.stream.messages, CASES[i].messages);
        assert_int_equal(a.stream.first_seq, CASES[i].first);
    }
    assert_int_equal(bed_publish(b, &one).ack.seq, 7);
    for (int i = 0; i < 2; i++) {
        struct bed_answer a = {0};
        js_delete_msg(b->js, "S", 7, bed_on_done, &a);
        BED_UNTIL(b, a.came);
        assert_int_equal(a.err, i == 0 ? 0 : -ENOENT);
    }
    bed_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_and_changed),
        cmocka_unit_test(test_taken_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
