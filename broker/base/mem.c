/* mem.c - see mem.h. */
#include "mem.h"

#include "err.h"

#include <stdatomic.h>
#include <stdlib.h>

static void *_Atomic reserve;
static atomic_bool is_short;
static _Atomic uint64_t failures;

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

/* --- the reserve --- */

bool mem_reserve(void)
{
    if (atomic_load(&reserve) == NULL) {
        void *fresh = malloc(MEM_RESERVE_BYTES), *none = NULL;
        if (fresh == NULL)
            return false;
        if (!atomic_compare_exchange_strong(&reserve, &none, fresh))
            free(fresh); /* another thread was faster */
    }
    atomic_store(&is_short, false);
    return true;
}

bool mem_is_short(void)
{
    return atomic_load_explicit(&is_short, memory_order_relaxed);
}

uint64_t mem_failures(void)
{
    return atomic_load_explicit(&failures, memory_order_relaxed);
}

static void *failed(void)
{
    atomic_fetch_add_explicit(&failures, 1, memory_order_relaxed);
    return NULL;
}

/* Another try is worth it also when another thread has just given the reserve up. */
void mem_help(void)
{
    (void) failed();
    atomic_store(&is_short, true);
    free(atomic_exchange(&reserve, NULL));
}

/* --- memory that has to be there --- */

void *xmalloc(size_t size)
{
    void *p = malloc(at_least_one(size));
    if (p == NULL) {
        mem_help();
        p = malloc(at_least_one(size));
    }
    ASSERT(p != NULL);
    return p;
}

void *xcalloc(size_t count, size_t size)
{
    void *p = calloc(at_least_one(count), at_least_one(size));
    if (p == NULL) {
        mem_help();
        p = calloc(at_least_one(count), at_least_one(size));
    }
    ASSERT(p != NULL);
    return p;
}

void *xrealloc(void *old, size_t size)
{
    void *p = realloc(old, at_least_one(size));
    if (p == NULL) {
        mem_help();
        p = realloc(old, at_least_one(size));
    }
    ASSERT(p != NULL);
    return p;
}

void *owed_realloc(void *old, size_t size)
{
    if (fails_now())
        return failed();
    void *p = realloc(old, at_least_one(size));
    if (p == NULL) {
        mem_help();
        p = realloc(old, at_least_one(size));
    }
    return p;
}

void *owed_malloc(size_t size)
{
    return owed_realloc(NULL, size);
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

/* --- memory that may be missing --- */

void *try_malloc(size_t size)
{
    void *p = fails_now() ? NULL : malloc(at_least_one(size));
    return p != NULL ? p : failed();
}

void *try_calloc(size_t count, size_t size)
{
    void *p = fails_now() ? NULL : calloc(at_least_one(count), at_least_one(size));
    return p != NULL ? p : failed();
}

void *try_realloc(void *old, size_t size)
{
    void *p = fails_now() ? NULL : realloc(old, at_least_one(size));
    return p != NULL ? p : failed();
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
