/* config_doc.c - a YAML file as a tree that remembers lines. */
#include "config_doc.h"

#include "doc_anchors.h"
#include "doc_index.h"
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
    for (struct doc_node *next; root != NULL; root = next) { /* as deep as the limits allow */
        next = root->next;
        if (!root->shared) {
            doc_free(root->first);
            free(root->text);
            doc_index_free(root->index);
        }
        doc_free(root->hidden);
        free(root->key);
        free(root);
    }
}

struct doc_node *doc_member(const struct doc_node *map, const char *key)
{
    if (map->kind != DOC_MAP)
        return NULL;
    if (map->index != NULL)
        return doc_index_find(map->index, key);
    struct doc_node *at = map->first;
    while (at != NULL && strcmp(at->key, key) != 0)
        at = at->next;
    return at;
}

/* Where the events of the parser put what they bring. */
struct builder {
    const struct doc_limits *limits;
    struct problems *problems;
    struct siphash_seed seed;
    struct doc_node *root, *open[DOC_DEPTH_CAP]; /* containers from the root down */
    struct doc_node *merged;                     /* what was merged where it stood */
    struct doc_anchors anchors;
    size_t nodes;
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

/* "at most 16 levels" */
static int too_many(struct builder *b, const yaml_event_t *e, size_t limit, const char *of_what)
{
    char expected[64];
    (void) snprintf(expected, sizeof(expected), "at most %zu %s", limit, of_what);
    return wrong(b, e, expected, "more");
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
    if (map->n == b->limits->max_keys)
        return too_many(b, e, b->limits->max_keys, "keys in a mapping");
    const struct doc_node *other = doc_member(map, key);
    if (other != NULL) {
        char where[256];
        problems_add(b->problems, line_of(&e->start_mark), full_key(b, key, where, sizeof(where)),
                     "expected each key once, got it again after line %u", other->line);
        return -EINVAL;
    }
    if (key[0] == '\0' && !b->limits->aliases)
        return wrong(b, e, "a key", doc_quote(key, quoted));
    b->key = xstrdup(key);
    b->key_line = line_of(&e->start_mark);
    return 0;
}

static void link_node(struct builder *b, struct doc_node *in, struct doc_node *node)
{
    if (in->last == NULL)
        in->first = node;
    else
        in->last->next = node;
    in->last = node;
    in->n++;
    if (in->kind == DOC_MAP)
        doc_index_added(in, node, &b->seed);
}

/* Puts a new node where the parser stands. Its text or its being a container is the caller's. NULL:
 * there are too many, which is said. */
static struct doc_node *add_node(struct builder *b, const yaml_event_t *e, enum doc_kind kind)
{
    if (b->nodes == b->limits->max_nodes) {
        (void) too_many(b, e, b->limits->max_nodes, "values");
        return NULL;
    }
    b->nodes++;
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
    link_node(b, in, node);
    return node;
}

static bool wants_key(const struct builder *b)
{
    const struct doc_node *in = b->depth > 0 ? b->open[b->depth - 1] : NULL;
    return in != NULL && in->kind == DOC_MAP && b->key == NULL;
}

/* What an anchor names, from here on. Names are taken over by those that come later. */
static int take_anchor(struct builder *b, const yaml_event_t *e, const yaml_char_t *name,
                       struct doc_node *node)
{
    if (name == NULL || node == NULL)
        return node == NULL ? -EINVAL : 0;
    if (!b->limits->aliases)
        return wrong(b, e, "no anchors", "one");
    doc_anchors_set(&b->anchors, (const char *) name, node, &b->seed);
    return 0;
}

static int check_tag(struct builder *b, const yaml_event_t *e, const yaml_char_t *tag)
{
    return tag == NULL || b->limits->aliases ? 0 : wrong(b, e, "no tags", "one");
}

static int take_scalar(struct builder *b, const yaml_event_t *e)
{
    if (check_tag(b, e, e->data.scalar.tag) < 0)
        return -EINVAL;
    if (memchr(e->data.scalar.value, '\0', e->data.scalar.length) != NULL)
        return wrong(b, e, "text", "a NUL character in it");
    if (wants_key(b))
        return e->data.scalar.anchor != NULL ? wrong(b, e, "no anchors at keys", "one")
                                             : take_key(b, e);
    struct doc_node *node = add_node(b, e, DOC_TEXT);
    if (node != NULL) {
        node->text = xstrdup((const char *) e->data.scalar.value);
        node->null = is_null(e);
    }
    return take_anchor(b, e, e->data.scalar.anchor, node);
}

static int take_start(struct builder *b, const yaml_event_t *e, enum doc_kind kind)
{
    bool map = kind == DOC_MAP;
    if (check_tag(b, e, map ? e->data.mapping_start.tag : e->data.sequence_start.tag) < 0)
        return -EINVAL;
    if (wants_key(b))
        return wrong(b, e, "text as a key", map ? "a mapping" : "a list");
    if (b->depth == b->limits->max_depth)
        return too_many(b, e, b->limits->max_depth, "levels");
    struct doc_node *node = add_node(b, e, kind);
    int r =
        take_anchor(b, e, map ? e->data.mapping_start.anchor : e->data.sequence_start.anchor, node);
    if (r == 0)
        b->open[b->depth++] = node;
    return r;
}

/* The same as `of`, under the key that waits. */
static struct doc_node *add_shared(struct builder *b, const yaml_event_t *e,
                                   const struct doc_node *of)
{
    struct doc_node *node = add_node(b, e, of->kind);
    if (node == NULL)
        return NULL;
    node->shared = true;
    node->text = of->text;
    node->null = of->null;
    node->n = of->n;
    node->first = of->first;
    node->last = of->last;
    node->index = of->index;
    return node;
}

static int take_alias(struct builder *b, const yaml_event_t *e)
{
    if (!b->limits->aliases)
        return wrong(b, e, "no aliases", "one");
    if (wants_key(b))
        return wrong(b, e, "text as a key", "an alias");
    const struct doc_node *of =
        doc_anchors_get(&b->anchors, (const char *) e->data.alias.anchor, &b->seed);
    if (of == NULL)
        return wrong(b, e, "an alias of an anchor before it", "another");
    for (unsigned i = 0; i < b->depth; i++)
        if (b->open[i] == of)
            return wrong(b, e, "an alias of something else", "one of what it is in");
    return add_shared(b, e, of) != NULL ? 0 : -EINVAL;
}

/* What of `from` the mapping on top does not have itself. */
static int merge_from(struct builder *b, const yaml_event_t *e, const struct doc_node *from)
{
    for (const struct doc_node *at = from->first; at != NULL; at = at->next) {
        struct doc_node *map = b->open[b->depth - 1];
        if (doc_member(map, at->key) !=
            NULL) { /* looking counts too: it may be done again and again */
            if (b->nodes == b->limits->max_nodes)
                return too_many(b, e, b->limits->max_nodes, "values");
            b->nodes++;
            continue;
        }
        if (map->n == b->limits->max_keys)
            return too_many(b, e, b->limits->max_keys, "keys in a mapping");
        b->key = xstrdup(at->key);
        b->key_line = at->line;
        if (add_shared(b, e, at) == NULL)
            return -EINVAL;
    }
    return 0;
}

static bool can_be_merged(const struct doc_node *from)
{
    const struct doc_node *at = from->first;
    if (from->kind == DOC_LIST)
        while (at != NULL && at->kind == DOC_MAP)
            at = at->next;
    return from->kind == DOC_MAP || (from->kind == DOC_LIST && at == NULL);
}

/* The mapping on top is whole: puts in what its member "<<" is, which goes. */
static int take_merge(struct builder *b, const yaml_event_t *e)
{
    struct doc_node *map = b->open[b->depth - 1], *before = NULL, *merge = doc_member(map, "<<");
    if (merge == NULL || !b->limits->aliases || !can_be_merged(merge))
        return 0;
    for (struct doc_node *at = map->first; at != merge; at = at->next)
        before = at;
    if (before == NULL)
        map->first = merge->next;
    else
        before->next = merge->next;
    if (map->last == merge)
        map->last = before;
    map->n--;
    doc_index_removed(map, &b->seed);
    merge->next = NULL;
    int r = merge->kind == DOC_MAP ? merge_from(b, e, merge) : 0;
    if (merge->kind == DOC_LIST)
        for (const struct doc_node *at = merge->first; r == 0 && at != NULL; at = at->next)
            r = merge_from(b, e, at);
    if (merge->shared) {
        doc_free(merge);
    } else { /* the map's new members share what is below it */
        free(merge->key);
        merge->key = NULL;
        merge->next = b->merged;
        b->merged = merge;
    }
    return r;
}

static int take_event(struct builder *b, const yaml_event_t *e)
{
    int r = 0;
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        return ++b->documents == 1 ? 0 : wrong(b, e, "one document", "a second one");
    case YAML_ALIAS_EVENT:
        return take_alias(b, e);
    case YAML_SCALAR_EVENT:
        return take_scalar(b, e);
    case YAML_MAPPING_START_EVENT:
        return take_start(b, e, DOC_MAP);
    case YAML_SEQUENCE_START_EVENT:
        return take_start(b, e, DOC_LIST);
    case YAML_MAPPING_END_EVENT:
        r = take_merge(b, e);
        b->depth--;
        return r;
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

static int parse_all(struct builder *b, struct slice text)
{
    yaml_parser_t parser;
    if (yaml_parser_initialize(&parser) == 0)
        return -ENOMEM;
    yaml_parser_set_input_string(&parser, text.len > 0 ? text.data : (const uint8_t *) "",
                                 text.len);
    int r = 0;
    for (bool end = false; r == 0 && !end;) {
        yaml_event_t e;
        if (yaml_parser_parse(&parser, &e) == 0) {
            r = no_yaml(&parser, b->problems);
            break;
        }
        end = e.type == YAML_STREAM_END_EVENT;
        r = take_event(b, &e);
        yaml_event_delete(&e);
    }
    yaml_parser_delete(&parser);
    return r;
}

int doc_parse_within(struct slice text, const struct doc_limits *limits, struct problems *problems,
                     struct doc_node **ret)
{
    ASSERT(limits->max_depth <= DOC_DEPTH_CAP);
    struct builder b = {.limits = limits, .problems = problems, .seed = siphash_random_seed()};
    int r = parse_all(&b, text);
    free(b.key);
    doc_anchors_fini(&b.anchors);
    if (r == 0 && (b.root == NULL || b.root->kind != DOC_MAP)) {
        problems_add(problems, b.root == NULL ? 1 : b.root->line, "document", "expected %s, got %s",
                     limits->what,
                     b.root == NULL || b.root->null ? "nothing"
                     : b.root->kind == DOC_LIST     ? "a list"
                                                    : "text");
        r = -EINVAL;
    }
    if (r < 0) {
        doc_free(b.root);
        doc_free(b.merged);
        return r;
    }
    b.root->hidden = b.merged;
    *ret = b.root;
    return 0;
}

int doc_parse(struct slice text, struct problems *problems, struct doc_node **ret)
{
    static const struct doc_limits LIMITS = {.what = "a mapping of settings",
                                             .max_keys = DOC_MAX_KEYS,
                                             .max_nodes = SIZE_MAX,
                                             .max_depth = DOC_MAX_DEPTH};
    return doc_parse_within(text, &LIMITS, problems, ret);
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

int doc_read(const char *file, size_t max_bytes, struct problems *problems, struct buf *ret)
{
    buf_init(ret, max_bytes);
    int r = read_file(file, ret);
    if (r == -EMSGSIZE) {
        if (max_bytes % (1u << 20) == 0)
            problems_add(problems, 1, "document", "expected at most %zu MiB, got more",
                         max_bytes >> 20);
        else
            problems_add(problems, 1, "document", "expected at most %zu KiB, got more",
                         max_bytes >> 10);
        r = -EINVAL;
    } else if (r < 0) {
        problems_add(problems, 1, "document", "expected a file that can be read, got: %s",
                     err_str(r));
    }
    if (r < 0)
        buf_fini(ret);
    return r;
}

int doc_load(const char *file, struct problems *problems, struct doc_node **ret)
{
    struct buf text;
    int r = doc_read(file, DOC_MAX_BYTES, problems, &text);
    if (r < 0)
        return r;
    r = doc_parse(buf_slice(&text), problems, ret);
    buf_fini(&text);
    return r;
}
