/* Tests of broker/trigger_check.c: each validation rule with the code and the field it names. */
#include "admin_double.h"

#define R     "rule.container_registry."
#define B     R "batch_settings."
#define W     R "gateway_websocket_broadcast."
#define A10   "aaaaaaaaaa"
#define A50   A10 A10 A10 A10 A10
#define A63   A50 A10 "aaa"
#define UE10  "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc"
#define UE100 UE10 UE10 UE10 UE10 UE10 UE10 UE10 UE10 UE10 UE10
#define A100  A50 A50

/* `found` has one violation, of that field; or nothing for NULL. */
static void expect(const struct status *found, const char *field)
{
    if (field == NULL) {
        assert_string_equal(found->message, "");
        assert_int_equal(found->code, STATUS_OK);
        return;
    }
    assert_int_equal(found->code, STATUS_INVALID_ARGUMENT);
    assert_int_equal(found->n_violations, 1);
    assert_string_equal(found->violations[0].field, field);
    assert_memory_equal(found->message, field, strlen(field));
}

/* --- one text of the spec at a time --- */

static const struct {
    size_t member;
    const char *value, *field; /* NULL: fine */
} TEXTS[] = {
#define AT(m) offsetof(struct trigger_spec, m)
    {AT(folder_id), "", "folder_id"},
    {AT(folder_id), A50, NULL},
    {AT(folder_id), A50 "a", "folder_id"},
    {AT(name), "", NULL},
    {AT(name), "a", "name"},
    {AT(name), "ab", "name"},
    {AT(name), "abc", NULL},
    {AT(name), "a-0", NULL},
    {AT(name), "a--", "name"},
    {AT(name), "-ab", "name"},
    {AT(name), "0ab", "name"},
    {AT(name), "Abc", "name"},
    {AT(name), "a_c", "name"},
    {AT(name), "a c", "name"},
    {AT(name), "abc\n", "name"},
    {AT(name), "gr\xc3\xbcn", "name"},
    {AT(name), A63, NULL},
    {AT(name), A63 "a", "name"},
    {AT(description), "", NULL},
    {AT(description), UE100 UE100 UE100 UE100 UE100, NULL}, /* 1000 bytes */
    {AT(description), UE100 UE100 UE100 UE100 UE100 "a", "description"},
    {AT(registry_id), "", R "registry_id"},
    {AT(registry_id), A50, NULL},
    {AT(registry_id), A50 "a", R "registry_id"},
    {AT(image_name), "", NULL},
    {AT(image_name), A100 A100 A100 A100 A100 "aaaaaaaaaaaa", NULL},
    {AT(image_name), A100 A100 A100 A100 A100 "aaaaaaaaaaaaa", R "image_name"},
    {AT(tag), "", NULL},
    {AT(tag), A100 A10 A10 "aaaaaaaa", NULL},
    {AT(tag), A100 A10 A10 "aaaaaaaaa", R "tag"},
    {AT(gateway_id), "", W "gateway_id"},
    {AT(gateway_id), A50, NULL},
    {AT(gateway_id), A50 "a", W "gateway_id"},
    {AT(path), "", W "path"},
    {AT(path), "/" A100 A100 A50 "aaaa", NULL},
    {AT(path), "/" A100 A100 A50 "aaaaa", W "path"},
    {AT(service_account_id), "", W "service_account_id"},
    {AT(service_account_id), A50, NULL},
    {AT(service_account_id), A50 "a", W "service_account_id"},
#undef AT
};

static void test_texts(void **state)
{
    struct bed *b = *state;
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        print_message("  %.60s\n", TEXTS[i].value);
        struct status found = {.code = STATUS_OK};
        struct trigger_spec t;
        trigger_spec_copy(&b->spec, &t);
        double_set((char **) (void *) ((char *) &t + TEXTS[i].member), TEXTS[i].value);
        trigger_check_fields(&t, ADMIN_ALL | TRIGGER_FIELD_FOLDER, true, &found);
        expect(&found, TEXTS[i].field);
        trigger_spec_fini(&t);
    }
}

static void test_rule(void **state)
{
    struct bed *b = *state;
    struct status found = {.code = STATUS_OK};
    trigger_check_fields(&b->spec, ADMIN_RULE, false, &found);
    expect(&found, "rule");

    found.code = STATUS_OK;
    found.n_violations = 0;
    b->spec.event_types.mask = 0;
    trigger_check_fields(&b->spec, ADMIN_RULE, true, &found);
    expect(&found, R "event_type");
}

/* Only what the request gives is looked at. */
static void test_fields(void **state)
{
    static const struct {
        unsigned fields;
        const char *field;
    } CASES[] = {
        {ADMIN_NAME, "name"}, {ADMIN_DESCRIPTION, "description"},
        {ADMIN_LABELS, NULL}, /* were checked as they were read */
        {ADMIN_RULE, "rule"}, {TRIGGER_FIELD_FOLDER, "folder_id"},
    };
    struct bed *b = *state;
    double_set(&b->spec.folder_id, "");
    double_set(&b->spec.name, "X");
    double_set(&b->spec.description, A100 A100 A100 A100 A100 "a");
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct status found = {.code = STATUS_OK};
        trigger_check_fields(&b->spec, CASES[i].fields, false, &found);
        expect(&found, CASES[i].field);
    }
    struct status found = {.code = STATUS_OK}; /* all of them are told at once */
    trigger_check_fields(&b->spec, ADMIN_ALL | TRIGGER_FIELD_FOLDER, false, &found);
    assert_int_equal(found.n_violations, 4);
}

/* One part of the rule is looked at by itself. */
static void test_parts(void **state)
{
    static const struct {
        unsigned part;
        size_t violations;
        const char *first; /* NULL: fine */
    } CASES[] = {
        {TRIGGER_FIELD_EVENT_TYPES, 1, R "event_type"},
        {TRIGGER_FIELD_REGISTRY_ID, 1, R "registry_id"},
        {TRIGGER_FIELD_IMAGE_NAME, 1, R "image_name"},
        {TRIGGER_FIELD_TAG, 1, R "tag"},
        {TRIGGER_FIELD_BATCH, 0, NULL}, /* was checked as it was read */
        {TRIGGER_FIELD_SOURCE, 4, R "event_type"},
        {TRIGGER_FIELD_ACTION, 3, W "gateway_id"},
        {TRIGGER_FIELD_SOURCE | TRIGGER_FIELD_ACTION, 7, R "event_type"},
        {TRIGGER_FIELD_RULE, 7, R "event_type"},
    };
    struct bed *b = *state;
    struct trigger_spec t;
    trigger_spec_init(&t);
    double_set(&t.image_name, A100 A100 A100 A100 A100 A100);
    double_set(&t.tag, A100 A100);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct status found = {.code = STATUS_OK};
        trigger_check_fields(&t, CASES[i].part, true, &found);
        assert_int_equal(found.n_violations, CASES[i].violations);
        if (CASES[i].first != NULL)
            assert_string_equal(found.violations[0].field, CASES[i].first);
        found = (struct status){.code = STATUS_OK};
        trigger_check_fields(&b->spec, CASES[i].part, true, &found);
        expect(&found, NULL);
        trigger_check_fields(&b->spec, CASES[i].part, false, &found);
        expect(&found, "rule");
    }
    trigger_spec_fini(&t);
}

/* --- reading --- */

static void test_read_text(void **state)
{
    struct bed *b = *state;
    static const struct {
        struct slice value;
        bool fine;
    } CASES[] = {
        {SLICE_LIT(""), true},      {SLICE_LIT("Ausl\xc3\xb6ser"), true},
        {SLICE_LIT("a\0b"), false}, {SLICE_LIT("\xff"), false},
        {SLICE_LIT("\xc3"), false}, {SLICE_LIT("\xed\xa0\x80"), false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct status found = {.code = STATUS_OK};
        double_set(&b->spec.tag, "untouched");
        trigger_read_text(&b->spec.tag, R "tag", CASES[i].value, &found);
        expect(&found, CASES[i].fine ? NULL : R "tag");
        if (CASES[i].fine)
            assert_true(slice_eq_str(CASES[i].value, b->spec.tag));
        else
            assert_string_equal(b->spec.tag, "untouched");
    }
}

static void test_read_labels(void **state)
{
    (void) state;
    static const struct {
        const char *key, *value;
        bool fine;
    } CASES[] = {
        {"a", "", true},
        {"a-_./\\@0z", "-_./\\@0z", true},
        {A63, A63, true},
        {"", "a", false},
        {A63 "a", "", false},
        {"a", A63 "a", false},
        {"0a", "", false},
        {"-a", "", false},
        {"A", "", false},
        {"aB", "", false},
        {"a b", "", false},
        {"a", "B", false},
        {"a", "b c", false},
        {"a", "a\n", false},
        {"gr\xc3\xbcn", "", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s=%s\n", CASES[i].key, CASES[i].value);
        struct status found = {.code = STATUS_OK};
        struct trigger_spec t;
        trigger_spec_init(&t);
        trigger_read_label(&t, slice_str(CASES[i].key), slice_str(CASES[i].value), &found);
        expect(&found, CASES[i].fine ? NULL : "labels");
        assert_int_equal(t.n_labels, CASES[i].fine);
        trigger_spec_fini(&t);
    }

    struct status found = {.code = STATUS_OK};
    struct trigger_spec t;
    trigger_spec_init(&t);
    trigger_read_label(&t, SLICE_LIT("a\0"), SLICE_LIT("b"), &found);
    expect(&found, "labels");
    found = (struct status){.code = STATUS_OK};
    for (int i = 0; i < 65; i++) {
        char key[16];
        expect(&found, NULL);
        (void) snprintf(key, sizeof(key), "k%d", i);
        trigger_read_label(&t, slice_str(key), SLICE_LIT("v"), &found);
    }
    expect(&found, "labels");
    trigger_spec_fini(&t);
}

static void test_read_event_types(void **state)
{
    (void) state;
    static const struct {
        int64_t number;
        unsigned bit; /* 0: refused */
    } CASES[] = {
        {1, CONFIG_CREATE_IMAGE},
        {2, CONFIG_DELETE_IMAGE},
        {3, CONFIG_CREATE_IMAGE_TAG},
        {4, CONFIG_DELETE_IMAGE_TAG},
        {0, 0}, /* UNSPECIFIED */
        {5, 0},
        {-1, 0},
        {INT64_MAX, 0},
        {INT64_MIN, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct status found = {.code = STATUS_OK};
        struct trigger_spec t;
        trigger_spec_init(&t);
        trigger_read_event_type(&t, CASES[i].number, &found);
        expect(&found, CASES[i].bit != 0 ? NULL : R "event_type");
        assert_int_equal(t.event_types.mask, CASES[i].bit);
        if (CASES[i].bit != 0)
            trigger_read_event_type(&t, CASES[i].number, &found); /* twice is once */
        assert_int_equal(t.event_types.mask, CASES[i].bit);
        trigger_spec_fini(&t);
    }
}

static void test_order_of_event_types(void **state)
{
    (void) state;
    static const int64_t NUMBERS[] = {4, 1, 9, 4, 3, 1};
    static const uint8_t WANT[] = {4, 1, 3};
    struct status found = {.code = STATUS_OK};
    struct trigger_spec t;
    uint8_t got[EVENT_LIST_MAX];
    trigger_spec_init(&t);
    for (size_t i = 0; i < ARRAY_LEN(NUMBERS); i++)
        trigger_read_event_type(&t, NUMBERS[i], &found);
    expect(&found, R "event_type"); /* the 9 */
    assert_int_equal(event_list_get(&t.event_types, got), ARRAY_LEN(WANT));
    assert_memory_equal(got, WANT, sizeof(WANT));
    trigger_spec_fini(&t);
}

static void test_read_batch(void **state)
{
    (void) state;
    static const struct {
        int64_t size, seconds;
        int32_t nanos;
        const char *field;
        uint64_t want_size, want_ms;
    } CASES[] = {
        {3, 20, 0, NULL, 3, 20000},
        {0, 1, 0, NULL, 1, 1000}, /* 0 is the default */
        {1000, 60, 0, NULL, 1000, 60000},
        {1, 1, 500999999, NULL, 1, 1500},
        {-1, 1, 0, B "size", 0, 0},
        {1001, 1, 0, B "size", 0, 0},
        {INT64_MAX, 1, 0, B "size", 0, 0},
        {INT64_MIN, 1, 0, B "size", 0, 0},
        {1, 0, 0, B "cutoff", 0, 0},
        {1, 0, 999999999, B "cutoff", 0, 0},
        {1, 60, 1, B "cutoff", 0, 0},
        {1, 61, 0, B "cutoff", 0, 0},
        {1, -1, 0, B "cutoff", 0, 0},
        {1, 1, -1, B "cutoff", 0, 0},
        {1, 1, 1000000000, B "cutoff", 0, 0},
        {1, INT64_MAX, 0, B "cutoff", 0, 0},
        {1, INT64_MIN, INT32_MIN, B "cutoff", 0, 0},
    };
    struct trigger_spec t;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct trigger_cutoff cutoff = {CASES[i].seconds, CASES[i].nanos};
        struct status found = {.code = STATUS_OK};
        trigger_spec_init(&t);
        trigger_read_batch(&t, CASES[i].size, &cutoff, &found);
        expect(&found, CASES[i].field);
        if (CASES[i].field == NULL) {
            assert_int_equal(t.batch_size, CASES[i].want_size);
            assert_int_equal(t.batch_cutoff_ms, CASES[i].want_ms);
        }
        trigger_spec_fini(&t);
    }
    struct status found = {.code = STATUS_OK};
    trigger_spec_init(&t);
    trigger_read_batch(&t, 1, NULL, &found); /* batch_settings without a cutoff */
    expect(&found, B "cutoff");
    trigger_spec_fini(&t);
}

/* --- what it refers to --- */

static void test_references(void **state)
{
    struct bed *b = *state;
    static const struct {
        size_t member;
        const char *value;
        enum status_code code;
        const char *message; /* begins so */
    } CASES[] = {
#define AT(m) offsetof(struct trigger_spec, m)
        {AT(path), "/", STATUS_OK, ""},
        {AT(path), "/teams/{team}", STATUS_OK, ""},
        {AT(path), "/teams/red", STATUS_INVALID_ARGUMENT, W "path: '/teams/red' is not a path of"},
        {AT(path), "teams/{team}", STATUS_INVALID_ARGUMENT, W "path: "},
        {AT(registry_id), "crt2", STATUS_NOT_FOUND, "Registry crt2 not found"},
        {AT(gateway_id), "d5d2", STATUS_NOT_FOUND, "API gateway d5d2 not found"},
        {AT(service_account_id), "aje2", STATUS_NOT_FOUND, "Service account aje2 not found"},
#undef AT
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct status found = {.code = STATUS_OK};
        struct trigger_spec t;
        trigger_spec_copy(&b->spec, &t);
        double_set((char **) (void *) ((char *) &t + CASES[i].member), CASES[i].value);
        trigger_check_references(&b->cfg, &b->iam, &t, &found);
        assert_int_equal(found.code, CASES[i].code);
        assert_memory_equal(found.message, CASES[i].message, strlen(CASES[i].message));
        trigger_spec_fini(&t);
    }
    struct status found = {.code = STATUS_OK};
    trigger_check_folder(&b->cfg, FOLDER, &found);
    assert_int_equal(found.code, STATUS_OK);
    trigger_check_folder(&b->cfg, "b1gother", &found);
    assert_int_equal(found.code, STATUS_NOT_FOUND);
    assert_string_equal(found.message, "Folder b1gother not found");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_texts, bed_setup, bed_teardown),
        cmocka_unit_test_setup_teardown(test_rule, bed_setup, bed_teardown),
        cmocka_unit_test_setup_teardown(test_fields, bed_setup, bed_teardown),
        cmocka_unit_test_setup_teardown(test_parts, bed_setup, bed_teardown),
        cmocka_unit_test_setup_teardown(test_read_text, bed_setup, bed_teardown),
        cmocka_unit_test(test_read_labels),
        cmocka_unit_test(test_read_event_types),
        cmocka_unit_test(test_order_of_event_types),
        cmocka_unit_test(test_read_batch),
        cmocka_unit_test_setup_teardown(test_references, bed_setup, bed_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
