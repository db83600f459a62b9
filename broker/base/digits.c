/* digits.c - numbers as decimal text. */
#include "digits.h"

#include <string.h>

size_t digits_of(uint64_t value, char ret[DIGITS_MAX])
{
    char digits[DIGITS_MAX];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char) ('0' + value % 10);
        value /= 10;
    } while (value > 0);
    memcpy(ret, digits + at, sizeof(digits) - at);
    return sizeof(digits) - at;
}
