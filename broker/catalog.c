/* catalog.c - registry > repository > {known images, tag > digest}; derives the four events.
 *
 * Three chained hash tables: repositories, images, tags. A tag points to its image and stands in
 * that image's list, an image to its repository, which lives as long as it has images. Names come
 * from outside, so the hash (SipHash-2-4) is keyed at random: colliding names cannot be made up.
 *
 * What a change did is kept in a list until the commit. A thing taken out of its table stays in
 * memory until then, so a rollback only puts pointers back. */
#include "catalog.h"

#include "list.h"
#include "mem.h"

#include <stdlib.h>
#include <sys/random.h>

struct node {
    struct node *next;
    uint64_t hash;
};

struct table {
    struct node **slots;
    size_t n_slots; /* a power of two, or 0 before the first entry */
    size_t n;
};

struct repo {
    struct node node;
    size_t n_images; /* those that a rollback may bring back included */
    char *registry_id, *name;
};

struct image {
    struct node node;
    struct list in_lru;     /* catalog.lru; longest not pushed first */
    struct list in_tagged;  /* catalog.tagged, in the same order: only while it has tags */
    struct list in_crowded; /* catalog.crowded: has more than TAGS_PER_IMAGE */
    struct list tags;       /* longest not set first */
    size_t n_tags;
    struct repo *repo;
    char *digest;
};

struct tag {
    struct node node;
    struct list in_image;
    struct image *image;
    char *name;
};

enum undo_kind { IMAGE_ADDED, IMAGE_REMOVED, TAG_ADDED, TAG_MOVED, TAG_REMOVED };
struct undo {
    enum undo_kind kind;
    struct image *image; /* TAG_MOVED: where the tag was before */
    struct tag *tag;
};

struct catalog {
    uint64_t max_images, max_tags, forgotten;
    uint64_t seed[2];
    struct table repos, images, tags;
    struct list lru, tagged, crowded;
    struct undo *undo;
    size_t n_undo, undo_cap;
};

/* --- hashing --- */

static uint64_t rotate(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

/* SipHash-2-4 of `scope` (8 bytes) and then `name`. */
static uint64_t hash_of(const struct catalog *c, uint64_t scope, const char *name)
{
    uint64_t v[4] = {c->seed[0] ^ 0x736f6d6570736575u, c->seed[1] ^ 0x646f72616e646f6du,
                     c->seed[0] ^ 0x6c7967656e657261u, c->seed[1] ^ 0x7465646279746573u};
    size_t len = strlen(name), i = 0;

    sip_word(v, scope);
    for (; len - i >= 8; i += 8) {
        uint64_t word;
        memcpy(&word, name + i, 8);
        sip_word(v, word);
    }
    uint64_t last = (uint64_t) (len + 8) << 56;
    for (unsigned shift = 0; i < len; i++, shift += 8)
        last |= (uint64_t) (uint8_t) name[i] << shift;
    sip_word(v, last);
    v[2] ^= 0xff;
    for (int k = 0; k < 4; k++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* --- tables --- */

static struct node *table_first(const struct table *t, uint64_t hash)
{
    return t->n_slots == 0 ? NULL : t->slots[hash & (t->n_slots - 1)];
}

/* Without memory for it the table stays as it is: longer chains, nothing lost. */
static void table_grow(struct table *t)
{
    size_t n_slots = t->n_slots == 0 ? 64 : t->n_slots * 2;
    size_t bytes = n_slots * sizeof(struct node *);
    struct node **slots = t->n_slots == 0 ? xmalloc(bytes) : try_malloc(bytes);
    if (slots == NULL)
        return;
    memset(slots, 0, bytes);
    for (size_t i = 0; i < t->n_slots; i++) {
        for (struct node *n = t->slots[i], *next; n != NULL; n = next) {
            next = n->next;
            n->next = slots[n->hash & (n_slots - 1)];
            slots[n->hash & (n_slots - 1)] = n;
        }
    }
    free(t->slots);
    t->slots = slots;
    t->n_slots = n_slots;
}

static void table_add(struct table *t, struct node *node)
{
    if (t->n >= t->n_slots)
        table_grow(t);
    struct node **slot = &t->slots[node->hash & (t->n_slots - 1)];
    node->next = *slot;
    *slot = node;
    t->n++;
}

static void table_remove(struct table *t, struct node *node)
{
    struct node **at = &t->slots[node->hash & (t->n_slots - 1)];
    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    t->n--;
}

/* --- repositories, images, tags; `node` is their first member --- */

static uint64_t repo_hash(const struct catalog *c, const char *registry_id, const char *name)
{
    return hash_of(c, hash_of(c, 0, registry_id), name);
}

static struct repo *repo_find(const struct catalog *c, const char *registry_id, const char *name)
{
    uint64_t hash = repo_hash(c, registry_id, name);
    for (struct node *n = table_first(&c->repos, hash); n != NULL; n = n->next) {
        struct repo *r = (struct repo *) n;
        if (n->hash == hash && strcmp(r->name, name) == 0 &&
            strcmp(r->registry_id, registry_id) == 0)
            return r;
    }
    return NULL;
}

static struct repo *repo_add(struct catalog *c, const char *registry_id, const char *name)
{
    struct repo *r = xcalloc(1, sizeof(*r));
    r->node.hash = repo_hash(c, registry_id, name);
    r->registry_id = xstrdup(registry_id);
    r->name = xstrdup(name);
    table_add(&c->repos, &r->node);
    return r;
}

static void repo_release(struct catalog *c, struct repo *r)
{
    if (--r->n_images > 0)
        return;
    table_remove(&c->repos, &r->node);
    free(r->registry_id);
    free(r->name);
    free(r);
}

static struct image *image_find(const struct catalog *c, const struct repo *repo,
                                const char *digest)
{
    uint64_t hash = hash_of(c, repo->node.hash, digest);
    for (struct node *n = table_first(&c->images, hash); n != NULL; n = n->next) {
        struct image *i = (struct image *) n;
        if (n->hash == hash && i->repo == repo && strcmp(i->digest, digest) == 0)
            return i;
    }
    return NULL;
}

static void image_link(struct catalog *c, struct image *i)
{
    table_add(&c->images, &i->node);
    list_push(&c->lru, &i->in_lru);
}

static void image_unlink(struct catalog *c, struct image *i)
{
    ASSERT(list_empty(&i->tags));
    table_remove(&c->images, &i->node);
    list_remove(&i->in_lru);
    list_remove(&i->in_crowded);
}

static struct image *image_add(struct catalog *c, struct repo *repo, const char *digest)
{
    struct image *i = xcalloc(1, sizeof(*i));
    i->node.hash = hash_of(c, repo->node.hash, digest);
    i->repo = repo;
    repo->n_images++;
    i->digest = xstrdup(digest);
    list_init(&i->tags);
    list_init(&i->in_lru);
    list_init(&i->in_tagged);
    list_init(&i->in_crowded);
    image_link(c, i);
    return i;
}

static void image_free(struct catalog *c, struct image *i) /* is in no table any more */
{
    repo_release(c, i->repo);
    free(i->digest);
    free(i);
}

static struct tag *tag_find(const struct catalog *c, const struct repo *repo, const char *name)
{
    uint64_t hash = hash_of(c, repo->node.hash, name);
    for (struct node *n = table_first(&c->tags, hash); n != NULL; n = n->next) {
        struct tag *t = (struct tag *) n;
        if (n->hash == hash && t->image->repo == repo && strcmp(t->name, name) == 0)
            return t;
    }
    return NULL;
}

static void tag_attach(struct catalog *c, struct tag *t, struct image *i)
{
    t->image = i;
    if (list_empty(&i->tags))
        list_push(&c->tagged, &i->in_tagged);
    list_push(&i->tags, &t->in_image);
    if (++i->n_tags > TAGS_PER_IMAGE)
        list_move(&c->crowded, &i->in_crowded);
}

static void tag_detach(struct tag *t)
{
    list_remove(&t->in_image);
    t->image->n_tags--;
    if (list_empty(&t->image->tags))
        list_remove(&t->image->in_tagged);
}

static void tag_link(struct catalog *c, struct tag *t, struct image *i)
{
    tag_attach(c, t, i);
    table_add(&c->tags, &t->node);
}

static void tag_unlink(struct catalog *c, struct tag *t)
{
    table_remove(&c->tags, &t->node);
    tag_detach(t);
}

static struct tag *tag_add(struct catalog *c, struct image *i, const char *name)
{
    struct tag *t = xcalloc(1, sizeof(*t));
    t->node.hash = hash_of(c, i->repo->node.hash, name);
    t->name = xstrdup(name);
    list_init(&t->in_image);
    tag_link(c, t, i);
    return t;
}

static void tag_free(struct tag *t) /* is in no table any more */
{
    free(t->name);
    free(t);
}

/* --- what was done since the commit --- */

static void note(struct catalog *c, enum undo_kind kind, struct image *i, struct tag *t)
{
    if (c->n_undo == c->undo_cap) {
        c->undo_cap = c->undo_cap == 0 ? 64 : c->undo_cap * 2;
        c->undo = xrealloc(c->undo, c->undo_cap * sizeof(c->undo[0]));
    }
    c->undo[c->n_undo++] = (struct undo){.kind = kind, .image = i, .tag = t};
}

static void forget_notes(struct catalog *c)
{
    enum { KEEP = 4096 }; /* one large request shall not hold its memory for good */
    c->n_undo = 0;
    if (c->undo_cap > KEEP) {
        free(c->undo);
        c->undo = NULL;
        c->undo_cap = 0;
    }
}

static void forget_tag(struct catalog *c, struct tag *t)
{
    tag_unlink(c, t);
    tag_free(t);
}

static void forget_image(struct catalog *c, struct image *i)
{
    LIST_FOREACH_SAFE (it, &i->tags)
        forget_tag(c, LIST_ENTRY(it, struct tag, in_image));
    image_unlink(c, i);
    image_free(c, i);
    c->forgotten++;
}

void catalog_commit(struct catalog *c)
{
    for (size_t k = 0; k < c->n_undo; k++) {
        struct undo *u = &c->undo[k];
        if (u->kind == TAG_REMOVED)
            tag_free(u->tag);
        else if (u->kind == IMAGE_REMOVED)
            image_free(c, u->image);
    }
    forget_notes(c);

    while (!list_empty(&c->crowded)) {
        struct image *image = LIST_ENTRY(c->crowded.next, struct image, in_crowded);
        list_remove(&image->in_crowded);
        LIST_FOREACH_SAFE (it, &image->tags) {
            if (image->n_tags <= TAGS_PER_IMAGE)
                break;
            forget_tag(c, LIST_ENTRY(it, struct tag, in_image));
            c->forgotten++;
        }
    }
    while (c->images.n > c->max_images)
        forget_image(c, LIST_ENTRY(c->lru.next, struct image, in_lru));
    while (c->tags.n > c->max_tags) {
        struct image *image = LIST_ENTRY(c->tagged.next, struct image, in_tagged);
        if (c->tagged.next != c->tagged.prev)
            forget_image(c, image);
        else /* the only one that has tags was just pushed: it stays, with the newest of them */
            forget_tag(c, LIST_ENTRY(image->tags.next, struct tag, in_image));
    }
}

void catalog_rollback(struct catalog *c)
{
    for (size_t k = c->n_undo; k-- > 0;) {
        struct undo *u = &c->undo[k];
        switch (u->kind) {
        case IMAGE_ADDED:
            image_unlink(c, u->image);
            image_free(c, u->image);
            break;
        case IMAGE_REMOVED:
            image_link(c, u->image);
            break;
        case TAG_ADDED:
            tag_unlink(c, u->tag);
            tag_free(u->tag);
            break;
        case TAG_MOVED:
            tag_detach(u->tag);
            tag_attach(c, u->tag, u->image);
            break;
        case TAG_REMOVED:
            tag_link(c, u->tag, u->tag->image);
            break;
        }
    }
    forget_notes(c);
}

/* --- changes --- */

struct out {
    catalog_emit emit;
    void *ctx;
    const char *repository;
    size_t n;
};

static void out(struct out *o, enum event_type type, const char *digest, const char *tag)
{
    struct catalog_event e = {
        .type = type, .repository = o->repository, .digest = digest, .tag = tag};
    o->emit(o->ctx, &e);
    o->n++;
}

static void apply_push(struct catalog *c, const char *registry_id, const struct change *change,
                       struct out *o)
{
    if (change->digest[0] == '\0')
        return; /* nothing to know it by */
    struct repo *repo = repo_find(c, registry_id, change->repository);
    if (repo == NULL)
        repo = repo_add(c, registry_id, change->repository);
    struct image *image = image_find(c, repo, change->digest);
    if (image == NULL) {
        image = image_add(c, repo, change->digest);
        note(c, IMAGE_ADDED, image, NULL);
        out(o, EVENT_CREATE_IMAGE, image->digest, change->tag);
    } else {
        list_move(&c->lru, &image->in_lru);
        if (!list_empty(&image->tags))
            list_move(&c->tagged, &image->in_tagged);
    }
    if (change->tag[0] == '\0')
        return;

    struct tag *tag = tag_find(c, repo, change->tag);
    if (tag == NULL) {
        tag = tag_add(c, image, change->tag);
        note(c, TAG_ADDED, NULL, tag);
    } else if (tag->image != image) {
        out(o, EVENT_DELETE_IMAGE_TAG, tag->image->digest, tag->name);
        note(c, TAG_MOVED, tag->image, tag);
        tag_detach(tag);
        tag_attach(c, tag, image);
    } else {
        return;
    }
    out(o, EVENT_CREATE_IMAGE_TAG, image->digest, tag->name);
}

static void remove_tag(struct catalog *c, struct tag *tag, struct out *o)
{
    out(o, EVENT_DELETE_IMAGE_TAG, tag->image->digest, tag->name);
    tag_unlink(c, tag);
    note(c, TAG_REMOVED, NULL, tag);
}

static int compare_tags(const void *a, const void *b)
{
    return strcmp((*(struct tag *const *) a)->name, (*(struct tag *const *) b)->name);
}

static void remove_image(struct catalog *c, struct image *image, struct out *o)
{
    size_t n = 0, k = 0;
    LIST_FOREACH (it, &image->tags)
        n++;
    struct tag **tags = xmalloc(n * sizeof(struct tag *));
    LIST_FOREACH (it, &image->tags)
        tags[k++] = LIST_ENTRY(it, struct tag, in_image);
    if (n > 0)
        qsort(tags, n, sizeof(struct tag *), compare_tags);

    out(o, EVENT_DELETE_IMAGE, image->digest, "");
    for (k = 0; k < n; k++)
        remove_tag(c, tags[k], o);
    free(tags);
    image_unlink(c, image);
    note(c, IMAGE_REMOVED, image, NULL);
}

size_t catalog_apply(struct catalog *c, const char *registry_id, const struct change *change,
                     catalog_emit emit, void *ctx)
{
    struct out o = {.emit = emit, .ctx = ctx, .repository = change->repository};
    if (change->kind == CHANGE_PUSH) {
        apply_push(c, registry_id, change, &o);
        return o.n;
    }
    struct repo *repo = repo_find(c, registry_id, change->repository);
    if (repo == NULL)
        return 0;
    if (change->kind == CHANGE_DELETE_TAG) {
        struct tag *tag = tag_find(c, repo, change->tag);
        if (tag != NULL)
            remove_tag(c, tag, &o);
    } else {
        struct image *image = image_find(c, repo, change->digest);
        if (image != NULL)
            remove_image(c, image, &o);
    }
    return o.n;
}

struct catalog *catalog_new(uint64_t max_images, uint64_t max_tags)
{
    struct catalog *c = xcalloc(1, sizeof(*c));
    ASSERT(max_images > 0 && max_tags > 0);
    c->max_images = max_images;
    c->max_tags = max_tags;
    list_init(&c->lru);
    list_init(&c->tagged);
    list_init(&c->crowded);
    ssize_t n = getrandom(c->seed, sizeof(c->seed), 0);
    ASSERT(n == (ssize_t) sizeof(c->seed)); /* up to 256 bytes never come short */
    return c;
}

void catalog_free(struct catalog *c)
{
    if (c == NULL)
        return;
    catalog_rollback(c);
    LIST_FOREACH_SAFE (it, &c->lru)
        forget_image(c, LIST_ENTRY(it, struct image, in_lru));
    free(c->undo);
    free(c->repos.slots);
    free(c->images.slots);
    free(c->tags.slots);
    free(c);
}

uint64_t catalog_images(const struct catalog *c)
{
    return c->images.n;
}

uint64_t catalog_tags(const struct catalog *c)
{
    return c->tags.n;
}

uint64_t catalog_forgotten(const struct catalog *c)
{
    return c->forgotten;
}
