/* role.h - the names of roles and which include which, as the original's role reference has them.
 * What a role is good for is broker/iam.c's. (pure) Never changes, any thread. */
#ifndef BASE_ROLE_H
#define BASE_ROLE_H

#include <stdbool.h>
#include <stddef.h>

#define ROLE_MAX_INCLUDES 5

struct role {
    const char *name;                        /* "functions.editor" */
    const char *includes[ROLE_MAX_INCLUDES]; /* directly; the unused ones are NULL */
};
extern const struct role ROLES[];
extern const size_t N_ROLES;

bool role_known(const char *name);
/* Whether who has `has` has `wanted` by it: the same role, or one that it includes. False when
 * `has` is not known. */
bool role_includes(const char *has, const char *wanted);

#endif
