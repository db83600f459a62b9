/* digits.h - numbers as decimal text, without printf(), where they are written by the thousand.
 * (pure) Any thread. */
#ifndef BASE_DIGITS_H
#define BASE_DIGITS_H

#include <stddef.h>
#include <stdint.h>

#define DIGITS_MAX 20 /* of the largest number; no NUL follows */

/* Returns how many there are. */
size_t digits_of(uint64_t value, char ret[DIGITS_MAX]);

#endif
