/* The adapter of Docker Hub: every sample, each field of a wrong type, and bodies that are none. */
#include "hooks.h"
#include "source/sender_id.h"

#define PUSH     "dockerhub/push.json"
#define KNOWN_BY "members push_data and repository.repo_name"

/* What is expected of a push, with the id that its three parts make. */
static const char *pushed(const char *repository, const char *tag, const char *time,
                          const char *actor)
{
    static char text[1024];
    char id[SENDER_ID_SIZE];
    (void) sender_id((const char *const[]){repository, tag, time}, 3, id);
    (void) snprintf(text, sizeof(text), "push %s tag=%s id=%s at=%s by=%s\n", repository, tag, id,
                    time, actor);
    return text;
}

static void test_samples(void **state)
{
    (void) state;
    const struct hooks_sample push = {
        PUSH, pushed("example/app", "latest", "2024-05-01T09:00:00Z", "exampleuser"), KNOWN_BY};
    hooks_samples(&SOURCE_DOCKERHUB, &push, 1);
    const struct hooks_sample media_type = {
        "dockerhub/push-with-undocumented-media-type.json",
        pushed("example/app", "1.0", "2024-05-01T09:00:00Z", "exampleuser"), KNOWN_BY};
    hooks_samples(&SOURCE_DOCKERHUB, &media_type, 1);
    const struct hooks_sample legacy = {"dockerhub/push-legacy-float-time-no-tag.json",
                                        "ignored no_tag\n", KNOWN_BY};
    hooks_samples(&SOURCE_DOCKERHUB, &legacy, 1);
}

#define NO_TIME "push example/app tag=latest by=exampleuser\n"

static void test_fields(void **state)
{
    (void) state;
    static const struct hooks_change CASES[] = {
        {"/push_data", NULL, "refused no_push_data\n"},
        {"/push_data", "null", "refused no_push_data\n"},
        {"/push_data", "[]", "refused no_push_data\n"},
        {"/push_data", "{}", "aside tag\n"},
        {"/push_data/tag", NULL, "aside tag\n"},
        {"/push_data/tag", "\"\"", "aside tag\n"},
        {"/push_data/tag", "7", "aside tag\n"},
        {"/push_data/tag", "[\"latest\"]", "aside tag\n"},
        {"/push_data/tag", "\"a b\"", "aside tag\n"},
        {"/push_data/tag", "\"-x\"", "aside tag\n"},
        {"/push_data/pushed_at", NULL, NO_TIME},
        {"/push_data/pushed_at", "null", NO_TIME},
        {"/push_data/pushed_at", "\"1714554000\"", NO_TIME},
        {"/push_data/pushed_at", "-1", NO_TIME},
        {"/push_data/pushed_at", "1e300", NO_TIME},
        {"/push_data/pushed_at", "1714554000000", NO_TIME},
        {"/repository", NULL, "aside repository\n"},
        {"/repository", "\"example/app\"", "aside repository\n"},
        {"/repository/repo_name", NULL, "aside repository\n"},
        {"/repository/repo_name", "1", "aside repository\n"},
        {"/repository/repo_name", "\"\"", "aside repository\n"},
        {"/repository/repo_name", "\"Example/App\"", "aside repository\n"},
        {"/repository/repo_name", "\"../x\"", "aside repository\n"},
    };
    hooks_changes(&SOURCE_DOCKERHUB, PUSH, CASES, ARRAY_LEN(CASES));
}

static void test_times(void **state)
{
    (void) state;
    static const struct {
        const char *json, *time;
    } CASES[] = {
        {"1417566161", "2014-12-03T00:22:41Z"},
        {"1.417566161e+09", "2014-12-03T00:22:41Z"},
        {"1417566161.0", "2014-12-03T00:22:41Z"},
        {"1417566161.5", "2014-12-03T00:22:41.500000Z"},
        {"0", "1970-01-01T00:00:00Z"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct hooks_change one = {
            "/push_data/pushed_at", CASES[i].json,
            pushed("example/app", "latest", CASES[i].time, "exampleuser")};
        hooks_changes(&SOURCE_DOCKERHUB, PUSH, &one, 1);
    }
}

/* Who pushed may be missing without harm. */
static void test_actor(void **state)
{
    (void) state;
    static const char *const NOBODY[] = {NULL, "null", "7", "\"\"", "{}"};
    for (size_t i = 0; i < ARRAY_LEN(NOBODY); i++) {
        char want[512];
        const char *all = pushed("example/app", "latest", "2024-05-01T09:00:00Z", "");
        (void) snprintf(want, sizeof(want), "%.*s\n", (int) (strstr(all, " by=") - all), all);
        const struct hooks_change one = {"/push_data/pusher", NOBODY[i], want};
        hooks_changes(&SOURCE_DOCKERHUB, PUSH, &one, 1);
    }
}

/* The same push twice has one id; another tag, repository or second has another. */
static void test_ids(void **state)
{
    (void) state;
    static const struct {
        const char *at, *json;
        bool same;
    } CASES[] = {
        {"/callback_url", "\"https://example.com/other\"", true},
        {"/repository/star_count", "5", true},
        {"/push_data/tag", "\"v1\"", false},
        {"/push_data/pushed_at", "1714554001", false},
        {"/repository/repo_name", "\"example/app2\"", false},
    };
    struct sample s;
    struct heard first, second;
    sample_open(&s, PUSH);
    hooks_hear(&first, &SOURCE_DOCKERHUB, &s.req, s.req.body);
    const char *id = strstr(first.text, "id=");
    assert_non_null(id);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char *body = hooks_changed(&s, CASES[i].at, CASES[i].json);
        hooks_hear(&second, &SOURCE_DOCKERHUB, &s.req, slice_str(body));
        const char *other = strstr(second.text, "id=");
        assert_non_null(other);
        assert_true((strncmp(id, other, SENDER_ID_SIZE) == 0) == CASES[i].same);
        free(body);
    }
    sample_close(&s);
}

static void test_no_json(void **state)
{
    (void) state;
    hooks_cut(&SOURCE_DOCKERHUB, PUSH);
    hooks_broken(&SOURCE_DOCKERHUB, PUSH);
    hooks_strange(&SOURCE_DOCKERHUB, PUSH, "refused no_push_data\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples), cmocka_unit_test(test_fields),
        cmocka_unit_test(test_times),   cmocka_unit_test(test_actor),
        cmocka_unit_test(test_ids),     cmocka_unit_test(test_no_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
