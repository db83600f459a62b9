/* engine_embedded.c - the engine of a single node, in memory: what is submitted is passed on at
 * once, so it is as safe as it will get when submit returns. */
#include "engine.h"

#include "mem.h"

#include <stdlib.h>

struct engine {
    struct engine_callbacks cb;
};

static struct engine *embedded_open(const struct engine_callbacks *cb)
{
    struct engine *e = xcalloc(1, sizeof(*e));
    e->cb = *cb;
    return e;
}

static void embedded_close(struct engine *e)
{
    free(e);
}

static int embedded_submit(struct engine *e, struct event *const *events, size_t n,
                           void (*done)(void *arg, int err), void *arg)
{
    e->cb.events(e->cb.ctx, events, n);
    done(arg, 0);
    return 0;
}

static int embedded_broadcast(struct engine *e, struct path *p, const struct batch_message *m)
{
    return e->cb.deliver(e->cb.ctx, p, m);
}

const struct engine_ops ENGINE_EMBEDDED = {
    .name = "embedded",
    .open = embedded_open,
    .close = embedded_close,
    .submit = embedded_submit,
    .broadcast = embedded_broadcast,
};
