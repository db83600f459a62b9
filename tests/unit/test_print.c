/* Tests of gateway/cli/print.c and shape.c together: messages as the original's documents print
 * them. */
#include "print.h"

#include "shape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define T "type.googleapis.com/yandex.cloud.serverless.triggers.v1."

static void check(const char *json, const struct shape *shape, bool snake, bool yaml,
                  const char *want)
{
    cJSON *message = cJSON_Parse(json);
    assert_non_null(message);
    if (shape != NULL)
        message = shape_apply(message, shape, snake);
    struct buf out;
    buf_init(&out, 1 << 16);
    assert_int_equal(yaml ? print_yaml(message, &out) : print_json(message, &out), 0);
    if (!slice_eq_str(buf_slice(&out), want))
        fail_msg("got:\n%.*s\nwanted:\n%s", (int) out.len, (const char *) out.data, want);
    buf_fini(&out);
    cJSON_Delete(message);
}

static const char TRIGGER[] =
    "{\"status\":\"ACTIVE\",\"labels\":{},\"rule\":{\"containerRegistry\":{\"tag\":\"\","
    "\"gatewayWebsocketBroadcast\":{\"path\":\"/\",\"serviceAccountId\":\"aje3932acdh2********\","
    "\"gatewayId\":\"d4eofc7n0mh2********\"},\"batchSettings\":{\"cutoff\":\"20s\",\"size\":\"3\"},"
    "\"eventType\":[\"CONTAINER_REGISTRY_EVENT_TYPE_CREATE_IMAGE\","
    "\"CONTAINER_REGISTRY_EVENT_TYPE_DELETE_IMAGE\"],"
    "\"registryId\":\"crtlds4tdfg12kil77h2********\"}},\"id\":\"a1s5msktijh2********\","
    "\"folderId\":\"b1gmit33hgh2********\",\"createdAt\":\"2023-08-04T15:19:15.353909857Z\","
    "\"name\":\"registry-trigger\",\"description\":\"\"}";

static void test_trigger(void **state)
{
    (void) state;
    check(TRIGGER, &SHAPE_TRIGGER, true, true,
          "id: a1s5msktijh2********\n"
          "folder_id: b1gmit33hgh2********\n"
          "created_at: \"2023-08-04T15:19:15.353909857Z\"\n"
          "name: registry-trigger\n"
          "rule:\n"
          "  container_registry:\n"
          "    event_type:\n"
          "    - CONTAINER_REGISTRY_EVENT_TYPE_CREATE_IMAGE\n"
          "    - CONTAINER_REGISTRY_EVENT_TYPE_DELETE_IMAGE\n"
          "    registry_id: crtlds4tdfg12kil77h2********\n"
          "    batch_settings:\n"
          "      size: \"3\"\n"
          "      cutoff: 20s\n"
          "    gateway_websocket_broadcast:\n"
          "      gateway_id: d4eofc7n0mh2********\n"
          "      path: /\n"
          "      service_account_id: aje3932acdh2********\n"
          "status: ACTIVE\n");
    check("{\"name\":\"a\",\"id\":\"1\",\"labels\":{\"keyOne\":\"\",\"b\":\"c\"},\"newField\":[1,"
          "true],"
          "\"rule\":{\"timer\":{}}}",
          &SHAPE_TRIGGER, true, false,
          "{\n  \"id\": \"1\",\n  \"name\": \"a\",\n  \"labels\": {\n    \"keyOne\": \"\",\n"
          "    \"b\": \"c\"\n  },\n  \"rule\": {\n    \"timer\": {}\n  },\n  \"new_field\": [\n    "
          "1,\n"
          "    true\n  ]\n}\n");
    check("{\"name\":\"a\",\"folderId\":\"1\"}", &SHAPE_TRIGGER, false, false,
          "{\n  \"folderId\": \"1\",\n  \"name\": \"a\"\n}\n");
}

static void test_operations(void **state)
{
    (void) state;
    check("[{\"done\":true,\"id\":\"a1s1\",\"description\":\"Delete trigger\",\"metadata\":{"
          "\"triggerId\":\"a1s2\",\"@type\":\"" T "DeleteTriggerMetadata\"},\"response\":{"
          "\"@type\":\"type.googleapis.com/google.protobuf.Empty\",\"value\":{}}},"
          "{\"done\":false,\"id\":\"a1s3\",\"response\":{\"name\":\"n\",\"id\":\"i\",\"@type\":\"" T
          "Trigger\"},\"error\":{\"message\":\"m\",\"code\":5}}]",
          &SHAPE_OPERATION, true, true,
          "- id: a1s1\n"
          "  description: Delete trigger\n"
          "  done: true\n"
          "  metadata:\n"
          "    '@type': " T "DeleteTriggerMetadata\n"
          "    trigger_id: a1s2\n"
          "  response:\n"
          "    '@type': type.googleapis.com/google.protobuf.Empty\n"
          "    value: {}\n"
          "- id: a1s3\n"
          "  error:\n"
          "    code: 5\n"
          "    message: m\n"
          "  response:\n"
          "    '@type': " T "Trigger\n"
          "    id: i\n"
          "    name: \"n\"\n"); /* which YAML 1.1 reads as false */
}

static void test_lists(void **state)
{
    (void) state;
    check("[]", &SHAPE_TRIGGER, true, true, "[]\n");
    check("[]", NULL, true, false, "[]\n");
    check("{}", NULL, true, true, "{}\n");
    check("{\"a\":[[1,2],[],{\"b\":[3]}]}", NULL, true, true,
          "a:\n- - 1\n  - 2\n- []\n- b:\n  - 3\n");
    check("[1.5,-2,1e300,null,false]", NULL, true, true,
          "- 1.5\n- -2\n- 1.0000000000000001e+300\n- null\n- false\n");
}

static const struct {
    const char *text, *want; /* want NULL: the text itself */
} SCALARS[] = {
    {"registry-trigger", NULL},
    {"/", NULL},
    {"/teams/{team}", NULL},
    {"20s", NULL},
    {"a1s5msktijh2********", NULL},
    {"two words", NULL},
    {"a:b", NULL},
    {"a#b", NULL},
    {"-a", NULL},
    {"1.2.3", NULL},
    {"v1.0", NULL},
    {"192.0.2.1", NULL},
    {"51ab", NULL},
    {"\xd0\xb0", NULL},
    {"", "\"\""},
    {"3", "\"3\""},
    {"-3.5", "\"-3.5\""},
    {"1e3", "\"1e3\""},
    {"0x1f", "\"0x1f\""},
    {"1_000", "\"1_000\""},
    {"1:30", "\"1:30\""},
    {"true", "\"true\""},
    {"No", "\"No\""},
    {"null", "\"null\""},
    {"~", "\"~\""},
    {"2023-08-04", "\"2023-08-04\""},
    {"2023-08-04T15:19:15Z", "\"2023-08-04T15:19:15Z\""},
    {"2023-08-04x", NULL},
    {"two\nlines", "\"two\\nlines\""},
    {"\t", "\"\\t\""},
    {"@type", "'@type'"},
    {"{a}", "'{a}'"},
    {"[a", "'[a'"},
    {"*", "'*'"},
    {"- a", "'- a'"},
    {"-", "'-'"},
    {"a: b", "'a: b'"},
    {"a:", "'a:'"},
    {"a #b", "'a #b'"},
    {"'it'", "'''it'''"},
    {"it's", NULL},
    {"\"a\"", "'\"a\"'"},
    {" a", "' a'"},
    {"a ", "'a '"},
    {"%", "'%'"},
};

static void test_scalars(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(SCALARS); i++) {
        struct buf out;
        buf_init(&out, 1024);
        assert_int_equal(print_yaml_text(SCALARS[i].text, &out), 0);
        const char *want = SCALARS[i].want == NULL ? SCALARS[i].text : SCALARS[i].want;
        if (!slice_eq_str(buf_slice(&out), want))
            fail_msg("got %.*s, wanted %s", (int) out.len, (const char *) out.data, want);
        buf_fini(&out);
    }
}

static void test_table(void **state)
{
    (void) state;
    static const char *const HEADERS[] = {"ID", "NAME", "FOLDER ID"};
    static const char *const CELLS[] = {"dd0gj5tsj2**********", "my-trigger",
                                        "aoek49ghmk**********", "1",
                                        "\xd0\xb6\xd0\xb6",     NULL};
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(print_table(HEADERS, 3, CELLS, 1, &out), 0);
    assert_true(slice_eq_str(buf_slice(&out),
                             "+----------------------+------------+----------------------+\n"
                             "|          ID          |    NAME    |      FOLDER ID       |\n"
                             "+----------------------+------------+----------------------+\n"
                             "| dd0gj5tsj2********** | my-trigger | aoek49ghmk********** |\n"
                             "+----------------------+------------+----------------------+\n"));
    buf_clear(&out);
    assert_int_equal(print_table(HEADERS, 3, CELLS + 3, 1, &out), 0);
    assert_true(slice_eq_str(buf_slice(&out), "+----+------+-----------+\n"
                                              "| ID | NAME | FOLDER ID |\n"
                                              "+----+------+-----------+\n"
                                              "| 1  | \xd0\xb6\xd0\xb6   |           |\n"
                                              "+----+------+-----------+\n"));
    buf_clear(&out);
    assert_int_equal(print_table(HEADERS, 1, NULL, 0, &out), 0);
    assert_true(slice_eq_str(buf_slice(&out), "+----+\n| ID |\n+----+\n+----+\n"));
    buf_fini(&out);
}

/* No room: an error, and nothing half-done that leaks. */
static void test_limits(void **state)
{
    (void) state;
    static const char *const HEADERS[] = {"ID"}, *const CELLS[] = {"x"};
    cJSON *message = cJSON_Parse(TRIGGER);
    assert_non_null(message);
    for (size_t limit = 0; limit < 25; limit++) {
        struct buf out;
        buf_init(&out, limit);
        assert_int_equal(print_yaml(message, &out), -EMSGSIZE);
        buf_clear(&out);
        assert_int_equal(print_json(message, &out), -EMSGSIZE);
        buf_clear(&out);
        assert_int_equal(print_table(HEADERS, 1, CELLS, 1, &out), -EMSGSIZE);
        buf_fini(&out);
    }
    cJSON_Delete(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trigger), cmocka_unit_test(test_operations),
        cmocka_unit_test(test_lists),   cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_table),   cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
