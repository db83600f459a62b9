/* san.c - see san.h. */
#include "san.h"

#include "mem.h"

#include <stdlib.h>

static const struct slice KINDS[SAN_KINDS] = {[SAN_DNS] = SLICE_INIT("dns:"),
                                              [SAN_URI] = SLICE_INIT("uri:"),
                                              [SAN_EMAIL] = SLICE_INIT("email:")};

struct san_list *san_list_new(uint64_t expires_s)
{
    struct san_list *list = xcalloc(1, sizeof(*list));
    list->expires_s = expires_s;
    return list;
}

void san_list_free(struct san_list *list)
{
    if (list == NULL)
        return;
    for (size_t i = 0; i < list->n; i++)
        free(list->at[i]);
    free(list->at);
    free(list);
}

void san_list_add(struct san_list *list, enum san_kind kind, struct slice name)
{
    size_t len = KINDS[kind].len + name.len;
    bool wild = name.len > 0 && memchr(name.data, '*', name.len) != NULL;
    if (list->n == SAN_MAX || len > SAN_TEXT_MAX || !slice_is_visible(name) ||
        (wild && kind == SAN_DNS))
        return;
    char *text = xcalloc(1, len + 1);
    memcpy(text, KINDS[kind].data, KINDS[kind].len);
    memcpy(text + KINDS[kind].len, name.data, name.len);
    list->at = xrealloc(list->at, (list->n + 1) * sizeof(list->at[0]));
    list->at[list->n++] = text;
}

/* --- rules --- */

static bool is_of(enum san_kind kind, const char *text)
{
    return strncmp(text, (const char *) KINDS[kind].data, KINDS[kind].len) == 0;
}

static bool is_wild(const char *host)
{
    return strncmp(host, "*.", 2) == 0;
}

static bool host_fits(const char *rule, const char *host)
{
    if (is_wild(rule)) {
        rule++;
        host += strcspn(host, ".");
    }
    return slice_eq_nocase(slice_str(rule), slice_str(host));
}

static bool fits(const char *rule, const char *name)
{
    size_t skip = KINDS[SAN_DNS].len;
    if (is_of(SAN_DNS, rule) && is_of(SAN_DNS, name))
        return name[skip] != '.' && host_fits(rule + skip, name + skip);
    return strcmp(rule, name) == 0;
}

static bool fits_any(const struct config_strings *rules, const char *name)
{
    for (size_t i = 0; i < rules->n; i++)
        if (fits(rules->at[i], name))
            return true;
    return false;
}

const char *san_match(const struct san_list *list, const struct config_strings *rules,
                      uint64_t now_s)
{
    if (list == NULL || list->expires_s <= now_s)
        return NULL;
    for (size_t i = 0; i < list->n; i++)
        if (fits_any(rules, list->at[i]))
            return list->at[i];
    return NULL;
}

static bool is_host_rule(const char *host)
{
    const char *rest = is_wild(host) ? host + 2 : host;
    return rest[0] != '\0' && rest[0] != '.' && strchr(rest, '*') == NULL;
}

bool san_is_rule(const char *text)
{
    size_t len = strlen(text);
    if (len > SAN_TEXT_MAX || !slice_is_visible(slice_of(text, len)))
        return false;
    for (int kind = 0; kind < SAN_KINDS; kind++)
        if (is_of((enum san_kind) kind, text))
            return kind == SAN_DNS ? is_host_rule(text + KINDS[kind].len) : len > KINDS[kind].len;
    return false;
}
