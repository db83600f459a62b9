/* config_diff.c - see config_diff.h. */
#include "config_diff.h"

#include "config_check.h"
#include "config_set.h"
#include "mem.h"
#include "spec.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NONE SIZE_MAX

/* Two structures of one kind: the configurations, or elements of a list. */
struct pair {
    const char *pattern; /* what their settings' keys begin with: "", "registries[]." */
    const char *shown;   /* the same in the result: "registries[crt1]." */
    void *before, *after;
    bool restart; /* all of it waits for one */
};

static void diff_settings(const struct pair *p, struct config_changes *ret);

__attribute__((format(printf, 1, 2))) static char *print_key(const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    ASSERT(len >= 0);
    char *key = xmalloc((size_t) len + 1);
    (void) vsnprintf(key, (size_t) len + 1, fmt, again);
    va_end(again);
    return key;
}

/* Takes over the key. */
static void add(struct config_changes *c, char *key, enum config_change_kind kind, bool restart)
{
    if ((c->n & (c->n - 1)) == 0) /* full: there is room for each power of two */
        c->at = xrealloc(c->at, (c->n == 0 ? 1 : 2 * c->n) * sizeof(c->at[0]));
    c->at[c->n++] = (struct config_change){.key = key, .kind = kind, .needs_restart = restart};
}

/* --- lists --- */

/* The elements of a list in one of the structures. */
struct items {
    const struct list_place *list;
    char *at;
    size_t n;
};

static struct items items_of(const struct list_place *list, void *base)
{
    return (struct items){list, config_items(list, base), *config_count(list, base)};
}

static void *item_at(const struct items *items, size_t i)
{
    return items->at + i * items->list->item_size;
}

static const char *name_of(const struct items *items, size_t i)
{
    return *(char **) (void *) ((char *) item_at(items, i) + items->list->unique_offset);
}

/* Where `among` has element `i` of `items`, or NONE: the one of the same name, or in the same place
 * where they have no names. */
static size_t find_item(const struct items *among, const struct items *items, size_t i)
{
    if (items->list->unique_key == NULL)
        return i < among->n ? i : NONE;
    const char *name = name_of(items, i);
    if (i < among->n && strcmp(name_of(among, i), name) == 0)
        return i; /* mostly */
    for (size_t k = 0; k < among->n; k++)
        if (strcmp(name_of(among, k), name) == 0)
            return k;
    return NONE;
}

/* The key of element `i`, from malloc(): with its name unless that is secret. */
static char *print_item(const struct pair *p, const struct setting *s, const struct items *items,
                        size_t i)
{
    const char *key = s->key + strlen(p->pattern);
    const struct setting *unique = NULL;
    if (items->list->unique_key != NULL) {
        char *unique_key = print_key("%s[].%s", s->key, items->list->unique_key);
        unique = setting_find(unique_key);
        free(unique_key);
    }
    if (unique == NULL || (unique->flags & SETTING_SECRET) != 0)
        return print_key("%s%s[%zu]", p->shown, key, i);
    return print_key("%s%s[%s]", p->shown, key, name_of(items, i));
}

static void diff_item(const struct pair *p, const struct setting *s, const struct items *before,
                      size_t was, const struct items *after, size_t is, struct config_changes *ret)
{
    char *item = print_item(p, s, after, is), *shown = print_key("%s.", item);
    char *pattern = print_key("%s[].", s->key);
    const struct pair inner = {.pattern = pattern,
                               .shown = shown,
                               .before = item_at(before, was),
                               .after = item_at(after, is),
                               .restart = p->restart || (s->flags & SETTING_RESTART) != 0};
    diff_settings(&inner, ret);
    free(pattern);
    free(shown);
    free(item);
}

static void diff_list(const struct pair *p, const struct setting *s, struct config_changes *ret)
{
    const struct list_place *list = list_find(s->key);
    const struct items before = items_of(list, p->before), after = items_of(list, p->after);
    bool restart = p->restart || (s->flags & SETTING_RESTART) != 0;
    bool moved = false;
    size_t last = 0;
    for (size_t i = 0; i < after.n; i++) {
        size_t was = find_item(&before, &after, i);
        if (was == NONE) {
            add(ret, print_item(p, s, &after, i), CONFIG_ADDED, restart);
            continue;
        }
        diff_item(p, s, &before, was, &after, i, ret);
        moved = moved || was < last;
        last = was;
    }
    for (size_t i = 0; i < before.n; i++)
        if (find_item(&after, &before, i) == NONE)
            add(ret, print_item(p, s, &before, i), CONFIG_REMOVED, restart);
    if (moved && (s->flags & SETTING_ORDERED) != 0)
        add(ret, print_key("%s%s", p->shown, s->key + strlen(p->pattern)), CONFIG_CHANGED, restart);
}

/* --- comparing --- */

/* It is compared: what is another way to write a setting is so already. */
static bool has_place(const struct setting *s, const char *pattern)
{
    return setting_is_of(s, pattern) && s->type != SETTING_DEFAULTS && !setting_shares_place(s);
}

/* That the name of its file is the same says nothing of what is in it. */
static bool is_changed(const struct pair *p, const struct setting *s)
{
    const struct config *before = p->before, *after = p->after;
    if (!setting_equal(s, (char *) p->before + s->offset, (char *) p->after + s->offset))
        return true;
    return strcmp(s->key, "gateway.spec") == 0 && before->spec != NULL && after->spec != NULL &&
           before->spec->hash != after->spec->hash;
}

static void diff_settings(const struct pair *p, struct config_changes *ret)
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *s = &SETTINGS[i];
        if (!has_place(s, p->pattern))
            continue;
        if (s->type == SETTING_LIST)
            diff_list(p, s, ret);
        else if (is_changed(p, s))
            add(ret, print_key("%s%s", p->shown, s->key + strlen(p->pattern)), CONFIG_CHANGED,
                p->restart || (s->flags & SETTING_RESTART) != 0);
    }
}

void config_diff(const struct config *before, const struct config *after,
                 struct config_changes *ret)
{
    const struct pair all = {.pattern = "",
                             .shown = "",
                             .before = (void *) (uintptr_t) before, /* neither is written to */
                             .after = (void *) (uintptr_t) after};
    *ret = (struct config_changes){0};
    diff_settings(&all, ret);
}

void config_changes_fini(struct config_changes *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->at[i].key);
    free(c->at);
    *c = (struct config_changes){0};
}

/* --- keeping --- */

static void keep_settings(const char *pattern, void *after, void *before);

static void keep_in_items(const struct setting *s, void *after, void *before)
{
    const struct list_place *list = list_find(s->key);
    const struct items old = items_of(list, before), new = items_of(list, after);
    char *pattern = print_key("%s[].", s->key);
    for (size_t i = 0; i < new.n; i++) {
        size_t was = find_item(&old, &new, i);
        if (was != NONE)
            keep_settings(pattern, item_at(&new, i), item_at(&old, was));
    }
    free(pattern);
}

static void keep_settings(const char *pattern, void *after, void *before)
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *s = &SETTINGS[i];
        if (!has_place(s, pattern))
            continue;
        if ((s->flags & SETTING_RESTART) != 0)
            setting_replace(s, after, before);
        else if (s->type == SETTING_LIST)
            keep_in_items(s, after, before);
    }
}

static void refer_to(char **place, const char *id)
{
    if (strcmp(*place, id) == 0)
        return;
    free(*place);
    *place = xstrdup(id);
}

/* There is one cloud, folder and gateway, and who names them means those that are there. */
static void keep_references(struct config *cfg)
{
    for (size_t i = 0; i < cfg->n_triggers; i++)
        refer_to(&cfg->triggers[i].gateway_id, cfg->gateway.id);
    for (size_t i = 0; i < cfg->n_bindings; i++) {
        struct config_binding *b = &cfg->bindings[i];
        if (b->kind == CONFIG_CLOUD)
            refer_to(&b->id, cfg->cloud_id);
        else if (b->kind == CONFIG_FOLDER)
            refer_to(&b->id, cfg->folder_id);
        else if (b->kind == CONFIG_GATEWAY)
            refer_to(&b->id, cfg->gateway.id);
    }
}

void config_keep(struct config *after, const struct config *before)
{
    keep_settings("", after, (void *) (uintptr_t) before); /* which is not written to */
    keep_references(after);
}
