/* Triggers: the filters as a table, order, the role of the service account. */
#include "trigger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ALL                                                                                        \
    (CONFIG_CREATE_IMAGE | CONFIG_DELETE_IMAGE | CONFIG_CREATE_IMAGE_TAG | CONFIG_DELETE_IMAGE_TAG)

static struct event *event_of(enum event_type type, const char *registry, const char *repository,
                              const char *tag)
{
    return event_new(&(struct event_parts){
        .type = type,
        .id = "crt00000000000000001",
        .created_at = "2020-09-07T11:09:14Z",
        .cloud_id = "",
        .folder_id = "",
        .registry_id = registry,
        .repository = repository,
        .digest = "sha256:0",
        .tag = tag,
    });
}

static void test_filters(void **state)
{
    (void) state;
    static const struct {
        const char *name;
        unsigned types;
        const char *registry, *image_name, *tag;
        bool hit; /* by CreateImageTag of crt1, team/app, v1 */
    } CASES[] = {
        {"all", ALL, "crt1", NULL, NULL, true},
        {"empty filters are any", ALL, "crt1", "", "", true},
        {"only this type", CONFIG_CREATE_IMAGE_TAG, "crt1", NULL, NULL, true},
        {"all other types", ALL & ~CONFIG_CREATE_IMAGE_TAG, "crt1", NULL, NULL, false},
        {"other registry", ALL, "crt2", NULL, NULL, false},
        {"registry with more behind", ALL, "crt11", NULL, NULL, false},
        {"image name", ALL, "crt1", "team/app", NULL, true},
        {"image name with registry", ALL, "crt1", "crt1/team/app", NULL, true},
        {"image name with another registry", ALL, "crt1", "crt2/team/app", NULL, false},
        {"image name, start only", ALL, "crt1", "team", NULL, false},
        {"image name, end only", ALL, "crt1", "app", NULL, false},
        {"image name, more behind", ALL, "crt1", "team/app2", NULL, false},
        {"image name, other case", ALL, "crt1", "Team/App", NULL, false},
        {"image name, only the registry", ALL, "crt1", "crt1", NULL, false},
        {"image name, registry and slash", ALL, "crt1", "crt1/", NULL, false},
        {"tag", ALL, "crt1", NULL, "v1", true},
        {"another tag", ALL, "crt1", NULL, "v", false},
        {"name and tag", ALL, "crt1", "team/app", "v1", true},
        {"name and another tag", ALL, "crt1", "team/app", "v2", false},
        {"another name and the tag", ALL, "crt1", "team/web", "v1", false},
    };
    struct event *e = event_of(EVENT_CREATE_IMAGE_TAG, "crt1", "team/app", "v1");
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct config_trigger rule = {.name = (char *) (uintptr_t) "t",
                                      .event_types = CASES[i].types,
                                      .registry_id = (char *) (uintptr_t) CASES[i].registry,
                                      .image_name = (char *) (uintptr_t) CASES[i].image_name,
                                      .tag = (char *) (uintptr_t) CASES[i].tag};
        const struct trigger t = {.rule = &rule};
        assert_int_equal(trigger_matches(&t, e), CASES[i].hit);
    }
    event_unref(e);

    for (int type = 0; type < EVENT_N_TYPES; type++) { /* the bits' order is the enum's */
        struct config_trigger rule = {.event_types = 1u << type,
                                      .registry_id = (char *) (uintptr_t) "crt1"};
        const struct trigger t = {.rule = &rule};
        for (int other = 0; other < EVENT_N_TYPES; other++) {
            e = event_of((enum event_type) other, "crt1", "a", "");
            assert_int_equal(trigger_matches(&t, e), type == other);
            event_unref(e);
        }
    }
    assert_int_equal(CONFIG_DELETE_IMAGE, 1u << EVENT_DELETE_IMAGE);
    assert_int_equal(CONFIG_CREATE_IMAGE_TAG, 1u << EVENT_CREATE_IMAGE_TAG);
}

struct hits {
    const char *names[16];
    size_t n;
};

static void on_hit(void *ctx, struct trigger *t, struct event *e)
{
    struct hits *h = ctx;
    assert_non_null(e);
    h->names[h->n++] = t->rule->name;
}

static void test_set(void **state)
{
    (void) state;
    char role[] = "api-gateway.websocketBroadcaster", other_role[] = "viewer";
    char *roles[] = {other_role, role};
    char sa1[] = "sa1", sa2[] = "sa2", sa9[] = "sa9", r1[] = "crt1", r2[] = "crt2", r3[] = "crt3",
         v1[] = "v1";
    char a[] = "a", b[] = "b", c[] = "c", d[] = "d", f[] = "f";
    struct config_account accounts[] = {
        {.id = sa1, .roles = {.at = roles, .n = 2}},
        {.id = sa2, .roles = {.at = roles, .n = 1}},
    };
    struct config_trigger rules[] = {
        {.name = a, .event_types = ALL, .registry_id = r2, .service_account_id = sa1},
        {.name = b, .event_types = ALL, .registry_id = r1, .service_account_id = sa2},
        {.name = c, .event_types = ALL, .registry_id = r1, .service_account_id = sa1, .tag = v1},
        {.name = d, .event_types = ALL, .registry_id = r3, .service_account_id = sa9},
        {.name = f, .event_types = ALL, .registry_id = r1, .service_account_id = sa1},
    };
    const struct config cfg = {.service_accounts = accounts,
                               .n_service_accounts = ARRAY_LEN(accounts),
                               .triggers = rules,
                               .n_triggers = ARRAY_LEN(rules)};
    static const struct {
        const char *registry, *tag, *want; /* names of the hits, in order */
    } CASES[] = {
        {"crt1", "v1", "bcf"}, {"crt1", "v2", "bf"}, {"crt2", "v1", "a"}, {"crt3", "v1", "d"},
        {"crt0", "v1", ""},    {"crt4", "v1", ""},   {"crt", "v1", ""},
    };
    struct trigger_set *set = trigger_set_new(&cfg), *again = trigger_set_new(&cfg);
    assert_int_equal(trigger_set_size(set), 5);
    for (size_t i = 0; i < 5; i++) {
        struct trigger *t = trigger_set_at(set, i);
        uint64_t hi, lo;
        assert_ptr_equal(t->rule, &rules[i]);
        assert_int_equal(t->allowed, i == 0 || i == 2 || i == 4);
        assert_true(id_decode("a1s", slice_str(t->id), &hi, &lo));
        assert_string_equal(t->id, trigger_set_at(again, i)->id);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(t->id, trigger_set_at(set, k)->id);
    }
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct hits h = {.n = 0};
        struct event *e = event_of(EVENT_CREATE_IMAGE_TAG, CASES[i].registry, "app", CASES[i].tag);
        assert_int_equal(trigger_set_match(set, e, on_hit, &h), strlen(CASES[i].want));
        assert_int_equal(h.n, strlen(CASES[i].want));
        for (size_t k = 0; k < h.n; k++)
            assert_int_equal(h.names[k][0], CASES[i].want[k]);
        event_unref(e);
    }
    trigger_set_free(again);
    trigger_set_free(set);
}

struct found {
    const struct trigger *at[300];
    size_t n;
};

static void on_found(void *ctx, struct trigger *t, struct event *e)
{
    struct found *found = ctx;
    assert_non_null(e);
    found->at[found->n++] = t;
}

/* However triggers are looked up, the hits are those that trigger_matches() finds one by one, in
 * order. */
static void test_lookup(void **state)
{
    (void) state;
    static const char *const REGISTRIES[] = {"crt1", "crt2", "crt1/a"};
    static const char *const IMAGES[] = {"", "a", "b", "crt1/a", "crt2/a", "crt1/crt1/a", "a/b"};
    static const char *const REPOSITORIES[] = {"a", "b", "c", "crt1/a", "a/b"};
    enum { N = 300 };
    static struct config_trigger rules[N];
    for (unsigned i = 0; i < N; i++)
        rules[i] = (struct config_trigger){
            .name = (char *) (uintptr_t) "t",
            .event_types = ALL,
            .registry_id = (char *) (uintptr_t) REGISTRIES[i * 7 % ARRAY_LEN(REGISTRIES)],
            .image_name =
                i % 11 == 0 ? NULL : (char *) (uintptr_t) IMAGES[i * 5 % ARRAY_LEN(IMAGES)],
            .service_account_id = (char *) (uintptr_t) "none",
        };
    const struct config cfg = {.triggers = rules, .n_triggers = N};
    struct trigger_set *set = trigger_set_new(&cfg);
    for (size_t r = 0; r < ARRAY_LEN(REGISTRIES) * ARRAY_LEN(REPOSITORIES); r++) {
        struct event *e = event_of(EVENT_CREATE_IMAGE, REGISTRIES[r % ARRAY_LEN(REGISTRIES)],
                                   REPOSITORIES[r / ARRAY_LEN(REGISTRIES)], "");
        struct found found = {.n = 0};
        size_t n = 0, hits = trigger_set_match(set, e, on_found, &found);
        assert_int_equal(hits, found.n);
        for (size_t i = 0; i < N; i++) {
            if (trigger_matches(trigger_set_at(set, i), e))
                assert_ptr_equal(found.at[n++], trigger_set_at(set, i));
        }
        assert_int_equal(n, found.n);
        assert_true(n > 0);
        event_unref(e);
    }
    trigger_set_free(set);
}

static void test_empty_set(void **state)
{
    (void) state;
    const struct config cfg = {.n_triggers = 0};
    struct trigger_set *set = trigger_set_new(&cfg);
    struct event *e = event_of(EVENT_CREATE_IMAGE, "crt1", "a", "");
    assert_int_equal(trigger_set_match(set, e, on_hit, NULL), 0);
    event_unref(e);
    trigger_set_free(set);
    trigger_set_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_empty_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
