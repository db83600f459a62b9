/* config.c - a document becomes a configuration, by the table in config_table.c. */
#include "config.h"

#include "config_canary.h"
#include "config_check.h"
#include "config_set.h"
#include "config_spec.h"
#include "mem.h"
#include "secret_file.h"
#include "spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#define WORKERS_MAX 256

static void read_map(struct loader *l, const struct doc_node *node, const struct scope *scope);

static void *place_of(const struct setting *s, void *base)
{
    return (char *) base + s->offset;
}

static void set_defaults(const char *pattern, void *base)
{
    for (size_t i = 0; i < N_SETTINGS; i++)
        if (setting_is_of(&SETTINGS[i], pattern))
            setting_default(&SETTINGS[i], place_of(&SETTINGS[i], base));
}

/* --- unknown keys --- */

/* How many letters to change, add or leave out to make one of the other (Levenshtein). */
static size_t distance(struct slice a, struct slice b)
{
    size_t row[CONFIG_KEY_SIZE];
    if (b.len >= ARRAY_LEN(row) || a.len >= ARRAY_LEN(row))
        return SIZE_MAX;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t change = diagonal + (a.data[i - 1] != b.data[j - 1]);
            size_t least = row[j] < row[j - 1] ? row[j] : row[j - 1];
            diagonal = row[j];
            row[j] = change < least + 1 ? change : least + 1;
        }
    }
    return row[b.len];
}

/* The known key beside `key` that is nearest to it, else the same key elsewhere; empty when nothing
 * is close. */
static struct slice nearest_key(const struct scope *scope, const char *key)
{
    struct slice wanted = slice_str(key), nearest = {0};
    size_t len = strlen(scope->pattern);
    size_t least = wanted.len < 4 ? 2 : wanted.len < 9 ? 3 : 4; /* this many changes are too many */
    for (size_t i = 0; i < N_SETTINGS; i++) {
        if (strncmp(SETTINGS[i].key, scope->pattern, len) != 0)
            continue;
        struct slice known = slice_of(SETTINGS[i].key + len, strcspn(SETTINGS[i].key + len, ".["));
        size_t d = distance(wanted, known);
        if (d == 0) { /* it is known, but not allowed here: it means what is meant elsewhere */
            nearest = (struct slice){0};
            break;
        }
        if (d < least) {
            least = d;
            nearest = known;
        }
    }
    for (size_t i = 0; nearest.len == 0 && i < N_SETTINGS; i++) {
        const char *dot = strrchr(SETTINGS[i].key, '.');
        if (dot != NULL && strcmp(dot + 1, key) == 0)
            nearest = slice_str(SETTINGS[i].key);
    }
    return nearest;
}

static void unknown_key(struct loader *l, const struct doc_node *node, const struct scope *scope,
                        const char *shown)
{
    char quoted[DOC_QUOTE_SIZE];
    struct slice nearest = nearest_key(scope, node->key);
    if (nearest.len > 0)
        problems_add(&l->problems, node->line, shown,
                     "expected a known key (did you mean \"%.*s\"?), got %s", (int) nearest.len,
                     (const char *) nearest.data, doc_quote(node->key, quoted));
    else
        problems_add(&l->problems, node->line, shown, "expected a known key, got %s",
                     doc_quote(node->key, quoted));
}

/* --- lists and mappings --- */

/* What is directly of the structures that `pattern` names, or of the mapping "gateway.tls.". */
static bool belongs_to(const struct setting *s, const char *pattern)
{
    size_t len = strlen(pattern);
    return setting_is_of(s, pattern) ||
           (setting_item_prefix(pattern) == 0 && len > 0 && strncmp(s->key, pattern, len) == 0 &&
            s->key[len + strcspn(s->key + len, ".[")] == '\0');
}

static void check_required(struct loader *l, const struct scope *scope, unsigned line)
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *s = &SETTINGS[i];
        if (!belongs_to(s, scope->pattern) || (s->flags & SETTING_REQUIRED) == 0 ||
            l->lines[i] != 0)
            continue;
        char key[2 * CONFIG_KEY_SIZE], expected[SETTING_TEXT_SIZE];
        (void) snprintf(key, sizeof(key), "%s%s", scope->shown, s->key + strlen(scope->pattern));
        problems_add(&l->problems, line, key, "expected %s, got nothing",
                     setting_expected(s, expected));
    }
}

static void copy_path_defaults(const struct loader *l, struct config_path *ret)
{
    *ret = l->path_defaults;
    for (size_t i = 0; i < N_SETTINGS; i++)
        if (setting_is_of(&SETTINGS[i], "gateway.paths[]."))
            setting_copy(&SETTINGS[i], place_of(&SETTINGS[i], ret));
}

/* `shown` is the list's key in messages. */
static void read_item(struct loader *l, const struct list_place *list, const struct doc_node *node,
                      const char *shown, void *items, size_t i)
{
    void *item = (char *) items + i * list->item_size;
    unsigned problems = l->problems.n;
    struct scope scope = {.base = item};
    (void) snprintf(scope.pattern, sizeof(scope.pattern), "%s[].", list->key);
    (void) snprintf(scope.shown, sizeof(scope.shown), "%s[%zu].", shown, i);
    bool path = items == l->cfg->gateway.paths;
    for (size_t s = 0; s < N_SETTINGS; s++)
        if (setting_is_of(&SETTINGS[s], scope.pattern))
            l->lines[s] = path ? l->path_default_lines[s] : 0;
    if (path)
        copy_path_defaults(l, item);
    else
        set_defaults(scope.pattern, item);
    if (list->line_offset != 0)
        *(unsigned *) (void *) ((char *) item + list->line_offset) = node->line;

    if (node->kind == DOC_TEXT && list->text_item_key != NULL) {
        char key[CONFIG_KEY_SIZE];
        (void) snprintf(key, sizeof(key), "%s%s", scope.pattern, list->text_item_key);
        const struct setting *s = setting_find(key);
        ASSERT(s != NULL);
        (void) snprintf(key, sizeof(key), "%s[%zu]", shown, i);
        l->lines[s - SETTINGS] = node->line;
        setting_read(&l->problems, s, node, key, place_of(s, item));
    } else {
        read_map(l, node, &scope);
        if (node->kind == DOC_MAP || node->null)
            check_required(l, &scope, node->line);
    }
    config_check_item(l, list, items, i, &scope, l->problems.n == problems);
}

static void read_list(struct loader *l, const struct setting *s, const struct doc_node *node,
                      const char *shown, void *base)
{
    bool nothing =
        node->kind == DOC_TEXT && node->null && s->min == 0; /* all items commented out */
    if (!nothing && (node->kind != DOC_LIST || node->n < s->min || node->n > s->max)) {
        setting_wrong(&l->problems, s, node, shown);
        return;
    }
    const struct list_place *list = list_find(s->key);
    ASSERT(list != NULL);
    void **items = (void **) (void *) ((char *) base + list->at_offset);
    *items = xcalloc(node->n, list->item_size);
    struct config_names names = {.at = xcalloc(node->n, sizeof(struct config_name))};
    for (const struct doc_node *item = node->first; item != NULL; item = item->next) {
        size_t i = (*config_count(list, base))++;
        struct config_names *outer = l->names;
        l->names = &names;
        read_item(l, list, item, shown, *items, i);
        l->names = outer;
    }
    table_fini(&names.table);
    free(names.at);
}

static void read_path_defaults(struct loader *l, const struct doc_node *node)
{
    struct scope scope = {
        .pattern = "gateway.paths[].", .shown = "gateway.defaults.", .base = &l->path_defaults};
    read_map(l, node, &scope);
    memcpy(l->path_default_lines, l->lines, sizeof(l->lines));
}

static bool is_section(const char *pattern)
{
    for (size_t i = 0; i < N_SETTINGS; i++)
        if (strncmp(SETTINGS[i].key, pattern, strlen(pattern)) == 0)
            return true;
    return false;
}

static void read_member(struct loader *l, const struct doc_node *node, const struct scope *scope,
                        bool late)
{
    struct scope inner = *scope;
    char quoted[DOC_QUOTE_SIZE];
    bool simple = node->key[strspn(node->key, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
    (void) snprintf(inner.pattern, sizeof(inner.pattern), "%s%s", scope->pattern, node->key);
    (void) snprintf(inner.shown, sizeof(inner.shown), "%s%s", scope->shown,
                    simple ? node->key : doc_quote(node->key, quoted));
    const struct setting *s = simple ? setting_find(inner.pattern) : NULL;
    if ((s != NULL && (s->flags & SETTING_LATE) != 0) != late)
        return;
    if (s != NULL && scope->base == &l->path_defaults && (s->flags & SETTING_REQUIRED) != 0)
        s = NULL; /* the path itself cannot be common to all */
    if (s == NULL) {
        (void) strncat(inner.pattern, ".", sizeof(inner.pattern) - strlen(inner.pattern) - 1);
        (void) strncat(inner.shown, ".", sizeof(inner.shown) - strlen(inner.shown) - 1);
        if (simple && is_section(inner.pattern)) {
            read_map(l, node, &inner);
            if (setting_item_prefix(inner.pattern) == 0)
                check_required(l, &inner, node->line);
        } else {
            inner.shown[strlen(inner.shown) - 1] = '\0';
            unknown_key(l, node, scope, inner.shown);
        }
        return;
    }
    l->lines[s - SETTINGS] = node->line;
    if (s->type == SETTING_LIST)
        read_list(l, s, node, inner.shown, scope->base);
    else if (s->type == SETTING_DEFAULTS)
        read_path_defaults(l, node);
    else
        setting_read(&l->problems, s, node, inner.shown, place_of(s, scope->base));
}

static void read_members(struct loader *l, const struct doc_node *node, const struct scope *scope,
                         bool late)
{
    for (const struct doc_node *member = node->first; member != NULL; member = member->next)
        read_member(l, member, scope, late);
}

/* What stands where an element's mapping should: maybe the secret itself. */
static const char *got_instead(const struct doc_node *node, const struct scope *scope,
                               char ret[DOC_QUOTE_SIZE])
{
    char list[CONFIG_KEY_SIZE];
    size_t prefix = setting_item_prefix(scope->pattern);
    (void) snprintf(list, sizeof(list), "%.*s", (int) (prefix > 3 ? prefix - 3 : 0),
                    scope->pattern); /* without "[]." */
    const struct setting *s = setting_find(list);
    if (node->kind == DOC_LIST)
        return "a list";
    return s != NULL && (s->flags & SETTING_SECRET) != 0 ? "something else"
                                                         : doc_quote(node->text, ret);
}

static void read_map(struct loader *l, const struct doc_node *node, const struct scope *scope)
{
    if (node->kind == DOC_TEXT && node->null)
        return; /* a section of which everything is commented out */
    if (node->kind != DOC_MAP) {
        char key[CONFIG_KEY_SIZE], quoted[DOC_QUOTE_SIZE];
        (void) snprintf(key, sizeof(key), "%.*s", (int) strlen(scope->shown) - 1, scope->shown);
        problems_add(&l->problems, node->line, key, "expected a mapping, got %s",
                     got_instead(node, scope, quoted));
        return;
    }
    read_members(l, node, scope, false);
    read_members(l, node, scope, true);
}

/* What is there when the file says nothing of paths. */
static void add_root_path(struct loader *l)
{
    const struct setting *paths = setting_find("gateway.paths");
    struct doc_node item = {.kind = DOC_TEXT, .line = 1, .text = (char *) (uintptr_t) paths->def};
    struct doc_node list = {.kind = DOC_LIST, .line = 1, .n = 1, .first = &item};
    read_list(l, paths, &list, paths->key, l->cfg);
}

/* A path of the specification that gateway.paths leaves out; there is room for it. */
static void add_route(struct loader *l, const struct spec_route *route)
{
    size_t i = l->cfg->gateway.n_paths++;
    struct config_path *path = &l->cfg->gateway.paths[i];
    struct scope scope = {
        .pattern = "gateway.paths[].", .shown = "gateway.defaults.", .base = path};
    for (size_t s = 0; s < N_SETTINGS; s++)
        if (setting_is_of(&SETTINGS[s], scope.pattern))
            l->lines[s] = l->path_default_lines[s];
    copy_path_defaults(l, path);
    path->path = xstrdup(route->path);
    path->line = route->line;
    path->route = route;
    config_check_item(l, list_find("gateway.paths"), l->cfg->gateway.paths, i, &scope, true);
}

static void add_routes(struct loader *l)
{
    struct config *cfg = l->cfg;
    size_t n;
    const struct spec_route **routes = config_spec_routes(l, &n);
    struct config_names names = {.at = xcalloc(cfg->gateway.n_paths + n, sizeof(*names.at))};
    cfg->gateway.paths =
        xrealloc(cfg->gateway.paths, (cfg->gateway.n_paths + n) * sizeof(cfg->gateway.paths[0]));
    l->names = &names;
    for (size_t i = 0; i < n; i++)
        add_route(l, routes[i]);
    l->names = NULL;
    table_fini(&names.table);
    free(names.at);
    free(routes);
}

static void read_root(struct loader *l, const struct doc_node *root)
{
    struct scope scope = {.base = l->cfg};
    set_defaults("", l->cfg);
    set_defaults("gateway.paths[].", &l->path_defaults);
    read_members(l, root, &scope, false);
    bool has_spec = config_spec_read(l);
    if (!has_spec && l->lines[setting_find("gateway.paths") - SETTINGS] == 0)
        add_root_path(l);
    else if (l->cfg->spec != NULL)
        add_routes(l);
    read_members(l, root, &scope, true);
    config_canary_add(l);
    config_check_all(l, &scope);
    if (l->cfg->gateway.workers == 0) {
        unsigned cpus = uv_available_parallelism();
        l->cfg->gateway.workers = cpus < WORKERS_MAX ? cpus : WORKERS_MAX;
    }
}

/* For who writes a token into it. */
static unsigned open_mode_of(const char *file)
{
    struct stat st;
    return stat(file, &st) == 0 && secret_file_check(&st) < 0 ? secret_file_mode(&st) : 0;
}

int config_load(const char *file, struct config **ret, struct buf *error)
{
    struct loader *l = xcalloc(1, sizeof(*l)); /* too large for the stack of a thread */
    struct doc_node *root = NULL;
    l->problems.file = file;
    l->open_mode = open_mode_of(file);
    int r = doc_load(file, &l->problems, &root);
    if (r == 0) {
        l->cfg = xcalloc(1, sizeof(*l->cfg));
        read_root(l, root);
        r = l->problems.n + l->spec_problems.n == 0 ? 0 : -EINVAL;
    }
    if (r == 0) {
        *ret = l->cfg;
    } else {
        problems_print(&l->problems, error);
        problems_print(&l->spec_problems, error);
        config_free(l->cfg);
    }
    settings_fini("gateway.paths[].", &l->path_defaults);
    doc_free(root);
    free(l);
    return r;
}

void config_free(struct config *cfg)
{
    if (cfg == NULL)
        return;
    settings_fini("", cfg);
    spec_unref(cfg->spec);
    free(cfg);
}

const char *config_path_file(const char *file, const struct config *cfg,
                             const struct config_path *path)
{
    return path->route != NULL ? cfg->gateway.spec : file;
}

bool config_is_open(const struct config *cfg)
{
    size_t keys = 0;
    for (size_t i = 0; i < cfg->n_service_accounts; i++)
        keys += cfg->service_accounts[i].n_keys + cfg->service_accounts[i].client_certificates.n;
    return cfg->n_users == 0 && cfg->n_tokens == 0 && cfg->n_api_keys == 0 && keys == 0;
}

bool config_account_has_role(const struct config *cfg, const char *account_id, const char *role)
{
    if (account_id == NULL)
        return false;
    for (size_t i = 0; i < cfg->n_service_accounts; i++) {
        const struct config_account *account = &cfg->service_accounts[i];
        for (size_t k = 0; strcmp(account->id, account_id) == 0 && k < account->roles.n; k++)
            if (strcmp(account->roles.at[k], role) == 0)
                return true;
    }
    return false;
}
