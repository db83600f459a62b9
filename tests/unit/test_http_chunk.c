/* Tests of gateway/http_chunk.c: the framing of a chunked body, byte by byte. */
#include "err.h"
#include "http_chunk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* `used` is how far a reader gets: the whole body, or the byte that is refused (included). */
static const struct {
    const char *name, *body;
    enum refuse why;
    size_t used;
    uint64_t data;
} CASES[] = {
    {"empty body", "0\r\n\r\n", REFUSE_NONE, 5, 0},
    {"one chunk", "3\r\nabc\r\n0\r\n\r\n", REFUSE_NONE, 13, 3},
    {"upper and lower case", "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", REFUSE_NONE, 35,
     20},
    {"leading zeros", "0003\r\nabc\r\n000\r\n\r\n", REFUSE_NONE, 18, 3},
    {"an extension", "3;name=value\r\nabc\r\n0;last\r\n\r\n", REFUSE_NONE, 29, 3},
    {"no size", "\r\n", REFUSE_CHUNK, 1, 0},
    {"not hexadecimal", "g\r\n", REFUSE_CHUNK, 1, 0},
    {"prefix", "0x1\r\n", REFUSE_CHUNK, 2, 0},
    {"sign", "+1\r\n", REFUSE_CHUNK, 1, 0},
    {"space before", " 1\r\n", REFUSE_CHUNK, 1, 0},
    {"space behind", "1 \r\n", REFUSE_CHUNK, 2, 0},
    {"line feed alone", "1\na\r\n", REFUSE_CHUNK, 2, 0},
    {"carriage return alone", "1\ra", REFUSE_CHUNK, 3, 0},
    {"no line end after the data", "1\r\nab", REFUSE_CHUNK, 5, 1},
    {"line feed alone after the data", "1\r\na\n", REFUSE_CHUNK, 5, 1},
    {"a size that overflows", "1000000000000000\r\n", REFUSE_CHUNK, 16, 0},
    {"control character in an extension", "1;a\x01", REFUSE_CHUNK_EXT, 4, 0},
    {"a trailer", "0\r\nX: y\r\n\r\n", REFUSE_TRAILER, 4, 0},
    {"a fold where a trailer would be", "0\r\n x\r\n\r\n", REFUSE_TRAILER, 4, 0},
};

static void test_cases(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct chunk_scan s = {0};
        enum refuse why = REFUSE_NONE;
        uint64_t data = 0;
        size_t at = 0;
        while (CASES[i].body[at] != '\0' && why == REFUSE_NONE && !chunk_done(&s)) {
            if (s.left > 0) {
                chunk_took(&s, 1);
                data++;
            } else {
                why = chunk_scan(&s, (uint8_t) CASES[i].body[at]);
            }
            at++;
        }
        assert_int_equal(why, CASES[i].why);
        assert_int_equal(at, CASES[i].used);
        assert_int_equal(data, CASES[i].data);
        assert_int_equal(chunk_done(&s), CASES[i].why == REFUSE_NONE);
    }
}

/* 15 digits are the largest size, so that no later sum overflows. */
static void test_largest_size(void **state)
{
    (void) state;
    struct chunk_scan s = {0};
    for (const char *c = "fffffffffffffff\r\n"; *c != '\0'; c++)
        assert_int_equal(chunk_scan(&s, (uint8_t) *c), REFUSE_NONE);
    assert_true(s.left == 0xfffffffffffffffull);
    chunk_took(&s, 0xffffffffffffffe);
    assert_int_equal(s.left, 1);
}

/* The limit is on all extensions of a body together. */
static void test_extensions_add_up(void **state)
{
    (void) state;
    struct chunk_scan s = {0};
    enum refuse why = REFUSE_NONE;
    size_t bytes = 0;
    while (why == REFUSE_NONE && bytes < 4096) {
        for (const char *c = "1;"; *c != '\0'; c++)
            assert_int_equal(chunk_scan(&s, (uint8_t) *c), REFUSE_NONE);
        assert_true(chunk_in_ext(&s));
        for (int i = 0; i < 100 && why == REFUSE_NONE; i++, bytes++)
            why = chunk_scan(&s, 'x');
        for (const char *c = "\r\na\r\n"; *c != '\0' && why == REFUSE_NONE; c++) {
            if (s.left > 0)
                chunk_took(&s, 1);
            else
                why = chunk_scan(&s, (uint8_t) *c);
        }
    }
    assert_int_equal(why, REFUSE_CHUNK_EXT);
    assert_in_range(bytes, 900, 1025);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_largest_size),
        cmocka_unit_test(test_extensions_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
