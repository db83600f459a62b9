/* Triggers: the filters as a table, order, what changes. */
#include "trigger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
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

/* For trigger_spec_fini(). The id is the name with something before it. */
static void spec_of(struct trigger_spec *ret, const char *name, unsigned types,
                    const char *registry)
{
    trigger_spec_init(ret);
    (void) snprintf(ret->id, sizeof(ret->id), "id-%s", name);
    trigger_spec_set(&ret->name, slice_str(name));
    trigger_spec_set(&ret->registry_id, slice_str(registry));
    ret->event_types.mask = types;
}

static void add_pattern(struct trigger_spec *t, const char *image_name) /* NULL: none */
{
    if (image_name == NULL)
        return;
    t->filter = filter_new();
    assert_null(filter_add(t->filter, FILTER_IMAGE_NAMES, slice_str(image_name)));
}

static void test_filters(void **state)
{
    (void) state;
    static const struct {
        const char *name;
        unsigned types;
        const char *registry, *image_name, *tag, *filter; /* an image name's pattern, or a tag's */
        bool hit; /* by CreateImageTag of crt1, team/app, v1 */
    } CASES[] = {
        {"all", ALL, "crt1", NULL, NULL, NULL, true},
        {"empty filters are any", ALL, "crt1", "", "", NULL, true},
        {"only this type", CONFIG_CREATE_IMAGE_TAG, "crt1", NULL, NULL, NULL, true},
        {"all other types", ALL & ~CONFIG_CREATE_IMAGE_TAG, "crt1", NULL, NULL, NULL, false},
        {"other registry", ALL, "crt2", NULL, NULL, NULL, false},
        {"registry with more behind", ALL, "crt11", NULL, NULL, NULL, false},
        {"image name", ALL, "crt1", "team/app", NULL, NULL, true},
        {"image name with registry", ALL, "crt1", "crt1/team/app", NULL, NULL, true},
        {"image name with another registry", ALL, "crt1", "crt2/team/app", NULL, NULL, false},
        {"image name, start only", ALL, "crt1", "team", NULL, NULL, false},
        {"image name, end only", ALL, "crt1", "app", NULL, NULL, false},
        {"image name, more behind", ALL, "crt1", "team/app2", NULL, NULL, false},
        {"image name, other case", ALL, "crt1", "Team/App", NULL, NULL, false},
        {"image name, only the registry", ALL, "crt1", "crt1", NULL, NULL, false},
        {"image name, registry and slash", ALL, "crt1", "crt1/", NULL, NULL, false},
        {"tag", ALL, "crt1", NULL, "v1", NULL, true},
        {"another tag", ALL, "crt1", NULL, "v", NULL, false},
        {"name and tag", ALL, "crt1", "team/app", "v1", NULL, true},
        {"name and another tag", ALL, "crt1", "team/app", "v2", NULL, false},
        {"another name and the tag", ALL, "crt1", "team/web", "v1", NULL, false},
        {"a filter", ALL, "crt1", NULL, NULL, "team/*", true},
        {"a filter that it does not pass", ALL, "crt1", NULL, NULL, "*", false},
        {"name, tag and filter", ALL, "crt1", "team/app", "v1", "!base/**", true},
        {"another name and a filter", ALL, "crt1", "team/web", NULL, "team/*", false},
        {"other type and a filter", CONFIG_DELETE_IMAGE, "crt1", NULL, NULL, "**", false},
    };
    struct event *e = event_of(EVENT_CREATE_IMAGE_TAG, "crt1", "team/app", "v1");
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct trigger_spec rule;
        spec_of(&rule, "t", CASES[i].types, CASES[i].registry);
        trigger_spec_set(&rule.image_name, slice_str(CASES[i].image_name));
        trigger_spec_set(&rule.tag, slice_str(CASES[i].tag));
        add_pattern(&rule, CASES[i].filter);
        assert_int_equal(trigger_matches(&rule, e), CASES[i].hit);
        trigger_spec_fini(&rule);
    }
    event_unref(e);

    for (int type = 0; type < EVENT_N_TYPES; type++) { /* the bits' order is the enum's */
        struct trigger_spec rule;
        spec_of(&rule, "t", 1u << type, "crt1");
        for (int other = 0; other < EVENT_N_TYPES; other++) {
            e = event_of((enum event_type) other, "crt1", "a", "");
            assert_int_equal(trigger_matches(&rule, e), type == other);
            event_unref(e);
        }
        trigger_spec_fini(&rule);
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
    h->names[h->n++] = t->spec.name;
}

/* Names of one letter, in the order of the hits. */
static void expect_hits(struct trigger_set *set, const char *registry, const char *tag,
                        const char *want)
{
    struct hits h = {.n = 0};
    struct event *e = event_of(EVENT_CREATE_IMAGE_TAG, registry, "app", tag);
    trigger_set_match(set, e, on_hit, &h);
    assert_int_equal(h.n, strlen(want));
    for (size_t k = 0; k < h.n; k++)
        assert_int_equal(h.names[k][0], want[k]);
    event_unref(e);
}

static struct trigger *add(struct trigger_set *set, const char *name, const char *registry,
                           const char *tag)
{
    struct trigger_spec spec;
    spec_of(&spec, name, ALL, registry);
    trigger_spec_set(&spec.tag, slice_str(tag));
    struct trigger *t = trigger_set_add(set, &spec);
    trigger_spec_fini(&spec); /* it has its own */
    return t;
}

static void test_set(void **state)
{
    (void) state;
    struct trigger_set *set = trigger_set_new();
    struct trigger *a = add(set, "a", "crt2", ""), *b = add(set, "b", "crt1", "");
    struct trigger *c = add(set, "c", "crt1", "v1");
    (void) add(set, "d", "crt3", "");
    (void) add(set, "f", "crt1", "");
    assert_int_equal(trigger_set_size(set), 5);
    assert_ptr_equal(trigger_set_at(set, 2), c);
    assert_ptr_equal(trigger_set_find(set, "id-b"), b);
    assert_null(trigger_set_find(set, "id-x"));
    expect_hits(set, "crt1", "v1", "bcf");
    expect_hits(set, "crt1", "v2", "bf");
    expect_hits(set, "crt2", "v1", "a");
    expect_hits(set, "crt3", "v1", "d");
    expect_hits(set, "crt0", "v1", "");
    expect_hits(set, "crt4", "v1", "");
    expect_hits(set, "crt", "v1", "");

    /* A change keeps its place, a removal everybody else's; one that comes back is the newest. */
    struct trigger_spec spec;
    trigger_spec_copy(&a->spec, &spec);
    trigger_spec_set(&spec.registry_id, SLICE_LIT("crt1"));
    trigger_set_replace(set, a, &spec);
    trigger_spec_fini(&spec);
    assert_string_equal(a->spec.name, "a");
    expect_hits(set, "crt2", "v1", "");
    expect_hits(set, "crt1", "v1", "abcf");
    trigger_set_remove(set, b);
    assert_int_equal(trigger_set_size(set), 4);
    assert_null(trigger_set_find(set, "id-b"));
    expect_hits(set, "crt1", "v1", "acf");
    (void) add(set, "b", "crt1", "");
    expect_hits(set, "crt1", "v1", "acfb");
    assert_ptr_equal(trigger_set_at(set, 0), a);
    for (size_t n = 5; n-- > 0;)
        trigger_set_remove(set, trigger_set_at(set, n));
    expect_hits(set, "crt1", "v1", "");
    (void) add(set, "g", "crt1", "");
    expect_hits(set, "crt1", "v1", "g");
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
    static const char *const PATTERNS[] = {NULL, "*", "!a", "a/**", "crt1/*", NULL, "**", "!**"};
    static const char *const REPOSITORIES[] = {"a", "b", "c", "crt1/a", "a/b"};
    enum { N = 300 };
    struct trigger_set *set = trigger_set_new();
    for (unsigned i = 0; i < N; i++) {
        struct trigger_spec rule;
        spec_of(&rule, "t", ALL, REGISTRIES[i * 7 % ARRAY_LEN(REGISTRIES)]);
        trigger_spec_set(&rule.image_name, slice_str(IMAGES[i * 5 % ARRAY_LEN(IMAGES)]));
        add_pattern(&rule, PATTERNS[i * 3 % ARRAY_LEN(PATTERNS)]);
        (void) trigger_set_add(set, &rule);
        trigger_spec_fini(&rule);
    }
    for (size_t r = 0; r < ARRAY_LEN(REGISTRIES) * ARRAY_LEN(REPOSITORIES); r++) {
        struct event *e = event_of(EVENT_CREATE_IMAGE, REGISTRIES[r % ARRAY_LEN(REGISTRIES)],
                                   REPOSITORIES[r / ARRAY_LEN(REGISTRIES)], "");
        struct found found = {.n = 0};
        size_t n = 0;
        trigger_set_match(set, e, on_found, &found);
        for (size_t i = 0; i < N; i++) {
            if (trigger_matches(&trigger_set_at(set, i)->spec, e))
                assert_ptr_equal(found.at[n++], trigger_set_at(set, i));
        }
        assert_int_equal(n, found.n);
        assert_true(n > 0);
        event_unref(e);
    }
    trigger_set_free(set);
}

/* A filter is asked once for an event, until triggers change: nobody but this test changes what an
 * event is of. */
static void test_asked_once(void **state)
{
    (void) state;
    enum { N = 70 }; /* more than an event keeps verdicts of */
    struct trigger_set *set = trigger_set_new(), *other = trigger_set_new();
    struct trigger *first = NULL;
    for (size_t i = 0; i < N; i++) {
        struct trigger_spec rule;
        spec_of(&rule, "t", ALL, "crt1");
        add_pattern(&rule, i % 2 == 0 ? "a" : "b");
        struct trigger *t = trigger_set_add(set, &rule);
        first = i == 0 ? t : first;
        if (i < 2)
            (void) trigger_set_add(other, &rule);
        trigger_spec_fini(&rule);
    }
    struct event *e = event_of(EVENT_CREATE_IMAGE, "crt1", "a", "");
    struct found found = {.n = 0};
    trigger_set_match(set, e, on_found, &found);
    assert_int_equal(found.n, N / 2);
    e->repository[0] = 'b';
    found.n = 0;
    trigger_set_match(set, e, on_found, &found);
    assert_int_equal(found.n, N / 2);
    for (size_t i = 0; i < N / 2; i++) /* the last six are asked again */
        assert_ptr_equal(found.at[i], trigger_set_at(set, 2 * i + (i < 32 ? 0 : 1)));
    found.n = 0;
    trigger_set_match(other, e, on_found, &found);
    assert_int_equal(found.n, 1);
    assert_ptr_equal(found.at[0], trigger_set_at(other, 1));
    trigger_set_remove(set, first);
    found.n = 0;
    trigger_set_match(set, e, on_found, &found);
    assert_ptr_equal(found.at[0], trigger_set_at(set, 0)); /* "b", now the first one */
    e->repository[0] = 'a';
    struct trigger_spec rule;
    trigger_spec_copy(&trigger_set_at(set, 0)->spec, &rule);
    trigger_set_replace(set, trigger_set_at(set, 1), &rule);
    trigger_spec_fini(&rule);
    found.n = 0;
    trigger_set_match(set, e, on_found, &found);
    assert_ptr_equal(found.at[0], trigger_set_at(set, 3));
    event_unref(e);
    trigger_set_free(set);
    trigger_set_free(other);
}

static void test_empty_set(void **state)
{
    (void) state;
    struct trigger_set *set = trigger_set_new();
    assert_int_equal(trigger_set_size(set), 0);
    expect_hits(set, "crt1", "v1", "");
    trigger_set_free(set);
    trigger_set_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters),   cmocka_unit_test(test_set),
        cmocka_unit_test(test_lookup),    cmocka_unit_test(test_asked_once),
        cmocka_unit_test(test_empty_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
