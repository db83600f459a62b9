/* spec_fields.c - the headers and query parameters of an integration. */
#include "spec_private.h"

/* Of one connection only (RFC 9110 section 7.6.1), or said by who frames the message. */
static bool is_ours(const char *name)
{
    static const char *const OURS[] = {
        "Connection", "Content-Length",     "Expect",  "Host",
        "Keep-Alive", "Proxy-Authenticate", "TE",      "Proxy-Authorization",
        "Trailer",    "Proxy-Connection",   "Upgrade", "Transfer-Encoding",
    };
    for (size_t i = 0; i < ARRAY_LEN(OURS); i++)
        if (strcasecmp(name, OURS[i]) == 0)
            return true;
    return false;
}

/* Block texts of YAML end in a line break, which no header has. */
static void trim(char *text)
{
    size_t len = strlen(text);
    while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
        text[--len] = '\0';
}

static void read_value(struct spec_reader *r, const struct doc_node *node, const char *key,
                       enum spec_fields_kind kind, const struct spec_operation *op,
                       struct spec_field *field)
{
    char *text = spec_string(r, node, key, SPEC_MAX_VALUE);
    if (text == NULL)
        return;
    if (kind != SPEC_QUERY)
        trim(text);
    if (kind != SPEC_QUERY && !spec_is_printed(text)) {
        spec_problem(r, node->line, key,
                     "expected a value without control characters, got one with them");
        return;
    }
    spec_text_cut(r, node->line, key, text, op, &field->values[field->n++]);
}

static void read_values(struct spec_reader *r, const struct doc_node *node, const char *key,
                        enum spec_fields_kind kind, const struct spec_operation *op,
                        struct spec_field *field)
{
    size_t n = node->kind == DOC_LIST ? node->n : 1;
    if (node->null || n == 0)
        return;
    if (n > SPEC_MAX_VALUES) {
        spec_problem(r, node->line, key, "expected at most %d values, got %zu", SPEC_MAX_VALUES, n);
        return;
    }
    field->values = spec_alloc(r, n, sizeof(field->values[0]));
    if (node->kind != DOC_LIST) {
        read_value(r, node, key, kind, op, field);
        return;
    }
    for (const struct doc_node *at = node->first; at != NULL; at = at->next)
        if (!at->null)
            read_value(r, at, key, kind, op, field);
}

static bool is_twice(const struct spec_fields *fields, const char *name, enum spec_fields_kind kind)
{
    for (size_t i = 0; i < fields->n; i++)
        if ((kind == SPEC_QUERY ? strcmp(fields->at[i].name, name)
                                : strcasecmp(fields->at[i].name, name)) == 0)
            return true;
    return false;
}

/* "*": "*" */
static void read_rest(struct spec_reader *r, const struct doc_node *node, const char *key,
                      enum spec_fields_kind kind, struct spec_fields *ret)
{
    bool star = node->kind == DOC_TEXT && strcmp(node->text, "*") == 0;
    if (star && kind != SPEC_ANSWER_HEADERS)
        ret->rest = true;
    else
        spec_problem(r, node->line, key, "expected %s, got a header or parameter named '*'",
                     kind == SPEC_ANSWER_HEADERS ? "names of headers" : "'*': '*'");
}

static void read_field(struct spec_reader *r, const struct doc_node *node, const char *key,
                       enum spec_fields_kind kind, const struct spec_operation *op,
                       struct spec_fields *ret)
{
    char quoted[DOC_QUOTE_SIZE];
    const struct doc_node *value = spec_deref(r, node);
    const char *name = spec_vars_put(r, node->line, key, node->key, SPEC_MAX_NAME);
    if (value == NULL || name == NULL)
        return;
    if (strcmp(name, "*") == 0) {
        read_rest(r, value, key, kind, ret);
        return;
    }
    if (kind == SPEC_QUERY ? name[0] == '\0' || !spec_is_printed(name) : !spec_is_token(name)) {
        spec_problem(r, node->line, key, "expected the name of a %s, got %s",
                     kind == SPEC_QUERY ? "query parameter" : "header (RFC 9110, a token)",
                     doc_quote(name, quoted));
        return;
    }
    if (is_twice(ret, name, kind)) {
        spec_problem(r, node->line, key, "expected each name once, got again %s",
                     doc_quote(name, quoted));
        return;
    }
    if (kind != SPEC_QUERY && is_ours(name)) {
        spec_note(r, node->line, "the header %s is left out: it is said by who %s", name,
                  kind == SPEC_REQUEST_HEADERS ? "sends the request" : "answers");
        return;
    }
    struct spec_field *field = &ret->at[ret->n++];
    field->name = (char *) name; /* the specification's, as all texts */
    read_values(r, value, key, kind, op, field);
}

void spec_fields_read(struct spec_reader *r, const struct doc_node *map, const char *key,
                      enum spec_fields_kind kind, const struct spec_operation *op,
                      struct spec_fields *ret)
{
    if (map == NULL || !spec_is_map(r, map, key) || map->n == 0)
        return;
    if (map->n > SPEC_MAX_FIELDS) {
        spec_problem(r, map->line, key, "expected at most %d of them, got %zu", SPEC_MAX_FIELDS,
                     map->n);
        return;
    }
    ret->at = spec_alloc(r, map->n, sizeof(ret->at[0]));
    for (const struct doc_node *at = map->first; at != NULL && !r->over; at = at->next)
        read_field(r, at, key, kind, op, ret);
}
