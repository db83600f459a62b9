/* Tests of gateway/cli/fetch.c. */
#include "fetch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_urls(void **state)
{
    (void) state;
    static const struct {
        const char *base, *url; /* NULL: refused */
    } CASES[] = {
        {"127.0.0.1:8081", "http://127.0.0.1:8081/x"},
        {"http://a/", "http://a/x"},
        {"https://a/b//", "https://a/b/x"},
        {"ws://a", NULL},
        {"", NULL},
        {"a b", NULL},
        {"a?b", NULL},
        {"u@a", NULL},
        {"/", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct buf url;
        buf_init(&url, 256);
        int r = fetch_url(CASES[i].base, "/x", &url);
        assert_int_equal(r, CASES[i].url == NULL ? -EINVAL : 0);
        if (r == 0)
            assert_string_equal((const char *) url.data, CASES[i].url);
        buf_fini(&url);
    }
}

static void test_nobody_there(void **state)
{
    (void) state;
    struct fetch_answer answer;
    fetch_answer_init(&answer);
    const struct fetch_request q = {.url = "http://127.0.0.1:1/"};
    assert_int_equal(fetch(&q, &answer), -EIO);
    assert_int_equal(answer.status, 0);
    assert_true(answer.error[0] != '\0');
    const struct fetch_request file = {.url = "file:///etc/passwd"};
    assert_int_equal(fetch(&file, &answer), -EIO);
    assert_int_equal(answer.body.len, 0);
    fetch_answer_fini(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_urls),
                                       cmocka_unit_test(test_nobody_there)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
