/* Tests of broker/base/spec_url.c: no request can choose where another one leads. */
#include "spec_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spec_bed.h"

static const struct {
    const char *url, *wrong; /* a part of what is wrong; NULL: nothing */
} URLS[] = {
    {"https://example.com", NULL},
    {"HTTP://Example.com:8080/a?b=c", NULL},
    {"http://[::1]:80/", NULL},
    {"http://127.0.0.1", NULL},
    {"http://a_b-c.d?x", NULL},
    {"https://example.com/a%20b", NULL},
    {"", "neither http"},
    {"/a", "neither http"},
    {"ftp://a/", "neither http"},
    {"https:/a/", "neither http"},
    {"https://", "no host"},
    {"https:///a", "no host"},
    {"https://a@b/", "has a user"},
    {"https://a:b@b/", "has a user"},
    {"https://a:/", "port"},
    {"https://a:0/", "port"},
    {"https://a:65536/", "port"},
    {"https://a:8x/", "port"},
    {"https://a b/", "other characters"},
    {"https://a\\b/", "other characters"},
    {"https://[::1/", "no address"},
    {"https://[]/", "no address"},
    {"https://[::g]/", "no address"},
    {"https://[::1]x/", "other characters"},
    {"https://a/#b", "fragment"},
    {"https://a#b", "fragment"},
    {"https://a/ b", "percent-encoded"},
    {"https://a/b\r\nX: y", "percent-encoded"},
    {"https://a/\xc3\xa4", "percent-encoded"},
    {"https://a/\\..", "percent-encoded"},
};

static void test_urls(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(URLS); i++) {
        const char *got = spec_url_check_plain(URLS[i].url);
        if ((got == NULL) != (URLS[i].wrong == NULL) ||
            (got != NULL && strstr(got, URLS[i].wrong) == NULL))
            fail_msg("%s: got %s", URLS[i].url, got == NULL ? "nothing" : got);
    }
}

static void test_parameters(void **state)
{
    (void) state;
    static const struct {
        const char *before, *after;
        bool fine;
    } TEXTS[] = {
        {"https://a/", NULL, true},   {"https://a/x?y=", "&z", true}, {"https://a?", NULL, true},
        {"https://a", NULL, false},   {"https://a:80", "/", false},   {"https://a.", ".b/", false},
        {"https://", "/", false},     {"http", "://a/", false},       {NULL, "https://a/", false},
        {"https://u:", "@a/", false}, {"https://a/", "#", false},     {"https://a/", " ", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        struct spec_piece pieces[3];
        struct spec_text text = {.pieces = pieces};
        if (TEXTS[i].before != NULL)
            pieces[text.n++] = (struct spec_piece){.literal = (char *) TEXTS[i].before};
        pieces[text.n++] = (struct spec_piece){.literal = NULL};
        if (TEXTS[i].after != NULL)
            pieces[text.n++] = (struct spec_piece){.literal = (char *) TEXTS[i].after};
        if ((spec_url_check(&text) == NULL) != TEXTS[i].fine)
            fail_msg("%zu: %s", i, spec_url_check(&text));
    }
}

static void test_words(void **state)
{
    (void) state;
    assert_true(spec_is_token("X-A_b.1"));
    assert_false(spec_is_token(""));
    assert_false(spec_is_token("a b"));
    assert_false(spec_is_token("a:"));
    assert_false(spec_is_token("a\r\nb"));
    assert_true(spec_is_printed("a \tb\xc3\xa4"));
    assert_false(spec_is_printed("a\nb"));
    assert_false(spec_is_printed("\x7f"));
    assert_false(spec_is_printed("\xff"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
