/* Tests of gateway/grpc_trigger_v2.c: each method on the real admin, beside v1's. */
#include "grpc_double.h"

#include "log.h"
#include "pb_operation.h"
#include "pb_trigger.h"
#include "pb_trigger_v2.h"

#include <google/protobuf/empty.pb-c.h>

#define SOURCE "{9:{2:[1 3] 3:'" REGISTRY "' 5:'old' 6:{1:3 3:{1:20}}}}"
#define ACTION "{3:{1:'" GATEWAY "' 2:'/' 3:'" ACCOUNT "'}}"
#define CREATE "1:'" FOLDER "' 2:'two' 5:" SOURCE " 6:" ACTION
#define CREATE_V1                                                                                  \
    "1:'" FOLDER "' 2:'one' 5:{6:{3:[1] 4:'" REGISTRY "' 103:{1:'" GATEWAY "' 2:'/' 3:'" ACCOUNT   \
    "'}}}"

typedef Yandex__Cloud__Serverless__Triggers__V2__ListTriggersResponse v2_triggers;
typedef Yandex__Cloud__Serverless__Triggers__V2__ListTriggerOperationsResponse v2_operations;
typedef Yandex__Cloud__Serverless__Triggers__V1__ListTriggersResponse v1_triggers;
typedef Yandex__Cloud__Serverless__Triggers__V2__CreateTriggerMetadata v2_metadata;

static int teardown(void **state)
{
    grpc_double_fini();
    return bed_teardown(state);
}

static const char *ask(const char *format, const char *id)
{
    static char text[512];
    (void) snprintf(text, sizeof(text), "1:'%s' %s", id, format);
    return text;
}

static void expect_operation(const ProtobufCMessageDescriptor *metadata,
                             const ProtobufCMessageDescriptor *response, char ret_trigger[ID_SIZE],
                             char ret_operation[ID_SIZE])
{
    struct pb_arena a;
    pb_arena_init(&a, WIRE_MAX);
    const pb_operation *o = grpc_got(&yandex__cloud__operation__operation__descriptor, &a);
    assert_true(o->done);
    const v2_metadata *m = grpc_unwrap(o->metadata, metadata, &a);
    (void) grpc_unwrap(o->response, response, &a);
    (void) snprintf(ret_trigger, ID_SIZE, "%s", m->trigger_id);
    (void) snprintf(ret_operation, ID_SIZE, "%s", o->id);
    pb_arena_fini(&a);
}

static const v2_trigger *get(struct bed *b, const char *id, struct pb_arena *a)
{
    (void) grpc_ask(b, &GRPC_TRIGGER_V2, "Get", ask("", id));
    return grpc_got(PB_V2(trigger), a);
}

static void test_life(void **state)
{
    struct bed *b = *state;
    struct pb_arena a;
    char id[ID_SIZE], again[ID_SIZE], operation[ID_SIZE], other[ID_SIZE];
    pb_arena_init(&a, WIRE_MAX);
    (void) grpc_ask(b, &GRPC_TRIGGER_V2, "Create", CREATE);
    expect_operation(PB_V2(create_trigger_metadata), PB_V2(trigger), id, operation);
    const v2_trigger *t = get(b, id, &a);
    assert_string_equal(t->name, "two");
    assert_int_equal(t->status, TRIGGER_ACTIVE);
    assert_int_equal(t->source->container_registry->n_event_type, 2);
    assert_int_equal(t->source->container_registry->batch_settings->max_count, 3);
    assert_int_equal(t->n_action, 1);
    assert_string_equal(t->action[0]->gateway_websocket_broadcast->path, "/");

    (void) grpc_ask(b, &GRPC_TRIGGER_V2, "Pause", ask("", id));
    expect_operation(PB_V2(pause_trigger_metadata), PB_V2(trigger), again, other);
    assert_int_equal(get(b, id, &a)->status, TRIGGER_PAUSED);
    (void) grpc_ask(b, &GRPC_TRIGGER_V2, "Resume", ask("", id));
    expect_operation(PB_V2(resume_trigger_metadata), PB_V2(trigger), again, other);

    /* As terraform does: all of it, and what has changed in the mask. */
    (void) grpc_ask(b, &GRPC_TRIGGER_V2, "Update",
                    ask("2:{1:'source.container_registry.tag' 1:'name'} 3:'three' "
                        "6:{9:{2:[1 3] 3:'" REGISTRY "' 5:'new' 6:{1:9 3:{1:20}}}} 7:" ACTION,
                        id));
    expect_operation(PB_V2(update_trigger_metadata), PB_V2(trigger), again, other);
    assert_string_equal(again, id);
    t = get(b, id, &a);
    assert_string_equal(t->name, "three");
    assert_string_equal(t->source->container_registry->tag, "new");
    assert_int_equal(t->source->container_registry->batch_settings->max_count, 3);
    (void) grpc_ask(b, &GRPC_TRIGGER_V2, "Update", ask("6:" SOURCE " 7:" ACTION, id)); /* no mask */
    t = get(b, id, &a);
    assert_string_equal(t->name, "");
    assert_string_equal(t->source->container_registry->tag, "old");

    (void) grpc_ask(b, &GRPC_TRIGGER_V2, "ListOperations", ask("", id));
    const v2_operations *list = grpc_got(PB_V2(list_trigger_operations_response), &a);
    assert_int_equal(list->n_operations, 5);
    assert_string_equal(list->operations[4]->id, operation);
    (void) grpc_ask(b, &GRPC_TRIGGER_V2, "Delete", ask("", id));
    expect_operation(PB_V2(delete_trigger_metadata), &google__protobuf__empty__descriptor, again,
                     other);
    assert_int_equal(grpc_ask(b, &GRPC_TRIGGER_V2, "Get", ask("", id))->code, STATUS_NOT_FOUND);
    pb_arena_fini(&a);
}

/* What one version makes is there in the other; an operation keeps the types it was made with,
 * whoever asks, and over a restart. */
static void test_beside_v1(void **state)
{
    struct bed *b = *state;
    struct pb_arena a;
    char one[ID_SIZE], two[ID_SIZE], by_v1[ID_SIZE], by_v2[ID_SIZE], id[ID_SIZE], other[ID_SIZE];
    pb_arena_init(&a, WIRE_MAX);
    (void) grpc_ask(b, &GRPC_TRIGGER, "Create", CREATE_V1);
    expect_operation(PB_V1(create_trigger_metadata), PB_V1(trigger), one, by_v1);
    (void) grpc_ask(b, &GRPC_TRIGGER_V2, "Create", CREATE);
    expect_operation(PB_V2(create_trigger_metadata), PB_V2(trigger), two, by_v2);
    double_restart(b);

    (void) grpc_ask(b, &GRPC_TRIGGER, "List", "1:'" FOLDER "'");
    const v1_triggers *list = grpc_got(PB_V1(list_triggers_response), &a);
    assert_int_equal(list->n_triggers, 2);
    assert_string_equal(list->triggers[1]->rule->container_registry->tag, "old");
    (void) grpc_ask(b, &GRPC_TRIGGER_V2, "List", "1:'" FOLDER "' 2:1 4:'name = \"one\"'");
    const v2_triggers *list2 = grpc_got(PB_V2(list_triggers_response), &a);
    assert_int_equal(list2->n_triggers, 1);
    assert_string_equal(list2->triggers[0]->id, one);
    assert_int_equal(list2->triggers[0]->source->container_registry->batch_settings->max_count, 1);

    (void) grpc_ask(b, &GRPC_OPERATION, "Get", ask("", by_v1));
    expect_operation(PB_V1(create_trigger_metadata), PB_V1(trigger), id, other);
    (void) grpc_ask(b, &GRPC_OPERATION, "Get", ask("", by_v2));
    expect_operation(PB_V2(create_trigger_metadata), PB_V2(trigger), id, other);
    assert_string_equal(id, two);
    (void) grpc_ask(b, &GRPC_TRIGGER, "Pause", ask("", two));
    expect_operation(PB_V1(pause_trigger_metadata), PB_V1(trigger), id, other);
    (void) grpc_ask(b, &GRPC_TRIGGER_V2, "ListOperations", ask("", two));
    const v2_operations *operations = grpc_got(PB_V2(list_trigger_operations_response), &a);
    assert_int_equal(operations->n_operations, 2);
    (void) grpc_unwrap(operations->operations[0]->response, PB_V1(trigger), &a);
    (void) grpc_unwrap(operations->operations[1]->response, PB_V2(trigger), &a);
    pb_arena_fini(&a);
}

static void test_refused(void **state)
{
    static const struct {
        const char *name, *request;
        enum status_code code;
        const char *field; /* NULL: no violation */
    } CASES[] = {
        {"Get", "", STATUS_INVALID_ARGUMENT, "trigger_id"},
        {"Get", "1:'a1snone'", STATUS_NOT_FOUND, NULL},
        {"Get", "1:'a b'", STATUS_INVALID_ARGUMENT, "trigger_id"},
        {"List", "", STATUS_INVALID_ARGUMENT, "folder_id"},
        {"List", "1:'" FOLDER "' 2:1001", STATUS_INVALID_ARGUMENT, "page_size"},
        {"Create", "1:'" FOLDER "'", STATUS_INVALID_ARGUMENT, "source"},
        {"Create", "1:'" FOLDER "' 5:" SOURCE, STATUS_INVALID_ARGUMENT,
         "action[0].gateway_websocket_broadcast.gateway_id"},
        {"Create", "1:'" FOLDER "' 6:" ACTION, STATUS_INVALID_ARGUMENT,
         "source.container_registry.event_type"},
        {"Create", "1:'" FOLDER "' 5:" SOURCE " 6:{3:{1:'" GATEWAY "' 2:'/no' 3:'" ACCOUNT "'}}",
         STATUS_INVALID_ARGUMENT, "action[0].gateway_websocket_broadcast.path"},
        {"Create", "5:{1:{}}", STATUS_UNIMPLEMENTED, NULL},
        {"Create", CREATE, STATUS_ALREADY_EXISTS, NULL},
        {"Update", "1:'a1snone' 2:{1:'rule'}", STATUS_INVALID_ARGUMENT, "update_mask"},
        {"Update", "1:'a1snone' 2:{1:'source'}", STATUS_INVALID_ARGUMENT,
         "source.container_registry.registry_id"},
        {"Update", "1:'a1snone' 2:{1:'name'}", STATUS_NOT_FOUND, NULL},
        {"Delete", "", STATUS_INVALID_ARGUMENT, "trigger_id"},
        {"Pause", "1:'a1snone'", STATUS_NOT_FOUND, NULL},
        {"Resume", "1:'a1snone'", STATUS_NOT_FOUND, NULL},
        {"ListOperations", "1:'a1snone'", STATUS_NOT_FOUND, NULL},
    };
    struct bed *b = *state;
    (void) grpc_ask(b, &GRPC_TRIGGER_V2, "Create", CREATE);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct status *error = grpc_ask(b, &GRPC_TRIGGER_V2, CASES[i].name, CASES[i].request);
        if (error->code != CASES[i].code)
            fail_msg("%s %s: %d %s", CASES[i].name, CASES[i].request, (int) error->code,
                     error->message);
        if (CASES[i].field != NULL && !double_names(error, CASES[i].field))
            fail_msg("%s %s: %s", CASES[i].name, CASES[i].request, error->message);
    }
    assert_int_equal(b->pipeline.n_changes, 1);
    b->iam.granted[IAM_FOLDER] = 0;
    for (size_t i = 0; i < GRPC_TRIGGER_V2.n; i++)
        assert_int_equal(grpc_ask(b, &GRPC_TRIGGER_V2, GRPC_TRIGGER_V2.at[i].name, "")->code,
                         STATUS_PERMISSION_DENIED);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, bed_setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_life),
        TEST(test_beside_v1),
        TEST(test_refused),
    };
#undef TEST
    log_set_level(LOG_N_LEVELS);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
