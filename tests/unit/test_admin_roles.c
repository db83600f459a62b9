/* Roles by operations, with the real iam.c: who has which role, on what, may do which. The pipeline
 * is a double. */
#define ADMIN_REAL_IAM
#include "admin_double.h"
#include "log.h"

#define USER "ajeuser0000000000001"

#define VIEWS (BIT(GET) | BIT(LIST) | BIT(LIST_OPS) | BIT(OP_GET))
#define EDITS (BIT(RENAME) | BIT(DELETE) | BIT(PAUSE) | BIT(RESUME) | BIT(OP_CANCEL))
#define USES  (BIT(CREATE) | BIT(UPDATE)) /* what names an account and a registry */

static const struct {
    const char *name;
    struct {
        const char *role;
        enum config_resource kind;
    } has[3];
    unsigned may;
} CASES[] = {
    {"nothing", {{NULL, CONFIG_FOLDER}}, 0},
    {"functions.auditor", {{"functions.auditor", CONFIG_FOLDER}}, 0},
    {"functions.viewer", {{"functions.viewer", CONFIG_FOLDER}}, VIEWS},
    {"functions.viewer of the cloud", {{"functions.viewer", CONFIG_CLOUD}}, VIEWS},
    {"functions.editor", {{"functions.editor", CONFIG_FOLDER}}, VIEWS | EDITS},
    {"functions.admin", {{"functions.admin", CONFIG_FOLDER}}, VIEWS | EDITS},
    {"functions.editor of the gateway", {{"functions.editor", CONFIG_GATEWAY}}, 0},
    {"with the account, not the registry",
     {{"functions.editor", CONFIG_FOLDER}, {"iam.serviceAccounts.user", CONFIG_ACCOUNT}},
     VIEWS | EDITS},
    {"with the registry, not the account",
     {{"functions.editor", CONFIG_FOLDER}, {"container-registry.images.puller", CONFIG_REGISTRY}},
     VIEWS | EDITS},
    {"with both",
     {{"functions.editor", CONFIG_FOLDER},
      {"iam.serviceAccounts.user", CONFIG_ACCOUNT},
      {"container-registry.images.puller", CONFIG_REGISTRY}},
     VIEWS | EDITS | USES},
    {"with both, of the folder",
     {{"functions.editor", CONFIG_FOLDER},
      {"iam.serviceAccounts.user", CONFIG_FOLDER},
      {"container-registry.images.puller", CONFIG_FOLDER}},
     VIEWS | EDITS | USES},
    {"with a registry it may only look at",
     {{"functions.editor", CONFIG_FOLDER},
      {"iam.serviceAccounts.user", CONFIG_ACCOUNT},
      {"container-registry.viewer", CONFIG_REGISTRY}},
     VIEWS | EDITS},
    {"account and registry alone",
     {{"iam.serviceAccounts.user", CONFIG_ACCOUNT},
      {"container-registry.images.puller", CONFIG_REGISTRY}},
     0},
    {"api-gateway.admin", {{"api-gateway.admin", CONFIG_FOLDER}}, 0},
    {"auditor", {{"auditor", CONFIG_FOLDER}}, 0},
    {"viewer", {{"viewer", CONFIG_FOLDER}}, VIEWS},
    {"editor", {{"editor", CONFIG_FOLDER}}, VIEWS | EDITS | USES},
    {"admin of the cloud", {{"admin", CONFIG_CLOUD}}, VIEWS | EDITS | USES},
};

/* One operation by somebody with the roles of a case. */
static void expect(struct bed *b, const struct iam *open, const struct iam *iam, unsigned op,
                   bool may)
{
    struct answer *r = &b->answers[1];
    char trigger_id[ID_SIZE], operation_id[ID_SIZE];
    admin_set_iam(b->admin, open);
    const struct answer *made = double_create(b, "trigger-1");
    memcpy(trigger_id, made->trigger_id, sizeof(trigger_id));
    memcpy(operation_id, made->operation_id, sizeof(operation_id));
    admin_set_iam(b->admin, iam);
    double_ask(b, (enum op) op, trigger_id, operation_id, r);
    assert_int_equal(r->error.code, may ? STATUS_OK : STATUS_PERMISSION_DENIED);
    admin_set_iam(b->admin, open);
    for (size_t i = b->pipeline.n; i-- > 0;)
        admin_trigger_delete(b->admin, &b->call, b->pipeline.at[i].id, on_operation, r);
}

static void test_roles(void **state)
{
    struct bed *b = *state;
    char user[] = USER, account[] = ACCOUNT;
    struct config_account accounts[] = {{.id = account}};
    struct config_user users[] = {{.id = user}};
    b->cfg.service_accounts = accounts;
    b->cfg.n_service_accounts = 1;
    const struct config without_users = b->cfg; /* which iam borrows */
    struct iam *open = iam_new(&without_users, NULL);
    assert_true(iam_is_open(open));
    b->cfg.users = users;
    b->cfg.n_users = 1;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct config_binding bindings[3];
        size_t n = 0;
        for (; n < 3 && CASES[i].has[n].role != NULL; n++)
            bindings[n] = (struct config_binding){
                .subject = user,
                .role = (char *) (uintptr_t) CASES[i].has[n].role,
                .kind = CASES[i].has[n].kind,
                .id = (char *) (uintptr_t) double_id_of((enum iam_kind) CASES[i].has[n].kind)};
        b->cfg.bindings = bindings;
        b->cfg.n_bindings = n;
        struct iam *iam = iam_new(&b->cfg, NULL);
        for (unsigned op = CREATE; op < N; op++) {
            print_message("  %s, operation %u\n", CASES[i].name, op);
            expect(b, open, iam, op, (CASES[i].may & BIT(op)) != 0);
        }
        admin_set_iam(b->admin, open);
        iam_free(iam);
    }
    iam_free(open);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_roles, bed_setup, bed_teardown),
    };
    log_set_level(LOG_N_LEVELS);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
