/* uuid.h - random ids for requests (RFC 9562 section 5.4). Any thread. */
#ifndef CLI_UUID_H
#define CLI_UUID_H

#include <stdint.h>

#define UUID_SIZE 37
void uuid_make(char ret[UUID_SIZE]);
uint64_t uuid_random(void);

#endif
