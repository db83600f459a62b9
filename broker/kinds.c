/* kinds.c - see kinds.h. */
#include "kinds.h"

#include "log.h"
#include "mem.h"

#include <stdlib.h>

struct one {
    char *id;
    const char *kind; /* NULL: not known yet */
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
        fresh.at[fresh.n++] = (struct one){.id = xstrdup(cfg->registries[i].id),
                                           .kind = before == NULL ? NULL : before->kind};
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
    if (one->kind != NULL && strcmp(one->kind, source->kind) != 0)
        log_change(req, peer, one->kind, source, *ret_known_by);
    one->kind = source->kind;
    return source;
}
