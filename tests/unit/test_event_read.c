/* Tests of broker/event_read.c: what event.c writes is read back, and what it does not is refused.
 */
#include "event_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TRACEPARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static struct event *make(enum event_type type, const char *tag, const struct event_trace *trace)
{
    struct event *e = event_new(&(struct event_parts){.type = type,
                                                      .id = "crt00000000000000007",
                                                      .created_at = "2026-01-01T00:00:00Z",
                                                      .cloud_id = "b1gcloud",
                                                      .folder_id = "b1gfolder",
                                                      .registry_id = "crtreg",
                                                      .repository = "team/app",
                                                      .digest = "sha256:12",
                                                      .tag = tag,
                                                      .trace = trace});
    assert_non_null(e);
    return e;
}

static void test_back(void **state)
{
    (void) state;
    struct event_trace trace = event_trace_parse(SLICE_LIT(TRACEPARENT));
    for (unsigned type = 0; type < EVENT_N_TYPES; type++) {
        struct event *e = make((enum event_type) type, "v1", type == 0 ? &trace : NULL);
        struct event_said said;
        assert_int_equal(event_read(e->json, &said), 0);
        assert_int_equal(said.type, type);
        assert_string_equal(said.id, "crt00000000000000007");
        assert_string_equal(said.created_at, "2026-01-01T00:00:00Z");
        assert_string_equal(said.registry_id, "crtreg");
        assert_string_equal(said.repository, "team/app");
        assert_string_equal(said.digest, "sha256:12");
        assert_string_equal(said.tag, "v1");
        assert_string_equal(said.trace_id, type == 0 ? trace.trace_id : "");
        struct recent_parts parts = event_said_parts(&said);
        assert_int_equal(parts.type, type);
        assert_string_equal(parts.repository, "team/app");
        assert_string_equal(parts.peer, "");
        event_unref(e);
    }
}

#define META                                                                                       \
    "\"event_metadata\":{\"created_at\":\"x\",\"event_id\":\"crt00000000000000007\","              \
    "\"event_type\":\"a.CreateImage\",\"tracing_context\":{\"trace_id\":\"\"}}"
#define DETAILS                                                                                    \
    "\"details\":{\"image_digest\":\"\",\"registry_id\":\"r\",\"repository_name\":\"r/a\","        \
    "\"tag\":\"\"}"

static void test_not_ours(void **state)
{
    static const char *const BAD[] = {
        "",
        "{}",
        "[]",
        "{" META "}",
        "{" DETAILS "}",
        "{\"event_metadata\":1," DETAILS "}",
        "{\"event_metadata\":{}," DETAILS "}",
        "{" META ",\"details\":{}}",
        "{" META "," DETAILS,
    };
    struct event_said said;
    (void) state;
    assert_int_equal(event_read(SLICE_LIT("{" META "," DETAILS "}"), &said), 0);
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        assert_int_equal(event_read(slice_str(BAD[i]), &said), -EBADMSG);
    static const struct {
        const char *what, *instead;
    } CHANGED[] = {{"crt00000000000000007", "crt0000000000000000z"},
                   {"a.CreateImage", "a.CreateAnImage"},
                   {"a.CreateImage", "CreateImage"}};
    for (size_t i = 0; i < ARRAY_LEN(CHANGED); i++) {
        char text[512];
        const char *whole = "{" META "," DETAILS "}", *at = strstr(whole, CHANGED[i].what);
        (void) snprintf(text, sizeof(text), "%.*s%s%s", (int) (at - whole), whole,
                        CHANGED[i].instead, at + strlen(CHANGED[i].what));
        assert_int_equal(event_read(slice_str(text), &said), -EBADMSG);
    }
}

static void count(void *ctx, const struct event_said *e)
{
    size_t *n = ctx;
    assert_string_equal(e->repository, "a");
    ++*n;
}

static void test_messages(void **state)
{
#define ONE "{" META "," DETAILS "}"
    static const struct {
        const char *payload;
        size_t n;
    } CASES[] = {
        {"{\"messages\":[" ONE "]}", 1},
        {"{\"messages\":[" ONE "," ONE "]}", 2},
        {"{\"messages\":[" ONE ",{}," ONE "]}", 2},
        {"{\"messages\":[]}", 0},
        {"{\"messages\":[" ONE "],\"replay\":{\"id\":\"1\"}}", 0},
        {"{\"replay\":{},\"messages\":[" ONE "]}", 0},
        {"{\"messages\":1}", 0},
        {"{\"messages\":[" ONE, 0},
        {"{}", 0},
        {"text", 0},
        {"", 0},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        size_t n = 0;
        event_read_message(slice_str(CASES[i].payload), count, &n);
        assert_int_equal(n, CASES[i].n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_back), cmocka_unit_test(test_not_ours),
                                       cmocka_unit_test(test_messages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
