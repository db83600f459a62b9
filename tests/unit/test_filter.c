/* Filters: which events pass, which patterns are refused, values. */
#include "filter.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define DIGITS "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

/* The patterns of a list, semicolons between them. */
static struct filter *filter_of(enum filter_list list, const char *patterns)
{
    struct filter *f = filter_new();
    for (const char *at = patterns; *at != '\0'; at += *at == ';') {
        size_t len = strcspn(at, ";");
        assert_null(filter_add(f, list, slice_of(at, len)));
        at += len;
    }
    return f;
}

static void test_lists(void **state)
{
    (void) state;
    static const struct {
        enum filter_list list;
        const char *patterns, *text; /* of an event of registry crt1 */
        bool passes;
    } CASES[] = {
        {FILTER_IMAGE_NAMES, "", "team/app", true},
        {FILTER_IMAGE_NAMES, "team/app", "team/app", true},
        {FILTER_IMAGE_NAMES, "team/app", "team/app2", false},
        {FILTER_IMAGE_NAMES, "team/*;base/**", "team/app", true},
        {FILTER_IMAGE_NAMES, "team/*;base/**", "base/a/b", true},
        {FILTER_IMAGE_NAMES, "team/*;base/**", "app", false},
        {FILTER_IMAGE_NAMES, "crt1/team/*", "team/app", true},
        {FILTER_IMAGE_NAMES, "crt2/team/*", "team/app", false},
        {FILTER_IMAGE_NAMES, "crt1/app", "app", true},
        {FILTER_IMAGE_NAMES, "crt1/app", "crt1/app", true}, /* a repository of that name */
        {FILTER_IMAGE_NAMES, "crt1/**", "a/b", true},
        {FILTER_IMAGE_NAMES, "*/app", "app", false}, /* "*" is no registry */
        {FILTER_IMAGE_NAMES, "crt*/app", "app", false},
        {FILTER_IMAGE_NAMES, "!*/app", "app", true},
        {FILTER_IMAGE_NAMES, "!crt1/app", "app", false},
        {FILTER_IMAGE_NAMES, "team/**;!**/test", "team/app", true},
        {FILTER_IMAGE_NAMES, "team/**;!**/test", "team/a/test", false},
        {FILTER_IMAGE_NAMES, "!**/test;team/**", "team/a/test", false}, /* in any order */
        {FILTER_IMAGE_NAMES, "!**/test", "other", true},
        {FILTER_TAGS, "v*;!*-rc*", "v1.0", true},
        {FILTER_TAGS, "v*;!*-rc*", "v1.0-rc1", false},
        {FILTER_TAGS, "v*;!*-rc*", "1.0", false},
        {FILTER_TAGS, "!latest", "v1", true},
        {FILTER_TAGS, "!latest", "latest", false},
        {FILTER_TAGS, "!latest", "", true}, /* an image is deleted: there is no tag */
        {FILTER_TAGS, "*", "", false},
        {FILTER_TAGS, "*", "any", true},
        {FILTER_TAGS, "!*", "any", false},
        {FILTER_TAGS, "!*", "", true},
        {FILTER_TAGS, "semver:^1.2", "v1.9.0", true},
        {FILTER_TAGS, "semver:^1.2", "1.9.0", true},
        {FILTER_TAGS, "semver:^1.2", "1.9", false},
        {FILTER_TAGS, "semver:^1.2", "latest", false},
        {FILTER_TAGS, "semver:^1.2", "1.9.0-rc.1", false},
        {FILTER_TAGS, "semver:>=1.2.0 <2;latest", "latest", true},
        {FILTER_TAGS, "semver:*;!semver:<1", "0.9.0", false},
        {FILTER_TAGS, "semver:*;!semver:<1", "1.0.0", true},
        {FILTER_TAGS, "!semver:<1", "latest", true}, /* no version is in no range */
        {FILTER_TAGS, "semver*", "semver-is-a-word", true},
        {FILTER_DIGESTS, "sha256:" DIGITS, "sha256:" DIGITS, true},
        {FILTER_DIGESTS, "sha256:0011*", "sha256:" DIGITS, true},
        {FILTER_DIGESTS, "sha256:0012*", "sha256:" DIGITS, false},
        {FILTER_DIGESTS, "!sha256:0011*", "sha256:" DIGITS, false},
        {FILTER_DIGESTS, "sha256:*", "", false},
        {FILTER_DIGESTS, "sha512:*", "sha256:" DIGITS, false},
        {FILTER_ACTORS, "ci-*", "ci-1", true},
        {FILTER_ACTORS, "ci-*", "anna", false},
        {FILTER_ACTORS, "ci-*", "", false},
        {FILTER_ACTORS, "arn:*", "arn:aws:sts::1:assumed-role/ci/x", true},
        {FILTER_ACTORS, "!*\\[bot\\]", "dependabot[bot]", false},
        {FILTER_ACTORS, "!robot*", "", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct filter *f = filter_of(CASES[i].list, CASES[i].patterns);
        struct filter_subject s = {.registry_id = "crt1",
                                   .repository = "any",
                                   .tag = "any",
                                   .digest = "sha256:any",
                                   .actor = "any"};
        const char **const places[] = {&s.repository, &s.tag, &s.digest, &s.actor};
        *places[CASES[i].list] = CASES[i].text;
        print_message("  %s : %s\n", CASES[i].patterns, CASES[i].text);
        assert_int_equal(filter_refusal(f, &s), CASES[i].passes ? FILTER_LISTS : CASES[i].list);
        filter_free(f);
    }
}

static void test_all_lists(void **state)
{
    (void) state;
    struct filter *f = filter_of(FILTER_TAGS, "v*");
    struct filter_subject s = {.registry_id = "crt1",
                               .repository = "app",
                               .tag = "v1",
                               .digest = "sha256:0",
                               .actor = "anna"};
    assert_null(filter_add(f, FILTER_ACTORS, SLICE_LIT("!anna")));
    assert_int_equal(filter_refusal(f, &s), FILTER_ACTORS);
    s.actor = "bert";
    assert_int_equal(filter_refusal(f, &s), FILTER_LISTS);
    s.tag = "1";
    assert_int_equal(filter_refusal(f, &s), FILTER_TAGS);
    assert_int_equal(filter_refusal(NULL, &s), FILTER_LISTS);
    filter_free(f);
}

/* The tag is read when it is first needed, and once: what it is changed to later does not count. */
static void test_version_read_once(void **state)
{
    (void) state;
    struct filter *globs = filter_of(FILTER_TAGS, "*"), *one = filter_of(FILTER_TAGS, "semver:1.x"),
                  *two = filter_of(FILTER_TAGS, "semver:2.x");
    struct filter_subject s = {
        .registry_id = "crt1", .repository = "app", .tag = "1.0.0", .digest = "", .actor = ""};
    assert_int_equal(filter_refusal(globs, &s), FILTER_LISTS);
    assert_int_equal(s.reading, FILTER_NOT_READ);
    assert_int_equal(filter_refusal(two, &s), FILTER_TAGS);
    assert_int_equal(s.reading, FILTER_VERSION);
    s.tag = "2.0.0";
    assert_int_equal(filter_refusal(two, &s), FILTER_TAGS);
    assert_int_equal(filter_refusal(one, &s), FILTER_LISTS);
    filter_free(globs);
    filter_free(one);
    filter_free(two);
}

static void test_refused(void **state)
{
    (void) state;
    static const struct {
        enum filter_list list;
        const char *pattern, *why;
    } CASES[] = {
        {FILTER_TAGS, "", "is empty"},
        {FILTER_TAGS, "!", "is empty"},
        {FILTER_TAGS, "!!a", "has more than one '!' in front"},
#define NO_TAG "has a character that no tag has; a range of versions begins with 'semver:'"
        {FILTER_TAGS, "^1.2", NO_TAG},
        {FILTER_TAGS, ">=1.2 <2", NO_TAG},
        {FILTER_TAGS, "a/b", NO_TAG},
        {FILTER_TAGS, "a b", NO_TAG},
        {FILTER_TAGS, "v1]", NULL}, /* fits nothing, and means nothing else */
        {FILTER_TAGS, "v[/]", "has '/' or a character that is not ASCII between '[' and ']'"},
        {FILTER_TAGS, "v\\[1", NO_TAG},
        {FILTER_TAGS, "semver:latest",
         "has something else where a version such as 1.2.3, 1.2 or 1.x is due"},
        {FILTER_TAGS, "!semver:1 | 2", "has a single '|'"},
#define NO_NAME "has a character that no image's name has; tags and digests have lists of their own"
        {FILTER_IMAGE_NAMES, "app:v1", NO_NAME},
        {FILTER_IMAGE_NAMES, "app@sha256", NO_NAME},
        {FILTER_IMAGE_NAMES, "semver:1", NO_NAME},
        {FILTER_IMAGE_NAMES, "a**b",
         "has '**' beside other characters: it stands for whole parts between '/'"},
        {FILTER_IMAGE_NAMES, "/app", "begins or ends with '/', or has two of them"},
#define NO_DIGEST                                                                                  \
    "is neither a whole digest nor the beginning of one with '*' behind it; its digits are 0-9 "   \
    "and a-f"
        {FILTER_DIGESTS, "sha256:" DIGITS "0", NO_DIGEST},
        {FILTER_DIGESTS, "sha256:" DIGITS "*", NO_DIGEST},
        {FILTER_DIGESTS, "sha256:00", NO_DIGEST},
        {FILTER_DIGESTS, "sha256:AB*", NO_DIGEST},
        {FILTER_DIGESTS, "sha256:a*b", NO_DIGEST},
        {FILTER_DIGESTS, "sha256:", NO_DIGEST},
        {FILTER_DIGESTS, "sha512:" DIGITS, NO_DIGEST},
        {FILTER_DIGESTS, "sha512:" DIGITS DIGITS, NULL},
        {FILTER_DIGESTS, "ab*", "does not begin with 'sha256:' or 'sha512:'"},
        {FILTER_DIGESTS, "", "does not begin with 'sha256:' or 'sha512:'"},
        {FILTER_ACTORS, "a\x01", "has a control character"},
        {FILTER_ACTORS, "anna\\", "ends with '\\'"},
        {FILTER_ACTORS, "semver:1", NULL}, /* a word as any other */
        {FILTER_ACTORS, "a@b.example, c", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const char *why = filter_check(CASES[i].list, slice_str(CASES[i].pattern));
        print_message("  %s\n", CASES[i].pattern);
        if (CASES[i].why == NULL)
            assert_null(why);
        else
            assert_string_equal(why, CASES[i].why);
    }
}

static void test_limits(void **state)
{
    (void) state;
    char longest[FILTER_MAX_BYTES + 1];
    memset(longest, 'a', sizeof(longest));
    assert_null(filter_check(FILTER_TAGS, slice_of(longest, FILTER_MAX_BYTES)));
    assert_string_equal(filter_check(FILTER_TAGS, slice_of(longest, FILTER_MAX_BYTES + 1)),
                        "has more than 255 bytes");
    struct filter *f = filter_new();
    for (size_t i = 0; i < FILTER_MAX_PATTERNS; i++)
        assert_null(filter_add(f, FILTER_ACTORS, SLICE_LIT("a")));
    assert_string_equal(filter_add(f, FILTER_ACTORS, SLICE_LIT("a")), "is one of more than 32");
    assert_null(filter_add(f, FILTER_TAGS, SLICE_LIT("a")));
    assert_int_equal(filter_size(f, FILTER_ACTORS), FILTER_MAX_PATTERNS);
    filter_free(f);
}

static void test_values(void **state)
{
    (void) state;
    struct filter *f = filter_of(FILTER_TAGS, "semver:1.x;!1.*"), *empty = filter_new();
    struct filter *copy = filter_copy(f);
    assert_true(filter_equal(f, copy));
    assert_string_equal(filter_at(copy, FILTER_TAGS, 1), "!1.*");
    assert_null(filter_add(copy, FILTER_ACTORS, SLICE_LIT("anna")));
    assert_false(filter_equal(f, copy));
    assert_true(filter_equal(NULL, empty));
    assert_false(filter_equal(NULL, f));
    struct filter *other = filter_of(FILTER_TAGS, "!1.*;semver:1.x");
    assert_false(filter_equal(f, other));
    assert_true(filter_is_empty(NULL));
    assert_true(filter_is_empty(empty));
    assert_false(filter_is_empty(f));
    assert_int_equal(filter_size(NULL, FILTER_TAGS), 0);
    assert_null(filter_copy(NULL));
    filter_free(f);
    filter_free(copy);
    filter_free(other);
    filter_free(empty);
    filter_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_all_lists),
        cmocka_unit_test(test_version_read_once),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
