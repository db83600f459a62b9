/* trigger.c - rules: which events go to which paths. (pure) */
#include "trigger.h"

#include "mem.h"
#include "trigger_spec.h"

#include <stdlib.h>

#define ROLE_BROADCAST "api-gateway.websocketBroadcaster"

struct trigger_set {
    struct trigger *at;           /* in the order of the configuration */
    struct trigger **by_registry; /* the same, sorted by registry id and then by that order */
    size_t n;
};

static int compare_registry(const void *a, const void *b)
{
    const struct trigger *x = *(struct trigger *const *) a, *y = *(struct trigger *const *) b;
    int r = strcmp(x->rule->registry_id, y->rule->registry_id);
    return r != 0 ? r : (x > y) - (x < y); /* one array, so its order is the addresses' */
}

struct trigger_set *trigger_set_new(const struct config *cfg)
{
    struct trigger_set *set = xcalloc(1, sizeof(*set));
    set->n = cfg->n_triggers;
    set->at = xcalloc(set->n, sizeof(set->at[0]));
    set->by_registry = xcalloc(set->n, sizeof(struct trigger *));
    for (size_t i = 0; i < set->n; i++) {
        const struct config_trigger *rule = &cfg->triggers[i];
        struct trigger *t = &set->at[i];
        t->rule = rule;
        trigger_spec_id_of_name(rule->name, t->id);
        t->allowed = config_account_has_role(cfg, rule->service_account_id, ROLE_BROADCAST);
        set->by_registry[i] = t;
    }
    if (set->n > 0)
        qsort(set->by_registry, set->n, sizeof(struct trigger *), compare_registry);
    return set;
}

void trigger_set_free(struct trigger_set *set)
{
    if (set == NULL)
        return;
    free(set->by_registry);
    free(set->at);
    free(set);
}

size_t trigger_set_size(const struct trigger_set *set)
{
    return set->n;
}

struct trigger *trigger_set_at(struct trigger_set *set, size_t i)
{
    ASSERT(i < set->n);
    return &set->at[i];
}

static bool any(const char *filter)
{
    return filter == NULL || filter[0] == '\0';
}

/* `name` is "<repository>", or "<registry id>/<repository>" as the original's listings print it. */
static bool names_image(const char *name, const struct event *e)
{
    if (strcmp(name, e->repository) == 0)
        return true;
    size_t n = strlen(e->registry_id);
    return strncmp(name, e->registry_id, n) == 0 && name[n] == '/' &&
           strcmp(name + n + 1, e->repository) == 0;
}

bool trigger_matches(const struct trigger *t, const struct event *e)
{
    const struct config_trigger *rule = t->rule;
    return strcmp(rule->registry_id, e->registry_id) == 0 &&
           (rule->event_types & (1u << e->type)) != 0 &&
           (any(rule->image_name) || names_image(rule->image_name, e)) &&
           (any(rule->tag) || strcmp(rule->tag, e->tag) == 0);
}

/* Index in by_registry of the first trigger of this registry, or of where it would be. */
static size_t first_of(const struct trigger_set *set, const char *registry_id)
{
    size_t low = 0, high = set->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(set->by_registry[mid]->rule->registry_id, registry_id) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

size_t trigger_set_match(struct trigger_set *set, struct event *e,
                         void (*hit)(void *ctx, struct trigger *t, struct event *e), void *ctx)
{
    size_t hits = 0;
    for (size_t i = first_of(set, e->registry_id); i < set->n; i++) {
        struct trigger *t = set->by_registry[i];
        if (strcmp(t->rule->registry_id, e->registry_id) != 0)
            break;
        if (trigger_matches(t, e)) {
            hits++;
            hit(ctx, t, e);
        }
    }
    return hits;
}
