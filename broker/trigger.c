/* trigger.c - rules: which events go to which paths. (pure) */
#include "trigger.h"

#include "mem.h"

#include <stdlib.h>

struct trigger_set {
    struct trigger **at;          /* in the order of making */
    struct trigger **by_registry; /* the same, sorted by registry id and then by that order */
    size_t n;
    bool stale; /* by_registry: a start adds thousands before it looks for the first time */
};

/* --- the set --- */

static int compare_registry(const void *a, const void *b)
{
    const struct trigger *x = *(struct trigger *const *) a, *y = *(struct trigger *const *) b;
    int r = strcmp(x->spec.registry_id, y->spec.registry_id);
    return r != 0 ? r : (x->place > y->place) - (x->place < y->place);
}

static void make_index(struct trigger_set *set)
{
    set->stale = false;
    for (size_t i = 0; i < set->n; i++)
        set->by_registry[i] = set->at[i];
    if (set->n > 0)
        qsort(set->by_registry, set->n, sizeof(struct trigger *), compare_registry);
}

struct trigger_set *trigger_set_new(void)
{
    return xcalloc(1, sizeof(struct trigger_set));
}

static void trigger_free(struct trigger *t)
{
    trigger_spec_fini(&t->spec);
    free(t);
}

void trigger_set_free(struct trigger_set *set)
{
    if (set == NULL)
        return;
    for (size_t i = 0; i < set->n; i++)
        trigger_free(set->at[i]);
    free(set->by_registry);
    free(set->at);
    free(set);
}

size_t trigger_set_size(const struct trigger_set *set)
{
    return set->n;
}

struct trigger *trigger_set_at(const struct trigger_set *set, size_t i)
{
    ASSERT(i < set->n);
    return set->at[i];
}

struct trigger *trigger_set_find(const struct trigger_set *set, const char *id)
{
    for (size_t i = 0; i < set->n; i++) {
        if (strcmp(set->at[i]->spec.id, id) == 0)
            return set->at[i];
    }
    return NULL;
}

struct trigger *trigger_set_add(struct trigger_set *set, const struct trigger_spec *spec)
{
    struct trigger *t = xcalloc(1, sizeof(*t));
    size_t size = (set->n + 1) * sizeof(struct trigger *);
    trigger_spec_copy(spec, &t->spec);
    set->at = xrealloc(set->at, size);
    set->by_registry = xrealloc(set->by_registry, size);
    t->place = set->n;
    set->at[set->n++] = t;
    set->stale = true;
    return t;
}

void trigger_set_replace(struct trigger_set *set, struct trigger *t,
                         const struct trigger_spec *spec)
{
    trigger_spec_fini(&t->spec);
    trigger_spec_copy(spec, &t->spec);
    set->stale = true;
}

void trigger_set_remove(struct trigger_set *set, struct trigger *t)
{
    ASSERT(t->place < set->n && set->at[t->place] == t);
    set->n--;
    for (size_t i = t->place; i < set->n; i++) {
        set->at[i] = set->at[i + 1];
        set->at[i]->place = i;
    }
    set->stale = true;
    trigger_free(t);
}

/* --- matching --- */

/* `name` is "<repository>", or "<registry id>/<repository>" as the original's listings print it. */
static bool names_image(const char *name, const struct event *e)
{
    if (strcmp(name, e->repository) == 0)
        return true;
    size_t n = strlen(e->registry_id);
    return strncmp(name, e->registry_id, n) == 0 && name[n] == '/' &&
           strcmp(name + n + 1, e->repository) == 0;
}

bool trigger_matches(const struct trigger_spec *t, const struct event *e)
{
    return strcmp(t->registry_id, e->registry_id) == 0 && (t->event_types & (1u << e->type)) != 0 &&
           (t->image_name[0] == '\0' || names_image(t->image_name, e)) &&
           (t->tag[0] == '\0' || strcmp(t->tag, e->tag) == 0);
}

/* Index in by_registry of the first trigger of this registry, or of where it would be. */
static size_t first_of(const struct trigger_set *set, const char *registry_id)
{
    size_t low = 0, high = set->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(set->by_registry[mid]->spec.registry_id, registry_id) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

void trigger_set_match(struct trigger_set *set, struct event *e,
                       void (*hit)(void *ctx, struct trigger *t, struct event *e), void *ctx)
{
    if (set->stale)
        make_index(set);
    for (size_t i = first_of(set, e->registry_id); i < set->n; i++) {
        struct trigger *t = set->by_registry[i];
        if (strcmp(t->spec.registry_id, e->registry_id) != 0)
            break;
        if (trigger_matches(&t->spec, e))
            hit(ctx, t, e);
    }
}
