/* spec_cors.c - a rule of x-yc-apigateway-cors. */
#include "spec_private.h"

/* A text as it is, or a list joined with commas; NULL: not said. */
static char *read_list(struct spec_reader *r, const struct doc_node *node, const char *key)
{
    size_t n;
    char **list = spec_strings(r, node, key, &n), *ret;
    struct buf joined;
    if (node == NULL)
        return NULL;
    buf_init(&joined, SPEC_MAX_VALUE);
    int err = 0;
    for (size_t i = 0; err == 0 && i < n; i++) {
        err = i > 0 ? buf_append_str(&joined, ", ") : 0;
        if (err == 0)
            err = buf_append_str(&joined, list[i]);
    }
    ret = spec_dup(r, buf_slice(&joined));
    buf_fini(&joined);
    if (err < 0 || !spec_is_printed(ret))
        spec_problem(r, node->line, key,
                     "expected a header of at most %d printable characters, got another",
                     SPEC_MAX_VALUE);
    return ret;
}

static void read_origin(struct spec_reader *r, const struct doc_node *rule, struct spec_cors *cors)
{
    char quoted[DOC_QUOTE_SIZE];
    const struct doc_node *node = spec_get(r, rule, "origin");
    if (node == NULL) {
        spec_problem(r, rule->line, "cors.origin",
                     "expected true, false, an origin or a list of them, got nothing");
        return;
    }
    cors->origins = spec_strings(r, node, "cors.origin", &cors->n_origins);
    if (node->kind == DOC_TEXT && cors->n_origins == 1) {
        cors->any_origin = strcasecmp(cors->origins[0], "true") == 0;
        if (cors->any_origin || strcasecmp(cors->origins[0], "false") == 0)
            cors->n_origins = 0;
    }
    for (size_t i = 0; i < cors->n_origins; i++)
        if (!slice_is_visible(slice_str(cors->origins[i])))
            spec_problem(r, node->line, "cors.origin", "expected an origin, got %s",
                         doc_quote(cors->origins[i], quoted));
}

static const struct spec_cors *read_rule(struct spec_reader *r, const struct doc_node *rule)
{
    if (!spec_is_map(r, rule, "cors"))
        return NULL;
    struct spec_cors *cors = spec_alloc(r, 1, sizeof(*cors));
    read_origin(r, rule, cors);
    cors->methods = read_list(r, spec_get(r, rule, "methods"), "cors.methods");
    cors->allowed_headers = read_list(
        r, spec_get_either(r, rule, "allowedHeaders", "allowed_headers"), "cors.allowedHeaders");
    cors->exposed_headers = read_list(
        r, spec_get_either(r, rule, "exposedHeaders", "exposed_headers"), "cors.exposedHeaders");
    cors->credentials = spec_bool(r, spec_get(r, rule, "credentials"), "cors.credentials", false);
    const struct doc_node *age = spec_get_either(r, rule, "maxAge", "max_age");
    cors->max_age_s =
        age == NULL ? -1 : (int64_t) spec_count(r, age, "cors.maxAge", 0, 1u << 31, 0);
    cors->options_status = (unsigned) spec_count(
        r, spec_get_either(r, rule, "optionsSuccessStatus", "options_success_status"),
        "cors.optionsSuccessStatus", 200, 299, 200);
    return cors;
}

const struct spec_cors *spec_cors_read(struct spec_reader *r, const struct doc_node *node)
{
    const void *known;
    if ((node = spec_deref(r, node)) == NULL || node->null)
        return NULL;
    if (spec_memo_get(r, 'c', node, &known))
        return known;
    const struct spec_cors *cors = read_rule(r, node);
    spec_memo_set(r, 'c', node, cors);
    return cors;
}
