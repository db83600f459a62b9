/* catalog_index.h - the entries of a catalog: repositories, images and tags, by name and by age.
 *
 * A tag points to its image and stands in that image's list, an image to its repository, which
 * lives as long as it has images. Names come from outside, so the hash is keyed at random:
 * colliding names cannot be made up. An entry may be taken out and put back; it is freed only by
 * its _free(). Broker thread. */
#ifndef BROKER_CATALOG_INDEX_H
#define BROKER_CATALOG_INDEX_H

#include "list.h"
#include "siphash.h"
#include "table.h"

struct repo {
    struct table_node node;
    size_t n_images; /* those that are taken out included */
    char *registry_id, *name;
};

struct image {
    struct table_node node;
    uint64_t id;
    struct list in_lru;     /* catalog_index.lru */
    struct list in_tagged;  /* catalog_index.tagged: only while it has tags */
    struct list in_crowded; /* catalog_index.crowded: got more than TAGS_PER_IMAGE */
    struct list tags;       /* longest not set first */
    size_t n_tags;
    struct repo *repo;
    char digest[]; /* beside the rest: who finds an image looks at it */
};

struct tag {
    struct table_node node;
    uint64_t id;
    struct list in_image;
    struct image *image; /* also while it is taken out */
    char name[];
};

struct catalog_index {
    struct siphash_seed seed;
    struct table repos, images, tags;
    struct list lru, tagged; /* images; longest not pushed first */
    struct list crowded;
};

enum catalog_end { CATALOG_OLDEST, CATALOG_NEWEST }; /* of the lists by age */

void catalog_index_init(struct catalog_index *x);
void catalog_index_fini(struct catalog_index *x); /* frees the entries that are in it */

struct repo *repo_find(const struct catalog_index *x, const char *registry_id, const char *name);
/* The one there is, or a new one, to which an image must be added. */
struct repo *repo_get(struct catalog_index *x, const char *registry_id, const char *name);

struct image *image_find(const struct catalog_index *x, const struct repo *repo,
                         const char *digest);
struct image *image_add(struct catalog_index *x, struct repo *repo, uint64_t id,
                        const char *digest);
void image_unlink(struct catalog_index *x, struct image *i); /* has no tags */
void image_link(struct catalog_index *x, struct image *i, enum catalog_end end);
void image_free(struct catalog_index *x, struct image *i); /* is taken out */

struct tag *tag_find(const struct catalog_index *x, const struct repo *repo, const char *name);
struct tag *tag_add(struct catalog_index *x, struct image *i, uint64_t id, const char *name);
void tag_unlink(struct catalog_index *x, struct tag *t);
void tag_link(struct catalog_index *x, struct tag *t, enum catalog_end end);
void tag_free(struct tag *t); /* is taken out */

#endif
