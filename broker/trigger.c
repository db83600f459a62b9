/* trigger.c - rules: which events go to which paths. (pure) */
#include "trigger.h"

#include "mem.h"

#include <mbedtls/md.h>
#include <stdlib.h>

#define LISTED_SIZE    1024
#define ROLE_BROADCAST "api-gateway.websocketBroadcaster"

struct trigger_set {
    struct trigger *at;        /* in the order of the configuration */
    struct trigger **by_image; /* the same, sorted by registry id, image_name, and that order */
    size_t n;
};

/* NULL is any image, as "" is. */
static const char *image_of(const struct trigger *t)
{
    return t->rule->image_name == NULL ? "" : t->rule->image_name;
}

/* A trigger of the configuration has no id of its own; one made from its name stays the same over
 * restarts and edits of other triggers. */
static void id_of_name(const char *name, char ret[ID_SIZE])
{
    uint8_t hash[32];
    int r = mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), (const uint8_t *) name,
                       strlen(name), hash);
    ASSERT(r == 0);
    uint64_t hi = 0, lo = 0;
    for (size_t i = 0; i < 3; i++)
        hi = hi << 8 | hash[i];
    for (size_t i = 3; i < 11; i++)
        lo = lo << 8 | hash[i];
    id_encode("a1s", hi >> 3, lo, ret); /* 21 + 64 bits */
}

static int compare_key(const char *registry_id, const char *image, const struct trigger *t)
{
    int r = strcmp(registry_id, t->rule->registry_id);
    return r != 0 ? r : strcmp(image, image_of(t));
}

static int compare_triggers(const void *a, const void *b)
{
    const struct trigger *x = *(struct trigger *const *) a, *y = *(struct trigger *const *) b;
    int r = compare_key(x->rule->registry_id, image_of(x), y);
    return r != 0 ? r : (x > y) - (x < y); /* one array, so its order is the addresses' */
}

struct trigger_set *trigger_set_new(const struct config *cfg)
{
    struct trigger_set *set = xcalloc(1, sizeof(*set));
    set->n = cfg->n_triggers;
    set->at = xcalloc(set->n, sizeof(set->at[0]));
    set->by_image = xcalloc(set->n, sizeof(struct trigger *));
    for (size_t i = 0; i < set->n; i++) {
        const struct config_trigger *rule = &cfg->triggers[i];
        struct trigger *t = &set->at[i];
        t->rule = rule;
        id_of_name(rule->name, t->id);
        t->allowed = config_account_has_role(cfg, rule->service_account_id, ROLE_BROADCAST);
        set->by_image[i] = t;
    }
    if (set->n > 0)
        qsort(set->by_image, set->n, sizeof(struct trigger *), compare_triggers);
    return set;
}

void trigger_set_free(struct trigger_set *set)
{
    if (set == NULL)
        return;
    free(set->by_image);
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
        if (runs[i].at < runs[i].end && (first == NULL || *runs[i].at < *first->at))
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

size_t trigger_set_match(struct trigger_set *set, struct event *e,
                         void (*hit)(void *ctx, struct trigger *t, struct event *e), void *ctx)
{
    char listed[LISTED_SIZE];
    listed_name(e, listed);
    struct run runs[] = {run_of(set, e->registry_id, ""),
                         run_of(set, e->registry_id, e->repository),
                         run_of(set, e->registry_id, listed)};
    size_t hits = 0;
    for (struct run *run; (run = first_of(runs, ARRAY_LEN(runs))) != NULL;) {
        struct trigger *t = *run->at++;
        if (trigger_matches(t, e)) {
            hits++;
            hit(ctx, t, e);
        }
    }
    return hits;
}
