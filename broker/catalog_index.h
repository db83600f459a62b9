/* catalog_index.h - the entries of a catalog: repositories, images, tags and tombstones, by name
 * and by age.
 *
 * A tag points to its image and stands in that image's list, an image or tombstone to its
 * repository, which lives as long as it has any. Names come from outside, so the hash is keyed at
 * random: colliding names cannot be made up. An entry may be taken out and put back; it is freed
 * only by its _free(). Broker thread. */
#ifndef BROKER_CATALOG_INDEX_H
#define BROKER_CATALOG_INDEX_H

#include "list.h"
#include "siphash.h"
#include "table.h"

#include <stdbool.h>

struct repo {
    struct table_node node;
    size_t n_entries;    /* images and tombstones, those that are taken out included */
    size_t n_tombstones; /* in the index: nearly always none, and nothing is to be looked up */
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
    uint64_t at_ns;    /* when it was pushed last */
    uint64_t noted_ns; /* what of that is kept, besides the times of its tags */
    struct repo *repo;
    char digest[]; /* beside the rest: who finds an image looks at it */
};

struct tag {
    struct table_node node;
    uint64_t id;
    uint64_t at_ns; /* when it was set */
    struct list in_image;
    struct image *image; /* also while it is taken out */
    char name[];
};

/* What there is not, or not any more, and since when: changes that come later than they happened
 * are compared with it.
 *   tag "", digest    the image was deleted at at_ns
 *   tag, digest ""    what was last done to the tag, at at_ns, left it pointing to nothing that is
 *                     known; `pushed`: it was pushed, without a digest
 *   tag, digest       the tag was deleted from that digest at at_ns
 * The first and the last may be there beside a live image or tag, which came later. */
struct tombstone {
    struct table_node node;
    uint64_t id, at_ns, made_ms;
    struct list in_age; /* catalog_index.oldest */
    struct repo *repo;
    const char *digest; /* behind the tag */
    bool pushed;
    char tag[];
};

struct catalog_index {
    struct siphash_seed seed;
    struct table repos, images, tags, tombstones;
    struct list lru, tagged; /* images; longest not pushed first */
    struct list oldest;      /* tombstones; made first */
    struct list crowded;
};

enum catalog_end { CATALOG_OLDEST, CATALOG_NEWEST }; /* of the lists by age */

void catalog_index_init(struct catalog_index *x);
void catalog_index_fini(struct catalog_index *x); /* frees the entries that are in it */

struct repo *repo_find(const struct catalog_index *x, const char *registry_id, const char *name);
/* The one there is, or a new one, to which an image or tombstone must be added. */
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

struct tombstone *tombstone_find(const struct catalog_index *x, const struct repo *repo,
                                 const char *tag, const char *digest);
struct tombstone *tombstone_add(struct catalog_index *x, struct repo *repo, uint64_t id,
                                const char *tag, const char *digest);
void tombstone_unlink(struct catalog_index *x, struct tombstone *s);
void tombstone_link(struct catalog_index *x, struct tombstone *s, enum catalog_end end);
void tombstone_free(struct catalog_index *x, struct tombstone *s); /* is taken out */

#endif
