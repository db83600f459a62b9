/* path.c - see path.h. Which template a request matches is found by path_tree.h. */
#include "path.h"

#include "config_doc.h"
#include "frame.h"
#include "mem.h"
#include "path_tree.h"
#include "spec.h"

#include <stdio.h>
#include <stdlib.h>

/* All paths that there have been, by index; shared by the tables. */
struct path_set {
    struct path **at;
    size_t n, n_tables;
};

struct path_table {
    struct path_set *set;
    const struct config_path *cfg; /* of each of `paths` */
    size_t n;
    struct path **paths;
    struct path **by_name;
    struct path_tree *tree;
};

static int by_name(const void *left, const void *right)
{
    const struct path *const *a = left, *const *b = right;
    return strcmp((*a)->name, (*b)->name);
}

static const char *check_template(const struct config_path *path)
{
    return path->route != NULL ? path_template_check_spec(path->path)
                               : path_template_check(path->path);
}

/* Also of what cannot be opened: it takes requests away from others. */
static int check_routes(const struct spec *spec, const char *file, struct buf *error)
{
    char quoted[DOC_QUOTE_SIZE];
    int r = 0;
    for (size_t i = 0; i < spec->n_routes; i++) {
        const struct spec_route *route = &spec->routes[i];
        const char *wrong = path_template_check_spec(route->path);
        if (wrong == NULL)
            continue;
        r = -EINVAL;
        if (buf_printf(error, "%s:%u: paths: expected a path template, got %s: %s\n", file,
                       route->line, doc_quote(route->path, quoted), wrong) < 0)
            break; /* there are enough of them */
    }
    return r;
}

/* Those of the configuration, then those of the specification; what is equal in all else goes by
 * that order. The first n_paths are those of gateway.paths, of which `paths` may be NULL. */
static struct path_leaf *make_leaves(const struct config *cfg, struct path *const *paths,
                                     size_t *ret_n)
{
    size_t n_paths = cfg->gateway.n_paths, n_routes = cfg->spec == NULL ? 0 : cfg->spec->n_routes;
    struct path_leaf *leaves = xcalloc(n_paths + n_routes, sizeof(leaves[0]));
    size_t n = 0;
    for (; n < n_paths; n++) {
        const struct config_path *path = &cfg->gateway.paths[n];
        leaves[n] =
            (struct path_leaf){.name = path->path,
                               .path = paths == NULL ? NULL : paths[n],
                               .order = path->route == NULL ? n : n_paths + path->route->index};
    }
    for (size_t i = 0; i < n_routes; i++) {
        const struct spec_route *route = &cfg->spec->routes[i];
        if (!route->websocket && path_template_check_spec(route->path) == NULL)
            leaves[n++] =
                (struct path_leaf){.name = route->path, .order = n_paths + i, .closed = true};
    }
    *ret_n = n;
    return leaves;
}

/* 0, or -EINVAL: *ret_twice is the number of a path that is there before. The templates are fine.
 */
static int make_tree(const struct config *cfg, struct path *const *paths, struct path_tree **ret,
                     size_t *ret_twice)
{
    size_t n;
    struct path_leaf *leaves = make_leaves(cfg, paths, &n);
    bool strict = cfg->spec != NULL && !cfg->spec->ignore_trailing_slashes;
    int r = path_tree_new(leaves, n, strict, ret, ret_twice);
    free(leaves);
    return r;
}

static int check_twice(const char *file, const struct config *cfg, struct buf *error)
{
    struct path_tree *tree = NULL;
    size_t at;
    if (make_tree(cfg, NULL, &tree, &at) == 0) {
        path_tree_free(tree);
        return 0;
    }
    const struct config_path *path = &cfg->gateway.paths[at];
    char key[32] = "paths"; /* of the specification */
    if (path->route == NULL)
        (void) snprintf(key, sizeof(key), "gateway.paths[%zu]", at);
    int r = buf_printf(error, "%s:%u: %s: expected a path that is there once, got %s\n",
                       config_path_file(file, cfg, path), path->line, key, path->path);
    return r == -ENOMEM ? r : -EINVAL;
}

int path_templates_check(const char *file, const struct config *cfg, struct buf *error)
{
    int r = cfg->spec == NULL ? 0 : check_routes(cfg->spec, cfg->gateway.spec, error);
    for (size_t i = 0; i < cfg->gateway.n_paths; i++) {
        const struct config_path *path = &cfg->gateway.paths[i];
        const char *wrong = check_template(path);
        if (wrong == NULL || path->route != NULL)
            continue;
        r = -EINVAL;
        if (buf_printf(error, "%s:%u: gateway.paths: expected a path template, got %s: %s\n", file,
                       path->line, path->path, wrong) < 0)
            break;
    }
    return r < 0 ? r : check_twice(file, cfg, error);
}

/* --- the paths --- */

static struct pathlog_limits limits_of(const struct config_path *cfg)
{
    return (struct pathlog_limits){
        .max_message = frame_message_size(cfg->max_message_bytes, cfg->max_frame_bytes),
        .max_bytes =
            cfg->history_bytes < cfg->memory_bytes ? cfg->history_bytes : cfg->memory_bytes,
        .max_count = cfg->history_count,
        .count_grace_ms = cfg->max_lag_ms,
        .max_age_ms = cfg->history_ms,
    };
}

/* What a path that is in no configuration goes by. */
static void go_by_copy(struct path *p, const struct config_path *cfg)
{
    p->last = *cfg;
    p->last.path = (char *) (uintptr_t) p->name;
    p->last.allowed_origins = p->last.client_certificates = (struct config_strings){0};
    p->last.route = NULL;
    p->cfg = &p->last;
}

static int path_new(struct path_set *set, const struct config_path *cfg, struct path **ret)
{
    if (check_template(cfg) != NULL || cfg->max_frame_bytes == 0)
        return -EINVAL;
    struct path *p = xcalloc(1, sizeof(*p));
    atomic_init(&p->current, true);
    struct pathlog_limits limits = limits_of(cfg);
    limits.max_bytes = cfg->memory_bytes; /* the most that other history_bytes can make of it */
    int r = pathlog_new(&limits, &p->log);
    if (r < 0) {
        free(p);
        return r;
    }
    limits = limits_of(cfg);
    pathlog_limit(p->log, &limits);
    p->name = xstrdup(cfg->path);
    p->index = set->n;
    go_by_copy(p, cfg);
    set->at = xrealloc(set->at, (set->n + 1) * sizeof(struct path *));
    set->at[set->n++] = p;
    *ret = p;
    return 0;
}

static void path_free(struct path *p)
{
    pathlog_free(p->log);
    free((char *) (uintptr_t) p->name);
    free(p);
}

/* All that are known at first, by name. */
struct known {
    struct path **at;
    size_t n;
};

static struct known known_paths(const struct path_set *set)
{
    struct known known = {xcalloc(set->n, sizeof(struct path *)), set->n};
    if (set->n > 0)
        memcpy(known.at, set->at, set->n * sizeof(struct path *));
    qsort(known.at, known.n, sizeof(struct path *), by_name);
    return known;
}

static struct path *find_name(struct path *const *paths, size_t n, const char *name)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int r = strcmp(name, paths[mid]->name);
        if (r == 0)
            return paths[mid];
        if (r < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

static int path_get(struct path_set *set, const struct known *known, const struct config_path *cfg,
                    struct path **ret)
{
    struct path *p = find_name(known->at, known->n, cfg->path);
    if (p == NULL)
        return path_new(set, cfg, ret);
    if (limits_of(cfg).max_message > pathlog_longest(p->log))
        return -EOVERFLOW;
    *ret = p;
    return 0;
}

/* --- the table --- */

/* Makes the look-ups. -EINVAL: *ret_at is a path that is there before, perhaps in another spelling.
 */
static int path_table_index(struct path_table *t, const struct config *cfg, size_t *ret_at)
{
    if (t->n > 0)
        memcpy(t->by_name, t->paths, t->n * sizeof(struct path *));
    qsort(t->by_name, t->n, sizeof(struct path *), by_name);
    return make_tree(cfg, t->paths, &t->tree, ret_at);
}

/* `before`: there are tables of the set. */
static int path_table_make(struct path_set *set, bool before, const struct config *cfg,
                           struct path_table **ret, size_t *ret_at)
{
    size_t n = cfg->gateway.n_paths, n_known = set->n;
    struct path_table *t = xcalloc(1, sizeof(*t));
    set->n_tables++;
    *t = (struct path_table){.set = set,
                             .cfg = cfg->gateway.paths,
                             .n = n,
                             .paths = xcalloc(n, sizeof(struct path *)),
                             .by_name = xcalloc(n, sizeof(struct path *))};
    int r = 0;
    struct known known = known_paths(set);
    for (*ret_at = 0; *ret_at < n; ++*ret_at) {
        r = path_get(set, &known, &t->cfg[*ret_at], &t->paths[*ret_at]);
        if (r < 0)
            break;
    }
    free(known.at);
    if (r == 0)
        r = path_table_index(t, cfg, ret_at);
    while (r < 0 && before && set->n > n_known) /* nobody has seen these */
        path_free(set->at[--set->n]);
    if (r < 0)
        path_table_free(t);
    else
        *ret = t;
    return r;
}

int path_table_new(const struct config *cfg, struct path_table **ret)
{
    size_t at;
    int r = path_table_make(xcalloc(1, sizeof(struct path_set)), false, cfg, ret, &at);
    if (r == 0)
        path_table_enforce(*ret);
    return r;
}

int path_table_next(struct path_table *before, const struct config *cfg, struct path_table **ret,
                    size_t *ret_at)
{
    return path_table_make(before->set, true, cfg, ret, ret_at);
}

void path_table_enforce(struct path_table *t)
{
    bool *there = xcalloc(t->set->n + 1, sizeof(*there));
    for (size_t i = 0; i < t->n; i++) {
        const struct pathlog_limits limits = limits_of(&t->cfg[i]);
        there[t->paths[i]->index] = true;
        pathlog_limit(t->paths[i]->log, &limits);
        t->paths[i]->cfg = &t->cfg[i];
    }
    for (size_t i = 0; i < t->set->n; i++)
        if (!there[i] && !path_is_gone(t->set->at[i]))
            go_by_copy(t->set->at[i], t->set->at[i]->cfg);
    free(there);
}

void path_table_free(struct path_table *t)
{
    if (t == NULL)
        return;
    path_tree_free(t->tree);
    if (--t->set->n_tables == 0) {
        for (size_t i = 0; i < t->set->n; i++)
            path_free(t->set->at[i]);
        free(t->set->at);
        free(t->set);
    }
    free(t->paths);
    free(t->by_name);
    free(t);
}

size_t path_table_size(const struct path_table *t)
{
    return t->n;
}

struct path *path_table_at(struct path_table *t, size_t i)
{
    ASSERT(i < t->n);
    return t->paths[i];
}

size_t path_table_n_known(const struct path_table *t)
{
    return t->set->n;
}

struct path *path_table_known(struct path_table *t, size_t index)
{
    ASSERT(index < t->set->n);
    return t->set->at[index];
}

struct path *path_by_name(struct path_table *t, const char *name)
{
    return find_name(t->by_name, t->n, name);
}

/* --- matching --- */

int path_match(struct path_table *t, struct slice request_path, struct path **ret)
{
    struct slice path = request_path, segment;
    if (path.len == 0 || path.data[0] != '/')
        return -EINVAL;
    bool slash = path.data[path.len - 1] == '/';
    if (slash)
        path.len--; /* the root is left empty: no segments */
    for (struct slice rest = path; path_take_segment(&rest, &segment);)
        if (path_segment_check(segment) != NULL)
            return -EINVAL;
    const struct path_leaf *found = path_tree_find(t->tree, path, slash && path.len > 0);
    if (found == NULL)
        return -ENOENT;
    if (found->closed)
        return -EPROTONOSUPPORT;
    *ret = found->path;
    return 0;
}
