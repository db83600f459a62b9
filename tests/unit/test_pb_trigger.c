/* Tests of gateway/pb_trigger.c and trigger_request.c: a request by gRPC gives what
 * the same one gives by REST, to the letter; triggers as messages. */
#include "pb_trigger.h"

#include "rest_read.h"
#include "wire.h"

#include <stdio.h>

#define ARENA WIRE_MAX

static void read_wire(const char *text, bool create, struct trigger_request *ret,
                      struct status *found)
{
    struct pb_arena a;
    pb_arena_init(&a, ARENA);
    if (create)
        pb_trigger_read_create((const void *) wire_message(PB_V1(create_trigger_request), text, &a),
                               ret, found);
    else
        pb_trigger_read_update((const void *) wire_message(PB_V1(update_trigger_request), text, &a),
                               ret, found);
    pb_arena_fini(&a);
}

static void same_status(const char *what, const struct status *a, const struct status *b)
{
    if (a->code != b->code || strcmp(a->message, b->message) != 0)
        fail_msg("%s: %d %s / %d %s", what, (int) a->code, a->message, (int) b->code, b->message);
    assert_int_equal(a->n_violations, b->n_violations);
    for (size_t i = 0; i < a->n_violations; i++) {
        assert_string_equal(a->violations[i].field, b->violations[i].field);
        assert_string_equal(a->violations[i].description, b->violations[i].description);
    }
}

static void same_spec(const struct trigger_spec *a, const struct trigger_spec *b)
{
    struct buf x, y;
    buf_init(&x, SIZE_MAX / 2);
    buf_init(&y, SIZE_MAX / 2);
    assert_int_equal(trigger_spec_pack(a, &x), 0);
    assert_int_equal(trigger_spec_pack(b, &y), 0);
    assert_true(slice_eq(buf_slice(&x), buf_slice(&y)));
    buf_fini(&x);
    buf_fini(&y);
}

#define J_CR(members) "{\"rule\":{\"containerRegistry\":{" members "}}}"
#define W_CR(members) "5:{6:{" members "}}"
#define J_BATCH(m)    J_CR("\"batchSettings\":{" m "}")
#define W_BATCH(m)    W_CR("7:{" m "}")
#define A60           "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff"

static const struct {
    bool create;
    const char *json, *wire;
} CASES[] = {
    {true, "{}", ""},
    {true,
     "{\"folderId\":\"b1g\",\"name\":\"abc\",\"description\":\"d\",\"labels\":{\"k\":\"v\",\"a\":"
     "\"\"},\"rule\":{\"containerRegistry\":{\"eventType\":[1,4,1],\"registryId\":\"crt\","
     "\"imageName\":\"app\",\"tag\":\"t\",\"batchSettings\":{\"size\":\"3\",\"cutoff\":\"20s\"},"
     "\"gatewayWebsocketBroadcast\":{\"gatewayId\":\"d5d\",\"path\":\"/\",\"serviceAccountId\":"
     "\"aje\"}}}}",
     "1:'b1g' 2:'abc' 3:'d' 4:{1:'k' 2:'v'} 4:{1:'a'} 5:{6:{3:[1 4 1] 4:'crt' 5:'app' 6:'t' "
     "7:{1:3 2:{1:20}} 103:{1:'d5d' 2:'/' 3:'aje'}}}"},
    {true, J_CR("\"eventType\":[3,2]"), W_CR("3:3 3:2")}, /* not packed */
    {true, "{\"rule\":{}}", "5:{}"},
    {true, J_CR(""), W_CR("")},
    {true, J_CR("\"gatewayWebsocketBroadcast\":{}"), W_CR("103:{}")},
    {true, J_CR("\"eventType\":[0]"), W_CR("3:[0]")},
    {true, J_CR("\"eventType\":[5,1,-1]"), W_CR("3:[5 1 -1]")},
    {true, J_CR("\"eventType\":[2147483647]"), W_CR("3:2147483647")},
    /* batches */
    {true, J_BATCH(""), W_BATCH("")},
    {true, J_BATCH("\"size\":0,\"cutoff\":\"1s\""), W_BATCH("1:0 2:{1:1}")},
    {true, J_BATCH("\"size\":\"1000\",\"cutoff\":\"60s\""), W_BATCH("1:1000 2:{1:60}")},
    {true, J_BATCH("\"size\":\"1001\",\"cutoff\":\"60s\""), W_BATCH("1:1001 2:{1:60}")},
    {true, J_BATCH("\"size\":\"-1\",\"cutoff\":\"60s\""), W_BATCH("1:-1 2:{1:60}")},
    {true, J_BATCH("\"size\":\"9223372036854775807\",\"cutoff\":\"0s\""),
     W_BATCH("1:9223372036854775807 2:{}")},
    {true, J_BATCH("\"cutoff\":\"1.999999999s\""), W_BATCH("2:{1:1 2:999999999}")},
    {true, J_BATCH("\"cutoff\":\"60.000000001s\""), W_BATCH("2:{1:60 2:1}")},
    {true, J_BATCH("\"cutoff\":\"0.9s\""), W_BATCH("2:{2:900000000}")},
    {true, J_BATCH("\"cutoff\":\"-5.5s\""), W_BATCH("2:{1:-5 2:-500000000}")},
    {true, J_BATCH("\"cutoff\":\"999999999s\""), W_BATCH("2:{1:315576000000}")},
    {true, J_BATCH("\"cutoff\":\"61s\""), W_BATCH("2:{1:9223372036854775807 2:-2147483648}")},
    {true, J_BATCH("\"cutoff\":\"61s\""), W_BATCH("2:{1:5 2:1000000000}")},
    /* filters */
    {true,
     J_CR("\"filter\":{\"imageNames\":[\"a\",\"!b/**\"],\"tags\":[\"semver:1.x\"],\"digests\":["
          "\"sha256:ab*\"],\"actors\":[\"ci\"]}"),
     W_CR("50001:{1:'a' 1:'!b/**' 2:'semver:1.x' 3:'sha256:ab*' 4:'ci'}")},
    {true, J_CR("\"filter\":{}"), W_CR("50001:{}")},
    {true, J_CR("\"filter\":{\"tags\":[]}"), W_CR("50001:{}")},
    {true, J_CR("\"filter\":{\"image_names\":[\"a:b\"],\"tags\":[\"v1\",\"^1.2\",\"\"]}"),
     W_CR("50001:{2:'v1' 2:'^1.2' 2:'' 1:'a:b'}")},
    {true, J_CR("\"filter\":{\"actors\":[\"" A60 "[\"]}"), W_CR("50001:{4:'" A60 "['}")},
    /* labels */
    {true, "{\"labels\":{\"\":\"v\"}}", "4:{2:'v'}"},
    {true, "{\"labels\":{\"K\":\"v\",\"k\":\"V\",\"b\":\"\"}}",
     "4:{1:'K' 2:'v'} 4:{1:'k' 2:'V'} 4:{1:'b'}"},
    /* other kinds */
    {true, "{\"rule\":{\"timer\":{}}}", "5:{2:{}}"},
    {true, "{\"rule\":{\"messageQueue\":{}}}", "5:{3:{1:'x'}}"},
    {true, "{\"rule\":{\"iotMessage\":{}}}", "5:{4:{}}"},
    {true, "{\"rule\":{\"objectStorage\":{}}}", "5:{5:{}}"},
    {true, "{\"rule\":{\"cloudLogs\":{}}}", "5:{9:{}}"},
    {true, "{\"rule\":{\"logging\":{}}}", "5:{10:{}}"},
    {true, "{\"rule\":{\"billingBudget\":{}}}", "5:{11:{}}"},
    {true, "{\"rule\":{\"dataStream\":{}}}", "5:{12:{}}"},
    {true, "{\"rule\":{\"mail\":{}}}", "5:{13:{}}"},
    {true, "{\"rule\":{\"iotBrokerMessage\":{}}}", "5:{14:{}}"},
    {true, "{\"rule\":{\"mail\":{},\"timer\":{}}}", "5:{13:{} 2:{}}"},
    {true, "{\"rule\":{\"containerRegistry\":{},\"timer\":{}}}", "5:{6:{} 2:{}}"},
    {true, "{\"rule\":{\"timer\":{}}}", "5:{2:{} 2:{1:'again'}}"},
    {true, J_CR("\"invokeFunction\":{}"), W_CR("101:{}")},
    {true, J_CR("\"invokeContainer\":{}"), W_CR("102:{1:'x'}")},
    {true, J_CR("\"startWorkflow\":{}"), W_CR("104:{}")},
    {true, J_CR("\"gatewayWebsocketBroadcast\":{},\"startWorkflow\":{}"), W_CR("103:{} 104:{}")},
    {true, J_CR("\"eventType\":[9],\"invokeFunction\":{},\"invokeContainer\":{}"),
     W_CR("3:9 101:{} 102:{}")},
    /* changes */
    {false, "{}", ""},
    {false, "{\"updateMask\":\"\"}", "2:{}"},
    {false, "{\"updateMask\":\"name,description,labels,rule\",\"name\":\"abc\"}",
     "2:{1:'name' 1:'description' 1:'labels' 1:'rule'} 3:'abc'"},
    {false, "{\"updateMask\":\"rule,rule\",\"rule\":{\"containerRegistry\":{\"tag\":\"t\"}}}",
     "2:{1:'rule' 1:'rule'} 6:{6:{6:'t'}}"},
    {false, "{\"updateMask\":\"rule.container_registry.tag,name\"}",
     "2:{1:'rule.container_registry.tag' 1:'name'}"},
    {false, "{\"updateMask\":\"name,Name,x\"}", "2:{1:'name' 1:'Name' 1:'x'}"},
    {false, "{\"updateMask\":\",name\"}", "2:{1:''}"},
    {false, "{\"updateMask\":\"" A60 "g\"}", "2:{1:'" A60 "g'}"},
    {false, "{\"name\":\"abc\",\"description\":\"d\",\"labels\":{\"k\":\"v\"}}",
     "1:'a1s1' 3:'abc' 4:'d' 5:{1:'k' 2:'v'}"},
};

static void test_same_as_rest(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct trigger_request by_rest, by_grpc;
        struct status a = {.code = STATUS_OK}, b = {.code = STATUS_OK};
        rest_read_trigger(slice_str(CASES[i].json), CASES[i].create, "a1s1", &by_rest, &a);
        read_wire(CASES[i].wire, CASES[i].create, &by_grpc, &b);
        same_status(CASES[i].json, &a, &b);
        assert_int_equal(by_rest.has_rule, by_grpc.has_rule);
        assert_int_equal(by_rest.mask, by_grpc.mask);
        same_spec(&by_rest.spec, &by_grpc.spec);
        trigger_spec_fini(&by_rest.spec);
        trigger_spec_fini(&by_grpc.spec);
    }
}

static void test_many_labels(void **state)
{
    (void) state;
    char json[2048] = "{\"labels\":{", wire[2048] = "";
    for (size_t i = 0; i <= TRIGGER_MAX_LABELS; i++) {
        size_t j = strlen(json), w = strlen(wire);
        (void) snprintf(json + j, sizeof(json) - j, "%s\"k%zu\":\"v\"", i > 0 ? "," : "", i);
        (void) snprintf(wire + w, sizeof(wire) - w, "4:{1:'k%zu' 2:'v'} ", i);
    }
    size_t j = strlen(json);
    (void) snprintf(json + j, sizeof(json) - j, "}}");
    struct trigger_request by_rest, by_grpc;
    struct status a = {.code = STATUS_OK}, b = {.code = STATUS_OK};
    rest_read_trigger(slice_str(json), true, "", &by_rest, &a);
    read_wire(wire, true, &by_grpc, &b);
    assert_int_equal(a.n_violations, 1);
    same_status("65 labels", &a, &b);
    same_spec(&by_rest.spec, &by_grpc.spec);
    trigger_spec_fini(&by_rest.spec);
    trigger_spec_fini(&by_grpc.spec);
}

/* Fields that the API may get one day: skipped where they change nothing of when the trigger fires
 * or where to, as proto3 parsers do; refused in the rule. */
static void test_unknown_fields(void **state)
{
    static const struct {
        const char *wire, *field;
    } UNKNOWN[] = {
        {"99:1", NULL},
        {"4:{1:'k' 9:'x'}", NULL},
        {"5:{15:{}}", "rule"},
        {"5:{15:{} 15:{}}", "rule"},
        {W_CR("8:'filter'"), "rule.container_registry"},
        {W_CR("9:1 8:'filter'"), "rule.container_registry"},
        {W_BATCH("2:{1:1} 3:1"), "rule.container_registry.batch_settings"},
        {W_BATCH("2:{1:1 9:1}"), NULL}, /* it is Google's */
        {W_CR("50001:{5:'x'}"), "rule.container_registry.filter"},
        {W_CR("50002:{}"), "rule.container_registry"},
        {W_CR("103:{4:1}"), "rule.container_registry.gateway_websocket_broadcast"},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(UNKNOWN); i++) {
        struct trigger_request req;
        struct status found = {.code = STATUS_OK};
        read_wire(UNKNOWN[i].wire, true, &req, &found);
        trigger_spec_fini(&req.spec);
        if (found.n_violations != (UNKNOWN[i].field != NULL))
            fail_msg("%s: %s", UNKNOWN[i].wire, found.message);
        if (UNKNOWN[i].field != NULL)
            assert_string_equal(found.violations[0].field, UNKNOWN[i].field);
    }
    struct trigger_request req;
    struct status found = {.code = STATUS_OK};
    read_wire(W_CR("8:1 101:{}"), true, &req, &found);
    assert_int_equal(found.code, STATUS_UNIMPLEMENTED);
    trigger_spec_fini(&req.spec);
}

/* What comes twice on the wire: the last text counts, messages are merged. */
static void test_twice(void **state)
{
    struct trigger_request req;
    struct status found = {.code = STATUS_OK};
    (void) state;
    read_wire("2:'one' 2:'two' 4:{1:'k' 2:'a'} 4:{1:'k' 2:'b'} 5:{6:{4:'crt' 5:'x'}} 5:{6:{5:'y'}}",
              true, &req, &found);
    assert_int_equal(found.code, STATUS_OK);
    assert_string_equal(req.spec.name, "two");
    assert_int_equal(req.spec.n_labels, 1);
    assert_string_equal(req.spec.labels[0].value, "b");
    assert_string_equal(req.spec.registry_id, "crt");
    assert_string_equal(req.spec.image_name, "y");
    trigger_spec_fini(&req.spec);
}

static void set(char **member, const char *value)
{
    trigger_spec_set(member, slice_str(value));
}

static void test_make(void **state)
{
    struct trigger_spec t;
    struct pb_arena a;
    (void) state;
    pb_arena_init(&a, 0);
    trigger_spec_init(&t);
    v1_trigger *out = pb_trigger_make(&a, &t); /* the least */
    assert_null(out->created_at);
    assert_int_equal(out->n_labels, 0);
    assert_int_equal(out->rule->container_registry->n_event_type, 0);
    assert_null(out->rule->container_registry->filter);

    (void) snprintf(t.id, sizeof(t.id), "a1s00000000000000001");
    t.created_ns = 1700000000123456789;
    t.event_types = (struct event_list){10, {4, 2}};
    t.batch_size = 1000;
    t.batch_cutoff_ms = 1500;
    t.status = TRIGGER_PAUSED;
    set(&t.folder_id, "b1g");
    set(&t.name, "abc");
    set(&t.description, "d");
    assert_true(trigger_spec_label(&t, SLICE_LIT("k"), SLICE_LIT("v")));
    assert_true(trigger_spec_label(&t, SLICE_LIT("l"), SLICE_LIT("")));
    set(&t.registry_id, "crt");
    set(&t.image_name, "app");
    set(&t.tag, "t");
    t.filter = filter_new();
    assert_null(filter_add(t.filter, FILTER_IMAGE_NAMES, SLICE_LIT("a")));
    assert_null(filter_add(t.filter, FILTER_TAGS, SLICE_LIT("b")));
    assert_null(filter_add(t.filter, FILTER_DIGESTS, SLICE_LIT("sha256:c*")));
    assert_null(filter_add(t.filter, FILTER_ACTORS, SLICE_LIT("d")));
    assert_null(filter_add(t.filter, FILTER_ACTORS, SLICE_LIT("e")));
    set(&t.gateway_id, "d5d");
    set(&t.path, "/");
    set(&t.service_account_id, "aje");
    struct buf got, want;
    buf_init(&got, WIRE_MAX);
    buf_init(&want, WIRE_MAX);
    assert_int_equal(pb_pack(&pb_trigger_make(&a, &t)->base, &got), 0);
    (void) wire_items(&want,
                      "1:'a1s00000000000000001' 2:'b1g' 3:{1:1700000000 2:123456789} 4:'abc' 5:'d' "
                      "6:{1:'k' 2:'v'} 6:{1:'l'} 8:{6:{3:[4 2] 4:'crt' 5:'app' 6:'t' "
                      "7:{1:1000 2:{1:1 2:500000000}} 103:{1:'d5d' 2:'/' 3:'aje'} "
                      "50001:{1:'a' 2:'b' 3:'sha256:c*' 4:'d' 4:'e'}}} 9:2",
                      '\0');
    assert_true(slice_eq(buf_slice(&got), buf_slice(&want)));
    buf_fini(&got);
    buf_fini(&want);
    trigger_spec_fini(&t);
    pb_arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_rest),   cmocka_unit_test(test_many_labels),
        cmocka_unit_test(test_unknown_fields), cmocka_unit_test(test_twice),
        cmocka_unit_test(test_make),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
