/* route_rate.h - x-yc-apigateway-rate-limit: how many handshakes the paths of a specification take.
 * Counted for the whole process without a lock, and for the same rule on through a reload.
 *
 * One rule is one count: the gateway's own for all paths that have no other, one of components for
 * all paths that refer to it, one that stands at a path for that path. As many as the rule says may
 * come at once; then each has to wait for its share of the second or minute. */
#ifndef GATEWAY_ROUTE_RATE_H
#define GATEWAY_ROUTE_RATE_H

#include "err.h"
#include "spec.h"

struct route_rates;

/* For the routes of a specification; NULL is one without any. Rules that are in `before` as well
 * (NULL: there is none), with the same numbers, go on with what they have counted. 0; *ret is NULL
 * when no path has a rule. -ENOMEM. One thread, that of reloads. */
MUST_CHECK int route_rates_new(const struct spec *spec, const struct route_rates *before,
                               struct route_rates **ret);
/* Nobody looks at it any more. The thread of reloads; NULL is fine. */
void route_rates_free(struct route_rates *rates);

/* One more handshake on `route` at that monotonic time. 0: it may go on, and is counted. Else it
 * may not, and would have to wait so many seconds. Any thread. `rates` NULL: there are no rules;
 * those of another specification than the route's (while a reload goes on) count nothing. */
unsigned route_rates_take(const struct route_rates *rates, const struct spec_route *route,
                          uint64_t now_us);

#endif
