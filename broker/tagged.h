/* tagged.h - small records as tagged fields, so that a later version may add fields and an earlier
 * one skips them: a letter for the kind, a byte of version, then fields in the order of their tags,
 * each a tag, 4 bytes of length (little endian) and the bytes. (pure) Any thread. */
#ifndef BROKER_TAGGED_H
#define BROKER_TAGGED_H

#include "buf.h"

/* Appending; errors are buf_append()'s. Fields go in ascending order of their tags. */
MUST_CHECK int tagged_begin(struct buf *out, char kind, uint8_t version);
MUST_CHECK int tagged_put(struct buf *out, uint8_t tag, struct slice value);
MUST_CHECK int tagged_put_u64(struct buf *out, uint8_t tag, uint64_t value);
/* Nothing is written of an empty text: it is what a missing field means. */
MUST_CHECK int tagged_put_text(struct buf *out, uint8_t tag, const char *value);

struct tagged {
    struct slice in;
    uint8_t last; /* tag */
};
struct tagged_field {
    uint8_t tag;
    struct slice value; /* points into what is read */
};
/* False: another kind, or a version above `version`, whose fields may mean something else. */
bool tagged_open(struct tagged *t, struct slice record, char kind, uint8_t version);
/* 1: *ret is the next field, 0: there is no more, -EBADMSG: cut, or out of order. */
MUST_CHECK int tagged_next(struct tagged *t, struct tagged_field *ret);
bool tagged_u64(const struct tagged_field *f, uint64_t *ret); /* false: of another width */
bool tagged_text(const struct tagged_field *f, size_t max);   /* no NUL in it, not longer */
bool tagged_copy(const struct tagged_field *f, char *to, size_t size); /* the same, with a NUL */

#endif
