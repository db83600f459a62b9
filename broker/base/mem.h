/* mem.h - memory, and what happens when the system has none.
 *
 * try_*  gives NULL: for what can be refused, such as a connection, a request, a message.
 * owed_* takes from the reserve first: for what was acknowledged and cannot be refused any more.
 * x*     does so too, and aborts when there is no reserve left: for small things in places without
 *        a way back.
 *
 * The reserve is one piece that is given back to the allocator at the first shortage. As long as it
 * is gone nothing new is begun (mem_is_short()): what is under way ends with its help, and
 * mem_reserve() takes it again when there is memory. Any thread. Everything is freed with free().
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include "slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEM_RESERVE_BYTES ((size_t) 4 << 20)

void *xmalloc(size_t size);               /* never NULL */
void *xcalloc(size_t count, size_t size); /* zeroed, never NULL */
void *xrealloc(void *old, size_t size);   /* never NULL; old may be NULL */
char *xstrdup(const char *s);             /* s may be NULL: returns NULL */
char *xslicedup(struct slice s);          /* a NUL-terminated copy, never NULL */

/* NULL when there is no memory (or when a test asked for it). */
void *try_malloc(size_t size);
void *try_calloc(size_t count, size_t size); /* zeroed */
void *try_realloc(void *old, size_t size);
void *owed_malloc(size_t size);
void *owed_realloc(void *old, size_t size);
/* The same in the form that zlib asks for; both ignore `opaque`. */
void *mem_zalloc(void *opaque, unsigned count, unsigned size);
void mem_zfree(void *opaque, void *memory);

/* Makes sure that the reserve is there. False: there is no memory for it. */
bool mem_reserve(void);
void mem_help(void); /* somebody else's allocation failed: gives the reserve up for another try */
bool mem_is_short(void);     /* the reserve was needed, and is not there again */
uint64_t mem_failures(void); /* allocations that failed so far, also where the reserve helped */

/* Test hook: the n-th try_* or owed_* call from now on this thread (1 = the next) returns NULL; 0
 * switches it off. */
void mem_fail_at(unsigned n);

#endif
