/* sender_id.h - an id for an event whose sender gives it none, or one too long to keep: the hash of
 * what tells it from the others. (pure) Any thread. */
#ifndef SOURCE_SENDER_ID_H
#define SOURCE_SENDER_ID_H

#include "err.h"

#define SENDER_ID_SIZE 51 /* "sha256:", 43 characters and the NUL */

/* The same for the same texts in the same order, and no other. Returns `ret`. */
const char *sender_id(const char *const *texts, size_t n, char ret[SENDER_ID_SIZE]);

#endif
