/* Tests of gateway/rest_json.c: messages as proto3 JSON, to the byte. */
#include "rest_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_times(void **state)
{
    static const struct {
        uint64_t ns;
        const char *text;
    } CASES[] = {
        {1696588206000000000, "2023-10-06T10:30:06Z"},
        {1690893374321000000, "2023-08-01T12:36:14.321Z"},
        {1599546382651656000, "2020-09-08T06:26:22.651656Z"},
        {1691162355353909857, "2023-08-04T15:19:15.353909857Z"},
        {1, "1970-01-01T00:00:00.000000001Z"},
        {UINT64_MAX, "2554-07-21T23:34:33.709551615Z"},
    };
    char text[REST_TIME_SIZE];
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        rest_json_print_time(CASES[i].ns, text);
        assert_string_equal(text, CASES[i].text);
    }
}

static struct trigger_spec sample(void)
{
    struct trigger_spec t;
    trigger_spec_init(&t);
    memcpy(t.id, "a1s00000000000000001", ID_SIZE);
    t.created_ns = 1691162355353909857;
    trigger_spec_set(&t.folder_id, SLICE_LIT("b1g"));
    trigger_spec_set(&t.name, SLICE_LIT("quote\"d"));
    trigger_spec_set(&t.registry_id, SLICE_LIT("crt"));
    trigger_spec_set(&t.gateway_id, SLICE_LIT("d5d"));
    trigger_spec_set(&t.path, SLICE_LIT("/"));
    trigger_spec_set(&t.service_account_id, SLICE_LIT("aje"));
    t.event_types = (struct event_list){9, {4, 1}};
    t.batch_size = 3;
    t.batch_cutoff_ms = 1500;
    return t;
}

#define RULE                                                                                       \
    "\"rule\":{\"containerRegistry\":{\"eventType\":[\"CONTAINER_REGISTRY_EVENT_TYPE_DELETE_"      \
    "IMAGE_TAG\",\"CONTAINER_REGISTRY_EVENT_TYPE_CREATE_IMAGE\"],\"registryId\":\"crt\","          \
    "\"batchSettings\":{\"size\":\"3\",\"cutoff\":\"1.500s\"},\"gatewayWebsocketBroadcast\":{"     \
    "\"gatewayId\":\"d5d\",\"path\":\"/\",\"serviceAccountId\":\"aje\"}}}"
#define SOURCE_AND_ACTION                                                                          \
    "\"source\":{\"containerRegistry\":{\"eventType\":[\"CONTAINER_REGISTRY_EVENT_TYPE_DELETE_"    \
    "IMAGE_TAG\",\"CONTAINER_REGISTRY_EVENT_TYPE_CREATE_IMAGE\"],\"registryId\":\"crt\","          \
    "\"batchSettings\":{\"maxCount\":\"3\",\"cutoff\":\"1.500s\"}}},\"action\":[{"                 \
    "\"gatewayWebsocketBroadcast\":{\"gatewayId\":\"d5d\",\"path\":\"/\","                         \
    "\"serviceAccountId\":\"aje\"}}]"
#define BEFORE                                                                                     \
    "\"id\":\"a1s00000000000000001\",\"folderId\":\"b1g\",\"createdAt\":"                          \
    "\"2023-08-04T15:19:15.353909857Z\",\"name\":\"quote\\\"d\","

static void expect(struct buf *out, const struct rest_json *j, const char *text)
{
    assert_int_equal(j->err, 0);
    assert_int_equal(buf_append(out, slice_of("", 1)), 0);
    assert_string_equal((const char *) out->data, text);
    buf_fini(out);
}

static void test_trigger(void **state)
{
    struct trigger_spec t = sample();
    struct buf out;
    (void) state;
    buf_init(&out, 1 << 16);
    struct rest_json j = rest_json_begin(&out);
    rest_json_trigger(&j, NULL, &t);
    expect(&out, &j, "{" BEFORE RULE ",\"status\":\"ACTIVE\"}");
    t.filter = filter_new();
    assert_null(filter_add(t.filter, FILTER_ACTORS, SLICE_LIT("a\"b")));
    assert_null(filter_add(t.filter, FILTER_IMAGE_NAMES, SLICE_LIT("a/*")));
    assert_null(filter_add(t.filter, FILTER_IMAGE_NAMES, SLICE_LIT("!a/b")));
    buf_init(&out, 1 << 16);
    j = rest_json_begin(&out);
    rest_json_trigger(&j, NULL, &t);
    assert_int_equal(buf_append(&out, slice_of("", 1)), 0);
    assert_non_null(strstr((const char *) out.data,
                           "\"filter\":{\"imageNames\":[\"a/*\",\"!a/b\"],\"actors\":[\"a\\\"b\"]},"
                           "\"batchSettings\""));
    buf_fini(&out);
    trigger_spec_set_filter(&t, NULL);
    assert_true(trigger_spec_label(&t, SLICE_LIT("a"), SLICE_LIT("")));
    t.status = TRIGGER_PAUSED;
    buf_init(&out, 1 << 16);
    j = rest_json_begin(&out);
    rest_json_trigger(&j, NULL, &t);
    expect(&out, &j, "{" BEFORE "\"labels\":{\"a\":\"\"}," RULE ",\"status\":\"PAUSED\"}");
    trigger_spec_fini(&t);
}

static void test_operation(void **state)
{
    struct operation o = {.id = "a1s00000000000000002",
                          .kind = OPERATION_DELETE_TRIGGER,
                          .created_ns = 1000000000,
                          .modified_ns = 1000000000,
                          .created_by = "alice",
                          .trigger_id = "a1s00000000000000001"};
    struct buf out;
    (void) state;
    buf_init(&out, 1 << 16);
    struct rest_json j = rest_json_begin(&out);
    rest_json_operation(&j, NULL, &o);
#define HEAD(description)                                                                          \
    "{\"id\":\"a1s00000000000000002\",\"description\":\"" description                              \
    "\",\"createdAt\":\"1970-01-01T00:00:01Z\",\"createdBy\":\"alice\",\"modifiedAt\":"            \
    "\"1970-01-01T00:00:01Z\",\"done\":true,\"metadata\":{\"@type\":\"type.googleapis.com/"
    expect(&out, &j,
           HEAD("Delete trigger") "yandex.cloud.serverless.triggers.v1.DeleteTriggerMetadata\","
                                  "\"triggerId\":\"a1s00000000000000001\"},\"response\":{"
                                  "\"@type\":\"type.googleapis.com/google.protobuf.Empty\","
                                  "\"value\":{}}}");
    struct trigger_spec t = sample();
    o.kind = OPERATION_CREATE_TRIGGER;
    buf_init(&o.response, OPERATION_MAX_BYTES);
    assert_int_equal(trigger_spec_pack(&t, &o.response), 0);
    buf_init(&out, 1 << 16);
    j = rest_json_begin(&out);
    rest_json_operation(&j, NULL, &o);
    expect(&out, &j,
           HEAD("Create trigger") "yandex.cloud.serverless.triggers.v1.CreateTriggerMetadata\","
                                  "\"triggerId\":\"a1s00000000000000001\"},\"response\":{"
                                  "\"@type\":\"type.googleapis.com/yandex.cloud.serverless."
                                  "triggers.v1.Trigger\"," BEFORE RULE ",\"status\":\"ACTIVE\"}}");
    o.api = OPERATION_V2; /* in the spelling by which it was made */
    buf_init(&out, 1 << 16);
    j = rest_json_begin(&out);
    rest_json_operation(&j, NULL, &o);
    expect(&out, &j,
           HEAD("Create trigger") "yandex.cloud.serverless.triggers.v2.CreateTriggerMetadata\","
                                  "\"triggerId\":\"a1s00000000000000001\"},\"response\":{"
                                  "\"@type\":\"type.googleapis.com/yandex.cloud.serverless."
                                  "triggers.v2.Trigger\"," BEFORE SOURCE_AND_ACTION
                                  ",\"status\":\"ACTIVE\"}}");
    trigger_spec_fini(&t);
    operation_fini(&o);
}

static void test_status(void **state)
{
    struct status s = {.code = STATUS_OK};
    struct buf out;
    (void) state;
#define INFO "{\"@type\":\"type.googleapis.com/google.rpc.RequestInfo\",\"requestId\":\"r1\"}]}"
    status_violate(&s, "name", "must be short");
    buf_init(&out, 1 << 16);
    struct rest_json j = rest_json_begin(&out);
    rest_json_status(&j, &s, "r1");
    expect(&out, &j,
           "{\"code\":3,\"message\":\"name: must be short\",\"details\":[{\"@type\":"
           "\"type.googleapis.com/google.rpc.BadRequest\",\"fieldViolations\":[{\"field\":"
           "\"name\",\"description\":\"must be short\"}]}," INFO);
    status_set(&s, STATUS_RESOURCE_EXHAUSTED, "full");
    s.quota = (struct status_quota){.name = "q", .limit = 2, .usage = 2, .required = 3};
    buf_init(&out, 1 << 16);
    j = rest_json_begin(&out);
    rest_json_status(&j, &s, "r1");
    expect(&out, &j,
           "{\"code\":8,\"message\":\"full\",\"details\":[{\"@type\":\"type.googleapis.com/"
           "yandex.cloud.quota.QuotaFailure\",\"violations\":[{\"metric\":{\"name\":\"q\","
           "\"limit\":\"2\",\"usage\":2},\"required\":\"3\"}]}," INFO);
}

/* The first error stays, and nothing is written behind it. */
static void test_no_room(void **state)
{
    struct trigger_spec t = sample();
    struct buf out;
    (void) state;
    buf_init(&out, 100);
    struct rest_json j = rest_json_begin(&out);
    rest_json_trigger(&j, NULL, &t);
    assert_int_equal(j.err, -EMSGSIZE);
    assert_in_range(out.len, 1, 100);
    buf_fini(&out);
    trigger_spec_fini(&t);
}

static void test_plain_values(void **state)
{
    (void) state;
    struct buf out;
    buf_init(&out, 1000);
    struct rest_json j = rest_json_begin(&out);
    rest_json_open(&j, NULL, '{');
    rest_json_text(&j, "a", "");
    rest_json_string(&j, "b", "");
    rest_json_string(&j, "c", "\"\n");
    rest_json_raw(&j, "d", SLICE_LIT("1e9"));
    rest_json_close(&j, '}');
    assert_true(slice_eq_str(buf_slice(&out), "{\"b\":\"\",\"c\":\"\\\"\\n\",\"d\":1e9}"));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),        cmocka_unit_test(test_trigger),
        cmocka_unit_test(test_operation),    cmocka_unit_test(test_status),
        cmocka_unit_test(test_plain_values), cmocka_unit_test(test_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
