/* resume.h - a client that comes back: what it asks for in its handshake, and finding its place in
 * the history before it is let in. Loop's thread, but for resume_parse(). */
#ifndef GATEWAY_RESUME_H
#define GATEWAY_RESUME_H

#include "conn.h"
#include "path.h"

struct resume_wish {
    bool any;            /* false: it wants what is new from now on */
    bool strict;         /* when not all is kept: no connection, instead of one that is closed */
    char since[ID_SIZE]; /* the last event it has seen; "" for the earliest kept */
};

/* Reads `?since=<event id>|earliest` and `strict=0|1` (percent-encoded or not), or without `since`
 * the header Last-Event-ID, where empty is none. Other parameters are ignored. REFUSE_NONE or
 * REFUSE_SINCE: something of it malformed, or twice. (pure) */
enum refuse resume_parse(const struct http_head *head, struct resume_wish *ret);

/* Opens the session that the handshake asks for, at once or when history has answered; the
 * connection is in state HANDLING until then. `answer` is what it is sent when it is let in; it is
 * taken over. What it has negotiated is on the connection already. */
void resume_open(struct conn *c, struct path *path, struct buf *answer,
                 const struct resume_wish *wish);
/* The handshake's time is over before history has answered. */
void resume_timeout(struct conn *c);
/* The connection ends. An answer that comes later finds nobody. */
void resume_drop(struct conn *c);

#endif
