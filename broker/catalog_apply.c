/* catalog_apply.c - what follows from a change; the rules are in catalog.h.
 *
 * Of each tag the time of what was last done to it is known, from the tag itself or from its
 * tombstone. Only what is not older than that says what the tag is; of what is older, a push still
 * makes its image, and a delete of an image still ends what else was older. */
#include "catalog_private.h"
#include "catalog_time.h"
#include "mem.h"

#include <stdlib.h>

struct out {
    catalog_emit emit;
    void *ctx;
    const char *repository;
    size_t n;
};

/* A change being applied. */
struct applying {
    struct catalog *c;
    struct repo *repo;
    const struct change *change;
    uint64_t at_ns;
    uint64_t clock_ns; /* now */
    bool stale;        /* came too late for what it is */
    struct out out;
};

/* What a kept time counts as: no change is late for one that is still to come. */
static uint64_t time_of(const struct applying *a, uint64_t kept_ns)
{
    return catalog_time_is_ahead(kept_ns, a->clock_ns) ? a->at_ns : kept_ns;
}

static void emit(struct applying *a, enum event_type type, const char *digest, const char *tag)
{
    struct out *o = &a->out;
    struct catalog_event e = {
        .type = type, .repository = o->repository, .digest = digest, .tag = tag};
    o->emit(o->ctx, &e);
    o->n++;
}

/* --- tags --- */

/* What there is of a tag. */
struct tag_state {
    struct tag *tag;             /* NULL: points to nothing that is known */
    struct tombstone *tombstone; /* NULL: nothing is known of that */
};

static struct tag_state tag_state(const struct applying *a)
{
    const char *name = a->change->tag;
    return (struct tag_state){.tag = tag_find(&a->c->index, a->repo, name),
                              .tombstone = tombstone_find(&a->c->index, a->repo, name, "")};
}

/* Whether something was done to the tag after this change. */
static bool is_late(const struct applying *a, const struct tag_state *s)
{
    return (s->tag != NULL && a->at_ns < time_of(a, s->tag->at_ns)) ||
           (s->tombstone != NULL && a->at_ns < time_of(a, s->tombstone->at_ns));
}

/* For a push; a tombstone with a time to come would count once that has come, so it goes. */
static bool was_deleted_later(struct applying *a, const char *tag, const char *digest)
{
    struct tombstone *s = tombstone_find(&a->c->index, a->repo, tag, digest);
    if (s != NULL && catalog_time_is_ahead(s->at_ns, a->clock_ns)) {
        catalog_remove_tombstone(a->c, s);
        return false;
    }
    return s != NULL && a->at_ns < s->at_ns;
}

/* The time by which later changes know that they are late: the tag's own, unless it is said. */
static void end_tag(struct applying *a, struct tag *tag, uint64_t at_ns)
{
    emit(a, EVENT_DELETE_IMAGE_TAG, tag->image->digest, tag->name);
    catalog_remove_tag(a->c, tag);
    catalog_set_tombstone(a->c, a->repo, tag->name, "", at_ns, false);
}

/* --- pushes --- */

static void move_tag(struct applying *a, const struct tag_state *s, struct image *image)
{
    if (s->tag != NULL && s->tag->image == image) {
        catalog_retime_tag(a->c, s->tag, a->at_ns);
        return;
    }
    if (s->tag != NULL) {
        emit(a, EVENT_DELETE_IMAGE_TAG, s->tag->image->digest, s->tag->name);
        catalog_remove_tag(a->c, s->tag);
    }
    if (s->tombstone != NULL)
        catalog_remove_tombstone(a->c, s->tombstone);
    struct tombstone *from = tombstone_find(&a->c->index, a->repo, a->change->tag, image->digest);
    if (from != NULL) /* the tag's own time says as much, and more once the tag is forgotten */
        catalog_remove_tombstone(a->c, from);
    catalog_add_tag(a->c, image, a->change->tag, a->at_ns);
    emit(a, EVENT_CREATE_IMAGE_TAG, image->digest, a->change->tag);
}

/* What the tag was pushed to has been deleted since, so it points to nothing, and not to what it
 * did before either. */
static void push_gone_tag(struct applying *a, const struct tag_state *s)
{
    if (s->tag != NULL)
        end_tag(a, s->tag, a->at_ns);
    else
        catalog_set_tombstone(a->c, a->repo, a->change->tag, "", a->at_ns, false);
}

static struct image *push_image(struct applying *a, const char *tag)
{
    struct catalog_index *x = &a->c->index;
    struct image *image = image_find(x, a->repo, a->change->digest);
    if (image == NULL) {
        image = catalog_add_image(a->c, a->repo, a->change->digest, a->at_ns);
        emit(a, EVENT_CREATE_IMAGE, image->digest, tag);
        return image;
    }
    list_move(&x->lru, &image->in_lru);
    if (!list_empty(&image->tags))
        list_move(&x->tagged, &image->in_tagged);
    if (a->at_ns >= time_of(a, image->at_ns))
        catalog_retime_image(a->c, image, a->at_ns);
    return image;
}

static void apply_push(struct applying *a)
{
    const char *digest = a->change->digest, *tag = a->change->tag;
    bool has_tag = tag[0] != '\0';
    const struct tag_state s = has_tag ? tag_state(a) : (struct tag_state){NULL, NULL};
    bool image_gone = was_deleted_later(a, "", digest);
    bool tag_late = has_tag && is_late(a, &s);
    bool tag_gone = has_tag && !tag_late && (image_gone || was_deleted_later(a, tag, digest));
    bool sets_tag = has_tag && !tag_late && !tag_gone;

    a->stale = image_gone || tag_late || tag_gone;
    struct image *image = image_gone ? NULL : push_image(a, sets_tag ? tag : "");
    if (sets_tag)
        move_tag(a, &s, image);
    else if (image != NULL)
        catalog_note_image(a->c, image);
    if (tag_gone)
        push_gone_tag(a, &s);
}

/* Without a digest: what the tag pointed to, it does not any more, and to what it does nobody
 * knows. */
static void apply_blind_push(struct applying *a)
{
    const struct tag_state s = tag_state(a);
    a->stale = is_late(a, &s);
    if (a->stale)
        return;
    if (s.tag != NULL)
        catalog_remove_tag(a->c, s.tag);
    catalog_set_tombstone(a->c, a->repo, a->change->tag, "", a->at_ns, true);
    emit(a, EVENT_CREATE_IMAGE_TAG, "", a->change->tag);
}

/* --- deletes --- */

static int compare_tags(const void *a, const void *b)
{
    return strcmp((*(struct tag *const *) a)->name, (*(struct tag *const *) b)->name);
}

/* Ends those tags of the image that are not newer than the change, by name. */
static void end_tags(struct applying *a, struct image *image)
{
    size_t n = 0;
    struct tag **tags = xmalloc(image->n_tags * sizeof(struct tag *));
    LIST_FOREACH (it, &image->tags) {
        struct tag *tag = LIST_ENTRY(it, struct tag, in_image);
        if (time_of(a, tag->at_ns) <= a->at_ns)
            tags[n++] = tag;
    }
    if (n > 0)
        qsort(tags, n, sizeof(struct tag *), compare_tags);
    for (size_t i = 0; i < n; i++)
        end_tag(a, tags[i], time_of(a, tags[i]->at_ns));
    free(tags);
}

static void apply_delete_digest(struct applying *a)
{
    const char *digest = a->change->digest;
    struct image *image = image_find(&a->c->index, a->repo, digest);
    const struct tombstone *s = tombstone_find(&a->c->index, a->repo, "", digest);
    bool deleted_later = s != NULL && a->at_ns < time_of(a, s->at_ns);
    bool dies = image != NULL && a->at_ns >= time_of(a, image->at_ns);
    a->stale = deleted_later || (image != NULL && !dies);
    if (deleted_later)
        return;
    bool may_be = image == NULL && (s == NULL || s->pushed);
    if (dies || (may_be && a->change->certain))
        emit(a, EVENT_DELETE_IMAGE, digest, "");
    if (image != NULL)
        end_tags(a, image);
    if (dies)
        catalog_remove_image(a->c, image);
    catalog_set_tombstone(a->c, a->repo, "", digest, a->at_ns, false);
}

/* The tag as such, whatever it points to. */
static void delete_any(struct applying *a, const struct tag_state *s)
{
    if (s->tag != NULL) {
        end_tag(a, s->tag, a->at_ns);
        return;
    }
    if (s->tombstone == NULL ? a->change->certain : s->tombstone->pushed)
        emit(a, EVENT_DELETE_IMAGE_TAG, "", a->change->tag);
    catalog_set_tombstone(a->c, a->repo, a->change->tag, "", a->at_ns, false);
}

/* The tag as it points to the digest: what comes later than it happened may have moved it. */
static void delete_from(struct applying *a, const struct tag_state *s)
{
    const char *tag = a->change->tag, *digest = a->change->digest;
    const struct tombstone *before = tombstone_find(&a->c->index, a->repo, tag, digest);
    a->stale = before != NULL && a->at_ns < time_of(a, before->at_ns);
    if (a->stale)
        return;
    if (s->tag != NULL && strcmp(s->tag->image->digest, digest) == 0) {
        end_tag(a, s->tag, time_of(a, s->tag->at_ns));
    } else if (s->tag != NULL) {
        a->stale = true;
    } else if (s->tombstone != NULL ? s->tombstone->pushed : a->change->certain && before == NULL) {
        emit(a, EVENT_DELETE_IMAGE_TAG, digest, tag);
        if (s->tombstone != NULL)
            catalog_set_tombstone(a->c, a->repo, tag, "", time_of(a, s->tombstone->at_ns), false);
    }
    catalog_set_tombstone(a->c, a->repo, tag, digest, a->at_ns, false);
}

static void apply_delete_tag(struct applying *a)
{
    const struct tag_state s = tag_state(a);
    a->stale = is_late(a, &s);
    if (a->stale)
        return;
    if (a->change->digest[0] == '\0')
        delete_any(a, &s);
    else
        delete_from(a, &s);
}

/* --- */

/* Nothing to know it by. */
static bool says_nothing(const struct change *change)
{
    switch (change->kind) {
    case CHANGE_PUSH:
        return change->digest[0] == '\0' && change->tag[0] == '\0';
    case CHANGE_DELETE_DIGEST:
        return change->digest[0] == '\0';
    default:
        return change->tag[0] == '\0';
    }
}

size_t catalog_apply(struct catalog *c, const char *registry_id, const struct change *change,
                     const struct catalog_now *now, catalog_emit emit_one, void *ctx)
{
    catalog_loading_end(c);
    if (says_nothing(change))
        return 0;
    c->now_ms = now->ms;
    struct applying a = {
        .c = c,
        .repo = repo_get(&c->index, registry_id, change->repository),
        .change = change,
        .at_ns = catalog_time(change->created_at, now->wall_ns),
        .clock_ns = now->wall_ns + now->ago_ns,
        .out = {.emit = emit_one, .ctx = ctx, .repository = change->repository},
    };
    if (change->kind == CHANGE_DELETE_DIGEST)
        apply_delete_digest(&a);
    else if (change->kind == CHANGE_DELETE_TAG)
        apply_delete_tag(&a);
    else if (change->digest[0] == '\0')
        apply_blind_push(&a);
    else
        apply_push(&a);
    c->stale += a.stale;
    return a.out.n;
}
