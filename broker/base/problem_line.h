/* problem_line.h - what is wrong with a file, as config_load() and others say it. (pure) Any
 * thread.
 */
#ifndef BASE_PROBLEM_LINE_H
#define BASE_PROBLEM_LINE_H

#include "slice.h"

#include <stdbool.h>
#include <stdint.h>

struct problem_line {
    struct slice file, key, text;
    uint64_t line;
};

/* Takes "FILE:LINE: KEY: what was expected" apart; slices point into it. False: it is not one. */
bool problem_line_read(const char *line, struct problem_line *ret);

#endif
