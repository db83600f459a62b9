/* utf8.h - UTF-8 validation over any cut of the input (RFC 3629: no overlong forms, no surrogates,
 * nothing above U+10FFFF). (pure) Any thread. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "slice.h"

struct utf8 {
    uint8_t need;      /* continuation bytes still to come */
    uint8_t low, high; /* bounds of the next continuation byte */
};

static inline void utf8_init(struct utf8 *u)
{
    *u = (struct utf8){0};
}
/* False at the first byte that cannot continue valid UTF-8; `u` is then of no use. */
bool utf8_feed(struct utf8 *u, struct slice s);
static inline bool utf8_complete(const struct utf8 *u) /* no sequence is cut */
{
    return u->need == 0;
}
bool utf8_valid(struct slice s); /* a whole text */
/* The first `max` bytes of a whole text, or fewer: no character is cut. */
struct slice utf8_cut(struct slice s, size_t max);

#endif
