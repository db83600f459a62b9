/* Tests of gateway/h2_wall.c: borders of frames, budgets and stalls, without HTTP/2 around them. */
#include "h2_wall.h"

#include "err.h"
#include "h2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The preface, a frame of 3 bytes and one of none. */
static const char INPUT[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                            "\0\0\x03\x00\0\0\0\0\x01"
                            "abc"
                            "\0\0\0\x04\0\0\0\0\0";
#define INPUT_LEN (sizeof(INPUT) - 1)

/* All bytes come out in their order, each frame's head in one piece, wherever the input is cut. */
static void test_pieces(void **state)
{
    (void) state;
    for (size_t step = 1; step <= INPUT_LEN; step++) {
        struct h2_wall w = {0};
        uint8_t out[INPUT_LEN];
        size_t n_out = 0;
        size_t ends[2];
        size_t n_ends = 0;
        for (size_t at = 0; at < INPUT_LEN; at += step) {
            struct slice in = slice_of(INPUT + at, INPUT_LEN - at < step ? INPUT_LEN - at : step);
            while (in.len > 0) {
                bool ended;
                struct slice piece = h2_wall_next(&w, &in, &ended);
                bool in_head = (n_out >= 24 && n_out < 33) || n_out >= 36;
                assert_true(!in_head || piece.len == 0 || piece.len >= H2_FRAME_HEAD);
                assert_in_range(piece.len, 0, INPUT_LEN - n_out);
                if (piece.len > 0)
                    memcpy(out + n_out, piece.data, piece.len);
                n_out += piece.len;
                if (ended) {
                    assert_in_range(n_ends, 0, 1);
                    ends[n_ends++] = n_out;
                }
            }
        }
        assert_int_equal(n_out, INPUT_LEN);
        assert_memory_equal(out, INPUT, INPUT_LEN);
        assert_int_equal(n_ends, 2);
        assert_int_equal(ends[0], 36);
        assert_int_equal(ends[1], INPUT_LEN);
    }
}

static void read_head(struct h2_wall *w, uint8_t type, size_t len)
{
    uint8_t head[H2_FRAME_HEAD] = {(uint8_t) (len >> 16), (uint8_t) (len >> 8), (uint8_t) len,
                                   type};
    struct slice in = slice_of(head, sizeof(head));
    bool ended;
    w->greeted = true;
    assert_int_equal(h2_wall_next(w, &in, &ended).len, sizeof(head));
    assert_int_equal(ended, len == 0);
}

static void test_frames_that_are_too_much(void **state)
{
    (void) state;
    struct h2_wall w = {0};
    for (int i = 0; i < H2_MAX_CONTINUATIONS; i++)
        read_head(&w, 9, 0);
    assert_false(h2_wall_is_flooded(&w));
    read_head(&w, 1, 0); /* another block */
    for (int i = 0; i < H2_MAX_CONTINUATIONS; i++)
        read_head(&w, 9, 0);
    assert_false(h2_wall_is_flooded(&w));
    read_head(&w, 9, 0);
    assert_true(h2_wall_is_flooded(&w));

    w = (struct h2_wall){0};
    read_head(&w, 0, H2_MAX_FRAME);
    assert_false(h2_wall_is_oversized(&w));
    w = (struct h2_wall){0};
    read_head(&w, 0, H2_MAX_FRAME + 1);
    assert_true(h2_wall_is_oversized(&w));
}

static void test_idle(void **state)
{
    (void) state;
    struct h2_wall w = {0};
    for (uint64_t begin = H2_IDLE_FRAMES_MS; begin < 50000; begin += H2_IDLE_FRAMES_MS) {
        for (unsigned i = 1; i <= H2_IDLE_FRAMES; i++)
            assert_true(h2_wall_idle(&w, begin + i));
    }
    assert_false(h2_wall_idle(&w, 50000));
}

static void test_owed(void **state)
{
    (void) state;
    static const struct {
        uint8_t type;
        bool owed;
    } CASES[] = {{0, true},  {2, false}, {3, true},  {4, false}, {6, true},
                 {7, false}, {8, true},  {9, false}, {77, false}};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct h2_wall w = {0};
        read_head(&w, CASES[i].type, 0);
        h2_wall_owe(&w, 50);
        int n = 0;
        while (h2_wall_idle(&w, 1))
            n++;
        assert_int_equal(n, H2_IDLE_FRAMES + (CASES[i].owed ? 50 : 0));
    }
    struct h2_wall w = {0}; /* not for ever more */
    for (int i = 0; i < 1000000; i++)
        h2_wall_owe(&w, 3);
    assert_in_range(w.owed, 4096, 65536);
}

static void test_early(void **state)
{
    (void) state;
    struct h2_wall w = {0};
    for (int i = 0; i < H2_EARLY_BURST; i++)
        assert_true(h2_wall_early(&w, 5000));
    assert_false(h2_wall_early(&w, 5000));
    assert_false(h2_wall_early(&w, 5030));
    assert_true(h2_wall_early(&w, 5031));
    for (uint64_t i = 1; i < 300; i++) /* as many as are given back */
        assert_true(h2_wall_early(&w, 5031 + i * 1000 / H2_EARLY_PER_S + 1));
    for (int i = 0; i < H2_EARLY_BURST; i++)
        assert_true(h2_wall_early(&w, 1000000));
    assert_false(h2_wall_early(&w, 1000000));
}

static void test_stall(void **state)
{
    (void) state;
    static const struct {
        size_t pending, window;
        bool stalls;
    } CASES[] = {
        {0, 0, false},
        {1, 0, true},
        {1, 1, false},
        {100, 99, true},
        {1 << 20, H2_STALL_BYTES, false},
        {1 << 20, H2_STALL_BYTES - 1, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct h2_stall s = {0};
        size_t pending = CASES[i].pending, window = CASES[i].window;
        assert_false(h2_stall_look(&s, pending, window, 0, 700));
        assert_false(h2_stall_look(&s, pending, window, 0, 700 + H2_STALL_MS - 1));
        struct h2_stall moved = s, opened = s;
        assert_int_equal(h2_stall_look(&s, pending, window, H2_STALL_BYTES - 1, 700 + H2_STALL_MS),
                         CASES[i].stalls);
        assert_false(h2_stall_look(&moved, pending, window, H2_STALL_BYTES, 700 + H2_STALL_MS));
        assert_false(h2_stall_look(&opened, pending, pending, 0, 700 + H2_STALL_MS));
        assert_false(h2_stall_look(&opened, pending, window, 0, 700 + H2_STALL_MS));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces), cmocka_unit_test(test_frames_that_are_too_much),
        cmocka_unit_test(test_idle),   cmocka_unit_test(test_owed),
        cmocka_unit_test(test_early),  cmocka_unit_test(test_stall),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
