/* dialog.h - what is said between a connection on a path of the specification and its backend: the
 * handshake, which the backend may refuse (`connect`), the client's messages one after the other
 * (`message`), and the end (`disconnect`). Loop's thread.
 *
 * A dialog has one request under way at a time, so what a client sends arrives in its order; its
 * next messages wait here, and when there are gateway.backends.max_queue of them the connection is
 * not read until there is room. It outlives its connection: what was taken is still passed on, and
 * then the end is told. Nothing of this is on the way of a broadcast. */
#ifndef GATEWAY_DIALOG_H
#define GATEWAY_DIALOG_H

#include "conn.h"
#include "frame.h"
#include "spec.h"

struct dialog;

/* The handshake on `route` goes to those who decide: authorizers, then the operation `connect`. The
 * connection is in state HANDLING until they have, with its head kept; then handshake_go_on(), or
 * it is answered as they say. `wanted` is kept for the former, and freed with free(). May end the
 * connection, or let it in, before it returns. */
void dialog_begin(struct conn *c, const struct spec_route *route, void *wanted);
/* While handshake_go_on() runs: what was kept, and the subprotocol that the backend chose among
 * those that the client offers (empty: none). */
void *dialog_wanted(const struct dialog *d);
struct slice dialog_protocol(const struct dialog *d);

/* The connection is open; a second time is fine. */
void dialog_opened(struct dialog *d);
/* A message has come, and is copied. False: nothing more may be read from the connection until
 * session_go_on(); it may also have ended (worker's memory for messages is used up: 1013). */
bool dialog_message(struct dialog *d, enum frame_opcode opcode, struct slice payload);
bool dialog_is_full(const struct dialog *d); /* NULL: false */
/* What was cut has left the socket: an answer may be sent again. */
void dialog_writable(struct dialog *d);
/* Why the connection is being closed, for the operation `disconnect`; the first counts. NULL is
 * fine, for `d` and for the text's data. */
void dialog_reason(struct dialog *d, struct slice reason);
/* The connection ends, or was never opened: c->dialog is NULL after it. */
void dialog_left(struct conn *c);
/* Its handshake takes long: it is refused, or gets more time. */
void dialog_timeout(struct conn *c);
/* The configuration has changed: goes by the specification that counts now. REFUSE_NONE; or
 * REFUSE_ACCESS_LOST: its path asks now who may open it. */
enum refuse dialog_follow(struct dialog *d);

/* --- of a worker --- */

#define DIALOGS_END_MS                                                                             \
    5000 /* for the last disconnects, when all connections of a worker have gone */

struct dialogs;
struct outbound_counts;

void dialogs_follow(struct worker *w); /* the configuration has changed */
/* The worker ends: what is still to be told is given up, and counted. */
void dialogs_abandon(struct worker *w);
void dialogs_close(struct worker *w); /* its loop is about to end, and has no dialogs any more */
/* Where /metrics read what its requests have come to; once in a turn of the loop. */
void dialogs_publish(struct worker *w);
void dialogs_free(struct worker *w); /* the loop has ended */

#endif
