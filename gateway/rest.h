/* rest.h - requests of the management listener, between HTTP (request.c) and the operations
 * (rest_call.h): finding the route, who asks, the body, and the answer. Front's thread. */
#ifndef GATEWAY_REST_H
#define GATEWAY_REST_H

#include "conn.h"

/* The head is there; the connection has a rest_call afterwards, or has been answered. */
void rest_begin(struct conn *c);
struct buf *rest_body(struct conn *c); /* where the body goes; the caller accounts for its bytes */
void rest_received(struct conn *c);    /* the request is complete */
/* The connection ends: an answer that comes later finds nobody. */
void rest_drop(struct conn *c);

#endif
