/* spec_vars.c - the variables of a specification, ${var.NAME}: declared by
 * x-yc-apigateway.variables with what they are otherwise, set by the configuration. */
#include "spec_private.h"

#define VAR_START     "${var."
#define VAR_START_LEN (sizeof(VAR_START) - 1)

static const struct doc_node *declarations(struct spec_reader *r)
{
    return spec_get(r, r->gateway, "variables");
}

/* NULL: `value` is one of those that the variable may have. */
static const struct doc_node *refusal(struct spec_reader *r, const struct doc_node *variable,
                                      const char *value)
{
    const struct doc_node *list = spec_get(r, variable, "enum");
    if (list == NULL || list->kind != DOC_LIST)
        return NULL;
    size_t n = 0;
    for (const struct doc_node *at = list->first; at != NULL && n < SPEC_MAX_VARIABLES;
         at = at->next, n++)
        if (at->kind == DOC_TEXT && strcmp(at->text, value) == 0)
            return NULL;
    return list;
}

/* What the configuration says or else the declaration; NULL: nobody says. */
static const char *value_of(struct spec_reader *r, const struct doc_node *variable,
                            const char *name)
{
    const char *set = spec_named_value(r->options->variables, r->options->n_variables, name);
    const struct doc_node *otherwise = spec_get(r, variable, "default");
    if (set != NULL)
        return set;
    return otherwise != NULL && otherwise->kind == DOC_TEXT ? otherwise->text : NULL;
}

static void check_one(struct spec_reader *r, const struct doc_node *declared)
{
    char quoted[DOC_QUOTE_SIZE];
    const struct doc_node *variable = spec_deref(r, declared);
    if (variable == NULL || !spec_is_map(r, variable, declared->key))
        return;
    const struct doc_node *list = spec_get(r, variable, "enum");
    if (list != NULL && (list->kind != DOC_LIST || list->n > SPEC_MAX_VARIABLES))
        spec_problem(r, list->line, "enum", "expected a list of at most %d values, got another",
                     SPEC_MAX_VARIABLES);
    const char *value = value_of(r, variable, declared->key);
    if (value == NULL)
        spec_problem(r, declared->line, declared->key,
                     "expected a default, or a value in gateway.variables, got none");
    else if (refusal(r, variable, value) != NULL)
        spec_problem(r, declared->line, declared->key, "expected one of its enum, got %s",
                     doc_quote(value, quoted));
    if (strchr(declared->key, '}') != NULL)
        spec_problem(r, declared->line, "variables", "expected a name without '}', got %s",
                     doc_quote(declared->key, quoted));
}

void spec_vars_check(struct spec_reader *r)
{
    char quoted[DOC_QUOTE_SIZE];
    const struct doc_node *variables = declarations(r);
    if (variables != NULL && !spec_is_map(r, variables, "variables"))
        return;
    if (variables != NULL && variables->n > SPEC_MAX_VARIABLES) {
        spec_problem(r, variables->line, "variables", "expected at most %d variables, got %zu",
                     SPEC_MAX_VARIABLES, variables->n);
        return;
    }
    for (const struct doc_node *at = variables == NULL ? NULL : variables->first; at != NULL;
         at = at->next)
        check_one(r, at);
    for (size_t i = 0; i < r->options->n_variables; i++)
        if (variables == NULL || doc_member(variables, r->options->variables[i].name) == NULL)
            spec_problem(r, variables == NULL ? r->root->line : variables->line,
                         "gateway.variables",
                         "expected variables that the specification declares, got %s",
                         doc_quote(r->options->variables[i].name, quoted));
}

/* The value of the variable whose name is at `start`; *ret_end is behind its '}'. */
static const char *find(struct spec_reader *r, unsigned line, const char *key, const char *start,
                        const char **ret_end)
{
    char quoted[DOC_QUOTE_SIZE], name[SPEC_MAX_NAME];
    const char *end = strchr(start, '}');
    const struct doc_node *variables = declarations(r), *variable = NULL;
    if (end == NULL || (size_t) (end - start) >= sizeof(name)) {
        spec_problem(r, line, key, "expected ${var.NAME}, got %s",
                     doc_quote(start - VAR_START_LEN, quoted));
        return NULL;
    }
    memcpy(name, start, (size_t) (end - start));
    name[end - start] = '\0';
    *ret_end = end + 1;
    if (variables != NULL && (variable = doc_member(variables, name)) != NULL)
        variable = spec_deref(r, variable);
    if (variable == NULL)
        spec_problem(r, line, key,
                     "expected a variable that x-yc-apigateway.variables declares, got %s",
                     doc_quote(name, quoted));
    return variable == NULL ? NULL : value_of(r, variable, name); /* check_one() says what is not */
}

static bool put(struct buf *out, struct slice text)
{
    return buf_append(out, text) == 0;
}

char *spec_vars_put(struct spec_reader *r, unsigned line, const char *key, const char *text,
                    size_t max)
{
    bool fits = strlen(text) <= max; /* before as after: so that reading it is bounded too */
    const char *start = fits ? strstr(text, VAR_START) : NULL, *rest = text;
    struct buf out;
    buf_init(&out, max);
    char *ret = NULL;
    for (; fits && start != NULL; start = strstr(rest, VAR_START)) {
        const char *end = NULL, *value = find(r, line, key, start + VAR_START_LEN, &end);
        if (value == NULL) {
            buf_fini(&out);
            return NULL;
        }
        fits = put(&out, slice_of(rest, (size_t) (start - rest))) && put(&out, slice_str(value));
        rest = end;
    }
    if (fits && rest == text)
        ret = spec_dup(r, slice_str(text));
    else if (fits && rest != text && put(&out, slice_str(rest)))
        ret = spec_dup(r, buf_slice(&out));
    else
        spec_problem(r, line, key, "expected at most %zu bytes, got more", max);
    buf_fini(&out);
    return ret;
}
