/* session.h - an open WebSocket or stream of server-sent events (sse.h): what the client sends,
 * pings, deadlines, closing. Loop's thread. */
#ifndef GATEWAY_SESSION_H
#define GATEWAY_SESSION_H

#include "conn.h"

/* The connection joins the group of its path at `position` (GROUP_TAIL: at the log's tail) and is
 * sent `answer`, the 101 or 200: in this order, so that a client that has its answer misses
 * nothing. It may have ended on return. Who joins behind the tail needs a fanout_start(). */
void session_open(struct conn *c, struct group *g, struct slice answer, uint64_t position);
void session_received(struct conn *c, struct slice in);
/* Its dialog has room again: reads on, first what had come before. It may have ended on return. */
void session_go_on(struct conn *c);
/* Sends a message of its own, as a broadcast's would be cut. It may have ended on return. */
void session_send_message(struct conn *c, enum frame_opcode opcode, struct slice payload);
/* When the earliest of its deadlines is due, and what to do then. */
uint64_t session_deadline(const struct conn *c);
void session_on_deadline(struct conn *c, uint64_t now);
/* Sends what is new, then a close frame or the event that stands for one, and lingers. */
void session_close(struct conn *c, enum conn_end end, uint16_t code, const char *reason);
/* Fails the connection with the close code of `why`; counts and logs it. */
void session_refuse(struct conn *c, enum refuse why);
/* The messages of notice.h, for clients with regcast.v1 or events; nothing for others. The
 * connection may have ended on return. */
void session_recovered(struct conn *c, const char *since);
void session_gap(struct conn *c, const char *reason, const char *since, const char *oldest);
/* Closes at loop time `due_ms` with 1001 or 1012 (server shutdown), and says so before. */
void session_drain(struct conn *c, uint64_t due_ms);
/* The configuration has changed: who would not be let in any more is closed with 4003, who is on a
 * path that is gone with 1001 within gateway.drain_timeout; the deadlines of the others come no
 * later than they would for one that was opened now. The connection may have ended on return. */
void session_follow(struct conn *c);

#endif
