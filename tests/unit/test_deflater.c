/* Tests of broker/deflater.c: what comes out is read back with zlib as RFC 7692 section 7.2.2 says.
 */
#include "deflater.h"
#include "frame.h"
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include <cmocka.h>

#define NO_LIMIT ((size_t) 1 << 30)

/* Some 60 bytes a line, as the JSON of a batch repeats itself. */
static void fill(struct buf *text, size_t len)
{
    for (unsigned i = 0; text->len < len; i++)
        assert_int_equal(
            buf_printf(text, "{\"tag\":\"v%u\",\"digest\":\"sha256:%08x\"},", i, i * 2654435761u),
            0);
    text->len = len;
}

static void fill_random(struct buf *out, size_t len)
{
    uint32_t seed = 1;
    uint8_t *to;
    assert_int_equal(buf_reserve(out, len, &to), 0);
    for (size_t i = 0; i < len; i++)
        to[i] = (uint8_t) ((seed = seed * 1664525u + 1013904223u) >> 24);
    buf_grew(out, len);
}

/* The payload of a deflated message, checked on the way: opcode, RSV1 on the first frame only, FIN
 * on the last only, no frame too long. */
static void unpack(struct slice frames, enum frame_opcode opcode, size_t max_frame, struct buf *ret)
{
    static uint8_t room[1 << 20];
    static const uint8_t END[] = {0, 0, 0xff, 0xff};
    struct slice part;
    uint8_t first;
    z_stream z = {0};
    assert_int_equal(inflateInit2(&z, -15), Z_OK);
    z.next_out = room;
    z.avail_out = sizeof(room);
    for (unsigned n = 0; frames.len > 0; n++) {
        assert_true(frame_next(&frames, &first, &part));
        assert_int_equal(first & 0x7f, n == 0 ? FRAME_RSV1 | (unsigned) opcode : 0);
        assert_int_equal(first >> 7, frames.len == 0);
        assert_true(part.len <= max_frame);
        z.next_in = (z_const Bytef *) part.data;
        z.avail_in = (uInt) part.len;
        assert_int_equal(inflate(&z, Z_SYNC_FLUSH), Z_OK);
        assert_int_equal(z.avail_in, 0);
    }
    z.next_in = (z_const Bytef *) END;
    z.avail_in = sizeof(END);
    int r = inflate(&z, Z_SYNC_FLUSH);
    assert_true(r == Z_OK || r == Z_BUF_ERROR);
    assert_int_equal(buf_append(ret, slice_of(room, sizeof(room) - z.avail_out)), 0);
    assert_int_equal(inflateEnd(&z), Z_OK);
}

static void test_round_trip(void **state)
{
    (void) state;
    static const struct {
        size_t len, max_in, max_out;
        enum frame_opcode opcode;
        int level;
    } CASES[] = {
        {100, 32768, 32768, FRAME_TEXT, 6},   {256, 32768, 32768, FRAME_BINARY, 6},
        {4096, 32768, 32768, FRAME_TEXT, 1},  {4096, 125, 125, FRAME_TEXT, 6},
        {4096, 32768, 4, FRAME_BINARY, 9},    {100000, 32768, 1000, FRAME_TEXT, 6},
        {131072, 1000, 32768, FRAME_TEXT, 9}, {1000000, 65536, 65536, FRAME_BINARY, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %zu bytes, level %d\n", CASES[i].len, CASES[i].level);
        struct deflater *d = deflater_new(CASES[i].level);
        struct buf text, plain, out, again;
        buf_init(&text, NO_LIMIT);
        buf_init(&plain, NO_LIMIT);
        buf_init(&out, NO_LIMIT);
        buf_init(&again, NO_LIMIT);
        fill(&text, CASES[i].len);
        assert_int_equal(frame_message(&plain, CASES[i].opcode, buf_slice(&text), CASES[i].max_in),
                         0);
        assert_int_equal(buf_append_str(&out, "before"), 0);
        assert_int_equal(deflater_message(d, buf_slice(&plain), CASES[i].max_out, &out), 0);
        assert_memory_equal(out.data, "before", 6);
        assert_true(out.len - 6 < plain.len);
        unpack(slice_from(buf_slice(&out), 6), CASES[i].opcode, CASES[i].max_out, &again);
        assert_true(slice_eq(buf_slice(&again), buf_slice(&text)));
        buf_fini(&text);
        buf_fini(&plain);
        buf_fini(&out);
        buf_fini(&again);
        deflater_free(d);
    }
}

/* No context takeover: what went before changes nothing, be it another message, one given up half
 * way, or the same. */
static void test_each_stands_alone(void **state)
{
    (void) state;
    struct deflater *d = deflater_new(6);
    struct buf text, noise, plain, dull, first, next;
    buf_init(&text, NO_LIMIT);
    buf_init(&noise, NO_LIMIT);
    buf_init(&plain, NO_LIMIT);
    buf_init(&dull, NO_LIMIT);
    buf_init(&first, NO_LIMIT);
    buf_init(&next, NO_LIMIT);
    fill(&text, 3000);
    fill_random(&noise, 200000);
    assert_int_equal(frame_message(&plain, FRAME_TEXT, buf_slice(&text), 1000), 0);
    assert_int_equal(frame_message(&dull, FRAME_BINARY, buf_slice(&noise), 4096), 0);
    assert_int_equal(deflater_message(d, buf_slice(&plain), 4096, &first), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(deflater_message(d, buf_slice(&dull), 4096, &next), -E2BIG);
        assert_int_equal(next.len, 0);
        assert_int_equal(deflater_message(d, buf_slice(&plain), 4096, &next), 0);
        assert_true(slice_eq(buf_slice(&first), buf_slice(&next)));
        buf_clear(&next);
    }
    buf_fini(&text);
    buf_fini(&noise);
    buf_fini(&plain);
    buf_fini(&dull);
    buf_fini(&first);
    buf_fini(&next);
    deflater_free(d);
}

/* The result is shorter or there is none, at every length around where it begins to pay. */
static void test_never_longer(void **state)
{
    (void) state;
    struct deflater *d = deflater_new(6);
    unsigned shorter = 0, refused = 0;
    for (size_t len = 0; len < 200; len++) {
        struct buf text, plain, out;
        buf_init(&text, NO_LIMIT);
        buf_init(&plain, NO_LIMIT);
        buf_init(&out, NO_LIMIT);
        fill(&text, len);
        assert_int_equal(frame_message(&plain, FRAME_TEXT, buf_slice(&text), 4096), 0);
        int r = deflater_message(d, buf_slice(&plain), 4096, &out);
        if (r == 0) {
            assert_true(out.len < plain.len);
            shorter++;
        } else {
            assert_int_equal(r, -E2BIG);
            assert_int_equal(out.len, 0);
            refused++;
        }
        buf_fini(&text);
        buf_fini(&plain);
        buf_fini(&out);
    }
    assert_true(shorter > 50 && refused > 5);

    struct buf text, plain, out; /* a header a byte would undo it */
    buf_init(&text, NO_LIMIT);
    buf_init(&plain, NO_LIMIT);
    buf_init(&out, NO_LIMIT);
    fill(&text, 200);
    assert_int_equal(frame_message(&plain, FRAME_TEXT, buf_slice(&text), 4096), 0);
    assert_int_equal(deflater_message(d, buf_slice(&plain), 1, &out), -E2BIG);
    assert_int_equal(out.len, 0);
    buf_fini(&text);
    buf_fini(&plain);
    buf_fini(&out);
    deflater_free(d);
}

static void test_not_one_message(void **state)
{
    (void) state;
    static const struct slice CASES[] = {
        {0},
        SLICE_LIT("\x81"),
        SLICE_LIT("\x81\x03xx"),
        SLICE_LIT("\x81\x01xy"),
        SLICE_LIT("\x01\x01x"),          /* never ends */
        SLICE_LIT("\x81\x01x\x81\x01x"), /* two */
        SLICE_LIT("\x01\x01x\x81\x01x"), /* not a continuation */
        SLICE_LIT("\x80\x01x"),          /* nor a beginning */
        SLICE_LIT("\xc1\x01x"),          /* deflated already */
        SLICE_LIT("\x01\x01x\xc0\x01x"),
        SLICE_LIT("\x89\x01x"), /* a ping */
        SLICE_LIT("\x83\x01x"),
    };
    struct deflater *d = deflater_new(6);
    struct buf out;
    buf_init(&out, NO_LIMIT);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        if (deflater_message(d, CASES[i], 4096, &out) != -EINVAL)
            fail_msg("case %zu", i);
        assert_int_equal(out.len, 0);
    }
    buf_fini(&out);
    deflater_free(d);
}

static void test_no_memory(void **state)
{
    (void) state;
    struct deflater *d = NULL;
    unsigned failed = 0;
    for (unsigned n = 1; d == NULL && n < 20; n++) {
        mem_fail_at(n);
        d = deflater_new(6);
        failed += d == NULL;
        mem_fail_at(0);
    }
    assert_non_null(d);
    assert_true(failed >= 2); /* the struct, and something of zlib's */

    struct buf text, plain, out;
    buf_init(&text, NO_LIMIT);
    buf_init(&plain, NO_LIMIT);
    buf_init(&out, NO_LIMIT);
    fill(&text, 1000);
    assert_int_equal(frame_message(&plain, FRAME_TEXT, buf_slice(&text), 4096), 0);
    for (unsigned n = 1; n <= 2; n++) { /* what is gathered, and `out` */
        mem_fail_at(n);
        assert_int_equal(deflater_message(d, buf_slice(&plain), 4096, &out), -ENOMEM);
        mem_fail_at(0);
        assert_int_equal(out.len, 0);
    }
    buf_init(&out, 100);
    assert_int_equal(deflater_message(d, buf_slice(&plain), 4096, &out), -EMSGSIZE);
    assert_int_equal(out.len, 0);
    buf_fini(&text);
    buf_fini(&plain);
    buf_fini(&out);
    deflater_free(d);
    deflater_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_each_stands_alone),
        cmocka_unit_test(test_never_longer), cmocka_unit_test(test_not_one_message),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
