/* buf.h - a growing byte buffer with a limit. Belongs to one thread; starts without memory and
 * keeps what it has until buf_fini(). */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "err.h"
#include "slice.h"

#include <stdbool.h>

struct buf {
    uint8_t *data;
    size_t len, cap;
    size_t limit; /* bytes; an append that would pass it is refused whole */
    bool owed;    /* grows with owed_realloc() (mem.h) */
};

void buf_init(struct buf *b, size_t limit);
void buf_init_owed(struct buf *b, size_t limit); /* for what cannot be refused any more */
void buf_fini(
    struct buf *b); /* frees; usable again after buf_init() only. Fine for a zeroed struct */

/* 0, -EMSGSIZE (over the limit) or -ENOMEM; on an error nothing was appended. */
MUST_CHECK int buf_append(struct buf *b, struct slice s);
MUST_CHECK int buf_append_str(struct buf *b, const char *s);
MUST_CHECK int buf_printf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Room for `len` bytes at the end; *ret points there until the next call. buf_grew() adds them. */
MUST_CHECK int buf_reserve(struct buf *b, size_t len, uint8_t **ret);
void buf_grew(struct buf *b, size_t len);

void buf_consume(struct buf *b, size_t len); /* drops the first `len` bytes */
void buf_clear(struct buf *b);               /* len = 0, memory kept */
static inline struct slice buf_slice(const struct buf *b)
{
    return (struct slice){b->data, b->len};
}

#endif
