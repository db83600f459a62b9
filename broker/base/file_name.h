/* file_name.h - what the configuration calls a file: a path as it is, or "credential:NAME", a file
 * in the directory that the supervisor has made for us alone and named in CREDENTIALS_DIRECTORY
 * (systemd.exec(5), LoadCredential=). Any thread, as long as nobody changes the environment. */
#ifndef BASE_FILE_NAME_H
#define BASE_FILE_NAME_H

#include "err.h"

#define FILE_NAME_CREDENTIAL "credential:"

/* 0: *ret is the path, from malloc(). -EINVAL: a credential's name that cannot be one: empty, with
 * a slash, or "." or ".."; -ENOENT: there is no such directory for us. */
MUST_CHECK int file_name_path(const char *name, char **ret);

#endif
