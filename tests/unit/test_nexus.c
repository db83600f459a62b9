/* The adapter of Sonatype Nexus: every sample, each field of a wrong type, what counts as the same
 * event, and bodies that are none. */
#include "hooks.h"
#include "source/sender_id.h"

#define D1       "sha256:31a61cd993e3f0c3cc7ea34ab6331037cfa8f8745d16fada5de554a7e4412e6f"
#define CREATED  "nexus/component-created.DERIVED.http"
#define DELETED  "nexus/component-deleted.DERIVED.http"
#define ASSET    "nexus/asset-created-manifest.DERIVED.http"
#define KNOWN_BY "header X-Nexus-Webhook-Id"

/* What is expected of a change, without its end; the id that its parts make is in it. */
static const char *said(const char *kind, const char *repository, const char *reference,
                        const char *time)
{
    static char text[2048];
    char id[SENDER_ID_SIZE], second[20];
    bool is_push = strcmp(kind, "push") == 0, is_digest = strchr(reference, ':') != NULL;
    (void) snprintf(second, sizeof(second), "%s", time);
    (void) sender_id((const char *const[]){"docker-hosted", is_push ? "push" : "delete", repository,
                                           reference, second},
                     5, id);
    (void) snprintf(text, sizeof(text), "%s %s %s=%s id=%s at=%s by=jane%s\n", kind, repository,
                    is_digest ? "digest" : "tag", reference, id, time, is_push ? "" : " certain");
    return text;
}

static void test_changes(void **state)
{
    (void) state;
    static const struct {
        const char *sample, *kind, *reference, *time;
    } CASES[] = {
        {CREATED, "push", "v1", "2024-05-01T09:00:00.515Z"},
        {"nexus/component-created-offset-with-colon.DERIVED.http", "push", "v1",
         "2024-05-01T09:00:00.515Z"},
        {"nexus/component-updated.DERIVED.http", "push", "v1", "2024-05-01T09:00:00.731Z"},
        {"nexus/component-created-by-digest.DERIVED.http", "push", D1, "2024-05-01T09:00:01.002Z"},
        {DELETED, "delete-tag", "v1", "2024-05-01T10:00:00.100Z"},
        {"nexus/component-deleted-by-digest.DERIVED.http", "delete-digest", D1,
         "2024-05-01T10:00:01.100Z"},
        {ASSET, "push", "v1", "2024-05-01T09:00:00.498Z"},
        {"nexus/asset-created-manifest-leading-slash.DERIVED.http", "push", "v1",
         "2024-05-01T09:00:00.498Z"},
        {"nexus/asset-created-manifest-by-digest.DERIVED.http", "push", D1,
         "2024-05-01T09:00:00.470Z"},
        {"nexus/asset-deleted-manifest.DERIVED.http", "delete-tag", "v1",
         "2024-05-01T10:00:00.090Z"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct hooks_sample one = {
            CASES[i].sample, said(CASES[i].kind, "team/app", CASES[i].reference, CASES[i].time),
            KNOWN_BY};
        hooks_samples(&SOURCE_NEXUS, &one, 1);
    }
}

static void test_ignored(void **state)
{
    (void) state;
    static const struct hooks_sample ALL[] = {
        {"nexus/component-created-npm-ignore.DERIVED.http", "ignored not_docker\n", KNOWN_BY},
        {"nexus/component-purged-ignore.DERIVED.http", "ignored purged\n", KNOWN_BY},
        {"nexus/asset-created-blob-ignore.DERIVED.http", "ignored blob\n", KNOWN_BY},
        {"nexus/audit-ignore.DERIVED.http", "ignored other_webhook\n", KNOWN_BY},
    };
    hooks_samples(&SOURCE_NEXUS, ALL, ARRAY_LEN(ALL));
}

/* Some of what is heard depends on an id: `want` is then how it begins. */
static void check_starts(const char *sample, const struct hooks_change *all, size_t n)
{
    struct sample s;
    sample_open(&s, sample);
    for (size_t i = 0; i < n; i++) {
        print_message("  %s = %.60s\n", all[i].at, all[i].json == NULL ? "-" : all[i].json);
        struct heard h;
        char *body = hooks_changed(&s, all[i].at, all[i].json);
        hooks_hear(&h, &SOURCE_NEXUS, &s.req, slice_str(body));
        assert_int_equal(strncmp(h.text, all[i].want, strlen(all[i].want)), 0);
        assert_ptr_equal(strchr(h.text, '\n'), strrchr(h.text, '\n'));
        free(body);
    }
    sample_close(&s);
}

static void test_fields(void **state)
{
    (void) state;
    static const struct hooks_change CASES[] = {
        {"/action", "\"UPDATED\"", "push team/app tag=v1 id=sha256:"},
        {"/action", "\"DELETED\"", "delete-tag team/app tag=v1 id=sha256:"},
        {"/action", "\"created\"", "ignored unknown_action\n"},
        {"/action", "\"\"", "aside action\n"},
        {"/action", "7", "aside action\n"},
        {"/action", NULL, "aside action\n"},
        {"/component", NULL, "ignored other_webhook\n"},
        {"/component", "null", "ignored other_webhook\n"},
        {"/component", "[]", "ignored other_webhook\n"},
        {"/component", "{}", "aside format\n"},
        {"/component/format", "\"maven2\"", "ignored not_docker\n"},
        {"/component/format", "1", "aside format\n"},
        {"/component/format", NULL, "aside format\n"},
        {"/component/name", NULL, "aside repository\n"},
        {"/component/name", "1", "aside repository\n"},
        {"/component/name", "\"\"", "aside repository\n"},
        {"/component/name", "\"Team/App\"", "aside repository\n"},
        {"/component/version", NULL, "aside digest\n"},
        {"/component/version", "\"\"", "aside digest\n"},
        {"/component/version", "1", "aside tag\n"},
        {"/component/version", "\"a b\"", "aside tag\n"},
        {"/component/version", "\"sha256:1\"", "aside digest\n"},
        {"/component/version", "\"" D1 "\"", "push team/app digest=" D1 " id=sha256:"},
        {"/component/group", "\"library\"", "push team/app tag=v1 id=sha256:"},
        {"/nodeId", NULL, "push team/app tag=v1 id=sha256:"},
        {"/repositoryName", "1", "push team/app tag=v1 id=7f4a6dde-5c68-4999-bcc0-a62f3fb8ae01 "},
    };
    check_starts(CREATED, CASES, ARRAY_LEN(CASES));
    static const struct hooks_change DELETES[] = {
        {"/component/version", "\"\"", "aside tag\n"},
        {"/component/version", NULL, "aside tag\n"},
        {"/component/version", "[]", "aside tag\n"},
    };
    check_starts(DELETED, DELETES, ARRAY_LEN(DELETES));
}

#define LONG_100                                                                                   \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
    "aaaaaaaaaa"

static void test_assets(void **state)
{
    (void) state;
    static const struct hooks_change CASES[] = {
        {"/asset", NULL, "ignored other_webhook\n"},
        {"/asset/name", NULL, "ignored other_asset\n"},
        {"/asset/name", "1", "aside repository\n"},
        {"/asset/name", "\"\"", "ignored other_asset\n"},
        {"/asset/name", "\"/\"", "ignored other_asset\n"},
        {"/asset/name", "\"v2/\"", "ignored other_asset\n"},
        {"/asset/name", "\"v2/app\"", "ignored other_asset\n"},
        {"/asset/name", "\"v2/manifests/v1\"", "ignored other_asset\n"},
        {"/asset/name", "\"v2//manifests/v1\"", "aside repository\n"},
        {"/asset/name", "\"v2/app/manifests/\"", "aside digest\n"},
        {"/asset/name", "\"v2/app/tags/list\"", "ignored other_asset\n"},
        {"/asset/name", "\"v1/app/manifests/v1\"", "ignored other_asset\n"},
        {"/asset/name", "\"v2/-/blobs/" D1 "\"", "ignored blob\n"},
        {"/asset/name", "\"v2/app/blobs/" D1 "\"", "ignored blob\n"},
        {"/asset/name", "\"v2/a/manifests/b/manifests/v1\"", "push a/manifests/b tag=v1 id="},
        {"/asset/name", "\"//v2/app/manifests/v1\"", "ignored other_asset\n"},
        {"/asset/name",
         "\"v2/" LONG_100 LONG_100 LONG_100 LONG_100 LONG_100 LONG_100 "/manifests/v1\"",
         "aside repository\n"},
        {"/asset/name", "\"v2/" LONG_100 LONG_100 LONG_100 "/manifests/v1\"", "aside repository\n"},
        {"/asset/name", "\"v2/app/manifests/" LONG_100 LONG_100 "\"", "aside tag\n"},
        {"/asset/format", "\"raw\"", "ignored not_docker\n"},
    };
    check_starts(ASSET, CASES, ARRAY_LEN(CASES));
}

/* A time that is none leaves only the id that Nexus gave. */
static void test_times(void **state)
{
    (void) state;
    static const struct {
        const char *json, *at; /* NULL: none */
    } CASES[] = {
        {"\"2016-11-14T19:32:13.515+0000\"", "2016-11-14T19:32:13.515Z"},
        {"\"2016-11-14T19:32:13.515+0530\"", "2016-11-14T14:02:13.515Z"},
        {"\"2016-11-14T19:32:13-0800\"", "2016-11-15T03:32:13Z"},
        {"\"2020-11-01T22:15:15.345+00:00\"", "2020-11-01T22:15:15.345Z"},
        {"\"2020-11-01T22:15:15.345Z\"", "2020-11-01T22:15:15.345Z"},
        {"\"2016-11-14T19:32:13.515+00\"", NULL},
        {"\"2016-11-14\"", NULL},
        {"\"-0000\"", NULL},
        {"\"+1\"", NULL},
        {"\"\"", NULL},
        {"\"" LONG_100 "\"", NULL},
        {"1479151933515", NULL},
        {"null", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const char *at = CASES[i].at;
        const struct hooks_change one = {
            "/timestamp", CASES[i].json,
            at != NULL ? said("push", "team/app", "v1", at)
                       : "push team/app tag=v1 id=7f4a6dde-5c68-4999-bcc0-a62f3fb8ae01 by=jane\n"};
        hooks_changes(&SOURCE_NEXUS, CREATED, &one, 1);
    }
}

static void test_actors(void **state)
{
    (void) state;
    static const struct {
        const char *json, *by;
    } CASES[] = {
        {"\"admin/127.0.0.1\"", " by=admin\n"},
        {"\"admin/::1\"", " by=admin\n"},
        {"\"admin\"", " by=admin\n"},
        {"\"corp/jane/10.0.0.7\"", " by=corp/jane\n"},
        {"\"anonymous/10.0.0.7\"", " by=anonymous\n"},
        {"\"*SYSTEM\"", " by=*SYSTEM\n"},
        {"\"/10.0.0.7\"", "Z\n"},
        {"\"\"", "Z\n"},
        {"1", "Z\n"},
        {NULL, "Z\n"},
        {"\"" LONG_100 LONG_100 LONG_100 "/10.0.0.7\"", "Z\n"},
    };
    struct sample s;
    sample_open(&s, CREATED);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct heard h;
        char *body = hooks_changed(&s, "/initiator", CASES[i].json);
        hooks_hear(&h, &SOURCE_NEXUS, &s.req, slice_str(body));
        assert_true(sample_ends(h.text, CASES[i].by));
        assert_int_equal(h.changes, 1);
        free(body);
    }
    sample_close(&s);
}

static void hear_id(const char *sample, char id[SENDER_ID_SIZE])
{
    struct sample s;
    struct heard h;
    sample_open(&s, sample);
    hooks_hear(&h, &SOURCE_NEXUS, &s.req, s.req.body);
    const char *at = strstr(h.text, " id=");
    assert_non_null(at);
    memcpy(id, at + strlen(" id="), SENDER_ID_SIZE - 1);
    id[SENDER_ID_SIZE - 1] = '\0';
    sample_close(&s);
}

/* CREATED, UPDATED and the asset's are one push; the digest, the delete and another second not. */
static void test_same_event(void **state)
{
    (void) state;
    static const struct {
        const char *sample;
        bool same;
    } CASES[] = {
        {"nexus/component-updated.DERIVED.http", true},
        {"nexus/component-created-offset-with-colon.DERIVED.http", true},
        {ASSET, true},
        {"nexus/asset-created-manifest-leading-slash.DERIVED.http", true},
        {"nexus/asset-created-manifest-by-digest.DERIVED.http", false},
        {DELETED, false},
    };
    char first[SENDER_ID_SIZE], other[SENDER_ID_SIZE];
    hear_id(CREATED, first);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        hear_id(CASES[i].sample, other);
        assert_true((strcmp(first, other) == 0) == CASES[i].same);
    }
}

/* Without its headers the shape is known, and what is neither component nor asset is nobody's. */
static void test_no_headers(void **state)
{
    (void) state;
    struct sample s;
    struct heard h;
    const char *known_by;
    sample_open(&s, CREATED);
    const struct source_request req = {.body = s.req.body};
    assert_ptr_equal(source_detect(&req, &known_by), &SOURCE_NEXUS);
    assert_string_equal(known_by, "members nodeId and repositoryName");
    hooks_hear(&h, &SOURCE_NEXUS, &req, req.body);
    assert_string_equal(h.text, said("push", "team/app", "v1", "2024-05-01T09:00:00.515Z"));
    hooks_hear(&h, &SOURCE_NEXUS, &req, SLICE_LIT("{\"nodeId\":\"1\"}"));
    assert_string_equal(h.text, "refused no_component\n");
    sample_close(&s);
}

static void test_no_json(void **state)
{
    (void) state;
    hooks_cut(&SOURCE_NEXUS, CREATED);
    hooks_cut(&SOURCE_NEXUS, ASSET);
    hooks_broken(&SOURCE_NEXUS, CREATED);
    hooks_strange(&SOURCE_NEXUS, CREATED, "ignored other_webhook\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes),    cmocka_unit_test(test_ignored),
        cmocka_unit_test(test_fields),     cmocka_unit_test(test_assets),
        cmocka_unit_test(test_times),      cmocka_unit_test(test_actors),
        cmocka_unit_test(test_same_event), cmocka_unit_test(test_no_headers),
        cmocka_unit_test(test_no_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
