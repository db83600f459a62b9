/* event_list.h - which types of event a trigger names, each once, in the order in which they were
 * given: it means nothing to us, but whoever compares lists (terraform) wants his own back. A type
 * is the API's number. (pure) Any thread. */
#ifndef BASE_EVENT_LIST_H
#define BASE_EVENT_LIST_H

#include <stdbool.h>
#include <stdint.h>

#define EVENT_LIST_MAX 4 /* types there are: 1 to this */

/* All zero: none. A mask alone is a list too, in the order of the numbers. */
struct event_list {
    unsigned mask;                 /* bit N - 1 for type N (CONFIG_* of config.h) */
    uint8_t order[EVENT_LIST_MAX]; /* first to last, then 0; all 0: that of the numbers */
};

/* Behind the others; nothing happens if it is there already. */
void event_list_add(struct event_list *l, unsigned type);
/* In their order; returns how many. */
unsigned event_list_get(const struct event_list *l, uint8_t ret[EVENT_LIST_MAX]);
bool event_list_equal(const struct event_list *a, const struct event_list *b); /* order too */

#endif
