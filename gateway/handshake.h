/* handshake.h - a request on the gateway's listener: for a WebSocket (upgrade.h) or for server-sent
 * events (event_stream.h), on a path that there is, by somebody who may. Loop's thread. */
#ifndef GATEWAY_HANDSHAKE_H
#define GATEWAY_HANDSHAKE_H

#include "conn.h"
#include "path.h"

#define HANDSHAKE_EARLY_MAX 4096 /* bytes a client may send before it has its answer */

/* The head has come whole, and `early` bytes after it. The connection is let in, waits for its
 * path's backend (dialog.h) or for history (resume.h), or is refused. */
void handshake_received(struct conn *c, size_t early);
/* The backend of its path lets it in (dialog.h): goes on as above. */
void handshake_go_on(struct conn *c);
/* Whether what has let it in still does, after it has waited: its path may have gone, its token may
 * have been revoked. */
enum refuse handshake_still_good(const struct conn *c, const struct path *path);

#endif
