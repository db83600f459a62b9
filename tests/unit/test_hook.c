/* What adapters of one-event webhooks share: opening, header fields, names, references. */
#include "source/hook.h"

#include "source/payload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_open(void **state)
{
    (void) state;
    static const struct {
        const char *type, *body, *why; /* NULL: opened */
    } CASES[] = {
        {"", "{}", NULL},
        {"application/json", " {\"a\":1}\n", NULL},
        {"text/plain; charset=utf-8", "{}", NULL},
        {"application/json; charset=iso-8859-1", "{}", "charset"},
        {"application/x-www-form-urlencoded", "payload=%7B%7D", "form_encoded"},
        {"Application/X-WWW-Form-Urlencoded; charset=UTF-8", "payload=%7B%7D", "form_encoded"},
        {"application/json", "", "syntax"},
        {"application/json", "{} {}", "syntax"},
        {"application/json", "\xef\xbb\xbf{}", "syntax"},
        {"application/json", "[{}]", "object"},
        {"application/json", "null", "object"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  '%s' '%s'\n", CASES[i].type, CASES[i].body);
        struct cJSON *root = NULL;
        const char *why = NULL;
        const struct source_request req = {.content_type = slice_str(CASES[i].type),
                                           .body = slice_str(CASES[i].body)};
        int r = hook_open(&req, &root, &why);
        if (CASES[i].why == NULL) {
            assert_int_equal(r, 0);
            assert_non_null(root);
        } else {
            assert_int_equal(r, -EBADMSG);
            assert_null(root);
            assert_string_equal(why, CASES[i].why);
        }
        payload_close(root);
    }
}

static void test_header(void **state)
{
    (void) state;
    char longest[HOOK_HEADER_SIZE + 1], ret[HOOK_HEADER_SIZE];
    memset(longest, 'a', sizeof(longest));
    const struct header all[] = {
        {SLICE_LIT("a"), SLICE_LIT("one")},
        {SLICE_LIT("b"), SLICE_LIT("1")},
        {SLICE_LIT("B"), SLICE_LIT("2")},
        {SLICE_LIT("space"), SLICE_LIT("a b")},
        {SLICE_LIT("nul"), SLICE_LIT("a\0b")},
        {SLICE_LIT("byte"), SLICE_LIT("\x80")},
        {SLICE_LIT("fits"), slice_of(longest, HOOK_HEADER_SIZE - 1)},
        {SLICE_LIT("long"), slice_of(longest, HOOK_HEADER_SIZE)},
    };
    const struct source_request req = {.headers = {all, ARRAY_LEN(all)}};
    assert_string_equal(hook_header(&req, "A", ret), "one");
    assert_string_equal(hook_header(&req, "b", ret), ""); /* two: nobody says which */
    assert_string_equal(hook_header(&req, "none", ret), "");
    assert_null(hook_header(&req, "space", ret));
    assert_null(hook_header(&req, "nul", ret));
    assert_null(hook_header(&req, "byte", ret));
    assert_int_equal(strlen(hook_header(&req, "fits", ret)), HOOK_HEADER_SIZE - 1);
    assert_null(hook_header(&req, "long", ret));
}

static void test_join(void **state)
{
    (void) state;
    char ret[HOOK_NAME_SIZE], longest[2 * HOOK_NAME_SIZE];
    assert_string_equal(hook_join("a", "b/c", ret), "a/b/c");
    assert_string_equal(hook_join("", "b", ret), "");
    assert_string_equal(hook_join("a", "", ret), "");
    assert_null(hook_join(NULL, "b", ret));
    assert_null(hook_join("a", NULL, ret));
    memset(longest, 'a', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    assert_false(field_repository(hook_join("b", longest, ret)));
    longest[FIELD_REPOSITORY_MAX - 2] = '\0';
    assert_true(field_repository(hook_join("b", longest, ret)));
    assert_int_equal(strlen(ret), FIELD_REPOSITORY_MAX);

    char text[] = "A/b_Z@[`{-9\xc3\x84";
    hook_lower(text);
    assert_string_equal(text, "a/b_z@[`{-9\xc3\x84");
}

static void test_refer(void **state)
{
    (void) state;
    static const struct {
        const char *reference, *tag, *digest;
    } CASES[] = {
        {"v1", "v1", ""},
        {"", "", ""},
        {"sha256:0", "", "sha256:0"},
        {NULL, NULL, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct report r = {.tag = "old", .digest = "old"};
        hook_refer(&r, CASES[i].reference);
        if (CASES[i].tag == NULL)
            assert_null(r.tag);
        else
            assert_string_equal(r.tag, CASES[i].tag);
        assert_string_equal(r.digest, CASES[i].digest);
    }
    assert_true(hook_given("a"));
    assert_false(hook_given(""));
    assert_false(hook_given(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_refer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
