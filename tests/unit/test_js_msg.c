/* test_js_msg.c - single messages of a stream, against a real server. */
#include "nats_bed.h"

#include <time.h>

static void test_got(void **state)
{
    (void) state;
    struct nats_bed *b = bed_new("");
    assert_int_equal(bed_ensure(b, "{\"name\":\"S\",\"subjects\":[\"s.*\"]}").err, 0);
    struct js_publish p = bed_message("s.a", "one");
    p.headers = SLICE_LIT("K: v\r\n");
    assert_int_equal(bed_publish(b, &p).err, 0);
    const struct js_publish other = bed_message("s.b", "");
    assert_int_equal(bed_publish(b, &other).err, 0);
    struct bed_answer last = {0}, any = {0}, second = {0}, none = {0}, beyond = {0}, stream = {0};
    js_get_last(b->js, "S", "s.a", bed_on_js_msg, &last);
    js_get_last(b->js, "S", "s.*", bed_on_js_msg, &any);
    js_get(b->js, "S", 2, bed_on_js_msg, &second);
    js_get_last(b->js, "S", "s.none", bed_on_js_msg, &none);
    js_get(b->js, "S", 3, bed_on_js_msg, &beyond);
    js_get(b->js, "NONE", 3, bed_on_js_msg, &stream);
    assert_false(last.came);
    BED_UNTIL(b, last.came && any.came && second.came && none.came && beyond.came && stream.came);
    assert_int_equal(last.err, 0);
    assert_int_equal(last.seq, 1);
    assert_string_equal(last.subject, "s.a");
    assert_string_equal(last.data, "one");
    assert_string_equal(last.headers, "K: v\r\n");
    assert_in_range(last.time_ns / 1000000000, time(NULL) - 60, time(NULL) + 60);
    assert_int_equal(any.seq, 2);
    assert_int_equal(second.err, 0);
    assert_int_equal(second.len, 0);
    assert_int_equal(none.err, -ENOENT);
    assert_int_equal(beyond.err, -ENOENT);
    assert_int_equal(stream.err, -ENOENT);
    bed_free(b);
}

struct large {
    bool came, same;
    const uint8_t *sent;
    size_t len;
};

static void on_large(void *ctx, int err, const struct js_msg *m)
{
    struct large *l = ctx;
    assert_int_equal(err, 0);
    l->came = true;
    l->same = slice_eq(m->data, slice_of(l->sent, l->len));
}

/* As large as one may be: the answer is a third longer. */
static void test_large(void **state)
{
    (void) state;
    struct nats_bed *b = bed_new("");
    assert_int_equal(bed_ensure(b, "{\"name\":\"S\",\"subjects\":[\"s.*\"]}").err, 0);
    size_t len = nats_server(b->nats)->max_payload;
    uint8_t *data = xmalloc(len);
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t) (i * 7 + i / 251);
    struct js_publish p = bed_message("s.a", "");
    p.data = slice_of(data, len);
    assert_int_equal(bed_publish(b, &p).err, 0);
    struct large l = {.sent = data, .len = len};
    js_get(b->js, "S", 1, on_large, &l);
    BED_UNTIL(b, l.came);
    assert_true(l.same);
    free(data);
    bed_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_got),
        cmocka_unit_test(test_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
