/* The adapter of GitLab's registry: Distribution's events, a rename, and what tells it apart. */
#include "broken.h"

#define D1      "sha256:31a61cd993e3f0c3cc7ea34ab6331037cfa8f8745d16fada5de554a7e4412e6f"
#define REQUEST " request=8ef8d69b-f957-45ab-ba2c-9153291f47b6"

static void test_samples(void **state)
{
    (void) state;
    static const struct {
        const char *name, *want;
    } CASES[] = {
        {"gitlab/push-manifest-tag.http",
         "push team/app digest=" D1 " tag=v1 id=a582a0f3-e620-43e6-8e98-ff850fc9d984" REQUEST
         " at=2024-04-30T22:00:00.17327Z by=root\n"},
        {"gitlab/delete-tag.DERIVED.http",
         "delete-tag team/app tag=v1 id=0b1f3a52-2f7e-4a4c-9d5d-0f5b8b1f9c11" REQUEST
         " at=2024-05-01T10:00:00.000000001Z by=root\n"},
        {"gitlab/delete-manifest.DERIVED.http",
         "delete-digest team/app digest=" D1 " id=1c1f3a52-2f7e-4a4c-9d5d-0f5b8b1f9c12" REQUEST
         " at=2024-05-01T10:00:01.000000001Z by=root\n"},
        {"gitlab/rename-repository-ignore.http", "ignored rename\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct sample s;
        struct heard h;
        const char *why, *known_by;
        sample_open(&s, CASES[i].name);
        assert_ptr_equal(source_detect(&s.req, &known_by), &SOURCE_GITLAB);
        assert_string_equal(known_by, "member actor.user_type");
        assert_int_equal(heard_adapt(&h, &SOURCE_GITLAB, &s.req, &why), 0);
        assert_string_equal(h.text, CASES[i].want);
        sample_close(&s);
    }
}

static void test_detect(void **state)
{
    (void) state;
#define V1 "application/vnd.docker.distribution.events.v1+json"
    static const struct {
        const char *content_type, *body;
        bool want;
    } CASES[] = {
        {V1, "{\"events\":[{\"actor\":{\"user_type\":\"deploy_token\"}}]}", true},
        {"application/json", " {\"events\":[{\"actor\":{\"user_type\":\"build\"}}]}", true},
        {"text/plain", "{\"events\":[{\"actor\":{\"user_type\":\"build\"}}]}", false},
        {V1, "{\"events\":[{\"actor\":{\"name\":\"user_type\"}}]}", false},
        {V1, "{\"events\":[{\"actor\":{}},{\"actor\":{\"user_type\":\"build\"}}]}", false},
        {V1, "{\"events\":[{\"user_type\":\"build\"}]}", false},
        {V1, "{\"events\":[],\"user_type\":1}", false},
        {V1, "{\"events\":{\"user_type\":1}}", false},
        {V1, "[\"user_type\"]", false},
        {V1, "", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct source_request req = {.content_type = slice_str(CASES[i].content_type),
                                           .body = slice_str(CASES[i].body)};
        assert_int_equal(SOURCE_GITLAB.detect(&req) != NULL, CASES[i].want);
    }
}

/* Of the actor only the name is read: what else is there may be a token. */
static void test_actor(void **state)
{
    (void) state;
    static const struct {
        const char *actor, *by;
    } CASES[] = {
        {"{\"name\":\"root\",\"user\":\"user-jwt\"}", " by=root"},
        {"{\"user\":\"user-jwt\"}", ""},
        {"{\"name\":\"\"}", ""},
        {"{\"name\":null}", ""},
        {"{\"name\":1}", ""},
        {"{\"name\":{}}", ""},
        {"null", ""},
        {"\"root\"", ""},
        {"[]", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char body[512], want[256];
        (void) snprintf(body, sizeof(body),
                        "{\"events\":[{\"action\":\"delete\",\"target\":{\"repository\":\"a\","
                        "\"tag\":\"b\"},\"actor\":%s}]}",
                        CASES[i].actor);
        (void) snprintf(want, sizeof(want), "delete-tag a tag=b%s\n", CASES[i].by);
        const struct source_request req = {.content_type = SLICE_LIT(V1), .body = slice_str(body)};
        struct heard h;
        const char *why;
        assert_int_equal(heard_adapt(&h, &SOURCE_GITLAB, &req, &why), 0);
        assert_string_equal(h.text, want);
    }
}

/* 256 bytes are a name, 257 are nobody's. */
static void test_long_actor(void **state)
{
    (void) state;
    for (int len = 255; len < 300; len++) {
        char body[600], name[301];
        memset(name, 'a', sizeof(name));
        name[len] = '\0';
        (void) snprintf(body, sizeof(body),
                        "{\"events\":[{\"action\":\"delete\",\"target\":{\"repository\":\"a\","
                        "\"tag\":\"b\"},\"actor\":{\"name\":\"%s\"}}]}",
                        name);
        const struct source_request req = {.content_type = SLICE_LIT(V1), .body = slice_str(body)};
        struct heard h;
        const char *why;
        assert_int_equal(heard_adapt(&h, &SOURCE_GITLAB, &req, &why), 0);
        assert_int_equal(h.changes, 1);
        assert_int_equal(strstr(h.text, " by=aaa") != NULL, len <= FIELD_ACTOR_MAX);
    }
}

static void test_broken(void **state)
{
    (void) state;
    broken_check(&SOURCE_GITLAB, "gitlab/push-manifest-tag.http");
    broken_check(&SOURCE_GITLAB, "gitlab/delete-tag.DERIVED.http");
    broken_check(&SOURCE_DISTRIBUTION,
                 "distribution/40-push-with-actor-and-references.03-push-manifest-tagged.http");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples), cmocka_unit_test(test_detect),
        cmocka_unit_test(test_actor),   cmocka_unit_test(test_long_actor),
        cmocka_unit_test(test_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
