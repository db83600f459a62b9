/* trigger.c - rules: which events go to which paths. (pure) */
#include "trigger.h"

#include "mem.h"
#include "siphash.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#define LISTED_SIZE 1024

struct trigger_set {
    struct trigger **at;       /* in the order of making */
    struct trigger **by_image; /* the same, sorted by registry id, image_name, and that order */
    size_t n;
    struct table by_id;
    uint64_t generation; /* another one after each change, and of each set */
    bool stale;          /* by_image: a start adds thousands before it looks for the first time */
};

#define VERDICTS 64 /* filters whose verdicts an event keeps: bits of a number */

/* --- the set --- */

static void changed(struct trigger_set *set)
{
    static atomic_uint_fast64_t generations;
    set->generation = atomic_fetch_add(&generations, 1) + 1;
    set->stale = true;
}

static int compare_key(const char *registry_id, const char *image, const struct trigger *t)
{
    int r = strcmp(registry_id, t->spec.registry_id);
    return r != 0 ? r : strcmp(image, t->spec.image_name);
}

static int compare_triggers(const void *a, const void *b)
{
    const struct trigger *x = *(struct trigger *const *) a, *y = *(struct trigger *const *) b;
    int r = compare_key(x->spec.registry_id, x->spec.image_name, y);
    return r != 0 ? r : (x->place > y->place) - (x->place < y->place);
}

static void make_index(struct trigger_set *set)
{
    set->stale = false;
    for (size_t i = 0; i < set->n; i++)
        set->by_image[i] = set->at[i];
    if (set->n > 0)
        qsort(set->by_image, set->n, sizeof(struct trigger *), compare_triggers);
}

struct trigger_set *trigger_set_new(void)
{
    struct trigger_set *set = xcalloc(1, sizeof(*set));
    changed(set);
    return set;
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
    table_fini(&set->by_id);
    free(set->by_image);
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

/* Ids are made here, at random: nobody picks them so that they collide. */
static uint64_t hash_of(const char *id)
{
    static const struct siphash_seed NONE = {0};
    return siphash(&NONE, 0, slice_str(id));
}

static struct trigger *of_node(struct table_node *node)
{
    return (struct trigger *) (void *) ((char *) node - offsetof(struct trigger, by_id));
}

struct trigger *trigger_set_find(const struct trigger_set *set, const char *id)
{
    struct table_node *node = table_first(&set->by_id, hash_of(id));
    while (node != NULL && strcmp(of_node(node)->spec.id, id) != 0)
        node = table_next(node);
    return node == NULL ? NULL : of_node(node);
}

struct trigger *trigger_set_add(struct trigger_set *set, const struct trigger_spec *spec)
{
    struct trigger *t = xcalloc(1, sizeof(*t));
    size_t size = (set->n + 1) * sizeof(struct trigger *);
    trigger_spec_copy(spec, &t->spec);
    set->at = xrealloc(set->at, size);
    set->by_image = xrealloc(set->by_image, size);
    t->place = set->n;
    set->at[set->n++] = t;
    t->by_id.hash = hash_of(t->spec.id);
    table_add(&set->by_id, &t->by_id);
    changed(set);
    return t;
}

void trigger_set_replace(struct trigger_set *set, struct trigger *t,
                         const struct trigger_spec *spec)
{
    trigger_spec_fini(&t->spec);
    trigger_spec_copy(spec, &t->spec);
    changed(set);
}

void trigger_set_remove(struct trigger_set *set, struct trigger *t)
{
    ASSERT(t->place < set->n && set->at[t->place] == t);
    set->n--;
    for (size_t i = t->place; i < set->n; i++) {
        set->at[i] = set->at[i + 1];
        set->at[i]->place = i;
    }
    table_remove(&set->by_id, &t->by_id);
    changed(set);
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

static bool matches_exact(const struct trigger_spec *t, const struct event *e)
{
    return strcmp(t->registry_id, e->registry_id) == 0 &&
           (t->event_types.mask & (1u << e->type)) != 0 &&
           (t->image_name[0] == '\0' || names_image(t->image_name, e)) &&
           (t->tag[0] == '\0' || strcmp(t->tag, e->tag) == 0);
}

struct filter_subject trigger_subject(const struct event *e)
{
    return (struct filter_subject){.registry_id = e->registry_id,
                                   .repository = e->repository,
                                   .tag = e->tag,
                                   .digest = e->digest,
                                   .actor = e->actor};
}

bool trigger_matches(const struct trigger_spec *t, const struct event *e)
{
    struct filter_subject s = trigger_subject(e);
    return matches_exact(t, e) && filter_refusal(t->filter, &s) == FILTER_LISTS;
}

/* Those of one registry and image_name, in order. */
struct run {
    struct trigger *const *at, *const *end;
};

static struct run run_of(const struct trigger_set *set, const char *registry_id, const char *image)
{
    size_t low = 0, high = set->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (compare_key(registry_id, image, set->by_image[mid]) > 0)
            low = mid + 1;
        else
            high = mid;
    }
    for (high = low; high < set->n && compare_key(registry_id, image, set->by_image[high]) == 0;)
        high++;
    return (struct run){set->by_image + low, set->by_image + high};
}

/* The run whose first trigger comes first; NULL when nothing is left. */
static struct run *first_of(struct run *runs, size_t n)
{
    struct run *first = NULL;
    for (size_t i = 0; i < n; i++) {
        if (runs[i].at < runs[i].end &&
            (first == NULL || (*runs[i].at)->place < (*first->at)->place))
            first = &runs[i];
    }
    return first;
}

/* "<registry id>/<repository>"; both were checked on their way in. */
static void listed_name(const struct event *e, char ret[LISTED_SIZE])
{
    size_t registry = strlen(e->registry_id), repository = strlen(e->repository);
    ASSERT(registry + 1 + repository < LISTED_SIZE);
    memcpy(ret, e->registry_id, registry);
    ret[registry] = '/';
    memcpy(ret + registry + 1, e->repository, repository + 1);
}

/* One event on its way through the triggers. */
struct asking {
    struct event *e;
    struct filter_subject subject; /* one for all: its tag is read as a version once */
    unsigned n;                    /* filters so far */
};

static struct asking ask_for(const struct trigger_set *set, struct event *e)
{
    if (e->verdicts.generation != set->generation)
        e->verdicts = (struct event_verdicts){.generation = set->generation};
    return (struct asking){.e = e, .subject = trigger_subject(e)};
}

/* As long as no trigger changes, the same ones come to this point for the same event, in the same
 * order: it is looked at three or four times on its way. */
static bool passes(struct asking *a, const struct filter *filter)
{
    struct event_verdicts *v = &a->e->verdicts;
    uint64_t bit = a->n < VERDICTS ? UINT64_C(1) << a->n : 0;
    a->n++;
    if ((v->known & bit) == 0) {
        v->known |= bit;
        if (filter_refusal(filter, &a->subject) != FILTER_LISTS)
            return false;
        v->passes |= bit;
        return true;
    }
    return (v->passes & bit) != 0;
}

void trigger_set_match(struct trigger_set *set, struct event *e,
                       void (*hit)(void *ctx, struct trigger *t, struct event *e), void *ctx)
{
    char listed[LISTED_SIZE];
    struct asking asking = ask_for(set, e);
    if (set->stale)
        make_index(set);
    listed_name(e, listed);
    struct run runs[] = {run_of(set, e->registry_id, ""),
                         run_of(set, e->registry_id, e->repository),
                         run_of(set, e->registry_id, listed)};
    for (struct run *run; (run = first_of(runs, ARRAY_LEN(runs))) != NULL;) {
        struct trigger *t = *run->at++;
        if (matches_exact(&t->spec, e) &&
            (t->spec.filter == NULL || passes(&asking, t->spec.filter)))
            hit(ctx, t, e);
    }
}
