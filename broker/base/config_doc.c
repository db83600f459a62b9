/* config_doc.c - a YAML file as a tree that remembers lines. */
#include "config_doc.h"

#include "mem.h"
#include "utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

void problems_add(struct problems *p, unsigned line, const char *key, const char *fmt, ...)
{
    if (p->n == DOC_MAX_PROBLEMS)
        return;
    unsigned i = p->n++;
    for (; i > 0 && p->at[i - 1].line > line; i--) /* by line: checks do not run in file order */
        p->at[i] = p->at[i - 1];
    struct problem *problem = &p->at[i];
    problem->line = line;
    int len = snprintf(problem->text, sizeof(problem->text), "%s: ", key);
    size_t key_len = strlen(key);
    for (size_t at = 0; at < key_len && problem->text[at] != '\0'; at++)
        if ((uint8_t) problem->text[at] <= ' ' || problem->text[at] == 0x7f)
            problem->text[at] = '?'; /* the key stays one word */
    if (len < 0 || (size_t) len >= sizeof(problem->text))
        return;
    va_list args;
    va_start(args, fmt);
    (void) vsnprintf(problem->text + len, sizeof(problem->text) - (size_t) len, fmt, args);
    va_end(args);
}

void problems_print(const struct problems *p, struct buf *out)
{
    int r = 0;
    for (unsigned i = 0; r == 0 && i < p->n; i++)
        r = buf_printf(out, "%s:%u: %s\n", p->file, p->at[i].line, p->at[i].text);
}

const char *doc_quote(const char *text, char ret[DOC_QUOTE_SIZE])
{
    static const char MORE[] = "...";
    size_t len = 0, max = DOC_QUOTE_SIZE - sizeof(MORE) - 1; /* -1: the closing quote */
    bool readable = utf8_valid(slice_str(text));
    ret[len++] = '"';
    for (; *text != '\0' && len < max; text++) {
        bool plain = (uint8_t) *text >= 0x20 && *text != 0x7f && (readable || *text > 0);
        ret[len++] = plain ? *text : '?';
    }
    while (*text != '\0' && len > 1 && ((uint8_t) *text & 0xc0) == 0x80) { /* no half character */
        text--;
        len--;
    }
    if (*text != '\0')
        for (const char *dot = MORE; *dot != '\0'; dot++)
            ret[len++] = *dot;
    ret[len++] = '"';
    ret[len] = '\0';
    return ret;
}

void doc_free(struct doc_node *root)
{
    for (struct doc_node *next; root != NULL; root = next) { /* as deep as DOC_MAX_DEPTH */
        next = root->next;
        doc_free(root->first);
        free(root->key);
        free(root->text);
        free(root);
    }
}

/* Where the events of the parser put what they bring. */
struct builder {
    struct problems *problems;
    struct doc_node *root, *open[DOC_MAX_DEPTH]; /* containers from the root down */
    unsigned depth, documents;
    char *key; /* of the mapping on top, waiting for its value */
    unsigned key_line;
};

static unsigned line_of(const yaml_mark_t *mark)
{
    return mark->line < 1u << 30 ? (unsigned) mark->line + 1 : 1u << 30;
}

static int wrong(struct builder *b, const yaml_event_t *e, const char *expected, const char *got)
{
    problems_add(b->problems, line_of(&e->start_mark), "document", "expected %s, got %s", expected,
                 got);
    return -EINVAL;
}

static bool is_null(const yaml_event_t *e)
{
    static const char *const NULLS[] = {"", "~", "null", "Null", "NULL"};
    if (e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(NULLS); i++)
        if (strcmp((const char *) e->data.scalar.value, NULLS[i]) == 0)
            return true;
    return false;
}

/* "gateway.paths[1].inbound": `key` and where it stands. */
static const char *full_key(const struct builder *b, const char *key, char *ret, size_t size)
{
    size_t len = 0;
    for (unsigned i = 0; i <= b->depth && len < size; i++) {
        const struct doc_node *in = i == 0 ? NULL : b->open[i - 1];
        const char *name = i == b->depth ? key : b->open[i]->key;
        int n = in != NULL && in->kind == DOC_LIST
                    ? snprintf(ret + len, size - len, "[%zu]", in->n - 1)
                : name != NULL ? snprintf(ret + len, size - len, len > 0 ? ".%s" : "%s", name)
                               : 0;
        len += n > 0 ? (size_t) n : 0;
    }
    return ret;
}

static int take_key(struct builder *b, const yaml_event_t *e)
{
    const struct doc_node *map = b->open[b->depth - 1];
    const char *key = (const char *) e->data.scalar.value;
    char quoted[DOC_QUOTE_SIZE];
    if (map->n == DOC_MAX_KEYS)
        return wrong(b, e, "at most 256 keys in a mapping", "more");
    for (const struct doc_node *other = map->first; other != NULL; other = other->next)
        if (strcmp(other->key, key) == 0) {
            char where[256];
            problems_add(b->problems, line_of(&e->start_mark),
                         full_key(b, key, where, sizeof(where)),
                         "expected each key once, got it again after line %u", other->line);
            return -EINVAL;
        }
    if (key[0] == '\0')
        return wrong(b, e, "a key", doc_quote(key, quoted));
    b->key = xstrdup(key);
    b->key_line = line_of(&e->start_mark);
    return 0;
}

/* Puts a new node where the parser stands. Its text or its being a container is the caller's. */
static struct doc_node *add_node(struct builder *b, const yaml_event_t *e, enum doc_kind kind)
{
    struct doc_node *node = xcalloc(1, sizeof(*node));
    node->kind = kind;
    node->key = b->key;
    node->line = b->key != NULL ? b->key_line : line_of(&e->start_mark);
    b->key = NULL;
    if (b->depth == 0) {
        b->root = node;
        return node;
    }
    struct doc_node *in = b->open[b->depth - 1];
    ASSERT(in != NULL); /* open[] is filled up to depth */
    if (in->last == NULL)
        in->first = node;
    else
        in->last->next = node;
    in->last = node;
    in->n++;
    return node;
}

static bool wants_key(const struct builder *b)
{
    const struct doc_node *in = b->depth > 0 ? b->open[b->depth - 1] : NULL;
    return in != NULL && in->kind == DOC_MAP && b->key == NULL;
}

static int take_scalar(struct builder *b, const yaml_event_t *e)
{
    if (e->data.scalar.anchor != NULL)
        return wrong(b, e, "no anchors", "one");
    if (e->data.scalar.tag != NULL)
        return wrong(b, e, "no tags", "one");
    if (memchr(e->data.scalar.value, '\0', e->data.scalar.length) != NULL)
        return wrong(b, e, "text", "a NUL character in it");
    if (wants_key(b))
        return take_key(b, e);
    struct doc_node *node = add_node(b, e, DOC_TEXT);
    node->text = xstrdup((const char *) e->data.scalar.value);
    node->null = is_null(e);
    return 0;
}

static int take_start(struct builder *b, const yaml_event_t *e, enum doc_kind kind)
{
    bool map = kind == DOC_MAP;
    if ((map ? e->data.mapping_start.anchor : e->data.sequence_start.anchor) != NULL)
        return wrong(b, e, "no anchors", "one");
    if ((map ? e->data.mapping_start.tag : e->data.sequence_start.tag) != NULL)
        return wrong(b, e, "no tags", "one");
    if (wants_key(b))
        return wrong(b, e, "text as a key", map ? "a mapping" : "a list");
    if (b->depth == DOC_MAX_DEPTH)
        return wrong(b, e, "at most 16 levels", "more");
    struct doc_node *node = add_node(b, e, kind);
    b->open[b->depth++] = node;
    return 0;
}

static int take_event(struct builder *b, const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        return ++b->documents == 1 ? 0 : wrong(b, e, "one document", "a second one");
    case YAML_ALIAS_EVENT:
        return wrong(b, e, "no aliases", "one");
    case YAML_SCALAR_EVENT:
        return take_scalar(b, e);
    case YAML_MAPPING_START_EVENT:
        return take_start(b, e, DOC_MAP);
    case YAML_SEQUENCE_START_EVENT:
        return take_start(b, e, DOC_LIST);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        b->depth--;
        return 0;
    default:
        return 0;
    }
}

/* The parser met something that is not YAML. */
static int no_yaml(const yaml_parser_t *parser, struct problems *problems)
{
    const yaml_mark_t *mark = &parser->problem_mark;
    problems_add(problems, line_of(mark), "document", "expected valid YAML, got an error: %s",
                 parser->problem != NULL ? parser->problem : "cannot be read");
    return -EINVAL;
}

int doc_parse(struct slice text, struct problems *problems, struct doc_node **ret)
{
    struct builder b = {.problems = problems};
    yaml_parser_t parser;
    if (yaml_parser_initialize(&parser) == 0)
        return -ENOMEM;
    yaml_parser_set_input_string(&parser, text.len > 0 ? text.data : (const uint8_t *) "",
                                 text.len);
    int r = 0;
    for (bool end = false; r == 0 && !end;) {
        yaml_event_t e;
        if (yaml_parser_parse(&parser, &e) == 0) {
            r = no_yaml(&parser, problems);
            break;
        }
        end = e.type == YAML_STREAM_END_EVENT;
        r = take_event(&b, &e);
        yaml_event_delete(&e);
    }
    yaml_parser_delete(&parser);
    free(b.key);
    if (r == 0 && (b.root == NULL || b.root->kind != DOC_MAP)) {
        problems_add(problems, b.root == NULL ? 1 : b.root->line, "document",
                     "expected a mapping of settings, got %s",
                     b.root == NULL || b.root->null ? "nothing"
                     : b.root->kind == DOC_LIST     ? "a list"
                                                    : "text");
        r = -EINVAL;
    }
    if (r < 0)
        doc_free(b.root);
    else
        *ret = b.root;
    return r;
}

static int read_file(const char *file, struct buf *text)
{
    FILE *f = fopen(file, "re");
    if (f == NULL)
        return -errno;
    int r = 0;
    for (bool end = false; r == 0 && !end;) {
        uint8_t chunk[4096];
        size_t n = fread(chunk, 1, sizeof(chunk), f);
        if (n < sizeof(chunk) && ferror(f))
            r = errno != 0 ? -errno : -EIO;
        else
            r = buf_append(text, slice_of(chunk, n));
        end = n < sizeof(chunk);
    }
    (void) fclose(f);
    return r;
}

int doc_load(const char *file, struct problems *problems, struct doc_node **ret)
{
    struct buf text;
    buf_init(&text, DOC_MAX_BYTES);
    int r = read_file(file, &text);
    if (r == -EMSGSIZE) {
        problems_add(problems, 1, "document", "expected at most 8 MiB, got more");
        r = -EINVAL;
    } else if (r < 0) {
        problems_add(problems, 1, "document", "expected a file that can be read, got: %s",
                     err_str(r));
    } else {
        r = doc_parse(buf_slice(&text), problems, ret);
    }
    buf_fini(&text);
    return r;
}
