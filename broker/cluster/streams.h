/* streams.h - the streams and buckets of a cluster: made or checked when a node has connected, and
 * looked at from time to time, because servers that lose their power may come back with less than
 * they had acknowledged. */
#ifndef BROKER_CLUSTER_STREAMS_H
#define BROKER_CLUSTER_STREAMS_H

#include "cluster/cluster.h"

/* The server is new enough (2.12: changes of several messages that are stored together), has
 * JetStream and takes messages as long as ours; then everything is there, as the configuration
 * says. `done` once: 0, or an error, with what is wrong logged: -ENOTSUP, -EMSGSIZE (those only
 * another server or configuration can mend) and those of js.h, after which it may be tried again.
 * Connected. While one is under way, another does nothing. */
void streams_ensure(struct cluster *c, void (*done)(void *ctx, int err), void *ctx);
void streams_forget(struct cluster *c); /* the one under way, after js_free() */

enum streams_which { STREAM_IN, STREAM_EV, STREAM_BAT, STREAM_REC, STREAMS_N };

struct streams_watch;
/* Asks every 5 s, and at once by streams_look(). `regressed`: it ends below where it has ended, or
 * is another one by the same name. */
struct streams_watch *streams_watch_new(struct cluster *c,
                                        void (*regressed)(void *ctx, enum streams_which which),
                                        void *ctx);
void streams_look(struct streams_watch *w);
/* When all of them had a leader and answered last; 0: never. By clock_mono_ms(). */
uint64_t streams_healthy_ms(const struct streams_watch *w);
uint64_t streams_regresses(const struct streams_watch *w); /* how many it has seen */
/* Its timer is closed by the loop's next turn. js_free() follows before that. NULL is fine. */
void streams_watch_free(struct streams_watch *w);

#endif
