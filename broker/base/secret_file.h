/* secret_file.h - whether a file with a secret keeps it. Any thread. */
#ifndef BASE_SECRET_FILE_H
#define BASE_SECRET_FILE_H

#include "err.h"

#include <sys/stat.h>

/* What a message says of a file that is refused, and of its mode. */
#define SECRET_FILE_EXPECTED                                                                       \
    "a file that only its owner and group may use (chmod o= FILE; in Kubernetes defaultMode: "     \
    "0440 "                                                                                        \
    "and fsGroup)"
#define SECRET_FILE_GOT      "mode %04o" /* of secret_file_mode() */
#define SECRET_FILE_GOT_SIZE 16

/* 0; -EPERM: anybody on the machine may read it, or put another secret in its place. What is no
 * regular file (a pipe, a descriptor that was passed on) is its giver's business. */
MUST_CHECK int secret_file_check(const struct stat *st);
unsigned secret_file_mode(const struct stat *st);

#endif
