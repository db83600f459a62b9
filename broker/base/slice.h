/* slice.h - a pointer and a length: bytes that somebody else owns. Never NUL-terminated by promise.
 * A slice is valid as long as its owner says; an empty slice may have any pointer, also NULL. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct slice {
    const uint8_t *data;
    size_t len;
};

#define SLICE_LIT(s) ((struct slice){(const uint8_t *) ("" s), sizeof(s) - 1})
#define SLICE_INIT(s)                                                                              \
    {                                                                                              \
        (const uint8_t *) ("" s), sizeof(s) - 1                                                    \
    } /* the same for what is static */

static inline struct slice slice_of(const void *data, size_t len)
{
    return (struct slice){data, len};
}

static inline struct slice slice_str(const char *s) /* s may be NULL: empty */
{
    return (struct slice){(const uint8_t *) s, s == NULL ? 0 : strlen(s)};
}

static inline struct slice slice_from(struct slice s, size_t start) /* start <= s.len */
{
    return (struct slice){s.data == NULL ? NULL : s.data + start, s.len - start};
}

static inline struct slice slice_sub(struct slice s, size_t start, size_t end)
{
    return (struct slice){s.data == NULL ? NULL : s.data + start, end - start};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len &&
           (a.len == 0 || (a.data != NULL && b.data != NULL && memcmp(a.data, b.data, a.len) == 0));
}

/* ASCII case is ignored (header names and tokens; RFC 9110 section 5.1). */
static inline bool slice_eq_nocase(struct slice a, struct slice b)
{
    return a.len == b.len &&
           (a.len == 0 || (a.data != NULL && b.data != NULL &&
                           strncasecmp((const char *) a.data, (const char *) b.data, a.len) == 0));
}

static inline bool slice_eq_str(struct slice a, const char *s)
{
    return slice_eq(a, slice_str(s));
}

/* Not empty, and nothing but ASCII that can be seen. */
static inline bool slice_is_visible(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] <= ' ' || s.data[i] > '~')
            return false;
    return s.len > 0;
}

#endif
