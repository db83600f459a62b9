/* nats_random.c - chance. */
#include "nats_random.h"

#include "err.h"

#include <sys/random.h>

uint64_t nats_random_below(uint64_t n)
{
    uint64_t value;
    ssize_t got = getrandom(&value, sizeof(value), 0); /* whole, up to 256 bytes: getrandom(2) */
    ASSERT(got == (ssize_t) sizeof(value));
    return value %
           n; /* n is small: the first few numbers are not likelier by anything that counts */
}

void nats_random_name(char *ret, size_t len)
{
    static const char LETTERS[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    for (size_t i = 0; i < len; i++)
        ret[i] = LETTERS[nats_random_below(sizeof(LETTERS) - 1)];
    ret[len] = '\0';
}
