/* route_rate.c - see route_rate.h. Each rule is a cell with the time at which as many as it allows
 * may come at once again: one more puts that off by its share of the window, and it is never put
 * off by more than the window (caps_rate() is the same for a second). */
#include "route_rate.h"

#include "mem.h"

#include <stdlib.h>

#define NS_OF_MS UINT64_C(1000000)
#define NS_OF_S  UINT64_C(1000000000)

/* Shared by the tables of two specifications while one follows the other. */
struct cell {
    _Atomic uint64_t full_at_ns;
    uint64_t n, window_ns;
    size_t refs; /* tables that have it */
    char key[];
};

/* A rule, and what it counts in. */
struct counted {
    const struct spec_rate *rule; /* compared only: that of the specification it was made for */
    struct cell *cell;
};

struct route_rates {
    struct counted *rules; /* each once; sorted by key */
    size_t n_rules;
    size_t n;
    struct counted at[]; /* by route->index; without a rule both are NULL */
};

/* A rule of components has a name, and one that stands at a path is that path's; the gateway's is
 * known by the first path that goes by it. The texts cannot be mixed up: a path begins with '/'. */
static const char *key_of(const struct spec_route *route)
{
    return route->rate->name != NULL ? route->rate->name : route->path;
}

static int by_rule(const void *left, const void *right)
{
    uintptr_t a = (uintptr_t) ((const struct counted *) left)->rule;
    uintptr_t b = (uintptr_t) ((const struct counted *) right)->rule;
    return a < b ? -1 : a > b;
}

static int by_key(const void *left, const void *right)
{
    const struct counted *a = left, *b = right;
    return strcmp(a->cell->key, b->cell->key);
}

static int key_and_rule(const void *key, const void *element)
{
    return strcmp(key, ((const struct counted *) element)->cell->key);
}

static struct cell *cell_new(const struct spec_rate *rule, const char *key)
{
    size_t size = strlen(key) + 1;
    struct cell *cell = try_calloc(1, sizeof(*cell) + size);
    if (cell == NULL)
        return NULL;
    cell->n = rule->n;
    cell->window_ns = rule->window_ms * NS_OF_MS;
    memcpy(cell->key, key, size);
    return cell;
}

/* For the first route of a rule: the cell that counted so far, or a new one. */
static struct cell *cell_for(const struct spec_route *route, const struct route_rates *before)
{
    const struct spec_rate *rule = route->rate;
    const struct counted *known = before == NULL
                                      ? NULL
                                      : bsearch(key_of(route), before->rules, before->n_rules,
                                                sizeof(before->rules[0]), key_and_rule);
    bool same = known != NULL && known->cell->n == rule->n &&
                known->cell->window_ns == rule->window_ms * NS_OF_MS;
    return same ? known->cell : cell_new(rule, key_of(route));
}

/* rates->rules has each rule once, sorted by rule, without cells. */
static int fill(struct route_rates *rates, const struct spec *spec,
                const struct route_rates *before)
{
    for (size_t i = 0; i < spec->n_routes; i++) {
        const struct spec_route *route = &spec->routes[i];
        const struct counted wanted = {.rule = route->rate};
        if (route->rate == NULL)
            continue;
        struct counted *rule =
            bsearch(&wanted, rates->rules, rates->n_rules, sizeof(*rule), by_rule);
        ASSERT(rule != NULL);
        if (rule->cell == NULL) {
            rule->cell = cell_for(route, before);
            if (rule->cell == NULL)
                return -ENOMEM;
            rule->cell->refs++;
        }
        rates->at[route->index] = *rule;
    }
    return 0;
}

static size_t list_rules(const struct spec *spec, struct counted *ret)
{
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < spec->n_routes; i++)
        if (spec->routes[i].rate != NULL)
            ret[n++].rule = spec->routes[i].rate;
    qsort(ret, n, sizeof(*ret), by_rule);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || ret[kept - 1].rule != ret[i].rule)
            ret[kept++].rule = ret[i].rule;
    return kept;
}

static bool has_rules(const struct spec *spec)
{
    for (size_t i = 0; spec != NULL && i < spec->n_routes; i++)
        if (spec->routes[i].rate != NULL)
            return true;
    return false;
}

int route_rates_new(const struct spec *spec, const struct route_rates *before,
                    struct route_rates **ret)
{
    if (!has_rules(spec)) {
        *ret = NULL;
        return 0;
    }
    struct route_rates *rates =
        try_calloc(1, sizeof(*rates) + spec->n_routes * sizeof(rates->at[0]));
    if (rates == NULL)
        return -ENOMEM;
    rates->n = spec->n_routes;
    rates->rules = try_calloc(spec->n_routes, sizeof(rates->rules[0]));
    if (rates->rules != NULL)
        rates->n_rules = list_rules(spec, rates->rules);
    int r = rates->rules == NULL ? -ENOMEM : fill(rates, spec, before);
    if (r < 0) {
        route_rates_free(rates);
        return r;
    }
    qsort(rates->rules, rates->n_rules, sizeof(rates->rules[0]), by_key);
    *ret = rates;
    return 0;
}

void route_rates_free(struct route_rates *rates)
{
    if (rates == NULL)
        return;
    for (size_t i = 0; rates->rules != NULL && i < rates->n_rules; i++) {
        struct cell *cell = rates->rules[i].cell;
        if (cell != NULL && --cell->refs == 0)
            free(cell);
    }
    free(rates->rules);
    free(rates);
}

static unsigned seconds_of(uint64_t ns)
{
    return (unsigned) ((ns + NS_OF_S - 1) / NS_OF_S);
}

static unsigned take(struct cell *cell, uint64_t now_ns)
{
    uint64_t share = cell->window_ns / cell->n, most = now_ns + cell->window_ns;
    uint64_t old = atomic_load_explicit(&cell->full_at_ns, memory_order_relaxed), next;
    do {
        next = (old > now_ns ? old : now_ns) + share;
        if (next > most)
            return seconds_of(next - most);
    } while (!atomic_compare_exchange_weak_explicit(&cell->full_at_ns, &old, next,
                                                    memory_order_relaxed, memory_order_relaxed));
    return 0;
}

unsigned route_rates_take(const struct route_rates *rates, const struct spec_route *route,
                          uint64_t now_us)
{
    if (rates == NULL || route->rate == NULL || route->index >= rates->n ||
        rates->at[route->index].rule != route->rate)
        return 0;
    return take(rates->at[route->index].cell, now_us * 1000);
}
