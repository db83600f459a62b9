/* sha256.c - SHA-256 (FIPS 180-4): with the processor's instructions for it where it has them,
 * which is four times as fast, by mbedtls elsewhere. */
#include "sha256.h"

#include "err.h"

#include <mbedtls/sha256.h>
#include <stdatomic.h>

static void by_mbedtls(struct slice a, struct slice b, uint8_t ret[SHA256_SIZE])
{
    mbedtls_sha256_context sha;
    mbedtls_sha256_init(&sha);
    int r = mbedtls_sha256_starts(&sha, 0);
    if (r == 0 && a.len > 0)
        r = mbedtls_sha256_update(&sha, a.data, a.len);
    if (r == 0 && b.len > 0)
        r = mbedtls_sha256_update(&sha, b.data, b.len);
    if (r == 0)
        r = mbedtls_sha256_finish(&sha, ret);
    ASSERT(r == 0); /* it takes no memory, and nothing else can fail */
    mbedtls_sha256_free(&sha);
}

#ifdef __x86_64__

#include <cpuid.h>
#include <immintrin.h>

enum { BLOCK = 64, LENGTH = 8 };

/* FIPS 180-4 sections 4.2.2 and 5.3.3. */
static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
static const uint32_t START[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

/* The instructions want the state as ABEF and CDGH, its highest word first. */
__attribute__((target("sha,sse4.1"))) static void compress(uint32_t state[8], const uint8_t *block,
                                                           size_t n_blocks)
{
    const __m128i big_endian = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    __m128i badc = _mm_shuffle_epi32(_mm_loadu_si128((const void *) state), 0xb1);
    __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128((const void *) (state + 4)), 0x1b);
    __m128i abef = _mm_alignr_epi8(badc, hgfe, 8), cdgh = _mm_blend_epi16(hgfe, badc, 0xf0);

    for (; n_blocks > 0; n_blocks--, block += BLOCK) {
        __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i w[4]; /* the last 16 words of the schedule, 4 in each */
#pragma GCC unroll 16
        for (unsigned i = 0; i < 16; i++) { /* 4 rounds each */
            __m128i *now = &w[i % 4];
            const __m128i *last = &w[(i + 3) % 4];
            if (i < 4) {
                *now = _mm_loadu_si128((const void *) (block + 16 * (size_t) i));
                *now = _mm_shuffle_epi8(*now, big_endian);
            } else {
                *now = _mm_sha256msg1_epu32(*now, w[(i + 1) % 4]);
                *now = _mm_add_epi32(*now, _mm_alignr_epi8(*last, w[(i + 2) % 4], 4));
                *now = _mm_sha256msg2_epu32(*now, *last);
            }
            __m128i sum = _mm_add_epi32(*now, _mm_loadu_si128((const void *) (K + 4 * (size_t) i)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }

    __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((void *) state, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((void *) (state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

static void put_big_endian(uint8_t *to, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t) (value >> (8 * (size - 1 - i)));
}

/* What was not a whole block yet, and the state. */
struct stream {
    uint32_t state[8];
    uint8_t rest[BLOCK];
    size_t n_rest;
};

static void feed(struct stream *s, struct slice in)
{
    if (in.len == 0)
        return;
    if (s->n_rest + in.len >= BLOCK && s->n_rest > 0) {
        size_t n = BLOCK - s->n_rest;
        memcpy(s->rest + s->n_rest, in.data, n);
        compress(s->state, s->rest, 1);
        in = slice_of(in.data + n, in.len - n);
        s->n_rest = 0;
    }
    if (s->n_rest == 0) {
        size_t n = in.len - in.len % BLOCK;
        compress(s->state, in.data, n / BLOCK);
        in = slice_of(in.data + n, in.len - n);
    }
    memcpy(s->rest + s->n_rest, in.data, in.len);
    s->n_rest += in.len;
}

static void by_processor(struct slice a, struct slice b, uint8_t ret[SHA256_SIZE])
{
    struct stream s = {.n_rest = 0};
    memcpy(s.state, START, sizeof(START));
    feed(&s, a);
    feed(&s, b);

    uint8_t end[2 * BLOCK] = {0}; /* the rest, a one bit, zeros, and the length in bits */
    size_t len = s.n_rest < BLOCK - LENGTH ? BLOCK : 2 * BLOCK;
    memcpy(end, s.rest, s.n_rest);
    end[s.n_rest] = 0x80;
    put_big_endian(end + len - LENGTH, ((uint64_t) a.len + b.len) * 8, LENGTH);
    compress(s.state, end, len / BLOCK);
    for (size_t i = 0; i < 8; i++)
        put_big_endian(ret + 4 * i, s.state[i], 4);
}

static bool processor_can(void)
{
    static _Atomic int known; /* asking takes as long as many hashes; 0: not asked yet */
    int can = atomic_load_explicit(&known, memory_order_relaxed);
    if (can == 0) {
        unsigned a, b, c, d;
        bool sse =
            __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_SSSE3) != 0 && (c & bit_SSE4_1) != 0;
        bool sha = __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0;
        can = sse && sha ? 1 : -1;
        atomic_store_explicit(&known, can, memory_order_relaxed);
    }
    return can > 0;
}

#else

static bool processor_can(void)
{
    return false;
}
#define by_processor by_mbedtls

#endif

void sha256(struct slice a, struct slice b, uint8_t ret[SHA256_SIZE])
{
    if (processor_can())
        by_processor(a, b, ret);
    else
        by_mbedtls(a, b, ret);
}
