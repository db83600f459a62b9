/* Tests of broker/admin.c: who may do what, what is not found, lists while triggers come and go.
 * pipeline.c and iam.c are doubles. */
#include "admin_double.h"
#include "log.h"

/* --- permissions: each operation with each permission taken away --- */

static void test_permissions(void **state)
{
    struct bed *b = *state;
    static const struct {
        const char *name;
        enum iam_kind kind;
        enum iam_permission missing;
        unsigned refused; /* bits of enum op */
        const char *says;
    } CASES[] = {
        {"no viewer", IAM_FOLDER, IAM_TRIGGER_VIEW,
         BIT(GET) | BIT(LIST) | BIT(LIST_OPS) | BIT(OP_GET),
         "lacks role functions.viewer on folder " FOLDER},
        {"no editor", IAM_FOLDER, IAM_TRIGGER_EDIT,
         BIT(CREATE) | BIT(UPDATE) | BIT(RENAME) | BIT(DELETE) | BIT(PAUSE) | BIT(RESUME) |
             BIT(OP_CANCEL),
         "lacks role functions.editor on folder " FOLDER},
        {"not a user of the account", IAM_ACCOUNT, IAM_ACCOUNT_USE, BIT(CREATE) | BIT(UPDATE),
         "lacks role iam.serviceAccounts.user on service account " ACCOUNT},
        {"no puller", IAM_REGISTRY, IAM_REGISTRY_PULL, BIT(CREATE) | BIT(UPDATE),
         "lacks role container-registry.images.puller on registry " REGISTRY},
        {"not on the gateway", IAM_GATEWAY, IAM_TRIGGER_EDIT, 0, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        for (unsigned op = CREATE; op < N; op++) {
            print_message("  %s, operation %u\n", CASES[i].name, op);
            struct answer made, *r = &b->answers[1];
            made = *double_create(b, "trigger-1");
            bool refused = (CASES[i].refused & BIT(op)) != 0;
            uint64_t denied = double_denied(b);
            size_t changes = b->pipeline.n_changes;
            b->iam.granted[CASES[i].kind] &= ~BIT(CASES[i].missing);
            unsigned before = r->n;
            double_ask(b, (enum op) op, made.trigger_id, made.operation_id, r);
            assert_int_equal(r->n, before + 1);
            assert_int_equal(r->error.code, refused ? STATUS_PERMISSION_DENIED : STATUS_OK);
            assert_int_equal(double_denied(b) - denied, refused);
            if (refused) {
                assert_non_null(strstr(r->error.message, CASES[i].says));
                assert_non_null(strstr(r->error.message, b->call.subject.id));
                assert_int_equal(b->pipeline.n_changes, changes);
            }
            b->iam.granted[CASES[i].kind] = EVERYTHING;
            for (size_t k = b->pipeline.n; k-- > 0;)
                admin_trigger_delete(b->admin, &b->call, b->pipeline.at[k].id, on_operation,
                                     &b->answers[2]);
            assert_int_equal(b->pipeline.n, 0);
        }
}

/* Who may not look learns nothing about what there is. */
static void test_denied_before_not_found(void **state)
{
    struct bed *b = *state;
    struct answer *r = &b->answers[1];
    struct status found = {.code = STATUS_OK};
    status_violate(&found, "labels", "wrong");
    for (int allowed = 0; allowed < 2; allowed++)
        for (unsigned op = UPDATE; op < N; op++) {
            if (op == LIST)
                continue;
            b->iam.granted[IAM_FOLDER] = allowed ? EVERYTHING : 0;
            double_ask(b, (enum op) op, "a1snosuch", "a1snosuch", r);
            assert_int_equal(r->error.code, allowed ? STATUS_NOT_FOUND : STATUS_PERMISSION_DENIED);
            if (allowed)
                assert_string_equal(r->error.message, op < OP_GET
                                                          ? "Trigger a1snosuch not found"
                                                          : "Operation a1snosuch not found");
            double_ask(b, (enum op) op, "", "", r);
            assert_int_equal(r->error.code,
                             allowed ? STATUS_INVALID_ARGUMENT : STATUS_PERMISSION_DENIED);
        }
    b->call.found = &found; /* what the transport found is told after that, too */
    for (unsigned op = CREATE; op < N; op++) {
        b->iam.granted[IAM_FOLDER] = 0;
        double_ask(b, (enum op) op, "a1snosuch", "a1snosuch", r);
        assert_int_equal(r->error.code, STATUS_PERMISSION_DENIED);
        b->iam.granted[IAM_FOLDER] = EVERYTHING;
        double_ask(b, (enum op) op, "a1snosuch", "a1snosuch", r);
        assert_true(double_names(&r->error, "labels"));
    }
    assert_int_equal(b->pipeline.n_changes, 0);
}

static void test_connections(void **state)
{
    struct bed *b = *state;
    struct status error = {.code = STATUS_OK};
    assert_true(admin_may_gateway(b->admin, &b->call, IAM_CONNECTION_WRITE, &error));
    assert_int_equal(error.code, STATUS_OK);
    struct iam other = {{0}};
    other.granted[IAM_GATEWAY] = BIT(IAM_CONNECTION_VIEW);
    admin_set_iam(b->admin, &other);
    assert_true(admin_may_gateway(b->admin, &b->call, IAM_CONNECTION_VIEW, &error));
    assert_false(admin_may_gateway(b->admin, &b->call, IAM_CONNECTION_WRITE, &error));
    assert_int_equal(error.code, STATUS_PERMISSION_DENIED);
    assert_non_null(
        strstr(error.message, "lacks role api-gateway.websocketWriter on gateway " GATEWAY));
    assert_int_equal(double_denied(b), 1);
}

static void test_other_rule(void **state)
{
    struct bed *b = *state;
    struct answer *r = &b->answers[0];
    struct status found;
    admin_other_rule("timer", &found);
    b->call.found = &found;
    admin_trigger_create(b->admin, &b->call, &b->spec, false, on_operation, r);
    assert_int_equal(r->error.code, STATUS_UNIMPLEMENTED);
    assert_memory_equal(r->error.message, "timer is not supported", 22);
    assert_int_equal(r->error.n_violations, 0);
}

/* --- lists --- */

static void list(struct bed *b, int64_t size, const char *token, const char *filter,
                 struct answer *r)
{
    const struct admin_page page = {size, token, filter};
    admin_trigger_list(b->admin, &b->call, FOLDER, &page, on_triggers, r);
}

static void test_list_refuses(void **state)
{
    struct bed *b = *state;
    static const struct {
        const char *folder;
        int64_t size;
        const char *token, *filter;
        enum status_code code;
        const char *field;
    } CASES[] = {
        {FOLDER, 0, "", "", STATUS_OK, NULL},
        {FOLDER, 1000, "", "name=abc", STATUS_OK, NULL},
        {"", 0, "", "", STATUS_INVALID_ARGUMENT, "folder_id"},
        {"b1gother", 0, "", "", STATUS_NOT_FOUND, NULL},
        {FOLDER, -1, "", "", STATUS_INVALID_ARGUMENT, "page_size"},
        {FOLDER, 1001, "", "", STATUS_INVALID_ARGUMENT, "page_size"},
        {FOLDER, INT64_MIN, "", "", STATUS_INVALID_ARGUMENT, "page_size"},
        {FOLDER, 0, "x", "", STATUS_INVALID_ARGUMENT, "page_token"},
        {FOLDER, 0, "", "id=abc", STATUS_INVALID_ARGUMENT, "filter"},
    };
    struct answer *r = &b->answers[1];
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct admin_page page = {CASES[i].size, CASES[i].token, CASES[i].filter};
        admin_trigger_list(b->admin, &b->call, CASES[i].folder, &page, on_triggers, r);
        assert_int_equal(r->error.code, CASES[i].code);
        if (CASES[i].field != NULL)
            assert_true(double_names(&r->error, CASES[i].field));
    }
}

static void test_filter(void **state)
{
    struct bed *b = *state;
    struct answer *r = &b->answers[1];
    (void) double_create(b, "one");
    (void) double_create(b, "two");
    (void) double_create(b, "");
    list(b, 0, "", "name = \"two\"", r);
    assert_string_equal(r->names, "two");
    assert_string_equal(r->next, "");
    list(b, 0, "", "name=three", r);
    assert_string_equal(r->names, "");
    list(b, 0, "", "", r);
    assert_string_equal(r->names, "one two ");
}

static void test_pages(void **state)
{
    struct bed *b = *state;
    struct answer *r = &b->answers[1];
    char name[16];
    b->cfg.management.max_triggers = DOUBLE_MAX;
    for (unsigned i = 0; i < 101; i++) {
        (void) snprintf(name, sizeof(name), "t%03u", i);
        (void) double_create(b, name);
    }
    list(b, 0, "", "", r); /* 100 by default */
    assert_memory_equal(r->names, "t000 t001 ", 10);
    assert_string_equal(r->names + strlen(r->names) - 9, "t098 t099");
    char token[sizeof(r->next)];
    memcpy(token, r->next, sizeof(token));
    list(b, 0, token, "", r);
    assert_string_equal(r->names, "t100");
    assert_string_equal(r->next, "");
    list(b, 0, token, "name=t100", r); /* a token of the list without the filter */
    assert_true(double_names(&r->error, "page_token"));
    list(b, 101, "", "", r); /* exactly all */
    assert_string_equal(r->next, "");
    list(b, 2, "", "", r);
    assert_string_equal(r->names, "t000 t001");
}

static void delete_named(struct bed *b, const char *name)
{
    for (size_t i = b->pipeline.n; i-- > 0;)
        if (strcmp(b->pipeline.at[i].name, name) == 0)
            admin_trigger_delete(b->admin, &b->call, b->pipeline.at[i].id, on_operation,
                                 &b->answers[2]);
    assert_int_equal(b->answers[2].error.code, STATUS_OK);
}

/* Between two pages what was seen goes, what is next goes, new ones come, a clock steps back. */
static void test_pages_under_changes(void **state)
{
    struct bed *b = *state;
    struct answer *r = &b->answers[1];
    static const char *const NAMES[] = {"aaa", "bbb", "ccc", "ddd", "eee", "fff"};
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        clock_freeze(0, DOUBLE_NOW + i / 2); /* two in each millisecond */
        (void) double_create(b, NAMES[i]);
    }
    list(b, 2, "", "", r);
    assert_string_equal(r->names, "aaa bbb");
    delete_named(b, "aaa");
    delete_named(b, "bbb"); /* the one the token names */
    list(b, 2, r->next, "", r);
    assert_string_equal(r->names, "ccc ddd");
    delete_named(b, "eee");
    clock_freeze(0, DOUBLE_NOW - 3600000); /* the clock was set back: it is the last one still */
    (void) double_create(b, "ggg");
    list(b, 2, r->next, "", r);
    assert_string_equal(r->names, "fff ggg");
    assert_string_equal(r->next, "");
}

static void test_operations_of_a_trigger(void **state)
{
    struct bed *b = *state;
    struct answer *r = &b->answers[1];
    char id[ID_SIZE], token[101];
    memcpy(id, double_create(b, "one")->trigger_id, sizeof(id));
    (void) double_create(b, "two");
    admin_trigger_pause(b->admin, &b->call, id, on_operation, r);
    admin_trigger_resume(b->admin, &b->call, id, on_operation, r);
    admin_trigger_update(b->admin, &b->call, id, ADMIN_NAME, &b->spec, false, on_operation, r);
    assert_int_equal(r->error.code, STATUS_ALREADY_EXISTS); /* makes no operation */

    struct admin_page page = {2, "", ""};
    admin_trigger_operations(b->admin, &b->call, id, &page, on_operations, r);
    assert_string_equal(r->names, "Resume trigger Pause trigger");
    memcpy(token, r->next, sizeof(token));
    admin_trigger_pause(b->admin, &b->call, id, on_operation, r); /* a newer one */
    page.page_token = token;
    admin_trigger_operations(b->admin, &b->call, id, &page, on_operations, r);
    assert_string_equal(r->names, "Create trigger");
    assert_string_equal(r->next, "");
    admin_trigger_operations(b->admin, &b->call, b->pipeline.at[1].id, &page, on_operations, r);
    assert_true(double_names(&r->error, "page_token")); /* of another trigger */

    page = (struct admin_page){0, "", "name=one"};
    admin_trigger_operations(b->admin, &b->call, id, &page, on_operations, r);
    assert_true(double_names(&r->error, "filter"));
    delete_named(b, "one");
    page = (struct admin_page){1, "", ""};
    admin_trigger_operations(b->admin, &b->call, id, &page, on_operations, r);
    assert_string_equal(r->names, "Delete trigger"); /* though the trigger is gone */
    admin_trigger_get(b->admin, &b->call, id, on_trigger, r);
    assert_int_equal(r->error.code, STATUS_NOT_FOUND);
}

static void test_operations_survive(void **state)
{
    struct bed *b = *state;
    struct answer *r = &b->answers[1];
    struct answer made;
    made = *double_create(b, "one");
    double_restart(b);
    admin_operation_get(b->admin, &b->call, made.operation_id, on_operation, r);
    assert_int_equal(r->error.code, STATUS_OK);
    assert_string_equal(r->trigger_id, made.trigger_id);
    assert_string_equal(r->trigger.name, "one");
    assert_int_equal(r->kind, OPERATION_CREATE_TRIGGER);
    admin_operation_cancel(b->admin, &b->call, made.operation_id, on_operation, r);
    assert_string_equal(r->operation_id, made.operation_id);

    clock_freeze(0, DOUBLE_NOW - 5000); /* the clock was set back: ids still grow */
    char last[ID_SIZE];
    memcpy(last, made.operation_id, sizeof(last));
    assert_true(strcmp(double_create(b, "two")->operation_id, last) > 0);

    b->pipeline.operations[0].data[0] = 'X'; /* damage costs one operation, not the start */
    double_restart(b);
    admin_operation_get(b->admin, &b->call, last, on_operation, r);
    assert_int_equal(r->error.code, STATUS_NOT_FOUND);
    admin_operation_get(b->admin, &b->call, b->answers[0].operation_id, on_operation, r);
    assert_int_equal(r->error.code, STATUS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_permissions, bed_setup, bed_teardown),
        cmocka_unit_test_setup_teardown(test_denied_before_not_found, bed_setup, bed_teardown),
        cmocka_unit_test_setup_teardown(test_connections, bed_setup, bed_teardown),
        cmocka_unit_test_setup_teardown(test_other_rule, bed_setup, bed_teardown),
        cmocka_unit_test_setup_teardown(test_list_refuses, bed_setup, bed_teardown),
        cmocka_unit_test_setup_teardown(test_filter, bed_setup, bed_teardown),
        cmocka_unit_test_setup_teardown(test_pages, bed_setup, bed_teardown),
        cmocka_unit_test_setup_teardown(test_pages_under_changes, bed_setup, bed_teardown),
        cmocka_unit_test_setup_teardown(test_operations_of_a_trigger, bed_setup, bed_teardown),
        cmocka_unit_test_setup_teardown(test_operations_survive, bed_setup, bed_teardown),
    };
    log_set_level(LOG_N_LEVELS);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
