/* spec_security.c - which security schemes an operation asks for: any of several ways, each all of
 * some schemes with their scopes. */
#include "spec_private.h"

static void read_way(struct spec_reader *r, const struct doc_node *node, struct spec_way *ret)
{
    if (!spec_is_map(r, node, "security") || node->n == 0)
        return;
    if (node->n > SPEC_MAX_GRANTS) {
        spec_problem(r, node->line, "security", "expected at most %d schemes at once, got %zu",
                     SPEC_MAX_GRANTS, node->n);
        return;
    }
    ret->grants = spec_alloc(r, node->n, sizeof(ret->grants[0]));
    for (const struct doc_node *at = node->first; at != NULL; at = at->next) {
        struct spec_grant *grant = &ret->grants[ret->n++];
        grant->authorizer = spec_scheme_read(r, at->line, at->key);
        if (!at->null)
            grant->scopes = spec_strings(r, at, "security", &grant->n_scopes);
        if (grant->authorizer != NULL && grant->authorizer->kind != SPEC_JWT && grant->n_scopes > 0)
            spec_note(r, at->line, "scopes of %.80s are not looked at: its function decides",
                      at->key);
    }
}

void spec_security_read(struct spec_reader *r, const struct doc_node *list,
                        struct spec_security *ret)
{
    if (list->kind != DOC_LIST || list->n > SPEC_MAX_WAYS) {
        spec_problem(r, list->line, "security", "expected a list of at most %d, got another",
                     SPEC_MAX_WAYS);
        return;
    }
    if (list->n == 0)
        return;
    ret->ways = spec_alloc(r, list->n, sizeof(ret->ways[0]));
    for (const struct doc_node *at = list->first; at != NULL; at = at->next) {
        const struct doc_node *way = spec_deref(r, at);
        if (way != NULL)
            read_way(r, way, &ret->ways[ret->n++]);
    }
}

void spec_security_of(struct spec_reader *r, const struct doc_node *operation,
                      struct spec_security *ret)
{
    const struct doc_node *own = spec_get(r, operation, "security");
    if (own != NULL) {
        spec_security_read(r, own, ret);
        return;
    }
    if (!r->has_security) {
        r->has_security = true;
        const struct doc_node *all = spec_get(r, r->root, "security");
        if (all != NULL)
            spec_security_read(r, all, &r->security);
    }
    *ret = r->security;
}

static bool same_grant(const struct spec_grant *a, const struct spec_grant *b)
{
    if (a->authorizer != b->authorizer || a->n_scopes != b->n_scopes)
        return false;
    for (size_t i = 0; i < a->n_scopes; i++)
        if (strcmp(a->scopes[i], b->scopes[i]) != 0)
            return false;
    return true;
}

static bool same_way(const struct spec_way *a, const struct spec_way *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!same_grant(&a->grants[i], &b->grants[i]))
            return false;
    return true;
}

bool spec_security_equal(const struct spec_security *a, const struct spec_security *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!same_way(&a->ways[i], &b->ways[i]))
            return false;
    return true;
}
