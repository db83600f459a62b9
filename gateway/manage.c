/* manage.c - see manage.h. */
#include "manage.h"

#include "addresses.h"

#include "log.h"
#include "mem.h"

#include <stdlib.h>

static bool may_broadcast(void *ctx, const struct trigger_spec *spec)
{
    const struct manage *m = ctx;
    const struct iam_resource gateway = {IAM_GATEWAY, m->cfg->gateway.id};
    return iam_account_may(m->iam, spec->service_account_id, IAM_BROADCAST, &gateway);
}

/* Tokens made before a restart count after it. */
static void read_secret(struct manage *m)
{
    m->secret_dir = strcmp(m->cfg->engine, "memory") == 0 ? NULL : m->cfg->data_dir;
    if (m->cfg->management.secret != NULL) {
        iam_secret_derive(m->cfg->management.secret, &m->secret);
        return;
    }
    int r = m->secret_dir == NULL ? 0 : iam_secret_read(m->secret_dir, &m->secret);
    if (r < 0 && r != -ENOENT)
        log_error("manage", "the secret of IAM tokens cannot be read: none is accepted or made", r);
}

struct manage *manage_new(const struct config *cfg, struct pipeline *pipeline,
                          struct metrics *metrics)
{
    struct manage *m = xcalloc(1, sizeof(*m));
    m->cfg = cfg;
    m->pipeline = pipeline;
    read_secret(m);
    m->iam = iam_new(cfg, &m->secret);
    m->limit = auth_limit_new();
    list_init(&m->letters_busy);
    pipeline_set_allowed(pipeline, may_broadcast, m);
    const struct admin_options options = {
        .cfg = cfg, .pipeline = pipeline, .metrics = metrics, .iam = m->iam};
    m->admin = admin_new(&options);
    return m;
}

void manage_tell_addresses(struct manage *m, const struct addresses *at)
{
    m->rest = at->names[LISTENER_MANAGEMENT];
    m->n_rest = at->n[LISTENER_MANAGEMENT];
    m->grpc = at->names[LISTENER_GRPC];
    m->n_grpc = at->n[LISTENER_GRPC];
    m->gateway = at->names[LISTENER_GATEWAY];
    m->n_gateway = at->n[LISTENER_GATEWAY];
    m->webhooks = at->names[LISTENER_WEBHOOKS];
    m->n_webhooks = at->n[LISTENER_WEBHOOKS];
}

void manage_configure(struct manage *m, const struct config *cfg, struct iam *iam)
{
    struct iam *before = m->iam;
    m->cfg = cfg;
    m->iam = iam;
    admin_set_config(m->admin, cfg);
    admin_set_iam(m->admin, iam);
    pipeline_set_allowed(m->pipeline, may_broadcast, m); /* asks again for every trigger */
    iam_free(before);
}

void manage_free(struct manage *m)
{
    if (m == NULL)
        return;
    admin_free(m->admin);
    auth_limit_free(m->limit);
    iam_free(m->iam);
    free(m);
}
