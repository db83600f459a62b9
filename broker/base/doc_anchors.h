/* doc_anchors.h - which node an anchor of YAML names now. One thread. */
#ifndef BASE_DOC_ANCHORS_H
#define BASE_DOC_ANCHORS_H

#include "config_doc.h"
#include "siphash.h"
#include "table.h"

/* All zero is none. */
struct doc_anchors {
    struct table table;
};

void doc_anchors_set(struct doc_anchors *a, const char *name, struct doc_node *node,
                     const struct siphash_seed *seed); /* copies `name`, borrows `node` */
/* NULL: there is none of that name. */
struct doc_node *doc_anchors_get(const struct doc_anchors *a, const char *name,
                                 const struct siphash_seed *seed);
void doc_anchors_fini(struct doc_anchors *a);

#endif
