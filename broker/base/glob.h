/* glob.h - patterns of names, with the wildcards of shells and ignore files: `*` any characters,
 * `?` one, `[a-z]` one of these, `[!a-z]` one of all others; a `\` takes away the meaning of what
 * follows. In a path, which is in parts between slashes, none of these goes over a slash, and `**`
 * as a whole part is any number of parts, none too; as the last part it is one or more, as in
 * gitignore(5): what lies in something is not the thing itself. Case counts, and a character is one
 * of UTF-8. Matching takes at most the product of the two lengths in steps. (pure) Any thread. */
#ifndef BASE_GLOB_H
#define BASE_GLOB_H

#include "slice.h"

#include <stdbool.h>

enum glob_kind { GLOB_TEXT, GLOB_PATH };

/* NULL: it is a pattern. Else what is wrong with it, which completes "the pattern ...". */
const char *glob_check(struct slice pattern, enum glob_kind kind);
/* Of a pattern that was checked as one of that kind. */
bool glob_match(struct slice pattern, enum glob_kind kind, struct slice text);

#endif
