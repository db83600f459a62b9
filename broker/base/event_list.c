/* event_list.c - which types of event a trigger names, in the order in which they were given. */
#include "event_list.h"

#include "err.h"

#include <string.h>

unsigned event_list_get(const struct event_list *l, uint8_t ret[EVENT_LIST_MAX])
{
    unsigned n = 0;
    for (; n < EVENT_LIST_MAX && l->order[n] != 0; n++)
        ret[n] = l->order[n];
    if (n > 0)
        return n;
    for (unsigned type = 1; type <= EVENT_LIST_MAX; type++)
        if ((l->mask & 1u << (type - 1)) != 0)
            ret[n++] = (uint8_t) type;
    return n;
}

/* The order is written down only where it is not that of the numbers: so equal lists are equal
 * members, and one without an order of its own is stored as it always was. */
void event_list_add(struct event_list *l, unsigned type)
{
    ASSERT(type >= 1 && type <= EVENT_LIST_MAX);
    unsigned bit = 1u << (type - 1);
    if ((l->mask & bit) != 0)
        return;
    if (l->order[0] != 0 || l->mask > bit) {
        uint8_t order[EVENT_LIST_MAX] = {0};
        unsigned n = event_list_get(l, order);
        order[n] = (uint8_t) type; /* there is room: it was not among them */
        memcpy(l->order, order, sizeof(order));
    }
    l->mask |= bit;
}

bool event_list_equal(const struct event_list *a, const struct event_list *b)
{
    return a->mask == b->mask && memcmp(a->order, b->order, sizeof(a->order)) == 0;
}
