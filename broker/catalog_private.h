/* catalog_private.h - the parts of a catalog, shared by its files:
 *   catalog.c        entries and the undoing of what was done to them, limits, notes, loading
 *   catalog_apply.c  what follows from a change
 *   catalog_dump.c   as notes, and filled from notes */
#ifndef BROKER_CATALOG_PRIVATE_H
#define BROKER_CATALOG_PRIVATE_H

#include "catalog.h"
#include "catalog_index.h"
#include "catalog_undo.h"

/* While a catalog is filled; nothing once there was a change. */
struct catalog_loading {
    struct image **images; /* from disk: by id, for the tags that follow */
    size_t n, cap;
    uint64_t last_tag_id, last_tombstone_id;
    struct table by_id; /* from notes: all entries */
};
void catalog_loading_free(struct catalog_loading *l); /* what is of notes */

struct catalog {
    uint64_t max_images, max_tags, max_tombstones, keep_ms, forgotten, stale;
    uint64_t last_id; /* of all entries together */
    uint64_t now_ms;  /* of the last change */
    struct catalog_index index;
    struct catalog_undo undo;
    uint64_t sealed; /* the notes up to this position were given out */
    struct catalog_loading loading;
};

void catalog_loading_end(struct catalog *c); /* there is a change */

/* --- changes of single entries, which can be undone --- */

struct image *catalog_add_image(struct catalog *c, struct repo *repo, const char *digest,
                                uint64_t at_ns);
/* It was pushed last at that time. Where no tag was set with that push, catalog_note_image() is
 * still due. */
void catalog_retime_image(struct catalog *c, struct image *i, uint64_t at_ns);
/* Its time is kept from now on, whatever becomes of its tags. */
void catalog_note_image(struct catalog *c, struct image *i);
void catalog_remove_image(struct catalog *c, struct image *i); /* has no tags any more */

void catalog_add_tag(struct catalog *c, struct image *i, const char *name, uint64_t at_ns);
void catalog_retime_tag(struct catalog *c, struct tag *t, uint64_t at_ns);
void catalog_remove_tag(struct catalog *c, struct tag *t);

/* The only one with these names from now on. */
void catalog_set_tombstone(struct catalog *c, struct repo *repo, const char *tag,
                           const char *digest, uint64_t at_ns, bool pushed);
void catalog_remove_tombstone(struct catalog *c, struct tombstone *s);

#endif
