/* Tests of gateway/pb_trigger_v2.c: the same triggers as v1's, what is refused by name, the masks
 * of terraform, and errors with v2's paths. */
#include "pb_trigger_v2.h"

#include "pb_trigger.h"
#include "wire.h"

#include <stdio.h>

static struct status read_create(const char *text, struct trigger_request *ret)
{
    struct pb_arena a;
    struct status found = {.code = STATUS_OK}, renamed;
    pb_arena_init(&a, WIRE_MAX);
    pb_trigger_v2_read_create((const void *) wire_message(PB_V2(create_trigger_request), text, &a),
                              ret, &found);
    pb_arena_fini(&a);
    pb_trigger_v2_status(&found, &renamed);
    return renamed;
}

static struct status read_update(const char *text, struct trigger_request *ret)
{
    struct pb_arena a;
    struct status found = {.code = STATUS_OK}, renamed;
    pb_arena_init(&a, WIRE_MAX);
    pb_trigger_v2_read_update((const void *) wire_message(PB_V2(update_trigger_request), text, &a),
                              ret, &found);
    pb_arena_fini(&a);
    pb_trigger_v2_status(&found, &renamed);
    return renamed;
}

/* What v1 and v2 read is one trigger. */
static void test_same_as_v1(void **state)
{
    static const char V1_TEXT[] = "1:'b1g' 2:'abc' 3:'d' 4:{1:'k' 2:'v'} 5:{6:{3:[4 1 4] 4:'crt' "
                                  "5:'app' 6:'t' 7:{1:3 2:{1:20}} 103:{1:'d5d' 2:'/' 3:'aje'} "
                                  "50001:{2:'v*'}}}";
    static const char V2_TEXT[] = "1:'b1g' 2:'abc' 3:'d' 4:{1:'k' 2:'v'} 5:{9:{2:[4 1] 3:'crt' "
                                  "4:'app' 5:'t' 6:{1:3 3:{1:20}} 50001:{2:'v*'}}} "
                                  "6:{3:{1:'d5d' 2:'/' 3:'aje'}}";
    struct trigger_request v1, v2;
    struct status found = {.code = STATUS_OK};
    struct pb_arena a;
    struct buf x, y;
    (void) state;
    pb_arena_init(&a, WIRE_MAX);
    buf_init(&x, WIRE_MAX);
    buf_init(&y, WIRE_MAX);
    pb_trigger_read_create((const void *) wire_message(PB_V1(create_trigger_request), V1_TEXT, &a),
                           &v1, &found);
    assert_int_equal(found.code, STATUS_OK);
    assert_int_equal(read_create(V2_TEXT, &v2).code, STATUS_OK);
    assert_true(v1.has_rule && v2.has_rule);
    assert_true(event_list_equal(&v1.spec.event_types, &(struct event_list){9, {4, 1}}));
    assert_int_equal(trigger_spec_pack(&v1.spec, &x), 0);
    assert_int_equal(trigger_spec_pack(&v2.spec, &y), 0);
    assert_true(slice_eq(buf_slice(&x), buf_slice(&y)));
    buf_fini(&x);
    buf_fini(&y);
    pb_arena_fini(&a);
    trigger_spec_fini(&v1.spec);
    trigger_spec_fini(&v2.spec);
}

#define SOURCE(m) "5:{9:{" m "}}"
#define BATCH(m)  SOURCE("6:{" m "}")

static void test_refused(void **state)
{
    static const struct {
        const char *text;
        enum status_code code;
        const char *what; /* the violation's field, or how the message begins */
    } CASES[] = {
        {"", STATUS_OK, ""},
        {"99:1", STATUS_OK, ""},
        {BATCH("1:0 3:{1:1}"), STATUS_OK, ""},
        {"5:{1:{}}", STATUS_UNIMPLEMENTED, "source.timer is not supported: "},
        {"5:{2:{}}", STATUS_UNIMPLEMENTED, "source.ymq "},
        {"5:{3:{}}", STATUS_UNIMPLEMENTED, "source.yds "},
        {"5:{4:{}}", STATUS_UNIMPLEMENTED, "source.mail "},
        {"5:{5:{}}", STATUS_UNIMPLEMENTED, "source.billing_budget "},
        {"5:{7:{}}", STATUS_UNIMPLEMENTED, "source.logging "},
        {"5:{8:{}}", STATUS_UNIMPLEMENTED, "source.object_storage "},
        {"5:{11:{}}", STATUS_UNIMPLEMENTED, "source.iot_message "},
        {"5:{12:{}}", STATUS_UNIMPLEMENTED, "source.iot_broker_message "},
        {"5:{13:{}}", STATUS_UNIMPLEMENTED, "source.telegram_message "},
        {"5:{14:{}}", STATUS_UNIMPLEMENTED, "source.yandex_messenger "},
        {"5:{15:{}}", STATUS_UNIMPLEMENTED, "source.max_message "},
        {"6:{1:{}}", STATUS_UNIMPLEMENTED, "action[0].invoke_container "},
        {"6:{2:{}}", STATUS_UNIMPLEMENTED, "action[0].invoke_function "},
        {"6:{4:{}}", STATUS_UNIMPLEMENTED, "action[0].start_workflow "},
        {"6:{3:{} 10:{1:'true'}}", STATUS_UNIMPLEMENTED, "action[0].filter "},
        {"6:{3:{} 11:{}}", STATUS_UNIMPLEMENTED, "action[0].transformer "},
        {"6:{3:{} 12:{1:3}}", STATUS_UNIMPLEMENTED, "action[0].retry_policy "},
        {"6:{3:{} 13:{}}", STATUS_UNIMPLEMENTED, "action[0].dead_letter "},
        {"6:{3:{}} 6:{3:{}}", STATUS_UNIMPLEMENTED, "action[1] "},
        {BATCH("2:1 3:{1:1}"), STATUS_UNIMPLEMENTED,
         "source.container_registry.batch_settings.max_bytes "},
        {BATCH("1:1001 2:65536"), STATUS_UNIMPLEMENTED,
         "source.container_registry.batch_settings.max_bytes "}, /* worse than what is wrong */
        {BATCH("2:65537 3:{1:1}"), STATUS_INVALID_ARGUMENT,
         "source.container_registry.batch_settings.max_bytes"},
        {BATCH("2:-1 3:{1:1}"), STATUS_INVALID_ARGUMENT,
         "source.container_registry.batch_settings.max_bytes"},
        {BATCH("1:1001 3:{1:1}"), STATUS_INVALID_ARGUMENT,
         "source.container_registry.batch_settings.max_count"},
        {BATCH(""), STATUS_INVALID_ARGUMENT, "source.container_registry.batch_settings.cutoff"},
        {BATCH("3:{1:1} 4:1"), STATUS_INVALID_ARGUMENT, "source.container_registry.batch_settings"},
        {SOURCE("2:[5]"), STATUS_INVALID_ARGUMENT, "source.container_registry.event_type"},
        {SOURCE("50001:{}"), STATUS_OK, ""},
        {SOURCE("50001:{2:'^1'}"), STATUS_INVALID_ARGUMENT,
         "source.container_registry.filter.tags"},
        {SOURCE("50001:{9:1}"), STATUS_INVALID_ARGUMENT, "source.container_registry.filter"},
        {SOURCE("7:1"), STATUS_INVALID_ARGUMENT, "source.container_registry"},
        {"5:{16:{}}", STATUS_INVALID_ARGUMENT, "source"},
        {"5:{9:{} 1:{}}", STATUS_INVALID_ARGUMENT, "source"},
        {"5:{1:{} 2:{}}", STATUS_INVALID_ARGUMENT, "source"},
        {"6:{14:{}}", STATUS_INVALID_ARGUMENT, "action[0]"},
        {"6:{3:{4:1}}", STATUS_INVALID_ARGUMENT, "action[0].gateway_websocket_broadcast"},
        {"4:{1:'K'}", STATUS_INVALID_ARGUMENT, "labels"},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct trigger_request req;
        struct status found = read_create(CASES[i].text, &req);
        trigger_spec_fini(&req.spec);
        if (found.code != CASES[i].code)
            fail_msg("%s: %d %s", CASES[i].text, (int) found.code, found.message);
        if (found.code == STATUS_INVALID_ARGUMENT) {
            assert_int_equal(found.n_violations, 1);
            assert_string_equal(found.violations[0].field, CASES[i].what);
        }
        if (strncmp(found.message, CASES[i].what, strlen(CASES[i].what)) != 0)
            fail_msg("%s: %s", CASES[i].text, found.message);
    }
}

static void test_masks(void **state)
{
#define R "1:'source.container_registry"
    static const struct {
        const char *text;
        bool good, has_rule;
        unsigned mask;
    } CASES[] = {
        {"", true, false, 0},
        {"2:{}", true, false, 0},
        {"6:{9:{}}", true, true, 0},
        {"6:{}", true, false, 0},
        {"7:{3:{}}", true, true, 0},
        {"7:{}", true, false, 0},
        {"2:{1:'name' 1:'description' 1:'labels'}", true, false, 7},
        {"2:{1:'source'}", true, true, TRIGGER_FIELD_SOURCE},
        {"2:{1:'action'}", true, true, TRIGGER_FIELD_ACTION},
        {"2:{1:'source' 1:'action'}", true, true, TRIGGER_FIELD_SOURCE | TRIGGER_FIELD_ACTION},
        {"2:{" R "'}", true, true, TRIGGER_FIELD_SOURCE},
        {"2:{" R ".event_type'}", true, true, TRIGGER_FIELD_EVENT_TYPES},
        {"2:{" R ".registry_id'}", true, true, TRIGGER_FIELD_REGISTRY_ID},
        {"2:{" R ".image_name' " R ".tag'}", true, true,
         TRIGGER_FIELD_IMAGE_NAME | TRIGGER_FIELD_TAG},
        {"2:{" R ".filter'}", true, true, TRIGGER_FIELD_FILTER},
        {"2:{" R ".batch_settings'}", true, true, TRIGGER_FIELD_BATCH},
        {"2:{" R ".batch_settings.max_count'}", true, true, TRIGGER_FIELD_BATCH_SIZE},
        {"2:{" R ".batch_settings.max_bytes'}", true, true, TRIGGER_FIELD_BATCH_BYTES},
        {"2:{" R ".batch_settings.cutoff'}", true, true, TRIGGER_FIELD_BATCH_CUTOFF},
        {"2:{1:'rule'}", false, false, 0},
        {"2:{1:'source.timer'}", false, false, 0},
        {"2:{1:'name,source'}", false, false, 0},
        {"2:{1:'action.gateway_websocket_broadcast'}", false, false, 0},
        {"2:{1:''}", false, false, 0},
    };
#undef R
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct trigger_request req;
        struct status found = read_update(CASES[i].text, &req);
        if ((found.code == STATUS_OK) != CASES[i].good)
            fail_msg("%s: %s", CASES[i].text, found.message);
        if (CASES[i].good) {
            assert_int_equal(req.mask, CASES[i].mask);
            assert_int_equal(req.has_rule, CASES[i].has_rule);
        } else {
            assert_int_equal(found.n_violations, 1);
            assert_string_equal(found.violations[0].field, "update_mask");
        }
        trigger_spec_fini(&req.spec);
    }
}

/* A request says nothing of the filter, says that there is to be none, or names it alone. */
static void test_filter_given(void **state)
{
    static const struct {
        const char *text;
        bool given;
    } CASES[] = {
        {"2:{1:'source'} 6:{9:{5:'t'}}", false},
        {"2:{1:'source.container_registry.tag'} 6:{9:{5:'t'}}", false},
        {"2:{1:'source'} 6:{9:{50001:{}}}", true},
        {"2:{1:'source.container_registry.filter'} 6:{9:{50001:{2:'v*'}}}", true},
        {"2:{1:'source.container_registry.filter'}", true},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct trigger_request req;
        assert_int_equal(read_update(CASES[i].text, &req).code, STATUS_OK);
        assert_int_equal(req.spec.filter != NULL, CASES[i].given);
        trigger_spec_fini(&req.spec);
    }
}

static void test_make(void **state)
{
    struct trigger_request req;
    struct pb_arena a;
    struct buf got, want;
    (void) state;
    assert_int_equal(read_create("2:'abc' 4:{1:'k' 2:'v'} 5:{9:{2:[3 2] 3:'crt' 6:{1:3 3:{1:2}} "
                                 "50001:{3:'sha256:0*'}}} 6:{3:{1:'d5d' 2:'/' 3:'aje'}}",
                                 &req)
                         .code,
                     STATUS_OK);
    pb_arena_init(&a, 0);
    buf_init(&got, WIRE_MAX);
    buf_init(&want, WIRE_MAX);
    (void) snprintf(req.spec.id, sizeof(req.spec.id), "a1s00000000000000001");
    req.spec.created_ns = 1000000000;
    req.spec.status = TRIGGER_PAUSED;
    assert_int_equal(pb_pack(&pb_trigger_v2_make(&a, &req.spec)->base, &got), 0);
    (void) wire_items(
        &want,
        "1:'a1s00000000000000001' 3:{1:1} 4:'abc' 6:{1:'k' 2:'v'} 8:{9:{2:[3 2] "
        "3:'crt' 6:{1:3 3:{1:2}} 50001:{3:'sha256:0*'}}} 9:{3:{1:'d5d' 2:'/' 3:'aje'}} 10:2",
        '\0');
    assert_true(slice_eq(buf_slice(&got), buf_slice(&want)));
    buf_fini(&got);
    buf_fini(&want);
    pb_arena_fini(&a);
    trigger_spec_fini(&req.spec);
}

static void test_status(void **state)
{
    struct status from = {.code = STATUS_OK}, to;
    (void) state;
    status_violate(&from, FIELD_BROADCAST "path", "is required");
    status_violate(&from, FIELD_BATCH "size", "must be 100%% fine");
    status_violate(&from, FIELD_BATCH "cutoff", "is required");
    status_violate(&from, "rule", "is required");
    status_violate(&from, "page_size", "must be less");
    pb_trigger_v2_status(&from, &to);
    assert_int_equal(to.code, STATUS_INVALID_ARGUMENT);
    assert_string_equal(to.message, "action[0].gateway_websocket_broadcast.path: is required");
    static const char *const FIELDS[] = {"action[0].gateway_websocket_broadcast.path",
                                         "source.container_registry.batch_settings.max_count",
                                         "source.container_registry.batch_settings.cutoff",
                                         "source", "page_size"};
    assert_int_equal(to.n_violations, ARRAY_LEN(FIELDS));
    for (size_t i = 0; i < ARRAY_LEN(FIELDS); i++)
        assert_string_equal(to.violations[i].field, FIELDS[i]);
    assert_string_equal(to.violations[1].description, "must be 100% fine");
    status_set(&from, STATUS_RESOURCE_EXHAUSTED, "too many");
    from.quota = (struct status_quota){.name = "triggers", .limit = 1};
    pb_trigger_v2_status(&from, &to); /* everything else as it was */
    assert_memory_equal(&from, &to, sizeof(to));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_v1),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_filter_given), cmocka_unit_test(test_masks),
        cmocka_unit_test(test_make),         cmocka_unit_test(test_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
