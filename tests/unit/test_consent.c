/* Tests of gateway/consent.c: who is told that he may deliver, and what. The requests are those of
 * the specification (HTTP 1.1 Web Hooks for Event Delivery 1.0, section 4.1). */
#include "consent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define L63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz01234567890"

static bool ask(const char *kind, const struct header *at, size_t n, char ret[CONSENT_SIZE])
{
    struct http_head head = {.method = HTTP_M_OPTIONS, .n_headers = n};
    const struct config_registry registry = {.kind = (char *) (uintptr_t) kind};
    for (size_t i = 0; i < n; i++)
        head.headers[i] = at[i];
    return consent_to(&head, &registry, ret);
}

static void test_origins(void **state)
{
    static const struct {
        const char *origin;
        bool want;
    } CASES[] = {
        {"eventemitter.example.com", true},
        {"eventgrid.azure.net", true},
        {"localhost", true},
        {"a", true},
        {"_srv.a-b.example", true},
        {"192.0.2.1", true},
        {L63 ".example", true},
        {L63 "." L63 "." L63 "." L63, false}, /* 255 */
        {L63 "." L63 "." L63 "."
             "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz012345678",
         true}, /* 253 */
        {L63 "1.example", false},
        {"", false},
        {".", false},
        {".example", false},
        {"example.", false},
        {"a..example", false},
        {"a b", false},
        {"a\r\nSet-Cookie: x=1", false},
        {"a\nb", false},
        {"a,b.example", false},
        {"https://a.example", false},
        {"a.example:443", false},
        {"*", false},
        {"<script>", false},
        {"m\xc3\xbcller.example", false},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char got[CONSENT_SIZE] = "", want[CONSENT_SIZE];
        const struct header origin = {SLICE_LIT("WebHook-Request-Origin"),
                                      slice_str(CASES[i].origin)};
        if (ask("cloudevents", &origin, 1, got) != CASES[i].want)
            fail_msg("%s", CASES[i].origin);
        (void) snprintf(want, sizeof(want), "Allow: POST\r\nWebHook-Allowed-Origin: %s\r\n",
                        CASES[i].origin);
        assert_string_equal(got, CASES[i].want ? want : "");
    }
}

static void test_kinds(void **state)
{
    static const struct {
        const char *kind;
        bool want;
    } CASES[] = {
        {NULL, true},   {"cloudevents", true},   {"acr", true},      {"harbor", false},
        {"zot", false}, {"distribution", false}, {"generic", false},
    };
    const struct header origin = {SLICE_LIT("webhook-request-origin"), SLICE_LIT("a.example")};
    char got[CONSENT_SIZE];
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        assert_int_equal(ask(CASES[i].kind, &origin, 1, got), CASES[i].want);
}

static void test_rate(void **state)
{
    const struct header fields[] = {
        {SLICE_LIT("WebHook-Request-Origin"), SLICE_LIT("a.example")},
        {SLICE_LIT("WebHook-Request-Callback"), SLICE_LIT("https://a.example/confirm?id=1")},
        {SLICE_LIT("WebHook-Request-Rate"), SLICE_LIT("120")},
    };
    char got[CONSENT_SIZE];
    (void) state;
    assert_true(ask(NULL, fields, 3, got));
    assert_string_equal(got, "Allow: POST\r\nWebHook-Allowed-Origin: a.example\r\n"
                             "WebHook-Allowed-Rate: *\r\n");
    assert_true(ask(NULL, fields, 2, got));
    assert_null(strstr(got, "Rate"));
    assert_null(strstr(got, "confirm"));
}

static void test_not_asked(void **state)
{
    const struct header twice[] = {
        {SLICE_LIT("WebHook-Request-Origin"), SLICE_LIT("a.example")},
        {SLICE_LIT("WebHook-Request-Origin"), SLICE_LIT("a.example")},
    };
    char got[CONSENT_SIZE];
    (void) state;
    assert_false(ask(NULL, NULL, 0, got));
    assert_false(ask(NULL, twice, 2, got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_origins),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_not_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
