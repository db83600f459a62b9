/* doc_index.h - finds a key in a large mapping of config_doc.h without walking it. One thread. */
#ifndef BASE_DOC_INDEX_H
#define BASE_DOC_INDEX_H

#include "config_doc.h"
#include "siphash.h"

#define DOC_INDEX_MIN 16 /* a mapping with fewer keys is walked */

struct doc_index;

/* The member of that name; NULL: it has none. */
struct doc_node *doc_index_find(const struct doc_index *index, const char *key);
/* `node` has just been linked as the last one of `map`: puts it into the map's index, which begins
 * with DOC_INDEX_MIN members. Their names differ. */
void doc_index_added(struct doc_node *map, struct doc_node *node, const struct siphash_seed *seed);
/* `node`, with its key, is no longer one of `map`, from whose list it is gone already. */
void doc_index_removed(struct doc_node *map, const struct siphash_seed *seed);
void doc_index_free(struct doc_index *index); /* NULL is fine */

#endif
