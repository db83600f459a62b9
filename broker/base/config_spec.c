/* config_spec.c - see config_spec.h. */
#include "config_spec.h"

#include "mem.h"

#include <stdlib.h>

static unsigned line_of(const struct loader *l, const char *key)
{
    return l->lines[setting_find(key) - SETTINGS];
}

/* --- reading --- */

/* False: something is wrong with one of them, which is noted. */
static bool name_backends(const struct config_backend *backends, size_t n, struct spec_named *ret)
{
    bool sound = true;
    for (size_t i = 0; i < n; i++) {
        ret[i] = (struct spec_named){backends[i].id, backends[i].url};
        sound = sound && backends[i].id != NULL && backends[i].url != NULL;
    }
    return sound;
}

static bool name_variables(const struct config_variable *variables, size_t n,
                           struct spec_named *ret)
{
    bool sound = true;
    for (size_t i = 0; i < n; i++) {
        ret[i] = (struct spec_named){variables[i].name, variables[i].value};
        sound = sound && variables[i].name != NULL && variables[i].value != NULL;
    }
    return sound;
}

static void load(struct loader *l, const struct spec_options *options)
{
    struct config *cfg = l->cfg;
    l->spec_problems.file = cfg->gateway.spec;
    int r = spec_load(cfg->gateway.spec, options, &l->spec_problems, &cfg->spec);
    if (r == 0 || (r == -EINVAL && l->spec_problems.n > 0))
        return;
    l->spec_problems.n = 0; /* nothing was read: what is wrong is what the configuration says */
    problems_add(&l->problems, line_of(l, "gateway.spec"), "gateway.spec",
                 "expected a file that can be read, got: %s", err_str(r));
}

/* It is shown as it is in front of what is wrong with it. */
static bool is_printable(const char *name)
{
    for (; *name != '\0'; name++)
        if ((uint8_t) *name < ' ' || *name == 0x7f)
            return false;
    return true;
}

bool config_spec_read(struct loader *l)
{
    struct config *cfg = l->cfg;
    if (line_of(l, "gateway.spec") == 0)
        return false;
    struct spec_named *variables = xcalloc(cfg->gateway.n_variables, sizeof(*variables)),
                      *containers =
                          xcalloc(cfg->gateway.backends.n_containers, sizeof(*containers)),
                      *functions = xcalloc(cfg->gateway.backends.n_functions, sizeof(*functions));
    const struct spec_options options = {.variables = variables,
                                         .containers = containers,
                                         .functions = functions,
                                         .n_variables = cfg->gateway.n_variables,
                                         .n_containers = cfg->gateway.backends.n_containers,
                                         .n_functions = cfg->gateway.backends.n_functions};
    bool sound = name_variables(cfg->gateway.variables, options.n_variables, variables);
    sound =
        name_backends(cfg->gateway.backends.containers, options.n_containers, containers) && sound;
    sound = name_backends(cfg->gateway.backends.functions, options.n_functions, functions) && sound;
    if (cfg->gateway.spec != NULL && !is_printable(cfg->gateway.spec))
        problems_add(&l->problems, line_of(l, "gateway.spec"), "gateway.spec",
                     "expected a name without control characters, got another one");
    else if (sound && cfg->gateway.spec != NULL)
        load(l, &options);
    l->paths_unknown = cfg->spec == NULL;
    free(variables);
    free(containers);
    free(functions);
    return true;
}

/* --- its paths --- */

static int by_path(const void *left, const void *right)
{
    const struct config_path *const *a = left, *const *b = right;
    return strcmp((*a)->path, (*b)->path);
}

static int by_key(const void *key, const void *element)
{
    const struct config_path *const *path = element;
    return strcmp(key, (*path)->path);
}

/* Those of the file by their templates, for free(); a problem leaves one without. */
static struct config_path **sort_paths(const struct config *cfg, size_t *ret_n)
{
    struct config_path **paths = xcalloc(cfg->gateway.n_paths, sizeof(struct config_path *));
    size_t n = 0;
    for (size_t i = 0; i < cfg->gateway.n_paths; i++)
        if (cfg->gateway.paths[i].path != NULL)
            paths[n++] = &cfg->gateway.paths[i];
    qsort(paths, n, sizeof(struct config_path *), by_path);
    *ret_n = n;
    return paths;
}

const struct spec_route **config_spec_routes(struct loader *l, size_t *ret_n)
{
    const struct config *cfg = l->cfg;
    const struct spec *spec = cfg->spec;
    const struct setting *setting = setting_find("gateway.paths");
    const struct spec_route **routes = xcalloc(spec->n_routes, sizeof(struct spec_route *));
    size_t n_paths, n = 0;
    struct config_path **paths = sort_paths(cfg, &n_paths);
    for (size_t i = 0; i < spec->n_routes; i++) {
        const struct spec_route *route = &spec->routes[i];
        struct config_path **found =
            !route->websocket || n_paths == 0
                ? NULL
                : bsearch(route->path, paths, n_paths, sizeof(struct config_path *), by_key);
        if (found != NULL) {
            (*found)->route = route;
            (*found)->line = route->line;
        } else if (route->websocket) {
            routes[n++] = route;
        }
    }
    free(paths);
    if (cfg->gateway.n_paths + n == 0 && l->lines[setting - SETTINGS] == 0)
        problems_add(&l->spec_problems, 1, "paths",
                     "expected one with x-yc-apigateway-websocket-message, or gateway.paths in the "
                     "configuration, got neither");
    if (cfg->gateway.n_paths + n > setting->max) {
        problems_add(&l->problems, line_of(l, "gateway.spec"), "gateway.spec",
                     "expected at most %u paths together with gateway.paths, got %zu",
                     (unsigned) setting->max, cfg->gateway.n_paths + n);
        n = 0;
        l->paths_unknown = true;
    }
    *ret_n = n;
    return routes;
}
