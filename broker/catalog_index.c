/* catalog_index.c - the entries of a catalog: repositories, images, tags and tombstones, by name
 * and by age. */
#include "catalog_index.h"

#include "catalog.h"
#include "mem.h"

#include <stdlib.h>

void catalog_index_init(struct catalog_index *x)
{
    *x = (struct catalog_index){.seed = siphash_random_seed()};
    list_init(&x->lru);
    list_init(&x->tagged);
    list_init(&x->crowded);
    list_init(&x->oldest);
}

void catalog_index_fini(struct catalog_index *x)
{
    LIST_FOREACH_SAFE (it, &x->lru) {
        struct image *i = LIST_ENTRY(it, struct image, in_lru);
        LIST_FOREACH_SAFE (tag, &i->tags) {
            struct tag *t = LIST_ENTRY(tag, struct tag, in_image);
            tag_unlink(x, t);
            tag_free(t);
        }
        image_unlink(x, i);
        image_free(x, i);
    }
    LIST_FOREACH_SAFE (it, &x->oldest) {
        struct tombstone *s = LIST_ENTRY(it, struct tombstone, in_age);
        tombstone_unlink(x, s);
        tombstone_free(x, s);
    }
    table_fini(&x->repos);
    table_fini(&x->images);
    table_fini(&x->tags);
    table_fini(&x->tombstones);
}

static uint64_t hash_of(const struct catalog_index *x, uint64_t scope, const char *name)
{
    return siphash(&x->seed, scope, slice_str(name));
}

static uint64_t repo_hash(const struct catalog_index *x, const char *registry_id, const char *name)
{
    return hash_of(x, hash_of(x, 0, registry_id), name);
}

struct repo *repo_find(const struct catalog_index *x, const char *registry_id, const char *name)
{
    uint64_t hash = repo_hash(x, registry_id, name);
    for (struct table_node *n = table_first(&x->repos, hash); n != NULL; n = table_next(n)) {
        struct repo *r = (struct repo *) n;
        if (strcmp(r->name, name) == 0 && strcmp(r->registry_id, registry_id) == 0)
            return r;
    }
    return NULL;
}

struct repo *repo_get(struct catalog_index *x, const char *registry_id, const char *name)
{
    struct repo *r = repo_find(x, registry_id, name);
    if (r != NULL)
        return r;
    r = xcalloc(1, sizeof(*r));
    r->node.hash = repo_hash(x, registry_id, name);
    r->registry_id = xstrdup(registry_id);
    r->name = xstrdup(name);
    table_add(&x->repos, &r->node);
    return r;
}

static void repo_release(struct catalog_index *x, struct repo *r)
{
    if (--r->n_entries > 0)
        return;
    table_remove(&x->repos, &r->node);
    free(r->registry_id);
    free(r->name);
    free(r);
}

struct image *image_find(const struct catalog_index *x, const struct repo *repo, const char *digest)
{
    uint64_t hash = hash_of(x, repo->node.hash, digest);
    for (struct table_node *n = table_first(&x->images, hash); n != NULL; n = table_next(n)) {
        struct image *i = (struct image *) n;
        if (i->repo == repo && strcmp(i->digest, digest) == 0)
            return i;
    }
    return NULL;
}

static void enter(struct list *head, struct list *node, enum catalog_end end)
{
    list_push(end == CATALOG_NEWEST ? head : head->next, node);
}

void image_link(struct catalog_index *x, struct image *i, enum catalog_end end)
{
    table_add(&x->images, &i->node);
    enter(&x->lru, &i->in_lru, end);
}

void image_unlink(struct catalog_index *x, struct image *i)
{
    ASSERT(list_empty(&i->tags));
    table_remove(&x->images, &i->node);
    list_remove(&i->in_lru);
    list_remove(&i->in_crowded);
}

struct image *image_add(struct catalog_index *x, struct repo *repo, uint64_t id, const char *digest)
{
    size_t size = strlen(digest) + 1;
    struct image *i = xmalloc(sizeof(*i) + size);
    *i = (struct image){.id = id};
    memcpy(i->digest, digest, size);
    i->node.hash = hash_of(x, repo->node.hash, digest);
    i->repo = repo;
    repo->n_entries++;
    list_init(&i->tags);
    list_init(&i->in_lru);
    list_init(&i->in_tagged);
    list_init(&i->in_crowded);
    image_link(x, i, CATALOG_NEWEST);
    return i;
}

void image_free(struct catalog_index *x, struct image *i)
{
    repo_release(x, i->repo);
    free(i);
}

struct tag *tag_find(const struct catalog_index *x, const struct repo *repo, const char *name)
{
    uint64_t hash = hash_of(x, repo->node.hash, name);
    for (struct table_node *n = table_first(&x->tags, hash); n != NULL; n = table_next(n)) {
        struct tag *t = (struct tag *) n;
        if (t->image->repo == repo && strcmp(t->name, name) == 0)
            return t;
    }
    return NULL;
}

void tag_link(struct catalog_index *x, struct tag *t, enum catalog_end end)
{
    struct image *i = t->image;
    table_add(&x->tags, &t->node);
    if (list_empty(&i->tags))
        enter(&x->tagged, &i->in_tagged, end);
    enter(&i->tags, &t->in_image, end);
    if (++i->n_tags > TAGS_PER_IMAGE)
        list_move(&x->crowded, &i->in_crowded);
}

void tag_unlink(struct catalog_index *x, struct tag *t)
{
    table_remove(&x->tags, &t->node);
    list_remove(&t->in_image);
    t->image->n_tags--;
    if (list_empty(&t->image->tags))
        list_remove(&t->image->in_tagged);
}

struct tag *tag_add(struct catalog_index *x, struct image *i, uint64_t id, const char *name)
{
    size_t size = strlen(name) + 1;
    struct tag *t = xmalloc(sizeof(*t) + size);
    *t = (struct tag){.id = id};
    memcpy(t->name, name, size);
    t->node.hash = hash_of(x, i->repo->node.hash, name);
    t->image = i;
    tag_link(x, t, CATALOG_NEWEST);
    return t;
}

void tag_free(struct tag *t)
{
    free(t);
}

static uint64_t tombstone_hash(const struct catalog_index *x, const struct repo *repo,
                               const char *tag, const char *digest)
{
    return hash_of(x, hash_of(x, repo->node.hash, tag), digest);
}

struct tombstone *tombstone_find(const struct catalog_index *x, const struct repo *repo,
                                 const char *tag, const char *digest)
{
    if (repo->n_tombstones == 0)
        return NULL;
    uint64_t hash = tombstone_hash(x, repo, tag, digest);
    for (struct table_node *n = table_first(&x->tombstones, hash); n != NULL; n = table_next(n)) {
        struct tombstone *s = (struct tombstone *) n;
        if (s->repo == repo && strcmp(s->tag, tag) == 0 && strcmp(s->digest, digest) == 0)
            return s;
    }
    return NULL;
}

void tombstone_link(struct catalog_index *x, struct tombstone *s, enum catalog_end end)
{
    table_add(&x->tombstones, &s->node);
    enter(&x->oldest, &s->in_age, end);
    s->repo->n_tombstones++;
}

void tombstone_unlink(struct catalog_index *x, struct tombstone *s)
{
    table_remove(&x->tombstones, &s->node);
    list_remove(&s->in_age);
    s->repo->n_tombstones--;
}

struct tombstone *tombstone_add(struct catalog_index *x, struct repo *repo, uint64_t id,
                                const char *tag, const char *digest)
{
    size_t tag_size = strlen(tag) + 1, digest_size = strlen(digest) + 1;
    struct tombstone *s = xmalloc(sizeof(*s) + tag_size + digest_size);
    *s = (struct tombstone){.id = id, .repo = repo};
    memcpy(s->tag, tag, tag_size);
    s->digest = memcpy(s->tag + tag_size, digest, digest_size);
    s->node.hash = tombstone_hash(x, repo, tag, digest);
    repo->n_entries++;
    list_init(&s->in_age);
    tombstone_link(x, s, CATALOG_NEWEST);
    return s;
}

void tombstone_free(struct catalog_index *x, struct tombstone *s)
{
    repo_release(x, s->repo);
    free(s);
}
