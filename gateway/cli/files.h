/* files.h - files read whole and replaced whole. One thread. */
#ifndef CLI_FILES_H
#define CLI_FILES_H

#include "buf.h"

#include <stdio.h>

/* Appends all that is left of it. Errors: buf_append()'s, or -EIO. */
MUST_CHECK int files_read(FILE *f, struct buf *out);

/* Who reads the file, also after a crash, finds the old text or the new one: it is written beside,
 * synced and renamed; 0600. 0, or the negative errno of what failed: then the file is as it was. */
MUST_CHECK int files_replace(const char *file, struct slice text);

#endif
