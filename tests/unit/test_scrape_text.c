/* Tests of gateway/scrape_text.c. */
#include "scrape_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_text(void **state)
{
    (void) state;
    struct buf out;
    buf_init(&out, 1000);
    assert_int_equal(scrape_head(&out, "a_total", "counter", "What it is."), 0);
    assert_int_equal(scrape_label(&out, "a\\b\"c\nd\xc3\xa9"), 0);
    assert_int_equal(scrape_label(&out, ""), 0);
    assert_int_equal(scrape_number(&out, "b", "gauge", "Another.", UINT64_MAX), 0);
    assert_true(slice_eq_str(buf_slice(&out),
                             "# HELP a_total What it is.\n# TYPE a_total counter\n"
                             "a\\\\b\\\"c\\nd\xc3\xa9"
                             "# HELP b Another.\n# TYPE b gauge\nb 18446744073709551615\n"));
    size_t len = out.len;
    buf_fini(&out);
    for (size_t limit = 0; limit < len; limit++) {
        buf_init(&out, limit);
        int r = scrape_head(&out, "a_total", "counter", "What it is.");
        if (r == 0)
            r = scrape_label(&out, "a\\b\"c\nd\xc3\xa9");
        if (r == 0)
            r = scrape_number(&out, "b", "gauge", "Another.", UINT64_MAX);
        assert_int_equal(r, -EMSGSIZE);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
