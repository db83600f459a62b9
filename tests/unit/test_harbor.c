/* The adapter of Harbor: both formats and what 1.x sent. */
#include "source/sender_id.h"

#include "broken.h"

#define D1     "sha256:31a61cd993e3f0c3cc7ea34ab6331037cfa8f8745d16fada5de554a7e4412e6f"
#define POLICY "/projects/2/webhook/policies/15"

/* The id that comes of what tells an event from all others. */
struct identity {
    const char *scope, *id, *actor, *part, *tag;
};

static const char *id_of(const struct identity *of, char ret[SENDER_ID_SIZE])
{
    const char *const texts[] = {of->scope, of->id, of->actor, of->part, "team/app", D1, of->tag};
    return sender_id(texts, ARRAY_LEN(texts), ret);
}

static void test_samples(void **state)
{
    (void) state;
    static const struct {
        const char *name, *known_by;
        const char *want; /* with %1$s for the id of `first`, %2$s for that of `second` */
        struct identity first, second;
    } CASES[] = {
        {"harbor/push-artifact-tag.http",
         "members type, occur_at and event_data",
         "push team/app digest=" D1 " tag=v1 id=%1$s at=2024-05-01T09:00:00Z by=admin\n",
         {"PUSH_ARTIFACT", "2024-05-01T09:00:00Z", "admin", "push", "v1"},
         {0}},
        {"harbor/push-artifact-by-digest.http",
         "members type, occur_at and event_data",
         "push team/app digest=" D1 " id=%1$s at=2024-05-01T09:00:01Z by=admin\n",
         {"PUSH_ARTIFACT", "2024-05-01T09:00:01Z", "admin", "push", ""},
         {0}},
        {"harbor/delete-artifact-first-tag-only.http",
         "members type, occur_at and event_data",
         "delete-digest team/app digest=" D1
         " id=%1$s request=%1$s at=2024-05-01T10:00:00Z by=admin certain\n"
         "delete-tag team/app digest=" D1
         " tag=v1 id=%2$s request=%1$s at=2024-05-01T10:00:00Z by=admin certain\n",
         {"DELETE_ARTIFACT", "2024-05-01T10:00:00Z", "admin", "artifact", "v1"},
         {"DELETE_ARTIFACT", "2024-05-01T10:00:00Z", "admin", "tag", "v1"}},
        {"harbor/legacy-v1-pushImage.json",
         "members type, occur_at and event_data",
         "push team/app digest=" D1 " tag=1.2.3 id=%1$s at=2020-02-25T14:24:48Z by=user\n",
         {"pushImage", "2020-02-25T14:24:48Z", "user", "push", "1.2.3"},
         {0}},
        {"harbor/cloudevents-artifact-pushed.http",
         "CloudEvent type",
         "push team/app digest=" D1 " tag=v1 id=%1$s at=2024-05-01T09:00:00Z by=admin\n",
         {POLICY, "66e18103-09c1-41f6-982f-37df223f3eeb", "admin", "push", "v1"},
         {0}},
        {"harbor/cloudevents-artifact-deleted.http",
         "CloudEvent type",
         "delete-digest team/app digest=" D1
         " id=%1$s request=%1$s at=2024-05-01T10:00:00Z by=admin certain\n"
         "delete-tag team/app digest=" D1
         " tag=v1 id=%2$s request=%1$s at=2024-05-01T10:00:00Z by=admin certain\n",
         {POLICY, "343f1623-7cba-487c-88f1-c5ebf55e93aa", "admin", "artifact", "v1"},
         {POLICY, "343f1623-7cba-487c-88f1-c5ebf55e93aa", "admin", "tag", "v1"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct sample s;
        struct heard h;
        char first[SENDER_ID_SIZE], second[SENDER_ID_SIZE] = "", want[2048];
        const char *why, *known_by;
        sample_open(&s, CASES[i].name);
        assert_ptr_equal(source_detect(&s.req, &known_by), &SOURCE_HARBOR);
        assert_string_equal(known_by, CASES[i].known_by);
        assert_int_equal(heard_adapt(&h, &SOURCE_HARBOR, &s.req, &why), 0);
        (void) id_of(&CASES[i].first, first);
        if (CASES[i].second.id != NULL)
            (void) id_of(&CASES[i].second, second);
        (void) snprintf(want, sizeof(want), CASES[i].want, first, second);
        assert_string_equal(h.text, want);
        sample_close(&s);
    }
}

static void test_ignored_samples(void **state)
{
    (void) state;
    static const struct {
        const char *name, *want;
    } CASES[] = {
        {"harbor/pull-artifact-ignore.http", "ignored pull\n"},
        {"harbor/cloudevents-artifact-pulled-ignore.http", "ignored pull\n"},
        {"harbor/quota-exceed-ignore.json", "ignored quota\n"},
        {"harbor/replication-ignore.json", "ignored replication\n"},
        {"harbor/tag-retention-ignore.json", "ignored tag_retention\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct sample s;
        struct heard h;
        const char *why, *known_by;
        sample_open(&s, CASES[i].name);
        assert_ptr_equal(source_detect(&s.req, &known_by), &SOURCE_HARBOR);
        assert_int_equal(heard_adapt(&h, &SOURCE_HARBOR, &s.req, &why), 0);
        assert_string_equal(h.text, CASES[i].want);
        sample_close(&s);
    }
}

#define DIG              "\"digest\":\"" D1 "\""
#define REPO             "\"repository\":{\"repo_full_name\":\"team/app\"}"
#define DATA(res)        "\"event_data\":{\"resources\":[" res "]," REPO "}"
#define SAYS(type, rest) "{\"type\":\"" type "\"," rest "}"

/* Without occur_at, so that nothing has an id. */
static void test_fields(void **state)
{
    (void) state;
    static const struct {
        const char *name, *body, *want;
    } CASES[] = {
        {"no tag", SAYS("PUSH_ARTIFACT", DATA("{" DIG "}")), "push team/app digest=" D1 "\n"},
        {"empty tag", SAYS("PUSH_ARTIFACT", DATA("{" DIG ",\"tag\":\"\"}")),
         "push team/app digest=" D1 "\n"},
        {"the digest as the tag only", SAYS("PUSH_ARTIFACT", DATA("{\"tag\":\"" D1 "\"}")),
         "push team/app digest=" D1 "\n"},
        {"two artifacts", SAYS("PUSH_ARTIFACT", DATA("{" DIG ",\"tag\":\"a\"},{\"tag\":\"b\"}")),
         "push team/app digest=" D1 " tag=a\npush team/app tag=b\n"},
        {"a deleted artifact without tags",
         SAYS("DELETE_ARTIFACT", DATA("{" DIG ",\"tag\":\"" D1 "\"}")),
         "delete-digest team/app digest=" D1 " certain\n"},
        {"1.x", SAYS("deleteImage", DATA("{" DIG "}")),
         "delete-digest team/app digest=" D1 " certain\n"},
        {"a deleted tag without its digest", SAYS("DELETE_ARTIFACT", DATA("{\"tag\":\"a\"}")),
         "delete-tag team/app tag=a certain\n"},
        {"seconds with a fraction", SAYS("QUOTA_WARNING", "\"occur_at\":1.5," DATA("{" DIG "}")),
         "ignored quota\n"},
        {"a date of no year", SAYS("PUSH_ARTIFACT", "\"occur_at\":1e30," DATA("{" DIG "}")),
         "push team/app digest=" D1 "\n"},
        {"a date before 1970", SAYS("PUSH_ARTIFACT", "\"occur_at\":-1," DATA("{" DIG "}")),
         "push team/app digest=" D1 "\n"},
        {"a date as text", SAYS("PUSH_ARTIFACT", "\"occur_at\":\"1\"," DATA("{" DIG "}")),
         "push team/app digest=" D1 "\n"},
        {"actor of a number", SAYS("PUSH_ARTIFACT", "\"operator\":1," DATA("{" DIG "}")),
         "push team/app digest=" D1 "\n"},

        {"scan", SAYS("SCANNING_COMPLETED", DATA("")), "ignored scan\n"},
        {"scan failed", SAYS("SCANNING_FAILED", DATA("")), "ignored scan\n"},
        {"chart", SAYS("uploadChart", DATA("")), "ignored chart\n"},
        {"1.x pull", SAYS("pullImage", DATA("")), "ignored pull\n"},
        {"a type nobody knows", SAYS("SIGN_ARTIFACT", DATA("")), "ignored unknown_type\n"},
        {"type in small letters", SAYS("push_artifact", DATA("")), "ignored unknown_type\n"},

        {"no artifact", SAYS("PUSH_ARTIFACT", DATA("")), "aside resources\n"},
        {"no event data", SAYS("PUSH_ARTIFACT", "\"a\":1"), "aside resources\n"},
        {"event data of a list", SAYS("PUSH_ARTIFACT", "\"event_data\":[]"), "aside resources\n"},
        {"artifacts as an object", SAYS("PUSH_ARTIFACT", "\"event_data\":{\"resources\":{}}"),
         "aside resources\n"},
        {"artifact of a number", SAYS("PUSH_ARTIFACT", DATA("1")), "aside digest\n"},
        {"no repository", SAYS("PUSH_ARTIFACT", "\"event_data\":{\"resources\":[{" DIG "}]}"),
         "aside repository\n"},
        {"repository of a number",
         SAYS("PUSH_ARTIFACT",
              "\"event_data\":{\"resources\":[{" DIG "}],\"repository\":{\"repo_full_name\":1}}"),
         "aside repository\n"},
        {"digest of a number", SAYS("PUSH_ARTIFACT", DATA("{\"digest\":1}")), "aside digest\n"},
        {"digest cut", SAYS("PUSH_ARTIFACT", DATA("{\"digest\":\"sha256:31\",\"tag\":\"a\"}")),
         "aside digest\n"},
        {"tag of a list", SAYS("PUSH_ARTIFACT", DATA("{" DIG ",\"tag\":[]}")), "aside tag\n"},
        {"tag with a slash", SAYS("PUSH_ARTIFACT", DATA("{" DIG ",\"tag\":\"a/b\"}")),
         "aside tag\n"},
        {"a deleted tag with a slash", SAYS("DELETE_ARTIFACT", DATA("{" DIG ",\"tag\":\"a/b\"}")),
         "aside tag\n"},
        {"a deleted digest cut",
         SAYS("DELETE_ARTIFACT", DATA("{\"digest\":\"sha256:31\",\"tag\":\"a\"}")),
         "aside digest\n"},
        {"nothing is deleted", SAYS("DELETE_ARTIFACT", DATA("{}")), "aside digest\n"},
        {"one of two is wrong", SAYS("PUSH_ARTIFACT", DATA("{\"tag\":\"-\"},{" DIG "}")),
         "aside tag\npush team/app digest=" D1 "\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        const struct source_request req = {.content_type = SLICE_LIT("application/json"),
                                           .body = slice_str(CASES[i].body)};
        struct heard h;
        const char *why;
        assert_int_equal(heard_adapt(&h, &SOURCE_HARBOR, &req, &why), 0);
        assert_string_equal(h.text, CASES[i].want);
        if (h.set_aside > 0)
            assert_true(slice_eq_str(h.excerpt, CASES[i].body));
    }
}

static void test_refused(void **state)
{
    (void) state;
    static const struct {
        const char *content_type, *body, *why;
    } CASES[] = {
        {"application/json", "", "syntax"},
        {"application/json", "[]", "type"},
        {"application/json", "{\"type\":1}", "type"},
        {"application/json", "{\"type\":\"\"}", "type"},
        {"application/json", "{\"occur_at\":1}", "type"},
        {"application/json", "{\"type\":\"a\",\"type\":\"a\"}", "duplicate_key"},
        {"application/json; charset=utf-16", "{\"type\":\"QUOTA_EXCEED\"}", "charset"},
        {"application/cloudevents+xml", "<a/>", "format"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct source_request req = {.content_type = slice_str(CASES[i].content_type),
                                           .body = slice_str(CASES[i].body)};
        struct heard h;
        const char *why;
        assert_int_equal(heard_adapt(&h, &SOURCE_HARBOR, &req, &why), -EBADMSG);
        assert_string_equal(why, CASES[i].why);
    }
}

/* An event without an id of its own gets one: the same when it comes again, another when it is
 * another. */
static void test_ids(void **state)
{
    (void) state;
#define EVENT(type, at, by, digest, tag)                                                           \
    "{\"type\":\"" type "\",\"occur_at\":" at ",\"operator\":\"" by                                \
    "\",\"event_data\":{\"resources\":[{\"digest\":\"" digest "\",\"tag\":\"" tag "\"}]," REPO     \
    "}}"
#define D2 "sha256:45d33032d2e088783634054c7fc7ad91d5549dba6eaefbb54f1858b30da36e9f"
    static const char *const EVENTS[] = {
        EVENT("PUSH_ARTIFACT", "1714554000", "admin", D1, "v1"),
        EVENT("DELETE_ARTIFACT", "1714554000", "admin", D1, "v1"),
        EVENT("PUSH_ARTIFACT", "1714554001", "admin", D1, "v1"),
        EVENT("PUSH_ARTIFACT", "1714554000", "robot", D1, "v1"),
        EVENT("PUSH_ARTIFACT", "1714554000", "admin", D2, "v1"),
        EVENT("PUSH_ARTIFACT", "1714554000", "admin", D1, "v2"),
    };
    static struct heard said[ARRAY_LEN(EVENTS)], again;
    char ids[ARRAY_LEN(EVENTS)][64];
    for (size_t i = 0; i < ARRAY_LEN(EVENTS); i++) {
        const struct source_request req = {.content_type = SLICE_LIT("application/json"),
                                           .body = slice_str(EVENTS[i])};
        const char *why;
        assert_int_equal(heard_adapt(&said[i], &SOURCE_HARBOR, &req, &why), 0);
        assert_int_equal(heard_adapt(&again, &SOURCE_HARBOR, &req, &why), 0);
        assert_string_equal(said[i].text, again.text);
        const char *id = strstr(said[i].text, " id=");
        assert_non_null(id);
        (void) snprintf(ids[i], sizeof(ids[i]), "%.50s", id + 4);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(ids[i], ids[k]);
    }
}

static void test_detect(void **state)
{
    (void) state;
    static const struct {
        const char *content_type, *body;
        bool want;
    } CASES[] = {
        {"application/json", "{\"type\":1,\"occur_at\":1,\"event_data\":1}", true},
        {"application/json", "{\"type\":1,\"occur_at\":1}", false},
        {"application/json", "{\"type\":1,\"event_data\":1}", false},
        {"application/json", "{\"occur_at\":1,\"event_data\":1}", false},
        {"text/plain", "{\"type\":1,\"occur_at\":1,\"event_data\":1}", false},
        {"application/cloudevents+json", "{\"type\":\"harbor.quota.exceeded\"}", true},
        {"application/cloudevents-batch+json", "[{\"type\":\"harbor.quota.exceeded\"}]", true},
        {"application/cloudevents+json", "{\"type\":\"harbour.quota.exceeded\"}", false},
        {"application/cloudevents+json", "{\"type\":1,\"occur_at\":1,\"event_data\":1}", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct source_request req = {.content_type = slice_str(CASES[i].content_type),
                                           .body = slice_str(CASES[i].body)};
        assert_int_equal(SOURCE_HARBOR.detect(&req) != NULL, CASES[i].want);
    }
}

static void test_broken(void **state)
{
    (void) state;
    broken_check(&SOURCE_HARBOR, "harbor/push-artifact-tag.http");
    broken_check(&SOURCE_HARBOR, "harbor/delete-artifact-first-tag-only.http");
    broken_check(&SOURCE_HARBOR, "harbor/cloudevents-artifact-deleted.http");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples), cmocka_unit_test(test_ignored_samples),
        cmocka_unit_test(test_fields),  cmocka_unit_test(test_refused),
        cmocka_unit_test(test_ids),     cmocka_unit_test(test_detect),
        cmocka_unit_test(test_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
