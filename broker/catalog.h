/* catalog.h - registry > repository > {known images, tag > digest}, from which the four events are
 * derived: plain registries do not say what is new or what a tag pointed to before. Broker thread.
 *
 * Changes arrive late, twice and in any order. What counts is when each happened by its sender's
 * clock: the same changes lead to the same catalog in whatever order they come, as long as their
 * times differ and what they say is not older than what the catalog keeps of deleted things. */
#ifndef BROKER_CATALOG_H
#define BROKER_CATALOG_H

#include "event.h"
#include "source.h"

struct catalog;

/* The most tags remembered of one image, the newest: deleting an image makes one event of each, in
 * one go, and must stay a matter of milliseconds. Registries' users have tens. */
#define TAGS_PER_IMAGE 10000

/* Never NULL. For `keep_ms` (catalog_now.ms), but in a limited number, it is known when what was
 * deleted was. */
struct catalog *catalog_new(uint64_t max_images, uint64_t max_tags, uint64_t keep_ms);
void catalog_free(struct catalog *c);

/* One derived event; strings borrowed for the call. */
struct catalog_event {
    enum event_type type;
    const char *repository, *digest, *tag;
};
typedef void (*catalog_emit)(void *ctx, const struct catalog_event *e);

struct catalog_now {
    uint64_t wall_ns; /* since 1970: when a change happened of which nobody says when */
    uint64_t ms;      /* of a clock that only goes on, also over restarts: how old things are */
    uint64_t ago_ns;  /* how long ago `wall_ns` was: of a change that had to wait */
};

/* Applies one change and emits what follows from it, in order:
 *   push with a tag, new image:     CreateImage(tag) [DeleteImageTag(old)] CreateImageTag
 *   push with a tag, known image:   [DeleteImageTag(old)] CreateImageTag; nothing when the tag is
 *                                   there already
 *   push by digest:                 CreateImage(tag "") when new
 *   push of a tag without a digest: CreateImageTag(digest ""); what the tag pointed to is not known
 *                                   from then on, nor that it pointed to anything
 *   delete by digest, known image:  DeleteImage(tag ""), then DeleteImageTag for each tag it had,
 *                                   ordered by name
 *   delete of a tag, known:         DeleteImageTag(digest it had); if the sender says a digest,
 *                                   only when the tag points to it: else it has moved
 *   delete of what is not known:    it may be a blob: nothing. If change.certain: DeleteImage or
 *                                   DeleteImageTag with what the sender says, unless it is known to
 *                                   have been deleted and not pushed since
 *
 * That is for changes in the order in which they happened. A change happened at its created_at (or
 * now, see catalog_time()), and of two at the same time the one that comes later. A tag is what the
 * latest push of it or delete of it as such made of it, and does not point to an image that was
 * deleted later than that, nor to one from which it was deleted later. An image is there when its
 * latest push, by whatever tag, is later than its latest delete. So of a change that comes late:
 *   push, the tag was changed later:     CreateImage(tag "") when new, and nothing of the tag
 *   push, the image was deleted later:   [DeleteImageTag(old)] when the tag was not changed later
 *   push, the tag was deleted from it:   CreateImage(tag "") when new, [DeleteImageTag(old)]
 *   delete of an image pushed later:     DeleteImageTag for each tag not set since
 *   delete of what was changed later:    nothing
 * No event contradicts what the catalog knows by then. What is kept with a time that is still to
 * come counts as earlier: our own clock was ahead when it was written down, and has been set since.
 *
 * Returns the number of events emitted; 0 means that the change is to be counted as ignored.
 * Every change is provisional until catalog_commit(). */
size_t catalog_apply(struct catalog *c, const char *registry_id, const struct change *change,
                     const struct catalog_now *now, catalog_emit emit, void *ctx);

/* What a change did to the entries, for whoever keeps the catalog on disk. An entry has a number
 * that is never used twice; a tag that moves is gone and comes again under a new one, and so does a
 * tombstone whose time changes. NOTE_IMAGE_TIME and NOTE_TAG_TIME are entries that are there
 * already, with another time. */
enum catalog_note_kind {
    NOTE_IMAGE,
    NOTE_TAG,
    NOTE_IMAGE_GONE,
    NOTE_TAG_GONE,
    NOTE_IMAGE_TIME,
    NOTE_TAG_TIME,
    NOTE_TOMBSTONE,
    NOTE_TOMBSTONE_GONE
};
struct catalog_note {
    enum catalog_note_kind kind;
    uint64_t id;                                   /* of the entry */
    uint64_t image_id;                             /* of a tag: the image it points to */
    const char *registry_id, *repository, *digest; /* of an image or tombstone */
    const char *name;                              /* of a tag or tombstone */
    uint64_t at_ns;   /* when an image was pushed last, a tag was set, and since when what a
                         tombstone says is so; nanoseconds since 1970, 0: nobody knows */
    uint64_t made_ms; /* of a tombstone: when it was made, by the clock of catalog_now.ms */
    bool pushed;      /* of a tombstone */
};
typedef void (*catalog_note_fn)(void *ctx, const struct catalog_note *n);

/* Ends the changes of one webhook: a catalog that is over its limits forgets the images longest not
 * pushed, with their tags and without events (where only the tags are too many, images without tags
 * stay), and the oldest tombstones, which are what it knows of deleted things; then every note
 * since the last seal is given to `note` (may be NULL), in an order in which they can be carried
 * out. Returns the mark to commit up to. Several webhooks may be under way. */
uint64_t catalog_seal(struct catalog *c, catalog_note_fn note, void *ctx);
/* The events of all changes sealed up to `mark` are safe. Marks are committed in order; one of a
 * webhook that was rolled back must not be. */
void catalog_commit(struct catalog *c, uint64_t mark);
/* Undoes all changes that are not committed: their events were refused and will be sent again. */
void catalog_rollback(struct catalog *c);
/* Undoes what came after `mark`, sealed or not: a webhook that was refused before it was submitted,
 * while earlier ones are under way. `mark`: what catalog_seal() said for the last one that was, or
 * 0. */
void catalog_rollback_to(struct catalog *c, uint64_t mark);

/* Fills a new catalog from disk, before any change: images in the order of their ids, then tags in
 * the order of theirs. -EBADMSG: an id or name twice or none, ids out of order, or a tag of no
 * image; nothing was added. Their order stands for when they were pushed. What is over the limits
 * is forgotten by the next seal. With a time of 0, whatever comes is later. */
MUST_CHECK int catalog_load_image(struct catalog *c, uint64_t id, const char *registry_id,
                                  const char *repository, const char *digest, uint64_t at_ns);
MUST_CHECK int catalog_load_tag(struct catalog *c, uint64_t id, uint64_t image_id, const char *name,
                                uint64_t at_ns);
/* From what a NOTE_TOMBSTONE said, in the order of their ids. -EBADMSG as above. */
MUST_CHECK int catalog_load_tombstone(struct catalog *c, const struct catalog_note *n);

/* Gives all that there is as NOTE_IMAGE, NOTE_TAG and NOTE_TOMBSTONE, an image before its tags.
 * False, with nothing given: there are changes that are not committed. */
MUST_CHECK bool catalog_dump(const struct catalog *c, catalog_note_fn note, void *ctx);
/* Fills a new catalog, before any change, from what was dumped and the notes that were sealed since
 * then, in their order; some of them may have been dumped already. It knows the same then, and has
 * the same numbers left to give. -EBADMSG: no seal gives such a note; nothing was done. */
MUST_CHECK int catalog_load_note(struct catalog *c, const struct catalog_note *n);

uint64_t catalog_images(const struct catalog *c);
uint64_t catalog_tags(const struct catalog *c);
uint64_t catalog_tombstones(const struct catalog *c);
/* Changes that came too late for some or all of what they would have done, since it was made. */
uint64_t catalog_stale(const struct catalog *c);
/* Images and crowded tags, since it was made; not those that a rollback brought back. */
uint64_t catalog_forgotten(const struct catalog *c);

#endif
