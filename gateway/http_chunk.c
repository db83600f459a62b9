/* http_chunk.c - the framing of a chunked body, byte by byte. */
#include "http_chunk.h"

#include "http.h"

/* 15 hexadecimal digits cannot overflow 64 bits, and nobody sends 2^60 bytes. */
#define MAX_DIGITS 15

enum chunk_state {
    CHUNK_SIZE,
    CHUNK_EXT,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_LF,
    CHUNK_LAST, /* after the chunk of size 0: the end, or trailers */
    CHUNK_LAST_LF,
    CHUNK_DONE
};

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum refuse next(struct chunk_scan *s, bool ok, enum chunk_state state)
{
    s->state = (uint8_t) state;
    return ok ? REFUSE_NONE : REFUSE_CHUNK;
}

static enum refuse size_byte(struct chunk_scan *s, uint8_t c)
{
    int digit = hex_digit(c);
    if (digit >= 0) {
        s->size = s->size << 4 | (uint64_t) digit;
        return ++s->digits > MAX_DIGITS ? REFUSE_CHUNK : REFUSE_NONE;
    }
    if (c == ';')
        s->state = CHUNK_EXT;
    else if (c == '\r')
        s->state = CHUNK_SIZE_LF;
    else
        return REFUSE_CHUNK;
    return s->digits > 0 ? REFUSE_NONE : REFUSE_CHUNK;
}

static enum refuse ext_byte(struct chunk_scan *s, uint8_t c)
{
    if (c == '\r')
        return next(s, true, CHUNK_SIZE_LF);
    if (c < 0x20 || c >= 0x7f || ++s->ext_bytes > HTTP_MAX_CHUNK_EXT)
        return REFUSE_CHUNK_EXT;
    return REFUSE_NONE;
}

enum refuse chunk_scan(struct chunk_scan *s, uint8_t c)
{
    switch (s->state) {
    case CHUNK_SIZE:
        return size_byte(s, c);
    case CHUNK_EXT:
        return ext_byte(s, c);
    case CHUNK_SIZE_LF:
        s->left = s->size;
        s->digits = 0;
        s->size = 0;
        return next(s, c == '\n', s->left > 0 ? CHUNK_DATA : CHUNK_LAST);
    case CHUNK_DATA:
        return next(s, c == '\r', CHUNK_DATA_LF);
    case CHUNK_DATA_LF:
        return next(s, c == '\n', CHUNK_SIZE);
    case CHUNK_LAST: /* nothing of ours reads trailers, and they hide headers from head checks */
        if (c != '\r' && c != '\n')
            return REFUSE_TRAILER;
        return next(s, c == '\r', CHUNK_LAST_LF);
    case CHUNK_LAST_LF:
        return next(s, c == '\n', CHUNK_DONE);
    default:
        return REFUSE_CHUNK;
    }
}

void chunk_took(struct chunk_scan *s, size_t len)
{
    s->left -= len;
}

bool chunk_in_ext(const struct chunk_scan *s)
{
    return s->state == CHUNK_EXT;
}

bool chunk_done(const struct chunk_scan *s)
{
    return s->state == CHUNK_DONE;
}
