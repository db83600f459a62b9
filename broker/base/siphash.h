/* siphash.h - SipHash-2-4: a 64-bit hash for tables of names that outsiders choose. With a seed
 * drawn at random they cannot make up names that collide. (pure) */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include "slice.h"

struct siphash_seed {
    uint64_t k0, k1;
};

struct siphash_seed siphash_random_seed(void);

/* Of the 8 bytes of `scope` (little endian) followed by `bytes`: a name within something. */
uint64_t siphash(const struct siphash_seed *seed, uint64_t scope, struct slice bytes);

#endif
