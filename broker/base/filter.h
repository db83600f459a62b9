/* filter.h - which events a trigger wants, beyond one image name and one tag: lists of patterns,
 * each compiled once. A text passes a list when one of its patterns fits, or all of them begin with
 * "!", and none of those that do fits. What an event does not have (a tag, a digest, an actor) no
 * pattern fits: not "*" either, so "!*" are those without. A list without patterns passes all. An
 * event has to pass all lists. (pure) Any thread. */
#ifndef BASE_FILTER_H
#define BASE_FILTER_H

#include "semver.h"

enum filter_list {
    /* Of glob.h, as paths. "REGISTRY_ID/" may stand in front, as it is, without wildcards. */
    FILTER_IMAGE_NAMES,
    /* Of glob.h, or "semver:RANGE" of semver_range.h. A tag that is no version is in no range. */
    FILTER_TAGS,
    /* Whole, or their beginning and "*". */
    FILTER_DIGESTS,
    /* Of glob.h, slashes being characters as any other. */
    FILTER_ACTORS,
    FILTER_LISTS
};
extern const char *const FILTER_NAMES[FILTER_LISTS]; /* "image_names", ... */

#define FILTER_MAX_PATTERNS 32  /* of a list: with labels and all, a trigger stays below 64 KiB */
#define FILTER_MAX_BYTES    255 /* of a pattern */

/* NULL: it is one. Else what is wrong with it, which completes "the pattern ...". */
const char *filter_check(enum filter_list list, struct slice pattern);

struct filter; /* the functions below take NULL for one without patterns */

struct filter *filter_new(void); /* never NULL */
void filter_free(struct filter *f);
struct filter *filter_copy(const struct filter *f); /* NULL for NULL */
/* Copies the pattern. As filter_check(), also of one too many. */
const char *filter_add(struct filter *f, enum filter_list list, struct slice pattern);
size_t filter_size(const struct filter *f, enum filter_list list);
const char *filter_at(const struct filter *f, enum filter_list list,
                      size_t i); /* as it was given */
bool filter_is_empty(const struct filter *f);
bool filter_equal(const struct filter *a, const struct filter *b); /* order too */

/* One event, for any number of filters. Strings may not be NULL. */
struct filter_subject {
    const char *registry_id, *repository, *tag, *digest, *actor;
    enum {
        FILTER_NOT_READ,
        FILTER_NO_VERSION,
        FILTER_VERSION
    } reading;             /* private, from here on: */
    struct semver version; /* the tag is read as one once, when it is first asked for */
};
/* The first list that it does not pass; FILTER_LISTS: it passes. */
enum filter_list filter_refusal(const struct filter *f, struct filter_subject *s);

#endif
