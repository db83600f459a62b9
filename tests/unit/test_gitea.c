/* The adapter of Gitea and Forgejo: every sample, each field of a wrong type, the headers, and
 * bodies that are none. */
#include "hooks.h"

#define D1      "sha256:31a61cd993e3f0c3cc7ea34ab6331037cfa8f8745d16fada5de554a7e4412e6f"
#define CREATED "gitea/package-created-tag.DERIVED.http"
#define DELETED "gitea/package-deleted-tag.DERIVED.http"
#define KNOWN   "header X-Gitea-Event"
#define ID(n)   " id=f6266f16-1bf3-46a5-9ea4-602e06ead40" n " by=jane"

static void test_samples(void **state)
{
    (void) state;
    static const struct hooks_sample ALL[] = {
        {CREATED, "push team/app tag=v1" ID("1") "\n", KNOWN},
        {"gitea/package-created-by-digest.DERIVED.http", "push team/app digest=" D1 ID("2") "\n",
         KNOWN},
        {DELETED, "delete-tag team/app tag=v1" ID("3") " certain\n", KNOWN},
        {"gitea/package-deleted-by-digest.DERIVED.http",
         "delete-digest team/app digest=" D1 ID("4") " certain\n", KNOWN},
        {"gitea/package-created-forgejo.DERIVED.http", "push team/app tag=v1" ID("5") "\n", KNOWN},
        {"gitea/package-created-empty-event-header.DERIVED.http",
         "push team/app tag=v1" ID("9") "\n", "header X-Gitea-Event-Type"},
        {"gitea/package-created-nested-name.DERIVED.http", "push team/web/app tag=v1" ID("6") "\n",
         KNOWN},
        {"gitea/package-created-npm-ignore.DERIVED.http", "ignored not_a_container\n", KNOWN},
        {"gitea/push-ignore.DERIVED.http", "ignored other_event\n", KNOWN},
    };
    hooks_samples(&SOURCE_GITEA, ALL, ARRAY_LEN(ALL));
}

#define SAID "push team/app tag=v1" ID("1") "\n"

static void test_fields(void **state)
{
    (void) state;
    static const struct hooks_change CASES[] = {
        {"/action", "\"updated\"", "ignored unknown_action\n"},
        {"/action", "\"Created\"", "ignored unknown_action\n"},
        {"/action", "\"\"", "aside action\n"},
        {"/action", "1", "aside action\n"},
        {"/action", NULL, "aside action\n"},
        {"/package", NULL, "refused no_package\n"},
        {"/package", "null", "refused no_package\n"},
        {"/package", "\"app\"", "refused no_package\n"},
        {"/package", "{}", "aside type\n"},
        {"/package/type", "\"helm\"", "ignored not_a_container\n"},
        {"/package/type", "7", "aside type\n"},
        {"/package/type", "\"\"", "aside type\n"},
        {"/package/owner", NULL, "aside repository\n"},
        {"/package/owner", "\"Team\"", "aside repository\n"},
        {"/package/owner/login", "\"\"", "aside repository\n"},
        {"/package/owner/login", "1", "aside repository\n"},
        {"/package/owner/login", "\"a b\"", "aside repository\n"},
        {"/package/owner/login", "\"TEAM-2\"", "push team-2/app tag=v1" ID("1") "\n"},
        {"/package/name", "\"App\"", SAID},
        {"/package/name", "null", "aside repository\n"},
        {"/package/name", "[]", "aside repository\n"},
        {"/package/version", NULL, "aside digest\n"},
        {"/package/version", "\"\"", "aside digest\n"},
        {"/package/version", "1", "aside tag\n"},
        {"/package/version", "\"a b\"", "aside tag\n"},
        {"/package/version", "\"sha256:1\"", "aside digest\n"},
        {"/package/version", "\"sha256:" D1 "\"", "aside digest\n"},
        {"/package/created_at", "\"yesterday\"", SAID},
        {"/package/created_at", NULL, SAID},
        {"/repository", "{\"full_name\":\"Team/other\"}", SAID},
        {"/organization", NULL, SAID},
        {"/sender", NULL, "push team/app tag=v1 id=f6266f16-1bf3-46a5-9ea4-602e06ead401\n"},
        {"/sender/login", "7", "push team/app tag=v1 id=f6266f16-1bf3-46a5-9ea4-602e06ead401\n"},
    };
    hooks_changes(&SOURCE_GITEA, CREATED, CASES, ARRAY_LEN(CASES));
    static const struct hooks_change DELETES[] = {
        {"/package/version", "\"\"", "aside tag\n"},
        {"/package/version", "{}", "aside tag\n"},
        {"/package/version", "\"sha256:1\"", "aside digest\n"},
        {"/package/type", "\"generic\"", "ignored not_a_container\n"},
    };
    hooks_changes(&SOURCE_GITEA, DELETED, DELETES, ARRAY_LEN(DELETES));
}

static void test_headers(void **state)
{
    (void) state;
#define FIELD(name, text)                                                                          \
    {                                                                                              \
        SLICE_INIT(name), SLICE_INIT(text)                                                         \
    }
    static const struct {
        const char *name;
        struct header headers[3];
        size_t n;
        const char *want, *known_by;
    } CASES[] = {
        {"Forgejo's alone",
         {FIELD("X-Forgejo-Event", "package"), FIELD("X-Forgejo-Delivery", "7")},
         2,
         "push team/app tag=v1 id=7 by=jane\n",
         "header X-Forgejo-Event"},
        {"Forgejo's, of another event",
         {FIELD("X-Forgejo-Event", "push"), FIELD("X-Forgejo-Delivery", "7")},
         2,
         "ignored other_event\n",
         "header X-Forgejo-Event"},
        {"Gitea's before GitHub's",
         {FIELD("X-GitHub-Event", "package"), FIELD("x-gitea-event", "package"),
          FIELD("x-gitea-delivery", "8")},
         3,
         "push team/app tag=v1 id=8 by=jane\n",
         KNOWN},
        {"Forgejo's type alone",
         {FIELD("X-Forgejo-Event", ""), FIELD("X-Forgejo-Event-Type", "package")},
         2,
         "push team/app tag=v1 by=jane\n",
         "header X-Forgejo-Event-Type"},
        {"the type of another event",
         {FIELD("X-Gitea-Event", ""), FIELD("X-Gitea-Event-Type", "push")},
         2,
         "ignored other_event\n",
         "header X-Gitea-Event-Type"},
        {"no word", {FIELD("X-Gitea-Event", "pack age")}, 1, "ignored other_event\n", KNOWN},
        {"no id", {FIELD("X-Gitea-Event", "package")}, 1, "push team/app tag=v1 by=jane\n", KNOWN},
        {"an id of bytes",
         {FIELD("X-Gitea-Event", "package"), FIELD("X-Gitea-Delivery", "\xff")},
         2,
         "aside id\n",
         KNOWN},
        {"none", {FIELD("Host", "a")}, 1, "push team/app tag=v1 by=jane\n", NULL},
    };
    struct sample s;
    sample_open(&s, CREATED);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct heard h;
        const struct source_request req = {.headers = {CASES[i].headers, CASES[i].n}};
        hooks_hear(&h, &SOURCE_GITEA, &req, s.req.body);
        assert_string_equal(h.text, CASES[i].want);
        const char *known_by = SOURCE_GITEA.detect(&req);
        assert_true((known_by == NULL) == (CASES[i].known_by == NULL));
        if (known_by != NULL)
            assert_string_equal(known_by, CASES[i].known_by);
    }
    sample_close(&s);
}

static void test_no_json(void **state)
{
    (void) state;
    hooks_cut(&SOURCE_GITEA, CREATED);
    hooks_broken(&SOURCE_GITEA, CREATED);
    hooks_strange(&SOURCE_GITEA, CREATED, "refused no_package\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_no_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
