/* registry_walk.h - lists every image of a registry with its tags, from the registry's own
 * interface: what the catalog would hold had it heard every push. Knows no storage; blocks; belongs
 * to one thread. Images that neither a tag nor an index leads to cannot be found that way. */
#ifndef BROKER_REGISTRY_WALK_H
#define BROKER_REGISTRY_WALK_H

#include "registry_client.h"
#include "store.h"

#define REGISTRY_WALK_MAX_PAGES 10000 /* of one list */

struct registry_walk_counts {
    uint64_t listed;       /* repositories that the registry named */
    uint64_t repositories; /* of these, the ones read; those that were gone are not among them */
    uint64_t images, tags;
};

struct registry_walk_options {
    struct registry_client_options client;
    uint64_t max_images, max_tags; /* memory is bounded by these */
    /* Both may be NULL. A note tells of something left out; it is printable. */
    void (*note)(void *ctx, const char *text);
    void (*progress)(void *ctx, const struct registry_walk_counts *so_far); /* after a repository */
    void *ctx;
};

struct registry_walk;

/* 0: *ret is the caller's, for registry_walk_free(). Else `why` says what happened where:
 * registry_client.h's errors, -ENODATA (it answers, but not as a registry does) or -E2BIG (more
 * than max_images or max_tags; the text names the setting). */
MUST_CHECK int registry_walk(const struct registry_walk_options *options,
                             struct registry_walk **ret, char why[REGISTRY_WHY_SIZE]);
void registry_walk_free(struct registry_walk *w); /* NULL is fine */
struct registry_walk_counts registry_walk_counts(const struct registry_walk *w);
/* Everything found, by repository; may be read once. Borrowed: lives as long as `w`. */
void registry_walk_source(struct registry_walk *w, struct store_catalog_source *ret);

#endif
