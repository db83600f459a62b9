/* Events: the JSON form to the byte, the trace header, the reference count. */
#include "event.h"
#include "json.h"
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ID     "crt0f8a1b2c3d4e5f6g7"
#define DIGEST "sha256:31a61cd993e3f0c3cc7ea34ab6331037cfa8f8745d16fada5de554a7e4412e6f"
#define TRACE  "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"

static struct event_parts sample(void)
{
    return (struct event_parts){
        .type = EVENT_CREATE_IMAGE,
        .id = ID,
        .created_at = "2020-09-07T11:09:14Z",
        .cloud_id = "b1gcloud000000000000",
        .folder_id = "b1gfolder00000000000",
        .registry_id = "crt2504s000000000000",
        .repository = "ubuntu",
        .digest = DIGEST,
        .tag = "latest",
    };
}

static void test_trace_parse(void **state)
{
    (void) state;
    static const struct {
        const char *name, *header;
        bool present;
    } CASES[] = {
        {"version 0", "00-" TRACE "-" PARENT "-01", true},
        {"not sampled", "00-" TRACE "-" PARENT "-00", true},
        {"later version", "01-" TRACE "-" PARENT "-01", true},
        {"later version with more", "cc-" TRACE "-" PARENT "-01-what-comes", true},
        {"later version, more without a dash", "cc-" TRACE "-" PARENT "-01.x", false},
        {"version 0 with more", "00-" TRACE "-" PARENT "-01-x", false},
        {"version ff", "ff-" TRACE "-" PARENT "-01", false},
        {"version in capitals", "CC-" TRACE "-" PARENT "-01", false},
        {"version not hex", "0g-" TRACE "-" PARENT "-01", false},
        {"trace in capitals", "00-0AF7651916cd43dd8448eb211c80319c-" PARENT "-01", false},
        {"trace all zero", "00-00000000000000000000000000000000-" PARENT "-01", false},
        {"parent all zero", "00-" TRACE "-0000000000000000-01", false},
        {"parent not hex", "00-" TRACE "-b7ad6b716920333x-01", false},
        {"flags not hex", "00-" TRACE "-" PARENT "-0x", false},
        {"other separator", "00_" TRACE "-" PARENT "-01", false},
        {"one character short", "00-" TRACE "-" PARENT "-0", false},
        {"white space", " 00-" TRACE "-" PARENT "-01", false},
        {"empty", "", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct event_trace t = event_trace_parse(slice_str(CASES[i].header));
        assert_int_equal(t.present, CASES[i].present);
        assert_string_equal(t.trace_id, CASES[i].present ? TRACE : "");
        assert_string_equal(t.parent_id, CASES[i].present ? PARENT : "");
    }
    assert_false(event_trace_parse((struct slice){0}).present);
}

static void check_json(const struct event_parts *parts, const char *want)
{
    struct event *e = event_new(parts);
    const char *why = "";
    assert_int_equal(json_check(e->json, &why), 0);
    assert_int_equal(e->json.len, strlen(want));
    assert_memory_equal(e->json.data, want, e->json.len);
    event_unref(e);
}

static void test_json(void **state)
{
    (void) state;
    struct event_parts p = sample();
    char image_id[ID_SIZE], want[2048];
    id_image(p.registry_id, DIGEST, image_id);

#define WANT                                                                                       \
    "{\"event_metadata\":{\"cloud_id\":\"b1gcloud000000000000\",\"created_at\":"                   \
    "\"2020-09-07T11:09:14Z\",\"event_id\":\"" ID "\",\"event_type\":"                             \
    "\"yandex.cloud.events.containerregistry.%s\",\"folder_id\":\"b1gfolder00000000000\","         \
    "\"tracing_context\":{\"parent_span_id\":\"%s\",\"span_id\":\"%s\",\"trace_id\":\"%s\"}},"     \
    "\"details\":{\"image_digest\":\"%s\",\"image_id\":\"%s\",\"registry_id\":"                    \
    "\"crt2504s000000000000\",\"repository_name\":\"crt2504s000000000000/ubuntu\",\"tag\":\"%s\"}" \
    "}"
    for (int type = 0; type < EVENT_N_TYPES; type++) {
        p.type = (enum event_type) type;
        (void) snprintf(want, sizeof(want), WANT, EVENT_TYPES[type], "", "", "", DIGEST, image_id,
                        "latest");
        check_json(&p, want);
    }
    p.type = EVENT_DELETE_IMAGE;
    p.tag = "";
    (void) snprintf(want, sizeof(want), WANT, "DeleteImage", "", "", "", DIGEST, image_id, "");
    check_json(&p, want);
    p.digest = "";
    (void) snprintf(want, sizeof(want), WANT, "DeleteImage", "", "", "", "", "", "");
    check_json(&p, want);

    struct event_trace absent = {.present = false};
    p.trace = &absent;
    check_json(&p, want);

    /* 0xb7ad6b7169203331 as a signed number; the span is the event's own and does not change */
    struct event_trace trace = event_trace_parse(slice_str("00-" TRACE "-" PARENT "-01"));
    p.trace = &trace;
    struct event *e = event_new(&p);
    char *json = xslicedup(e->json), span[32] = "";
    const char *at = strstr(json, "\"span_id\":\"");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "\"span_id\":\"%30[-0-9]\"", span), 1);
    assert_string_not_equal(span, "0");
    free(json);
    event_unref(e);
    (void) snprintf(want, sizeof(want), WANT, "DeleteImage", "-5211391058958601423", span, TRACE,
                    "", "", "");
    check_json(&p, want);
}

/* Also in front of what a sender has written to look like one. */
static void test_find_trace(void **state)
{
    (void) state;
    struct event_parts p = sample();
    struct event_trace trace = event_trace_parse(slice_str("00-" TRACE "-" PARENT "-01"));
    p.tag = "\"trace_id\":\"00000000000000000000000000000000\"";
    for (unsigned traced = 0; traced < 2; traced++) {
        p.trace = traced ? &trace : NULL;
        struct event *e = event_new(&p);
        struct slice found = event_find_trace_id(e->json);
        assert_true(slice_eq_str(found, traced ? TRACE : ""));
        for (size_t len = 0; len < e->json.len; len++) { /* cut anywhere */
            struct slice cut = event_find_trace_id(slice_sub(e->json, 0, len));
            assert_true(cut.len == 0 || slice_eq_str(cut, TRACE));
        }
        event_unref(e);
    }
    assert_int_equal(event_find_trace_id((struct slice){0}).len, 0);
}

static void test_json_escapes(void **state)
{
    (void) state;
    struct event_parts p = sample();
    p.cloud_id = "a \"cloud\"\\\n";
    p.repository = "t\xc3\xa9st";
    struct event *e = event_new(&p);
    const char *why = "";
    assert_int_equal(json_check(e->json, &why), 0);
    assert_non_null(memmem(e->json.data, e->json.len, "\"a \\\"cloud\\\"\\\\\\n\"",
                           strlen("'a ..cloud..n.,'")));
    assert_non_null(memmem(e->json.data, e->json.len, "/t\xc3\xa9st\"", 7));
    event_unref(e);
}

static void test_references(void **state)
{
    (void) state;
    struct event_parts p = sample();
    struct event *e = event_new(&p);
    assert_int_equal(e->type, EVENT_CREATE_IMAGE);
    assert_string_equal(e->id, ID);
    assert_string_equal(e->registry_id, p.registry_id);
    assert_ptr_not_equal(e->registry_id, p.registry_id);
    assert_string_equal(e->repository, "ubuntu");
    assert_string_equal(e->digest, DIGEST);
    assert_string_equal(e->tag, "latest");
    assert_ptr_equal(event_ref(e), e);
    event_unref(e);
    assert_int_equal(e->refs, 1);
    event_unref(e);
    event_unref(NULL);
}

/* As it was, to the byte, and nothing borrowed. */
static void test_restore(void **state)
{
    (void) state;
    struct event_parts p = sample();
    struct event *e = event_new(&p);
    uint8_t *json = xmalloc(e->json.len);
    memcpy(json, e->json.data, e->json.len);
    char registry[] = "crt2504s000000000000", repository[] = "ubuntu", tag[] = "latest";
    struct event *back = event_restore(EVENT_DELETE_IMAGE_TAG, ID, registry, repository, DIGEST,
                                       tag, "jo", slice_of(json, e->json.len));
    memset(json, 'x', e->json.len);
    free(json);
    registry[0] = repository[0] = tag[0] = 'x';
    assert_int_equal(back->type, EVENT_DELETE_IMAGE_TAG);
    assert_int_equal(back->refs, 1);
    assert_int_equal(back->seq, 0);
    assert_string_equal(back->id, ID);
    assert_string_equal(back->registry_id, "crt2504s000000000000");
    assert_string_equal(back->repository, "ubuntu");
    assert_string_equal(back->digest, DIGEST);
    assert_string_equal(back->tag, "latest");
    assert_true(slice_eq(back->json, e->json));
    event_unref(e);
    assert_ptr_equal(event_ref(back), back);
    event_unref(back);
    event_unref(back);

    back = event_restore(EVENT_CREATE_IMAGE, ID, "", "", "", "", "", SLICE_LIT(""));
    assert_int_equal(back->json.len, 0);
    event_unref(back);
}

static void test_no_memory(void **state)
{
    struct event_parts p = {.type = EVENT_CREATE_IMAGE,
                            .id = ID,
                            .created_at = "2024-01-01T00:00:00Z",
                            .cloud_id = "c",
                            .folder_id = "f",
                            .registry_id = "r",
                            .repository = "a",
                            .digest = "",
                            .tag = ""};
    (void) state;
    for (unsigned n = 1; n <= 2; n++) { /* the event, its JSON */
        mem_fail_at(n);
        assert_null(event_new(&p));
        mem_fail_at(n);
        assert_null(event_restore(EVENT_CREATE_IMAGE, ID, "r", "a", "", "", "", SLICE_LIT("{}")));
    }
    mem_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trace_parse), cmocka_unit_test(test_json),
        cmocka_unit_test(test_find_trace),  cmocka_unit_test(test_json_escapes),
        cmocka_unit_test(test_references),  cmocka_unit_test(test_restore),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
