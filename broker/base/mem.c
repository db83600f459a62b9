/* mem.c - memory that aborts, memory that is checked, and failures on demand. */
#include "mem.h"

#include "err.h"

#include <stdlib.h>

static _Thread_local unsigned fail_in; /* try_* calls until the one that fails; 0: none will */

/* malloc(0) may give NULL, which here would read as "no memory". */
static size_t at_least_one(size_t size)
{
    return size > 0 ? size : 1;
}

static bool fails_now(void)
{
    return fail_in > 0 && --fail_in == 0;
}

void *xmalloc(size_t size)
{
    void *p = malloc(at_least_one(size));
    ASSERT(p != NULL);
    return p;
}

void *xcalloc(size_t count, size_t size)
{
    void *p = calloc(at_least_one(count), at_least_one(size));
    ASSERT(p != NULL);
    return p;
}

void *xrealloc(void *old, size_t size)
{
    void *p = realloc(old, at_least_one(size));
    ASSERT(p != NULL);
    return p;
}

char *xstrdup(const char *s)
{
    return s == NULL ? NULL : xslicedup(slice_str(s));
}

char *xslicedup(struct slice s)
{
    char *p = xmalloc(s.len + 1);
    if (s.len > 0)
        memcpy(p, s.data, s.len);
    p[s.len] = '\0';
    return p;
}

void *try_malloc(size_t size)
{
    return fails_now() ? NULL : malloc(at_least_one(size));
}

void *try_realloc(void *old, size_t size)
{
    return fails_now() ? NULL : realloc(old, at_least_one(size));
}

void *mem_zalloc(void *opaque, unsigned count, unsigned size)
{
    (void) opaque;
    return try_malloc((size_t) count * size);
}

void mem_zfree(void *opaque, void *memory)
{
    (void) opaque;
    free(memory);
}

void mem_fail_at(unsigned n)
{
    fail_in = n;
}
