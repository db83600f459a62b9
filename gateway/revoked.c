/* revoked.c - closes the connections of those whom another node has shut out:
 *   revoked_close > on_closed, for each worker in turn, and each in pieces */
#include "revoked.h"

#include "worker.h"

static void begin(struct revoked *r);

static void on_closed(struct connections_ask *ask)
{
    struct revoked *r = LIST_ENTRY(ask, struct revoked, ask);
    ask->from = ask->next;
    ask->worker += ask->next == 0;
    if (ask->err == 0 && ask->worker < r->shared->n_workers) {
        connections_ask(r->shared, ask);
        return;
    }
    r->asking = false; /* also when we are going down: then all are closed */
    if (r->again && ask->err == 0)
        begin(r);
}

static void begin(struct revoked *r)
{
    r->asking = true;
    r->again = false;
    r->ask = (struct connections_ask){.kind = CONNECTIONS_REVOKED, .done = on_closed};
    connections_ask(r->shared, &r->ask);
}

void revoked_close(struct revoked *r)
{
    if (!atomic_load(&r->shared->ready))
        return; /* nobody has come in yet */
    r->again = true;
    if (!r->asking)
        begin(r);
}
