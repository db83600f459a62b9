/* semver.h - versions as Semantic Versioning 2.0.0 has them (https://semver.org), in the tags of
 * images, and their order. A "v" may stand in front, and since a tag has no "+", build metadata may
 * begin with "_", as Helm writes it. (pure) Any thread. */
#ifndef BASE_SEMVER_H
#define BASE_SEMVER_H

#include "slice.h"

#include <stdbool.h>

#define SEMVER_MAX_DIGITS 18 /* of major, minor and patch */

struct semver {
    uint64_t number[3];      /* major, minor, patch */
    struct slice prerelease; /* "rc.1", in what was read; empty: it is a release */
};

/* False: it is none, such as "1.2", "01.2.3" or "1.2.3-01", or has a longer number. Borrows. */
bool semver_read(struct slice text, struct semver *ret);
/* By precedence (section 11), build metadata left out: below, above or 0. */
int semver_compare(const struct semver *a, const struct semver *b);

/* Steps behind the number at *at. False: there is none, it is too long, or begins with a 0. */
bool semver_read_number(struct slice text, size_t *at, uint64_t *ret);
/* Steps behind "-PRERELEASE" and "+BUILD", each of which may be missing. False: malformed. */
bool semver_read_rest(struct slice text, size_t *at, struct slice *ret_prerelease);

#endif
