/* accept.h - which of several media types a client would have (RFC 9110 section 12.5.1). (pure) */
#ifndef BACKEND_ACCEPT_H
#define BACKEND_ACCEPT_H

#include "header.h"

#define ACCEPT_NONE SIZE_MAX

/* The number of the one that is liked best, the first of those liked as much; ACCEPT_NONE: none is
 * taken. What is said of a type is what the range says that fits it most closely. `*ret_asked`:
 * there is an Accept with something in it; without one everything is taken. A type "*" is never
 * chosen. */
size_t accept_choose(const struct header *headers, size_t n, const char *const *types,
                     size_t n_types, bool *ret_asked);

#endif
