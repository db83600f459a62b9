/* The adapter of zot: its CloudEvents in binary mode, and in the others. */
#include "broken.h"

#define D1 "sha256:31a61cd993e3f0c3cc7ea34ab6331037cfa8f8745d16fada5de554a7e4412e6f"
#define SAID(n)                                                                                    \
    " id=zotregistry.dev c3a1a3d6-6f0e-4f6e-8f2f-0c7c5a2c1a0" n                                    \
    " at=2026-08-21T10:38:00.123456789Z by=jane.joe"

static void test_samples(void **state)
{
    (void) state;
    static const struct {
        const char *name, *want;
    } CASES[] = {
        {"zot/image-updated-tag.http", "push team/app digest=" D1 " tag=v1" SAID("1") "\n"},
        {"zot/image-updated-by-digest.http", "push team/app digest=" D1 SAID("2") "\n"},
        {"zot/image-deleted-tag.http",
         "delete-tag team/app digest=" D1 " tag=v1" SAID("4") " certain\n"},
        {"zot/image-deleted-by-digest.http",
         "delete-digest team/app digest=" D1 SAID("5") " certain\n"},
        {"zot/image-scanned-ignore.http", "ignored scan\n"},
        {"zot/repository-created-ignore.http", "ignored repository\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct sample s;
        struct heard h;
        const char *why, *known_by;
        sample_open(&s, CASES[i].name);
        assert_ptr_equal(source_detect(&s.req, &known_by), &SOURCE_ZOT);
        assert_string_equal(known_by, "CloudEvent type");
        assert_int_equal(heard_adapt(&h, &SOURCE_ZOT, &s.req, &why), 0);
        assert_string_equal(h.text, CASES[i].want);
        sample_close(&s);
    }
}

#define DIG  "\"digest\":\"" D1 "\""
#define NAME "\"name\":\"a/b\","

static void test_data(void **state)
{
    (void) state;
    static const struct {
        const char *name, *type, *data, *want;
    } CASES[] = {
        {"no reference", "zotregistry.image.updated", "{" NAME DIG "}",
         "push a/b digest=" D1 " id=s i\n"},
        {"nulls are absent", "zotregistry.image.updated",
         "{" NAME DIG ",\"reference\":null,\"actor\":null}", "push a/b digest=" D1 " id=s i\n"},
        {"no digest but in the reference", "zotregistry.image.deleted",
         "{" NAME "\"reference\":\"" D1 "\"}", "delete-digest a/b digest=" D1 " id=s i certain\n"},
        {"tag without digest", "zotregistry.image.deleted", "{" NAME "\"reference\":\"v1\"}",
         "delete-tag a/b tag=v1 id=s i certain\n"},
        {"a prefix of one's own", "com.example.image.deleted", "{" NAME DIG "}",
         "delete-digest a/b digest=" D1 " id=s i certain\n"},
        {"lint", "zotregistry.image.lint_failed", "{}", "ignored lint\n"},
        {"a type nobody knows", "zotregistry.image.pulled", "{}", "ignored unknown_type\n"},
        {"no prefix", "image.updated", "{" NAME DIG "}", "ignored unknown_type\n"},
        {"the end of another word", "zotregistry.newimage.updated", "{" NAME DIG "}",
         "ignored unknown_type\n"},
        {"no name", "zotregistry.image.updated", "{" DIG "}", "aside repository\n"},
        {"name of a number", "zotregistry.image.updated", "{\"name\":1," DIG "}",
         "aside repository\n"},
        {"digest of a number", "zotregistry.image.updated",
         "{" NAME "\"digest\":1,\"reference\":\"" D1 "\"}", "aside digest\n"},
        {"reference of a number", "zotregistry.image.updated", "{" NAME DIG ",\"reference\":1}",
         "aside tag\n"},
        {"reference that is neither", "zotregistry.image.updated",
         "{" NAME DIG ",\"reference\":\"sha256:31\"}", "aside tag\n"},
        {"neither digest nor reference", "zotregistry.image.deleted", "{\"name\":\"a/b\"}",
         "aside digest\n"},
        {"no data", "zotregistry.image.updated", "", "aside repository\n"},
        {"data is a list", "zotregistry.image.updated", "[]", "aside repository\n"},
        {"data is broken", "zotregistry.image.scanned", "{", "aside syntax\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        const struct header headers[] = {
            {SLICE_INIT("ce-specversion"), SLICE_INIT("1.0")},
            {SLICE_INIT("ce-id"), SLICE_INIT("i")},
            {SLICE_INIT("ce-source"), SLICE_INIT("s")},
            {SLICE_INIT("ce-type"), slice_str(CASES[i].type)},
        };
        const struct source_request req = {.content_type = SLICE_LIT("application/json"),
                                           .headers = {headers, ARRAY_LEN(headers)},
                                           .body = slice_str(CASES[i].data)};
        struct heard h;
        const char *why;
        assert_int_equal(heard_adapt(&h, &SOURCE_ZOT, &req, &why), 0);
        assert_string_equal(h.text, CASES[i].want);
    }
}

/* An index of many manifests, as one string. */
static void test_large_manifest(void **state)
{
    (void) state;
    struct buf body;
    buf_init(&body, 2 << 20);
    assert_int_equal(buf_append_str(&body,
                                    "[{\"specversion\":\"1.0\",\"id\":\"i\",\"source\":\"s\","
                                    "\"type\":\"zotregistry.image.updated\",\"data\":{" NAME DIG
                                    ",\"reference\":\"v1\",\"manifest\":\""),
                     0);
    while (body.len < 900000)
        assert_int_equal(buf_append_str(&body, "{\\\"schemaVersion\\\": 2, \\\"manifests\\\": []}"),
                         0);
    assert_int_equal(buf_append_str(&body, "\"}}]"), 0);
    const struct source_request req = {
        .content_type = SLICE_LIT("application/cloudevents-batch+json"), .body = buf_slice(&body)};
    struct heard h;
    const char *why;
    assert_int_equal(heard_adapt(&h, &SOURCE_ZOT, &req, &why), 0);
    assert_string_equal(h.text, "push a/b digest=" D1 " tag=v1 id=s i\n");
    buf_fini(&body);
}

static void test_broken(void **state)
{
    (void) state;
    broken_check(&SOURCE_ZOT, "zot/image-updated-tag.http");
    broken_check(&SOURCE_ZOT, "zot/image-deleted-by-digest.http");
    struct source_request nobodys = {.content_type = SLICE_LIT("text/plain")};
    struct heard h;
    const char *why;
    assert_int_equal(heard_adapt(&h, &SOURCE_ZOT, &nobodys, &why), -EBADMSG);
    assert_string_equal(why, "no_cloud_event");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_data),
        cmocka_unit_test(test_large_manifest),
        cmocka_unit_test(test_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
