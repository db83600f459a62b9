/* The adapter of Yandex Cloud's trigger message: the four events, and broken ones. */
#include "broken.h"

#include <cjson/cJSON.h>

#define D1    "sha256:31a61cd993e3f0c3cc7ea34ab6331037cfa8f8745d16fada5de554a7e4412e6f"
#define D2    "sha256:45d33032d2e088783634054c7fc7ad91d5549dba6eaefbb54f1858b30da36e9f"
#define AT    " at=2020-09-07T11:09:14Z"
#define ID(n) " id=crtpk61100000000000" n

static void test_samples(void **state)
{
    (void) state;
    static const struct {
        const char *name, *want;
    } CASES[] = {
        {"yandex/create-image.json", "push ubuntu digest=" D1 " tag=latest" ID("1") AT "\n"},
        {"yandex/container-trigger-post.DERIVED.http",
         "push ubuntu digest=" D1 " tag=latest" ID("1") AT "\n"},
        {"yandex/create-image-tag.json", "push ubuntu digest=" D1 " tag=latest" ID("1") AT "\n"},
        {"yandex/delete-image-tag.json",
         "delete-tag ubuntu digest=" D1 " tag=latest" ID("1") AT " certain\n"},
        {"yandex/delete-image.DERIVED.json",
         "delete-digest ubuntu digest=" D1 ID("1") AT " certain\n"},
        {"yandex/batch-tag-move.json", "push ubuntu digest=" D2 " tag=latest" ID("2") AT
         "\n"
         "delete-tag ubuntu digest=" D1 " tag=latest" ID("3") AT " certain\n"
                                                                 "push ubuntu digest=" D2
                                                                 " tag=latest" ID("4") AT "\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct sample s;
        struct heard h;
        const char *why, *known_by;
        sample_open(&s, CASES[i].name);
        assert_ptr_equal(source_detect(&s.req, &known_by), &SOURCE_YANDEX);
        assert_string_equal(known_by, "member messages[].event_metadata");
        assert_int_equal(heard_adapt(&h, &SOURCE_YANDEX, &s.req, &why), 0);
        assert_string_equal(h.text, CASES[i].want);
        sample_close(&s);
    }
}

#define TYPE             "yandex.cloud.events.containerregistry."
#define META(type)       "\"event_metadata\":{\"event_id\":\"e1\",\"event_type\":\"" type "\"}"
#define MESSAGE(type, d) "{" META(TYPE type) ",\"details\":{" d "}}"
#define DIG              "\"image_digest\":\"" D1 "\","
#define REPO             "\"registry_id\":\"crt1\",\"repository_name\":\"crt1/a/b\""

/* What becomes of one message. */
static void test_one_message(void **state)
{
    (void) state;
    static const struct {
        const char *name, *message, *want;
    } CASES[] = {
        {"image without a tag", MESSAGE("CreateImage", DIG REPO ",\"tag\":\"\""),
         "push a/b digest=" D1 " id=e1\n"},
        {"nulls are absent", MESSAGE("CreateImage", DIG REPO ",\"tag\":null"),
         "push a/b digest=" D1 " id=e1\n"},
        {"a name without the registry's id",
         MESSAGE("CreateImage", DIG "\"registry_id\":\"crt1\",\"repository_name\":\"crt2/a\""),
         "push crt2/a digest=" D1 " id=e1\n"},
        {"a name that only begins like it",
         MESSAGE("CreateImage", DIG "\"registry_id\":\"crt1\",\"repository_name\":\"crt11/a\""),
         "push crt11/a digest=" D1 " id=e1\n"},
        {"no registry's id", MESSAGE("CreateImage", DIG "\"repository_name\":\"crt1/a\""),
         "push crt1/a digest=" D1 " id=e1\n"},
        {"tag without a digest", MESSAGE("CreateImageTag", REPO ",\"tag\":\"v1\""),
         "push a/b tag=v1 id=e1\n"},
        {"deleted tag without a digest", MESSAGE("DeleteImageTag", REPO ",\"tag\":\"v1\""),
         "delete-tag a/b tag=v1 id=e1 certain\n"},
        {"an event nobody knows", MESSAGE("CreateRegistry", DIG REPO), "ignored unknown_type\n"},
        {"another service's", "{" META("yandex.cloud.events.storage.CreateImage") "}",
         "ignored unknown_type\n"},
        {"type without its prefix", "{" META("CreateImage") "}", "ignored unknown_type\n"},

        {"no tag where it is all that matters", MESSAGE("CreateImageTag", DIG REPO), "aside tag\n"},
        {"tag of a number", MESSAGE("CreateImageTag", DIG REPO ",\"tag\":1"), "aside tag\n"},
        {"deleted tag without a tag", MESSAGE("DeleteImageTag", DIG REPO), "aside tag\n"},
        {"deleted image without a digest", MESSAGE("DeleteImage", REPO ",\"tag\":\"v1\""),
         "aside digest\n"},
        {"neither tag nor digest", MESSAGE("CreateImage", REPO), "aside digest\n"},
        {"digest of a list", MESSAGE("CreateImage", REPO ",\"image_digest\":[]"), "aside digest\n"},
        {"no details", "{" META(TYPE "CreateImage") "}", "aside repository\n"},
        {"details are text", "{" META(TYPE "CreateImage") ",\"details\":\"a\"}",
         "aside repository\n"},
        {"repository is the registry", MESSAGE("CreateImage", DIG "\"repository_name\":\"\""),
         "aside repository\n"},
        {"registry's id of a number",
         MESSAGE("CreateImage", DIG "\"registry_id\":1,\"repository_name\":\"a\""),
         "push a digest=" D1 " id=e1\n"},
        {"id of a number",
         "{\"event_metadata\":{\"event_id\":1,\"event_type\":\"" TYPE
         "CreateImage\"},\"details\":{" DIG REPO "}}",
         "aside id\n"},
        {"type of a number", "{\"event_metadata\":{\"event_type\":1}}", "aside event_type\n"},
        {"no metadata", "{\"details\":{" DIG REPO "}}", "aside event_type\n"},
        {"metadata is null", "{\"event_metadata\":null}", "aside event_type\n"},
        {"a number", "1", "aside event_type\n"},
        {"broken", "{\"event_metadata\":tru}", "aside syntax\n"},
        {"a key twice", "{" META("x") "," META("y") "}", "aside duplicate_key\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        char body[2048], want[1024];
        (void) snprintf(body, sizeof(body),
                        "{\"messages\":[%s," MESSAGE("CreateImage", DIG REPO) "]}",
                        CASES[i].message);
        (void) snprintf(want, sizeof(want), "%spush a/b digest=" D1 " id=e1\n", CASES[i].want);
        const struct source_request req = {.content_type = SLICE_LIT("application/json"),
                                           .body = slice_str(body)};
        struct heard h;
        const char *why;
        assert_int_equal(heard_adapt(&h, &SOURCE_YANDEX, &req, &why), 0);
        assert_string_equal(h.text, want);
        if (h.set_aside > 0)
            assert_true(slice_eq_str(h.excerpt, CASES[i].message));
    }
}

static void test_envelope(void **state)
{
    (void) state;
    static const struct {
        const char *name, *content_type, *body, *why; /* why NULL: nothing happens */
    } CASES[] = {
        {"no messages", "application/json", "{\"messages\":[]}", NULL},
        {"white space", "text/plain", " { \"messages\" : [ ] } \n", NULL},
        {"empty", "", "", "syntax"},
        {"another member", "", "{\"events\":[]}", "no_events"},
        {"an object", "", "{\"messages\":{}}", "events_type"},
        {"null", "", "{\"messages\":null}", "events_type"},
        {"an array", "", "[]", "syntax"},
        {"twice", "", "{\"messages\":[],\"messages\":[]}", "duplicate_key"},
        {"cut", "", "{\"messages\":[{\"a\":1}", "syntax"},
        {"something behind it", "", "{\"messages\":[]}x", "syntax"},
        {"charset", "application/json;charset=utf-16", "{\"messages\":[]}", "charset"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        const struct source_request req = {.content_type = slice_str(CASES[i].content_type),
                                           .body = slice_str(CASES[i].body)};
        struct heard h;
        const char *why;
        int r = heard_adapt(&h, &SOURCE_YANDEX, &req, &why);
        assert_int_equal(r, CASES[i].why == NULL ? 0 : -EBADMSG);
        assert_string_equal(h.text, "");
        if (CASES[i].why != NULL)
            assert_string_equal(why, CASES[i].why);
    }
}

/* JS-08: one bad message among 10,000; set aside it is a body again. */
static void test_large_envelope(void **state)
{
    (void) state;
    enum { N = 10000, BAD = 7321 };
    struct buf body;
    buf_init(&body, 16 << 20);
    assert_int_equal(buf_append_str(&body, SOURCE_YANDEX.before), 0);
    for (int i = 0; i < N; i++) {
        const char *message =
            i == BAD ? "{\"event_metadata\":tru}" : MESSAGE("CreateImage", DIG REPO);
        if (i > 0)
            assert_int_equal(buf_append_str(&body, ","), 0);
        assert_int_equal(buf_append_str(&body, message), 0);
    }
    assert_int_equal(buf_append_str(&body, SOURCE_YANDEX.after), 0);
    struct source_request req = {.body = buf_slice(&body)};
    struct heard h;
    const char *why;
    assert_int_equal(heard_adapt(&h, &SOURCE_YANDEX, &req, &why), 0);
    assert_int_equal(h.changes, N - 1);
    assert_int_equal(h.set_aside, 1);

    char again[128];
    (void) snprintf(again, sizeof(again), "%s%.*s%s", SOURCE_YANDEX.before, (int) h.excerpt.len,
                    (const char *) h.excerpt.data, SOURCE_YANDEX.after);
    req.body = slice_str(again);
    assert_int_equal(heard_adapt(&h, &SOURCE_YANDEX, &req, &why), 0);
    assert_int_equal(h.set_aside, 1);
    buf_fini(&body);
}

static void test_detect(void **state)
{
    (void) state;
    static const struct {
        const char *content_type, *body;
        bool want;
    } CASES[] = {
        {"application/json", "{\"messages\":[{\"event_metadata\":{}}]}", true},
        {"Application/JSON; charset=utf-8", " {\"messages\":[{\"event_metadata\":{}}]}\n", true},
        {"text/plain", "{\"messages\":[{\"event_metadata\":{}}]}", false},
        {"application/json", "{\"messages\":[{\"details\":{}}]}", false},
        {"application/json", "{\"messages\":[]}", false},
        {"application/json", "{\"messages\":{\"event_metadata\":{}}}", false},
        {"application/json", "{\"messages\":[1]}", false},
        {"application/json", "", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct source_request req = {.content_type = slice_str(CASES[i].content_type),
                                           .body = slice_str(CASES[i].body)};
        assert_int_equal(SOURCE_YANDEX.detect(&req) != NULL, CASES[i].want);
    }
}

static void test_broken(void **state)
{
    (void) state;
    broken_check(&SOURCE_YANDEX, "yandex/container-trigger-post.DERIVED.http");
    broken_check(&SOURCE_YANDEX, "yandex/delete-image-tag.json");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),  cmocka_unit_test(test_one_message),
        cmocka_unit_test(test_envelope), cmocka_unit_test(test_large_envelope),
        cmocka_unit_test(test_detect),   cmocka_unit_test(test_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
