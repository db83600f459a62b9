/* identity_caps.h - how many connections who has proved the same name has open, counted for the
 * whole process: a token that was passed on opens no more than its owner may. Only letting in and
 * closing look here. Any thread. */
#ifndef GATEWAY_IDENTITY_CAPS_H
#define GATEWAY_IDENTITY_CAPS_H

#include "slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct identity_caps;
struct identity_count; /* of one name; is there as long as it has connections */

struct identity_caps *identity_caps_new(void);    /* never NULL */
void identity_caps_free(struct identity_caps *i); /* NULL is fine; nothing is open any more */

/* One more connection of `name`, in any bytes, of which `most` may be open. NULL: they are; else it
 * is for identity_caps_leave(). */
struct identity_count *identity_caps_enter(struct identity_caps *i, struct slice name,
                                           uint64_t most);
void identity_caps_leave(struct identity_caps *i, struct identity_count *count);

size_t identity_caps_size(struct identity_caps *i); /* names with connections */

#endif
