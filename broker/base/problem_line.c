/* problem_line.c - see problem_line.h. */
#include "problem_line.h"

#include <stdlib.h>
#include <string.h>

#define DIGITS "0123456789"

/* ":12: ", which no name of a file is likely to have in it. */
static const char *find_number(const char *line)
{
    for (const char *at = strchr(line, ':'); at != NULL; at = strchr(at + 1, ':')) {
        size_t n = strspn(at + 1, DIGITS);
        if (n > 0 && strncmp(at + 1 + n, ": ", 2) == 0)
            return at;
    }
    return NULL;
}

bool problem_line_read(const char *line, struct problem_line *ret)
{
    const char *number = find_number(line);
    const char *key = number == NULL ? NULL : strchr(number, ' ');
    const char *end = key == NULL ? NULL : strstr(++key, ": ");
    if (end == NULL)
        return false;
    *ret = (struct problem_line){
        .file = slice_of(line, (size_t) (number - line)),
        .line = strtoull(number + 1, NULL, 10),
        .key = slice_of(key, (size_t) (end - key)),
        .text = slice_str(end + 2),
    };
    return true;
}
