/* mem.h - memory: small allocations abort when the system has none, peer-sized ones are checked.
 * Any thread. Everything is freed with free(). */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include "slice.h"

#include <stddef.h>

void *xmalloc(size_t size);               /* never NULL */
void *xcalloc(size_t count, size_t size); /* zeroed, never NULL */
void *xrealloc(void *old, size_t size);   /* never NULL; old may be NULL */
char *xstrdup(const char *s);             /* s may be NULL: returns NULL */
char *xslicedup(struct slice s);          /* a NUL-terminated copy, never NULL */

/* For sizes a peer decides: NULL when there is no memory (or when a test asked for it). */
void *try_malloc(size_t size);
void *try_realloc(void *old, size_t size);
/* The same in the form that zlib asks for; both ignore `opaque`. */
void *mem_zalloc(void *opaque, unsigned count, unsigned size);
void mem_zfree(void *opaque, void *memory);

/* Test hook: the n-th try_* call from now on this thread (1 = the next) returns NULL; 0 switches it
 * off. */
void mem_fail_at(unsigned n);

#endif
