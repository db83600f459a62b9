/* nats_random.h - chance, for names of inboxes and for waits that must not be all the same. Any
 * thread. */
#ifndef BROKER_NATS_NATS_RANDOM_H
#define BROKER_NATS_NATS_RANDOM_H

#include <stddef.h>
#include <stdint.h>

uint64_t nats_random_below(uint64_t n); /* 0 .. n - 1; n > 0 */
/* `len` characters of [0-9a-z] and a NUL. 20 are more than 103 bits. */
void nats_random_name(char *ret, size_t len);

#endif
