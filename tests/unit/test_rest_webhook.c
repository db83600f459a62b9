/* Tests of gateway/rest_webhook.c: which header fields of a call are the webhook's. */
#include "rest_webhook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define FIELD(name, value)                                                                         \
    {                                                                                              \
        SLICE_INIT(name), SLICE_INIT(value)                                                        \
    }

static void test_fields(void **state)
{
    static const struct http_head HEAD = {
        .n_headers = 9,
        .headers = {FIELD("Host", "a"), FIELD("Authorization", "Bearer s3cret"),
                    FIELD("Content-Type", "application/json"), FIELD("Content-Length", "2"),
                    FIELD("Idempotency-Key", "k"), FIELD("X-GitHub-Event", "package"),
                    FIELD("COOKIE", "s3cret"), FIELD("x-request-id", "r"),
                    FIELD("User-Agent", "GitHub-Hookshot/1")},
    };
    struct rest_webhook w;
    (void) state;
    rest_webhook_init(&w, &HEAD, SLICE_LIT("{}"));
    assert_true(slice_eq_str(w.request.body, "{}"));
    assert_true(slice_eq_str(w.request.content_type, "application/json"));
    assert_null(w.request.registry);
    assert_int_equal(w.request.headers.n, 3);
    assert_true(slice_eq_str(w.request.headers.at[0].name, "Content-Type"));
    assert_true(slice_eq_str(w.request.headers.at[1].name, "X-GitHub-Event"));
    assert_true(slice_eq_str(w.request.headers.at[2].value, "GitHub-Hookshot/1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fields)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
