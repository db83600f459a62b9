/* test_js.c - publishing with acknowledgements, against a real server. */
#include "nats_bed.h"

#define STREAM "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"allow_atomic\":true}"

static void test_acknowledged(void **state)
{
    (void) state;
    struct nats_bed *b = bed_new("");
    struct js_publish p = bed_message("s.a", "one");
    assert_int_equal(bed_ensure(b, STREAM).err, 0);
    struct bed_answer a = bed_publish(b, &p);
    assert_int_equal(a.err, 0);
    assert_int_equal(a.ack.seq, 1);
    assert_false(a.ack.duplicate);
    p.msg_id = "first";
    assert_int_equal(bed_publish(b, &p).ack.seq, 2);
    a = bed_publish(b, &p);
    assert_int_equal(a.ack.seq, 2);
    assert_true(a.ack.duplicate);
    bed_free(b);
}

static void test_fenced(void **state)
{
    (void) state;
    struct nats_bed *b = bed_new("");
    struct js_publish p = bed_message("s.a", "one");
    assert_int_equal(bed_ensure(b, STREAM).err, 0);
    p.last_subject_seq = 0;
    assert_int_equal(bed_publish(b, &p).ack.seq, 1);
    assert_int_equal(bed_publish(b, &p).err, -EEXIST);
    p.last_subject_seq = 1;
    assert_int_equal(bed_publish(b, &p).ack.seq, 2);
    p.last_subject_seq = JS_ANY;
    p.last_seq = 1;
    assert_int_equal(bed_publish(b, &p).err, -EEXIST);
    p.last_seq = 2;
    assert_int_equal(bed_publish(b, &p).ack.seq, 3);
    bed_free(b);
}

static void test_all_or_none(void **state)
{
    (void) state;
    struct nats_bed *b = bed_new("");
    struct js_publish p[3] = {bed_message("s.a", "1"), bed_message("s.b", "2"),
                              bed_message("s.c", "3")};
    struct bed_answer a = {0};
    assert_int_equal(bed_ensure(b, STREAM).err, 0);
    js_publish_all(b->js, p, 3, bed_on_ack, &a);
    BED_UNTIL(b, a.came);
    assert_int_equal(a.err, 0);
    assert_int_equal(a.ack.seq, 3);
    p[1].last_subject_seq = 1; /* it is 2 */
    a = (struct bed_answer){0};
    js_publish_all(b->js, p, 3, bed_on_ack, &a);
    BED_UNTIL(b, a.came);
    assert_int_equal(a.err, -EEXIST);
    p[1].last_subject_seq = 2;
    p[0].last_seq = 3;
    a = (struct bed_answer){0};
    js_publish_all(b->js, p, 3, bed_on_ack, &a);
    BED_UNTIL(b, a.came);
    assert_int_equal(a.err, 0);
    assert_int_equal(a.ack.seq, 6);
    bed_free(b);
}

static void test_refused(void **state)
{
    (void) state;
    struct nats_bed *b = bed_new("");
    struct js_publish p = bed_message("nobody.listens", "x");
    assert_int_equal(bed_publish(b, &p).err, -EHOSTUNREACH);
    assert_int_equal(bed_ensure(b, "{\"name\":\"S\",\"subjects\":[\"s.>\"],\"max_msgs\":1,"
                                   "\"discard\":\"new\",\"max_msg_size\":100}")
                         .err,
                     0);
    p = bed_message("s.a", "x");
    assert_int_equal(bed_publish(b, &p).err, 0);
    assert_int_equal(bed_publish(b, &p).err, -ENOSPC);
    char big[200];
    memset(big, 'x', sizeof(big));
    p.data = slice_of(big, sizeof(big));
    assert_int_equal(bed_publish(b, &p).err, -EMSGSIZE);
    p.subject = "s. a";
    assert_int_equal(bed_publish(b, &p).err, -EINVAL);
    bed_free(b);
}

/* What is under way when it is freed does not come any more. */
static void test_freed(void **state)
{
    (void) state;
    struct nats_bed *b = bed_new("");
    struct js_publish p = bed_message("s.a", "x");
    struct bed_answer a = {0};
    assert_int_equal(bed_ensure(b, STREAM).err, 0);
    for (int i = 0; i < 10; i++)
        js_publish(b->js, &p, bed_on_ack, &a);
    js_free(b->js);
    b->js = js_new(b->nats, "");
    assert_int_equal(bed_publish(b, &p).ack.seq, 11); /* they were sent, though */
    assert_false(a.came);
    bed_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acknowledged), cmocka_unit_test(test_fenced),
        cmocka_unit_test(test_all_or_none),  cmocka_unit_test(test_refused),
        cmocka_unit_test(test_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
