/* request.h - a connection before it is a WebSocket: HTTP requests on any listener. Loop's thread.
 */
#ifndef GATEWAY_REQUEST_H
#define GATEWAY_REQUEST_H

#include "conn.h"

#define REQUEST_ANSWER_MAX (64u << 20) /* /metrics with very many paths */

/* Feeds received bytes to the parser and acts on what comes out. */
void request_received(struct conn *c, struct slice in);
/* The connection may go on: something blocked has left (the next pipelined request may be read). */
void request_writable(struct conn *c);
/* Nothing of it is in this process but the socket, of which the next request has not been read: it
 * can go on in another one. */
bool request_can_move(const struct conn *c);
/* A limit of states REQUEST, BODY, HANDLING or KEEPALIVE has passed. */
void request_timeout(struct conn *c);
/* The connection ends: gives back what the request holds. An answer that comes later finds nobody.
 */
void request_drop(struct conn *c);
/* A whole answer to the current request, which is in state HANDLING or not read to its end; with
 * `close` it is the connection's last. `extra`: whole header lines, or NULL. */
void request_answer(struct conn *c, unsigned status, const char *extra, struct slice body,
                    bool close);
/* The answer came later than its request: what was pipelined behind it may be read now. */
void request_go_on(struct conn *c);
/* Answers with the fixed refusal and ends the connection. `allow` for 405, else NULL. Where no
 * HTTP/1.1 is spoken (gRPC) it just ends. */
void request_refuse(struct conn *c, enum refuse why, const char *allow);
/* The same with what else the log is to say. */
void request_refuse_because(struct conn *c, enum refuse why, const char *allow, const char *detail);
/* The same where it is known how many seconds it would be in vain to come back. */
void request_refuse_until(struct conn *c, enum refuse why, unsigned wait_s);

#endif
