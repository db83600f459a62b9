/* catalog_undo.h - the queue of what was done to a catalog and is not committed: changes come at
 * the end, are committed at the front and undone from the end. A position is the number of a change
 * since the catalog was made. Broker thread. */
#ifndef BROKER_CATALOG_UNDO_H
#define BROKER_CATALOG_UNDO_H

#include "catalog.h"

struct image;
struct tag;
struct tombstone;

/* The entry lives until the change is committed or undone, whichever frees it. */
struct catalog_change {
    enum catalog_note_kind kind;
    bool forgotten; /* gone without an event */
    bool counted;   /* in catalog_forgotten() */
    bool unnoted;   /* NOTE_IMAGE_TIME: image.at_ns alone changed; else image.noted_ns did */
    union {
        struct image *image;         /* NOTE_IMAGE, _GONE, _TIME */
        struct tag *tag;             /* NOTE_TAG, _GONE, _TIME */
        struct tombstone *tombstone; /* NOTE_TOMBSTONE, _GONE */
    };
    uint64_t was_ns; /* _TIME: before */
};

/* All zero is an empty queue. */
struct catalog_undo {
    uint64_t first, end; /* positions */
    struct catalog_change *changes;
    size_t cap; /* a power of two or 0 */
};

void catalog_undo_fini(struct catalog_undo *q);
void catalog_undo_push(struct catalog_undo *q, struct catalog_change change);
const struct catalog_change *catalog_undo_at(const struct catalog_undo *q, uint64_t position);
struct catalog_change catalog_undo_shift(struct catalog_undo *q); /* takes the first; not empty */
struct catalog_change catalog_undo_pop(struct catalog_undo *q);   /* takes the last; not empty */

#endif
