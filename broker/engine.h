/* engine.h - the table of an engine: where accepted events become safe and where batches go to the
 * nodes with clients. The rest of the program does not know which engine runs. Broker thread; every
 * callback comes on the broker thread too, never from inside the call unless said. */
#ifndef BROKER_ENGINE_H
#define BROKER_ENGINE_H

#include "batch.h"
#include "event.h"
#include "path.h"

struct engine; /* each engine's own; never defined here */

struct engine_callbacks {
    void *ctx;
    /* Events that are safe, in order: match them against the triggers and batch them. May come from
     * inside submit. */
    void (*events)(void *ctx, struct event *const *events, size_t n);
    /* A batch for this node's connections on `p`: put it on the path's log. May come from inside
     * broadcast. 0 or a negative error. */
    int (*deliver)(void *ctx, struct path *p, const struct batch_message *m);
};

struct engine_ops {
    const char *name; /* the value of `engine` in the configuration */
    struct engine *(*open)(const struct engine_callbacks *cb); /* never NULL */
    void (*close)(struct engine *e);
    /* Takes events (references of its own where it keeps them). 0: `done(arg, 0)` follows when they
     * are safe, or done(arg, err); it may come before submit returns. -EAGAIN: overload, nothing
     * was taken and done is not called. */
    int (*submit)(struct engine *e, struct event *const *events, size_t n,
                  void (*done)(void *arg, int err), void *arg);
    /* A flushed batch of a trigger on its way to every node. 0 or a negative error: not taken. */
    int (*broadcast)(struct engine *e, struct path *p, const struct batch_message *m);
};

extern const struct engine_ops ENGINE_EMBEDDED;

#endif
