/* Messages of P_EV and marks: what is written is read, and nothing else is: cut anywhere, or with
 * any bytes changed, they are refused or read within their bounds. */
#include "cluster/event_wire.h"
#include "cluster/mark_wire.h"

#include "mem.h"
#include "record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ID "crt00000000000000001"

static const struct seen_key KEY = {{1, 2, 3}};

static void put_two(struct buf *out)
{
    struct event *e =
        event_restore(EVENT_CREATE_IMAGE, ID, "r", "app", "", "t", "", SLICE_LIT("{\"a\":1}"));
    const struct engine_record records[] = {{ENGINE_LOOKUP, "lookup", SLICE_LIT("value")},
                                            {ENGINE_LOOKUP, "gone", {NULL, 0}}};
    const struct engine_submission first = {.events = &e,
                                            .n = 1,
                                            .sender_ids = slice_of(KEY.bytes, SEEN_KEY_SIZE),
                                            .notes = SLICE_LIT("notes"),
                                            .letters = SLICE_LIT("letters"),
                                            .records = records,
                                            .n_records = 2,
                                            .letter = 99};
    const struct event_wire_origin from = {{7, KEY}, 1000, 5}, nowhere = {.at_ms = 1001};
    assert_non_null(e);
    assert_int_equal(event_wire_put_head(out, &(struct event_wire_head){12, 11}), 0);
    assert_int_equal(event_wire_put(out, &first, &from), 0);
    assert_int_equal(event_wire_put(out, &(struct engine_submission){.letter = 1}, &nowhere), 0);
    event_unref(e);
}

static void test_what_is_written_is_read(void **state)
{
    (void) state;
    struct buf out;
    struct event_wire_head head;
    struct event_wire_item item;
    struct engine_record rec;
    struct event *e;
    buf_init(&out, 65536);
    put_two(&out);
    struct slice in = buf_slice(&out);
    assert_int_equal(event_wire_read_head(&in, &head), 0);
    assert_true(head.number == 12 && head.before == 11);
    assert_int_equal(event_wire_next(&in, &item), 0);
    assert_true(item.in_seq == 7 && item.at_ms == 1000 && item.rec_seq == 5 && item.letter == 99);
    assert_true(slice_eq(item.in_ids, slice_of(KEY.bytes, SEEN_KEY_SIZE)));
    assert_true(slice_eq(item.sender_ids, slice_of(KEY.bytes, SEEN_KEY_SIZE)));
    assert_true(slice_eq_str(item.notes, "notes") && slice_eq_str(item.letters, "letters"));
    assert_int_equal(item.n_events, 1);
    assert_int_equal(record_next_event(&item.events, &e), 0);
    assert_string_equal(e->id, ID);
    event_unref(e);
    assert_int_equal(event_wire_next_record(&item.records, &rec), 0);
    assert_string_equal(rec.id, "lookup");
    assert_true(slice_eq_str(rec.value, "value"));
    assert_int_equal(event_wire_next_record(&item.records, &rec), 0);
    assert_string_equal(rec.id, "gone");
    assert_int_equal(rec.value.len, 0);
    assert_int_equal(event_wire_next_record(&item.records, &rec), -ENOENT);
    assert_int_equal(event_wire_next(&in, &item), 0);
    assert_true(item.in_seq == 0 && item.in_ids.len == 0 && item.letter == 1);
    assert_int_equal(event_wire_next(&in, &item), -ENOENT);
    buf_fini(&out);
}

static void test_what_is_too_long_is_not_begun(void **state)
{
    (void) state;
    struct buf out;
    const struct event_wire_origin from = {.at_ms = 1};
    buf_init(&out, EVENT_WIRE_HEAD + EVENT_WIRE_ITEM + 4);
    assert_int_equal(event_wire_put_head(&out, &(struct event_wire_head){1, 0}), 0);
    struct engine_submission s = {.notes = SLICE_LIT("12345")};
    assert_int_equal(event_wire_put(&out, &s, &from), -EMSGSIZE);
    assert_int_equal(out.len, EVENT_WIRE_HEAD);
    s.notes = SLICE_LIT("1234");
    assert_int_equal(event_wire_put(&out, &s, &from), 0);
    buf_fini(&out);
}

/* All of it, in a copy of exactly its size, so that the sanitizer sees what is read past the end.
 * Returns the error it ends with; -ENOENT: it is whole. */
static int read_all(struct slice bytes)
{
    uint8_t *copy = xmalloc(bytes.len);
    if (bytes.len > 0)
        memcpy(copy, bytes.data, bytes.len);
    struct slice in = slice_of(copy, bytes.len);
    struct event_wire_head head;
    struct event_wire_item item;
    struct engine_record rec;
    int r = event_wire_read_head(&in, &head);
    while (r == 0 && (r = event_wire_next(&in, &item)) == 0) {
        int inner = 0;
        while (inner == 0 && (inner = event_wire_next_record(&item.records, &rec)) == 0)
            assert_true(strlen(rec.id) < ID_SIZE && rec.value.len <= bytes.len);
        assert_true(inner == -ENOENT || inner == -EBADMSG);
    }
    free(copy);
    return r;
}

static void test_other_bytes_are_refused(void **state)
{
    (void) state;
    struct buf out;
    buf_init(&out, 65536);
    put_two(&out);
    size_t second = out.len - EVENT_WIRE_ITEM;
    for (size_t len = 0; len < out.len; len++) {
        bool whole = len == EVENT_WIRE_HEAD || len == second;
        assert_int_equal(read_all(slice_of(out.data, len)), whole ? -ENOENT : -EBADMSG);
    }
    unsigned seed = 1;
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t *at = out.data + (seed = seed * 1664525 + 1013904223) / 7 % out.len, was = *at;
        *at ^= (uint8_t) (1u << (seed >> 29));
        int r = read_all(buf_slice(&out));
        assert_true(r == -ENOENT || r == -EBADMSG);
        if (i % 3 != 0)
            *at = was;
    }
    buf_fini(&out);
}

static void test_marks(void **state)
{
    (void) state;
    struct mark_trigger triggers[] = {{"a1s00000000000000001", 5}, {"a1s00000000000000002", 6}};
    const struct mark_wire mark = {.owner = 1,
                                   .number = 2,
                                   .batched_seq = 3,
                                   .ev_seq = 4,
                                   .bat_seq = 5,
                                   .rec_seq = 6,
                                   .in = {7, KEY},
                                   .snapshot = {8, 9, 10, 11, 12, 13},
                                   .last_event_id = ID,
                                   .triggers = triggers,
                                   .n_triggers = 2};
    struct mark_wire read;
    struct buf out;
    buf_init(&out, 65536);
    assert_int_equal(mark_wire_put(&out, &mark), 0);
    assert_int_equal(mark_wire_read(buf_slice(&out), &read), 0);
    assert_true(read.owner == 1 && read.number == 2 && read.batched_seq == 3 && read.ev_seq == 4);
    assert_true(read.bat_seq == 5 && read.rec_seq == 6 && read.in.seq == 7);
    assert_memory_equal(&read.in.id, &KEY, sizeof(KEY));
    assert_memory_equal(&read.snapshot, &mark.snapshot, sizeof(mark.snapshot));
    assert_string_equal(read.last_event_id, ID);
    assert_int_equal(read.n_triggers, 2);
    assert_string_equal(read.triggers[1].id, triggers[1].id);
    assert_int_equal(read.triggers[1].batched_seq, 6);
    mark_wire_fini(&read);
    for (size_t len = 0; len < out.len; len++) {
        uint8_t *copy = xmalloc(len);
        memcpy(copy, out.data, len);
        assert_int_equal(mark_wire_read(slice_of(copy, len), &read), -EBADMSG);
        free(copy);
    }
    for (size_t i = 0; i < out.len * 8; i++) {
        out.data[i / 8] ^= (uint8_t) (1u << i % 8);
        if (mark_wire_read(buf_slice(&out), &read) == 0)
            mark_wire_fini(&read);
        out.data[i / 8] ^= (uint8_t) (1u << i % 8);
    }
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_what_is_too_long_is_not_begun),
        cmocka_unit_test(test_other_bytes_are_refused),
        cmocka_unit_test(test_marks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
