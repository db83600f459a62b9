/* spec_param.c - the parameters that an operation declares, those of its path included. */
#include "spec_private.h"

static bool read_in(struct spec_reader *r, const struct doc_node *node, enum spec_in *ret)
{
    static const char *const NAMES[] = {"path", "query", "header", "cookie"};
    char quoted[DOC_QUOTE_SIZE];
    const struct doc_node *in = spec_get(r, node, "in");
    const char *text = in == NULL ? "" : spec_string(r, in, "in", SPEC_MAX_NAME);
    for (unsigned i = 0; text != NULL && i < ARRAY_LEN(NAMES); i++)
        if (strcmp(text, NAMES[i]) == 0) {
            *ret = (enum spec_in) i;
            return true;
        }
    if (text != NULL)
        spec_problem(r, node->line, "parameters.in",
                     "expected path, query, header or cookie, got %s", doc_quote(text, quoted));
    return false;
}

static bool same(const struct spec_param *a, const struct spec_param *b)
{
    return a->in == b->in &&
           (a->in == SPEC_IN_HEADER ? strcasecmp(a->name, b->name) : strcmp(a->name, b->name)) == 0;
}

/* What is wrong with its name; NULL: nothing. Of a path without the '+' that it may have. */
static const char *check_name(const struct spec_route *route, struct spec_param *param)
{
    size_t len = strlen(param->name);
    switch (param->in) {
    case SPEC_IN_PATH:
        if (len > 0 && param->name[len - 1] == '+')
            param->name[--len] = '\0';
        return spec_template_has(route->path, slice_of(param->name, len), &param->greedy)
                   ? NULL
                   : "a parameter of the path";
    case SPEC_IN_HEADER:
    case SPEC_IN_COOKIE:
        return spec_is_token(param->name) ? NULL : "the name of a header or cookie";
    default:
        return len > 0 && spec_is_printed(param->name) ? NULL : "the name of a query parameter";
    }
}

static bool read_param(struct spec_reader *r, const struct spec_route *route,
                       const struct doc_node *node, struct spec_param *ret)
{
    char quoted[DOC_QUOTE_SIZE];
    if ((node = spec_deref(r, node)) == NULL || !spec_is_map(r, node, "parameters") ||
        !read_in(r, node, &ret->in))
        return false;
    const struct doc_node *name = spec_get(r, node, "name");
    if (name == NULL) {
        spec_problem(r, node->line, "parameters.name", "expected a name, got none");
        return false;
    }
    if ((ret->name = spec_string(r, name, "parameters.name", SPEC_MAX_NAME)) == NULL)
        return false;
    const char *expected = check_name(route, ret);
    if (expected != NULL) {
        spec_problem(r, name->line, "parameters.name", "expected %s, got %s", expected,
                     doc_quote(ret->name, quoted));
        return false;
    }
    const struct doc_node *otherwise = spec_get(r, spec_get(r, node, "schema"), "default");
    ret->required = spec_bool(r, spec_get(r, node, "required"), "parameters.required", false) ||
                    ret->in == SPEC_IN_PATH;
    if (otherwise != NULL && otherwise->kind == DOC_TEXT)
        ret->fallback = spec_string(r, otherwise, "parameters.schema.default", SPEC_MAX_VALUE);
    return true;
}

static void read_list(struct spec_reader *r, const struct spec_route *route,
                      const struct doc_node *list, bool override, struct spec_operation *op)
{
    char quoted[DOC_QUOTE_SIZE];
    size_t n_before = op->n_params;
    if (list == NULL)
        return;
    if (list->kind != DOC_LIST) {
        spec_problem(r, list->line, "parameters", "expected a list, got another");
        return;
    }
    if (list->n + op->n_params > SPEC_MAX_PARAMS) {
        spec_problem(r, list->line, "parameters", "expected at most %d of them, got more",
                     SPEC_MAX_PARAMS);
        return;
    }
    for (const struct doc_node *at = list->first; at != NULL; at = at->next) {
        struct spec_param *param = &op->params[op->n_params];
        *param = (struct spec_param){0};
        if (!read_param(r, route, at, param))
            continue;
        size_t i = 0;
        while (i < op->n_params && !same(&op->params[i], param))
            i++;
        if (i == op->n_params)
            op->n_params++;
        else if (i >= n_before || !override)
            spec_problem(r, at->line, "parameters", "expected each parameter once, got again %s",
                         doc_quote(param->name, quoted));
    }
}

void spec_params_read(struct spec_reader *r, const struct spec_route *route,
                      const struct doc_node *item, const struct doc_node *operation,
                      struct spec_operation *op)
{
    const struct doc_node *own = spec_get(r, operation, "parameters");
    const struct doc_node *shared = spec_get(r, item, "parameters");
    struct spec_param params[SPEC_MAX_PARAMS];
    op->params = params;
    read_list(r, route, own, false, op);
    read_list(r, route, shared, true, op); /* which are its own where both have one */
    op->params = NULL;
    if (op->n_params > 0) {
        op->params = spec_alloc(r, op->n_params, sizeof(params[0]));
        memcpy(op->params, params, op->n_params * sizeof(params[0]));
    }
}
