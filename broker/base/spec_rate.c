/* spec_rate.c - a rule of x-yc-apigateway-rate-limit. */
#include "spec_private.h"

/* What the rule is called in components; NULL: it stands where it is used. */
static char *name_of(struct spec_reader *r, const struct doc_node *node)
{
    static const char PLACE[] = "#/components/x-yc-apigateway-rate-limits/";
    const struct doc_node *ref = doc_member(node, "$ref");
    if (ref == NULL || ref->kind != DOC_TEXT || strncmp(ref->text, PLACE, sizeof(PLACE) - 1) != 0)
        return NULL;
    return spec_dup(r, slice_str(ref->text + sizeof(PLACE) - 1));
}

static const struct spec_rate *read_rule(struct spec_reader *r, const struct doc_node *rule,
                                         char *name)
{
    const struct doc_node *all = spec_get_either(r, rule, "allRequests", "all_requests");
    const struct doc_node *rps = spec_get(r, all, "rps"), *rpm = spec_get(r, all, "rpm");
    if ((rps == NULL) == (rpm == NULL)) {
        spec_problem(r, rule->line, "rate-limit",
                     "expected allRequests with either rps or rpm, got %s",
                     rps == NULL ? "none" : "both");
        return NULL;
    }
    struct spec_rate *rate = spec_alloc(r, 1, sizeof(*rate));
    rate->n = spec_count(r, rps != NULL ? rps : rpm, "rate-limit", 1, 1000000000, 1);
    rate->window_ms = rps != NULL ? 1000 : 60000;
    rate->name = name;
    return rate;
}

const struct spec_rate *spec_rate_read(struct spec_reader *r, const struct doc_node *holder,
                                       const char *key)
{
    const void *known;
    const struct doc_node *node = holder == NULL ? NULL : doc_member(holder, key);
    const struct doc_node *rule = node == NULL ? NULL : spec_deref(r, node);
    if (rule == NULL || rule->null)
        return NULL;
    if (spec_memo_get(r, 'r', rule, &known))
        return known;
    const struct spec_rate *rate =
        spec_is_map(r, rule, "rate-limit") ? read_rule(r, rule, name_of(r, node)) : NULL;
    spec_memo_set(r, 'r', rule, rate);
    return rate;
}
