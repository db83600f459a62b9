/* The adapter of JFrog Artifactory: every sample, each field of a wrong type, data without what is
 * around it, and bodies that are none. */
#include "hooks.h"

#define HASH     "31a61cd993e3f0c3cc7ea34ab6331037cfa8f8745d16fada5de554a7e4412e6f"
#define D1       "sha256:" HASH
#define PUSHED   "artifactory/docker-pushed-signed.http"
#define DELETED  "artifactory/docker-deleted.http"
#define KNOWN_BY "header X-JFrog-Event-Auth"
#define BY       " by=user@example.com"
#define PUSH     "push docker-local/team/app digest=" D1 " tag=latest" BY "\n"
#define DELETE   "delete-tag docker-local/team/app digest=" D1 " tag=latest" BY " certain\n"

static void test_samples(void **state)
{
    (void) state;
    static const struct hooks_sample ALL[] = {
        {PUSHED, PUSH, KNOWN_BY},
        {"artifactory/docker-pushed-secret-passthrough.http", PUSH, KNOWN_BY},
        {DELETED, DELETE, KNOWN_BY},
        {"artifactory/docker-promoted-ignore.http", "ignored promoted\n", KNOWN_BY},
        {"artifactory/artifact-deployed-ignore.http", "ignored other_domain\n", KNOWN_BY},
    };
    hooks_samples(&SOURCE_ARTIFACTORY, ALL, ARRAY_LEN(ALL));
}

static void test_fields(void **state)
{
    (void) state;
    static const struct hooks_change CASES[] = {
        {"/domain", "\"artifact\"", "ignored other_domain\n"},
        {"/domain", "\"Docker\"", "ignored other_domain\n"},
        {"/domain", "\"\"", PUSH},
        {"/domain", NULL, PUSH},
        {"/domain", "1", "refused domain\n"},
        {"/event_type", "\"overwritten\"", "ignored unknown_event_type\n"},
        {"/event_type", NULL, PUSH}, /* the data says it, too */
        {"/event_type", "\"\"", PUSH},
        {"/event_type", "{}", "aside event_type\n"},
        {"/data", NULL, "refused no_data\n"},
        {"/data", "null", "refused no_data\n"},
        {"/data", "[]", "refused no_data\n"},
        {"/data", "{}", "aside repository\n"},
        {"/data/repo_key", NULL, "aside repository\n"},
        {"/data/repo_key", "7", "aside repository\n"},
        {"/data/repo_key", "\"a b\"", "aside repository\n"},
        {"/data/image_name", NULL, "aside repository\n"},
        {"/data/image_name", "\"\"", "aside repository\n"},
        {"/data/image_name", "[]", "aside repository\n"},
        {"/data/sha256", NULL, "push docker-local/team/app tag=latest" BY "\n"},
        {"/data/sha256", "\"\"", "push docker-local/team/app tag=latest" BY "\n"},
        {"/data/sha256", "1", "aside digest\n"},
        {"/data/sha256", "\"sample_checksum\"", "aside digest\n"},
        {"/data/sha256", "\"" D1 "\"", "aside digest\n"},
        {"/data/sha256", "\"" HASH HASH HASH HASH HASH HASH "\"", "aside digest\n"},
        {"/data/tag", NULL, "push docker-local/team/app digest=" D1 BY "\n"},
        {"/data/tag", "\"\"", "push docker-local/team/app digest=" D1 BY "\n"},
        {"/data/tag", "\"" D1 "\"", "push docker-local/team/app digest=" D1 BY "\n"},
        {"/data/tag", "\"sha256__" HASH "\"", "push docker-local/team/app digest=" D1 BY "\n"},
        {"/data/tag", "1", "aside tag\n"},
        {"/data/tag", "\"a b\"", "aside tag\n"},
        {"/source", "\"jane\"", "push docker-local/team/app digest=" D1 " tag=latest by=jane\n"},
        {"/source", NULL, "push docker-local/team/app digest=" D1 " tag=latest\n"},
        {"/source", "1", "push docker-local/team/app digest=" D1 " tag=latest\n"},
        {"/source", "\"jfrog/\"", "push docker-local/team/app digest=" D1 " tag=latest\n"},
    };
    hooks_changes(&SOURCE_ARTIFACTORY, PUSHED, CASES, ARRAY_LEN(CASES));
}

static void test_deletes(void **state)
{
    (void) state;
    static const struct hooks_change CASES[] = {
        {"/data/sha256", NULL, "delete-tag docker-local/team/app tag=latest" BY " certain\n"},
        {"/data/tag", "\"" D1 "\"",
         "delete-digest docker-local/team/app digest=" D1 BY " certain\n"},
        {"/data/tag", "\"sha256__" HASH "\"",
         "delete-digest docker-local/team/app digest=" D1 BY " certain\n"},
        {"/data/tag", NULL, "aside tag\n"},
        {"/data/tag", "false", "aside tag\n"},
        {"/data/repo_key", "null", "aside repository\n"},
    };
    hooks_changes(&SOURCE_ARTIFACTORY, DELETED, CASES, ARRAY_LEN(CASES));
}

/* As in the examples of JFrog's documentation, and from webhooks with a payload of one's own. */
static void test_data_alone(void **state)
{
    (void) state;
#define DATA(type)                                                                                 \
    "{\"repo_key\":\"docker-remote-cache\"" type                                                   \
    ",\"path\":\"library/ubuntu/latest/list.manifest.json\",\"name\":\"list.manifest.json\","      \
    "\"sha256\":\"" HASH "\",\"size\":1206,\"image_name\":\"library/ubuntu\",\"tag\":\"latest\"}"
#define IMAGE "docker-remote-cache/library/ubuntu digest=" D1 " tag=latest"
    static const struct {
        const char *body, *want;
        bool known;
    } CASES[] = {
        {DATA(",\"event_type\":\"pushed\""), "push " IMAGE "\n", true},
        {DATA(",\"event_type\":\"deleted\""), "delete-tag " IMAGE " certain\n", true},
        {DATA(",\"event_type\":\"promoted\""), "ignored promoted\n", true},
        {DATA(""), "aside event_type\n", false},
        {"{\"event_type\":\"pushed\"}", "refused no_data\n", false},
        {"{\"event_type\":\"pushed\",\"domain\":\"docker\",\"jpd_origin\":\"\"}",
         "refused no_data\n", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct heard h;
        const char *known_by;
        const struct source_request req = {.body = slice_str(CASES[i].body)};
        hooks_hear(&h, &SOURCE_ARTIFACTORY, &req, req.body);
        assert_string_equal(h.text, CASES[i].want);
        assert_ptr_equal(source_detect(&req, &known_by),
                         CASES[i].known ? &SOURCE_ARTIFACTORY : NULL);
    }
}

static void test_no_json(void **state)
{
    (void) state;
    hooks_cut(&SOURCE_ARTIFACTORY, PUSHED);
    hooks_broken(&SOURCE_ARTIFACTORY, PUSHED);
    hooks_strange(&SOURCE_ARTIFACTORY, PUSHED, "refused no_data\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples), cmocka_unit_test(test_fields),
        cmocka_unit_test(test_deletes), cmocka_unit_test(test_data_alone),
        cmocka_unit_test(test_no_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
