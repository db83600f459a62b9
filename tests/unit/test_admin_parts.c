/* Tests of broker/admin_change.c for calls of the API's second version: parts of a rule, and what
 * becomes of their operations. */
#include "admin_double.h"

#include "admin_private.h"
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

/* Parts of the rule, one at a time; the others stay. */
static void test_update_parts(void **state)
{
    struct bed *b = *state;
    struct answer *r = &b->answers[1];
    char id[ID_SIZE];
    double_set(&b->spec.image_name, "image");
    double_set(&b->spec.tag, "old");
    b->spec.batch_size = 7;
    b->spec.batch_cutoff_ms = 7000;
    memcpy(id, double_create(b, "one")->trigger_id, sizeof(id));
    b->spec.event_types.mask = CONFIG_CREATE_IMAGE;
    double_set(&b->spec.image_name, "");
    double_set(&b->spec.tag, "");
    double_set(&b->spec.path, "/teams/{team}");
    b->spec.batch_size = 1;
    b->spec.batch_cutoff_ms = 1000;
    static const struct {
        unsigned part;
        bool events, image, tag, size, cutoff, path; /* are new */
    } CASES[] = {
        {TRIGGER_FIELD_EVENT_TYPES, true, false, false, false, false, false},
        {TRIGGER_FIELD_REGISTRY_ID, false, false, false, false, false, false}, /* the same one */
        {TRIGGER_FIELD_IMAGE_NAME, false, true, false, false, false, false},
        {TRIGGER_FIELD_TAG, false, false, true, false, false, false},
        {TRIGGER_FIELD_BATCH_SIZE, false, false, false, true, false, false},
        {TRIGGER_FIELD_BATCH_BYTES, false, false, false, false, false, false},
        {TRIGGER_FIELD_BATCH_CUTOFF, false, false, false, false, true, false},
        {TRIGGER_FIELD_SOURCE, true, true, true, true, true, false},
        {TRIGGER_FIELD_ACTION, false, false, false, false, false, true},
        {TRIGGER_FIELD_SOURCE | TRIGGER_FIELD_ACTION, true, true, true, true, true, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct trigger_spec before;
        trigger_spec_copy(&b->pipeline.at[0], &before);
        update(b, id, CASES[i].part, r);
        assert_string_equal(r->error.message, "");
        const struct trigger_spec *t = &r->trigger;
        assert_string_equal(t->name, "one");
        assert_int_equal(t->event_types.mask, CASES[i].events ? CONFIG_CREATE_IMAGE : ALL_EVENTS);
        assert_string_equal(t->registry_id, REGISTRY);
        assert_string_equal(t->image_name, CASES[i].image ? "" : "image");
        assert_string_equal(t->tag, CASES[i].tag ? "" : "old");
        assert_int_equal(t->batch_size, CASES[i].size ? 1 : 7);
        assert_int_equal(t->batch_cutoff_ms, CASES[i].cutoff ? 1000 : 7000);
        assert_string_equal(t->path, CASES[i].path ? "/teams/{team}" : "/");
        trigger_spec_fini(&b->pipeline.at[0]);
        b->pipeline.at[0] = before;
    }
    b->spec.event_types = (struct event_list){ALL_EVENTS, {4, 3, 2, 1}}; /* another order only */
    update(b, id, TRIGGER_FIELD_TAG, r);
    assert_int_equal(r->trigger.event_types.order[0], 0);
    uint64_t version = r->trigger.version;
    update(b, id, TRIGGER_FIELD_EVENT_TYPES, r);
    assert_true(event_list_equal(&r->trigger.event_types, &b->spec.event_types));
    assert_true(r->trigger.version > version);
    double_set(&b->spec.registry_id, "crtother");
    update(b, id, TRIGGER_FIELD_REGISTRY_ID, r);
    assert_int_equal(r->error.code, STATUS_NOT_FOUND);
    update(b, id, TRIGGER_FIELD_ACTION, r);
    assert_int_equal(r->error.code, STATUS_OK);
    b->iam.granted[IAM_REGISTRY] = 0; /* what stays must be allowed too */
    update(b, id, TRIGGER_FIELD_ACTION, r);
    assert_int_equal(r->error.code, STATUS_PERMISSION_DENIED);
}

static void give_filter(struct bed *b, const char *tag) /* NULL: one without patterns */
{
    filter_free(b->spec.filter);
    b->spec.filter = filter_new();
    if (tag != NULL)
        assert_null(filter_add(b->spec.filter, FILTER_TAGS, slice_str(tag)));
}

/* A rule that does not mention the filter leaves it; clients of the original have no word for it.
 */
static void test_filter(void **state)
{
    struct bed *b = *state;
    struct answer *r = &b->answers[1];
    char id[ID_SIZE];
    give_filter(b, "v*");
    const struct answer *made = double_create(b, "one");
    memcpy(id, made->trigger_id, sizeof(id));
    assert_string_equal(filter_at(made->trigger.filter, FILTER_TAGS, 0), "v*");
    static const struct {
        unsigned mask;
        const char *given; /* "": a filter without patterns; NULL: not mentioned */
        const char *tag;   /* of the trigger then; NULL: it has no filter */
    } CASES[] = {
        {0, NULL, "v*"}, /* all of it */
        {ADMIN_RULE, NULL, "v*"},
        {TRIGGER_FIELD_SOURCE, NULL, "v*"},
        {TRIGGER_FIELD_TAG, "new", "v*"},
        {ADMIN_NAME, "new", "v*"},
        {0, "a", "a"},
        {ADMIN_RULE, "b", "b"},
        {TRIGGER_FIELD_SOURCE, "c", "c"},
        {TRIGGER_FIELD_FILTER, "d", "d"},
        {ADMIN_RULE, "", NULL},
        {ADMIN_RULE, NULL, NULL},
        {ADMIN_RULE, "e", "e"},
        {TRIGGER_FIELD_FILTER, "", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        filter_free(b->spec.filter);
        b->spec.filter = NULL;
        if (CASES[i].given != NULL)
            give_filter(b, CASES[i].given[0] == '\0' ? NULL : CASES[i].given);
        update(b, id, CASES[i].mask, r);
        assert_string_equal(r->error.message, "");
        assert_int_equal(r->trigger.filter != NULL, CASES[i].tag != NULL);
        if (CASES[i].tag != NULL)
            assert_string_equal(filter_at(r->trigger.filter, FILTER_TAGS, 0), CASES[i].tag);
    }
    give_filter(b, NULL); /* a new one: there is nothing that it could take away */
    assert_null(double_create(b, "two")->trigger.filter);
}

/* What was asked for by one version of the API is not answered by the other. */
static void test_key_of_a_version(void **state)
{
    struct bed *b = *state;
    struct answer *first = &b->answers[1], *again = &b->answers[2];
    b->call.idempotency_key = "key";
    b->call.api = OPERATION_V2;
    create(b, "one", first);
    create(b, "one", again);
    assert_string_equal(again->operation_id, first->operation_id);
    b->call.api = OPERATION_V1;
    create(b, "one", again);
    assert_true(double_names(&again->error, "idempotency-key"));
    b->call.api = OPERATION_V2;
    b->call.idempotency_key = "other";
    char id[ID_SIZE];
    memcpy(id, first->trigger_id, sizeof(id));
    update(b, id, TRIGGER_FIELD_TAG, first);
    update(b, id, TRIGGER_FIELD_TAG, again);
    assert_string_equal(again->operation_id, first->operation_id);
    update(b, id, TRIGGER_FIELD_BATCH_SIZE, again); /* the same lowest byte */
    assert_true(double_names(&again->error, "idempotency-key"));
    double_restart(b);
    update(b, id, TRIGGER_FIELD_TAG, again);
    assert_string_equal(again->operation_id, first->operation_id);
    const struct operation *o = operation_log_find(b->admin->operations, first->operation_id);
    assert_int_equal(o->api, OPERATION_V2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_update_parts, bed_setup, bed_teardown),
        cmocka_unit_test_setup_teardown(test_filter, bed_setup, bed_teardown),
        cmocka_unit_test_setup_teardown(test_key_of_a_version, bed_setup, bed_teardown),
    };
    log_set_level(LOG_N_LEVELS);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
