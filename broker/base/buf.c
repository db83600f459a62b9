/* buf.c - a growing byte buffer with a limit. */
#include "buf.h"

#include "mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_BYTES 64

void buf_init(struct buf *b, size_t limit)
{
    *b = (struct buf){.limit = limit};
}

void buf_init_owed(struct buf *b, size_t limit)
{
    *b = (struct buf){.limit = limit, .owed = true};
}

void buf_fini(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

/* Makes cap >= b->len + extra + nul; `nul` is 1 for a byte that the limit does not count. */
static int grow(struct buf *b, size_t extra, size_t nul)
{
    if (b->len > b->limit || extra > b->limit - b->len)
        return -EMSGSIZE;
    if (extra > SIZE_MAX - b->len - nul)
        return -ENOMEM;
    size_t need = b->len + extra + nul;
    if (need <= b->cap && b->data != NULL)
        return 0;
    size_t cap = b->cap > b->limit / 2 ? b->limit : b->cap * 2;
    if (cap < FIRST_BYTES)
        cap = b->limit < FIRST_BYTES ? b->limit : FIRST_BYTES;
    if (cap < need)
        cap = need;
    uint8_t *data = b->owed ? owed_realloc(b->data, cap) : try_realloc(b->data, cap);
    if (data == NULL)
        return -ENOMEM;
    b->data = data;
    b->cap = cap;
    return 0;
}

int buf_append(struct buf *b, struct slice s)
{
    if (s.len == 0)
        return 0;
    int r = grow(b, s.len, 0);
    if (r < 0)
        return r;
    memcpy(b->data + b->len, s.data, s.len);
    b->len += s.len;
    return 0;
}

int buf_append_str(struct buf *b, const char *s)
{
    return buf_append(b, slice_str(s));
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0)
        return -EINVAL;
    int r = grow(b, (size_t) len, 1); /* vsnprintf() writes a NUL, which is not kept */
    if (r < 0)
        return r;
    va_start(args, fmt);
    (void) vsnprintf((char *) b->data + b->len, (size_t) len + 1, fmt, args);
    va_end(args);
    b->len += (size_t) len;
    return 0;
}

int buf_reserve(struct buf *b, size_t len, uint8_t **ret)
{
    int r = grow(b, len, 0);
    if (r < 0)
        return r;
    *ret = b->data + b->len;
    return 0;
}

void buf_grew(struct buf *b, size_t len)
{
    ASSERT(len <= b->cap - b->len);
    b->len += len;
}

void buf_consume(struct buf *b, size_t len)
{
    ASSERT(len <= b->len);
    if (len == 0)
        return;
    b->len -= len;
    memmove(b->data, b->data + len, b->len);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
}
