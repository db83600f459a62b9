/* dialog_log.c - what is logged and counted of a dialog, but for its handshake: that is told where
 * it is answered (spec_answer.h). See dialog.h. */
#include "dialog_private.h"
#include "outbound_cells.h"

/* Words for the log; what a backend says of itself is not among them. */
static const char *error_of(int err)
{
    switch (err) {
    case 0:
        return NULL;
    case -EACCES:
        return "egress";
    case -ECONNREFUSED:
        return "not_reached";
    case -ETIMEDOUT:
        return "slow";
    case -EMSGSIZE:
        return "too_long";
    case -EBADMSG:
        return "broken";
    case -EBUSY:
    case -EHOSTDOWN:
        return "busy";
    case -EINVAL:
        return "parameter";
    case -ENOTSUP:
        return "not_acceptable";
    case -ECANCELED:
        return "given_up";
    default:
        return "failed";
    }
}

void dialog_record(const struct dialog *d, enum access_operation operation, unsigned status,
                   int err, size_t in, size_t out)
{
    struct worker *w = d->owner->worker;
    const struct spec_operation *op =
        operation == ACCESS_MESSAGE ? d->route->message : d->route->disconnect;
    uint64_t ms = uv_now(&w->loop) - d->began_ms;
    route_metrics_request(&w->routes, d->route->path, operation, status, ms);
    if (err == 0 && !access_log_on(operation))
        return;
    access_log(&(struct access_record){
        .gateway_id = w->shared->cfg->gateway.id,
        .connection_id = d->id,
        .route = d->route->path,
        .operation = operation,
        .status = status,
        .bytes_in = in,
        .bytes_out = out,
        .duration_ms = ms,
        .integration = access_integration(op),
        .error = error_of(err),
        .metrics = &w->metrics,
    });
}

void dialogs_publish(struct worker *w)
{
    if (w->dialogs == NULL)
        return;
    const struct outbound_counts counts = outbound_counts(w->dialogs->out);
    outbound_cells_store(&w->backend, &counts);
}
