/* sha256.h - SHA-256 of short texts. (pure) Any thread. */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include "slice.h"

#define SHA256_SIZE 32

/* Of `a` followed by `b`. */
void sha256(struct slice a, struct slice b, uint8_t ret[SHA256_SIZE]);

#endif
