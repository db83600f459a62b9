/* Tests of broker/base/ws_accept.c. */
#include "ws_accept.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_the_example_of_the_rfc(void **state)
{
    (void) state;
    char accept[WS_ACCEPT_SIZE];
    ws_accept(SLICE_LIT("dGhlIHNhbXBsZSBub25jZQ=="), accept);
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_example_of_the_rfc)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
