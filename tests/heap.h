/* heap.h - how many bytes of heap are in use now, for tests that assert it. */
#ifndef TESTS_HEAP_H
#define TESTS_HEAP_H

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HEAP_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HEAP_SANITIZER
#endif

#ifdef HEAP_SANITIZER
size_t __sanitizer_get_current_allocated_bytes(void); /* gcc has no header for it */
static inline size_t heap_bytes(void)
{
    return __sanitizer_get_current_allocated_bytes();
}
#else
#include <malloc.h>
static inline size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}
#endif

#endif
