/* manage.c - see manage.h. */
#include "manage.h"

#include "mem.h"

#include <stdlib.h>

static bool may_broadcast(void *ctx, const struct trigger_spec *spec)
{
    const struct manage *m = ctx;
    const struct iam_resource gateway = {IAM_GATEWAY, m->cfg->gateway.id};
    return iam_account_may(m->iam, spec->service_account_id, IAM_BROADCAST, &gateway);
}

struct manage *manage_new(const struct config *cfg, struct pipeline *pipeline,
                          struct metrics *metrics)
{
    struct manage *m = xcalloc(1, sizeof(*m));
    m->cfg = cfg;
    m->iam = iam_new(cfg);
    m->limit = auth_limit_new();
    pipeline_set_allowed(pipeline, may_broadcast, m);
    const struct admin_options options = {
        .cfg = cfg, .pipeline = pipeline, .metrics = metrics, .iam = m->iam};
    m->admin = admin_new(&options);
    return m;
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
