/* catalog_dump.c - a catalog as notes, and one filled from notes; see catalog.h.
 *
 * Notes that come behind a dump may tell of what it holds already, and of all that was there since:
 * an entry whose place another one has was replaced by that one later on, so it is passed over, and
 * so is whatever is said of an entry that is not there. What is gone in the end is said to be. */
#include "catalog_private.h"
#include "mem.h"

#include <stdlib.h>

/* --- as notes --- */

static void dump_tags(const struct image *i, catalog_note_fn note, void *ctx)
{
    LIST_FOREACH (it, &i->tags) {
        const struct tag *t = LIST_ENTRY(it, const struct tag, in_image);
        const struct catalog_note n = {
            .kind = NOTE_TAG, .id = t->id, .image_id = i->id, .name = t->name, .at_ns = t->at_ns};
        note(ctx, &n);
    }
}

/* In the order of the lists, which are made anew by whoever reads it. */
bool catalog_dump(const struct catalog *c, catalog_note_fn note, void *ctx)
{
    if (c->undo.first < c->undo.end)
        return false;
    LIST_FOREACH (it, &c->index.lru) {
        const struct image *i = LIST_ENTRY(it, const struct image, in_lru);
        const struct catalog_note n = {.kind = NOTE_IMAGE,
                                       .id = i->id,
                                       .registry_id = i->repo->registry_id,
                                       .repository = i->repo->name,
                                       .digest = i->digest,
                                       .at_ns = i->noted_ns};
        note(ctx, &n);
        dump_tags(i, note, ctx);
    }
    LIST_FOREACH (it, &c->index.oldest) {
        const struct tombstone *s = LIST_ENTRY(it, const struct tombstone, in_age);
        const struct catalog_note n = {.kind = NOTE_TOMBSTONE,
                                       .id = s->id,
                                       .registry_id = s->repo->registry_id,
                                       .repository = s->repo->name,
                                       .digest = s->digest,
                                       .name = s->tag,
                                       .at_ns = s->at_ns,
                                       .made_ms = s->made_ms,
                                       .pushed = s->pushed};
        note(ctx, &n);
    }
    return true;
}

/* --- from notes: entries by their ids --- */

struct by_id {
    struct table_node node; /* its hash is the id */
    union {
        struct image *image;
        struct tag *tag;
        struct tombstone *tombstone;
    };
    enum catalog_note_kind kind; /* NOTE_IMAGE, NOTE_TAG or NOTE_TOMBSTONE */
};

/* Ids go up one by one: their low bits are a hash. */
static struct by_id *entry_of(const struct catalog *c, uint64_t id, enum catalog_note_kind kind)
{
    struct by_id *e = (struct by_id *) table_first(&c->loading.by_id, id);
    return e != NULL && e->kind == kind ? e : NULL;
}

static struct by_id *entry_new(struct catalog *c, const struct catalog_note *n)
{
    struct by_id *e = xcalloc(1, sizeof(*e));
    e->kind = n->kind;
    e->node.hash = n->id;
    table_add(&c->loading.by_id, &e->node);
    return e;
}

static void entry_free(struct catalog *c, struct by_id *e)
{
    table_remove(&c->loading.by_id, &e->node);
    free(e);
}

void catalog_loading_free(struct catalog_loading *l)
{
    for (size_t i = 0; i < l->by_id.n_slots; i++) {
        struct table_node *next;
        for (struct table_node *n = l->by_id.slots[i].first; n != NULL; n = next) {
            next = n->next;
            free(n);
        }
    }
    table_fini(&l->by_id);
}

/* --- from notes: one by one --- */

static struct repo *repo_of(struct catalog *c, const struct catalog_note *n)
{
    return repo_find(&c->index, n->registry_id, n->repository);
}

static void was_pushed(struct catalog *c, struct image *i)
{
    list_move(&c->index.lru, &i->in_lru);
    if (!list_empty(&i->tags))
        list_move(&c->index.tagged, &i->in_tagged);
}

/* The latest of its own and its tags' times. */
static void set_time(struct image *i)
{
    i->at_ns = i->noted_ns;
    LIST_FOREACH (it, &i->tags) {
        const struct tag *t = LIST_ENTRY(it, const struct tag, in_image);
        if (i->at_ns < t->at_ns)
            i->at_ns = t->at_ns;
    }
}

static int load_image(struct catalog *c, const struct catalog_note *n)
{
    if (n->digest[0] == '\0')
        return -EBADMSG;
    const struct repo *repo = repo_of(c, n);
    if (repo != NULL && image_find(&c->index, repo, n->digest) != NULL)
        return 0;
    struct image *i =
        image_add(&c->index, repo_get(&c->index, n->registry_id, n->repository), n->id, n->digest);
    i->at_ns = i->noted_ns = n->at_ns;
    entry_new(c, n)->image = i;
    return 0;
}

static int load_tag(struct catalog *c, const struct catalog_note *n)
{
    const struct by_id *image = entry_of(c, n->image_id, NOTE_IMAGE);
    if (n->name[0] == '\0')
        return -EBADMSG;
    if (image == NULL || tag_find(&c->index, image->image->repo, n->name) != NULL)
        return 0;
    struct image *i = image->image;
    struct tag *t = tag_add(&c->index, i, n->id, n->name);
    t->at_ns = n->at_ns;
    if (i->at_ns < n->at_ns)
        i->at_ns = n->at_ns;
    was_pushed(c, i);
    entry_new(c, n)->tag = t;
    return 0;
}

static int load_tombstone(struct catalog *c, const struct catalog_note *n)
{
    if (n->name[0] == '\0' && n->digest[0] == '\0')
        return -EBADMSG;
    const struct repo *repo = repo_of(c, n);
    if (repo != NULL && tombstone_find(&c->index, repo, n->name, n->digest) != NULL)
        return 0;
    struct tombstone *s = tombstone_add(
        &c->index, repo_get(&c->index, n->registry_id, n->repository), n->id, n->name, n->digest);
    s->at_ns = n->at_ns;
    s->made_ms = n->made_ms;
    s->pushed = n->pushed;
    entry_new(c, n)->tombstone = s;
    return 0;
}

static int load_new(struct catalog *c, const struct catalog_note *n)
{
    if (table_first(&c->loading.by_id, n->id) != NULL)
        return 0;
    switch (n->kind) {
    case NOTE_IMAGE:
        return load_image(c, n);
    case NOTE_TAG:
        return load_tag(c, n);
    default:
        return load_tombstone(c, n);
    }
}

static void unload_tag(struct catalog *c, struct by_id *e)
{
    tag_unlink(&c->index, e->tag);
    tag_free(e->tag);
    entry_free(c, e);
}

/* Its tags have gone before; what is left of them came again by a note that was passed over. */
static void unload_image(struct catalog *c, struct by_id *e)
{
    struct image *i = e->image;
    LIST_FOREACH_SAFE (it, &i->tags) {
        const struct tag *t = LIST_ENTRY(it, const struct tag, in_image);
        unload_tag(c, entry_of(c, t->id, NOTE_TAG));
    }
    image_unlink(&c->index, i);
    image_free(&c->index, i);
    entry_free(c, e);
}

static void unload_tombstone(struct catalog *c, struct by_id *e)
{
    tombstone_unlink(&c->index, e->tombstone);
    tombstone_free(&c->index, e->tombstone);
    entry_free(c, e);
}

static void retime_image(struct catalog *c, struct image *i, uint64_t at_ns)
{
    i->noted_ns = at_ns;
    set_time(i);
    was_pushed(c, i);
}

static void retime_tag(struct catalog *c, struct tag *t, uint64_t at_ns)
{
    t->at_ns = at_ns;
    set_time(t->image);
    was_pushed(c, t->image);
}

int catalog_load_note(struct catalog *c, const struct catalog_note *n)
{
    struct by_id *e;
    ASSERT(c->undo.end == 0 && c->loading.n == 0);
    if (n->id == 0 || n->id >= INT64_MAX) /* as catalog_load_image() */
        return -EBADMSG;
    if (n->id > c->last_id)
        c->last_id = n->id;
    switch (n->kind) {
    case NOTE_IMAGE:
    case NOTE_TAG:
    case NOTE_TOMBSTONE:
        return load_new(c, n);
    case NOTE_IMAGE_GONE:
        if ((e = entry_of(c, n->id, NOTE_IMAGE)) != NULL)
            unload_image(c, e);
        return 0;
    case NOTE_TAG_GONE:
        if ((e = entry_of(c, n->id, NOTE_TAG)) != NULL)
            unload_tag(c, e);
        return 0;
    case NOTE_TOMBSTONE_GONE:
        if ((e = entry_of(c, n->id, NOTE_TOMBSTONE)) != NULL)
            unload_tombstone(c, e);
        return 0;
    case NOTE_IMAGE_TIME:
        if ((e = entry_of(c, n->id, NOTE_IMAGE)) != NULL)
            retime_image(c, e->image, n->at_ns);
        return 0;
    case NOTE_TAG_TIME:
        if ((e = entry_of(c, n->id, NOTE_TAG)) != NULL)
            retime_tag(c, e->tag, n->at_ns);
        return 0;
    }
    return -EBADMSG;
}
