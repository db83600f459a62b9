/* path_tree.h - which of many templates a request matches best: a tree of their segments, so that
 * it takes as long as the request has segments, not as there are templates. Never changes once it
 * is made. Any thread.
 *
 * The order is the original's: fixed before {param} before {param+}; among {param} segment by
 * segment fixed first, then the longer template; among {param+} the longer template. */
#ifndef BROKER_PATH_TREE_H
#define BROKER_PATH_TREE_H

#include "path_template.h"

struct path;

struct path_leaf {
    const char *name;  /* the template: checked, maybe with a slash at its end; borrowed */
    struct path *path; /* for who finds it */
    size_t order;      /* of two that are alike in all else the smaller counts */
    bool closed;       /* nothing can be opened there */
};

struct path_tree;

/* `strict`: "/a" and "/a/" are two paths; else a slash at the end means nothing. 0: `leaves` are
 * copied. -EINVAL: the leaf number *ret_twice, which is not closed, is there before, perhaps in
 * another spelling. A closed one that is there twice gives way. */
MUST_CHECK int path_tree_new(const struct path_leaf *leaves, size_t n, bool strict,
                             struct path_tree **ret, size_t *ret_twice);
void path_tree_free(struct path_tree *t); /* NULL is fine */

/* For a request's path whose segments path_segment_check() has seen, without the slash at its end:
 * that is `slash`. NULL: none matches. A template that ends with {name+} also takes paths that end
 * with a slash, strict or not. */
const struct path_leaf *path_tree_find(const struct path_tree *t, struct slice request, bool slash);

#endif
