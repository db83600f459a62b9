/* path_tree.c - see path_tree.h. A node is what a number of segments have led to. Behind {name+}
 * stands another tree of the segments that follow it, from the last one backwards: the request is
 * walked from its end there, and what is left over in the middle is the parameter's. */
#include "path_tree.h"

#include "mem.h"

#include <stdlib.h>
#include <string.h>

struct part { /* one segment of a template */
    enum path_part kind;
    struct slice text; /* of a fixed one: decoded; else its name */
};

struct template
{
    struct path_leaf leaf;
    size_t number;       /* of the leaf */
    enum path_part kind; /* the highest of its parts */
    size_t name_len;
    bool slash;         /* it ends with one, and that means something */
    size_t n_parts;     /* 0: the root */
    struct part *parts; /* owned; those behind {name+} in reverse */
    char *text;         /* owned: what the parts' slices point into */
};

struct node;
struct child {
    struct slice text;
    struct node *node;
};
struct node {
    struct child *fixed; /* by text */
    size_t n_fixed;
    struct node *param, *greedy;
    bool has_greedy; /* here or below */
    /* The best of those that end here: without a slash, with one. */
    const struct template *ends[2];
};

struct path_tree {
    bool strict;
    struct template *templates; /* by parts */
    size_t n;
    struct node root;
};

/* --- templates --- */

static void reverse(struct part *parts, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        struct part other = parts[n - 1 - i];
        parts[n - 1 - i] = parts[i];
        parts[i] = other;
    }
}

static struct slice cut_name(const struct path_leaf *leaf, bool *ret_slash)
{
    struct slice name = slice_str(leaf->name);
    *ret_slash = name.len > 1 && name.data[name.len - 1] == '/';
    if (*ret_slash || name.len == 1)
        name.len--;
    return name;
}

static size_t count_segments(struct slice name)
{
    size_t n = 0;
    for (size_t i = 0; i < name.len; i++)
        n += name.data[i] == '/';
    return n;
}

static void template_init(struct template *t, const struct path_leaf *leaf, bool strict)
{
    bool slash;
    struct slice name = cut_name(leaf, &slash), segment;
    *t = (struct template){.leaf = *leaf, .name_len = strlen(leaf->name), .slash = slash && strict};
    t->parts = xcalloc(count_segments(name), sizeof(t->parts[0]));
    char *at = t->text = xmalloc(name.len + 1);
    size_t behind = 0;
    while (path_take_segment(&name, &segment)) {
        struct part *part = &t->parts[t->n_parts++];
        part->kind = path_part(segment);
        if (part->kind > t->kind)
            t->kind = part->kind;
        if (part->kind != PATH_FIXED)
            segment = path_param_name(segment);
        part->text = slice_of(at, path_decode_segment(segment, at));
        at += part->text.len;
        if (part->kind == PATH_GREEDY)
            behind = t->n_parts;
    }
    if (t->kind == PATH_GREEDY)
        reverse(t->parts + behind, t->n_parts - behind);
}

static int by_text(struct slice a, struct slice b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int r = common == 0 ? 0 : memcmp(a.data, b.data, common);
    return r != 0 ? r : (a.len > b.len) - (a.len < b.len);
}

/* As they stand in the tree; `names`: and parameters by their names. */
static int compare_parts(const struct template *a, const struct template *b, bool names)
{
    for (size_t i = 0; i < a->n_parts && i < b->n_parts; i++) {
        const struct part *l = &a->parts[i], *r = &b->parts[i];
        if (l->kind != r->kind)
            return l->kind < r->kind ? -1 : 1;
        int by = l->kind == PATH_FIXED || names ? by_text(l->text, r->text) : 0;
        if (by != 0)
            return by;
    }
    return (a->n_parts > b->n_parts) - (a->n_parts < b->n_parts);
}

/* Children of a node come in the order of their texts, so each is added behind the others; and what
 * is there twice in two spellings is side by side, a closed one last. */
static int by_parts(const void *left, const void *right)
{
    const struct template *a = left, *b = right;
    int r = compare_parts(a, b, false);
    if (r == 0)
        r = compare_parts(a, b, true);
    if (r == 0)
        r = (a->slash > b->slash) - (a->slash < b->slash);
    if (r == 0)
        r = a->leaf.closed - b->leaf.closed;
    return r != 0 ? r : (a->leaf.order > b->leaf.order) - (a->leaf.order < b->leaf.order);
}

static bool is_same(const struct template *a, const struct template *b)
{
    return a->slash == b->slash && compare_parts(a, b, true) == 0;
}

/* --- the tree --- */

static struct node *node_new(void)
{
    return xcalloc(1, sizeof(struct node));
}

static struct node *add_fixed(struct node *n, struct slice text)
{
    if (n->n_fixed > 0 && slice_eq(n->fixed[n->n_fixed - 1].text, text))
        return n->fixed[n->n_fixed - 1].node;
    if ((n->n_fixed & (n->n_fixed - 1)) == 0) /* full: there is room for each power of two */
        n->fixed = xrealloc(n->fixed, (n->n_fixed == 0 ? 1 : 2 * n->n_fixed) * sizeof(n->fixed[0]));
    n->fixed[n->n_fixed] = (struct child){text, node_new()};
    return n->fixed[n->n_fixed++].node;
}

static struct node *add_param(struct node **place)
{
    if (*place == NULL)
        *place = node_new();
    return *place;
}

/* Of two that match the same requests, and of two with {name+} that match one. */
static bool is_better(const struct template *a, const struct template *b)
{
    if (a->name_len != b->name_len)
        return a->name_len > b->name_len;
    return a->leaf.order < b->leaf.order;
}

static void add_template(struct path_tree *tree, const struct template *t)
{
    struct node *n = &tree->root;
    bool greedy = t->kind == PATH_GREEDY;
    for (size_t i = 0; i < t->n_parts; i++) {
        const struct part *part = &t->parts[i];
        n->has_greedy = n->has_greedy || greedy;
        n = part->kind == PATH_FIXED   ? add_fixed(n, part->text)
            : part->kind == PATH_PARAM ? add_param(&n->param)
                                       : add_param(&n->greedy);
    }
    const struct template **end = &n->ends[t->slash];
    if (*end == NULL || is_better(t, *end))
        *end = t;
}

int path_tree_new(const struct path_leaf *leaves, size_t n, bool strict, struct path_tree **ret,
                  size_t *ret_twice)
{
    struct path_tree *tree = xcalloc(1, sizeof(*tree));
    tree->strict = strict;
    tree->templates = xcalloc(n, sizeof(tree->templates[0]));
    for (; tree->n < n; tree->n++) {
        template_init(&tree->templates[tree->n], &leaves[tree->n], strict);
        tree->templates[tree->n].number = tree->n;
    }
    qsort(tree->templates, n, sizeof(tree->templates[0]), by_parts);
    const struct template *before = NULL;
    for (size_t i = 0; i < n; i++) {
        const struct template *t = &tree->templates[i];
        bool same = before != NULL && is_same(before, t);
        if (same && !t->leaf.closed) {
            *ret_twice = t->number;
            path_tree_free(tree);
            return -EINVAL;
        }
        if (!same)
            add_template(tree, t);
        before = same ? before : t;
    }
    *ret = tree;
    return 0;
}

static void node_fini(struct node *n) /* as deep as a template has segments */
{
    for (size_t i = 0; i < n->n_fixed; i++) {
        node_fini(n->fixed[i].node);
        free(n->fixed[i].node);
    }
    struct node *const others[] = {n->param, n->greedy};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (others[i] != NULL) {
            node_fini(others[i]);
            free(others[i]);
        }
    free(n->fixed);
}

void path_tree_free(struct path_tree *t)
{
    if (t == NULL)
        return;
    node_fini(&t->root);
    for (size_t i = 0; i < t->n; i++) {
        free(t->templates[i].parts);
        free(t->templates[i].text);
    }
    free(t->templates);
    free(t);
}

/* --- finding --- */

static const struct node *find_child(const struct node *n, struct slice segment)
{
    size_t low = 0, high = n->n_fixed;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int r = path_compare_segment(segment, n->fixed[mid].text);
        if (r == 0)
            return n->fixed[mid].node;
        if (r < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

/* Fixed first in each segment, so the first that is found is the best. */
static const struct template *find_plain(const struct node *n, struct slice rest, bool slash)
{
    struct slice segment;
    if (!path_take_segment(&rest, &segment))
        return n->ends[slash];
    const struct node *child = n->n_fixed == 0 ? NULL : find_child(n, segment);
    const struct template *found = child == NULL ? NULL : find_plain(child, rest, slash);
    return found != NULL || n->param == NULL ? found : find_plain(n->param, rest, slash);
}

static void take_better(const struct template *t, const struct template **best)
{
    if (t != NULL && (*best == NULL || is_better(t, *best)))
        *best = t;
}

/* Behind {name+}: `rest` is what is left between, which may not be nothing. */
static void find_behind(const struct node *n, struct slice rest, bool slash,
                        const struct template **best)
{
    struct slice segment;
    if (rest.len == 0)
        return;
    take_better(n->ends[slash], best);
    (void) path_take_last_segment(&rest, &segment);
    const struct node *child = n->n_fixed == 0 ? NULL : find_child(n, segment);
    if (child != NULL)
        find_behind(child, rest, slash, best);
    if (n->param != NULL)
        find_behind(n->param, rest, slash, best);
}

static void find_greedy(const struct node *n, struct slice rest, bool slash,
                        const struct template **best)
{
    struct slice segment;
    if (!n->has_greedy || rest.len == 0)
        return;
    if (n->greedy != NULL) {
        find_behind(n->greedy, rest, slash, best);
        take_better(n->greedy->ends[0], best);
    }
    (void) path_take_segment(&rest, &segment);
    const struct node *child = n->n_fixed == 0 ? NULL : find_child(n, segment);
    if (child != NULL)
        find_greedy(child, rest, slash, best);
    if (n->param != NULL)
        find_greedy(n->param, rest, slash, best);
}

const struct path_leaf *path_tree_find(const struct path_tree *t, struct slice request, bool slash)
{
    bool strict = slash && t->strict;
    const struct template *found = find_plain(&t->root, request, strict);
    if (found == NULL)
        find_greedy(&t->root, request, strict, &found);
    return found == NULL ? NULL : &found->leaf;
}
