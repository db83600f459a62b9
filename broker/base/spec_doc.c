/* spec_doc.c - reads values out of the tree of a specification, wherever references lead. */
#include "config_value.h"
#include "spec_private.h"

#include <stdio.h>

static int hex(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The number in "\uXXXX" at `at`; -1: it is none. */
static int escaped_unit(struct slice text, size_t at)
{
    int unit = 0;
    if (text.len - at < 6 || text.data[at] != '\\' || text.data[at + 1] != 'u')
        return -1;
    for (size_t i = at + 2; i < at + 6; i++) {
        int digit = hex(text.data[i]);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

/* From where on it has to be copied as it is; one pair is put in, if there is one. */
static int put_pair(struct slice text, size_t *at, struct buf *out)
{
    int high = escaped_unit(text, *at), low = -1;
    if (high >= 0xd800 && high <= 0xdbff)
        low = escaped_unit(text, *at + 6);
    if (low >= 0xdc00 && low <= 0xdfff) {
        *at += 12;
        return buf_printf(out, "\\U%08X",
                          0x10000u + (((unsigned) high - 0xd800u) << 10) +
                              ((unsigned) low - 0xdc00u));
    }
    *at += text.len - *at < 2 ? 1 : 2; /* the backslash and what it escapes */
    return 0;
}

int spec_doc_pairs(struct slice text, struct buf *out)
{
    size_t from = 0, at = 0;
    int r = 0;
    if (text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0)
        at = 3;
    while (at < text.len && strchr(" \t\r\n", text.data[at]) != NULL && text.data[at] != '\0')
        at++;
    bool json = at < text.len && text.data[at] == '{', quoted = false;
    while (r == 0 && json && at < text.len) {
        if (text.data[at] == '\\' && quoted) {
            size_t backslash = at;
            struct slice before = slice_sub(text, from, at);
            size_t len = out->len;
            r = buf_append(out, before);
            if (r == 0)
                r = put_pair(text, &at, out);
            if (out->len == len + before.len) /* no pair: it goes along with what follows */
                from = backslash;
            else
                from = at;
        } else {
            json = quoted || text.data[at] != '\''; /* JSON has no such quotes */
            quoted ^= text.data[at] == '"';
            at++;
        }
    }
    return r < 0 ? r : buf_append(out, slice_from(text, from));
}

/* One part of a pointer, unescaped twice: it is in an URI, and '/' and '~' are escaped in it. */
static bool take_part(const char **at, char *ret, size_t size)
{
    size_t len = 0;
    for (; **at != '\0' && **at != '/'; (*at)++) {
        uint8_t c = (uint8_t) * *at;
        if (c == '%' && hex((uint8_t) (*at)[1]) >= 0 && hex((uint8_t) (*at)[2]) >= 0) {
            c = (uint8_t) (hex((uint8_t) (*at)[1]) * 16 + hex((uint8_t) (*at)[2]));
            *at += 2;
        }
        if (c == '~' && ((*at)[1] == '0' || (*at)[1] == '1'))
            c = *++*at == '0' ? '~' : '/';
        if (len + 1 == size || c == '\0')
            return false;
        ret[len++] = (char) c;
    }
    ret[len] = '\0';
    return true;
}

static const struct doc_node *element(const struct doc_node *list, const char *index)
{
    uint64_t i;
    if (!value_count(index, &i) || i >= list->n || i > 1000)
        return NULL;
    const struct doc_node *at = list->first;
    while (i-- > 0)
        at = at->next;
    return at;
}

static const struct doc_node *point(const struct spec_reader *r, const char *pointer)
{
    const struct doc_node *at = r->root;
    while (at != NULL && *pointer == '/') {
        char part[1024];
        pointer++;
        if (!take_part(&pointer, part, sizeof(part)))
            return NULL;
        at = at->kind == DOC_LIST ? element(at, part) : doc_member(at, part);
    }
    return at;
}

const struct doc_node *spec_deref(struct spec_reader *r, const struct doc_node *node)
{
    char quoted[DOC_QUOTE_SIZE];
    const struct doc_node *ref, *at = node;
    for (unsigned n = 0; (ref = doc_member(at, "$ref")) != NULL; n++) {
        if (ref->kind != DOC_TEXT || strncmp(ref->text, "#/", 2) != 0) {
            spec_problem(r, ref->line, "$ref",
                         "expected a place in this document, as #/components/..., got %s",
                         ref->kind == DOC_TEXT ? doc_quote(ref->text, quoted) : "no text");
            return NULL;
        }
        const struct doc_node *next = n == SPEC_MAX_REFS ? NULL : point(r, ref->text + 1);
        if (next == NULL) {
            spec_problem(r, ref->line, "$ref",
                         n == SPEC_MAX_REFS
                             ? "expected at most 16 references one after the other, got more, or "
                               "a circle of them: %s"
                             : "expected a place that is in the document, got %s",
                         doc_quote(ref->text, quoted));
            return NULL;
        }
        at = next;
    }
    return at;
}

const struct doc_node *spec_get(struct spec_reader *r, const struct doc_node *map, const char *key)
{
    const struct doc_node *node = map == NULL ? NULL : doc_member(map, key);
    node = node == NULL ? NULL : spec_deref(r, node);
    return node == NULL || node->null ? NULL : node;
}

const struct doc_node *spec_get_either(struct spec_reader *r, const struct doc_node *map,
                                       const char *key, const char *other)
{
    const struct doc_node *node = spec_get(r, map, key);
    return node != NULL ? node : spec_get(r, map, other);
}

static const char *kind_name(const struct doc_node *node)
{
    return node->kind == DOC_MAP ? "a mapping" : node->kind == DOC_LIST ? "a list" : "text";
}

bool spec_is_map(struct spec_reader *r, const struct doc_node *node, const char *key)
{
    if (node->kind == DOC_MAP)
        return true;
    spec_problem(r, node->line, key, "expected a mapping, got %s",
                 node->null ? "nothing" : kind_name(node));
    return false;
}

char *spec_string(struct spec_reader *r, const struct doc_node *node, const char *key, size_t max)
{
    if (node->kind != DOC_TEXT) {
        spec_problem(r, node->line, key, "expected text, got %s", kind_name(node));
        return NULL;
    }
    return spec_vars_put(r, node->line, key, node->text, max);
}

bool spec_bool(struct spec_reader *r, const struct doc_node *node, const char *key, bool otherwise)
{
    char quoted[DOC_QUOTE_SIZE];
    if (node == NULL)
        return otherwise;
    const char *text = spec_string(r, node, key, SPEC_MAX_NAME);
    if (text == NULL)
        return otherwise;
    if (strcasecmp(text, "true") == 0 || strcasecmp(text, "false") == 0)
        return strcasecmp(text, "true") == 0;
    spec_problem(r, node->line, key, "expected true or false, got %s", doc_quote(text, quoted));
    return otherwise;
}

uint64_t spec_count(struct spec_reader *r, const struct doc_node *node, const char *key,
                    uint64_t least, uint64_t most, uint64_t otherwise)
{
    char quoted[DOC_QUOTE_SIZE];
    uint64_t n;
    if (node == NULL)
        return otherwise;
    const char *text = spec_string(r, node, key, SPEC_MAX_NAME);
    if (text == NULL)
        return otherwise;
    if (value_count(text, &n) && n >= least && n <= most)
        return n;
    spec_problem(r, node->line, key, "expected a number from %llu to %llu, got %s",
                 (unsigned long long) least, (unsigned long long) most, doc_quote(text, quoted));
    return otherwise;
}

char **spec_strings(struct spec_reader *r, const struct doc_node *node, const char *key,
                    size_t *ret_n)
{
    *ret_n = 0;
    if (node == NULL)
        return NULL;
    size_t n = node->kind == DOC_LIST ? node->n : 1;
    if (n > SPEC_MAX_LIST) {
        spec_problem(r, node->line, key, "expected at most %d of them, got %zu", SPEC_MAX_LIST, n);
        return NULL;
    }
    if (n == 0)
        return NULL;
    char **list = spec_alloc(r, n, sizeof(*list));
    const struct doc_node *at = node->kind == DOC_LIST ? node->first : node;
    for (size_t i = 0; i < n; i++, at = at->next)
        if ((list[*ret_n] = spec_string(r, at, key, SPEC_MAX_VALUE)) != NULL)
            (*ret_n)++;
    return list;
}
