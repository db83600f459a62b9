/* siphash.c - SipHash-2-4 (Aumasson and Bernstein, 2012). */
#include "siphash.h"

#include "err.h"

#include <sys/random.h>

struct siphash_seed siphash_random_seed(void)
{
    struct siphash_seed seed;
    ssize_t n = getrandom(&seed, sizeof(seed), 0);
    ASSERT(n == (ssize_t) sizeof(seed)); /* up to 256 bytes never come short */
    return seed;
}

static uint64_t rotate(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

uint64_t siphash(const struct siphash_seed *seed, uint64_t scope, struct slice bytes)
{
    uint64_t v[4] = {seed->k0 ^ 0x736f6d6570736575u, seed->k1 ^ 0x646f72616e646f6du,
                     seed->k0 ^ 0x6c7967656e657261u, seed->k1 ^ 0x7465646279746573u};
    size_t i = 0;

    sip_word(v, scope);
    for (; bytes.len - i >= 8; i += 8) {
        uint64_t word;
        memcpy(&word, bytes.data + i, 8);
        sip_word(v, word);
    }
    uint64_t last = (uint64_t) (bytes.len + 8) << 56;
    for (unsigned shift = 0; i < bytes.len; i++, shift += 8)
        last |= (uint64_t) bytes.data[i] << shift;
    sip_word(v, last);
    v[2] ^= 0xff;
    for (int k = 0; k < 4; k++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
