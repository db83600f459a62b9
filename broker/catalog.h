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

/* The events of all changes since the last commit are safe. A catalog that is over its limits then
 * forgets the images longest not pushed, with their tags and without events; where only the tags
 * are too many, images without tags stay. */
void catalog_commit(struct catalog *c);
/* Undoes all changes since the last commit: their events were refused and will be sent again. */
void catalog_rollback(struct catalog *c);

uint64_t catalog_images(const struct catalog *c);
uint64_t catalog_tags(const struct catalog *c);
uint64_t
catalog_forgotten(const struct catalog *c); /* images and crowded tags, since it was made */

#endif
