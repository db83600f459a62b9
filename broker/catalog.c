/* catalog.c - registry > repository > {known images, tag > digest}; derives the four events.
 *
 * What a change did is kept in a queue until the commit, and is also what the notes are made of. An
 * entry taken out of the index stays in memory until then, so a rollback only puts pointers back. A
 * tag never changes its image: one that moves is taken out, and another is added. */
#include "catalog.h"

#include "catalog_index.h"
#include "catalog_undo.h"
#include "mem.h"

#include <stdlib.h>

/* Images by id while a catalog is filled from disk, for the tags that follow. */
struct loading {
    struct image **images; /* NULL once there was a change */
    size_t n, cap;
    uint64_t last_tag_id;
};

struct catalog {
    uint64_t max_images, max_tags, forgotten;
    uint64_t last_id; /* of images and tags together */
    struct catalog_index index;
    struct catalog_undo undo;
    uint64_t sealed; /* the notes up to this position were given out */
    struct loading loading;
};

/* --- filling it from disk --- */

static void loading_end(struct catalog *c)
{
    free(c->loading.images);
    c->loading = (struct loading){0};
}

static struct image *loaded_image(const struct loading *l, uint64_t id)
{
    size_t from = 0, to = l->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (l->images[middle]->id < id)
            from = middle + 1;
        else
            to = middle;
    }
    return from < l->n && l->images[from]->id == id ? l->images[from] : NULL;
}

/* Ids go up, and leave room above them for those to come. */
static bool good_id(uint64_t id, uint64_t last)
{
    return id > last && id < INT64_MAX;
}

static void went_on(struct catalog *c, uint64_t id)
{
    if (id > c->last_id)
        c->last_id = id;
}

int catalog_load_image(struct catalog *c, uint64_t id, const char *registry_id,
                       const char *repository, const char *digest)
{
    struct loading *l = &c->loading;
    ASSERT(c->undo.end == 0);
    if (!good_id(id, l->n == 0 ? 0 : l->images[l->n - 1]->id) || digest[0] == '\0')
        return -EBADMSG;
    struct repo *repo = repo_find(&c->index, registry_id, repository);
    if (repo != NULL && image_find(&c->index, repo, digest) != NULL)
        return -EBADMSG;
    if (l->n == l->cap) {
        l->cap = l->cap == 0 ? 64 : l->cap * 2;
        l->images = xrealloc(l->images, l->cap * sizeof(struct image *));
    }
    l->images[l->n++] =
        image_add(&c->index, repo_get(&c->index, registry_id, repository), id, digest);
    went_on(c, id);
    return 0;
}

int catalog_load_tag(struct catalog *c, uint64_t id, uint64_t image_id, const char *name)
{
    struct loading *l = &c->loading;
    ASSERT(c->undo.end == 0);
    struct image *image = loaded_image(l, image_id);
    if (!good_id(id, l->last_tag_id) || image == NULL || name[0] == '\0' ||
        tag_find(&c->index, image->repo, name) != NULL)
        return -EBADMSG;
    (void) tag_add(&c->index, image, id, name);
    l->last_tag_id = id;
    went_on(c, id);
    return 0;
}

/* --- changes of single entries, which can be undone --- */

static struct image *add_image(struct catalog *c, struct repo *repo, const char *digest)
{
    struct image *i = image_add(&c->index, repo, ++c->last_id, digest);
    catalog_undo_push(&c->undo, (struct catalog_change){.kind = NOTE_IMAGE, .image = i});
    return i;
}

static struct tag *add_tag(struct catalog *c, struct image *i, const char *name)
{
    struct tag *t = tag_add(&c->index, i, ++c->last_id, name);
    catalog_undo_push(&c->undo, (struct catalog_change){.kind = NOTE_TAG, .tag = t});
    return t;
}

enum why { DELETED, FORGOTTEN, FORGOTTEN_AND_COUNTED };
static struct catalog_change gone(struct catalog *c, enum catalog_note_kind kind, enum why why)
{
    struct catalog_change change = {
        .kind = kind, .forgotten = why != DELETED, .counted = why == FORGOTTEN_AND_COUNTED};
    c->forgotten += change.counted;
    return change;
}

static void remove_image(struct catalog *c, struct image *i, enum why why)
{
    struct catalog_change change = gone(c, NOTE_IMAGE_GONE, why);
    change.image = i;
    image_unlink(&c->index, i);
    catalog_undo_push(&c->undo, change);
}

static void remove_tag(struct catalog *c, struct tag *t, enum why why)
{
    struct catalog_change change = gone(c, NOTE_TAG_GONE, why);
    change.tag = t;
    tag_unlink(&c->index, t);
    catalog_undo_push(&c->undo, change);
}

/* What was forgotten was the oldest, and is again; where the others stood is not known any more. */
static void undo(struct catalog *c, const struct catalog_change *change)
{
    enum catalog_end end = change->forgotten ? CATALOG_OLDEST : CATALOG_NEWEST;
    c->forgotten -= change->counted;
    switch (change->kind) {
    case NOTE_IMAGE:
        image_unlink(&c->index, change->image);
        image_free(&c->index, change->image);
        break;
    case NOTE_TAG:
        tag_unlink(&c->index, change->tag);
        tag_free(change->tag);
        break;
    case NOTE_IMAGE_GONE:
        image_link(&c->index, change->image, end);
        break;
    case NOTE_TAG_GONE:
        tag_link(&c->index, change->tag, end);
        break;
    default:
        break;
    }
}

/* --- forgetting --- */

static void forget_image(struct catalog *c, struct image *i)
{
    LIST_FOREACH_SAFE (it, &i->tags)
        remove_tag(c, LIST_ENTRY(it, struct tag, in_image), FORGOTTEN);
    remove_image(c, i, FORGOTTEN_AND_COUNTED);
}

static void forget_oldest_tag(struct catalog *c, struct image *i, enum why why)
{
    remove_tag(c, LIST_ENTRY(i->tags.next, struct tag, in_image), why);
}

static void forget_over_limits(struct catalog *c)
{
    while (!list_empty(&c->index.crowded)) {
        struct image *image = LIST_ENTRY(c->index.crowded.next, struct image, in_crowded);
        while (image->n_tags > TAGS_PER_IMAGE)
            forget_oldest_tag(c, image, FORGOTTEN_AND_COUNTED);
        list_remove(&image->in_crowded);
    }
    while (c->index.images.n > c->max_images)
        forget_image(c, LIST_ENTRY(c->index.lru.next, struct image, in_lru));
    while (c->index.tags.n > c->max_tags) {
        struct image *image = LIST_ENTRY(c->index.tagged.next, struct image, in_tagged);
        if (c->index.tagged.next != c->index.tagged.prev)
            forget_image(c, image);
        else /* the only one that has tags was just pushed: it stays, with the newest of them */
            forget_oldest_tag(c, image, FORGOTTEN);
    }
}

/* --- the end of a webhook --- */

static struct catalog_note note_of(const struct catalog_change *change)
{
    const struct image *i;
    const struct tag *t;
    switch (change->kind) {
    case NOTE_IMAGE:
        i = change->image;
        return (struct catalog_note){.kind = NOTE_IMAGE,
                                     .id = i->id,
                                     .registry_id = i->repo->registry_id,
                                     .repository = i->repo->name,
                                     .digest = i->digest};
    case NOTE_TAG:
        t = change->tag;
        return (struct catalog_note){
            .kind = NOTE_TAG, .id = t->id, .image_id = t->image->id, .name = t->name};
    case NOTE_IMAGE_GONE:
        return (struct catalog_note){.kind = NOTE_IMAGE_GONE, .id = change->image->id};
    default:
        return (struct catalog_note){.kind = NOTE_TAG_GONE, .id = change->tag->id};
    }
}

uint64_t catalog_seal(struct catalog *c, catalog_note_fn note, void *ctx)
{
    loading_end(c);
    forget_over_limits(c);
    for (; c->sealed < c->undo.end; c->sealed++) {
        struct catalog_note n = note_of(catalog_undo_at(&c->undo, c->sealed));
        if (note != NULL)
            note(ctx, &n);
    }
    return c->sealed;
}

void catalog_commit(struct catalog *c, uint64_t mark)
{
    ASSERT(mark <= c->sealed);
    while (c->undo.first < mark) {
        struct catalog_change change = catalog_undo_shift(&c->undo);
        if (change.kind == NOTE_TAG_GONE)
            tag_free(change.tag);
        else if (change.kind == NOTE_IMAGE_GONE)
            image_free(&c->index, change.image);
    }
}

void catalog_rollback_to(struct catalog *c, uint64_t mark)
{
    while (c->undo.end > c->undo.first && c->undo.end > mark) {
        struct catalog_change change = catalog_undo_pop(&c->undo);
        undo(c, &change);
    }
    if (c->sealed > c->undo.end)
        c->sealed = c->undo.end;
}

void catalog_rollback(struct catalog *c)
{
    uint64_t end = c->undo.end;
    catalog_rollback_to(c, 0);
    c->undo.first = c->undo.end = c->sealed = end; /* marks given out are not given out again */
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

static void delete_tag(struct catalog *c, struct tag *tag, struct out *o)
{
    out(o, EVENT_DELETE_IMAGE_TAG, tag->image->digest, tag->name);
    remove_tag(c, tag, DELETED);
}

static void apply_push(struct catalog *c, const char *registry_id, const struct change *change,
                       struct out *o)
{
    if (change->digest[0] == '\0')
        return; /* nothing to know it by */
    struct repo *repo = repo_get(&c->index, registry_id, change->repository);
    struct image *image = image_find(&c->index, repo, change->digest);
    if (image == NULL) {
        image = add_image(c, repo, change->digest);
        out(o, EVENT_CREATE_IMAGE, image->digest, change->tag);
    } else {
        list_move(&c->index.lru, &image->in_lru);
        if (!list_empty(&image->tags))
            list_move(&c->index.tagged, &image->in_tagged);
    }
    if (change->tag[0] == '\0')
        return;

    struct tag *tag = tag_find(&c->index, repo, change->tag);
    if (tag != NULL && tag->image == image)
        return;
    if (tag != NULL)
        delete_tag(c, tag, o);
    tag = add_tag(c, image, change->tag);
    out(o, EVENT_CREATE_IMAGE_TAG, image->digest, tag->name);
}

static int compare_tags(const void *a, const void *b)
{
    return strcmp((*(struct tag *const *) a)->name, (*(struct tag *const *) b)->name);
}

static void delete_image(struct catalog *c, struct image *image, struct out *o)
{
    size_t n = image->n_tags, k = 0;
    struct tag **tags = xmalloc(n * sizeof(struct tag *));
    LIST_FOREACH (it, &image->tags)
        tags[k++] = LIST_ENTRY(it, struct tag, in_image);
    if (n > 0)
        qsort(tags, n, sizeof(struct tag *), compare_tags);

    out(o, EVENT_DELETE_IMAGE, image->digest, "");
    for (k = 0; k < n; k++)
        delete_tag(c, tags[k], o);
    free(tags);
    remove_image(c, image, DELETED);
}

size_t catalog_apply(struct catalog *c, const char *registry_id, const struct change *change,
                     catalog_emit emit, void *ctx)
{
    struct out o = {.emit = emit, .ctx = ctx, .repository = change->repository};
    loading_end(c);
    if (change->kind == CHANGE_PUSH) {
        apply_push(c, registry_id, change, &o);
        return o.n;
    }
    struct repo *repo = repo_find(&c->index, registry_id, change->repository);
    if (repo == NULL)
        return 0;
    if (change->kind == CHANGE_DELETE_TAG) {
        struct tag *tag = tag_find(&c->index, repo, change->tag);
        if (tag != NULL)
            delete_tag(c, tag, &o);
    } else {
        struct image *image = image_find(&c->index, repo, change->digest);
        if (image != NULL)
            delete_image(c, image, &o);
    }
    return o.n;
}

/* --- */

struct catalog *catalog_new(uint64_t max_images, uint64_t max_tags)
{
    struct catalog *c = xcalloc(1, sizeof(*c));
    ASSERT(max_images > 0 && max_tags > 0);
    c->max_images = max_images;
    c->max_tags = max_tags;
    catalog_index_init(&c->index);
    return c;
}

void catalog_free(struct catalog *c)
{
    if (c == NULL)
        return;
    catalog_rollback(c);
    loading_end(c);
    catalog_undo_fini(&c->undo);
    catalog_index_fini(&c->index);
    free(c);
}

uint64_t catalog_images(const struct catalog *c)
{
    return c->index.images.n;
}

uint64_t catalog_tags(const struct catalog *c)
{
    return c->index.tags.n;
}

uint64_t catalog_forgotten(const struct catalog *c)
{
    return c->forgotten;
}
