/* db_files.h - a directory that one process at a time works in, with one database of ours: the
 * lock, the file, and damaged ones that are set aside. The thread that opens the database. Errors
 * are errnos. */
#ifndef BROKER_DB_FILES_H
#define BROKER_DB_FILES_H

#include "err.h"

#include <stdint.h>

struct db_files {
    const char *dir, *name;
    int dir_fd, lock_fd; /* -1 before db_files_lock(); the caller's to close, also after an error */
};
#define DB_FILES_NAME 256

/* Makes the directory (0700) and takes its lock: flock on "lock", holding our pid. -EALREADY:
 * *ret_pid is the process that has it. */
MUST_CHECK int db_files_lock(struct db_files *f, int64_t *ret_pid);
/* Makes the file (0600), empty, when there is none. -ELOOP: something of it is a link. ret_aside is
 * as below when a write-ahead log without its database had to be set aside, else untouched. */
MUST_CHECK int db_files_prepare(const struct db_files *f, char ret_aside[DB_FILES_NAME]);
/* Renames the database, with all that belongs to it, to <name>.damaged-<time>: ret_aside, cut to
 * its name where the whole path does not fit. */
MUST_CHECK int db_files_set_aside(const struct db_files *f, char ret_aside[DB_FILES_NAME]);
/* Removes the database, with all that belongs to it, if it is there. */
MUST_CHECK int db_files_remove(const struct db_files *f);
/* Bytes of a regular file. -ENOENT; -ELOOP: a link; -EINVAL: no file. */
int64_t db_files_size(int dir_fd, const char *name);

#endif
