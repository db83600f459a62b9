/* kinds.c - see kinds.h. */
#include "kinds.h"

#include "log.h"
#include "mem.h"

#include <stdlib.h>

#define KINDS_TOLD 4 /* of one registry; one that looks like more has been told of often enough */

struct one {
    char *id;
    const char *seen[KINDS_TOLD]; /* in the order they came */
    size_t n;
    const char *last;
};

struct kinds {
    struct one *at; /* sorted by id */
    size_t n;
};

static int compare(const void *a, const void *b)
{
    const struct one *x = a, *y = b;
    return strcmp(x->id, y->id);
}

static struct one *find(const struct kinds *k, const char *id)
{
    const struct one wanted = {.id = (char *) (uintptr_t) id};
    return k->n == 0 ? NULL : bsearch(&wanted, k->at, k->n, sizeof(k->at[0]), compare);
}

static void free_all(struct one *at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(at[i].id);
    free(at);
}

void kinds_configure(struct kinds *k, const struct config *cfg)
{
    struct kinds fresh = {.at = xcalloc(cfg->n_registries + 1, sizeof(fresh.at[0]))};
    for (size_t i = 0; i < cfg->n_registries; i++) {
        if (cfg->registries[i].kind != NULL)
            continue;
        const struct one *before = find(k, cfg->registries[i].id);
        struct one *one = &fresh.at[fresh.n++];
        if (before != NULL)
            *one = *before;
        one->id = xstrdup(cfg->registries[i].id);
    }
    qsort(fresh.at, fresh.n, sizeof(fresh.at[0]), compare);
    free_all(k->at, k->n);
    *k = fresh;
}

struct kinds *kinds_new(const struct config *cfg)
{
    struct kinds *k = xcalloc(1, sizeof(*k));
    kinds_configure(k, cfg);
    return k;
}

void kinds_free(struct kinds *k)
{
    if (k == NULL)
        return;
    free_all(k->at, k->n);
    free(k);
}

/* Whether the registry looks so for the first time. Two kinds that take turns, as those do of which
 * one is a special case of the other, are told once. */
static bool is_new(struct one *one, const char *kind)
{
    for (size_t i = 0; i < one->n; i++)
        if (strcmp(one->seen[i], kind) == 0)
            return false;
    if (one->n == KINDS_TOLD)
        return false;
    one->seen[one->n++] = kind;
    return true;
}

static void log_change(const struct source_request *req, const char *peer, const char *before,
                       const struct source *now, const char *known_by)
{
    struct log_line l;
    log_open(&l, LOG_WARN, "webhook", "another kind than before");
    log_str(&l, "registry", req->registry->id);
    log_str(&l, "peer", peer);
    log_str(&l, "kind", now->kind);
    log_str(&l, "known_by", known_by);
    log_str(&l, "before", before);
    log_close(&l);
}

const struct source *kinds_choose(struct kinds *k, const struct source_request *req,
                                  const char *peer, const char **ret_known_by)
{
    const struct source *source = source_of(req, ret_known_by);
    struct one *one = source == NULL ? NULL : find(k, req->registry->id);
    if (one == NULL) /* it is nobody's, or of a configured kind */
        return source;
    if (is_new(one, source->kind) && one->last != NULL)
        log_change(req, peer, one->last, source, *ret_known_by);
    one->last = source->kind;
    return source;
}
