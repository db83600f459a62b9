/* What every registry's events are held to before they become changes. */
#include "source/report.h"

#include "heard.h"
#include "source/field.h"

#define DIGEST "sha256:31a61cd993e3f0c3cc7ea34ab6331037cfa8f8745d16fada5de554a7e4412e6f"

static const char *said(const struct report *r)
{
    static struct heard h;
    const struct source_sink sink = heard_sink(&h);
    const struct slice excerpt = SLICE_LIT("{}");
    report(r, &sink, excerpt);
    if (h.set_aside > 0)
        assert_ptr_equal(h.excerpt.data, excerpt.data);
    return h.text;
}

#define PUSH(...)                                                                                  \
    {                                                                                              \
        .kind = CHANGE_PUSH, .repository = "team/app", .digest = DIGEST, .tag = "v1", .id = "",    \
        .request_id = "", .time = "", .actor = "", __VA_ARGS__                                     \
    }
#define IMAGE "team/app digest=" DIGEST

/* -Woverride-init: a case says what is different about it. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static const struct {
    struct report report;
    const char *want;
} CASES[] = {
    {PUSH(), "push " IMAGE " tag=v1\n"},
    {PUSH(.tag = ""), "push " IMAGE "\n"},
    {PUSH(.digest = ""), "push team/app tag=v1\n"},
    {PUSH(.id = "i", .request_id = "r", .actor = "alice", .certain = true),
     "push " IMAGE " tag=v1 id=i request=r by=alice certain\n"},
    {PUSH(.time = "2024-05-01T11:00:00.5+02:00"),
     "push " IMAGE " tag=v1 at=2024-05-01T09:00:00.5Z\n"},
    {PUSH(.time = "yesterday"), "push " IMAGE " tag=v1\n"},
    {PUSH(.time = NULL), "push " IMAGE " tag=v1\n"},
    {PUSH(.actor = NULL), "push " IMAGE " tag=v1\n"},
    {PUSH(.kind = CHANGE_DELETE_DIGEST, .tag = ""), "delete-digest " IMAGE "\n"},
    {PUSH(.kind = CHANGE_DELETE_TAG), "delete-tag " IMAGE " tag=v1\n"},
    {PUSH(.kind = CHANGE_DELETE_TAG, .digest = ""), "delete-tag team/app tag=v1\n"},

    {PUSH(.repository = ""), "aside repository\n"},
    {PUSH(.repository = NULL), "aside repository\n"},
    {PUSH(.repository = "Team"), "aside repository\n"},
    {PUSH(.digest = NULL), "aside digest\n"},
    {PUSH(.digest = "sha256:1"), "aside digest\n"},
    {PUSH(.tag = NULL), "aside tag\n"},
    {PUSH(.tag = "-"), "aside tag\n"},
    {PUSH(.id = NULL), "aside id\n"},
    {PUSH(.request_id = NULL), "aside request_id\n"},
    {PUSH(.digest = "", .tag = ""), "aside digest\n"},
    {PUSH(.kind = CHANGE_DELETE_DIGEST, .digest = ""), "aside digest\n"},
    {PUSH(.kind = CHANGE_DELETE_TAG, .tag = ""), "aside tag\n"},
    /* the first of several */
    {PUSH(.repository = NULL, .digest = NULL, .tag = NULL, .id = NULL), "aside repository\n"},
};
#pragma GCC diagnostic pop

static void test_cases(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s", CASES[i].want);
        assert_string_equal(said(&CASES[i].report), CASES[i].want);
    }
}

/* `n` times `c` in a text that is as long as it is looked at. */
static const char *repeated(char c, size_t n)
{
    static char text[1024];
    memset(text, c, n);
    text[n] = '\0';
    return text;
}

static void test_lengths(void **state)
{
    (void) state;
    struct report r = CASES[0].report;
    r.id = repeated('i', FIELD_ID_MAX);
    assert_memory_equal(said(&r), "push ", 5);
    r.id = repeated('i', FIELD_ID_MAX + 1);
    assert_string_equal(said(&r), "aside id\n");
    r.id = "";
    r.request_id = repeated('i', FIELD_ID_MAX);
    assert_memory_equal(said(&r), "push ", 5);
    r.request_id = repeated('i', FIELD_ID_MAX + 1);
    assert_string_equal(said(&r), "aside request_id\n");
    r.request_id = "";
    r.actor = repeated('a', FIELD_ACTOR_MAX);
    assert_non_null(strstr(said(&r), " by=aaa"));
    r.actor = repeated('a', FIELD_ACTOR_MAX + 1); /* nobody, and the event counts all the same */
    assert_string_equal(said(&r), "push " IMAGE " tag=v1\n");
    r.actor = "";
    r.repository = repeated('a', FIELD_REPOSITORY_MAX + 1);
    assert_string_equal(said(&r), "aside repository\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
