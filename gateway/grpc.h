/* grpc.h - connections of the gRPC listener: their HTTP/2 sessions, and the life of each call
 * between the frames (h2.h) and the methods (grpc_call.h). Front's thread. */
#ifndef GATEWAY_GRPC_H
#define GATEWAY_GRPC_H

#include "conn.h"

/* The session is made with the first bytes; with the client's preface the connection is SERVING. */
void grpc_received(struct conn *c, struct slice in);
void grpc_writable(struct conn *c);
uint64_t grpc_deadline(const struct conn *c); /* loop time when to look again; while SERVING */
void grpc_on_deadline(struct conn *c, uint64_t now_ms);
/* Takes no new calls; the connection ends when those under way are answered. */
void grpc_drain(struct conn *c);
void grpc_drop(struct conn *c); /* the connection ends */

#endif
