/* Tests of broker/admin_change.c: what each change makes of a trigger, one after another, requests
 * sent twice, the quota, a store that fails. pipeline.c and iam.c are doubles. */
#include "admin_double.h"
#include "log.h"

static void create(struct bed *b, const char *name, struct answer *r)
{
    double_set(&b->spec.name, name);
    admin_trigger_create(b->admin, &b->call, &b->spec, true, on_operation, r);
}

static void update(struct bed *b, const char *id, unsigned mask, struct answer *r)
{
    admin_trigger_update(b->admin, &b->call, id, mask, &b->spec, true, on_operation, r);
}

static void test_create(void **state)
{
    struct bed *b = *state;
    uint64_t hi, lo;
    double_set(&b->spec.description, "what for");
    assert_true(trigger_spec_label(&b->spec, SLICE_LIT("a"), SLICE_LIT("b")));
    (void) snprintf(b->spec.id, sizeof(b->spec.id), "%s",
                    "a1schosenbyclient"); /* is not looked at, nor are these */
    b->spec.created_ns = 1;
    b->spec.status = TRIGGER_PAUSED;
    b->spec.version = 9;
    b->spec.paused_seq = 9;
    b->spec.batch_size = 3;
    const struct answer *r = double_create(b, "trigger-1");
    assert_int_equal(r->kind, OPERATION_CREATE_TRIGGER);
    assert_true(id_decode("a1s", slice_str(r->trigger_id), &hi, &lo));
    assert_true(id_decode("a1s", slice_str(r->operation_id), &hi, &lo));
    assert_string_not_equal(r->trigger_id, r->operation_id);
    assert_string_equal(r->trigger.id, r->trigger_id);
    assert_string_equal(r->trigger.folder_id, FOLDER);
    assert_string_equal(r->trigger.name, "trigger-1");
    assert_string_equal(r->trigger.description, "what for");
    assert_int_equal(r->trigger.n_labels, 1);
    assert_int_equal(r->trigger.batch_size, 3);
    assert_int_equal(r->trigger.created_ns, DOUBLE_NOW * 1000000);
    assert_int_equal(r->trigger.status, TRIGGER_ACTIVE);
    assert_int_equal(r->trigger.version, 1);
    assert_int_equal(r->trigger.paused_seq, 0);
    assert_int_equal(b->pipeline.n, 1);
    assert_string_equal(b->pipeline.at[0].id, r->trigger_id);
}

/* Also later than one that was made under a clock that was ahead. */
static void test_created_last(void **state)
{
    struct bed *b = *state;
    struct trigger_spec *old = &b->pipeline.at[b->pipeline.n++];
    trigger_spec_copy(&b->spec, old);
    (void) snprintf(old->id, sizeof(old->id), "%s", "a1svvvvvvvvvvvvvvvvv");
    old->created_ns = DOUBLE_NOW * 1000000 + 5000;
    assert_int_equal(double_create(b, "one")->trigger.created_ns, DOUBLE_NOW * 1000000 + 5001);
    assert_int_equal(double_create(b, "two")->trigger.created_ns, DOUBLE_NOW * 1000000 + 5002);
}

static void test_create_refuses(void **state)
{
    struct bed *b = *state;
    static const struct {
        size_t member;
        const char *value;
        enum status_code code;
    } CASES[] = {
#define AT(m) offsetof(struct trigger_spec, m)
        {AT(folder_id), "", STATUS_INVALID_ARGUMENT},
        {AT(folder_id), "b1gother", STATUS_NOT_FOUND},
        {AT(name), "X", STATUS_INVALID_ARGUMENT},
        {AT(name), "taken", STATUS_ALREADY_EXISTS},
        {AT(registry_id), "crtother", STATUS_NOT_FOUND},
        {AT(gateway_id), "d5dother", STATUS_NOT_FOUND},
        {AT(path), "/other", STATUS_INVALID_ARGUMENT},
        {AT(service_account_id), "ajeother", STATUS_NOT_FOUND},
#undef AT
    };
    (void) double_create(b, "taken");
    double_set(&b->spec.name, "free");
    struct answer *r = &b->answers[1];
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct trigger_spec t;
        trigger_spec_copy(&b->spec, &t);
        double_set((char **) (void *) ((char *) &t + CASES[i].member), CASES[i].value);
        admin_trigger_create(b->admin, &b->call, &t, true, on_operation, r);
        assert_int_equal(r->n, i + 1);
        assert_int_equal(r->error.code, CASES[i].code);
        trigger_spec_fini(&t);
    }
    assert_int_equal(b->pipeline.n_changes, 1);
    (void) double_create(b, ""); /* any number may have no name */
    (void) double_create(b, "");
}

static void test_update_by_mask(void **state)
{
    struct bed *b = *state;
    static const struct {
        unsigned mask;
        bool name, description, labels, rule; /* are new */
    } CASES[] = {
        {ADMIN_NAME, true, false, false, false},
        {ADMIN_DESCRIPTION, false, true, false, false},
        {ADMIN_LABELS, false, false, true, false},
        {ADMIN_RULE, false, false, false, true},
        {ADMIN_NAME | ADMIN_RULE, true, false, false, true},
        {0, true, true, true, true}, /* no mask: all of it */
    };
    struct answer *r = &b->answers[1];
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        trigger_spec_fini(&b->spec);
        trigger_spec_copy(&b->answers[3].trigger, &b->spec); /* kept there below */
        double_set(&b->spec.description, "old");
        assert_true(trigger_spec_label(&b->spec, SLICE_LIT("old"), SLICE_LIT("x")));
        b->spec.batch_cutoff_ms = 5000;
        double_set(&b->spec.tag, "old");
        char id[ID_SIZE];
        memcpy(id, double_create(b, "old-name")->trigger_id, sizeof(id));
        admin_trigger_pause(b->admin, &b->call, id, on_operation, r);

        /* Masked fields without a value go back to their defaults. */
        struct trigger_spec none;
        trigger_spec_init(&none);
        trigger_spec_set_labels(&b->spec, &none);
        trigger_spec_fini(&none);
        double_set(&b->spec.name, "");
        double_set(&b->spec.description, "");
        double_set(&b->spec.tag, "");
        b->spec.batch_cutoff_ms = 1000;
        admin_trigger_update(b->admin, &b->call, id, CASES[i].mask, &b->spec,
                             CASES[i].mask == 0 || (CASES[i].mask & ADMIN_RULE) != 0, on_operation,
                             r);
        assert_string_equal(r->error.message, "");
        assert_int_equal(r->kind, OPERATION_UPDATE_TRIGGER);
        const struct trigger_spec *t = &r->trigger;
        assert_string_equal(t->name, CASES[i].name ? "" : "old-name");
        assert_string_equal(t->description, CASES[i].description ? "" : "old");
        assert_int_equal(t->n_labels, CASES[i].labels ? 0 : 1);
        assert_string_equal(t->tag, CASES[i].rule ? "" : "old");
        assert_int_equal(t->batch_cutoff_ms, CASES[i].rule ? 1000 : 5000);
        assert_string_equal(t->id, id); /* these stay in any case */
        assert_string_equal(t->folder_id, FOLDER);
        assert_int_equal(t->created_ns, DOUBLE_NOW * 1000000);
        assert_int_equal(t->status, TRIGGER_PAUSED);
        assert_int_equal(t->version, 3);
        admin_trigger_delete(b->admin, &b->call, id, on_operation, r);
    }
}

/* The spec to begin each of those cases with. */
static int setup_update(void **state)
{
    int r = bed_setup(state);
    struct bed *b = *state;
    trigger_spec_fini(&b->answers[3].trigger);
    trigger_spec_copy(&b->spec, &b->answers[3].trigger);
    return r;
}

static void test_update_refuses(void **state)
{
    struct bed *b = *state;
    struct answer *r = &b->answers[1];
    char id[ID_SIZE];
    (void) double_create(b, "taken");
    memcpy(id, double_create(b, "mine")->trigger_id, sizeof(id));
    static const struct {
        const char *name, *path;
        bool has_rule;
        unsigned mask;
        enum status_code code;
        const char *field;
    } CASES[] = {
        {"taken", "/", true, ADMIN_NAME, STATUS_ALREADY_EXISTS, NULL},
        {"taken", "/", true, 0, STATUS_ALREADY_EXISTS, NULL},
        {"taken", "/", true, ADMIN_RULE, STATUS_OK, NULL}, /* the name is not asked for */
        {"mine", "/", true, ADMIN_NAME, STATUS_OK, NULL},  /* its own */
        {"X", "/", true, ADMIN_NAME, STATUS_INVALID_ARGUMENT, "name"},
        {"mine", "/", false, 0, STATUS_INVALID_ARGUMENT, "rule"},
        {"mine", "/", false, ADMIN_RULE, STATUS_INVALID_ARGUMENT, "rule"},
        {"mine", "/nowhere", true, ADMIN_RULE, STATUS_INVALID_ARGUMENT, FIELD_BROADCAST "path"},
        {"mine", "/nowhere", true, ADMIN_NAME, STATUS_OK, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        double_set(&b->spec.name, CASES[i].name);
        double_set(&b->spec.path, CASES[i].path);
        admin_trigger_update(b->admin, &b->call, id, CASES[i].mask, &b->spec, CASES[i].has_rule,
                             on_operation, r);
        assert_int_equal(r->error.code, CASES[i].code);
        if (CASES[i].field != NULL)
            assert_true(double_names(&r->error, CASES[i].field));
        assert_string_equal(b->pipeline.at[1].name, "mine");
        assert_string_equal(b->pipeline.at[1].path, "/");
    }
}

static void test_pause_and_resume(void **state)
{
    struct bed *b = *state;
    struct answer *r = &b->answers[1];
    static const struct {
        bool pause;
        enum trigger_status status;
        uint64_t version;
    } STEPS[] = {
        {false, TRIGGER_ACTIVE, 1}, {true, TRIGGER_PAUSED, 2},  {true, TRIGGER_PAUSED, 2},
        {false, TRIGGER_ACTIVE, 3}, {false, TRIGGER_ACTIVE, 3},
    };
    char id[ID_SIZE];
    memcpy(id, double_create(b, "one")->trigger_id, sizeof(id));
    for (size_t i = 0; i < ARRAY_LEN(STEPS); i++) {
        if (STEPS[i].pause)
            admin_trigger_pause(b->admin, &b->call, id, on_operation, r);
        else
            admin_trigger_resume(b->admin, &b->call, id, on_operation, r);
        assert_int_equal(r->error.code, STATUS_OK);
        assert_int_equal(r->kind,
                         STEPS[i].pause ? OPERATION_PAUSE_TRIGGER : OPERATION_RESUME_TRIGGER);
        assert_int_equal(r->trigger.status, STEPS[i].status);
        assert_int_equal(r->trigger.version, STEPS[i].version);
        assert_int_equal(b->pipeline.at[0].status, STEPS[i].status);
    }
    assert_int_equal(b->pipeline.n_operations, 1 + ARRAY_LEN(STEPS));
}

static void test_delete(void **state)
{
    struct bed *b = *state;
    struct answer *r = &b->answers[1];
    char id[ID_SIZE];
    memcpy(id, double_create(b, "one")->trigger_id, sizeof(id));
    admin_trigger_delete(b->admin, &b->call, id, on_operation, r);
    assert_int_equal(r->kind, OPERATION_DELETE_TRIGGER);
    assert_string_equal(r->trigger_id, id);
    assert_string_equal(r->trigger.id, ""); /* no response: Empty */
    assert_int_equal(b->pipeline.n, 0);
    admin_trigger_delete(b->admin, &b->call, id, on_operation, r);
    assert_int_equal(r->error.code, STATUS_NOT_FOUND);
    (void) double_create(b, "one"); /* the name is free again */
}

static void test_quota(void **state)
{
    struct bed *b = *state;
    struct answer *r = &b->answers[1];
    b->cfg.management.max_triggers = 2;
    (void) double_create(b, "one");
    (void) double_create(b, "two");
    create(b, "three", r);
    assert_int_equal(r->error.code, STATUS_RESOURCE_EXHAUSTED);
    assert_string_equal(r->error.message, "Quota limit serverless.triggers.count exceeded");
    assert_string_equal(r->error.quota.name, "serverless.triggers.count");
    assert_int_equal(r->error.quota.limit, 2);
    assert_int_equal(r->error.quota.usage, 2);
    assert_int_equal(r->error.quota.required, 3);
    create(b, "two", r); /* what is wrong with the request comes first */
    assert_int_equal(r->error.code, STATUS_ALREADY_EXISTS);
    update(b, b->pipeline.at[0].id, ADMIN_RULE, r); /* changing is no creating */
    assert_int_equal(r->error.code, STATUS_OK);
    admin_trigger_delete(b->admin, &b->call, b->pipeline.at[0].id, on_operation, r);
    (void) double_create(b, "three");
}

/* --- one after another --- */

static void test_two_updates_never_mix(void **state)
{
    struct bed *b = *state;
    struct answer *first = &b->answers[1], *second = &b->answers[2];
    char id[ID_SIZE];
    memcpy(id, double_create(b, "one")->trigger_id, sizeof(id));
    b->pipeline.hold = true;
    double_set(&b->spec.description, "from the first");
    double_set(&b->spec.tag, "first");
    update(b, id, ADMIN_DESCRIPTION | ADMIN_RULE, first);
    double_set(&b->spec.description, "from the second");
    double_set(&b->spec.tag, "second");
    update(b, id, ADMIN_RULE, second);
    assert_int_equal(b->pipeline.n_changes, 2); /* with the create; the second has not begun */
    assert_int_equal(first->n + second->n, 0);

    double_let_go(&b->pipeline);
    assert_int_equal(first->n, 1);
    assert_string_equal(first->trigger.description, "from the first");
    assert_string_equal(first->trigger.tag, "first");
    assert_int_equal(first->trigger.version, 2);
    assert_int_equal(second->n, 0);

    double_let_go(&b->pipeline);
    assert_string_equal(second->trigger.description, "from the first"); /* sees it */
    assert_string_equal(second->trigger.tag, "second");
    assert_int_equal(second->trigger.version, 3);
    assert_true(strcmp(first->operation_id, second->operation_id) < 0);
}

static void test_two_of_one_name(void **state)
{
    struct bed *b = *state;
    b->pipeline.hold = true;
    create(b, "same", &b->answers[1]);
    create(b, "same", &b->answers[2]);
    double_let_go(&b->pipeline);
    assert_int_equal(b->answers[1].error.code, STATUS_OK);
    assert_int_equal(b->answers[2].n, 1);
    assert_int_equal(b->answers[2].error.code, STATUS_ALREADY_EXISTS);

    create(b, "other", &b->answers[1]); /* the first fails: the second may */
    create(b, "other", &b->answers[2]);
    b->pipeline.err = -ENOSPC;
    double_let_go(&b->pipeline);
    assert_int_equal(b->answers[1].error.code, STATUS_UNAVAILABLE);
    b->pipeline.err = 0;
    double_let_go(&b->pipeline);
    assert_int_equal(b->answers[2].error.code, STATUS_OK);
}

static void test_change_after_delete(void **state)
{
    struct bed *b = *state;
    char id[ID_SIZE];
    memcpy(id, double_create(b, "one")->trigger_id, sizeof(id));
    b->pipeline.hold = true;
    admin_trigger_delete(b->admin, &b->call, id, on_operation, &b->answers[1]);
    update(b, id, ADMIN_RULE, &b->answers[2]);
    double_let_go(&b->pipeline);
    assert_int_equal(b->answers[2].error.code, STATUS_NOT_FOUND);
}

/* What waits is judged by what holds when its turn comes. */
static void test_right_lost_while_waiting(void **state)
{
    struct bed *b = *state;
    char subject[] = "ajeuser0000000000001";
    struct iam none = {{0}};
    b->pipeline.hold = true;
    create(b, "one", &b->answers[1]);
    b->call.subject.id = subject;
    create(b, "two", &b->answers[2]);
    memset(subject, 'x', sizeof(subject) - 1); /* the call's memory is gone by then */
    admin_set_iam(b->admin, &none);
    double_let_go(&b->pipeline);
    assert_int_equal(b->answers[1].error.code, STATUS_OK);
    assert_int_equal(b->answers[2].error.code, STATUS_PERMISSION_DENIED);
    assert_non_null(strstr(b->answers[2].error.message, "ajeuser0000000000001"));
}

static void test_too_many_wait(void **state)
{
    struct bed *b = *state;
    struct answer *r = &b->answers[1];
    char name[16];
    b->cfg.management.max_triggers = DOUBLE_MAX;
    b->pipeline.hold = true;
    for (unsigned i = 0; i <= ADMIN_MAX_WAITING; i++) { /* one under way, the others behind it */
        (void) snprintf(name, sizeof(name), "t%03u", i);
        create(b, name, r);
    }
    assert_int_equal(r->n, 0);
    create(b, "one-more", &b->answers[2]);
    assert_int_equal(b->answers[2].error.code, STATUS_UNAVAILABLE);
    b->pipeline.hold = false;
    double_let_go(&b->pipeline); /* all of them, in order */
    assert_int_equal(r->n, ADMIN_MAX_WAITING + 1);
    assert_int_equal(b->pipeline.n, ADMIN_MAX_WAITING + 1);
    assert_string_equal(b->pipeline.at[ADMIN_MAX_WAITING].name, name);
}

struct nested {
    struct bed *bed;
    unsigned n;
    uintptr_t top; /* of the stack, in the first answer */
};

static void on_nested(void *arg, const struct admin_answer *answer)
{
    struct nested *n = arg;
    uintptr_t here = (uintptr_t) __builtin_frame_address(0);
    n->top = n->n == 0 ? here : n->top;
    assert_true(n->top - here < 4096); /* it does not pile up */
    assert_null(answer->error);
    assert_non_null(answer->operation->id);
    if (++n->n < 50) {
        char name[16];
        (void) snprintf(name, sizeof(name), "nested-%u", n->n);
        double_set(&n->bed->spec.name, name);
        admin_trigger_create(n->bed->admin, &n->bed->call, &n->bed->spec, true, on_nested, n);
    }
    assert_string_equal(answer->operation->created_by, "ajeuser0000000000001"); /* still there */
}

static void test_asks_from_an_answer(void **state)
{
    struct nested n = {.bed = *state};
    double_set(&n.bed->spec.name, "nested");
    admin_trigger_create(n.bed->admin, &n.bed->call, &n.bed->spec, true, on_nested, &n);
    assert_int_equal(n.n, 50);
    assert_int_equal(n.bed->pipeline.n, 50);
}

/* --- the same request again --- */

static void test_key(void **state)
{
    struct bed *b = *state;
    struct answer *first = &b->answers[1], *again = &b->answers[2];
    char id[ID_SIZE];
    b->call.idempotency_key = "6e1c2f0e-53b4-4a3e-9b57-2d8c2a6f0001";
    create(b, "one", first);
    memcpy(id, first->trigger_id, sizeof(id));
    create(b, "one", again);
    assert_string_equal(again->operation_id, first->operation_id);
    assert_string_equal(again->trigger.name, "one");
    assert_int_equal(b->pipeline.n_changes, 1);

    create(b, "two", again); /* another request */
    assert_true(double_names(&again->error, "idempotency-key"));
    admin_trigger_pause(b->admin, &b->call, id, on_operation, again);
    assert_true(double_names(&again->error, "idempotency-key"));

    double_restart(b); /* and in another run */
    create(b, "one", again);
    assert_string_equal(again->operation_id, first->operation_id);

    b->call.subject.id = "ajeother000000000001"; /* keys are a subject's own */
    create(b, "two", again);
    assert_int_equal(again->error.code, STATUS_OK);
    assert_string_not_equal(again->operation_id, first->operation_id);
    b->iam.granted[IAM_FOLDER] = 0; /* no right, no operation */
    create(b, "two", again);
    assert_int_equal(again->error.code, STATUS_PERMISSION_DENIED);
}

static void test_key_of_each_kind(void **state)
{
    struct bed *b = *state;
    struct answer *first = &b->answers[1], *again = &b->answers[2];
    char id[ID_SIZE];
    memcpy(id, double_create(b, "one")->trigger_id, sizeof(id));
    b->call.idempotency_key = "update";
    update(b, id, ADMIN_RULE, first);
    update(b, id, ADMIN_RULE, again);
    assert_string_equal(again->operation_id, first->operation_id);
    update(b, id, ADMIN_NAME | ADMIN_RULE, again); /* another mask */
    assert_int_equal(again->error.code, STATUS_INVALID_ARGUMENT);
    b->call.idempotency_key = "pause";
    admin_trigger_pause(b->admin, &b->call, id, on_operation, first);
    admin_trigger_pause(b->admin, &b->call, id, on_operation, again);
    assert_string_equal(again->operation_id, first->operation_id);
    b->call.idempotency_key = "delete";
    admin_trigger_delete(b->admin, &b->call, id, on_operation, first);
    admin_trigger_delete(b->admin, &b->call, id, on_operation, again); /* though it is gone */
    assert_int_equal(again->error.code, STATUS_OK);
    assert_string_equal(again->operation_id, first->operation_id);
    b->call.idempotency_key = "pause"; /* as it was then */
    admin_trigger_pause(b->admin, &b->call, id, on_operation, again);
    assert_int_equal(again->trigger.status, TRIGGER_PAUSED);
}

static void test_key_under_way(void **state)
{
    struct bed *b = *state;
    struct answer *first = &b->answers[1], *again = &b->answers[2];
    b->pipeline.hold = true;
    b->call.idempotency_key = "k";
    create(b, "one", first);
    create(b, "one", again);
    assert_int_equal(again->n, 0);
    double_let_go(&b->pipeline);
    assert_string_equal(again->operation_id, first->operation_id);
    assert_int_equal(b->pipeline.n, 1);

    b->call.idempotency_key = "l"; /* the first fails: it is done for the second */
    create(b, "two", first);
    create(b, "two", again);
    b->pipeline.err = -EIO;
    double_let_go(&b->pipeline);
    assert_int_equal(first->error.code, STATUS_UNAVAILABLE);
    b->pipeline.err = 0;
    double_let_go(&b->pipeline);
    assert_int_equal(again->error.code, STATUS_OK);
}

static void test_key_length(void **state)
{
    struct bed *b = *state;
    struct answer *r = &b->answers[1];
    char key[OPERATION_KEY_SIZE + 1];
    memset(key, 'k', sizeof(key));
    key[OPERATION_KEY_SIZE] = '\0'; /* 65 */
    b->call.idempotency_key = key;
    create(b, "one", r);
    assert_true(double_names(&r->error, "idempotency-key"));
    key[OPERATION_KEY_SIZE - 1] = '\0'; /* 64 */
    create(b, "one", r);
    assert_int_equal(r->error.code, STATUS_OK);
    create(b, "one", &b->answers[2]);
    assert_string_equal(b->answers[2].operation_id, r->operation_id);
}

/* --- a store that fails --- */

static void test_not_stored(void **state)
{
    struct bed *b = *state;
    struct answer *r = &b->answers[1];
    b->call.idempotency_key = "k";
    b->pipeline.err = -ENOSPC;
    create(b, "one", r);
    assert_int_equal(r->error.code, STATUS_UNAVAILABLE);
    assert_memory_equal(r->error.message, "The change could not be stored: ", 32);
    assert_int_equal(b->pipeline.n, 0);
    b->pipeline.err = 0;
    create(b, "one", r); /* no operation was kept under the key */
    assert_int_equal(r->error.code, STATUS_OK);
}

static void test_no_memory(void **state)
{
    struct bed *b = *state;
    struct answer *r = &b->answers[1];
    unsigned n = 0;
    do {
        mem_fail_at(++n);
        create(b, "one", r);
        mem_fail_at(0);
        if (r->error.code != STATUS_OK) {
            assert_int_equal(r->error.code, STATUS_UNAVAILABLE);
            assert_int_equal(b->pipeline.n_changes, 0);
        }
    } while (r->error.code != STATUS_OK);
    assert_true(n > 3);
    assert_int_equal(b->pipeline.n, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

static void on_ready(void *arg)
{
    ++*(unsigned *) arg;
}

/* Somebody else changes triggers: after the change that is under way, before those that wait. */
static void test_hold(void **state)
{
    struct bed *b = *state;
    unsigned ready = 0;
    admin_hold(b->admin, on_ready, &ready);
    assert_int_equal(ready, 1);
    create(b, "one", &b->answers[1]);
    assert_int_equal(b->answers[1].n, 0);
    admin_release(b->admin);
    assert_int_equal(b->answers[1].n, 1);

    b->pipeline.hold = true;
    create(b, "two", &b->answers[2]);
    create(b, "three", &b->answers[3]);
    admin_hold(b->admin, on_ready, &ready);
    assert_int_equal(ready, 1);
    b->pipeline.hold = false;
    double_let_go(&b->pipeline);
    assert_int_equal(ready, 2);
    assert_int_equal(b->answers[2].n, 1);
    assert_int_equal(b->answers[3].n, 0);
    admin_release(b->admin);
    assert_int_equal(b->answers[3].n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hold, bed_setup, bed_teardown),
        TEST(test_create),
        TEST(test_created_last),
        TEST(test_create_refuses),
        cmocka_unit_test_setup_teardown(test_update_by_mask, setup_update, bed_teardown),
        TEST(test_update_refuses),
        TEST(test_pause_and_resume),
        TEST(test_delete),
        TEST(test_quota),
        TEST(test_two_updates_never_mix),
        TEST(test_two_of_one_name),
        TEST(test_change_after_delete),
        TEST(test_right_lost_while_waiting),
        TEST(test_too_many_wait),
        TEST(test_asks_from_an_answer),
        TEST(test_key),
        TEST(test_key_of_each_kind),
        TEST(test_key_under_way),
        TEST(test_key_length),
        TEST(test_not_stored),
        TEST(test_no_memory),
    };
    log_set_level(LOG_N_LEVELS);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
