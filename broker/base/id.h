/* id.h - 20-character ids: a 3-letter prefix and 17 lower-case base32hex characters (0-9, a-v), as
 * the original service prints them (85 bits). Any thread unless said otherwise. */
#ifndef BASE_ID_H
#define BASE_ID_H

#include "slice.h"

#include <stdbool.h>
#include <stdint.h>

#define ID_LEN  20
#define ID_SIZE 21 /* with the NUL */

#define EVENT_ID_PREFIX "crt"

/* The next event id, `crt` + 48 bits of wall-clock milliseconds + 37 bits of sequence: ids of one
 * generator sort as strings in the order they were made, also when the wall clock steps back (the
 * largest millisecond seen is kept). All zero is one. Broker thread only.
 *
 * Of several generators each takes a lane, which the last bits of the sequence say: no two of them
 * make the same id, whatever their clocks say. A generator may go on behind an id of another lane.
 */
#define ID_LANES 64 /* a power of two */
struct id_gen {
    uint64_t last_ms, sequence;
    bool in_lane;
    uint8_t lane; /* below ID_LANES */
};
void id_event(struct id_gen *gen, uint64_t wall_ms, char ret[ID_SIZE]);
/* The same with another prefix. */
void id_next(struct id_gen *gen, const char prefix[3], uint64_t wall_ms, char ret[ID_SIZE]);

/* The stable image id: `crt` + the first 85 bits of SHA-256(registry id, NUL, digest). */
void id_image(const char *registry_id, const char *digest, char ret[ID_SIZE]);

/* Writes prefix + the low 85 bits of (hi << 64 | lo); hi < 2^21. id_decode() is the inverse:
 * false when `s` is not 20 characters, has another prefix or a character outside base32hex. */
void id_encode(const char prefix[3], uint64_t hi, uint64_t lo, char ret[ID_SIZE]);
bool id_decode(const char prefix[3], struct slice s, uint64_t *ret_hi, uint64_t *ret_lo);

/* An id without its prefix in binary: big-endian, so that packed ids sort as the ids do. False when
 * it is none. id_unpack() is the inverse. */
#define ID_PACKED_SIZE 11
bool id_pack(const char prefix[3], struct slice s, uint8_t ret[ID_PACKED_SIZE]);
void id_unpack(const char prefix[3], const uint8_t packed[ID_PACKED_SIZE], char ret[ID_SIZE]);
/* Goes on after an event id made earlier, of whatever wall clock. False when it is none. */
bool id_gen_resume(struct id_gen *gen, struct slice last_event_id);
bool id_gen_resume_as(struct id_gen *gen, const char prefix[3], struct slice last_id);

#endif
