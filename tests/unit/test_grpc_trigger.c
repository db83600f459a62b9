/* Tests of gateway/grpc_trigger.c, grpc_operation.c and grpc_admin.c: each method on the real
 * admin. */
#include "grpc_double.h"

#include "grpc_admin.h"
#include "log.h"
#include "pb_operation.h"
#include "pb_trigger.h"

#include <google/protobuf/empty.pb-c.h>

#define CREATE_RULE                                                                                \
    "{6:{3:[1 3] 4:'" REGISTRY "' 7:{1:3 2:{1:20}} 103:{1:'" GATEWAY "' 2:'/' 3:'" ACCOUNT "'}}}"
#define ID_50        "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee"
#define CREATE(name) "1:'" FOLDER "' 2:'" name "' 5:" CREATE_RULE

typedef Yandex__Cloud__Serverless__Triggers__V1__ListTriggersResponse v1_triggers;
typedef Yandex__Cloud__Serverless__Triggers__V1__ListTriggerOperationsResponse v1_operations;
typedef Yandex__Cloud__Serverless__Triggers__V1__CreateTriggerMetadata v1_metadata;

static int setup(void **state)
{
    return bed_setup(state);
}

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

/* The operation that was answered: its trigger's id, and what it says of itself. */
static void expect_operation(const char *description, const ProtobufCMessageDescriptor *metadata,
                             char ret_trigger[ID_SIZE], char ret_operation[ID_SIZE])
{
    struct pb_arena a;
    pb_arena_init(&a, WIRE_MAX);
    const pb_operation *o = grpc_got(&yandex__cloud__operation__operation__descriptor, &a);
    assert_true(o->done);
    assert_string_equal(o->description, description);
    assert_string_equal(o->created_by, "ajeuser0000000000001");
    assert_int_equal(o->created_at->seconds, DOUBLE_NOW / 1000);
    assert_non_null(o->modified_at);
    const v1_metadata *m = grpc_unwrap(o->metadata, metadata, &a);
    assert_int_equal(o->result_case, YANDEX__CLOUD__OPERATION__OPERATION__RESULT_RESPONSE);
    if (metadata == PB_V1(delete_trigger_metadata)) {
        (void) grpc_unwrap(o->response, &google__protobuf__empty__descriptor, &a);
    } else {
        const v1_trigger *t = grpc_unwrap(o->response, PB_V1(trigger), &a);
        assert_string_equal(t->id, m->trigger_id);
    }
    assert_true(strlen(m->trigger_id) < ID_SIZE && strlen(o->id) < ID_SIZE);
    memcpy(ret_trigger, m->trigger_id, strlen(m->trigger_id) + 1);
    memcpy(ret_operation, o->id, strlen(o->id) + 1);
    pb_arena_fini(&a);
}

static void expect_trigger(const char *name, int status)
{
    struct pb_arena a;
    pb_arena_init(&a, WIRE_MAX);
    const v1_trigger *t = grpc_got(PB_V1(trigger), &a);
    assert_string_equal(t->name, name);
    assert_int_equal(t->status, status);
    assert_string_equal(t->folder_id, FOLDER);
    assert_int_equal(t->created_at->seconds, DOUBLE_NOW / 1000);
    assert_int_equal(t->rule->container_registry->n_event_type, 2);
    assert_int_equal(t->rule->container_registry->batch_settings->size, 3);
    assert_int_equal(t->rule->container_registry->batch_settings->cutoff->seconds, 20);
    pb_arena_fini(&a);
}

static void test_life(void **state)
{
    struct bed *b = *state;
    char id[ID_SIZE], again[ID_SIZE], operation[ID_SIZE], other[ID_SIZE];
    (void) grpc_ask(b, &GRPC_TRIGGER, "Create", CREATE("one"));
    expect_operation("Create trigger", PB_V1(create_trigger_metadata), id, operation);
    (void) grpc_ask(b, &GRPC_OPERATION, "Get", ask("", operation));
    expect_operation("Create trigger", PB_V1(create_trigger_metadata), again, other);
    assert_string_equal(again, id);
    assert_string_equal(other, operation);
    (void) grpc_ask(b, &GRPC_OPERATION, "Cancel", ask("", operation));
    expect_operation("Create trigger", PB_V1(create_trigger_metadata), again, other);
    (void) grpc_ask(b, &GRPC_TRIGGER, "Get", ask("", id));
    expect_trigger("one", TRIGGER_ACTIVE);
    (void) grpc_ask(b, &GRPC_TRIGGER, "Pause", ask("", id));
    expect_operation("Pause trigger", PB_V1(pause_trigger_metadata), again, operation);
    (void) grpc_ask(b, &GRPC_TRIGGER, "Get", ask("", id));
    expect_trigger("one", TRIGGER_PAUSED);
    (void) grpc_ask(b, &GRPC_TRIGGER, "Resume", ask("", id));
    expect_operation("Resume trigger", PB_V1(resume_trigger_metadata), again, operation);
    (void) grpc_ask(b, &GRPC_TRIGGER, "Update", ask("2:{1:'name'} 3:'two'", id));
    expect_operation("Update trigger", PB_V1(update_trigger_metadata), again, operation);
    assert_string_equal(again, id);
    (void) grpc_ask(b, &GRPC_TRIGGER, "Get", ask("", id));
    expect_trigger("two", TRIGGER_ACTIVE);
    (void) grpc_ask(b, &GRPC_TRIGGER, "Update", ask("6:" CREATE_RULE, id)); /* no mask */
    expect_operation("Update trigger", PB_V1(update_trigger_metadata), again, operation);
    (void) grpc_ask(b, &GRPC_TRIGGER, "Get", ask("", id));
    expect_trigger("", TRIGGER_ACTIVE);
    (void) grpc_ask(b, &GRPC_TRIGGER, "Delete", ask("", id));
    expect_operation("Delete trigger", PB_V1(delete_trigger_metadata), again, operation);
    assert_int_equal(grpc_ask(b, &GRPC_TRIGGER, "Get", ask("", id))->code, STATUS_NOT_FOUND);
}

static void test_lists(void **state)
{
    struct bed *b = *state;
    struct pb_arena a;
    char id[ID_SIZE], operation[ID_SIZE], next[256];
    pb_arena_init(&a, WIRE_MAX);
    (void) grpc_ask(b, &GRPC_TRIGGER, "List", "1:'" FOLDER "'");
    const v1_triggers *list = grpc_got(PB_V1(list_triggers_response), &a);
    assert_int_equal(list->n_triggers, 0);
    assert_string_equal(list->next_page_token, "");
    (void) grpc_ask(b, &GRPC_TRIGGER, "Create", CREATE("one"));
    (void) grpc_ask(b, &GRPC_TRIGGER, "Create", CREATE("two"));
    expect_operation("Create trigger", PB_V1(create_trigger_metadata), id, operation);
    (void) grpc_ask(b, &GRPC_TRIGGER, "List", "1:'" FOLDER "' 2:1");
    list = grpc_got(PB_V1(list_triggers_response), &a);
    assert_int_equal(list->n_triggers, 1);
    assert_string_equal(list->triggers[0]->name, "one");
    (void) snprintf(next, sizeof(next), "1:'" FOLDER "' 2:1 3:'%s'", list->next_page_token);
    (void) grpc_ask(b, &GRPC_TRIGGER, "List", next);
    list = grpc_got(PB_V1(list_triggers_response), &a);
    assert_string_equal(list->triggers[0]->name, "two");
    assert_string_equal(list->next_page_token, "");
    (void) grpc_ask(b, &GRPC_TRIGGER, "List", "1:'" FOLDER "' 2:100 4:'name = \"two\"'");
    list = grpc_got(PB_V1(list_triggers_response), &a);
    assert_int_equal(list->n_triggers, 1);
    assert_string_equal(list->triggers[0]->name, "two");

    (void) grpc_ask(b, &GRPC_TRIGGER, "Pause", ask("", id));
    (void) grpc_ask(b, &GRPC_TRIGGER, "ListOperations", ask("2:1", id));
    const v1_operations *operations = grpc_got(PB_V1(list_trigger_operations_response), &a);
    assert_int_equal(operations->n_operations, 1);
    assert_string_equal(operations->operations[0]->description, "Pause trigger");
    (void) snprintf(next, sizeof(next), "1:'%s' 3:'%s'", id, operations->next_page_token);
    (void) grpc_ask(b, &GRPC_TRIGGER, "ListOperations", next);
    operations = grpc_got(PB_V1(list_trigger_operations_response), &a);
    assert_int_equal(operations->n_operations, 1);
    assert_string_equal(operations->operations[0]->id, operation);
    assert_string_equal(operations->next_page_token, "");
    pb_arena_fini(&a);
}

static void test_refused(void **state)
{
    static const struct {
        const struct grpc_methods *methods;
        const char *name, *request;
        enum status_code code;
        const char *field; /* NULL: no violation */
    } CASES[] = {
        {&GRPC_TRIGGER, "Get", "", STATUS_INVALID_ARGUMENT, "trigger_id"},
        {&GRPC_TRIGGER, "Get", "1:'a1snone'", STATUS_NOT_FOUND, NULL},
        {&GRPC_TRIGGER, "Get", "1:'" ID_50 "'", STATUS_NOT_FOUND, NULL},
        {&GRPC_TRIGGER, "Get", "1:'" ID_50 "a'", STATUS_INVALID_ARGUMENT, "trigger_id"},
        {&GRPC_TRIGGER, "Delete", "1:'a b'", STATUS_INVALID_ARGUMENT, "trigger_id"},
        {&GRPC_TRIGGER, "List", "", STATUS_INVALID_ARGUMENT, "folder_id"},
        {&GRPC_TRIGGER, "List", "1:'b1gother'", STATUS_NOT_FOUND, NULL},
        {&GRPC_TRIGGER, "List", "1:'" FOLDER "' 2:1001", STATUS_INVALID_ARGUMENT, "page_size"},
        {&GRPC_TRIGGER, "List", "1:'" FOLDER "' 2:-1", STATUS_INVALID_ARGUMENT, "page_size"},
        {&GRPC_TRIGGER, "List", "1:'" FOLDER "' 3:'x'", STATUS_INVALID_ARGUMENT, "page_token"},
        {&GRPC_TRIGGER, "List", "1:'" FOLDER "' 4:'id=1'", STATUS_INVALID_ARGUMENT, "filter"},
        {&GRPC_TRIGGER, "Create", "", STATUS_INVALID_ARGUMENT, "rule"},
        {&GRPC_TRIGGER, "Create", "5:{6:{3:9}}", STATUS_INVALID_ARGUMENT,
         "rule.container_registry.event_type"},
        {&GRPC_TRIGGER, "Create", "5:{2:{}}", STATUS_UNIMPLEMENTED, NULL},
        {&GRPC_TRIGGER, "Create", CREATE("taken"), STATUS_ALREADY_EXISTS, NULL},
        {&GRPC_TRIGGER, "Update", "1:'a1snone' 2:{1:'x'}", STATUS_INVALID_ARGUMENT, "update_mask"},
        {&GRPC_TRIGGER, "Update", "1:'a1snone' 2:{1:'name'}", STATUS_NOT_FOUND, NULL},
        {&GRPC_TRIGGER, "Update", "2:{1:'name'}", STATUS_INVALID_ARGUMENT, "trigger_id"},
        {&GRPC_TRIGGER, "Delete", "", STATUS_INVALID_ARGUMENT, "trigger_id"},
        {&GRPC_TRIGGER, "Pause", "1:'a1snone'", STATUS_NOT_FOUND, NULL},
        {&GRPC_TRIGGER, "Resume", "1:'a1snone'", STATUS_NOT_FOUND, NULL},
        {&GRPC_TRIGGER, "ListOperations", "1:'a1snone'", STATUS_NOT_FOUND, NULL},
        {&GRPC_OPERATION, "Get", "", STATUS_INVALID_ARGUMENT, "operation_id"},
        {&GRPC_OPERATION, "Get", "1:'a1snone'", STATUS_NOT_FOUND, NULL},
        {&GRPC_OPERATION, "Cancel", "1:'" ID_50 "a'", STATUS_INVALID_ARGUMENT, "operation_id"},
        {&GRPC_OPERATION, "Cancel", "1:'a1snone'", STATUS_NOT_FOUND, NULL},
    };
    struct bed *b = *state;
    (void) grpc_ask(b, &GRPC_TRIGGER, "Create", CREATE("taken"));
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct status *error = grpc_ask(b, CASES[i].methods, CASES[i].name, CASES[i].request);
        if (error->code != CASES[i].code)
            fail_msg("%s %s: %d %s", CASES[i].name, CASES[i].request, (int) error->code,
                     error->message);
        if (CASES[i].field != NULL)
            assert_true(double_names(error, CASES[i].field));
    }
    assert_int_equal(b->pipeline.n_changes, 1);
}

/* Who may not, gets nothing else to hear. */
static void test_denied(void **state)
{
    struct bed *b = *state;
    b->iam.granted[IAM_FOLDER] = 0;
    for (size_t i = 0; i < GRPC_TRIGGER.n; i++)
        assert_int_equal(grpc_ask(b, &GRPC_TRIGGER, GRPC_TRIGGER.at[i].name, "")->code,
                         STATUS_PERMISSION_DENIED);
    for (size_t i = 0; i < GRPC_OPERATION.n; i++)
        assert_int_equal(grpc_ask(b, &GRPC_OPERATION, GRPC_OPERATION.at[i].name, "")->code,
                         STATUS_PERMISSION_DENIED);
}

static void test_idempotent(void **state)
{
    struct bed *b = *state;
    char id[ID_SIZE], again[ID_SIZE], first[ID_SIZE], second[ID_SIZE];
    (void) grpc_ask_with_key(b, &GRPC_TRIGGER, "Create", CREATE("one"), "key");
    expect_operation("Create trigger", PB_V1(create_trigger_metadata), id, first);
    (void) grpc_ask_with_key(b, &GRPC_TRIGGER, "Create", CREATE("one"), "key");
    expect_operation("Create trigger", PB_V1(create_trigger_metadata), again, second);
    assert_string_equal(first, second);
    assert_int_equal(b->pipeline.n, 1);
    assert_int_equal(grpc_ask_with_key(b, &GRPC_TRIGGER, "Create", CREATE("two"), "key")->code,
                     STATUS_INVALID_ARGUMENT);
}

/* A response that cannot be read is no answer at all. */
static void test_damaged(void **state)
{
    struct pb_arena a;
    struct operation o = {.id = "a1s1", .kind = OPERATION_CREATE_TRIGGER, .trigger_id = "a1s2"};
    struct grpc_call call = {.manage = NULL};
    (void) state;
    buf_init(&o.response, 100);
    assert_int_equal(buf_append(&o.response, SLICE_LIT("T\1damaged")), 0);
    pb_arena_init(&a, 0);
    assert_null(pb_operation_make(&a, &o));
    pb_arena_fini(&a);
    grpc_double_fini();
    grpc_admin_operation(&call, &(struct admin_answer){.operation = &o});
    assert_int_equal(grpc_answer.error.code, STATUS_RESOURCE_EXHAUSTED);
    operation_fini(&o);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_life),   TEST(test_lists),      TEST(test_refused),
        TEST(test_denied), TEST(test_idempotent), TEST(test_damaged),
    };
#undef TEST
    log_set_level(LOG_N_LEVELS);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
