/* profile.h - named sets of settings in ~/.config/regcast/config.yaml. One thread. */
#ifndef CLI_PROFILE_H
#define CLI_PROFILE_H

#include "buf.h"

#include <stdbool.h>

enum profile_key {
    PROFILE_ENDPOINT,
    PROFILE_TOKEN,
    PROFILE_CA_FILE,
    PROFILE_CERT_FILE,
    PROFILE_KEY_FILE,
    PROFILE_FOLDER_ID,
    PROFILE_FORMAT,
    PROFILE_N
};
/* The same for people. */
#define PROFILE_KEYS_TEXT "endpoint, token, ca-file, cert-file, key-file, folder-id or format"

extern const char *const PROFILE_KEYS[PROFILE_N]; /* "endpoint", ... as in the file */
/* PROFILE_N: there is none of that name. */
enum profile_key profile_key(const char *name);

#define PROFILE_MAX 64
struct profile {
    char *name;
    char *values[PROFILE_N]; /* NULL: not set */
};
struct profiles {
    struct profile at[PROFILE_MAX];
    size_t n;
    char *current; /* the active one's name; NULL: none is */
};

/* Where the file is, by XDG_CONFIG_HOME or HOME; -ENOENT: neither is set. */
MUST_CHECK int profile_file(char *ret, size_t size);
/* A file that is not there has no profiles. -EINVAL, or the errno of reading: `error` says why in
 * lines. */
MUST_CHECK int profiles_load(const char *file, struct profiles *ret, struct buf *error);
void profiles_fini(struct profiles *p);
/* The file is replaced whole, and only its owner may read it. */
MUST_CHECK int profiles_save(const char *file, const struct profiles *p);

struct profile *profiles_find(struct profiles *p, const char *name); /* NULL: none, or name NULL */
/* NULL: there are PROFILE_MAX, or one of that name. */
struct profile *profiles_add(struct profiles *p, const char *name);
void profiles_remove(struct profiles *p, struct profile *profile);
void profile_set(struct profile *profile, enum profile_key key,
                 const char *value); /* NULL: unset */

#endif
