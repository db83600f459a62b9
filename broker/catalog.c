/* catalog.c - registry > repository > {known images, tag > digest}: its entries, limits and notes.
 *
 * What a change did is kept in a queue until the commit, and is also what the notes are made of. An
 * entry taken out of the index stays in memory until then, so a rollback only puts pointers back. A
 * tag never changes its image: one that moves is taken out, and another is added; so is a tombstone
 * whose time changes.
 *
 * Most pushes set a tag, and the image's time is the tag's then, so it is not noted as well: what
 * is kept of an image's time is the latest of its own and of its tags' times. */
#include "catalog_private.h"
#include "mem.h"

#include <stdlib.h>

#define TOMBSTONE_SHARE    8 /* of the most images and tags; each takes about as much memory */
#define TOMBSTONES_MIN     1000
#define TOMBSTONES_AT_ONCE 256 /* too old ones that go with one webhook */

/* --- filling it from disk --- */

void catalog_loading_end(struct catalog *c)
{
    catalog_loading_free(&c->loading);
    free(c->loading.images);
    c->loading = (struct catalog_loading){0};
}

static struct image *loaded_image(const struct catalog_loading *l, uint64_t id)
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
                       const char *repository, const char *digest, uint64_t at_ns)
{
    struct catalog_loading *l = &c->loading;
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
    struct image *i =
        image_add(&c->index, repo_get(&c->index, registry_id, repository), id, digest);
    i->at_ns = i->noted_ns = at_ns;
    l->images[l->n++] = i;
    went_on(c, id);
    return 0;
}

int catalog_load_tag(struct catalog *c, uint64_t id, uint64_t image_id, const char *name,
                     uint64_t at_ns)
{
    struct catalog_loading *l = &c->loading;
    ASSERT(c->undo.end == 0);
    struct image *image = loaded_image(l, image_id);
    if (!good_id(id, l->last_tag_id) || image == NULL || name[0] == '\0' ||
        tag_find(&c->index, image->repo, name) != NULL)
        return -EBADMSG;
    tag_add(&c->index, image, id, name)->at_ns = at_ns;
    if (image->at_ns < at_ns)
        image->at_ns = at_ns;
    l->last_tag_id = id;
    went_on(c, id);
    return 0;
}

int catalog_load_tombstone(struct catalog *c, const struct catalog_note *n)
{
    struct catalog_loading *l = &c->loading;
    ASSERT(c->undo.end == 0);
    if (!good_id(n->id, l->last_tombstone_id) || (n->name[0] == '\0' && n->digest[0] == '\0'))
        return -EBADMSG;
    struct repo *repo = repo_find(&c->index, n->registry_id, n->repository);
    if (repo != NULL && tombstone_find(&c->index, repo, n->name, n->digest) != NULL)
        return -EBADMSG;
    struct tombstone *s = tombstone_add(
        &c->index, repo_get(&c->index, n->registry_id, n->repository), n->id, n->name, n->digest);
    s->at_ns = n->at_ns;
    s->made_ms = n->made_ms;
    s->pushed = n->pushed;
    l->last_tombstone_id = n->id;
    went_on(c, n->id);
    return 0;
}

/* --- changes of single entries, which can be undone --- */

struct image *catalog_add_image(struct catalog *c, struct repo *repo, const char *digest,
                                uint64_t at_ns)
{
    struct image *i = image_add(&c->index, repo, ++c->last_id, digest);
    i->at_ns = i->noted_ns = at_ns;
    catalog_undo_push(&c->undo, (struct catalog_change){.kind = NOTE_IMAGE, .image = i});
    return i;
}

void catalog_retime_image(struct catalog *c, struct image *i, uint64_t at_ns)
{
    if (at_ns == i->at_ns)
        return;
    catalog_undo_push(
        &c->undo, (struct catalog_change){
                      .kind = NOTE_IMAGE_TIME, .unnoted = true, .image = i, .was_ns = i->at_ns});
    i->at_ns = at_ns;
}

void catalog_note_image(struct catalog *c, struct image *i)
{
    if (i->noted_ns == i->at_ns)
        return;
    catalog_undo_push(&c->undo, (struct catalog_change){
                                    .kind = NOTE_IMAGE_TIME, .image = i, .was_ns = i->noted_ns});
    i->noted_ns = i->at_ns;
}

void catalog_add_tag(struct catalog *c, struct image *i, const char *name, uint64_t at_ns)
{
    struct tag *t = tag_add(&c->index, i, ++c->last_id, name);
    t->at_ns = at_ns;
    catalog_undo_push(&c->undo, (struct catalog_change){.kind = NOTE_TAG, .tag = t});
}

void catalog_retime_tag(struct catalog *c, struct tag *t, uint64_t at_ns)
{
    if (at_ns == t->at_ns)
        return;
    catalog_undo_push(&c->undo,
                      (struct catalog_change){.kind = NOTE_TAG_TIME, .tag = t, .was_ns = t->at_ns});
    t->at_ns = at_ns;
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

static void remove_tombstone(struct catalog *c, struct tombstone *s, enum why why)
{
    struct catalog_change change = gone(c, NOTE_TOMBSTONE_GONE, why);
    change.tombstone = s;
    tombstone_unlink(&c->index, s);
    catalog_undo_push(&c->undo, change);
}

void catalog_remove_image(struct catalog *c, struct image *i)
{
    remove_image(c, i, DELETED);
}

void catalog_remove_tag(struct catalog *c, struct tag *t)
{
    if (t->at_ns == t->image->at_ns) /* it may have been the last to tell */
        catalog_note_image(c, t->image);
    remove_tag(c, t, DELETED);
}

void catalog_remove_tombstone(struct catalog *c, struct tombstone *s)
{
    remove_tombstone(c, s, DELETED);
}

void catalog_set_tombstone(struct catalog *c, struct repo *repo, const char *tag,
                           const char *digest, uint64_t at_ns, bool pushed)
{
    struct tombstone *s = tombstone_find(&c->index, repo, tag, digest);
    if (s != NULL && s->at_ns == at_ns && s->pushed == pushed)
        return;
    if (s != NULL)
        remove_tombstone(c, s, DELETED);
    s = tombstone_add(&c->index, repo, ++c->last_id, tag, digest);
    s->at_ns = at_ns;
    s->made_ms = c->now_ms;
    s->pushed = pushed;
    catalog_undo_push(&c->undo, (struct catalog_change){.kind = NOTE_TOMBSTONE, .tombstone = s});
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
    case NOTE_IMAGE_TIME:
        *(change->unnoted ? &change->image->at_ns : &change->image->noted_ns) = change->was_ns;
        break;
    case NOTE_TAG_TIME:
        change->tag->at_ns = change->was_ns;
        break;
    case NOTE_TOMBSTONE:
        tombstone_unlink(&c->index, change->tombstone);
        tombstone_free(&c->index, change->tombstone);
        break;
    case NOTE_TOMBSTONE_GONE:
        tombstone_link(&c->index, change->tombstone, end);
        break;
    }
}

/* --- forgetting --- */

static void forget_image(struct catalog *c, struct image *i)
{
    LIST_FOREACH_SAFE (it, &i->tags)
        remove_tag(c, LIST_ENTRY(it, struct tag, in_image), FORGOTTEN);
    struct tombstone *s = tombstone_find(&c->index, i->repo, "", i->digest);
    if (s != NULL) /* from before: that it was deleted then is no reason not to tell it again */
        catalog_set_tombstone(c, i->repo, "", i->digest, s->at_ns, true);
    remove_image(c, i, FORGOTTEN_AND_COUNTED);
}

static void forget_oldest_tag(struct catalog *c, struct image *i, enum why why)
{
    remove_tag(c, LIST_ENTRY(i->tags.next, struct tag, in_image), why);
}

static bool too_old(const struct catalog *c, const struct tombstone *s)
{
    return c->now_ms > s->made_ms && c->now_ms - s->made_ms > c->keep_ms;
}

/* A quiet time may have made many too old: they go a few at a time. */
static void forget_tombstones(struct catalog *c)
{
    for (size_t n = 0; !list_empty(&c->index.oldest); n++) {
        struct tombstone *s = LIST_ENTRY(c->index.oldest.next, struct tombstone, in_age);
        bool old = n < TOMBSTONES_AT_ONCE && too_old(c, s);
        if (!old && c->index.tombstones.n <= c->max_tombstones)
            break;
        remove_tombstone(c, s, FORGOTTEN);
    }
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
    const struct tombstone *s;
    switch (change->kind) {
    case NOTE_IMAGE:
    case NOTE_IMAGE_TIME:
        i = change->image;
        return (struct catalog_note){.kind = change->kind,
                                     .id = i->id,
                                     .registry_id = i->repo->registry_id,
                                     .repository = i->repo->name,
                                     .digest = i->digest,
                                     .at_ns = i->at_ns};
    case NOTE_TAG:
    case NOTE_TAG_TIME:
        t = change->tag;
        return (struct catalog_note){.kind = change->kind,
                                     .id = t->id,
                                     .image_id = t->image->id,
                                     .name = t->name,
                                     .at_ns = t->at_ns};
    case NOTE_TOMBSTONE:
        s = change->tombstone;
        return (struct catalog_note){.kind = NOTE_TOMBSTONE,
                                     .id = s->id,
                                     .registry_id = s->repo->registry_id,
                                     .repository = s->repo->name,
                                     .digest = s->digest,
                                     .name = s->tag,
                                     .at_ns = s->at_ns,
                                     .made_ms = s->made_ms,
                                     .pushed = s->pushed};
    case NOTE_IMAGE_GONE:
        return (struct catalog_note){.kind = NOTE_IMAGE_GONE, .id = change->image->id};
    case NOTE_TAG_GONE:
        return (struct catalog_note){.kind = NOTE_TAG_GONE, .id = change->tag->id};
    default:
        return (struct catalog_note){.kind = NOTE_TOMBSTONE_GONE, .id = change->tombstone->id};
    }
}

uint64_t catalog_seal(struct catalog *c, catalog_note_fn note, void *ctx)
{
    catalog_loading_end(c);
    forget_over_limits(c);
    forget_tombstones(c);
    for (; c->sealed < c->undo.end; c->sealed++) {
        const struct catalog_change *change = catalog_undo_at(&c->undo, c->sealed);
        if (note == NULL || change->unnoted)
            continue;
        struct catalog_note n = note_of(change);
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
        else if (change.kind == NOTE_TOMBSTONE_GONE)
            tombstone_free(&c->index, change.tombstone);
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

/* --- */

struct catalog *catalog_new(uint64_t max_images, uint64_t max_tags, uint64_t keep_ms)
{
    struct catalog *c = xcalloc(1, sizeof(*c));
    ASSERT(max_images > 0 && max_tags > 0);
    c->max_images = max_images;
    c->max_tags = max_tags;
    c->max_tombstones = (max_images + max_tags) / TOMBSTONE_SHARE;
    if (c->max_tombstones < TOMBSTONES_MIN)
        c->max_tombstones = TOMBSTONES_MIN;
    c->keep_ms = keep_ms;
    catalog_index_init(&c->index);
    return c;
}

void catalog_free(struct catalog *c)
{
    if (c == NULL)
        return;
    catalog_rollback(c);
    catalog_loading_end(c);
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

uint64_t catalog_tombstones(const struct catalog *c)
{
    return c->index.tombstones.n;
}

uint64_t catalog_stale(const struct catalog *c)
{
    return c->stale;
}

uint64_t catalog_forgotten(const struct catalog *c)
{
    return c->forgotten;
}
