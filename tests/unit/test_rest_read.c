/* Tests of gateway/rest_read.c and rest_object.c: requests as clients send them, and as they must
 * not. */
#include "rest_read.h"

#include "admin.h"
#include "rest_object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct status parse(const char *body, bool create, struct trigger_request *ret)
{
    struct status found = {.code = STATUS_OK};
    rest_read_trigger(slice_str(body), create, "a1s1", ret, &found);
    return found;
}

#define CR(members) "{\"rule\":{\"containerRegistry\":{" members "}}}"

static void test_camel_and_snake(void **state)
{
    static const char *const BODIES[] = {
        "{\"folderId\":\"b1g\",\"name\":\"abc\",\"description\":\"d\",\"labels\":{\"k\":\"v\"},"
        "\"rule\":{\"containerRegistry\":{\"eventType\":[\"CONTAINER_REGISTRY_EVENT_TYPE_DELETE_"
        "IMAGE_TAG\",1],\"registryId\":\"crt\",\"imageName\":\"app\",\"tag\":\"t\","
        "\"batchSettings\":{"
        "\"size\":\"3\",\"cutoff\":\"20s\"},\"gatewayWebsocketBroadcast\":{\"gatewayId\":\"d5d\","
        "\"path\":\"/\",\"serviceAccountId\":\"aje\"}}}}",
        "{\"folder_id\":\"b1g\",\"name\":\"abc\",\"description\":\"d\",\"labels\":{\"k\":\"v\"},"
        "\"rule\":{\"container_registry\":{\"event_type\":[4,\"CONTAINER_REGISTRY_EVENT_TYPE_"
        "CREATE_IMAGE\",4],\"registry_id\":\"crt\",\"image_name\":\"app\",\"tag\":\"t\","
        "\"batch_settings\":{\"size\":3.0,\"cutoff\":\"20.000s\"},"
        "\"gateway_websocket_broadcast\":{\"gateway_id\":\"d5d\",\"path\":\"/\","
        "\"service_account_id\":\"aje\"},\"invoke_function\":null}}}",
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(BODIES); i++) {
        struct trigger_request req;
        assert_int_equal(parse(BODIES[i], true, &req).code, STATUS_OK);
        const struct trigger_spec *t = &req.spec;
        assert_string_equal(t->folder_id, "b1g");
        assert_string_equal(t->name, "abc");
        assert_string_equal(t->description, "d");
        assert_int_equal(t->n_labels, 1);
        assert_true(event_list_equal(&t->event_types, &(struct event_list){9, {4, 1}}));
        assert_string_equal(t->registry_id, "crt");
        assert_string_equal(t->image_name, "app");
        assert_string_equal(t->tag, "t");
        assert_int_equal(t->batch_size, 3);
        assert_int_equal(t->batch_cutoff_ms, 20000);
        assert_string_equal(t->path, "/");
        assert_true(req.has_rule);
        trigger_spec_fini(&req.spec);
    }
}

static void test_absent(void **state)
{
    struct trigger_request req;
    (void) state;
    assert_int_equal(parse("", true, &req).code, STATUS_OK);
    assert_false(req.has_rule);
    trigger_spec_fini(&req.spec);
    assert_int_equal(parse("{\"name\":null,\"rule\":null}", false, &req).code, STATUS_OK);
    assert_false(req.has_rule);
    assert_int_equal(req.mask, 0);
    trigger_spec_fini(&req.spec);
    assert_int_equal(parse(CR(""), false, &req).code, STATUS_OK);
    assert_true(req.has_rule);
    assert_int_equal(req.spec.batch_size, TRIGGER_DEFAULT_SIZE);
    trigger_spec_fini(&req.spec);
}

/* How one is told what is wrong, and no more often than the list may be long. */
static void test_patterns(void **state)
{
    struct trigger_request req;
    char body[1024] = "{\"rule\":{\"container_registry\":{\"filter\":{\"tags\":[\"a\"";
    (void) state;
    struct status found = parse(CR("\"filter\":{\"tags\":[\"v*\",\"^1.2\"]}"), true, &req);
    assert_string_equal(found.violations[0].description,
                        "the pattern '^1.2' has a character that no tag has; a range of versions "
                        "begins with 'semver:'");
    assert_int_equal(filter_size(req.spec.filter, FILTER_TAGS), 1);
    trigger_spec_fini(&req.spec);
    for (size_t i = 0; i < 100; i++)
        (void) snprintf(body + strlen(body), sizeof(body) - strlen(body), ",\"a\"");
    (void) snprintf(body + strlen(body), sizeof(body) - strlen(body), "]}}}}");
    found = parse(body, true, &req);
    assert_int_equal(found.n_violations, 1);
    assert_string_equal(found.violations[0].description, "the pattern 'a' is one of more than 32");
    trigger_spec_fini(&req.spec);
    assert_int_equal(parse(CR("\"filter\":null"), true, &req).code, STATUS_OK);
    assert_null(req.spec.filter);
    trigger_spec_fini(&req.spec);
    assert_int_equal(parse(CR("\"filter\":{}"), true, &req).code, STATUS_OK);
    assert_non_null(req.spec.filter);
    trigger_spec_fini(&req.spec);
}

static void test_mask(void **state)
{
    static const struct {
        const char *body;
        unsigned mask;
    } CASES[] = {
        {"{\"updateMask\":\"\"}", 0},
        {"{\"updateMask\":\"name\"}", ADMIN_NAME},
        {"{\"update_mask\":\"name,description,labels,rule\",\"triggerId\":\"a1s1\"}", ADMIN_ALL},
        {"{\"updateMask\":\"rule,rule\",\"trigger_id\":\"a1s1\"}", ADMIN_RULE},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct trigger_request req;
        assert_int_equal(parse(CASES[i].body, false, &req).code, STATUS_OK);
        assert_int_equal(req.mask, CASES[i].mask);
        trigger_spec_fini(&req.spec);
    }
    static const char MANY[] = "{\"updateMask\":\"name,a,b,c\"}"; /* a text may have 500,000 */
    struct trigger_request req;
    assert_int_equal(parse(MANY, false, &req).n_violations, 1);
    trigger_spec_fini(&req.spec);
}

static void test_refused(void **state)
{
    static const struct {
        bool create;
        const char *body;
        enum status_code code;
        const char *field; /* NULL: no violation */
    } CASES[] = {
        {true, "x", STATUS_INVALID_ARGUMENT, NULL},
        {true, "[]", STATUS_INVALID_ARGUMENT, NULL},
        {true, "\"a\"", STATUS_INVALID_ARGUMENT, NULL},
        {true, "{\"a\":\"\\u0000\"}", STATUS_INVALID_ARGUMENT, NULL},
        {true, "{\"name\":\"\xff\"}", STATUS_INVALID_ARGUMENT, NULL},
        {true, "{\"name\":1}", STATUS_INVALID_ARGUMENT, "name"},
        {true, "{\"Name\":\"a\"}", STATUS_INVALID_ARGUMENT, "Name"},
        {true, "{\"updateMask\":\"name\"}", STATUS_INVALID_ARGUMENT, "updateMask"},
        {false, "{\"folderId\":\"b1g\"}", STATUS_INVALID_ARGUMENT, "folderId"},
        {false, "{\"triggerId\":\"other\"}", STATUS_INVALID_ARGUMENT, "trigger_id"},
        {false, "{\"updateMask\":\"rule.tag\"}", STATUS_INVALID_ARGUMENT, "update_mask"},
        {false, "{\"updateMask\":\"name, rule\"}", STATUS_INVALID_ARGUMENT, "update_mask"},
        {false, "{\"updateMask\":[\"name\"]}", STATUS_INVALID_ARGUMENT, "update_mask"},
        {true, "{\"labels\":[]}", STATUS_INVALID_ARGUMENT, "labels"},
        {true, "{\"labels\":{\"k\":1}}", STATUS_INVALID_ARGUMENT, "labels"},
        {true, "{\"rule\":[]}", STATUS_INVALID_ARGUMENT, "rule"},
        {true, "{\"rule\":{\"email\":{}}}", STATUS_INVALID_ARGUMENT, "rule.email"},
        {true, "{\"rule\":{\"timer\":{}}}", STATUS_UNIMPLEMENTED, NULL},
        {true, "{\"rule\":{\"mail\":{},\"timer\":{}}}", STATUS_INVALID_ARGUMENT, "rule"},
        {true, CR("\"startWorkflow\":{}"), STATUS_UNIMPLEMENTED, NULL},
        {true, CR("\"eventType\":1"), STATUS_INVALID_ARGUMENT,
         "rule.container_registry.event_type"},
        {true, CR("\"eventType\":[\"PUSH\"]"), STATUS_INVALID_ARGUMENT,
         "rule.container_registry.event_type"},
        {true, CR("\"eventType\":[0]"), STATUS_INVALID_ARGUMENT,
         "rule.container_registry.event_type"},
        {true, CR("\"eventType\":[1.5]"), STATUS_INVALID_ARGUMENT,
         "rule.container_registry.event_type"},
        {true, CR("\"eventType\":[{}]"), STATUS_INVALID_ARGUMENT,
         "rule.container_registry.event_type"},
        {true, CR("\"filter\":[]"), STATUS_INVALID_ARGUMENT, "rule.container_registry.filter"},
        {true, CR("\"filter\":{\"image\":[]}"), STATUS_INVALID_ARGUMENT,
         "rule.container_registry.filter.image"},
        {true, CR("\"filter\":{\"tags\":\"v*\"}"), STATUS_INVALID_ARGUMENT,
         "rule.container_registry.filter.tags"},
        {true, CR("\"filter\":{\"tags\":[1]}"), STATUS_INVALID_ARGUMENT,
         "rule.container_registry.filter.tags"},
        {true, CR("\"filter\":{\"digests\":[\"ab\"]}"), STATUS_INVALID_ARGUMENT,
         "rule.container_registry.filter.digests"},
        {true, CR("\"batchSettings\":5"), STATUS_INVALID_ARGUMENT,
         "rule.container_registry.batch_settings"},
        {true, CR("\"batchSettings\":{}"), STATUS_INVALID_ARGUMENT,
         "rule.container_registry.batch_settings.cutoff"},
        {true, CR("\"batchSettings\":{\"size\":\"x\",\"cutoff\":\"1s\"}"), STATUS_INVALID_ARGUMENT,
         "rule.container_registry.batch_settings.size"},
        {true, CR("\"batchSettings\":{\"size\":9007199254740994,\"cutoff\":\"1s\"}"),
         STATUS_INVALID_ARGUMENT, "rule.container_registry.batch_settings.size"},
        {true, CR("\"batchSettings\":{\"size\":\"9223372036854775808\",\"cutoff\":\"1s\"}"),
         STATUS_INVALID_ARGUMENT, "rule.container_registry.batch_settings.size"},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct trigger_request req;
        struct status found = parse(CASES[i].body, CASES[i].create, &req);
        trigger_spec_fini(&req.spec);
        if (found.code != CASES[i].code)
            fail_msg("%s: %d %s", CASES[i].body, (int) found.code, found.message);
        assert_int_equal(found.n_violations, CASES[i].field == NULL ? 0 : 1);
        if (CASES[i].field != NULL)
            assert_string_equal(found.violations[0].field, CASES[i].field);
    }
}

static void test_durations(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms; /* 0: refused */
    } CASES[] = {
        {"1s", 1000},
        {"60s", 60000},
        {"1.5s", 1500},
        {"1.500s", 1500},
        {"1.000000001s", 1000},
        {"59.999999999s", 59999},
        {"001s", 1000},
        {"1.s", 1000},
        {"0s", 0},
        {"-1s", 0},
        {"-5.5s", 0},
        {"60.000000001s", 0},
        {"1", 0},
        {"s", 0},
        {".5s", 0},
        {"1.0000000001s", 0},
        {"1 s", 0},
        {"1m", 0},
        {"1ss", 0},
        {"", 0},
        {"99999999999s", 0},
        {"1e1s", 0},
        {"+1s", 0},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char body[160];
        struct trigger_request req;
        (void) snprintf(body, sizeof(body), CR("\"batchSettings\":{\"cutoff\":\"%s\"}"),
                        CASES[i].text);
        struct status found = parse(body, true, &req);
        if ((found.code == STATUS_OK) != (CASES[i].ms > 0))
            fail_msg("%s: %s", CASES[i].text, found.message);
        if (CASES[i].ms > 0)
            assert_int_equal(req.spec.batch_cutoff_ms, CASES[i].ms);
        trigger_spec_fini(&req.spec);
    }
}

static void test_send(void **state)
{
    static const struct {
        const char *body;
        bool good;
        const char *data;
        int64_t type;
    } CASES[] = {
        {"{\"data\":\"aGk=\",\"type\":\"TEXT\"}", true, "hi", 2},
        {"{\"data\":\"aGk\",\"type\":1}", true, "hi", 1},
        {"{\"data\":\"_-8=\",\"connectionId\":\"a1s1\"}", true, "\xff\xef", 0},
        {"{\"data\":\"/+8\"}", true, "\xff\xef", 0},
        {"{\"data\":\"\"}", true, "", 0},
        {"{}", true, "", 0},
        {"{\"type\":-1}", true, "", -1},
        {"{\"data\":\"a\"}", false, "", 0},
        {"{\"data\":\"?\"}", false, "", 0},
        {"{\"data\":\"aGk=\",\"type\":\"text\"}", false, "", 0},
        {"{\"data\":\"aGk=\",\"connection_id\":\"x\"}", false, "", 0},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct buf data;
        int64_t type = 0;
        struct status found = {.code = STATUS_OK};
        buf_init(&data, 1000);
        rest_read_send(slice_str(CASES[i].body), "a1s1", &data, &type, &found);
        if ((found.code == STATUS_OK) != CASES[i].good)
            fail_msg("%s: %s", CASES[i].body, found.message);
        if (CASES[i].good) {
            assert_true(slice_eq_str(buf_slice(&data), CASES[i].data));
            assert_int_equal(type, CASES[i].type);
        }
        buf_fini(&data);
    }
}

static void test_id_only(void **state)
{
    static const struct {
        const char *body;
        bool good;
    } CASES[] = {
        {"", true},
        {"{}", true},
        {"{\"triggerId\":\"a1s1\"}", true},
        {"{\"trigger_id\":null}", true},
        {"{\"trigger_id\":\"x\"}", false},
        {"{\"trigger_id\":\"a1s1\",\"triggerId\":\"a1s1\"}", false},
        {"{\"id\":\"a1s1\"}", false},
        {"null", false},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct status found = {.code = STATUS_OK};
        rest_read_id_only(slice_str(CASES[i].body), "triggerId", "trigger_id", "a1s1", &found);
        assert_int_equal(found.code == STATUS_OK, CASES[i].good);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_camel_and_snake),
        cmocka_unit_test(test_absent),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_send),
        cmocka_unit_test(test_id_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
