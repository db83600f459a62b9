/* Tests of gateway/http_wall.c: llhttp must understand what our own checks have accepted. */
#include "err.h"
#include "http_wall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define START "POST / HTTP/1.1\r\n"
#define HOST  "Host: a\r\n"

static void test_heads(void **state)
{
    (void) state;
    static const struct {
        const char *name, *start, *rest;
        bool chunked;
        uint64_t length;
        bool fine;
    } CASES[] = {
        {"no body", START, HOST "\r\n", false, 0, true},
        {"a length", START, HOST "Content-Length: 12\r\n\r\n", false, 12, true},
        {"chunked", START, HOST "Transfer-Encoding: chunked\r\n\r\n", true, 0, true},
        {"another length than we read", START, HOST "Content-Length: 12\r\n\r\n", false, 11, false},
        {"chunked, and we read a length", START, HOST "Transfer-Encoding: chunked\r\n\r\n", false,
         3, false},
        {"a length, and we read chunked", START, HOST "Content-Length: 3\r\n\r\n", true, 0, false},
        {"both", START, HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", true, 0,
         false},
        {"a folded header", START, HOST "A: b\r\n c\r\n\r\n", false, 0, false},
        {"a bare carriage return", START, HOST "A: b\rc\r\n\r\n", false, 0, false},
        {"a second request behind a stray CR", START, HOST "\r\n\rXGET / HTTP/1.1\r\n\r\n", false,
         0, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct wall *wall = wall_new();
        enum refuse why = wall_head(wall, slice_str(CASES[i].start), slice_str(CASES[i].rest),
                                    CASES[i].chunked, CASES[i].length);
        assert_int_equal(why == REFUSE_NONE, CASES[i].fine);
        wall_free(wall);
    }
    wall_free(NULL);
}

static struct wall *chunked_wall(void)
{
    struct wall *wall = wall_new();
    assert_int_equal(wall_head(wall, slice_str(START),
                               slice_str(HOST "Transfer-Encoding: chunked\r\n\r\n"), true, 0),
                     REFUSE_NONE);
    return wall;
}

static void test_chunks(void **state)
{
    (void) state;
    static const struct {
        const char *body;
        size_t data;
        bool fine, complete;
    } CASES[] = {
        {"3\r\nabc\r\n0\r\n\r\n", 3, true, true}, {"3\r\nabc\r\n", 3, true, false},
        {"3\r\nabc\r\n", 2, false, false}, /* it sees more data than we do */
        {"3\r\nabcX", 3, false, false},           {"3\nabc\r\n", 3, false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct wall *wall = chunked_wall();
        assert_int_equal(wall_chunked(wall, slice_str(CASES[i].body), CASES[i].data),
                         CASES[i].fine);
        if (CASES[i].fine)
            assert_int_equal(wall_complete(wall), CASES[i].complete);
        wall_free(wall);
    }
}

static void test_chunks_in_pieces(void **state)
{
    (void) state;
    static const char BODY[] = "3\r\nabc\r\n0\r\n\r\n";
    struct wall *wall = chunked_wall();
    for (size_t at = 0; at < sizeof(BODY) - 1; at++) {
        bool data = at >= 3 && at < 6;
        assert_false(wall_complete(wall));
        assert_true(wall_chunked(wall, slice_of(BODY + at, 1), data ? 1 : 0));
    }
    assert_true(wall_complete(wall));
    wall_free(wall);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_chunks_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
