/* Tests of broker/page_token.c: there and back; every other text is refused. */
#include "page_token.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_there_and_back(void **state)
{
    (void) state;
    static const struct page_place PLACES[] = {{0, "a"},
                                               {UINT64_MAX, "a1svvvvvvvvvvvvvvvvv"},
                                               {1700000000123456789, "a1s00000000000000001"}};
    for (size_t i = 0; i < ARRAY_LEN(PLACES); i++) {
        struct page_place back;
        char token[PAGE_TOKEN_SIZE];
        page_token_print(&PLACES[i], SLICE_LIT("triggers"), token);
        assert_true(strlen(token) <= 100);
        assert_true(page_token_read(token, SLICE_LIT("triggers"), &back));
        assert_true(back.created_ns == PLACES[i].created_ns);
        assert_string_equal(back.id, PLACES[i].id);
        assert_false(page_token_read(token, SLICE_LIT("operations"), &back)); /* another list's */
        assert_false(page_token_read(token, SLICE_LIT(""), &back));
    }
}

static void test_forged(void **state)
{
    (void) state;
    const struct page_place place = {1700000000123456789, "a1s00000000000000001"};
    struct page_place back;
    char token[PAGE_TOKEN_SIZE + 2];
    page_token_print(&place, SLICE_LIT("x"), token);
    size_t len = strlen(token);
    for (size_t i = 0; i < len; i++) { /* one character off */
        char was = token[i];
        for (int c = '0'; c <= 'g'; c++) {
            token[i] = (char) c;
            assert_int_equal(page_token_read(token, SLICE_LIT("x"), &back), c == was);
        }
        token[i] = was;
    }
    token[len] = token[len + 1] = '0'; /* longer */
    token[len + 2] = '\0';
    assert_false(page_token_read(token, SLICE_LIT("x"), &back));
    while (len-- > 0) { /* shorter */
        token[len] = '\0';
        assert_false(page_token_read(token, SLICE_LIT("x"), &back));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_forged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
