/* catalog.h - registry > repository > {known images, tag > digest}, from which the four events are
 * derived: plain registries do not say what is new or what a tag pointed to before. Broker thread.
 */
#ifndef BROKER_CATALOG_H
#define BROKER_CATALOG_H

#include "event.h"
#include "source.h"

struct catalog;

/* The most tags remembered of one image, the newest: deleting an image makes one event of each, in
 * one go, and must stay a matter of milliseconds. Registries' users have tens. */
#define TAGS_PER_IMAGE 10000

struct catalog *catalog_new(uint64_t max_images, uint64_t max_tags); /* never NULL */
void catalog_free(struct catalog *c);

/* One derived event; strings borrowed for the call. */
struct catalog_event {
    enum event_type type;
    const char *repository, *digest, *tag;
};
typedef void (*catalog_emit)(void *ctx, const struct catalog_event *e);

/* Applies one change and emits what follows from it, in order:
 *   push with a tag, new image:     CreateImage(tag) [DeleteImageTag(old)] CreateImageTag
 *   push with a tag, known image:   [DeleteImageTag(old)] CreateImageTag; nothing when the tag is
 *                                   there already
 *   push by digest:                 CreateImage(tag "") when new
 *   delete by digest, known image:  DeleteImage(tag ""), then DeleteImageTag for each tag it had,
 *                                   ordered by name; an unknown digest may be a blob: nothing
 *   delete of a tag, known:         DeleteImageTag(digest it had); unknown: nothing
 * Returns the number of events emitted; 0 means that the change is to be counted as ignored.
 * Every change is provisional until catalog_commit(). */
size_t catalog_apply(struct catalog *c, const char *registry_id, const struct change *change,
                     catalog_emit emit, void *ctx);

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
    uint64_t at_ns;   /* of an image: when it was pushed last; of a tag: when it was set; of a
                         tombstone: see there. Nanoseconds since 1970, 0: nobody knows */
    uint64_t made_ms; /* of a tombstone: when it was made, by the clock of catalog_now.ms */
    bool pushed;      /* of a tombstone */
};
typedef void (*catalog_note_fn)(void *ctx, const struct catalog_note *n);

/* Ends the changes of one webhook: a catalog that is over its limits forgets the images longest not
 * pushed, with their tags and without events (where only the tags are too many, images without tags
 * stay); then every note since the last seal is given to `note` (may be NULL), in an order in which
 * they can be carried out. Returns the mark to commit up to. Several webhooks may be under way. */
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
 * is forgotten by the next seal. */
MUST_CHECK int catalog_load_image(struct catalog *c, uint64_t id, const char *registry_id,
                                  const char *repository, const char *digest);
MUST_CHECK int catalog_load_tag(struct catalog *c, uint64_t id, uint64_t image_id,
                                const char *name);

uint64_t catalog_images(const struct catalog *c);
uint64_t catalog_tags(const struct catalog *c);
/* Images and crowded tags, since it was made; not those that a rollback brought back. */
uint64_t catalog_forgotten(const struct catalog *c);

#endif
