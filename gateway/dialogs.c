/* dialogs.c - the dialogs of a worker: whose turn it is to ask its backend. See dialog.h. */
#include "clock.h"
#include "dialog_private.h"
#include "log.h"
#include "mem.h"

#include <stdlib.h>

/* A quarter of the requests that may be under way is left for handshakes: clients that wait to be
 * let in do not stand behind messages. */
static size_t calls_for_messages(const struct config *cfg)
{
    size_t most = (size_t) cfg->gateway.backends.max_calls;
    return most < 4 ? most : most - most / 4;
}

static struct outbound_options options_of(const struct dialogs *ds, const struct config *cfg)
{
    return (struct outbound_options){
        .allowed = ds->allowed,
        .connect_ms = cfg->gateway.backends.connect_timeout_ms,
        .read_ms = cfg->gateway.backends.read_timeout_ms,
        .max_ms = cfg->gateway.backends.request_timeout_ms,
        .max_calls = (size_t) cfg->gateway.backends.max_calls,
        .max_waiting = (size_t) cfg->gateway.backends.max_waiting,
        .breaker_failures = cfg->gateway.backends.breaker_failures,
        .breaker_ms = cfg->gateway.backends.breaker_timeout_ms,
        .ca_file = cfg->gateway.backends.ca_file,
    };
}

static void allow(struct dialogs *ds, const struct config *cfg)
{
    const struct config_strings *texts = &cfg->gateway.backends.allowed_networks;
    networks_init(&ds->allowed, texts->at, texts->n);
}

struct dialogs *dialogs_of(struct worker *w)
{
    const struct config *cfg = w->shared->cfg;
    if (w->dialogs != NULL)
        return w->dialogs;
    struct dialogs *ds = xcalloc(1, sizeof(*ds));
    ds->worker = w;
    ds->max_calls = calls_for_messages(cfg);
    ds->ids = (struct id_gen){.in_lane = true, .lane = (uint8_t) (w->index % ID_LANES)};
    list_init(&ds->all);
    list_init(&ds->ready);
    allow(ds, cfg);
    const struct outbound_options options = options_of(ds, cfg);
    int r = outbound_new(&w->loop, &options, &ds->out);
    if (r < 0) {
        log_error("backend", "requests to backends cannot be made", r);
        networks_fini(&ds->allowed);
        free(ds);
        return NULL;
    }
    ds->authorizers = authorizers_new(ds->out);
    authorizers_configure(ds->authorizers, cfg->gateway.auth.clock_skew_ms);
    w->dialogs = ds;
    return ds;
}

void dialogs_follow(struct worker *w)
{
    struct dialogs *ds = w->dialogs;
    const struct config *cfg = w->shared->cfg;
    if (ds == NULL)
        return;
    struct networks before = ds->allowed;
    allow(ds, cfg);
    ds->max_calls = calls_for_messages(cfg);
    const struct outbound_options options = options_of(ds, cfg);
    outbound_configure(ds->out, &options);
    authorizers_configure(ds->authorizers, cfg->gateway.auth.clock_skew_ms);
    networks_fini(&before);
}

/* --- turns --- */

static void pump(struct dialogs *ds)
{
    if (ds->pumping)
        return;
    ds->pumping = true;
    while (ds->n_calls < ds->max_calls && !list_empty(&ds->ready)) {
        struct dialog *d = LIST_ENTRY(ds->ready.next, struct dialog, in_ready);
        list_remove(&d->in_ready);
        dialog_step(d);
    }
    ds->pumping = false;
}

void dialogs_ready(struct dialog *d)
{
    struct dialogs *ds = d->owner;
    if (!d->busy && list_empty(&d->in_ready))
        list_push(&ds->ready, &d->in_ready);
    pump(ds);
}

void dialogs_done(struct dialog *d)
{
    ASSERT(d->busy);
    d->busy = false;
    d->call = NULL;
    d->owner->n_calls--;
    dialogs_ready(d);
}

/* --- beginning and end --- */

struct dialog *dialog_new(struct dialogs *ds, struct conn *c, const struct spec_route *route)
{
    struct dialog *d = try_calloc(1, sizeof(*d));
    if (d == NULL)
        return NULL;
    d->owner = ds;
    d->c = c;
    d->spec = spec_ref(route->spec);
    d->route = route;
    d->tail = &d->head;
    d->connected_ms = clock_wall_ms();
    d->began_ms = uv_now(&ds->worker->loop);
    conn_id(c, d->id);
    list_init(&d->in_ready);
    list_push(&ds->all, &d->in_all);
    return d;
}

void dialog_free(struct dialog *d)
{
    struct dialogs *ds = d->owner;
    outbound_cancel(d->call);
    authorizer_cancel(d->check);
    if (d->busy)
        ds->n_calls--;
    list_remove(&d->in_ready);
    list_remove(&d->in_all);
    ds->bytes -= d->bytes;
    while (d->head != NULL) {
        struct message *m = d->head;
        d->head = m->next;
        free(m);
    }
    integration_memory_free(d->memory);
    spec_unref(d->spec);
    free(d->reason);
    free(d->wanted);
    bool counted = d->counted;
    free(d);
    pump(ds); /* its turn may be somebody's */
    if (counted)
        worker_answered(ds->worker);
}

void dialogs_abandon(struct worker *w)
{
    uint64_t n = 0;
    if (w->dialogs == NULL)
        return;
    LIST_FOREACH_SAFE (it, &w->dialogs->all) {
        struct dialog *d = LIST_ENTRY(it, struct dialog, in_all);
        if (!d->counted)
            continue;
        n++;
        dialog_record(d, ACCESS_DISCONNECT, 0, -ECANCELED, 0, 0);
        dialog_free(d);
    }
    if (n == 0)
        return;
    struct log_line l;
    log_open(&l, LOG_WARN, "backend", "not told of the end of connections: there was no time left");
    log_u64(&l, "connections", n);
    log_close(&l);
}

void dialogs_close(struct worker *w)
{
    struct dialogs *ds = w->dialogs;
    if (ds == NULL)
        return;
    ASSERT(list_empty(&ds->all));
    authorizers_free(ds->authorizers);
    outbound_close(ds->out);
}

void dialogs_free(struct worker *w)
{
    if (w->dialogs == NULL)
        return;
    networks_fini(&w->dialogs->allowed);
    free(w->dialogs);
    w->dialogs = NULL;
}
