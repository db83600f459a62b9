/* Tests of broker/base/buf.c. */
#include "buf.h"

#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_text(const struct buf *b, const char *want)
{
    assert_int_equal(b->len, strlen(want));
    assert_memory_equal(b->data == NULL ? (const uint8_t *) "" : b->data, want, b->len);
}

enum op { APPEND, PRINTF, RESERVE };

/* `have` bytes are there, `more` are asked for. */
static const struct {
    const char *name;
    enum op op;
    size_t limit, have, more;
    int want;
} CASES[] = {
    {"append, room", APPEND, 10, 4, 5, 0},
    {"append, exactly the limit", APPEND, 10, 4, 6, 0},
    {"append, one over", APPEND, 10, 4, 7, -EMSGSIZE},
    {"append nothing when full", APPEND, 10, 10, 0, 0},
    {"append with no limit left", APPEND, 0, 0, 1, -EMSGSIZE},
    {"printf, exactly the limit", PRINTF, 10, 4, 6, 0},
    {"printf, one over", PRINTF, 10, 4, 7, -EMSGSIZE},
    {"printf, more than it first allocates", PRINTF, 1000, 0, 999, 0},
    {"reserve, exactly the limit", RESERVE, 10, 4, 6, 0},
    {"reserve, one over", RESERVE, 10, 4, 7, -EMSGSIZE},
    {"reserve a size that would wrap", RESERVE, 10, 4, SIZE_MAX, -EMSGSIZE},
    {"append many", APPEND, 1 << 20, 100000, 100000, 0},
};

static int run_op(struct buf *b, enum op op, size_t n)
{
    static char text[200001];
    uint8_t *at = NULL;
    memset(text, 'x', sizeof(text) - 1);
    switch (op) {
    case APPEND:
        return buf_append(b, slice_of(text, n));
    case PRINTF:
        return buf_printf(b, "%.*s", (int) n, text);
    case RESERVE:
        break;
    }
    int r = buf_reserve(b, n, &at);
    if (r == 0) {
        memset(at, 'x', n);
        buf_grew(b, n);
    }
    return r;
}

static void test_limits(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct buf b;
        buf_init(&b, CASES[i].limit);
        assert_int_equal(run_op(&b, APPEND, CASES[i].have), 0);
        int r = run_op(&b, CASES[i].op, CASES[i].more);
        size_t want = CASES[i].have + (CASES[i].want == 0 ? CASES[i].more : 0);
        if (r != CASES[i].want || b.len != want)
            fail_msg("%s: gave %d with %zu bytes", CASES[i].name, r, b.len);
        for (size_t at = 0; at < b.len; at++)
            assert_int_equal(b.data[at], 'x');
        buf_fini(&b);
    }
}

static void test_no_memory_leaves_it_as_it_was(void **state)
{
    (void) state;
    for (enum op op = APPEND; op <= RESERVE; op++) {
        struct buf b;
        buf_init(&b, 1000);
        assert_int_equal(buf_append_str(&b, "abc"), 0);
        mem_fail_at(1);
        assert_int_equal(run_op(&b, op, 500), -ENOMEM);
        mem_fail_at(0);
        assert_text(&b, "abc");
        assert_int_equal(run_op(&b, op, 500), 0);
        assert_int_equal(b.len, 503);
        buf_fini(&b);
    }
}

static void test_consume_and_clear(void **state)
{
    (void) state;
    struct buf b;
    buf_init(&b, 100);
    assert_int_equal(buf_append_str(&b, "head"), 0);
    assert_int_equal(buf_printf(&b, " %d %s", 7, "tail"), 0);
    assert_text(&b, "head 7 tail");
    buf_consume(&b, 0);
    buf_consume(&b, 5);
    assert_text(&b, "7 tail");
    assert_true(slice_eq_str(buf_slice(&b), "7 tail"));
    buf_consume(&b, 6);
    assert_text(&b, "");
    assert_int_equal(buf_append_str(&b, "again"), 0);
    size_t cap = b.cap;
    buf_clear(&b);
    assert_text(&b, "");
    assert_int_equal(b.cap, cap);
    buf_fini(&b);
}

static void test_starts_without_memory(void **state)
{
    (void) state;
    struct buf b;
    buf_init(&b, 100);
    assert_null(b.data);
    assert_int_equal(b.cap, 0);
    buf_consume(&b, 0);
    buf_clear(&b);
    buf_fini(&b);
    struct buf zeroed = {0};
    buf_fini(&zeroed);
    buf_fini(&zeroed);
}

/* Doubling: what is appended byte by byte is not copied for each byte. */
static void test_grows_by_doubling(void **state)
{
    (void) state;
    struct buf b;
    buf_init(&b, 1 << 20);
    unsigned moves = 0;
    size_t cap = 0;
    for (size_t i = 0; i < 1 << 20; i++) {
        assert_int_equal(buf_append(&b, SLICE_LIT("x")), 0);
        moves += b.cap != cap;
        cap = b.cap;
    }
    assert_true(moves < 20);
    assert_int_equal(b.cap, 1 << 20);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_no_memory_leaves_it_as_it_was),
        cmocka_unit_test(test_consume_and_clear),
        cmocka_unit_test(test_starts_without_memory),
        cmocka_unit_test(test_grows_by_doubling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
