/* http_chunk.h - the framing of a chunked body (RFC 9112 section 7.1): sizes, extensions, line
 * ends; everything but the data. (pure) */
#ifndef GATEWAY_HTTP_CHUNK_H
#define GATEWAY_HTTP_CHUNK_H

#include "refuse.h"
#include "slice.h"

struct chunk_scan {
    uint8_t state; /* enum chunk_state in http_chunk.c; zero is the start of a body */
    uint8_t digits;
    uint16_t ext_bytes; /* of all extensions of the body */
    uint64_t size;
    uint64_t left; /* data bytes that come next; while it is not 0 no framing byte is due */
};

/* The next framing byte, with left == 0. */
enum refuse chunk_scan(struct chunk_scan *s, uint8_t c);
void chunk_took(struct chunk_scan *s, size_t len); /* data bytes have been read */
bool chunk_in_ext(const struct chunk_scan *s);
bool chunk_done(const struct chunk_scan *s);

#endif
