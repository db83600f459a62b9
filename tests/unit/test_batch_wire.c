/* Messages of P_BAT: what is written is read again, whatever is cut off or made up is refused. */
#include "cluster/batch_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TRIGGER "a1ttttttttttttttttt0"

static const struct batch_wire_item ITEMS[] = {
    {BATCH_CUTOFF, 77, SLICE_INIT("11 bytes.. 11 bytes.."), SLICE_INIT("a name"),
     SLICE_INIT("frames")},
    {BATCH_REPLAY, UINT64_MAX, {NULL, 0}, {NULL, 0}, {NULL, 0}},
    {BATCH_SIZE, 0, SLICE_INIT("one id only"), {NULL, 0}, SLICE_INIT("\0\xff")},
};

static void put_all(struct buf *out)
{
    buf_init(out, SIZE_MAX);
    for (size_t i = 0; i < ARRAY_LEN(ITEMS); i++) {
        struct batch_wire_item item = ITEMS[i];
        item.ids.len -= item.ids.len % ID_PACKED_SIZE;
        assert_int_equal(batch_wire_put_item(out, &item), 0);
    }
}

static void test_items(void **state)
{
    (void) state;
    struct buf out;
    struct batch_wire_item item;
    put_all(&out);
    struct slice in = buf_slice(&out);
    for (size_t i = 0; i < ARRAY_LEN(ITEMS); i++) {
        assert_int_equal(batch_wire_next(&in, &item), 0);
        assert_int_equal(item.why, ITEMS[i].why);
        assert_int_equal(item.last_seq, ITEMS[i].last_seq);
        assert_int_equal(item.ids.len, ITEMS[i].ids.len / ID_PACKED_SIZE * ID_PACKED_SIZE);
        assert_true(slice_eq(item.ids, slice_sub(ITEMS[i].ids, 0, item.ids.len)));
        assert_true(slice_eq(item.name, ITEMS[i].name));
        assert_true(slice_eq(item.frames, ITEMS[i].frames));
    }
    assert_int_equal(batch_wire_next(&in, &item), -ENOENT);
    buf_fini(&out);
}

/* A memory of exactly that length, so that a sanitizer sees whoever reads on. */
static int read_cut(struct slice all, size_t len)
{
    uint8_t *copy = malloc(len + 1);
    struct batch_wire_item item;
    assert_non_null(copy);
    memcpy(copy + 1, all.data, len);
    struct slice in = slice_of(copy + 1, len);
    int r;
    while ((r = batch_wire_next(&in, &item)) == 0)
        ;
    free(copy);
    return r;
}

static void test_cut_anywhere(void **state)
{
    (void) state;
    struct buf out;
    struct batch_wire_item item;
    size_t whole = 0;
    put_all(&out);
    struct slice in = buf_slice(&out);
    for (size_t len = 0; len <= out.len; len++) {
        bool between = len == whole;
        if (between && in.len > 0) {
            assert_int_equal(batch_wire_next(&in, &item), 0);
            whole = out.len - in.len;
        }
        assert_int_equal(read_cut(buf_slice(&out), len), between ? -ENOENT : -EBADMSG);
    }
    buf_fini(&out);
}

static void test_made_up(void **state)
{
    (void) state;
    struct buf out;
    struct batch_wire_item item;
    put_all(&out);
    struct slice in = buf_slice(&out);
    out.data[4] = 200; /* why: of a newer version */
    assert_int_equal(batch_wire_next(&in, &item), 0);
    assert_int_equal(item.why, BATCH_SIZE);
    memset(out.data + 13, 0xff, 4); /* more ids than there is room for */
    in = buf_slice(&out);
    assert_int_equal(batch_wire_next(&in, &item), -EBADMSG);
    assert_int_equal(in.len, out.len);
    memset(out.data, 0xff, 4);
    assert_int_equal(batch_wire_next(&in, &item), -EBADMSG);
    buf_fini(&out);
}

static void test_headers(void **state)
{
    (void) state;
    struct buf out;
    struct batch_wire w = {
        .trigger_id = TRIGGER, .prev_seq = 5, .last_seq = UINT64_MAX, .writer = "node.12ab"};
    struct batch_wire got;
    struct slice writer;
    buf_init(&out, SIZE_MAX);
    assert_int_equal(batch_wire_put_headers(&out, &w), 0);
    assert_true(slice_eq_str(buf_slice(&out), "Trigger: " TRIGGER "\r\nPrev: 5\r\nLast: "
                                              "18446744073709551615\r\nNode: node.12ab\r\n"));
    assert_int_equal(batch_wire_read_headers(buf_slice(&out), &got, &writer), 0);
    assert_string_equal(got.trigger_id, TRIGGER);
    assert_int_equal(got.prev_seq, 5);
    assert_true(got.last_seq == UINT64_MAX);
    assert_true(slice_eq_str(writer, "node.12ab"));
    buf_fini(&out);
}

static void test_headers_refused(void **state)
{
    (void) state;
    static const char *const CASES[] = {
        "",
        "Trigger: a\r\nPrev: 1\r\nLast: 2\r\n",
        "Trigger: a\r\nPrev: 1\r\nNode: n.1\r\n",
        "Trigger: a\r\nLast: 1\r\nNode: n.1\r\n",
        "Prev: 1\r\nLast: 2\r\nNode: n.1\r\n",
        "Trigger: a\r\nPrev: 3\r\nLast: 2\r\nNode: n.1\r\n",
        "Trigger: a\r\nPrev: -1\r\nLast: 2\r\nNode: n.1\r\n",
        "Trigger: a\r\nPrev: \r\nLast: 2\r\nNode: n.1\r\n",
        "Trigger: a\r\nPrev: 1\r\nLast: 18446744073709551616\r\nNode: n.1\r\n",
        "Trigger: a\r\nPrev: 1\r\nLast: 0000000000000000000002\r\nNode: n.1\r\n",
        "Trigger: a1ttttttttttttttttt0x\r\nPrev: 1\r\nLast: 2\r\nNode: n.1\r\n",
    };
    struct batch_wire got;
    struct slice writer;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        assert_int_equal(batch_wire_read_headers(slice_str(CASES[i]), &got, &writer), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items),           cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_made_up),         cmocka_unit_test(test_headers),
        cmocka_unit_test(test_headers_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
