/* route.h - method and path to handler, one table per listener. (pure) */
#ifndef GATEWAY_ROUTE_H
#define GATEWAY_ROUTE_H

#include "http.h"
#include "metrics.h"

enum route_handler {
    ROUTE_NONE,
    ROUTE_WEBSOCKET,
    ROUTE_EVENTS,
    ROUTE_HOOK,
    ROUTE_CONSENT, /* OPTIONS of what takes events: consent.h */
    ROUTE_HOOK_CONSENT,
    ROUTE_HEALTH,
    ROUTE_READY,
    ROUTE_METRICS
};

struct route {
    enum route_handler handler; /* ROUTE_NONE: refused */
    enum refuse why;            /* REFUSE_NOT_FOUND, REFUSE_METHOD or REFUSE_PATH */
    const char *allow;          /* for REFUSE_METHOD */
    /* The registry id of ROUTE_EVENTS and ROUTE_CONSENT, the token of ROUTE_HOOK and
     * ROUTE_HOOK_CONSENT; not decoded. */
    struct slice param;
};

/* The gateway listener serves WebSocket paths only; which ones is path.h's business. */
struct route route_find(enum metrics_listener where, const struct http_head *head);

#endif
