/* semver_range.h - sets of versions, in the language of npm (node-semver's README, "Ranges"):
 *
 *   >=1.2.3 <2          comparators: all of them; < <= > >= = and none, which is =
 *   ^1.2.3  ~1.2.3      up to the next version with another first number that is not 0; next minor
 *   1.2  1.x  *         a number that is missing, x, X or *: any
 *   1.2 - 1.4           both ends are in it, an end with fewer numbers as a whole
 *   A || B              either
 *
 * A pre-release is in a range only if a comparator of the same set names one with the same major,
 * minor and patch: ^1.2.3-rc.1 has 1.2.3-rc.2 and 1.3.0, but not 1.3.0-rc.1. (pure) Any thread. */
#ifndef BASE_SEMVER_RANGE_H
#define BASE_SEMVER_RANGE_H

#include "semver.h"

struct semver_range;

/* The caller's, for semver_range_free(); borrows the text for its life. NULL: *ret_why completes
 * "the range ...". */
struct semver_range *semver_range_new(struct slice text, const char **ret_why);
void semver_range_free(struct semver_range *range); /* NULL is fine */
bool semver_range_has(const struct semver_range *range, const struct semver *version);

#endif
