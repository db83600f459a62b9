/* discovery.h - where the services are, as ApiEndpointService tells it. Front's thread. */
#ifndef GATEWAY_DISCOVERY_H
#define GATEWAY_DISCOVERY_H

#include "manage.h"

/* What clients look up, by the original's ids, sorted. */
#define DISCOVERY_N 9
extern const char *const DISCOVERY_SERVICES[DISCOVERY_N];
/* Whether there is one of that id; false with what is wrong. */
bool discovery_has(const char *id, struct status *ret_error);

/* Where a listener is reached: a wildcard address by the name that the client has used, `host`, a
 * Host header or ":authority". `bound` is what the listener is bound to. */
#define DISCOVERY_ADDRESS_SIZE (LISTENER_NAME_SIZE + 256)
void discovery_address(const char *host, const char *bound, char ret[DISCOVERY_ADDRESS_SIZE]);
/* Where the services are: gRPC's first listener, or REST's if there is none. */
void discovery_services_address(const struct manage *m, const char *host,
                                char ret[DISCOVERY_ADDRESS_SIZE]);

#endif
