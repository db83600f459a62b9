/* alloc.c - preloaded: makes one allocation of a running program fail, the n-th from when a test
 * says so. TORTURE_ALLOC names a file, which is mapped; the test writes `wanted` and reads the
 * rest. Beneath a sanitizer's own malloc() as well as the C library's. */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#define N_FRAMES 24

/* The layout that tests/e2e/torture.mjs knows. */
struct control {
    _Atomic uint64_t wanted; /* which one fails, from 1; 0: none */
    _Atomic uint64_t seen;   /* since the test last set it to 0, while something was wanted */
    _Atomic uint64_t failed;
    uint64_t size;             /* of the one that failed, and where it was: */
    uint64_t frames[N_FRAMES]; /* addresses as the program's file has them */
};

static struct control *control;
static uintptr_t program; /* where it was loaded */

/* Until begin() has run nothing can be looked up: the dynamic linker and a sanitizer allocate
 * before they can be asked. From here, never given back; each piece is preceded by its size. */
#define EARLY_BYTES (1 << 20)
static _Alignas(16) char early[EARLY_BYTES];
static size_t early_used;
static bool ready;

static void *early_alloc(size_t size)
{
    size_t whole = 16 + ((size + 15) & ~(size_t) 15);
    if (whole > sizeof(early) - early_used)
        abort();
    char *p = early + early_used + 16;
    early_used += whole;
    memcpy(p - 16, &size, sizeof(size));
    return p;
}

static bool is_early(const void *p)
{
    return (const char *) p >= early && (const char *) p < early + sizeof(early);
}

static void *early_realloc(void *old, size_t size)
{
    size_t had = 0;
    if (old != NULL)
        memcpy(&had, (char *) old - 16, sizeof(had));
    void *p = ready ? malloc(size) : early_alloc(size);
    if (p != NULL && had > 0)
        memcpy(p, old, had < size ? had : size);
    return p;
}

/* What we stand in front of. */
static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    int (*posix_memalign)(void **, size_t, size_t);
    char *(*strdup)(const char *);
    char *(*strndup)(const char *, size_t);
    void (*free)(void *);
} real;

static void find(const char *name, void *into)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL)
        abort();
    memcpy(into, &found, sizeof(found)); /* ISO C has no cast to a function pointer */
}

static bool fails(size_t size)
{
    if (control == NULL)
        return false;
    uint64_t wanted = atomic_load(&control->wanted);
    if (wanted == 0 || atomic_fetch_add(&control->seen, 1) + 1 != wanted)
        return false;
    void *frames[N_FRAMES];
    int n = backtrace(frames, N_FRAMES);
    control->size = size;
    for (int i = 0; i < N_FRAMES; i++)
        control->frames[i] = i < n ? (uintptr_t) frames[i] - program : 0;
    atomic_fetch_add(&control->failed, 1);
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    if (!ready)
        return early_alloc(size);
    return fails(size) ? NULL : real.malloc(size);
}

void *calloc(size_t count, size_t size)
{
    if (!ready)
        return early_alloc(count * size); /* zero from the start, and never given twice */
    return fails(count * size) ? NULL : real.calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    if (!ready || is_early(old))
        return early_realloc(old, size);
    return fails(size) ? NULL : real.realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails(size) ? NULL : real.aligned_alloc(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
    return fails(size) ? ENOMEM : real.posix_memalign(ret, alignment, size);
}

char *strdup(const char *s)
{
    return fails(strlen(s)) ? NULL : real.strdup(s);
}

char *strndup(const char *s, size_t n)
{
    return fails(n) ? NULL : real.strndup(s, n);
}

void free(void *p)
{
    if (!is_early(p) && p != NULL)
        real.free(p);
}

__attribute__((constructor)) static void begin(void)
{
    void *frames[2];
    (void) backtrace(frames, 2); /* it loads a library the first time, for good */
    find("malloc", &real.malloc);
    find("calloc", &real.calloc);
    find("realloc", &real.realloc);
    find("aligned_alloc", &real.aligned_alloc);
    find("posix_memalign", &real.posix_memalign);
    find("strdup", &real.strdup);
    find("strndup", &real.strndup);
    find("free", &real.free);
    ready = true;
    program = getauxval(AT_PHDR) & ~(uintptr_t) 0xfff;
    const char *name = getenv("TORTURE_ALLOC");
    int fd = name == NULL ? -1 : open(name, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *mapped = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void) close(fd);
    if (mapped != MAP_FAILED)
        control = mapped;
}
