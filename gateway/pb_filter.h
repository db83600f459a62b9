/* pb_filter.h - a trigger's filter in protobuf: regcast.triggers.v1.Filter, which both versions of
 * the API have. (pure) Any thread. */
#ifndef GATEWAY_PB_FILTER_H
#define GATEWAY_PB_FILTER_H

#include "pb_make.h"
#include "trigger_check.h"

#include <regcast/triggers/v1/filter.pb-c.h>

typedef Regcast__Triggers__V1__Filter pb_filter;

/* NULL: the request does not say; nothing happens. Fields are told by their paths of v1. */
void pb_filter_read(const pb_filter *in, struct trigger_spec *t, struct status *found);
/* Borrows the strings. NULL for NULL. */
pb_filter *pb_filter_make(struct pb_arena *a, const struct filter *from);

#endif
