/* reference.h - an image's reference as clients pull by it, in its parts. (pure) Any thread. */
#ifndef SOURCE_REFERENCE_H
#define SOURCE_REFERENCE_H

#include "err.h"

#include <stdbool.h>

#define REFERENCE_MAX 1024 /* bytes: more than its parts may have together */

/* Nothing is filled in that is not there: no "latest", no "library/". The parts are not checked,
 * report() does that. */
struct reference {
    char text[REFERENCE_MAX + 1];
    const char *repository;   /* without the host */
    const char *tag, *digest; /* "" when absent; all three point into `text` */
};

/* "[HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]". A first part counts as a host when it has a dot or a
 * colon or is "localhost", as for clients. False: too long. */
MUST_CHECK bool reference_split(const char *text, struct reference *ret);

#endif
