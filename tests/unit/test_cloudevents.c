/* The adapter of CloudEvents that carry our own events, in every mode. */
#include "broken.h"

#define D1   "sha256:31a61cd993e3f0c3cc7ea34ab6331037cfa8f8745d16fada5de554a7e4412e6f"
#define JSON "application/cloudevents+json"
#define OURS "yandex.cloud.events.containerregistry."
#define IMAGE                                                                                      \
    "\"registry_id\":\"crt1\",\"repository_name\":\"crt1/a/b\",\"image_digest\":\"" D1 "\""
#define TAGGED "{" IMAGE ",\"tag\":\"v1\"}"
#define EVENT(type, more)                                                                          \
    "{\"specversion\":\"1.0\",\"id\":\"e1\",\"source\":\"/gw\",\"type\":\"" type "\"" more "}"
#define TIMED ",\"time\":\"2024-05-01T11:00:00+02:00\""

/* The samples are of somebody else's types: they are no business of ours. */
static void test_samples(void **state)
{
    (void) state;
    static const struct {
        const char *name, *want;
    } CASES[] = {
        {"cloudevents/structured.http", "ignored unknown_type\n"},
        {"cloudevents/structured-data-base64.http", "ignored unknown_type\n"},
        {"cloudevents/structured-null-optional-attributes.http", "ignored unknown_type\n"},
        {"cloudevents/delivery-after-validation.http", "ignored unknown_type\n"},
        {"cloudevents/bearer-in-query.http", "ignored unknown_type\n"},
        {"cloudevents/binary.http", "ignored unknown_type\n"},
        {"cloudevents/batch.http", "ignored unknown_type\nignored unknown_type\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct sample s;
        struct heard h;
        const char *why, *known_by;
        sample_open(&s, CASES[i].name);
        assert_ptr_equal(source_detect(&s.req, &known_by), &SOURCE_CLOUDEVENTS);
        assert_int_equal(heard_adapt(&h, &SOURCE_CLOUDEVENTS, &s.req, &why), 0);
        assert_string_equal(h.text, CASES[i].want);
        sample_close(&s);
    }
}

static void test_events(void **state)
{
    (void) state;
    static const struct {
        const char *name, *content_type, *body, *want;
    } CASES[] = {
        {"image", JSON, EVENT(OURS "CreateImage", TIMED ",\"data\":{" IMAGE "}"),
         "push a/b digest=" D1 " id=/gw e1 at=2024-05-01T09:00:00Z\n"},
        {"image with a tag", JSON, EVENT(OURS "CreateImage", ",\"data\":" TAGGED),
         "push a/b digest=" D1 " tag=v1 id=/gw e1\n"},
        {"tag", JSON, EVENT(OURS "CreateImageTag", ",\"actor\":\"me\",\"data\":" TAGGED),
         "push a/b digest=" D1 " tag=v1 id=/gw e1 by=me\n"},
        {"deleted tag", JSON, EVENT(OURS "DeleteImageTag", ",\"data\":" TAGGED),
         "delete-tag a/b digest=" D1 " tag=v1 id=/gw e1 certain\n"},
        {"deleted image", JSON, EVENT(OURS "DeleteImage", ",\"data\":" TAGGED),
         "delete-digest a/b digest=" D1 " id=/gw e1 certain\n"},
        {"a whole message", JSON,
         EVENT(OURS "CreateImageTag",
               ",\"data\":{\"event_metadata\":{\"event_id\":\"x\",\"event_type\":\"y\","
               "\"created_at\":\"2020-09-07T11:09:14Z\"},\"details\":" TAGGED "}"),
         "push a/b digest=" D1 " tag=v1 id=/gw e1 at=2020-09-07T11:09:14Z\n"},
        {"a whole message, and a time", JSON,
         EVENT(OURS "CreateImageTag",
               TIMED ",\"data\":{\"event_metadata\":{\"created_at\":\"2020-09-07T11:09:14Z\"},"
                     "\"details\":" TAGGED "}"),
         "push a/b digest=" D1 " tag=v1 id=/gw e1 at=2024-05-01T09:00:00Z\n"},
        {"plain JSON", "application/json", EVENT(OURS "DeleteImage", ",\"data\":" TAGGED),
         "delete-digest a/b digest=" D1 " id=/gw e1 certain\n"},
        {"a batch", "application/cloudevents-batch+json",
         "[" EVENT(OURS "CreateImage", ",\"data\":" TAGGED) "," EVENT(OURS "CreateImage", "") "]",
         "push a/b digest=" D1 " tag=v1 id=/gw e1\naside repository\n"},
        {"a bare name", JSON,
         EVENT(OURS "CreateImageTag", ",\"data\":{\"repository_name\":\"a\",\"tag\":\"v1\"}"),
         "push a tag=v1 id=/gw e1\n"},
        {"a type of ours nobody knows", JSON, EVENT(OURS "CreateRegistry", ",\"data\":" TAGGED),
         "ignored unknown_type\n"},
        {"a type that ends as ours", JSON, EVENT("x" OURS "CreateImage", ",\"data\":" TAGGED),
         "ignored unknown_type\n"},
        {"no data", JSON, EVENT(OURS "CreateImage", ""), "aside repository\n"},
        {"data is text", JSON, EVENT(OURS "CreateImage", ",\"data\":\"{}\""), "aside repository\n"},
        {"details are text", JSON, EVENT(OURS "CreateImage", ",\"data\":{\"details\":\"\"}"),
         "aside repository\n"},
        {"no tag", JSON, EVENT(OURS "CreateImageTag", ",\"data\":{" IMAGE "}"), "aside tag\n"},
        {"created_at of a number", JSON,
         EVENT(OURS "DeleteImage",
               ",\"data\":{\"event_metadata\":{\"created_at\":1},\"details\":" TAGGED "}"),
         "delete-digest a/b digest=" D1 " id=/gw e1 certain\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        const struct source_request req = {.content_type = slice_str(CASES[i].content_type),
                                           .body = slice_str(CASES[i].body)};
        struct heard h;
        const char *why, *known_by;
        assert_int_equal(heard_adapt(&h, &SOURCE_CLOUDEVENTS, &req, &why), 0);
        assert_string_equal(h.text, CASES[i].want);
        assert_ptr_equal(source_detect(&req, &known_by), &SOURCE_CLOUDEVENTS);
    }
}

static void test_binary(void **state)
{
    (void) state;
    static const struct header HEADERS[] = {
        {SLICE_INIT("ce-specversion"), SLICE_INIT("1.0")},
        {SLICE_INIT("ce-id"), SLICE_INIT("e1")},
        {SLICE_INIT("ce-source"), SLICE_INIT("/gw")},
        {SLICE_INIT("ce-type"), SLICE_INIT(OURS "CreateImageTag")},
        {SLICE_INIT("ce-time"), SLICE_INIT("2024-05-01T09:00:00Z")},
    };
    struct source_request req = {.content_type = SLICE_LIT("application/json"),
                                 .headers = {HEADERS, ARRAY_LEN(HEADERS)},
                                 .body = SLICE_LIT(TAGGED)};
    struct heard h;
    const char *why;
    assert_int_equal(heard_adapt(&h, &SOURCE_CLOUDEVENTS, &req, &why), 0);
    assert_string_equal(h.text,
                        "push a/b digest=" D1 " tag=v1 id=/gw e1 at=2024-05-01T09:00:00Z\n");
    req.content_type = SLICE_LIT("text/plain"); /* then it says nothing */
    assert_int_equal(heard_adapt(&h, &SOURCE_CLOUDEVENTS, &req, &why), 0);
    assert_string_equal(h.text, "aside tag\n");
}

static void test_refused(void **state)
{
    (void) state;
    const struct source_request req = {.content_type = SLICE_LIT("application/json"),
                                       .body = SLICE_LIT("{}")};
    struct heard h;
    const char *why;
    assert_int_equal(heard_adapt(&h, &SOURCE_CLOUDEVENTS, &req, &why), -EBADMSG);
    assert_string_equal(why, "no_cloud_event");
}

static void test_broken(void **state)
{
    (void) state;
    broken_check(&SOURCE_CLOUDEVENTS, "cloudevents/structured.http");
    broken_check(&SOURCE_CLOUDEVENTS, "cloudevents/structured-data-base64.http");
    broken_check(&SOURCE_CLOUDEVENTS, "cloudevents/binary.http");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples), cmocka_unit_test(test_events),
        cmocka_unit_test(test_binary),  cmocka_unit_test(test_refused),
        cmocka_unit_test(test_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
