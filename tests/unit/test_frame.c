/* Server frames: the byte vectors of RFC 6455 section 5.7, fragmentation, control frames. */
#include "frame.h"
#include "mem.h"
#include "utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define NO_LIMIT ((size_t) 1 << 30)

static void test_rfc_vectors(void **state)
{
    (void) state;
    static const struct {
        const char *name;
        enum frame_opcode opcode;
        size_t payload_len, max_frame;
        struct slice head; /* the expected bytes up to the first payload byte */
    } CASES[] = {
        {"256 bytes", FRAME_BINARY, 256, 65536, SLICE_LIT("\x82\x7e\x01\x00")},
        {"64 KiB", FRAME_BINARY, 65536, 65536, SLICE_LIT("\x82\x7f\0\0\0\0\0\x01\0\0")},
        {"125 is short", FRAME_TEXT, 125, 65536, SLICE_LIT("\x81\x7d")},
        {"126 is not", FRAME_TEXT, 126, 65536, SLICE_LIT("\x81\x7e\x00\x7e")},
        {"65535 fits 16 bits", FRAME_TEXT, 65535, 65536, SLICE_LIT("\x81\x7e\xff\xff")},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        uint8_t *payload = malloc(CASES[i].payload_len);
        assert_non_null(payload);
        memset(payload, 'x', CASES[i].payload_len);
        struct buf out;
        buf_init(&out, NO_LIMIT);
        assert_int_equal(frame_message(&out, CASES[i].opcode,
                                       slice_of(payload, CASES[i].payload_len), CASES[i].max_frame),
                         0);
        size_t head = CASES[i].head.len;
        assert_int_equal(out.len, head + CASES[i].payload_len);
        assert_memory_equal(out.data, CASES[i].head.data, head);
        assert_memory_equal(out.data + head, payload, CASES[i].payload_len);
        buf_fini(&out);
        free(payload);
    }

    struct buf out;
    buf_init(&out, NO_LIMIT);
    assert_int_equal(frame_message(&out, FRAME_TEXT, SLICE_LIT("Hello"), 100), 0);
    assert_int_equal(frame_message(&out, FRAME_TEXT, SLICE_LIT("Hello"), 3), 0);
    struct slice both = SLICE_LIT("\x81\x05Hello"
                                  "\x01\x03Hel\x80\x02lo");
    assert_true(slice_eq(buf_slice(&out), both));
    buf_fini(&out);

    uint8_t ctl[FRAME_MAX_CONTROL];
    size_t len = frame_control(ctl, FRAME_PING, SLICE_LIT("Hello"));
    assert_true(slice_eq(slice_of(ctl, len), SLICE_LIT("\x89\x05Hello")));
    len = frame_control(ctl, FRAME_PONG, SLICE_LIT("Hello"));
    assert_true(slice_eq(slice_of(ctl, len), SLICE_LIT("\x8a\x05Hello")));
    len = frame_control(ctl, FRAME_CLOSE, slice_of(NULL, 0));
    assert_true(slice_eq(slice_of(ctl, len), SLICE_LIT("\x88\x00")));
}

static void test_deflated(void **state)
{
    (void) state;
    struct buf out;
    buf_init(&out, NO_LIMIT);
    assert_int_equal(frame_message_deflated(&out, FRAME_TEXT, SLICE_LIT("Hello"), 100), 0);
    assert_int_equal(frame_message_deflated(&out, FRAME_BINARY, SLICE_LIT("Hello"), 2), 0);
    assert_true(slice_eq(buf_slice(&out), SLICE_LIT("\xc1\x05Hello"
                                                    "\x42\x02He\x00\x02ll\x80\x01o")));
    buf_fini(&out);
}

static void test_next(void **state)
{
    (void) state;
    static const size_t SIZES[] = {0, 1, 125, 126, 65535, 65536};
    static uint8_t payload[65536];
    struct buf out;
    uint8_t first;
    struct slice got;
    for (size_t i = 0; i < ARRAY_LEN(SIZES); i++) {
        buf_init(&out, NO_LIMIT);
        assert_int_equal(
            frame_message_deflated(&out, FRAME_TEXT, slice_of(payload, SIZES[i]), sizeof(payload)),
            0);
        size_t whole = out.len;
        assert_int_equal(buf_append_str(&out, "x"), 0);
        for (size_t len = 0; len < whole; len += len < 20 ? 1 : whole - len - 1) {
            struct slice cut = slice_of(out.data, len);
            assert_false(frame_next(&cut, &first, &got));
            assert_ptr_equal(cut.data, out.data);
            if (len == whole - 1)
                break;
        }
        struct slice rest = buf_slice(&out);
        assert_true(frame_next(&rest, &first, &got));
        assert_int_equal(first, FRAME_FIN | FRAME_RSV1 | FRAME_TEXT);
        assert_int_equal(got.len, SIZES[i]);
        assert_ptr_equal(got.data + got.len, rest.data);
        assert_true(slice_eq(rest, SLICE_LIT("x")));
        buf_fini(&out);
    }
    struct slice wrong[] = {SLICE_LIT("\x81\x80xxxx"), /* masked: not ours */
                            SLICE_LIT("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"
                                      "x")};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_false(frame_next(&wrong[i], &first, &got));
}

/* Takes one frame off the front; a decoder of its own, after RFC 6455 section 5.2. */
static struct slice take_frame(struct slice *in, unsigned *first_byte)
{
    assert_true(in->len >= 2);
    *first_byte = in->data[0];
    assert_int_equal(in->data[1] & 0x80, 0); /* a server does not mask */
    size_t len = in->data[1], head = 2, more = len == 126 ? 2 : len == 127 ? 8 : 0;
    if (more > 0) {
        len = 0;
        assert_true(in->len >= 2 + more);
        for (; more > 0; more--)
            len = len << 8 | in->data[head++];
    }
    assert_true(in->len - head >= len);
    struct slice payload = slice_sub(*in, head, head + len);
    *in = slice_from(*in, head + len);
    return payload;
}

static void test_fragmentation(void **state)
{
    (void) state;
    static const struct {
        size_t payload_len, max_frame, frames, size;
    } CASES[] = {
        {0, 1, 1, 2},
        {0, 32768, 1, 2},
        {1, 1, 1, 3},
        {2, 1, 2, 6},
        {10, 3, 4, 18},
        {9, 3, 3, 15},
        {125, 125, 1, 127},
        {126, 125, 2, 130},
        {252, 126, 2, 260},
        {253, 126, 3, 263},
        {32768, 32768, 1, 32772},
        {32769, 32768, 2, 32775},
        {131072, 32768, 4, 131088},
        {131071, 32768, 4, 131087},
        {131072, 131072, 1, 131082},
        {131073, 65536, 3, 131095},
        {200000, SIZE_MAX, 1, 200010},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        size_t len = CASES[i].payload_len;
        print_message("  %zu bytes in frames of %zu\n", len, CASES[i].max_frame);
        uint8_t *payload = malloc(len + 1);
        assert_non_null(payload);
        for (size_t k = 0; k < len; k++)
            payload[k] = (uint8_t) (k * 31 + k / 251);
        struct buf out;
        buf_init(&out, NO_LIMIT);
        assert_int_equal(frame_message_size(len, CASES[i].max_frame), CASES[i].size);
        assert_int_equal(
            frame_message(&out, FRAME_BINARY, slice_of(payload, len), CASES[i].max_frame), 0);
        assert_int_equal(out.len, CASES[i].size);
        struct slice rest = buf_slice(&out);
        size_t at = 0, frames = 0;
        do {
            unsigned first;
            struct slice part = take_frame(&rest, &first);
            assert_int_equal(first & 0x0f, frames == 0 ? FRAME_BINARY : 0);
            assert_int_equal(first & 0x70, 0);
            assert_int_equal(first >> 7, rest.len == 0);
            assert_true(part.len <= CASES[i].max_frame);
            assert_true(slice_eq(part, slice_of(payload + at, part.len)));
            at += part.len;
            frames++;
        } while (rest.len > 0);
        assert_int_equal(at, len);
        assert_int_equal(frames, CASES[i].frames);
        buf_fini(&out);
        free(payload);
    }
}

static void test_message_refused_whole(void **state)
{
    (void) state;
    struct buf out;
    buf_init(&out, 10);
    assert_int_equal(buf_append(&out, SLICE_LIT("abc")), 0);
    assert_int_equal(frame_message(&out, FRAME_TEXT, SLICE_LIT("123456"), 100), -EMSGSIZE);
    assert_true(slice_eq(buf_slice(&out), SLICE_LIT("abc")));
    assert_int_equal(frame_message(&out, FRAME_TEXT, SLICE_LIT("12345"), 100), 0);
    assert_true(slice_eq(buf_slice(&out), SLICE_LIT("abc\x81\x05"
                                                    "12345")));
    buf_fini(&out);

    buf_init(&out, NO_LIMIT);
    mem_fail_at(1);
    assert_int_equal(frame_message(&out, FRAME_TEXT, SLICE_LIT("12345"), 100), -ENOMEM);
    assert_int_equal(out.len, 0);
    mem_fail_at(0);
    buf_fini(&out);
}

static void test_close(void **state)
{
    (void) state;
    static char ascii[200], two[200], four[200];
    memset(ascii, 'a', 150);
    for (size_t i = 0; i < 150; i += 2)
        memcpy(two + i, "\xc3\xa9", 2);
    for (size_t i = 0; i < 160; i += 4)
        memcpy(four + i, "\xf0\x9f\x98\x80", 4);
    static char edge[200]; /* 120 ASCII bytes, then a character of three: 123 bytes, just fits */
    memset(edge, 'b', 120);
    memcpy(edge + 120, "\xe2\x82\xac!", 4);
    static char exact[124];
    memset(exact, 'c', 123);

    static const struct {
        const char *name;
        uint16_t code;
        const char *reason;
        size_t reason_len;
    } CASES[] = {
        {"none", 1000, NULL, 0},
        {"empty", 1000, "", 0},
        {"short", 1013, "slow consumer", 13},
        {"123 bytes", 1001, exact, 123},
        {"150 ASCII bytes", 1001, ascii, 123},
        {"characters of 2 bytes", 4009, two, 122},
        {"characters of 4 bytes", 4009, four, 120},
        {"a character that ends at 123", 1011, edge, 123},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        uint8_t out[FRAME_MAX_CONTROL];
        size_t len = frame_close(out, CASES[i].code, CASES[i].reason);
        assert_int_equal(len, 4 + CASES[i].reason_len);
        assert_int_equal(out[0], 0x88);
        assert_int_equal(out[1], 2 + CASES[i].reason_len);
        assert_int_equal(out[2] << 8 | out[3], CASES[i].code);
        struct slice reason = slice_of(out + 4, CASES[i].reason_len);
        assert_true(slice_eq(reason, slice_of(CASES[i].reason, CASES[i].reason_len)));
        assert_true(utf8_valid(reason));
    }
}

static void test_longest_control(void **state)
{
    (void) state;
    uint8_t payload[125], out[FRAME_MAX_CONTROL];
    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t) i;
    assert_int_equal(frame_control(out, FRAME_PONG, slice_of(payload, sizeof(payload))),
                     FRAME_MAX_CONTROL);
    assert_int_equal(out[1], 125);
    assert_memory_equal(out + 2, payload, sizeof(payload));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc_vectors),
        cmocka_unit_test(test_fragmentation),
        cmocka_unit_test(test_message_refused_whole),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_longest_control),
        cmocka_unit_test(test_deflated),
        cmocka_unit_test(test_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
