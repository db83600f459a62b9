/* manage.c - see manage.h. */
#include "manage.h"

#include "log.h"
#include "mem.h"
#include "supervisor.h"

#include <signal.h>
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

/* --- reload --- */

static int refuse(const char *why)
{
    struct log_line l;
    log_open(&l, LOG_ERROR, "manage", "accounts not reloaded");
    log_str(&l, "error", why);
    log_close(&l);
    return -EINVAL;
}

static int load(const char *file, struct config **ret)
{
    struct buf error;
    buf_init(&error, 1 << 16);
    int r = config_load(file, ret, &error);
    if (r < 0) {
        char *why = xslicedup(buf_slice(&error));
        why[strcspn(why, "\n")] = '\0'; /* the first of them; --check prints all */
        (void) refuse(why[0] == '\0' ? "the file cannot be loaded" : why);
        free(why);
    }
    buf_fini(&error);
    return r < 0 ? -EINVAL : 0;
}

/* What roles are given on has to be what requests ask about. */
static bool same_place(const struct config *a, const struct config *b)
{
    return strcmp(a->cloud_id, b->cloud_id) == 0 && strcmp(a->folder_id, b->folder_id) == 0 &&
           strcmp(a->gateway.id, b->gateway.id) == 0;
}

static void replace(struct manage *m, struct config *cfg, struct iam *iam)
{
    iam_free(m->iam);
    config_free(m->accounts);
    m->iam = iam;
    m->accounts = cfg;
    admin_set_iam(m->admin, iam);
    pipeline_set_allowed(m->pipeline, may_broadcast, m); /* asks again for every trigger */
}

int manage_reload(struct manage *m)
{
    struct config *cfg = NULL;
    int r = load(m->file, &cfg);
    if (r < 0)
        return r;
    struct iam *iam = iam_new(cfg, &m->secret);
    if (!same_place(m->cfg, cfg))
        r = refuse("another cloud_id, folder_id or gateway.id takes a restart");
    else if (iam_is_open(iam) && !iam_is_open(m->iam))
        r = refuse("without users, tokens and keys everybody could do everything: that takes a "
                   "restart");
    if (r < 0) {
        iam_free(iam);
        config_free(cfg);
        return r;
    }
    replace(m, cfg, iam);
    struct log_line l;
    log_open(&l, LOG_INFO, "manage", "accounts reloaded");
    log_u64(&l, "users", cfg->n_users);
    log_u64(&l, "service_accounts", cfg->n_service_accounts);
    log_close(&l);
    return 0;
}

static void on_hangup(uv_signal_t *handle, int signum)
{
    struct manage *m = handle->data;
    (void) signum;
    if (m->supervisor != NULL)
        supervisor_reloading(m->supervisor);
    int r = manage_reload(m); /* it logs what is wrong */
    if (m->supervisor != NULL)
        supervisor_ready(m->supervisor,
                         r == 0 ? "serving" : "serving; the changed configuration was refused");
}

int manage_watch(struct manage *m, uv_loop_t *loop, const char *file)
{
    m->file = file;
    m->hangup.data = m;
    int r = uv_signal_init(loop, &m->hangup);
    return r < 0 ? r : uv_signal_start(&m->hangup, on_hangup, SIGHUP);
}

void manage_unwatch(struct manage *m)
{
    uv_close((uv_handle_t *) &m->hangup, NULL);
}

void manage_free(struct manage *m)
{
    if (m == NULL)
        return;
    admin_free(m->admin);
    auth_limit_free(m->limit);
    iam_free(m->iam);
    config_free(m->accounts);
    free(m);
}
