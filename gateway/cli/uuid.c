/* uuid.c - random ids for requests. */
#include "uuid.h"

#include "err.h"

#include <stdio.h>
#include <sys/random.h>

uint64_t uuid_random(void)
{
    uint64_t value = 0;
    ASSERT(getrandom(&value, sizeof(value), 0) == (ssize_t) sizeof(value));
    return value;
}

void uuid_make(char ret[UUID_SIZE])
{
    uint64_t a = uuid_random(), b = uuid_random();
    (void) snprintf(ret, UUID_SIZE, "%08x-%04x-4%03x-%04x-%012llx", (unsigned) (a >> 32),
                    (unsigned) (a >> 16 & 0xffff), (unsigned) (a & 0xfff),
                    (unsigned) (0x8000 | (b >> 48 & 0x3fff)),
                    (unsigned long long) (b & 0xffffffffffff));
}
