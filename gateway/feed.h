/* feed.h - the console's feed: GET /console/live on the management listener is a WebSocket of which
 * the console is a client as any other is of a path. It says what goes on: events as they are
 * accepted with what the triggers make of them, batches as they leave, webhooks as they are
 * answered.
 *
 * The front has one group for it, and the code of all groups sends it. What costs something is done
 * only while somebody listens, or has just now: items are gathered for FEED_FLUSH_MS, so that many
 * of them are one message. A console that does not read is told that it has missed something.
 *
 *
 *   hello    boot (another one after each start), seq: what follows comes after this
 *   event    an event that was accepted, as GET /gateway/v1/events shows it
 *   batch    at, triggerId, triggerName, path, size, bytes, flush, firstEventId, lastEventId,
 *            connections: it has been put on its path's log
 *   webhook  at, registryId, kind, peer, status, accepted, ignored, duplicates, setAside, reason:
 *            it was answered, or refused, when the registry is known
 *   skipped  n: so many items were left out
 *   gap      what was between the last item and seq is not there any more
 *
 * Front's thread. */
#ifndef GATEWAY_FEED_H
#define GATEWAY_FEED_H

#include "conn.h"
#include "feed_log.h"

#define FEED_FLUSH_MS 100
#define FEED_STUCK_MS 60000 /* a console that has taken nothing for so long is closed */

struct feed;
struct shared;

/* Makes the front's group; the front and the pipeline are there, the loop does not run yet. */
MUST_CHECK int feed_new(struct shared *s, struct feed **ret);
void feed_close(struct feed *f); /* its timers: the loop must turn once more. NULL is fine */
void feed_free(struct feed *f);  /* the front's groups are gone. NULL is fine */

bool feed_takes(const struct http_head *head); /* a request for it, on the management listener */
void feed_begin(struct conn *c); /* its head is there: opens a session, or refuses it */
void feed_left(struct conn *c);  /* an open one ends */
/* It has been brought to the tail: tells it so. */
void feed_gap(struct conn *c);

#endif
