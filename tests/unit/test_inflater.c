/* Tests of gateway/inflater.c: the examples of RFC 7692 section 7.2.3, what is wrong with a stream,
 * and what it costs. */
#include "inflater.h"

#include "buf.h"
#include "heap.h"
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <zlib.h>

#include <cmocka.h>

#define HELLO "\xf2\x48\xcd\xc9\xc9\x07\x00"
#define FINAL "\xf3\x48\xcd\xc9\xc9\x07\x00" /* the same with BFINAL */
#define AGAIN "\xf2\x00\x11\x00\x00"         /* "Hello" once more, from the window */

#define C(name, input, expect)                                                                     \
    {                                                                                              \
        name, {(const uint8_t *) (input), sizeof(input) - 1}, expect                               \
    }

static const struct {
    const char *name;
    struct slice input;
    const char *expect; /* NULL: refused; "He...": the message is not whole */
} CASES[] = {
    C("7.2.3.1 one block", HELLO, "Hello"),
    C("7.2.3.2 window of the message before", AGAIN, NULL),
    C("7.2.3.3 no compression",
      "\x00\x05\x00\xfa\xff"
      "Hello\x00",
      "Hello"),
    C("7.2.3.4 final block", FINAL "\x00", "Hello"),
    C("7.2.3.5 two blocks", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello"),
    C("7.2.3.6 empty", "\x00", ""),
    C("empty fixed block", "\x02\x00", ""),
    C("empty final block", "\x03\x00\x00", ""),
    C("final block, nothing after", FINAL, "Hello"),
    C("two final blocks", FINAL FINAL "\x00", "HelloHello"),
    C("final block, then one that is not", FINAL HELLO, "HelloHello"),
    C("the window stays over a final block", FINAL AGAIN, "HelloHello"),
    C("the window within a message", "\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff" AGAIN,
      "HelloHello"),
    C("nothing", "", "..."),
    C("cut in a block", "\xf2\x48\xcd", "He..."),
    C("cut in the header of a stored block", "\x00\x05", NULL),
    C("cut in a stored block", "\x00\x09\x00\xf6\xff\x48", "H..."),
    C("its tail not cut off", HELLO "\x00\x00\xff\xff", "Hello..."),
    C("reserved block type", "\x06", NULL),
    C("reserved block type after a final block", FINAL "\x06", NULL),
    C("stored block, lengths differ",
      "\x00\x05\x00\xfb\xff"
      "Hello\x00",
      NULL),
    C("too many codes", "\xfc\xff\xff", NULL),
    C("a zlib header", "\x78\x9c" HELLO, NULL),
};

/* Feeds pieces of `step` bytes through a room of `room` bytes, then the tail. False: refused. */
static bool inflate_all(struct inflater *in, struct slice input, size_t step, size_t room_size,
                        struct buf *ret)
{
    uint8_t room[256];
    bool tail = false;
    for (size_t at = 0; !tail || at < input.len;) {
        if (at == input.len) {
            tail = true;
            input = inflater_tail(in);
            at = 0;
        }
        struct slice piece = slice_sub(input, at, input.len - at < step ? input.len : at + step);
        at += piece.len;
        for (int r = 1; r != 0;) {
            struct slice out;
            r = inflater_next(in, &piece, room, room_size, &out);
            assert_int_equal(buf_append(ret, out), 0);
            if (r < 0) {
                assert_int_equal(r, -EBADMSG);
                return false;
            }
        }
        assert_int_equal(piece.len, 0);
    }
    return true;
}

static void test_cases(void **state)
{
    (void) state;
    static const struct {
        size_t step, room;
    } WAYS[] = {{SIZE_MAX, 256}, {1, 256}, {1, 1}, {SIZE_MAX, 1}, {3, 2}};
    struct inflater *in = inflater_new(); /* one for all: each begins afresh */
    assert_non_null(in);
    for (size_t i = 0; i < ARRAY_LEN(CASES) * ARRAY_LEN(WAYS); i++) {
        size_t n = i / ARRAY_LEN(WAYS), way = i % ARRAY_LEN(WAYS);
        struct buf out;
        buf_init(&out, 1000);
        inflater_start(in, way % 2 == 0 ? 15 : 12);
        bool ok = inflate_all(in, CASES[n].input, WAYS[way].step, WAYS[way].room, &out);
        if (ok && !inflater_whole(in)) {
            struct slice got = buf_slice(&out);
            const char *dots = CASES[n].expect == NULL ? NULL : strstr(CASES[n].expect, "...");
            size_t before = dots == NULL ? 0 : (size_t) (dots - CASES[n].expect);
            if (dots == NULL || got.len < before ||
                !slice_eq(slice_sub(got, 0, before), slice_of(CASES[n].expect, before)))
                fail_msg("%s, %zu: not whole", CASES[n].name, way);
        } else if (ok ? CASES[n].expect == NULL || !slice_eq_str(buf_slice(&out), CASES[n].expect)
                      : CASES[n].expect != NULL) {
            fail_msg("%s, %zu: %s '%.*s'", CASES[n].name, way, ok ? "got" : "refused",
                     (int) out.len, (const char *) out.data);
        }
        buf_fini(&out);
    }
    inflater_free(in);
    inflater_free(NULL);
}

/* A long text as clients send it, at every window and level, and with a flush in the middle. */
static void test_long(void **state)
{
    (void) state;
    static uint8_t text[100000], packed[200000];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t) ((uint8_t) "registry/team/app:"[i % 18] + (i * i / 4099) % 3);
    for (unsigned bits = 9; bits <= 15; bits++) {
        for (int level = 0; level <= 9; level += 3) {
            z_stream z = {.next_in = text, .avail_in = sizeof(text) / 2};
            assert_int_equal(
                deflateInit2(&z, level, Z_DEFLATED, -(int) bits, 5, Z_DEFAULT_STRATEGY), Z_OK);
            z.next_out = packed;
            z.avail_out = sizeof(packed);
            assert_int_equal(deflate(&z, Z_FULL_FLUSH), Z_OK);
            z.avail_in = sizeof(text) / 2;
            assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
            size_t len = sizeof(packed) - z.avail_out - 4;
            (void) deflateEnd(&z);
            struct inflater *in = inflater_new();
            struct buf out;
            buf_init(&out, sizeof(text));
            inflater_start(in, bits);
            assert_true(inflate_all(in, slice_of(packed, len), 1000, 256, &out));
            assert_true(inflater_whole(in));
            assert_true(slice_eq(buf_slice(&out), slice_of(text, sizeof(text))));
            buf_fini(&out);
            inflater_free(in);
        }
    }
}

/* FR-17: what one holds, by window. */
static void test_memory(void **state)
{
    (void) state;
    static const struct {
        unsigned bits;
        size_t most;
    } WINDOWS[] = {{12, 12 << 10}, {15, 41 << 10}};
    for (size_t i = 0; i < ARRAY_LEN(WINDOWS); i++) {
        struct buf out;
        buf_init(&out, 1000);
        size_t before = heap_bytes();
        struct inflater *in = inflater_new();
        inflater_start(in, WINDOWS[i].bits);
        assert_true(inflate_all(in, slice_of(HELLO, 7), 1, 256, &out));
        size_t held = heap_bytes() - before - out.cap;
        if (held > WINDOWS[i].most)
            fail_msg("%u bits: %zu bytes", WINDOWS[i].bits, held);
        inflater_free(in);
        buf_fini(&out);
        assert_in_range(heap_bytes() - before, 0, 128); /* the allocator keeps a small block */
    }
}

static void test_no_memory(void **state)
{
    (void) state;
    struct inflater *in = NULL;
    for (unsigned n = 1; in == NULL; n++) {
        mem_fail_at(n);
        in = inflater_new();
        mem_fail_at(0);
        assert_true(in != NULL || n < 10);
        assert_true(in == NULL || n > 1);
    }
    uint8_t room[256];
    struct slice input = slice_of(HELLO, 7), out;
    inflater_start(in, 15);
    mem_fail_at(1); /* the window */
    assert_int_equal(inflater_next(in, &input, room, sizeof(room), &out), -ENOMEM);
    mem_fail_at(0);
    struct buf again;
    buf_init(&again, 1000);
    inflater_start(in, 15);
    assert_true(inflate_all(in, slice_of(HELLO, 7), 7, 256, &again));
    assert_true(slice_eq_str(buf_slice(&again), "Hello"));
    buf_fini(&again);
    inflater_free(in);
}

/* The dearest ways to say nothing, 128 KiB of each: blocks that end the stream, blocks with tables
 * of their own, empty ones. */
static void test_time(void **state)
{
    (void) state;
    static const struct slice FILLERS[] = {
        {(const uint8_t *) "\x03\x00", 2},
        {(const uint8_t *) "\x00\x00\x00\xff\xff", 5},
        {(const uint8_t *) FINAL, 7},
        {(const uint8_t *) AGAIN, 5},
    };
    enum { LEN = 128 << 10 };
    for (size_t i = 0; i < ARRAY_LEN(FILLERS); i++) {
        struct buf input, out;
        buf_init(&input, 1 << 20);
        buf_init(&out, 16 << 20);
        assert_int_equal(buf_append(&input, slice_of(FINAL, 7)), 0);
        while (input.len < LEN)
            assert_int_equal(buf_append(&input, FILLERS[i]), 0);
        struct inflater *in = inflater_new();
        inflater_start(in, 15);
        clock_t start = clock();
        (void) inflate_all(in, buf_slice(&input), SIZE_MAX, 256, &out);
        double ms = (double) (clock() - start) * 1000 / CLOCKS_PER_SEC;
        if (ms > 200) /* some ms; sanitizers and busy machines get room, a copy each would be 1 s */
            fail_msg("filler %zu: %.3f ms", i, ms);
        print_message("  filler %zu: %.3f ms, %zu bytes\n", i, ms, out.len);
        inflater_free(in);
        buf_fini(&input);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),  cmocka_unit_test(test_long),
        cmocka_unit_test(test_memory), cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
