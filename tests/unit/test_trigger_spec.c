/* Tests of broker/trigger_spec.c: value semantics, the stored form, triggers of the configuration.
 */
#include "trigger_spec.h"

#include "mem.h"
#include "tagged.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void set(char **member, const char *value)
{
    trigger_spec_set(member, slice_str(value));
}

static void label(struct trigger_spec *t, const char *key, const char *value)
{
    assert_true(trigger_spec_label(t, slice_str(key), slice_str(value)));
}

static void pattern(struct trigger_spec *t, enum filter_list list, const char *text)
{
    if (t->filter == NULL)
        t->filter = filter_new();
    assert_null(filter_add(t->filter, list, slice_str(text)));
}

/* Every member differs from the default. */
static void full(struct trigger_spec *t)
{
    trigger_spec_init(t);
    trigger_spec_id_of_name("registry-trigger", t->id);
    set(&t->folder_id, "b1gfolder00000000001");
    t->created_ns = 1700000000123456789;
    set(&t->name, "registry-trigger");
    set(&t->description, "Ein Ausl\xc3\xb6ser");
    label(t, "team", "build");
    label(t, "env", "");
    event_list_add(&t->event_types, 4);
    event_list_add(&t->event_types, 1);
    set(&t->registry_id, "crtregistry000000001");
    set(&t->image_name, "team/app");
    set(&t->tag, "latest");
    pattern(t, FILTER_TAGS, "semver:^1.2");
    pattern(t, FILTER_TAGS, "!*-rc*");
    pattern(t, FILTER_ACTORS, "ci-*");
    t->batch_size = 3;
    t->batch_cutoff_ms = 20500;
    set(&t->gateway_id, "d5dgateway0000000001");
    set(&t->path, "/teams/{team}");
    set(&t->service_account_id, "ajebroadcaster000001");
    t->status = TRIGGER_PAUSED;
    t->paused_seq = 1ull << 40;
    t->version = 7;
}

static void expect_equal(const struct trigger_spec *a, const struct trigger_spec *b)
{
    assert_string_equal(a->id, b->id);
    assert_string_equal(a->folder_id, b->folder_id);
    assert_int_equal(a->created_ns, b->created_ns);
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->description, b->description);
    assert_int_equal(a->n_labels, b->n_labels);
    for (size_t i = 0; i < a->n_labels; i++) {
        assert_string_equal(a->labels[i].key, b->labels[i].key);
        assert_string_equal(a->labels[i].value, b->labels[i].value);
    }
    assert_true(event_list_equal(&a->event_types, &b->event_types));
    assert_string_equal(a->registry_id, b->registry_id);
    assert_string_equal(a->image_name, b->image_name);
    assert_string_equal(a->tag, b->tag);
    assert_true(filter_equal(a->filter, b->filter));
    assert_int_equal(a->batch_size, b->batch_size);
    assert_int_equal(a->batch_cutoff_ms, b->batch_cutoff_ms);
    assert_string_equal(a->gateway_id, b->gateway_id);
    assert_string_equal(a->path, b->path);
    assert_string_equal(a->service_account_id, b->service_account_id);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->paused_seq, b->paused_seq);
    assert_int_equal(a->version, b->version);
}

static void test_defaults(void **state)
{
    (void) state;
    struct trigger_spec t;
    trigger_spec_init(&t);
    assert_string_equal(t.id, "");
    assert_string_equal(t.name, "");
    assert_string_equal(t.service_account_id, "");
    assert_int_equal(t.batch_size, 1);
    assert_int_equal(t.batch_cutoff_ms, 1000);
    assert_int_equal(t.status, TRIGGER_ACTIVE);
    trigger_spec_fini(&t);
    trigger_spec_fini(&t);
}

static void test_copy_owns_its_own(void **state)
{
    (void) state;
    struct trigger_spec a, b, c;
    full(&a);
    full(&c);
    trigger_spec_copy(&a, &b);
    expect_equal(&a, &b);
    set(&a.name, "other");
    label(&a, "team", "other");
    trigger_spec_fini(&a);
    expect_equal(&b, &c);

    trigger_spec_init(&a);
    label(&a, "only", "this");
    trigger_spec_set_labels(&b, &a);
    trigger_spec_fini(&a);
    assert_int_equal(b.n_labels, 1);
    assert_string_equal(b.labels[0].value, "this");
    trigger_spec_fini(&b);
    trigger_spec_fini(&c);
}

static void test_set_from_itself(void **state)
{
    (void) state;
    struct trigger_spec t;
    trigger_spec_init(&t);
    set(&t.name, "registry-trigger");
    trigger_spec_set(&t.name, slice_sub(slice_str(t.name), 9, 16));
    assert_string_equal(t.name, "trigger");
    trigger_spec_fini(&t);
}

static void test_labels_in_order(void **state)
{
    (void) state;
    static const char *const IN[] = {"m", "b", "z", "ba", "a", "m"};
    static const char *const WANT[] = {"a", "b", "ba", "m", "z"};
    struct trigger_spec t;
    trigger_spec_init(&t);
    for (size_t i = 0; i < ARRAY_LEN(IN); i++)
        label(&t, IN[i], i == 5 ? "new" : "old");
    assert_int_equal(t.n_labels, ARRAY_LEN(WANT));
    for (size_t i = 0; i < ARRAY_LEN(WANT); i++)
        assert_string_equal(t.labels[i].key, WANT[i]);
    assert_string_equal(t.labels[3].value, "new");
    for (size_t i = ARRAY_LEN(WANT); i < TRIGGER_MAX_LABELS; i++) {
        char key[16];
        (void) snprintf(key, sizeof(key), "k%zu", i);
        label(&t, key, "");
    }
    assert_false(trigger_spec_label(&t, SLICE_LIT("one-more"), SLICE_LIT("")));
    label(&t, "z", "replaced"); /* is there already */
    assert_int_equal(t.n_labels, TRIGGER_MAX_LABELS);
    trigger_spec_fini(&t);
}

static void test_pack_and_unpack(void **state)
{
    (void) state;
    struct trigger_spec specs[2], back;
    full(&specs[0]);
    trigger_spec_init(&specs[1]);
    for (size_t i = 0; i < 2; i++) {
        struct buf out, again;
        buf_init(&out, 10000);
        buf_init(&again, 10000);
        assert_int_equal(trigger_spec_pack(&specs[i], &out), 0);
        assert_int_equal(trigger_spec_unpack(buf_slice(&out), &back), 0);
        expect_equal(&specs[i], &back);
        assert_int_equal(trigger_spec_pack(&back, &again), 0);
        assert_true(slice_eq(buf_slice(&out), buf_slice(&again)));
        trigger_spec_fini(&back);
        trigger_spec_fini(&specs[i]);
        buf_fini(&out);
        buf_fini(&again);
    }
}

/* The order has a field only where it is one: else the record is what it always was. */
static void test_event_order(void **state)
{
    (void) state;
    static const struct {
        const char *types, *want;
        const char *order; /* of the record, behind its tag and length; NULL: there is no field */
    } CASES[] = {
        {"", "", NULL},           {"14", "14", NULL},           {"2", "2", NULL},
        {"41", "41", "\4\1"},     {"313", "31", "\3\1"},        {"1234", "1234", NULL},
        {"142", "142", "\1\4\2"}, {"4321", "4321", "\4\3\2\1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct trigger_spec t, back;
        struct buf out, want;
        uint8_t got[EVENT_LIST_MAX];
        trigger_spec_init(&t);
        buf_init(&out, 10000);
        buf_init(&want, 10000);
        for (const char *at = CASES[i].types; *at != '\0'; at++)
            t.event_types.mask |= 1u << (*at - '1');
        assert_int_equal(trigger_spec_pack(&t, &want), 0); /* as one without an order */
        if (CASES[i].order != NULL)
            assert_int_equal(tagged_put(&want, 19, slice_str(CASES[i].order)), 0);
        t.event_types = (struct event_list){0};
        for (const char *at = CASES[i].types; *at != '\0'; at++)
            event_list_add(&t.event_types, (unsigned) (*at - '0'));
        assert_int_equal(trigger_spec_pack(&t, &out), 0);
        assert_true(slice_eq(buf_slice(&out), buf_slice(&want)));
        assert_int_equal(trigger_spec_unpack(buf_slice(&out), &back), 0);
        assert_int_equal(event_list_get(&back.event_types, got), strlen(CASES[i].want));
        for (size_t k = 0; k < strlen(CASES[i].want); k++)
            assert_int_equal(got[k], CASES[i].want[k] - '0');
        trigger_spec_fini(&t);
        trigger_spec_fini(&back);
        buf_fini(&out);
        buf_fini(&want);
    }
}

/* None, and one without patterns: a request says either nothing or that there is to be none. */
static void test_empty_filter(void **state)
{
    (void) state;
    for (int given = 0; given < 2; given++) {
        struct trigger_spec t, back;
        struct buf out;
        trigger_spec_init(&t);
        t.filter = given ? filter_new() : NULL;
        buf_init(&out, 10000);
        assert_int_equal(trigger_spec_pack(&t, &out), 0);
        assert_int_equal(trigger_spec_unpack(buf_slice(&out), &back), 0);
        assert_int_equal(back.filter != NULL, given);
        assert_true(filter_is_empty(back.filter));
        pattern(&t, FILTER_TAGS, "a");
        trigger_spec_set_filter(&back, t.filter);
        assert_true(filter_equal(t.filter, back.filter));
        struct filter *empty = filter_new();
        trigger_spec_set_filter(&back, empty);
        assert_null(back.filter);
        filter_free(empty);
        trigger_spec_fini(&t);
        trigger_spec_fini(&back);
        buf_fini(&out);
    }
}

/* Cut anywhere it is refused, or (between two fields) it is what an earlier version wrote. */
static void test_cut(void **state)
{
    (void) state;
    struct trigger_spec t, back;
    struct buf out;
    size_t read = 0;
    full(&t);
    buf_init(&out, 10000);
    assert_int_equal(trigger_spec_pack(&t, &out), 0);
    for (size_t len = 0; len < out.len; len++) {
        uint8_t *copy = xmalloc(len);
        memcpy(copy, out.data, len);
        int r = trigger_spec_unpack(slice_of(copy, len), &back);
        assert_true(r == 0 || r == -EBADMSG);
        if (r == 0) {
            read++;
            trigger_spec_fini(&back);
        }
        free(copy);
    }
    assert_int_equal(read, 23); /* before each of the 23 fields */
    trigger_spec_fini(&t);
    buf_fini(&out);
}

static void test_of_a_later_version(void **state)
{
    (void) state;
    struct trigger_spec t, back;
    struct buf out;
    full(&t);
    buf_init(&out, 10000);
    assert_int_equal(trigger_spec_pack(&t, &out), 0);
    assert_int_equal(tagged_put_text(&out, 40, "something new"), 0);
    assert_int_equal(tagged_put_text(&out, 40, "twice"), 0);
    assert_int_equal(tagged_put_u64(&out, 255, 1), 0);
    assert_int_equal(trigger_spec_unpack(buf_slice(&out), &back), 0);
    expect_equal(&t, &back);
    trigger_spec_fini(&back);
    out.data[1] = 2; /* fields that mean something else */
    assert_int_equal(trigger_spec_unpack(buf_slice(&out), &back), -EBADMSG);
    trigger_spec_fini(&t);
    buf_fini(&out);
}

static void test_damage(void **state)
{
    (void) state;
    static const struct {
        const char *name;
        struct slice record;
    } CASES[] = {
        {"tag 0", SLICE_LIT("T\1\0\0\0\0\0")},
        {"id too long", SLICE_LIT("T\1\1\25\0\0\0"
                                  "a1s012345678901234567")},
        {"NUL in the id", SLICE_LIT("T\1\1\2\0\0\0a\0")},
        {"NUL in a text", SLICE_LIT("T\1\4\2\0\0\0a\0")},
        {"text twice", SLICE_LIT("T\1\4\1\0\0\0a\4\1\0\0\0a")},
        {"short number", SLICE_LIT("T\1\3\1\0\0\0a")},
        {"unknown event type", SLICE_LIT("T\1\7\10\0\0\0\20\0\0\0\0\0\0\0")},
        {"order of other event types", SLICE_LIT("T\1\7\10\0\0\0\5\0\0\0\0\0\0\0"
                                                 "\23\2\0\0\0\4\1")},
        {"order of fewer", SLICE_LIT("T\1\7\10\0\0\0\5\0\0\0\0\0\0\0\23\1\0\0\0\3")},
        {"order with a type twice", SLICE_LIT("T\1\7\10\0\0\0\5\0\0\0\0\0\0\0"
                                              "\23\3\0\0\0\3\1\3")},
        {"order with type 0", SLICE_LIT("T\1\7\10\0\0\0\5\0\0\0\0\0\0\0"
                                        "\23\3\0\0\0\3\1\0")},
        {"order with type 5", SLICE_LIT("T\1\7\10\0\0\0\5\0\0\0\0\0\0\0"
                                        "\23\3\0\0\0\3\1\5")},
        {"order of no types", SLICE_LIT("T\1\23\1\0\0\0\1")},
        {"empty order", SLICE_LIT("T\1\7\10\0\0\0\5\0\0\0\0\0\0\0\23\0\0\0\0")},
        {"status 0", SLICE_LIT("T\1\20\10\0\0\0\0\0\0\0\0\0\0\0")},
        {"status 3", SLICE_LIT("T\1\20\10\0\0\0\3\0\0\0\0\0\0\0")},
        {"label without a NUL", SLICE_LIT("T\1\6\1\0\0\0a")},
        {"empty label", SLICE_LIT("T\1\6\0\0\0\0")},
        {"NUL in a label", SLICE_LIT("T\1\6\4\0\0\0a\0b\0")},
        {"labels out of order", SLICE_LIT("T\1\6\2\0\0\0b\0\6\2\0\0\0a\0")},
        {"label twice", SLICE_LIT("T\1\6\2\0\0\0b\0\6\2\0\0\0b\0")},
        {"pattern of a list that is not known", SLICE_LIT("T\1\24\2\0\0\0\4a")},
        {"pattern that is none", SLICE_LIT("T\1\24\2\0\0\0\1[")},
        {"range of a later version", SLICE_LIT("T\1\24\11\0\0\0\1semver:?")},
        {"pattern with a NUL", SLICE_LIT("T\1\24\3\0\0\0\1a\0")},
        {"pattern with a NUL in a class", SLICE_LIT("T\1\24\5\0\0\0\3[\\\0]")},
        {"no patterns behind one", SLICE_LIT("T\1\24\2\0\0\0\1a\24\0\0\0\0")},
        {"an operation", SLICE_LIT("O\1")},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct trigger_spec t;
        assert_int_equal(trigger_spec_unpack(CASES[i].record, &t), -EBADMSG);
    }
}

/* Whatever allocation or limit fails: nothing is appended. */
static void test_pack_without_room(void **state)
{
    (void) state;
    struct trigger_spec t;
    struct buf out;
    full(&t);
    buf_init(&out, 10000);
    assert_int_equal(trigger_spec_pack(&t, &out), 0);
    size_t whole = out.len;
    buf_fini(&out);
    for (size_t limit = 2; limit < whole + 2; limit++) {
        buf_init(&out, limit);
        assert_int_equal(buf_append_str(&out, "ab"), 0);
        assert_int_equal(trigger_spec_pack(&t, &out), -EMSGSIZE);
        assert_int_equal(out.len, 2);
        buf_fini(&out);
    }
    unsigned n = 0;
    int r = -ENOMEM;
    while (r != 0) {
        buf_init(&out, 10000);
        mem_fail_at(++n);
        r = trigger_spec_pack(&t, &out);
        mem_fail_at(0);
        assert_true(r == 0 || (r == -ENOMEM && out.len == 0));
        buf_fini(&out);
    }
    assert_true(n > 3);
    trigger_spec_fini(&t);
}

static void test_from_config(void **state)
{
    (void) state;
    char folder[] = "b1g1", name[] = "registry-trigger", registry[] = "crt1", gateway[] = "d5d1";
    char path[] = "/", account[] = "aje1", tag[] = "v1", glob[] = "v*", no_rc[] = "!*-rc*";
    char *patterns[] = {glob, no_rc};
    const struct config cfg = {.folder_id = folder};
    const struct config_trigger from = {.name = name,
                                        .event_types = {5, {3, 1}},
                                        .registry_id = registry,
                                        .tag = tag,
                                        .filter[FILTER_TAGS] = {patterns, 2},
                                        .batch_size = 5,
                                        .batch_cutoff_ms = 2000,
                                        .gateway_id = gateway,
                                        .path = path,
                                        .service_account_id = account};
    struct trigger_spec t;
    trigger_spec_from_config(&cfg, &from, &t);
    assert_string_equal(t.id, "a1sm1hor8e620tgvhjm3");
    assert_string_equal(t.folder_id, "b1g1");
    assert_string_equal(t.name, "registry-trigger");
    assert_string_equal(t.description, "");
    assert_true(event_list_equal(&t.event_types, &from.event_types));
    assert_string_equal(t.registry_id, "crt1");
    assert_string_equal(t.image_name, "");
    assert_string_equal(t.tag, "v1");
    assert_int_equal(filter_size(t.filter, FILTER_TAGS), 2);
    assert_string_equal(filter_at(t.filter, FILTER_TAGS, 1), "!*-rc*");
    assert_int_equal(t.batch_size, 5);
    assert_int_equal(t.batch_cutoff_ms, 2000);
    assert_string_equal(t.gateway_id, "d5d1");
    assert_string_equal(t.path, "/");
    assert_string_equal(t.service_account_id, "aje1");
    assert_int_equal(t.status, TRIGGER_ACTIVE);
    assert_int_equal(t.version, 1);
    trigger_spec_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_filter),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_copy_owns_its_own),
        cmocka_unit_test(test_set_from_itself),
        cmocka_unit_test(test_labels_in_order),
        cmocka_unit_test(test_pack_and_unpack),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_of_a_later_version),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_pack_without_room),
        cmocka_unit_test(test_event_order),
        cmocka_unit_test(test_from_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
