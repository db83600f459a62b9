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

/* In registers, not in an array: that halves the time of a hash. */
struct sip {
    uint64_t a, b, c, d;
};

static inline void sip_round(struct sip *v)
{
    v->a += v->b;
    v->b = rotate(v->b, 13) ^ v->a;
    v->a = rotate(v->a, 32);
    v->c += v->d;
    v->d = rotate(v->d, 16) ^ v->c;
    v->a += v->d;
    v->d = rotate(v->d, 21) ^ v->a;
    v->c += v->b;
    v->b = rotate(v->b, 17) ^ v->c;
    v->c = rotate(v->c, 32);
}

static inline void sip_word(struct sip *v, uint64_t word)
{
    v->d ^= word;
    sip_round(v);
    sip_round(v);
    v->a ^= word;
}

uint64_t siphash(const struct siphash_seed *seed, uint64_t scope, struct slice bytes)
{
    struct sip v = {seed->k0 ^ 0x736f6d6570736575u, seed->k1 ^ 0x646f72616e646f6du,
                    seed->k0 ^ 0x6c7967656e657261u, seed->k1 ^ 0x7465646279746573u};
    size_t i = 0;

    sip_word(&v, scope);
    for (; bytes.len - i >= 8; i += 8) {
        uint64_t word;
        memcpy(&word, bytes.data + i, 8);
        sip_word(&v, word);
    }
    uint64_t last = (uint64_t) (bytes.len + 8) << 56;
    for (unsigned shift = 0; i < bytes.len; i++, shift += 8)
        last |= (uint64_t) bytes.data[i] << shift;
    sip_word(&v, last);
    v.c ^= 0xff;
    for (int k = 0; k < 4; k++)
        sip_round(&v);
    return v.a ^ v.b ^ v.c ^ v.d;
}
