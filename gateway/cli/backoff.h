/* backoff.h - how long to wait before the next attempt: a random part of a bound that doubles, so
 * that many clients of one server spread evenly. (pure) One thread. */
#ifndef CLI_BACKOFF_H
#define CLI_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_MS 500
#define BACKOFF_MOST_MS  30000
/* What a server may ask for at most: more would look like a hang. */
#define BACKOFF_MOST_ASKED_MS 300000

struct backoff {
    unsigned failures; /* in a row; 0 to begin with and after a success */
};

/* `random`: any number, evenly spread. `asked_ms`: Retry-After, 0 for none; the wait is at least
 * that. Milliseconds. */
uint64_t backoff_next(struct backoff *b, uint64_t random, uint64_t asked_ms);

#endif
