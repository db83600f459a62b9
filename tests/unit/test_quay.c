/* The adapter of Quay: every sample, each field of a wrong type, and bodies that are none. */
#include "hooks.h"

#define PUSH "quay/repo-push.http"

static void test_samples(void **state)
{
    (void) state;
    static const struct hooks_sample ALL[] = {
        {PUSH, "push team/app tag=v1\n", "members docker_url and updated_tags"},
        {"quay/repo-push-legacy-2013-map.json", "push devtable/ubuntu tag=latest\n",
         "members docker_url and updated_tags"},
        {"quay/vulnerability-found-ignore.json", "ignored other_notification\n",
         "members docker_url and homepage"},
    };
    hooks_samples(&SOURCE_QUAY, ALL, ARRAY_LEN(ALL));
}

static void test_fields(void **state)
{
    (void) state;
    static const struct hooks_change CASES[] = {
        {"/updated_tags", "[\"v1\",\"v2\",\"latest\"]",
         "push team/app tag=v1\npush team/app tag=v2\npush team/app tag=latest\n"},
        {"/updated_tags", "{\"a\":\"1\",\"b\":null}", "push team/app tag=a\npush team/app tag=b\n"},
        {"/updated_tags", "[]", "ignored no_tags\n"},
        {"/updated_tags", "{}", "ignored no_tags\n"},
        {"/updated_tags", "null", "aside updated_tags\n"},
        {"/updated_tags", "\"v1\"", "aside updated_tags\n"},
        {"/updated_tags", "1", "aside updated_tags\n"},
        {"/updated_tags", "[1]", "aside updated_tags\n"},
        {"/updated_tags", "[\"\"]", "aside updated_tags\n"},
        {"/updated_tags", "[null]", "aside updated_tags\n"},
        {"/updated_tags", "[[\"v1\"]]", "aside updated_tags\n"},
        {"/updated_tags", "{\"a b\":\"1\"}", "aside updated_tags\n"},
        {"/updated_tags", "[\"v1\",\"no tag\",\"v2\"]", "aside updated_tags\n"},
        {"/updated_tags", NULL, "ignored other_notification\n"},
        {"/repository", NULL, "push team/app tag=v1\n"},
        {"/repository", "\"\"", "push team/app tag=v1\n"},
        {"/repository", "null", "push team/app tag=v1\n"},
        {"/repository", "\"a/b/c\"", "push a/b/c tag=v1\n"},
        {"/repository", "7", "aside repository\n"},
        {"/repository", "\"quay.io/team/App\"", "aside repository\n"},
        {"/docker_url", NULL, "push team/app tag=v1\n"},
        {"/docker_url", "{}", "push team/app tag=v1\n"},
    };
    hooks_changes(&SOURCE_QUAY, PUSH, CASES, ARRAY_LEN(CASES));
}

/* Without `repository` its name is made of the two parts, or there is none. */
static void test_parts(void **state)
{
    (void) state;
    static const struct {
        const char *body, *want;
    } CASES[] = {
        {"{\"namespace\":\"team\",\"name\":\"app\",\"updated_tags\":[\"v1\"]}",
         "push team/app tag=v1\n"},
        {"{\"namespace\":\"team\",\"updated_tags\":[\"v1\"]}", "aside repository\n"},
        {"{\"name\":\"app\",\"updated_tags\":[\"v1\"]}", "aside repository\n"},
        {"{\"namespace\":1,\"name\":\"app\",\"updated_tags\":[\"v1\"]}", "aside repository\n"},
        {"{\"namespace\":\"team\",\"name\":[],\"updated_tags\":[\"v1\"]}", "aside repository\n"},
        {"{\"repository\":\"team/app\"}", "refused no_updated_tags\n"},
    };
    static const struct source_request NO_HEADERS = {.body = {0}};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct heard h;
        hooks_hear(&h, &SOURCE_QUAY, &NO_HEADERS, slice_str(CASES[i].body));
        assert_string_equal(h.text, CASES[i].want);
    }
}

/* As many tags as a body may have values. */
static void test_many(void **state)
{
    (void) state;
    enum { N = 10000 };
    static const struct source_request NO_HEADERS = {.body = {0}};
    struct buf body;
    struct heard h;
    buf_init(&body, 1 << 20);
    hooks_repeat(&body, "{\"repository\":\"a\",\"updated_tags\":[", 1);
    hooks_repeat(&body, "\"v1\",", N - 1);
    hooks_repeat(&body, "\"v1\"]}", 1);
    hooks_hear(&h, &SOURCE_QUAY, &NO_HEADERS, buf_slice(&body));
    assert_int_equal(h.changes, N);
    buf_fini(&body);
}

static void test_no_json(void **state)
{
    (void) state;
    hooks_cut(&SOURCE_QUAY, PUSH);
    hooks_broken(&SOURCE_QUAY, PUSH);
    hooks_strange(&SOURCE_QUAY, PUSH, "refused no_updated_tags\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples), cmocka_unit_test(test_fields),
        cmocka_unit_test(test_parts),   cmocka_unit_test(test_many),
        cmocka_unit_test(test_no_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
