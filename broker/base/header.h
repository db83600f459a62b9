/* header.h - the header fields of a request as they came (RFC 9110 section 6.3). (pure) Any thread.
 */
#ifndef BASE_HEADER_H
#define BASE_HEADER_H

#include "slice.h"

struct header {
    struct slice name, value; /* value without surrounding white space */
};

struct headers { /* in the order they came; borrowed */
    const struct header *at;
    size_t n;
};

/* The value of the only field of that name (ASCII case ignored); empty when there is none, or
 * several: of two, nobody says which one counts. */
struct slice headers_only(struct headers list, const char *name);

#endif
