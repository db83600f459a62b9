/* id.c - 20-character ids. */
#include "id.h"

#include "err.h"
#include "sha256.h"

#define PREFIX_LEN    3
#define MS_BITS       48
#define SEQUENCE_BITS 37
#define HI_BITS       21 /* of the 85, above the low word */

static const char ALPHABET[] = "0123456789abcdefghijklmnopqrstuv"; /* in ASCII order: ids sort */

void id_encode(const char prefix[3], uint64_t hi, uint64_t lo, char ret[ID_SIZE])
{
    ASSERT(hi < 1u << HI_BITS);
    memcpy(ret, prefix, PREFIX_LEN);
    for (size_t i = ID_LEN; i-- > PREFIX_LEN;) {
        ret[i] = ALPHABET[lo & 31];
        lo = lo >> 5 | hi << 59;
        hi >>= 5;
    }
    ret[ID_LEN] = '\0';
}

bool id_decode(const char prefix[3], struct slice s, uint64_t *ret_hi, uint64_t *ret_lo)
{
    if (s.len != ID_LEN || memcmp(s.data, prefix, PREFIX_LEN) != 0)
        return false;
    uint64_t hi = 0, lo = 0;
    for (size_t i = PREFIX_LEN; i < ID_LEN; i++) {
        uint8_t c = s.data[i];
        uint64_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint64_t) (c - '0');
        else if (c >= 'a' && c <= 'v')
            digit = (uint64_t) (c - 'a') + 10;
        else
            return false;
        hi = hi << 5 | lo >> 59;
        lo = lo << 5 | digit;
    }
    *ret_hi = hi;
    *ret_lo = lo;
    return true;
}

/* One of the lane above `after`. */
static uint64_t next_in_lane(const struct id_gen *gen, uint64_t after)
{
    return gen->in_lane ? after / ID_LANES * ID_LANES + ID_LANES + gen->lane : after + 1;
}

void id_next(struct id_gen *gen, const char prefix[3], uint64_t wall_ms, char ret[ID_SIZE])
{
    uint64_t first = gen->in_lane ? gen->lane : 0;
    if (wall_ms > gen->last_ms) {
        gen->last_ms = wall_ms;
        gen->sequence = first;
    } else {
        gen->sequence = next_in_lane(gen, gen->sequence);
    }
    if (gen->sequence >> SEQUENCE_BITS != 0) {
        gen->last_ms++;
        gen->sequence = first;
    }
    ASSERT(gen->last_ms >> MS_BITS == 0); /* the year 10889 */
    id_encode(prefix, gen->last_ms >> (64 - SEQUENCE_BITS),
              gen->last_ms << SEQUENCE_BITS | gen->sequence, ret);
}

void id_event(struct id_gen *gen, uint64_t wall_ms, char ret[ID_SIZE])
{
    id_next(gen, EVENT_ID_PREFIX, wall_ms, ret);
}

bool id_pack(const char prefix[3], struct slice s, uint8_t ret[ID_PACKED_SIZE])
{
    uint64_t hi, lo;
    if (!id_decode(prefix, s, &hi, &lo))
        return false;
    for (size_t i = ID_PACKED_SIZE; i-- > 0;) {
        ret[i] = (uint8_t) lo;
        lo = lo >> 8 | hi << 56;
        hi >>= 8;
    }
    return true;
}

void id_unpack(const char prefix[3], const uint8_t packed[ID_PACKED_SIZE], char ret[ID_SIZE])
{
    uint64_t hi = 0, lo = 0;
    for (size_t i = 0; i < ID_PACKED_SIZE; i++) {
        hi = hi << 8 | lo >> 56;
        lo = lo << 8 | packed[i];
    }
    id_encode(prefix, hi & ((1u << HI_BITS) - 1), lo, ret);
}

bool id_gen_resume_as(struct id_gen *gen, const char prefix[3], struct slice last_id)
{
    uint64_t hi, lo;
    if (!id_decode(prefix, last_id, &hi, &lo))
        return false;
    gen->last_ms = hi << (64 - SEQUENCE_BITS) | lo >> SEQUENCE_BITS;
    gen->sequence = lo & ((1ull << SEQUENCE_BITS) - 1);
    return true;
}

bool id_gen_resume(struct id_gen *gen, struct slice last_event_id)
{
    return id_gen_resume_as(gen, EVENT_ID_PREFIX, last_event_id);
}

void id_image(const char *registry_id, const char *digest, char ret[ID_SIZE])
{
    uint8_t sum[SHA256_SIZE];
    /* with the NUL between them, so that no two pairs run on */
    sha256(slice_of(registry_id, strlen(registry_id) + 1), slice_str(digest), sum);

    uint64_t hi = 0, lo = 0; /* the first 88 bits, then the last 3 of them are dropped */
    for (size_t i = 0; i < 11; i++) {
        hi = hi << 8 | lo >> 56;
        lo = lo << 8 | sum[i];
    }
    id_encode("crt", hi >> 3, hi << 61 | lo >> 3, ret);
}
