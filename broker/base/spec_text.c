/* spec_text.c - cuts a text at its {parameters}. */
#include "spec_private.h"

static bool is_name(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '-' || c == '.')))
            return false;
    }
    return s.len > 0;
}

static bool find_param(const struct spec_operation *op, struct slice name, size_t *ret)
{
    for (size_t i = 0; i < op->n_params; i++)
        if (slice_eq_str(name, op->params[i].name)) {
            *ret = i;
            return true;
        }
    return false;
}

/* Where a parameter begins, from `at` on; NULL: there is none. Braces around something else, as
 * JSON and style sheets have them, are text. */
static const char *next_param(const struct spec_operation *op, const char *at, struct slice *ret,
                              const char **ret_end, bool *ret_known, size_t *ret_param)
{
    for (; (at = strchr(at, '{')) != NULL; at++) {
        size_t len = strcspn(at + 1, "{}");
        if (at[1 + len] != '}' || len == 0 || len > SPEC_MAX_NAME)
            continue;
        struct slice name = slice_of(at + 1, len);
        *ret_end = at + len + 2;
        *ret_known = find_param(op, name, ret_param);
        if (!*ret_known && name.data[len - 1] == '+') {
            name.len--;
            *ret_known = find_param(op, name, ret_param);
        }
        *ret = name;
        if (*ret_known || is_name(name))
            return at;
    }
    return NULL;
}

static void add_literal(struct spec_reader *r, struct spec_text *text, const char *at, size_t len)
{
    if (len > 0)
        text->pieces[text->n++].literal = spec_dup(r, slice_of(at, len));
}

void spec_text_cut(struct spec_reader *r, unsigned line, const char *key, const char *text,
                   const struct spec_operation *op, struct spec_text *ret)
{
    char quoted[DOC_QUOTE_SIZE];
    struct slice name;
    const char *at = text, *start, *end = NULL;
    size_t n = 1, param = 0;
    bool known = false;
    while (next_param(op, at, &name, &end, &known, &param) != NULL) {
        n += 2;
        at = end;
    }
    ret->pieces = spec_alloc(r, n, sizeof(ret->pieces[0]));
    for (at = text; (start = next_param(op, at, &name, &end, &known, &param)) != NULL; at = end) {
        if (!known) {
            char *copy = spec_dup(r, name);
            spec_problem(r, line, key,
                         "expected a parameter that the operation's \"parameters\" declare, got %s",
                         doc_quote(copy, quoted));
            continue;
        }
        add_literal(r, ret, at, (size_t) (start - at));
        ret->pieces[ret->n++].param = param;
    }
    add_literal(r, ret, at, strlen(at));
}
